#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme doctor and abyme run where something holds them back: what they say, and
# how they end.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
cd "$dir" || exit 1
loaded=$(lsmod | awk '$1 == "kvm_intel" { print $1 }')
[ -z "$loaded" ] || modprobe -r kvm_intel
if ! load_idle_kvm 2>said; then
	echo "no kvm_intel here"
	exit 4
fi

# says STATUS TEXT ARGUMENT...: abyme ends with this status and says this.
says()
{
	want=$1 text=$2
	shift 2
	timeout 20 abyme "$@" </dev/null >said 2>&1
	[ $? = "$want" ] && grep -q -- "$text" said
	claim "abyme $*: $text" $?
}

# A multiboot image at 1 MiB that halts for ever: a loop with interrupts off would keep
# Bochs from ever leaving the guest.
header='\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000'
# shellcheck disable=SC2059 # the escapes are the point
printf "$header"'\000\000\000\000\000\000\000\000\040\000\020\000\364\353\375' >endless

[ -c /dev/abyme ] || modprobe abyme
says 0 "kvm_intel is loaded and idle" doctor
says 0 '"can_nest": true' doctor --json

# --- KVM runs a VM
abyme run --device /dev/kvm --memory 16M endless </dev/null >/dev/null 2>&1 &
pid=$!
sleep 0.5
says 2 "kvm_intel holds VT-x (its VMs are running)" doctor
grep -q "^ok .*/dev/abyme is there" said && grep -q "can't create a VM: Device or resource busy" said
claim "and what can't be done, and what can" $?
grep -q "> stop KVM's virtual machines, then sudo modprobe -r kvm_intel" said
claim "and the command that mends it" $?
says 2 '"can_run": false' doctor --json
says 4 "another hypervisor holds it; free it (for example sudo modprobe -r kvm_intel)" run endless
kill $pid
wait $pid

# --- no module
modprobe -r abyme
says 2 "the module abyme is not loaded" doctor
grep -q "> sudo modprobe abyme" said && grep -q "there is no /dev/abyme" said
claim "and the command that loads it" $?
says 4 "load the module (sudo modprobe abyme), or run on KVM with --device /dev/kvm" run endless

# --- KVM without nesting
modprobe -r kvm_intel
modprobe kvm_intel nested=0
says 1 "/dev/kvm doesn't offer VMX to its guests" doctor --device /dev/kvm
grep -q "> sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1" said
claim "and how to turn it on" $?
says 4 "kvm_intel nested=1" run --device /dev/kvm --nested endless
modprobe -r kvm_intel
says 2 "the module kvm is not loaded" doctor --device /dev/kvm

# --- KVM that holds VT-x from its loading on, as newer kernels have it
rmmod kvm 2>/dev/null
modprobe kvm_intel
if grep -q Y $at_load 2>/dev/null; then
	says 2 "^bad *owner *kvm_intel holds VT-x (from its loading on)" doctor
	grep -q -- "-> .*modprobe -r kvm_intel, or load kvm with enable_virt_at_load=0" said
	claim "and the two ways out" $?
	! modprobe abyme 2>said && dmesg | tail -n 3 | grep -q "VT-x is in use by another hypervisor"
	claim "abyme does not load beside it, and the kernel log says why" $?
fi
modprobe -r kvm_intel
modprobe abyme
[ -z "$loaded" ] || modprobe kvm_intel
rm -r "$dir"
end_claims
