#!/bin/bash
# The chart as a plain manifest and a base for Kustomize: manifest.sh DIR [REPOSITORY]
#
# Writes DIR/kiln.yaml (with the namespace kiln-system, the API and the controller) and
# DIR/kustomization.yaml. REPOSITORY is where the image is, without its tag.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: manifest.sh DIR [REPOSITORY]}
repository=${2:-kiln-controller}
helm=$(/usr/bin/python3 tests/cluster/go_tools.py helm)
mkdir -p "$out"
{
  echo "# Kiln: namespace, API and controller. Made of charts/kiln by make manifest; see docs/install.md."
  # Nothing here is managed by helm.
  "$helm" template kiln charts/kiln --namespace kiln-system --kube-version 1.36 \
    --set "namespace.create=true,crds.keep=false,image.repository=$repository" 2>/dev/null |
    sed -e '/^ *app.kubernetes.io\/managed-by: Helm$/d' -e '/^ *helm.sh\/chart: /d'
} >"$out/kiln.yaml.new" || { echo "manifest: helm template failed" >&2; exit 1; }
mv "$out/kiln.yaml.new" "$out/kiln.yaml"
cp deploy/kustomize/kustomization.yaml "$out/"
