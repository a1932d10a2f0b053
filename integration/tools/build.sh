#!/usr/bin/env bash
# Builds the programs that no package of Debian holds, from the Go modules that go.mod names and
# go.sum pins, once for each state of the two. Prints the folder; with --print-folder only that.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../setup.sh"
cd "$root/integration/tools"

folder=${GINGHAM_TOOLS:-}
if [ -z "$folder" ]; then
  pins=$(cat go.mod go.sum | sha256sum | cut -c1-16)
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/gingham/tools/go-$pins
fi
if [ "${1:-}" != --print-folder ] && [ ! -d "$folder" ]; then
  need_go
  say "building $(go list tool | xargs -n1 basename | xargs) into $folder"
  # Beside its place first: a build that is interrupted leaves no folder that looks whole.
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  GOBIN="$folder.new" go install -mod=readonly -trimpath tool
  mv -T "$folder.new" "$folder"
fi
printf '%s\n' "$folder"
