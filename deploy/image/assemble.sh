#!/usr/bin/env bash
# Puts the root file system of the image together, by the list beside this script.
#
#   assemble.sh ROOT    a directory that is empty or not there yet
#
# Builds nothing of Gingham: integration/build.sh does, and GINGHAM_BIN may name another folder with
# gingham-agent and gingham. The plugins of others are those of integration/tools/build.sh, or in the folder
# GINGHAM_TOOLS. nft is the one of this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

[ $# = 1 ] || fail "wants one argument, the directory to fill; got $#"
root=$1
mkdir -p "$root"
[ -z "$(ls -A "$root")" ] || fail "$root is not empty"
root=$(cd "$root" && pwd)
tools=${GINGHAM_TOOLS:-$("$top/integration/tools/build.sh")}

# program NAME: where a program is.
program() {
  case $1 in
    agent) printf '%s\n' "${GINGHAM_BIN:-$top/target/release}/gingham-agent" ;;
    plugin) printf '%s\n' "${GINGHAM_BIN:-$top/target/x86_64-unknown-linux-gnu/release}/gingham" ;;
    nft) PATH=$PATH:/usr/sbin:/sbin command -v nft || fail "found no nft (Debian: apt-get install nftables)" ;;
    *) printf '%s\n' "$tools/$1" ;;
  esac
}

# libraries PROGRAM: the files it is linked with, the loader among them; none of a static one.
libraries() {
  local linked
  linked=$(ldd "$1" 2>&1) || {
    grep -q 'not a dynamic executable' <<<"$linked" || fail "ldd $1: $linked"
    return 0
  }
  ! grep 'not found' <<<"$linked" >&2 || fail "$1 lacks the libraries above"
  # "NAME => FILE (ADDRESS)" or "FILE (ADDRESS)"; what the kernel maps itself has no file.
  sed -nE 's/^\s*(\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/\2/p' <<<"$linked"
}

# put SOURCE DESTINATION MODE
put() {
  [ -s "$1" ] || fail "$2: its source $1 is missing or empty (integration/build.sh makes what is Gingham's)"
  install -D -m "$3" "$1" "$root$2"
}

while read -r destination source mode; do
  case $destination in "" | "#"*) continue ;; esac
  case $source in
    -) install -d -m "$mode" "$root$destination" ;;
    @*)
      file=$(program "${source#@}")
      put "$file" "$destination" "$mode"
      while read -r library; do
        put "$library" "$library" 755
      done < <(libraries "$file")
      ;;
    *) put "$top/$source" "$destination" "$mode" ;;
  esac
done <"$here/contents"
