#!/usr/bin/env bash
# Every test of the workspace, in groups, three groups at a time: most of a scenario's time is waiting. Those
# between zones, whose labs are large and lose no packet, come last, beside nothing but each other. A group's output comes in one piece when it has ended. Called by test.sh, which does the set-up.
#
#   groups.sh                    all but those in fleets: clusters of real kubelets, whose programs take long to build
#   groups.sh --fleets [--all]   those in fleets, one after the other; --all: the long ones too
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"

# Those that take longest come first. Each test belongs to the one group whose patterns fit its name.
groups=(
  "--test kube_[!l-r]*"
  "--test [l-y]*"
  "--test kube_[l-r]*"
  "--lib --bins --test [acdeghij]* --test f[!l]* --test ke*"
  "--test bgp_*"
  "--test b[!g]*"
  "--doc"
)
last=(
  "--test zones_reflectors"
  "--test zones_[!r]* --test zones_restart"
)
case $* in
  "") ;;
  --fleets) groups=() last=("--test fleet_* -- --test-threads=1") ;;
  "--fleets --all") groups=() last=("--test fleet_* -- --test-threads=1 --include-ignored") ;;
  *) fail "unknown arguments $*: --fleets and --fleets --all are all there is" ;;
esac

# Every agent of a lab takes inotify instances, of which the kernel lets root have 128 unless told otherwise.
instances=/proc/sys/fs/inotify/max_user_instances
before=$(<"$instances")
output=$(mktemp -d)
trap 'echo "$before" >"$instances"; rm -rf "$output"' EXIT
[ "$before" -ge 512 ] || echo 512 >"$instances"

# All examples are built before the first test runs, the speaker of crates/bgp among them.
say "building the tests"
cargo test --workspace --locked --no-run || exit

# run GROUP: its tests.
run() {
  local begun=$SECONDS args outcome=passed said
  said=$(mktemp -p "$output")
  read -ra args <<<"$1"
  say "begins: ${args[*]}"
  cargo test --workspace --locked --no-fail-fast "${args[@]}" >"$said" 2>&1 || outcome=FAILED
  # Under a lock, so that two groups that end together do not mix.
  flock "$output" cat "$said"
  say "$outcome in $((SECONDS - begun)) s: ${args[*]}"
  [ $outcome = passed ] || touch "$output/failed"
}

for group in "${groups[@]}"; do
  [ "$(jobs -pr | wc -l)" -lt 3 ] || wait -n
  run "$group" &
done
wait
for group in "${last[@]}"; do
  run "$group" &
done
wait
[ ! -e "$output/failed" ]
