#!/usr/bin/env bash
# The main job, on a bare Debian 12 as root: installs what is missing, builds, brings up a cluster
# of three zones with FRR and BIRD between them in namespaces, proves that pods reach each other,
# whatever breaks, prints the map, takes it down.
#
#   demo.sh                that, with the cluster's objects in a directory
#   demo.sh --kubernetes   two zones run by Kubernetes: real kubelets and containerd, the chart installed by
#                          Helm. Needs Go for these, and builds them first, which takes long but once
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
case $* in
  "") story=demo ;;
  --kubernetes) story=demo-kubernetes ;;
  *) fail "unknown arguments $*: --kubernetes is all there is" ;;
esac
setup
need_daemons
if [ $story = demo-kubernetes ]; then
  need_cluster_packages
  say "what a cluster runs: on two cores some 20 minutes if nothing of it is built yet, else seconds"
  GINGHAM_TOOLS=$("$root/integration/tools/build.sh" --cluster)
  export GINGHAM_TOOLS
fi
"$root/integration/build.sh"
say "building is done"
exec "$root/target/release/lab" $story
