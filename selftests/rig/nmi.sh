#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# NMIs of the host's that end a guest's turn are handed to the host's handler. Needs two
# processors: the kernel sends one to each other processor that is to say what it does.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
said=/tmp/said
guest="taskset 2 abyme run --nested --memory 128M /lib/abyme/guests/l2-long.elf"
[ -d /sys/devices/system/cpu/cpu1 ] && [ -w /proc/sysrq-trigger ] || exit 4

for _ in 1 2 3 4; do
	$guest
done >$said 2>&1 &
pid=$!
sleep 2
while kill -0 $pid 2>/dev/null; do
	taskset 1 sh -c "echo l >/proc/sysrq-trigger"
	sleep 0.2
done
[ "$(grep -c '^ok' $said)" = 8 ] && ! grep -q '^not ok' $said
claim "a nested guest runs on through NMIs of the host's" $?
dmesg | grep -q 'RIP: .*vmx_raise_nmi'
claim "the host's handler was told of some where a guest's turn ended" $?
end_claims
