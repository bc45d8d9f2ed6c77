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
 * Context: interrupts on, may sleep; or interrupts off, with vcpu->at_once: exit_is_short(), or
 * nested_reflects_at_once() for one of L2's.
 */
int exit_handle(struct vcpu *vcpu);

/* These exits of L1's are short: see exit_is_short(). */
#define EXITS_SHORT                                                                    \
	(BIT_ULL(EXIT_CPUID) | BIT_ULL(EXIT_VMCALL) | BIT_ULL(EXIT_RDMSR) |            \
	 BIT_ULL(EXIT_EPT_VIOLATION) | BIT_ULL(EXIT_VMCLEAR) | BIT_ULL(EXIT_VMPTRLD) | \
	 BIT_ULL(EXIT_VMPTRST))
/* These may be short: exit_seems_short() decides. */
#define EXITS_MAYBE_SHORT                                                     \
	(BIT_ULL(EXIT_VMREAD) | BIT_ULL(EXIT_VMWRITE) | BIT_ULL(EXIT_WRMSR) | \
	 BIT_ULL(EXIT_VMLAUNCH) | BIT_ULL(EXIT_VMRESUME))

bool exit_seems_short(struct vcpu *vcpu);

/*
 * May the exit of L1's be handled with interrupts off, right after it? Its handler does not sleep
 * then, or answers EXIT_LATER.
 */
static inline bool exit_is_short(struct vcpu *vcpu, u32 reason)
{
	if (reason >= 64 || !((EXITS_SHORT | EXITS_MAYBE_SHORT) >> reason & 1))
		return false;
	return EXITS_SHORT >> reason & 1 || exit_seems_short(vcpu);
}

#endif
