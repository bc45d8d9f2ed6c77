#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What -cpu, -smp and -accel may say: VT-x exposed or not, named models, where the
# interrupt controllers are, and what is asked for that may be missing.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small

# with TEXT COMMAND OPTION...: the guest is up, and COMMAND in it succeeds.
with()
{
	text=$1 command=$2
	shift 2
	linux m -m 192 "$@"
	up m && in_guest m "$command" && ! grep -qi 'assert' "$work/m/said"
	r=$?
	[ $r = 0 ] || tell m
	claim "$text" $r
	sed 's/^/# /' "$work/m/said"
	finish m
}

# either TEXT OPTION...: the guest is up, or QEMU refuses in a sentence.
either()
{
	text=$1
	shift
	linux m -m 192 "$@"
	if up m; then
		claim "$text: offered" 0
	else
		refused m 'not supported|not available|not present|not found|requires|does not support|doesn.t support|unsupported|cannot|allow'
		claim "$text: refused in words" $?
	fi
	sed 's/^/# /' "$work/m/said"
	finish m
}

vmx="grep -qw vmx /proc/cpuinfo"
with "-cpu host: VT-x" "$vmx" -M q35 -cpu host
with "-cpu host,+vmx: VT-x" "$vmx" -M q35 -cpu host,+vmx
with "-cpu host,-vmx: no VT-x, and abyme doctor says how to get it" \
	"! $vmx; abyme doctor --device /dev/kvm | grep -- '-cpu host,+vmx'" -M q35 -cpu host,-vmx
with "-cpu max: VT-x" "$vmx" -M q35 -cpu max
with "a named model with VT-x" "$vmx" -M q35 -cpu Haswell-noTSX,+vmx
accel_options=,kernel-irqchip=split
with "kernel-irqchip=split" "grep -q IO-APIC /proc/interrupts" -M q35 -cpu host
with "kernel-irqchip=split, two CPUs" "test -e /sys/devices/system/cpu/cpu1" -M q35 -cpu host -smp 2
with "an IOMMU that remaps interrupts" true -M q35 -cpu host -device intel-iommu,intremap=on,eim=on
accel_options=,kernel-irqchip=off
either "kernel-irqchip=off" -M pc -cpu host
accel_options=
with "PV EOI and steal time" true -M q35 -cpu host,kvm-pv-eoi=on,kvm-steal-time=on,enforce
for flag in kvm-pv-unhalt kvm-pv-tlb-flush kvm-pv-ipi kvm-pv-sched-yield kvm-asyncpf \
	kvm-poll-control kvm-msi-ext-dest-id kvm-migration-control; do
	either "$flag" -M q35 -cpu "host,$flag=on,enforce"
done
either "Hyper-V: relaxed, vapic, time, spinlocks" -M q35 \
	-cpu host,hv-relaxed,hv-vapic,hv-time,hv-spinlocks=0x1fff
either "Hyper-V: vpindex, runtime, synic, stimer" -M q35 \
	-cpu host,hv-relaxed,hv-vpindex,hv-runtime,hv-time,hv-synic,hv-stimer
with "pmu=on: there is none" "dmesg | grep -q 'Performance Events:.*no PMU driver'" -M q35 \
	-cpu host,pmu=on
accel_options=,notify-vmexit=run,notify-window=0
with "notify-vmexit=run: Linux boots, with it or without" true -M q35 -cpu host
accel_options=,dirty-ring-size=1024
either "dirty-ring-size" -M q35 -cpu host
accel_options=,xen-version=0x4000a
either "Xen emulation" -M q35 -cpu host
accel_options=
either "SMM" -M q35,smm=on -cpu host
# CPUs come and go while Linux runs, with an L2. The small kernel has no driver for that.
second=host-x86_64-cpu,id=second,socket-id=1,core-id=0,thread-id=0
cpus=/sys/devices/system/cpu
comes()
{
	monitor m "device_add $second" >/dev/null && within 10 in_guest m "test -e $cpus/cpu1/online" &&
		in_guest m "echo 1 >$cpus/cpu1/online; cat $cpus/online" | grep -qx 0-1 && l2_counts m 3
}
# cpu TEXT STATUS
cpu()
{
	[ "$2" = 0 ] || tell m
	claim "$1" "$2"
}
kernel=cloud linux m -m 320 -M q35 -cpu host -smp 1,maxcpus=2,sockets=2,cores=1,threads=1
up m && l2 m && comes
cpu "a CPU comes while L1 runs an L2" $?
monitor m "device_del second" >/dev/null && within 20 in_guest m "! test -e $cpus/cpu1" && l2_counts m 3
cpu "and goes" $?
comes
cpu "and comes again" $?
finish m
end_claims
