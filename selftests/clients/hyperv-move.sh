#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A machine with Hyper-V's interface, whose Linux keeps time by the TSC page and runs an
# L2, goes on in another process; and one uses its LAPICs by Hyper-V's MSRs.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"

all=hv-relaxed,hv-vapic,hv-time,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-frequencies
all=$all,hv-reset,hv-crash

options="-M q35 -m 384 -cpu host,kvm=off,$all"
# shellcheck disable=SC2086 # options
linux m $options
up m && in_guest m "cat /sys/devices/system/clocksource/clocksource0/current_clocksource" |
	grep -qx hyperv_clocksource_tsc_page && l2 m
must m "Linux with the TSC page as clocksource runs an L2" $?
first=$(uptime_of m)
save m "the machine is saved to a file"
restore r
second=$(uptime_of r)
echo "L1's clock: $first when saved, now $second (in 10 ms)" >"$said"
[ "$second" -ge "$first" ] && [ "$second" -lt $((first + 1000)) ]
claim "in another process the clock goes on" $?
sed 's/^/# /' "$said"
l2_counts r 5 && runs r
claim "and L2 counts on" $?
finish r

linux m -M q35 -m 256 -smp 2 -cpu "host,kvm=off,-x2apic,hv-enforce-cpuid,$all"
up m
must m "two CPUs without x2APIC, CPUID enforced" $?
in_guest m "dmesg | grep 'Hyper-V: Using enlightened APIC .xapic mode'"
claim "their LAPICs are used by MSRs" $?
runs m && in_guest m "grep -c ^processor /proc/cpuinfo" | grep -qx 2
claim "and both are up" $?
in_guest m "! dmesg | grep -iE 'unchecked MSR|WARNING:|BUG:'" >"$said"
claim "L1's kernel has nothing to complain of" $?
end_claims
