/* SPDX-License-Identifier: GPL-2.0-only */
/* Dispatch of VM exits. */
#ifndef RUN_EXIT_H
#define RUN_EXIT_H

#include <linux/bits.h>
#include <linux/types.h>
#include <vmx/exits.h>

struct vcpu;

/*
 * Handles the exit in vcpu->exit_reason, of L1 or L2.
 * Return: 1: enter again; 0: kvm_run is filled; <0: errno; or EXIT_LATER.
 * Context: interrupts on, may sleep; or interrupts off, if exit_is_short(), with vcpu->at_once.
 */
int exit_handle(struct vcpu *vcpu);
/*
 * May the exit be handled with interrupts off, right after it? Its handler does
 * not sleep then, or answers EXIT_LATER.
 */
bool exit_is_short(struct vcpu *vcpu);

/* Is there an exit of L1 with this reason for which exit_is_short() may be true? */
static inline bool exit_may_be_short(u32 reason)
{
	const u64 reasons = BIT_ULL(EXIT_CPUID) | BIT_ULL(EXIT_VMCALL) | BIT_ULL(EXIT_VMREAD) |
			    BIT_ULL(EXIT_VMWRITE) | BIT_ULL(EXIT_RDMSR) | BIT_ULL(EXIT_WRMSR) |
			    BIT_ULL(EXIT_VMLAUNCH) | BIT_ULL(EXIT_VMRESUME) |
			    BIT_ULL(EXIT_EPT_VIOLATION) | BIT_ULL(EXIT_VMCLEAR) |
			    BIT_ULL(EXIT_VMPTRLD) | BIT_ULL(EXIT_VMPTRST);

	return reason < 64 && (reasons >> reason & 1);
}

#endif
