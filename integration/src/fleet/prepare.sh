# What a box needs to be a machine for a kubelet. $1 is its control group below every hierarchy, $2 the
# folder that is its disk. Runs in the box, before anything else does.
set -eu

# A container has a /proc of its own, and sees the machine's boot id in it: so does the node.
umount /proc/sys/kernel/random/boot_id

# A group in each hierarchy, and the namespace in which that group is the root.
mkdir -p /run/cgroup /run/lock /run/netns
hierarchies=$(awk -F: '$2 != "" { print $2 }' /proc/self/cgroup)
[ -n "$hierarchies" ] || { echo "the machine has no hierarchy of control groups of version 1" >&2; exit 1; }
for hierarchy in $hierarchies; do
  whole=/run/cgroup/${hierarchy#name=}
  mkdir "$whole"
  case $hierarchy in
    name=*) mount -t cgroup -o "none,$hierarchy" cgroup "$whole" ;;
    *) mount -t cgroup -o "$hierarchy" cgroup "$whole" ;;
  esac
  # A new group of cpuset has no processor and no memory until it is told.
  [ ! -e "$whole/cgroup.clone_children" ] || echo 1 >"$whole/cgroup.clone_children"
  mkdir -p "$whole/$1"
  if [ -e "$whole/cpuset.cpus" ]; then
    group=$whole
    for part in $(echo "$1" | tr / ' '); do
      cat "$group/cpuset.cpus" >"$group/$part/cpuset.cpus"
      cat "$group/cpuset.mems" >"$group/$part/cpuset.mems"
      group=$group/$part
    done
  fi
  echo 0 >"$whole/$1/cgroup.procs"
done
touch /run/cgroup-namespace
unshare --cgroup=/run/cgroup-namespace true
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for hierarchy in $hierarchies; do
  seen=/sys/fs/cgroup/${hierarchy#name=}
  mkdir "$seen"
  case $hierarchy in
    name=*) options=none,$hierarchy ;;
    *) options=$hierarchy ;;
  esac
  nsenter --cgroup=/run/cgroup-namespace mount -t cgroup -o "$options" cgroup "$seen"
  # The kubelet takes the first it finds.
  umount "/run/cgroup/${hierarchy#name=}"
done

# The disk: what outlives a power failure.
for folder in etc/cni etc/containerd etc/gingham etc/kubernetes opt/cni var/lib; do
  mkdir -p "$2/$folder" "/$folder"
  mount --bind "$2/$folder" "/$folder"
done
mkdir -p /etc/cni/net.d /etc/kubernetes/manifests /opt/cni/bin
mount -t tmpfs -o mode=755 tmpfs /var/log

# The kubelet sets these for the whole machine. It is shown the values it wants, and leaves them.
mkdir /run/shown
show() {
  echo "$2" >"/run/shown/${1##*/}"
  mount --bind "/run/shown/${1##*/}" "/proc/sys/$1"
}
show vm/overcommit_memory 1
show vm/panic_on_oom 0
show kernel/panic 10
show kernel/panic_on_oops 1
show kernel/keys/root_maxkeys 1000000
show kernel/keys/root_maxbytes 25000000

: >/run/resolv.conf
# Mounts made in pods, and for them, are seen on both sides.
mount --make-rshared /
