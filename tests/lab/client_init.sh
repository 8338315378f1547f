#!/usr/bin/env bash
# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first process of a client VM (user-mode Linux): its own copy-on-write root over this
# machine's files, a real NFS client, its own address and name, an SSH server. The kernel's
# command line says lab_base=, lab_name=, lab_address=.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
for word in $(cat /proc/cmdline); do
  case $word in lab_*=*) declare "${word%%=*}=${word#*=}" ;; esac
done
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir -p /mnt/modules/lib/modules /mnt/upper /mnt/work /mnt/root
ln -s "/usr/lib/uml/modules/$(uname -r)" "/mnt/modules/lib/modules/$(uname -r)"
modprobe -d /mnt/modules overlay
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mount -t proc proc $root/proc
mount -t sysfs sys $root/sys
mount -t devtmpfs dev $root/dev
mkdir -p $root/dev/pts $root/dev/shm
mount -t devpts devpts $root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs $root/dev/shm
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/tmp
mount -t tmpfs -o mode=755 tmpfs $root/mnt
mount -t tmpfs -o mode=700 tmpfs $root/root # what this machine's root has its shell do is slow here
modprobe -d /mnt/modules nfsv3
modprobe -d /mnt/modules nfsv4
modprobe -d /mnt/modules ipv6

# shellcheck disable=SC2154 # from the command line
hostname "$lab_name"
ip link set lo up
ip link set vec0 name eth0
# shellcheck disable=SC2154
ip addr add "$lab_address/24" dev eth0
# shellcheck disable=SC2154
ip addr add "$lab_address6/64" dev eth0 nodad
ip link set eth0 up
printf '127.0.0.1 localhost\n%s %s\n' "$lab_address" "$lab_name" > $root/etc/hosts
echo "$lab_name" > $root/etc/hostname
: > $root/etc/fstab

mkdir -p $root/run/sshd
cat > $root/run/sshd_config <<CONFIG
HostKey /run/host_key
AuthorizedKeysFile /run/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
LogLevel ERROR
Subsystem sftp internal-sftp
CONFIG
# shellcheck disable=SC2154
cp "$lab_base/$lab_name.key" $root/run/host_key
chmod 600 $root/run/host_key
cp "$lab_base/key.pub" $root/run/authorized_keys
exec chroot $root /usr/sbin/sshd -D -e -f /run/sshd_config
