#!/usr/bin/env bash
# Builds a program as it was at an earlier commit, for scenarios in which one of the two is older than the other.
#
#   earlier.sh COMMIT gingham|gingham-agent      prints the path of the program
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
[ $# = 2 ] || fail "wants COMMIT and PACKAGE; got $# arguments"
commit=$1 package=$2
folder=${XDG_CACHE_HOME:-$HOME/.cache}/gingham/earlier/$commit
if [ ! -x "$folder/$package" ]; then
  need_rust
  git -C "$root" cat-file -e "$commit^{commit}" 2>/dev/null ||
    fail "commit $commit is not in this clone: git fetch --unshallow"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  git -C "$root" archive "$commit" | tar -x -C "$work"
  cd "$work"
  say "building $package of $commit"
  # Quick to build rather than small; static, so that it runs in any image.
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --quiet --release --locked --target x86_64-unknown-linux-gnu -p "$package" --bins >&2
  mkdir -p "$folder"
  install target/x86_64-unknown-linux-gnu/release/"$package" "$folder/$package.new"
  mv "$folder/$package.new" "$folder/$package"
fi
printf '%s\n' "$folder/$package"
