#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Several snapshots of a machine with two CPUs whose L1 runs an L2, in turn.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

qemu-img create -q -f qcow2 "$work/disk" 512M
linux m -M q35 -m 256 -smp 2 -cpu host \
	-drive file="$work/disk",if=none,id=disk,format=qcow2 -device virtio-blk-pci,drive=disk
up m && l2 m
must m "an L1 with two CPUs runs an L2" $?

# taken NAME: a snapshot, of which $at_NAME remembers where L2 was.
taken()
{
	at=$(l2_number m)
	monitor m "savevm $1" >"$work/answer"
	! grep -i error "$work/answer"
	claim "savevm $1" $?
	l2_counts m 4
}

# back NAME FIRST LAST: loadvm, and L2 is between these numbers, and counts on.
back()
{
	monitor m "loadvm $1" >"$work/answer"
	! grep -iE 'error|failed' "$work/answer"
	claim "loadvm $1" $?
	now=$(l2_number m)
	echo "L2 is at $now" >"$said"
	[ "$now" -ge "$2" ] && [ "$now" -lt "$3" ]
	claim "L2 is back where it was at $1" $?
	l2_counts m 4
	r=$?
	[ $r = 0 ] || tell m
	claim "and counts on" $r
}

taken one
one=$at
taken two
two=$at
end=$at_number
back one "$one" "$two"
back two "$two" "$end"
back one "$one" "$two"
end_claims
