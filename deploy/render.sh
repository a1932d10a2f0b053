#!/usr/bin/env bash
# Renders the chart, the one source, for those who use no Helm: deploy/manifest and deploy/static-pod.
#
#   render.sh           writes the files
#   render.sh --check   writes nothing; fails if one is not what the chart says
#
# Needs helm: in GINGHAM_TOOLS, the folder of integration/tools/build.sh, or on PATH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH=${GINGHAM_TOOLS:+$GINGHAM_TOOLS:}$PATH
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
command -v helm >/dev/null || fail "found no helm (integration/tools/build.sh builds it; set GINGHAM_TOOLS to what it prints)"
case $* in
  "" | --check) ;;
  *) fail "unknown arguments $*: --check is all there is" ;;
esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# chart ARGUMENT ...: what the chart says. Nothing is labelled as Helm's, for no Helm will know of it.
chart() {
  helm template gingham "$here/chart" --namespace gingham-system --kube-version 1.32.0 "$@" |
    sed -E '/^ *app.kubernetes.io\/managed-by: Helm$/d; /^ *helm.sh\/chart: /d; /^# Source: /d'
}

mkdir "$out/manifest" "$out/static-pod"
{
  cat <<'EOF'
# All of Gingham for a cluster: kubectl apply --server-side -f gingham.yaml
# Rendered from deploy/chart by deploy/render.sh; not to be changed here.
apiVersion: v1
kind: Namespace
metadata:
  name: gingham-system
  labels:
    # The agents' pods use the host's network.
    pod-security.kubernetes.io/enforce: privileged
EOF
  cat "$here"/chart/crds/*.yaml
  chart
} >"$out/manifest/gingham.yaml"
cat >"$out/manifest/kustomization.yaml" <<'EOF'
# A base to lay one's own changes over.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [gingham.yaml]
EOF
chart --set reflectors.kind=StaticPod --show-only templates/static-pod.yaml |
  sed -n '1,/^  gingham-agent.yaml: |$/d; s/^    //; /./p' >"$out/static-pod/gingham-agent.yaml"

for file in manifest/gingham.yaml manifest/kustomization.yaml static-pod/gingham-agent.yaml; do
  [ -s "$out/$file" ] || fail "$file came out empty"
  if [ "$*" = --check ]; then
    diff -u "$here/$file" "$out/$file" >&2 || fail "deploy/$file is not what the chart says: run deploy/render.sh"
  else
    install -D -m 644 "$out/$file" "$here/$file"
  fi
done
