#!/bin/bash
# Makes sure that this machine has what a group of targets needs: setup.sh GROUP…
#
# Groups: build, image, chart, test, demo, e2e, bench, lint, cross, fuzz. On Debian 12 missing packages are installed with apt-get if we are
# root; otherwise the one line to run is printed and the exit code is 1. Nothing is asked.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(make g++ cmake ninja-build ccache pkg-config git ca-certificates
  libboost1.81-dev libssl-dev zlib1g-dev libisal-dev libdeflate-dev libzstd-dev libarchive-dev
  nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libspdlog-dev
  prometheus-cpp-dev)
# What is in the image is fetched by tools/image, not installed.
image=(python3 apt dpkg binutils ca-certificates)
chart=(python3)  # And Go, which builds helm once.
demo=(python3 openssl)
# nginx, fcgiwrap, tinyproxy and sshd serve git to tests/integration/git; nginx, docker-registry (2.8) and iproute2 are
# for tests/faults; prometheus (and its promtool) is for tests/chart; valgrind
# is for tests/instructions; time, pigz and zstd are for tests/bench; zsh and fish are asked for completions. The last line is for tests/compare,
# 280 MB of disk. Tests start servers of their own, so no service is started after its installation.
test=(python3 openssl libgtest-dev libgmock-dev python3-pytest python3-yaml
  python3-prometheus-client skopeo umoci jq
  qemu-user faketime nginx-light fcgiwrap tinyproxy-bin openssh-server openssh-client docker-registry iproute2 curl
  prometheus
  valgrind time pigz zstd zsh fish
  docker.io buildah libarchive-tools)
# What a Kubernetes node takes beside Go programs, a web server for its pods, and one for git.
e2e=(python3 openssl python3-pytest python3-yaml runc containernetworking-plugins iptables iproute2 curl
  nginx-light fcgiwrap)
# runc is for BuildKit's worker.
bench=(python3 openssl git nginx-light fcgiwrap curl time pigz zstd runc)
lint=(python3 clang-format-16 clang-tidy-16)
cross=(python3 apt dpkg g++-12-aarch64-linux-gnu)
fuzz=(python3 clang-16 libclang-rt-16-dev)

wanted=()
needs_go=
for group in "$@"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    image) wanted+=("${image[@]}") ;;
    chart) wanted+=("${chart[@]}") ;;
    demo) wanted+=("${demo[@]}") needs_go=yes ;;
    test) wanted+=("${test[@]}") needs_go=yes ;;
    e2e) wanted+=("${e2e[@]}") needs_go=yes ;;
    bench) wanted+=("${bench[@]}") needs_go=yes ;;
    lint) wanted+=("${lint[@]}") ;;
    cross) wanted+=("${cross[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    *) echo "setup: there is no group '$group'; there are build, image, chart, test, demo, e2e, bench, lint, cross and fuzz" >&2; exit 2 ;;
  esac
done
[ ${#wanted[@]} -gt 0 ] || { echo "usage: setup.sh GROUP…   (build, image, chart, test, demo, e2e, bench, lint, cross, fuzz)" >&2; exit 2; }

# Prints the packages of `wanted` that are not installed.
missing() {
  local have
  have=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' "${wanted[@]}" 2>/dev/null || true)"
  local package
  for package in "${wanted[@]}"; do
    [[ $have == *" installed=$package "* ]] || echo "$package"
  done | sort -u
}

# Tests start an sshd of their own. Installing one must not make this machine listen, now or after its
# next start: its service is masked ("systemctl unmask ssh" takes that back).
keep_sshd_off() {
  local unit
  for unit in ssh.service ssh.socket; do
    [ ! -d /etc/systemd/system ] || [ -e "/etc/systemd/system/$unit" ] ||
      ln -s /dev/null "/etc/systemd/system/$unit"
  done
}

install_packages() {
  local lacking with_sshd=
  mapfile -t lacking < <(missing)
  [ ${#lacking[@]} -gt 0 ] || return 0
  [[ " ${lacking[*]} " != *" openssh-server "* ]] || with_sshd=yes
  local install="apt-get install -y --no-install-recommends ${lacking[*]}"
  if [ "$(id -u)" != 0 ]; then
    echo "setup: to $*, this machine lacks ${#lacking[@]} Debian packages. Run this, then try again:" >&2
    # Else Debian starts an sshd; tests have one of their own.
    echo "  ${with_sshd:+sudo systemctl mask ssh.service ssh.socket; }sudo apt-get update && sudo $install" >&2
    exit 1
  fi
  [ -z "$with_sshd" ] || keep_sshd_off
  echo "setup: to $*, installing ${lacking[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  local log status=0
  log=$(mktemp)
  # Debian's way to install a package without starting its service (invoke-rc.d, policy-rc.d).
  local policy=/usr/sbin/policy-rc.d
  if [ -e $policy ]; then
    policy=  # Somebody has decided already.
  else
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  { apt-get update -q && $install; } </dev/null >"$log" 2>&1 || status=$?
  [ -z "$policy" ] || rm -f "$policy"
  if [ $status != 0 ]; then
    tail -n 15 "$log" >&2
    echo "setup: apt-get failed; whole log: $log. Kiln is built and tested on Debian 12." >&2
    exit 1
  fi
  rm -f "$log"
}

# Go builds the API server, etcd and the registry that tests and the demo run against, once.
check_go() {
  local tools go version
  tools=$(/usr/bin/python3 tests/cluster/go_tools.py --list | sed -n 1,5p)
  [[ $tools == *"not built"* ]] || return 0
  go=$(command -v go || command -v /usr/local/go/bin/go || true)
  version=$([ -z "$go" ] || GOTOOLCHAIN=local "$go" env GOVERSION 2>/dev/null || true)
  if [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 26 ]; then return 0; fi
  echo "setup: ${version:-no Go} found, and Go 1.26 or newer is needed: it builds the API server, etcd and" >&2
  echo "setup: the registry of tests and demo. Install it from https://go.dev/doc/install and put it on PATH." >&2
  exit 1
}

if command -v dpkg-query >/dev/null; then
  install_packages "$@"
else
  echo "setup: no Debian here, so nothing was checked; needed are the counterparts of: ${wanted[*]}" >&2
fi
[ -z "$needs_go" ] || check_go
