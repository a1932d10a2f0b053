# Sourced by the other scripts: what a bare Debian 12 lacks, and the checks that say so.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
started=$SECONDS

say() { printf '[%4ds] %s\n' $((SECONDS - started)) "$*" >&2; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Network namespaces, mounts and routes are made for real.
need_root() {
  [ "$(id -u)" = 0 ] || fail "must run as root: it makes network namespaces (try: sudo $0)"
}

# installed NAME: whether this Debian package is.
installed() {
  dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# need_packages NAME=VERSION ...: Debian packages, pinned to the upstream version of Debian 12.
need_packages() {
  local missing=() pin name
  for pin in "$@"; do
    name=${pin%%=*}
    installed "$name" || missing+=("$pin")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "needs Debian's packages: ${missing[*]%%=*}"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # One source of several that does not answer need not be the one that is needed.
  apt-get update -qq >&2 || say "apt-get update failed, going on with the lists there are"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt-get install ${missing[*]} failed (the pins are those of Debian 12)"
}

need_rust() {
  local how="install it by rustup (https://rustup.rs): rustup toolchain install $rust_needed"
  command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || fail "needs Rust $rust_needed or later, and found no cargo; $how"
  local found
  found=$(cargo --version | awk '{print $2}')
  printf '%s\n%s\n' "$rust_needed" "$found" | sort --check=quiet --version-sort ||
    fail "needs Rust $rust_needed or later, and found $found; $how"
}

# Go builds the tests' foreign programs, nothing of ours. Of their modules the most demanding counts.
need_go() {
  local needed found
  needed=$(sed -n 's/^go //p' "$root"/integration/tools/*/go.mod | sort --version-sort | tail -n1)
  local how="install it from https://go.dev/dl (unpacked to /usr/local/go), or name a folder of the built programs in GINGHAM_TOOLS"
  command -v go >/dev/null || PATH="/usr/local/go/bin:$PATH"
  command -v go >/dev/null || fail "needs Go $needed or later, and found none; $how"
  found=$(GOTOOLCHAIN=local go env GOVERSION)
  printf '%s\n%s\n' "$needed" "${found#go}" | sort --check=quiet --version-sort ||
    fail "needs Go $needed or later, and found ${found#go}; $how"
}

# need_daemons: the BGP daemons that ours talks to in tests. None may run on the host itself: while they
# are installed policy-rc.d forbids to start services, and those just installed do not start at boot.
need_daemons() (
  pins=(bird2='2.0.12*' frr='8.4.4*' openbgpd='7.7*')
  policy=/usr/sbin/policy-rc.d
  missing=()
  for pin in "${pins[@]}"; do
    installed "${pin%%=*}" || missing+=("$pin")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  kept=$(mktemp -d)
  [ ! -e "$policy" ] || mv "$policy" "$kept/"
  trap 'rm -f "$policy"; [ ! -e "$kept/policy-rc.d" ] || mv "$kept/policy-rc.d" "$policy"; rmdir "$kept"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  need_packages "${missing[@]}"
  command -v systemctl >/dev/null || return 0
  for pin in "${missing[@]}"; do
    # bird2 is the package, bird the service.
    name=${pin%%=*}
    systemctl --quiet disable "${name%2}" || fail "systemctl disable ${name%2} failed: it would start at boot"
  done
)

# need_cluster_packages: what the images of a cluster with kubelets hold, and what its nodes run.
need_cluster_packages() {
  need_packages bind9-dnsutils='1:9.18*' busybox-static='1:1.35.0*' catatonit='0.1.7*' conntrack='1:1.4.7*' curl='7.88.1*' dash='0.5.12*' \
    netcat-openbsd='1.219*' runc='1.1.5*' wget='1.21.3*'
}

# What building and every lab need. gcc is the linker.
setup() {
  need_root
  need_packages gcc='4:12.2*' libc6-dev='2.36*' iproute2='6.1*' iputils-ping='3:20221126*' tcpdump='4.99.3*' nftables='1.0.6*'
  need_rust
}
