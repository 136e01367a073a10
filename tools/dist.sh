#!/bin/bash
# What a release consists of: dist.sh DIR [BIN]. `make dist` has built the programs before, in BIN.
#
# DIR gets the programs for this machine, the chart, the plain manifest and Kustomize base, the API
# alone, the image as an OCI archive with its package list (if it was made), and SHA256SUMS of all of
# them. The same sources, tools and Debian packages give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:?usage: dist.sh DIR [BIN]}
bin=${2:-build/release/bin}
version=$(sed -n 's/^project(kiln VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
arch=$(dpkg --print-architecture)
helm=$(/usr/bin/python3 tests/cluster/go_tools.py helm)
grep -q "^## \[\($version\|Unreleased\)\]" CHANGELOG.md ||
  { echo "dist: CHANGELOG.md has no section for $version" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sorted, with one time and no names of this machine.
pack() {
  tar -C "$work" --sort=name --mtime='2020-01-01 UTC' --owner=0 --group=0 --numeric-owner \
    --mode=go=rX,u+rw,a-s -cf - "$2" | gzip -9n >"$out/$1"
}

name=kiln-$version-linux-$arch
mkdir -p "$work/$name"
cp "$bin/kiln" "$bin/kiln-controller" LICENSE CHANGELOG.md "$work/$name/"
pack "$name.tar.gz" "$name"

# helm puts the time of packing into its archive, so it is packed anew.
"$helm" package charts/kiln --destination "$work" >/dev/null 2>&1
mkdir "$work/chart"
tar -C "$work/chart" -m -xzf "$work/kiln-$version.tgz"
mv "$work/chart/kiln" "$work/kiln"
pack "kiln-$version.tgz" kiln

tools/manifest.sh "$work/kiln-manifest-$version"
pack "kiln-manifest-$version.tar.gz" "kiln-manifest-$version"
cp crds/kiln.build_imagebuilds.yaml "$out/"
image=build/image/kiln-controller-$arch.tar
if [ -f "$image" ]; then
  cp "$image" "$out/kiln-controller-image-$version-$arch.tar"
  cp "build/image/packages-$arch.txt" "$out/kiln-controller-image-$version-$arch.packages.txt"
fi

cd "$out"
LC_ALL=C sha256sum -- * >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" .
cat SHA256SUMS
