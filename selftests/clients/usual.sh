#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What everybody needs, in one machine: Linux boots, a disk and a network work, an L2 runs,
# and a snapshot with the running L2 is taken and gone back to.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"

sample
head -c 4194304 /dev/zero >"$work/raw-disk"
dd if="$work/tftp/file" of="$work/raw-disk" conv=notrunc 2>/dev/null
qemu-img create -q -f qcow2 "$work/qcow2" 512M
linux m -M q35 -m 352 -cpu host,-kvm-asyncpf \
	-drive file="$work/raw-disk",if=none,id=blk,format=raw -device virtio-blk-pci,drive=blk \
	-drive file="$work/qcow2",if=none,id=state,format=qcow2 -device virtio-blk-pci,drive=state \
	-netdev user,id=net,tftp="$work/tftp" -device virtio-net-pci,netdev=net,romfile=
up m
must m "Linux boots on q35 with two disks and a network" $?
in_guest m "for i in virtio_pci virtio_blk virtio_net; do modprobe \$i; done; sleep 1" >/dev/null
disk virtio-blk vda raw-disk
net virtio-net virtio_net 10.0.2.2
monitor m "drive_del blk" >/dev/null	# raw has no snapshots
l2 m
must m "an L1 on q35 runs an L2" $?

savevm m one "savevm"
l2_counts m 5
claim "after savevm L2 counts on" $?
loadvm m one "loadvm"
back m "$at" "$at_numbers" "L2 is back where it was"
goes_on m
claim "and counts on" $?
end_claims
