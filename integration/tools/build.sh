#!/usr/bin/env bash
# Builds the programs that no package of Debian holds: of each Go module here those that the `tool`
# lines of its go.mod name and its go.sum pins. A module is built once for each state of these two
# files, whatever becomes of the others: minutes at first, seconds when Go's own cache is warm.
#
#   build.sh             what most tests need
#   build.sh --cluster   that, and what only a cluster with kubelets needs: longer than all the rest
#   --print-folder       nothing; only says where
#
# Prints the folder, one and the same for all, to which programs are only ever added: several of these may
# run at once. A folder named by GINGHAM_TOOLS is taken as it is.
set -euo pipefail
# What fails in a $(...) fails here: a folder that lacks something must not look whole.
shopt -s inherit_errexit
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"
cd "$root/integration/tools"

programs=(
  gobgp gobgpd etcd kubectl kube-apiserver helm
  cnitool bandwidth bridge host-local loopback portmap ptp tuning
  containerd containerd-shim-runc-v2 ctr
)
cluster_programs=(
  kubelet kube-controller-manager kube-scheduler kube-proxy agnhost localhost.crt localhost.key
  regression-issue-74839 e2e.test ginkgo coredns
)
cluster_modules=(kubelet coredns)
all_modules=(*/go.mod)
all_modules=("${all_modules[@]%/go.mod}")
export CGO_ENABLED=0

# pins MODULE ...: a word that changes with what pins them.
pins() {
  cat "${@/%//go.mod}" "${@/%//go.sum}" | sha256sum | cut -c1-16
}

# version_flags MODULE: what tells the programs of Kubernetes their version. Built from a module of
# ours they know none.
version_flags() {
  local release parts version=k8s.io/component-base/version
  release=$(go -C "$1" list -m -f '{{.Version}}' k8s.io/kubernetes)
  IFS=. read -ra parts <<<"${release#v}"
  printf -- '-X %s ' "$version.gitVersion=$release" "$version.gitMajor=${parts[0]}" "$version.gitMinor=${parts[1]}"
}

# build MODULE FOLDER: its programs into the folder.
build() {
  local flags=(-mod=readonly -trimpath) link="-s -w" output=$2/
  case $1 in
    # Its path ends in "server".
    etcd) output=$2/etcd ;;
    kubernetes | kubelet) link+=" $(version_flags "$1")" ;;
  esac
  flags+=(-ldflags "$link")
  go -C "$1" build "${flags[@]}" -o "$output" tool
  [ "$1" != kubelet ] || build_tests "$@" "${flags[@]}"
}

# build_tests MODULE FOLDER FLAG ...: Kubernetes' own tests, which are no tool, and the certificate that
# agnhost shows, which is no part of it.
build_tests() {
  local agnhost
  go -C "$1" test -c -vet=off "${@:3}" -o "$2/e2e.test" k8s.io/kubernetes/test/e2e
  agnhost=$(go -C "$1" list -mod=readonly -f '{{.Dir}}' k8s.io/kubernetes/test/images/agnhost)
  install -m 644 "$agnhost"/porter/localhost.{crt,key} "$2/"
}

# built MODULE: builds it unless that is done, and prints where its programs are.
built() (
  place=$cache/$1-$(pins "$1")
  exec 9>"$cache/$1.lock"
  flock 9
  if [ ! -d "$place" ]; then
    need_go
    say "building $1 (kubernetes takes about five minutes on two cores, kubelet four, coredns two, the others less)"
    # Beside its place first: a build that is interrupted leaves no folder that looks whole.
    rm -rf "$place.new"
    mkdir "$place.new"
    build "$1" "$place.new" >&2
    mv -T "$place.new" "$place"
  fi
  printf '%s\n' "$place"
)

modules=()
for module in "${all_modules[@]}"; do
  [[ " ${cluster_modules[*]} " == *" $module "* ]] || modules+=("$module")
done
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gingham/tools
folder=${GINGHAM_TOOLS:-$cache/go-$(pins "${all_modules[@]}")}
print_only=
for argument in "$@"; do
  case $argument in
    --cluster)
      modules+=("${cluster_modules[@]}")
      programs+=("${cluster_programs[@]}")
      ;;
    --print-folder) print_only=yes ;;
    *) fail "unknown argument $argument: --cluster and --print-folder are all there is" ;;
  esac
done
if [ -n "$print_only" ]; then
  printf '%s\n' "$folder"
  exit
fi

# missing: the programs that the folder lacks.
missing() {
  local program
  for program in "${programs[@]}"; do
    [ -s "$folder/$program" ] || printf '%s ' "$program"
  done
}

if [ -z "${GINGHAM_TOOLS:-}" ] && [ -n "$(missing)" ]; then
  mkdir -p "$folder"
  for module in "${modules[@]}"; do
    place=$(built "$module")
    ln -f "$place"/* "$folder/"
  done
fi
lacking=$(missing)
[ -z "$lacking" ] || fail "$folder lacks $lacking: put them there, or unset GINGHAM_TOOLS to have them built"
printf '%s\n' "$folder"
