#!/usr/bin/env bash
# The main job, on a bare Debian 12 as root: installs what is missing, builds, brings up a cluster
# of three zones in namespaces, proves that pods reach each other, prints the map, takes it down.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup
"$root/integration/build.sh"
exec "$root/target/release/lab" demo
