# Runs a program in the node's control group, and again a second after it has ended, as systemd would.
for seen in /sys/fs/cgroup/*; do
  echo 0 >"$seen/cgroup.procs"
done
while :; do
  nsenter --cgroup=/run/cgroup-namespace "$@"
  echo "ended with $?"
  sleep 1
done
