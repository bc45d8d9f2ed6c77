#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Hyper-V's interface, as QEMU's hv-* ask for it and as Linux uses it: its clock goes on
# through snapshots and in another process, and its L1 runs an L2.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"

clocksource=/sys/devices/system/clocksource/clocksource0/current_clocksource
all=hv-relaxed,hv-vapic,hv-time,hv-spinlocks=0x1fff,hv-vpindex,hv-runtime,hv-frequencies
all=$all,hv-reset,hv-crash

# no TEXT FLAGS: QEMU refuses in a sentence.
no()
{
	kernel=small linux m -M q35 -m 192 -cpu "host,$2"
	refused m 'not supported by kernel|requires'
	claim "$1 is refused in words" $?
	sed 's/^/# /' "$work/m/said"
	finish m
}

# has NAME PATTERN: L1's kernel said so when it booted.
has()
{
	in_guest "$1" "dmesg | grep -E '$2' || { dmesg | grep -iE 'hyper-?v|clocksource'; false; }" \
		>"$work/has" && sed 's/^/# /' "$work/has"
}

# The time since L1's boot, in 10 ms, as its clock has it.
uptime_of()
{
	in_guest "$1" "cut -d' ' -f1 /proc/uptime | tr -d ." | tail -n 1
}

# runs NAME: L1's clock and a second of the machine's clock agree, more or less.
runs()
{
	began=$(uptime_of "$1") host_began=$(cut -d' ' -f1 /proc/uptime | tr -d .)
	sleep 3
	ended=$(uptime_of "$1") host_ended=$(cut -d' ' -f1 /proc/uptime | tr -d .)
	passed=$((ended - began)) host_passed=$((host_ended - host_began))
	echo "L1's clock: $passed, the machine's: $host_passed (in 10 ms)" >"$said"
	sed 's/^/# /' "$said"
	[ "$passed" -ge 290 ] && [ "$passed" -le $((host_passed + 10)) ]
}

# saved NAME: has the migration to a file come to its end?
saved()
{
	monitor "$1" "info migrate" | grep -q 'Migration status: completed'
}

if [ "${DEVICE}" != /dev/kvm ]; then
	no "SynIC" hv-relaxed,hv-vpindex,hv-synic
	no "hv-stimer" hv-time,hv-stimer
	no "hv-tlbflush" hv-vpindex,hv-tlbflush
	no "hv-ipi" hv-vpindex,hv-ipi
	no "hv-evmcs" hv-vapic,hv-evmcs
	no "hv-reenlightenment" hv-reenlightenment
fi

kernel=small linux m -M q35 -m 192 -cpu host,hv-relaxed,hv-vapic,hv-time,hv-spinlocks=0x1fff
up m && ! grep -qi assert "$work/m/said"
must m "relaxed, vapic, time, spinlocks, beside KVM's own interface" $?
finish m

options="-M q35 -m 384 -cpu host,kvm=off,$all"
qemu-img create -q -f qcow2 "$work/disk" 512M
# shellcheck disable=SC2086 # options
linux m $options -drive file="$work/disk",if=none,id=disk,format=qcow2 \
	-device virtio-blk-pci,drive=disk
up m
must m "Linux boots with all that there is" $?
has m 'Hypervisor detected: Microsoft Hyper-V'
claim "and finds Hyper-V" $?
has m 'privilege flags low 0xaf3, high 0x0, hints 0x28, misc 0x50[08]'
claim "with its privileges" $?
in_guest m "cat $clocksource" | grep -qx hyperv_clocksource_tsc_page
claim "its clocksource is the TSC page" $?
runs m
claim "by which time passes" $?
l2 m
must m "its kvm_intel runs an L2" $?
monitor m "savevm one" >"$work/answer"
! grep -i error "$work/answer"
claim "savevm" $?
first=$(uptime_of m)
l2_counts m 5 && runs m
claim "the clock goes on, and L2" $?
later=$(uptime_of m)
monitor m "loadvm one" >"$work/answer"
! grep -iE 'error|failed' "$work/answer"
claim "loadvm" $?
second=$(uptime_of m)
echo "L1's clock: $first when saved, $later later, now $second (in 10 ms)" >"$said"
[ "$second" -ge $((first - 50)) ] && [ "$second" -lt "$later" ]
claim "the clock is back where it was" $?
sed 's/^/# /' "$said"
l2_counts m 5 && runs m
claim "and goes on, as does L2" $?
in_guest m "echo hyperv_clocksource_msr >$clocksource; cat $clocksource" | grep -qx hyperv_clocksource_msr
claim "the clocksource becomes the MSR" $?
runs m
claim "time passes by it" $?
in_guest m "echo hyperv_clocksource_tsc_page >$clocksource"
in_guest m "! dmesg | grep -iE 'unchecked MSR|clocksource.*skew|WARNING:|BUG:'" >"$said"
claim "L1's kernel has nothing to complain of" $?

first=$(uptime_of m)
monitor m stop >/dev/null
monitor m "migrate \"exec:cat >$work/state\"" >/dev/null
within 60 saved m
must m "the machine is saved to a file" $?
finish m
# shellcheck disable=SC2086 # options
linux r $options -drive file="$work/disk",if=none,id=disk,format=qcow2 \
	-device virtio-blk-pci,drive=disk -incoming "exec:cat $work/state"
within 60 eval "monitor r 'info status' | grep -q 'paused'"
monitor r cont >/dev/null
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
has m 'Hyper-V: Using enlightened APIC .xapic mode'
claim "their LAPICs are used by MSRs" $?
runs m && in_guest m "grep -c ^processor /proc/cpuinfo" | grep -qx 2
claim "and both are up" $?
in_guest m "! dmesg | grep -iE 'unchecked MSR|WARNING:|BUG:'" >"$said"
claim "L1's kernel has nothing to complain of" $?
end_claims
