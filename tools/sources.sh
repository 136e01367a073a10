#!/bin/bash
# Prints the path of every C++ file that is ours, one a line; with --changed only those that differ
# from the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --changed ]; then
  { git diff --name-only --diff-filter=d HEAD; git ls-files --others --exclude-standard; }
else
  git ls-files --cached --others --exclude-standard
fi | { grep -E '\.(h|cc)$' || true; } | sort -u | while read -r file; do
  if [ -e "$file" ]; then echo "$file"; fi
done
