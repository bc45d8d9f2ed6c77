/* SPDX-License-Identifier: GPL-2.0-only */
/* What of a guest's exit is the host's own. Pure, so that unit tests can build it. */
#ifndef CPU_HOST_EVENT_H
#define CPU_HOST_EVENT_H

#include <vmx/exits.h>
#include <vmx/info.h>
#include <vmx/types.h>

enum host_event { HOST_NOTHING, HOST_NMI, HOST_MACHINE_CHECK };

/*
 * NMIs and machine checks are the host's, whoever ran, and its handler sees them right after the
 * exit. @reason: all of the exit reason; @intr_info: valid if it is EXIT_EXCEPTION_NMI.
 */
static inline enum host_event host_event_of(u32 reason, u32 intr_info)
{
	if ((u16)reason == EXIT_MCE_ENTRY)
		return HOST_MACHINE_CHECK;
	if (reason != EXIT_EXCEPTION_NMI)
		return HOST_NOTHING;
	if ((intr_info & INTR_TYPE_MASK) == INTR_TYPE_NMI)
		return HOST_NMI;
	return (intr_info & INTR_VECTOR) == VEC_MC ? HOST_MACHINE_CHECK : HOST_NOTHING;
}

#endif
