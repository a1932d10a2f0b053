#!/usr/bin/env bash
# Makes the kubeconfig with which the agent of a static pod says who it is, by the API server's own signer. To be
# run by who may approve certificates; the key is drawn here and is nowhere but in the file.
#
#   kubeconfig.sh NODE FILE              of a reflector
#   kubeconfig.sh --worker NODE FILE     of another node
#
# FILE belongs to root alone, as /etc/gingham/kubeconfig on NODE. kubectl's current context says which cluster.
set -euo pipefail
umask 077
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
group=gingham:reflectors
[ "${1:-}" != --worker ] || { group=gingham:nodes; shift; }
[ $# = 2 ] || fail "wants [--worker] NODE FILE; got $# arguments"
node=$1 file=$2
[[ $node =~ ^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$ ]] || fail "NODE $node: no name of a Node"
for program in kubectl openssl; do
  command -v "$program" >/dev/null || fail "found no $program"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cluster() { kubectl config view --raw --minify --flatten -o jsonpath="{.clusters[0].cluster.$1}"; }
config() { kubectl config --kubeconfig="$work/kubeconfig" "$@" >/dev/null; }

openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" -out "$work/request" \
  -subj "/O=$group/CN=gingham:node:$node" 2>"$work/said" || fail "openssl: $(<"$work/said")"
# A request that has its certificate is of no further use, and one name is one request.
request=gingham-$node
kubectl delete certificatesigningrequest "$request" --ignore-not-found >/dev/null
kubectl create -f - >/dev/null <<EOF
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: $request}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: $(base64 -w 0 "$work/request")
EOF
kubectl certificate approve "$request" >/dev/null
kubectl wait --for=jsonpath='{.status.certificate}' --timeout=60s "certificatesigningrequest/$request" >/dev/null
kubectl get certificatesigningrequest "$request" -o jsonpath='{.status.certificate}' | base64 -d >"$work/certificate"
cluster certificate-authority-data | base64 -d >"$work/authority"

config set-cluster gingham --server="$(cluster server)" --certificate-authority="$work/authority" --embed-certs
config set-credentials gingham --client-certificate="$work/certificate" --client-key="$work/key" --embed-certs
config set-context gingham --cluster=gingham --user=gingham
config use-context gingham
install -m 600 "$work/kubeconfig" "$file"
