#!/usr/bin/env bash
# The main job, on a bare Debian 12 as root: installs what is missing, builds, brings up a cluster
# of three zones with FRR and BIRD between them in namespaces, proves that pods reach each other,
# whatever breaks, prints the map, takes it down.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup
need_daemons
"$root/integration/build.sh"
exec "$root/target/release/lab" demo
