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
 * Return: 1: enter again; 0: kvm_run is filled; <0: errno.
 * Context: interrupts on, may sleep; or interrupts off, if exit_is_short().
 */
int exit_handle(struct vcpu *vcpu);
/*
 * An exit of L1: does its handler sleep nowhere, and touch no memory of the
 * guest's? Then the run loop calls it with interrupts off, right after the exit.
 * Only for reasons of exit_may_be_short().
 */
bool exit_is_short(struct vcpu *vcpu);

static inline bool exit_may_be_short(u32 reason)
{
	const u64 reasons = BIT_ULL(EXIT_CPUID) | BIT_ULL(EXIT_VMCALL) | BIT_ULL(EXIT_VMREAD) |
			    BIT_ULL(EXIT_VMWRITE);

	return reason < 64 && (reasons >> reason & 1);
}

#endif
