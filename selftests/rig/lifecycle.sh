#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The module comes and goes, and guests end in every way: nothing stays behind.
dir=$(dirname "$0")
guests=/lib/abyme/guests
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
said=$(mktemp)

loaded()
{
	grep -q "^abyme " /proc/modules
}

# The module has no user left; it may take the kernel a moment to free a killed VM.
idle()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$(awk '$1 == "abyme" { print $3 }' /proc/modules)" = 0 ] && return 0
		sleep 0.2
	done
	return 1
}

guest()
{
	"$dir/mini" "$@" >"$said" 2>&1
}

# --- load and unload
! loaded || rmmod abyme
for _ in $(seq 50); do
	if ! modprobe abyme 2>"$said" || [ ! -c /dev/abyme ] || ! rmmod abyme 2>"$said"; then
		break
	fi
done
! loaded && [ ! -e /dev/abyme ]
claim "50 times loaded and unloaded, and the device node with it" $?

# --- as /dev/kvm
[ -e /dev/kvm ] || mknod /dev/kvm c 10 232
modprobe abyme devname=kvm 2>"$said" && ABYME_DEV=/dev/kvm guest "$guests/l1-cpuid.elf"
claim "devname=kvm serves a node that was made for KVM by hand" $?
rmmod abyme
rm -f /dev/kvm
if load_idle_kvm 2>/dev/null; then
	! modprobe abyme devname=kvm 2>"$said" && dmesg | tail -n 1 | grep -q "/dev/kvm can't be made"
	claim "devname=kvm is refused while kvm_intel has that name, and the kernel log says so" $?
	rmmod kvm_intel kvm 2>/dev/null
fi

# --- the kernel's one callback for a crash is kvm_intel's while that is there
if load_idle_kvm 2>/dev/null && rmmod kvm_intel; then
	modprobe abyme
	"$dir/mini" -n "$guests/l2-moves.elf" >/dev/null 2>&1 & # it runs for long
	pid=$!
	sleep 0.05
	warnings=$(dmesg | grep -c "WARNING:") # Linux 6.12 has one of the emulated processor
	kill -STOP $pid && modprobe kvm_intel && rmmod kvm_intel &&
		[ "$(dmesg | grep -c "WARNING:")" = "$warnings" ]
	claim "kvm_intel comes and goes while there is a guest, without a warning of the kernel" $?
	kill -9 $pid
	wait $pid 2>/dev/null
	idle && rmmod abyme
fi

# --- one owner of VT-x
if load_idle_kvm 2>/dev/null; then
	modprobe abyme
	ABYME_DEV=/dev/kvm guest "$guests/l1-cpuid.elf"
	claim "kvm_intel without a VM leaves VT-x free, and runs one beside abyme without" $?
	# While KVM has VT-x for a guest abyme refuses.
	ABYME_DEV=/dev/kvm "$dir/mini" -n "$guests/l2-moves.elf" >/dev/null 2>&1 &
	pid=$!
	sleep 0.05
	kill -STOP $pid
	! guest "$guests/l1-cpuid.elf" && dmesg | tail -n 3 | grep -q "in use by another"
	claim "while KVM runs a VM, abyme refuses and says who has VT-x" $?
	for _ in $(seq 40); do
		guest "$guests/l1-cpuid.elf"
	done
	[ "$(dmesg | grep -c "in use by another")" -lt 30 ]
	claim "not as often as somebody tries" $?
	kill -9 $pid
	wait $pid 2>/dev/null
	rmmod abyme
	rmmod kvm_intel kvm 2>/dev/null
fi
modprobe abyme

# --- guests
guest "$guests/l1-trap.elf"
claim "a guest runs after all that" $?
"$dir/mini" -n "$guests/l2-vmcall.elf" >/tmp/one 2>&1 &
one=$!
guest -n "$guests/l2-vmcall.elf"
two=$?
wait $one && [ $two = 0 ]
claim "two VMs at once, each with an L2" $?

# --- killed at any time
for wait in 0.02 0.05 0.1 0.15 0.2; do
	for image in l2-exits l2-ept l1-smp l1-hlt; do
		"$dir/mini" -n "$guests/$image.elf" >/dev/null 2>&1 &
		pid=$!
		sleep $wait
		kill -9 $pid 2>/dev/null
		wait $pid 2>/dev/null
	done
done
idle
claim "20 guests killed: no use of the module is left" $?
rmmod abyme 2>"$said"
claim "and it unloads" $?
modprobe abyme 2>"$said"
guest -n "$guests/l2-vmcall.elf"
claim "and a nested guest runs after loading it again" $?

rm -f "$said"
end_claims
