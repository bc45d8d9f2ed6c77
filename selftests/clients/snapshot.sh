#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Snapshots of a machine whose L1 runs an L2.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"

kernel=small

qemu-img create -q -f qcow2 "$work/disk" 256M
linux m -M q35 -m 320 -cpu host -drive file="$work/disk",if=none,id=disk,format=qcow2 \
	-device virtio-blk-pci,drive=disk
up m && l2 m
must m "an L1 on q35 runs an L2" $?

first=$(l2_number m)
monitor m "savevm one" >"$work/answer"
! grep -i error "$work/answer"
claim "savevm" $?
l2_counts m 10
claim "after savevm L2 counts on" $?
monitor m "loadvm one" >"$work/answer"
! grep -iE 'error|failed' "$work/answer"
claim "loadvm" $?
second=$(l2_number m)
echo "L2 was at $first when saved, at $at_number later, and is at $second now" >"$said"
[ "$second" -ge "$first" ] && [ "$second" -lt "$at_number" ]
claim "L2 is back where it was" $?
l2_counts m 10
r=$?
[ $r = 0 ] || { in_guest m "tail -n 40 /tmp/l2; dmesg | tail -n 20"; tell m; }
claim "and counts on" $r
end_claims
