#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Hyper-V's interface, as QEMU's hv-* ask for it and as Linux uses it: its clock goes on
# through a snapshot, and it runs an L2.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"

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
savevm m one "savevm"
first=$(uptime_of m)
l2_counts m 5 && runs m
claim "the clock goes on, and L2" $?
later=$(uptime_of m)
loadvm m one "loadvm"
second=$(uptime_of m)
echo "L1's clock: $first when saved, $later later, now $second (in 10 ms)" >"$said"
# A TSC goes on while QEMU saves, so the first number may be a second or so later than what was saved.
[ "$second" -ge $((first - 200)) ] && [ "$second" -lt "$later" ]
claim "the clock is back where it was" $?
sed 's/^/# /' "$said"
l2_counts m 5 && runs m
claim "and goes on, as does L2" $?
in_guest m "! dmesg | grep -iE 'unchecked MSR|clocksource.*skew|WARNING:|BUG:'" >"$said"
claim "L1's kernel has nothing to complain of" $?

end_claims
