#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Several snapshots of a machine with two CPUs whose L1 runs an L2, in turn.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small

qemu-img create -q -f qcow2 "$work/disk" 512M
linux m -M q35 -m 256 -smp 2 -cpu host \
	-drive file="$work/disk",if=none,id=disk,format=qcow2 -device virtio-blk-pci,drive=disk
up m && l2 m
must m "an L1 with two CPUs runs an L2" $?

# taken TAG: $at is where L2 was, and it counts on to $at_numbers.
taken()
{
	savevm m "$1" "savevm $1"
	l2_counts m 4
}

# gone_back TAG FIRST LAST
gone_back()
{
	loadvm m "$1" "loadvm $1"
	back m "$2" "$3" "L2 is back where it was at $1"
	goes_on m
	claim "and counts on" $?
}

taken one
one=$at
taken two
two=$at
end=$at_numbers
gone_back one "$one" "$two"
gone_back two "$two" "$end"
gone_back one "$one" "$two"
end_claims
