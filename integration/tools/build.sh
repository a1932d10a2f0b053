#!/usr/bin/env bash
# Builds the programs that no package of Debian holds, each from the Go module that its go.mod names
# and its go.sum pins, once for each state of these files: minutes at first, seconds when Go's own
# cache is warm. Prints the folder; with --print-folder only that.
# A folder named by GINGHAM_TOOLS is taken as it is.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"
cd "$root/integration/tools"

programs=(gobgp gobgpd etcd kubectl kube-apiserver)
flags=(-mod=readonly -trimpath)
export CGO_ENABLED=0

# build PROGRAM: into the folder that grows.
build() {
  local release
  case $1 in
    gobgp | gobgpd) go -C gobgp build "${flags[@]}" -o "$folder.new/" "github.com/osrg/gobgp/v4/cmd/$1" ;;
    etcd) go -C etcd build "${flags[@]}" -ldflags "-s -w" -o "$folder.new/etcd" go.etcd.io/etcd/server/v3 ;;
    *)
      # Built from a module it knows no version of its own.
      release=$(go -C kubernetes list -m -f '{{.Version}}' k8s.io/kubernetes)
      local version=k8s.io/component-base/version parts
      IFS=. read -ra parts <<<"${release#v}"
      go -C kubernetes build "${flags[@]}" -o "$folder.new/" \
        -ldflags "-s -w -X $version.gitVersion=$release -X $version.gitMajor=${parts[0]} -X $version.gitMinor=${parts[1]}" \
        "k8s.io/kubernetes/cmd/$1"
      ;;
  esac
}

folder=${GINGHAM_TOOLS:-}
if [ -z "$folder" ]; then
  pins=$(cat */go.mod */go.sum | sha256sum | cut -c1-16)
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/gingham/tools/go-$pins
fi
if [ "${1:-}" = --print-folder ]; then
  printf '%s\n' "$folder"
  exit
fi
if [ -z "${GINGHAM_TOOLS:-}" ] && [ ! -d "$folder" ]; then
  need_go
  say "building ${programs[*]} into $folder; kube-apiserver takes about five minutes on two cores"
  # Beside its place first: a build that is interrupted leaves no folder that looks whole.
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  for program in "${programs[@]}"; do
    build "$program"
    say "built $program"
  done
  mv -T "$folder.new" "$folder"
fi
missing=()
for program in "${programs[@]}"; do
  [ -x "$folder/$program" ] || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] || fail "$folder lacks ${missing[*]}: put them there, or unset GINGHAM_TOOLS to have them built"
printf '%s\n' "$folder"
