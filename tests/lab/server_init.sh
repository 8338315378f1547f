#!/usr/bin/env bash
# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The first process of a cluster node, in namespaces of its own: rpcbind and NFS-Ganesha.
# Usage: server_init.sh CONFIG LOG
set -eu
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/ganesha /run/rpcbind /var/run/ganesha
rpcbind -w
for _ in $(seq 100); do
  [ -S /run/rpcbind.sock ] && break
  sleep 0.02
done
exec ganesha.nfsd -F -f "$1" -L "$2" -p /run/ganesha.pid
