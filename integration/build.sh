#!/usr/bin/env bash
# Builds what nodes run, and the lab, in release form:
#   target/release/{gingham-agent,lab} and target/x86_64-unknown-linux-gnu/release/gingham,
# the plugin statically linked, since it lands on hosts of any make, and beside it examples/floor, which
# bench compares it with; and the examples of crates/bgp, target/release/examples/{speaker,ask}.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"
need_rust

say "building gingham-agent and lab"
cargo build --release --locked -p gingham-agent -p gingham-integration
say "building speaker and ask"
cargo build --release --locked -p gingham-bgp --examples
say "building gingham and floor, static"
# --target keeps the flag away from procedural macros, which cannot be static.
RUSTFLAGS='-C target-feature=+crt-static' \
  cargo build --release --locked --target x86_64-unknown-linux-gnu -p gingham --bins --example floor
say "built $(stat -c '%n %s bytes' target/x86_64-unknown-linux-gnu/release/gingham)"
