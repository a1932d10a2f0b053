#!/usr/bin/env bash
# Every test, on a bare Debian 12 as root: units, properties, the kernel's verbs in namespaces of
# their own, scenarios in the lab, a real Kubernetes API server, BGP with real daemons, and timings
# beside the upstream ptp, bridge and host-local, beside ip -batch and beside the daemons.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup
need_packages bind9-dnsutils='1:9.18*' binutils='2.40*' busybox-static='1:1.35.0*' catatonit='0.1.7*' curl='7.88.1*' iperf='2.1.8*' \
  iptables='1.8.9*'   netcat-openbsd='1.219*' runc='1.1.5*' strace='6.1*'
need_daemons
GINGHAM_TOOLS=$("$root/integration/tools/build.sh")
export GINGHAM_TOOLS
cd "$root"
"$root/integration/build.sh"
say "tests"
"$root/integration/groups.sh"
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
