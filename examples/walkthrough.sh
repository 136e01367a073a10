#!/bin/bash
# Builds a container image step by step with kiln, without a Dockerfile, and runs it with Docker.
#
# The steps are those of the article "Building container images in Go" (which takes the library
# go-containerregistry): pull an image, delete something in it, add a folder, set the entrypoint,
# tag, push, load into Docker. Each step shows what it changed.
#
#   REGISTRY=localhost:5000 examples/walkthrough.sh
#
# REGISTRY     where the image is pushed to, under kiln-walkthrough; plain http is fine on localhost
# BASE         what is built on                         (default: $REGISTRY/library/nginx:1.27)
# KILN         the program                              (default: kiln)
# DOCKER       the client                               (default: docker)
# DOCKER_HOST  the daemon, as docker and kiln read it   (default: theirs)
#
# A C compiler makes the small program that the image runs. What the script leaves in Docker, in the
# registry and on the disk it takes away at its end, also after an error.
set -euo pipefail

REGISTRY=${REGISTRY:-localhost:5000}
BASE=${BASE:-$REGISTRY/library/nginx:1.27}
KILN=${KILN:-kiln}
DOCKER=${DOCKER:-docker}

html=/usr/share/nginx/html
target=$REGISTRY/kiln-walkthrough/site
loaded=kiln-walkthrough:1
work=$(mktemp -d)

clean_up() {
  "$DOCKER" image rm --force "$loaded" >"$work/log" 2>&1 || true
  for tag in 1 latest; do
    "$KILN" delete "$target:$tag" >"$work/log" 2>&1 || true
  done
  rm -rf "$work"
}
trap clean_up EXIT

step() { printf '\n== %s\n' "$*"; }

# Prints a command, then runs it.
show() {
  printf '$ %s\n' "$*" | sed "s#$work/##g"
  "$@"
}

step "1. Pull the base image. It becomes a folder, an OCI image layout, with all its platforms."
show "$KILN" copy "$BASE" "oci:$work/base:1"
show "$KILN" ls "oci:$work/base:1" $html

step "2. Remove a path. Layers are never changed: a new one hides what was there (a whiteout)."
show "$KILN" append "oci:$work/base:1" --remove $html -t "oci:$work/removed:1"
show "$KILN" layers "oci:$work/removed:1"
if "$KILN" ls "oci:$work/removed:1" $html >"$work/log" 2>&1; then
  echo "walkthrough: $html is still there" >&2
  exit 1
fi
echo "$html is gone"

step "3. Make a layer of a folder and put it on top. Here: a page, and a program that prints files."
mkdir -p "$work/site" "$work/bin"
echo '<h1>Hello from kiln</h1>' >"$work/site/index.html"
cat >"$work/print.c" <<'END'
#include <stdio.h>
int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    FILE* file = fopen(argv[i], "r");
    if (!file) return perror(argv[i]), 1;
    for (int c; (c = fgetc(file)) != EOF;) putchar(c);
    fclose(file);
  }
  return 0;
}
END
cc -static -o "$work/bin/print" "$work/print.c"  # Static: the image need not have a C library.
show "$KILN" append "oci:$work/removed:1" --dir "$work/site:$html" \
  --dir "$work/bin:/usr/local/bin" --preserve mode -t "oci:$work/content:1"
show "$KILN" cat "oci:$work/content:1" $html/index.html

step "4. Set the entrypoint and its arguments, and a label. That is config: no layer is made."
show "$KILN" mutate "oci:$work/content:1" --entrypoint /usr/local/bin/print \
  --args $html/index.html --label team=web -t "oci:$work/site.oci:1"
show "$KILN" diff "oci:$work/base:1" "oci:$work/site.oci:1"

step "5. Push, and tag. Layers of the base that the registry has are not sent again."
show "$KILN" copy "oci:$work/site.oci:1" "$target:1"
show "$KILN" tag "$target:1" latest
show "$KILN" validate "$target:latest"

step "6. Load the image into Docker (the one for this machine's platform), and run it."
show "$KILN" copy "$target:latest" "docker-daemon:$loaded"
said=$(show "$DOCKER" run --rm --network none "$loaded")
echo "$said"
[[ $said == *"Hello from kiln"* ]]

step "7. All of it in one command, from the registry to the registry."
show "$KILN" append "$BASE" --remove $html --dir "$work/site:$html" \
  --dir "$work/bin:/usr/local/bin" --preserve mode --entrypoint /usr/local/bin/print \
  --args $html/index.html --label team=web -t "$target:1"
show "$KILN" diff "$target:1" "$target:latest" --exit-code
echo "no difference"
