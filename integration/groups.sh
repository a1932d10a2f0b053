#!/usr/bin/env bash
# Every test of the workspace, in groups, two groups at a time: most of a scenario's time is waiting.
# A group's output comes in one piece when it has ended. Called by test.sh, which does the set-up.
set -uo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"

# Those that take longest come first. Each test belongs to the one group whose patterns fit its name.
groups=(
  "--lib --bins --test [!bkz]*"
  "--test zones_reflectors"
  "--test kube_[l-r]*"
  "--test zones_restart"
  "--test bgp_*"
  "--test kube_[!l-r]*"
  "--test zones_[!r]*"
  "--test b[!g]*"
  "--doc"
)

# Every agent of a lab takes inotify instances, of which the kernel lets root have 128 unless told otherwise.
instances=/proc/sys/fs/inotify/max_user_instances
before=$(<"$instances")
output=$(mktemp -d)
trap 'echo "$before" >"$instances"; rm -rf "$output"' EXIT
[ "$before" -ge 512 ] || echo 512 >"$instances"

# All examples are built before the first test runs, the speaker of crates/bgp among them: the tests
# take it from where it is newest, which is then the debug build of this very run.
say "building the tests"
cargo test --workspace --locked --no-run || exit

# run N: the group of that number.
run() {
  local begun=$SECONDS args outcome=passed
  read -ra args <<<"${groups[$1]}"
  say "begins: ${args[*]}"
  cargo test --workspace --locked --no-fail-fast "${args[@]}" >"$output/$1" 2>&1 || outcome=FAILED
  # Under a lock, so that two groups that end together do not mix.
  flock "$output" cat "$output/$1"
  say "$outcome in $((SECONDS - begun)) s: ${args[*]}"
  [ $outcome = passed ] || touch "$output/failed"
}

for n in "${!groups[@]}"; do
  [ "$(jobs -pr | wc -l)" -lt 2 ] || wait -n
  run "$n" &
done
wait
[ ! -e "$output/failed" ]
