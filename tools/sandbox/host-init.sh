#!/usr/bin/env bash
# First process of a private host: it makes the host's own view of the file system, says so by a
# file, and then collects orphans until it is killed. With it end every process, device, table and
# mount of the host.
#   STATE      the host's folder, absolute, short (unix sockets) and not below /run
#   HOST_NAME  the host's name
set -euo pipefail

# The first mount: it hides the machine's /run, where mount(8) itself would leave /run/mount behind.
mount -n -t tmpfs -o mode=755,size=64m tmpfs /run
mkdir -p /run/libvirt /run/netns /run/lock /run/openvswitch
mount -n -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -n -t sysfs sysfs /sys # the network devices of this host and no others

# Libvirt's folders are this host's alone. Its small packages do not make all of them, and what is
# made here must not stay on the machine: where one is missing, its parent is seen through an
# overlay that goes with the host.
cover() { # FOLDER SOURCE
  if [ ! -d "$1" ]; then
    local parent=${1%/*} layer=/run/overlay${1%/*}
    mkdir -p "$layer/upper" "$layer/work"
    local layers="lowerdir=$parent,upperdir=$layer/upper,workdir=$layer/work"
    mount -n -t overlay -o "$layers" overlay "$parent"
    mkdir "$1"
  fi
  mount -n --bind "$2" "$1"
}
cover /etc/libvirt "$STATE/libvirt/etc"
cover /var/lib/libvirt "$STATE/libvirt/lib"
cover /var/cache/libvirt "$STATE/libvirt/cache"
cover /var/log/libvirt "$STATE/libvirt/log"

# Libvirt looks its compiled-in user up before it reads qemu.conf; without libvirt-daemon-system
# there is none.
for database in passwd group; do
  getent "$database" libvirt-qemu >/dev/null && continue
  line=libvirt-qemu:x:64055:
  [ "$database" = passwd ] && line=libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin
  { cat "/etc/$database" && echo "$line"; } >"$STATE/$database"
  mount -n --bind "$STATE/$database" "/etc/$database"
done

printf '127.0.0.1 localhost %s\n::1 localhost\n' "$HOST_NAME" >"$STATE/hosts"
mount -n --bind "$STATE/hosts" /etc/hosts # libvirt looks the host's name up
hostname "$HOST_NAME"
ip link set lo up

# Frames of bridges pass the host's rules where a bridge asks for it, never globally.
for family in iptables ip6tables arptables; do
  setting=/proc/sys/net/bridge/bridge-nf-call-$family
  if [ -e "$setting" ]; then echo 0 >"$setting"; fi
done

touch "$STATE/ready"
set +e
# A pid namespace's first process must wait for orphans, or they stay as zombies.
while :; do sleep 3600 & wait; done
