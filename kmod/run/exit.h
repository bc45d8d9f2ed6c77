/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_RUN, and the dispatch of VM exits. */
#ifndef RUN_EXIT_H
#define RUN_EXIT_H

#include <linux/bits.h>
#include <linux/types.h>
#include <vmx/exits.h>

struct vcpu;

/*
 * Runs the guest until it needs userspace. Context: vCPU locked and loaded.
 * Return: 0 with kvm_run filled, or a negative errno (-EINTR: a signal).
 */
int vcpu_run(struct vcpu *vcpu);

/*
 * Handles the exit in vcpu->exit_reason, of L1 or L2.
 * Return: 1: enter again; 0: kvm_run is filled; <0: errno; or EXIT_LATER.
 * Context: interrupts on, may sleep; or interrupts off, with vcpu->at_once: exit_is_plain(), or
 * nested_reflects_at_once() for one of L2's.
 */
int exit_handle(struct vcpu *vcpu);

typedef int (*exit_handler)(struct vcpu *vcpu);
extern const exit_handler exit_handlers[];

/*
 * Exits that L1's instructions make. Such an exit is none of an event's delivery, and none of an entry
 * that failed. The handlers may be called with interrupts off, or answer EXIT_LATER.
 */
#define EXITS_PLAIN                                                                               \
	(BIT_ULL(EXIT_CPUID) | BIT_ULL(EXIT_VMCALL) | BIT_ULL(EXIT_RDMSR) | BIT_ULL(EXIT_WRMSR) | \
	 BIT_ULL(EXIT_VMCLEAR) | BIT_ULL(EXIT_VMPTRLD) | BIT_ULL(EXIT_VMPTRST) |                  \
	 BIT_ULL(EXIT_VMREAD) | BIT_ULL(EXIT_VMWRITE) | BIT_ULL(EXIT_VMLAUNCH) |                  \
	 BIT_ULL(EXIT_VMRESUME))

static __always_inline bool exit_is_plain(u32 reason)
{
	return reason < 64 && EXITS_PLAIN >> reason & 1;
}

/* AND instead of array_index_nospec(), as exit_is_plain() has compared. */
static __always_inline int exit_handle_plain(struct vcpu *vcpu, u32 reason)
{
	return exit_handlers[reason & 63](vcpu);
}

#endif
