#!/usr/bin/env bash
# Builds the programs that no package of Debian holds: of each Go module here those that the `tool`
# lines of its go.mod name and its go.sum pins. A module is built once for each state of these two
# files, whatever becomes of the others: minutes at first, seconds when Go's own cache is warm.
# Prints the folder that has the programs of all; with --print-folder only that.
# A folder named by GINGHAM_TOOLS is taken as it is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"
cd "$root/integration/tools"

programs=(
  gobgp gobgpd etcd kubectl kube-apiserver
  cnitool bandwidth bridge host-local loopback portmap ptp tuning
  containerd containerd-shim-runc-v2 ctr
)
modules=(*/go.mod)
modules=("${modules[@]%/go.mod}")
export CGO_ENABLED=0

# pins MODULE ...: a word that changes with what pins them.
pins() {
  cat "${@/%//go.mod}" "${@/%//go.sum}" | sha256sum | cut -c1-16
}

# build MODULE FOLDER: its programs into the folder.
build() {
  local flags=(-mod=readonly -trimpath)
  case $1 in
    # Its path ends in "server".
    etcd) flags+=(-ldflags "-s -w" -o "$2/etcd") ;;
    kubernetes)
      # Built from a module it knows no version of its own.
      local release parts version=k8s.io/component-base/version
      release=$(go -C kubernetes list -m -f '{{.Version}}' k8s.io/kubernetes)
      IFS=. read -ra parts <<<"${release#v}"
      flags+=(-ldflags "-s -w -X $version.gitVersion=$release -X $version.gitMajor=${parts[0]} -X $version.gitMinor=${parts[1]}" -o "$2/")
      ;;
    *) flags+=(-ldflags "-s -w" -o "$2/") ;;
  esac
  go -C "$1" build "${flags[@]}" tool
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gingham/tools
folder=${GINGHAM_TOOLS:-$cache/go-$(pins "${modules[@]}")}
if [ "${1:-}" = --print-folder ]; then
  printf '%s\n' "$folder"
  exit
fi
if [ -z "${GINGHAM_TOOLS:-}" ] && [ ! -d "$folder" ]; then
  need_go
  # Beside its place first: a build that is interrupted leaves no folder that looks whole.
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  for module in "${modules[@]}"; do
    built=$cache/$module-$(pins "$module")
    if [ ! -d "$built" ]; then
      say "building $module (kubernetes takes about five minutes on two cores, containerd one)"
      rm -rf "$built.new"
      mkdir "$built.new"
      build "$module" "$built.new"
      mv -T "$built.new" "$built"
    fi
    ln "$built"/* "$folder.new/"
  done
  mv -T "$folder.new" "$folder"
fi
missing=()
for program in "${programs[@]}"; do
  [ -x "$folder/$program" ] || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] || fail "$folder lacks ${missing[*]}: put them there, or unset GINGHAM_TOOLS to have them built"
printf '%s\n' "$folder"
