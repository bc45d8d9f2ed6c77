#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An L1 with a running L2 is saved on abyme, goes on on KVM, and comes back. The processor
# that L1 sees is what both can offer: abyme doctor --migrate-from names the rest.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
kernel=small
work_of_l2=busy

# on abyme|kvm: it has VT-x, and QEMU uses it.
on()
{
	forget_device
	rmmod abyme 2>/dev/null
	rmmod kvm_intel kvm irqbypass 2>/dev/null
	case $1 in
	abyme) modprobe abyme && DEVICE=/dev/abyme ;;
	kvm) modprobe kvm_intel && DEVICE=/dev/kvm ;;
	esac
	choose_device
}

# save NAME, then restore NAME: by a file.
save()
{
	monitor "$1" stop >/dev/null
	monitor "$1" "migrate \"exec:cat >$work/state\"" >/dev/null
	within 60 eval "monitor $1 'info migrate' | grep -q 'status: completed'"
	must "$1" "saved on ${DEVICE#/dev/}" $?
	finish "$1"
}

restore()
{
	linux "$1" $options -incoming "exec:cat $work/state"
	within 60 eval "monitor $1 'info status' | grep -q 'paused\$'"
	monitor "$1" cont >/dev/null
	l2_counts "$1" 5
	r=$?
	[ $r = 0 ] || { in_guest "$1" "tail -n 30 /tmp/l2; dmesg | tail -n 20"; tell "$1"; }
	must "$1" "L2 counts on, on ${DEVICE#/dev/}" $r
}

on kvm
abyme doctor --device /dev/kvm --migration-facts >"$work/kvm.facts"
on abyme
abyme doctor --migration-facts >"$work/abyme.facts"
abyme doctor --migrate-from "$work/kvm.facts" | sed 's/^/# /'
options="-M q35 -m 256 -cpu Haswell-noTSX,+vmx,-vmx-mtf,-vmx-exit-load-perf-global-ctrl,-vmx-entry-load-perf-global-ctrl,-kvm-asyncpf,-kvm-asyncpf-int"
linux a $options
up a && l2 a
must a "an L1 on abyme runs an L2" $?
save a
on kvm
restore b
save b
on abyme
restore c
end_claims
