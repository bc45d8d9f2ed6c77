#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An L1 with two CPUs writes to its disk and runs two L2s, one at work and one that mostly
# waits, and goes through all that can happen to a machine: snapshots, another process, a
# module loaded anew, live migration, more and less memory.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
l2s="busy idle"
counting="both L2s count on"

# both NAME TEXT: claim that they count on, and that the disk has what L1 wrote.
both()
{
	goes_on "$1"
	must "$1" "$2: $counting" $?
	written "$1" 5
	claim "$2: no write to the disk is lost" $?
}

qemu-img create -q -f qcow2 "$work/disk" 512M
options="-M q35 -cpu host -smp 2 -m 384M,slots=2,maxmem=1G
	-drive file=$work/disk,if=none,id=disk,format=qcow2 -device virtio-blk-pci,drive=disk
	-device virtio-balloon-pci,id=balloon,free-page-reporting=on -object memory-backend-ram,id=hot,size=256M
	-device virtio-mem-pci,id=vmem,memdev=hot,requested-size=0"
# shellcheck disable=SC2086 # options
linux a $options
up a && in_guest a "modprobe virtio_pci; modprobe virtio_blk; modprobe virtio_balloon; modprobe virtio_mem;" \
	"echo online_movable >/sys/devices/system/memory/auto_online_blocks" &&
	l2 a && writes a
must a "an L1 with two CPUs runs two L2s" $?

savevm a one "savevm"
both a "savevm"
loadvm a one "loadvm"
written=0
back a "$at" "$at_numbers" "loadvm: both L2s are back where they were"
both a "loadvm"
save a "the machine is saved to a file"
reload
restore b
both b "in another process, the module loaded anew"
rm "$work/state"
move b c
must c "pre-copy comes to its end" $?
both c "pre-copy"
move c d postcopy
must d "post-copy comes to its end" $?
both d "post-copy"

frees d
breathes d 384 320
in_guest d "! dmesg | grep -iE 'unchecked MSR|WARNING:|BUG:|stall|Bad FPU'" >"$said"
claim "L1's kernel has nothing to complain of" $?
end_claims
