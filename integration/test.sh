#!/usr/bin/env bash
# Every test, on a bare Debian 12 as root: units, properties, the kernel's verbs in namespaces of
# their own, scenarios in the lab, a real Kubernetes API server, BGP with real daemons, clusters of real
# kubelets, and timings beside the upstream ptp, bridge and host-local, beside ip -batch and beside the daemons.
#
#   test.sh         what must be green before a change lands
#   test.sh --all   the long ones of the clusters too: every spec of Kubernetes' own tests that can run here
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
case $* in
  "" | --all) ;;
  *) fail "unknown arguments $*: --all is all there is" ;;
esac
setup
need_packages binutils='2.40*' busybox-static='1:1.35.0*' iptables='1.8.9*' runc='1.1.5*' strace='6.1*'
need_cluster_packages
need_daemons
tools=$("$root/integration/tools/build.sh")
# What clusters need besides takes six minutes of both cores: it is built while other tests wait. In a
# session of its own, so that all of it ends with this script.
cluster_log=$(mktemp)
setsid chrt --idle 0 "$root/integration/tools/build.sh" --cluster >"$cluster_log" 2>&1 &
cluster_build=$!
leave() {
  [ -z "$cluster_build" ] || kill -- "-$cluster_build" || true
  rm -f "$cluster_log"
}
trap leave EXIT
export GINGHAM_TOOLS=$tools
cd "$root"
# The tests before the programs: scenarios take of two builds the newer, and it is the release that nodes run.
# A debug build of it would also keep two processors busy where a scenario counts packets.
say "building the tests"
cargo test --workspace --locked --no-run
"$root/integration/build.sh"
say "tests"
"$root/integration/groups.sh"
say "what is left to build for the clusters"
wait "$cluster_build" || { cat "$cluster_log" >&2; fail "integration/tools/build.sh --cluster failed"; }
cluster_build=
say "tests in clusters of real kubelets"
"$root/integration/groups.sh" --fleets "$@"
say "how long the lease store is locked (a figure, not a test)"
cargo bench --quiet --locked -p gingham-ipam --bench store
say "timing of ADD and DEL (a figure, not a test)"
"$root/target/release/bench" --quick --gingham "$root/target/x86_64-unknown-linux-gnu/release/gingham"
say "timing of the agent in a zone of 5,000 blocks (a figure, not a test)"
"$root/target/release/agent-bench" --rounds 3 --deletions 5 --idle 5 --agent "$root/target/release/gingham-agent"
say "timing of the reflector beside BIRD, FRR, OpenBGPD, GoBGP and a floor (a figure, not a test)"
# OpenBGPD takes 20 s and GoBGP minutes for 500 clients.
"$root/target/release/bgp-bench" --quick --limit 20 --storm-limit 3 --skip openbgpd@500x10 --skip gobgp@500x10 \
  --speaker "$root/target/release/examples/speaker"
say "timing of learned prefixes beside BIRD, FRR and a floor (a figure, not a test)"
"$root/target/release/learn-bench" --quick --agent "$root/target/release/gingham-agent"
say "timing of agents in a large cluster of a real API server (a figure, not a test)"
"$root/target/release/api-bench" --quick --agent "$root/target/release/gingham-agent"
say "done"
