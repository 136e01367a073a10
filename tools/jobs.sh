#!/bin/bash
# Prints how many compilers may run at once: one per processor, but 2 GiB of free memory for each.
set -euo pipefail
cpus=$(nproc)
free_kib=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo 2>/dev/null || true)
by_memory=$((${free_kib:-$((cpus * 2097152))} / 2097152))
jobs=$((by_memory < cpus ? by_memory : cpus))
echo $((jobs < 1 ? 1 : jobs))
