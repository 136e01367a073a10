#!/bin/bash
# Runs clang-tidy-16 with the flags of build/dev: tidy.sh [--all] [-jN]. A finding is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
which=--changed jobs=1
for arg in "$@"; do
  case $arg in
    --all) which= ;;
    -j*) jobs=${arg#-j} ;;
    *) echo "usage: tidy.sh [--all] [-jN]" >&2; exit 2 ;;
  esac
done
mapfile -t files < <(tools/sources.sh ${which:+"$which"} | grep '\.cc$' || true)
if [ ${#files[@]} = 0 ]; then echo "tidy: no .cc file differs from the last commit"; exit 0; fi
echo "tidy: ${#files[@]} files, $jobs at a time"
# g++ knows warnings that clang does not; those are no finding.
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$jobs" clang-tidy-16 --quiet -p build/dev \
  --warnings-as-errors='*' --extra-arg=-Wno-unknown-warning-option 2>/dev/null
echo "tidy: no findings"
