#!/usr/bin/env bash
# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first process of one test host, in namespaces of its own (see hosts.py): makes the host's
# root (this machine's files, copy-on-write), brings its network up, and becomes its SSH server.
# Usage: host_init.sh BASE NAME ADDRESS [OUTSIDE:INSIDE ...]; starts when it reads a line.
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
base=$1 name=$2 address=$3
shift 3
read -r _

hostname "$name"
ip link set lo up
ip addr add "$address/24" dev eth0
ip link set eth0 up

work=$base/$name
root=$work/root
mkdir -p "$work"
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$root" "$work/upper" "$work/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,gid=5 devpts "$root/dev/pts"
mount --bind "$root/dev/pts/ptmx" "$root/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for pair in "$base/shared:$base/shared" "$@"; do
  inside=$root${pair#*:}
  mkdir -p "$inside"
  mount --rbind "${pair%%:*}" "$inside"
done

# A user without privileges who may become root.
cat >> "$root/etc/passwd" <<< "operator1:x:4242:4242::/home/operator1:/bin/bash"
cat >> "$root/etc/group" <<< "operator1:x:4242:"
cat >> "$root/etc/shadow" <<< "operator1:*:19000:0:99999:7:::"
mkdir -p "$root/home/operator1" "$root/run/sshd" "$root/etc/sudoers.d"
chown 4242:4242 "$root/home/operator1"
cat > "$root/etc/sudoers.d/operator1" <<< "operator1 ALL=(ALL:ALL) NOPASSWD: ALL"
chmod 440 "$root/etc/sudoers.d/operator1"

printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" > "$root/etc/hosts"
echo "$name" > "$root/etc/hostname"
cat > "$root/run/sshd_config" <<CONFIG
ListenAddress $address
HostKey /run/host_key
AuthorizedKeysFile /run/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
MaxSessions 100
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
CONFIG
cp "$base/$name.key" "$root/run/host_key"
chmod 600 "$root/run/host_key"
cp "$base/key.pub" "$root/run/authorized_keys"

cd /
exec chroot "$root" /usr/sbin/sshd -D -e -f /run/sshd_config
