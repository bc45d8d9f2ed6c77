#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# An L1 with a running L2 is saved on abyme, goes on on KVM, and comes back. The processor
# that L1 sees is what both can offer: abyme doctor --migrate-from names the rest.
# shellcheck source=selftests/clients/client.inc
. "$(dirname "$0")/client.inc"
# shellcheck source=selftests/clients/moves.inc
. "$(dirname "$0")/moves.inc"
kernel=small
l2s=busy

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
	must "$2" "L2 counts on, on ${DEVICE#/dev/}" $?
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
over a b
over b c
end_claims
