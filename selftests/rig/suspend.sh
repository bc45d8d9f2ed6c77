#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The host is suspended to RAM (S3) while an L1 and its L2 run. Bochs' firmware wakes
# it at once; a hypervisor's would sleep for ever.
dir=$(dirname "$0")
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
grep -q '\[deep\]' /sys/power/mem_sleep 2>/dev/null || exit 4
! grep -qw hypervisor /proc/cpuinfo || exit 4
said=$(mktemp)

"$dir/mini" -n /lib/abyme/guests/l2-long.elf >"$said" 2>&1 &
pid=$!
asleep=0 enough=3
# A kernel that looks for lost memory is long about falling asleep, and the guest done before.
[ ! -e /sys/kernel/debug/kmemleak ] || enough=1
for _ in 1 2 3; do
	sleep 0.1
	kill -0 $pid 2>/dev/null && echo mem >/sys/power/state && asleep=$((asleep + 1))
done
[ $asleep -ge $enough ]
claim "suspended and woken $asleep times while a nested guest runs" $?
wait $pid
claim "it runs on, and its time goes forward" $?
"$dir/mini" -n /lib/abyme/guests/l2-vmcall.elf >"$said" 2>&1
claim "a new one runs" $?
rmmod abyme && echo mem >/sys/power/state && modprobe abyme &&
	"$dir/mini" -n /lib/abyme/guests/l2-vmcall.elf >"$said" 2>&1
claim "and another after a suspend without abyme" $?
rm -f "$said"
end_claims
