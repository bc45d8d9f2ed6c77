#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An L1 with a running L2, and one with two CPUs and two L2s, is saved on abyme, goes on on KVM,
# and comes back. The processor that L1 sees is what both can offer: abyme doctor --migrate-from
# names the rest.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small

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

# over NAME TO: from where it runs to the other hypervisor, as TO.
over()
{
	save "$1" "saved on ${DEVICE#/dev/}"
	if [ "$DEVICE" = /dev/kvm ]; then on abyme; else on kvm; fi
	restore "$2"
	goes_on "$2"
	must "$2" "all count on, on ${DEVICE#/dev/}: $l2s" $?
}

on kvm
abyme doctor --device /dev/kvm --migration-facts >"$work/kvm.facts"
on abyme
abyme doctor --migration-facts >"$work/abyme.facts"
abyme doctor --migrate-from "$work/kvm.facts" | sed 's/^/# /'
common="-M q35 -m 256 -cpu Haswell-noTSX,+vmx,-vmx-mtf,-vmx-exit-load-perf-global-ctrl,-vmx-entry-load-perf-global-ctrl,-kvm-asyncpf,-kvm-asyncpf-int"

# there_and_back CPUS L2S FIRST SECOND THIRD: of an L1 with so many CPUs, by three processes.
there_and_back()
{
	l2s=$2
	options="$common -smp $1"
	# shellcheck disable=SC2086 # options
	linux "$3" $options
	up "$3" && l2 "$3"
	must "$3" "an L1 with $1 CPU(s) on abyme runs L2s: $2" $?
	over "$3" "$4"
	over "$4" "$5"
	finish "$5"
	rm "$work/state"
}

there_and_back 1 busy a b c
there_and_back 2 "busy idle" d e f
end_claims
