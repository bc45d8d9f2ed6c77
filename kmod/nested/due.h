/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several events may wait when L2 is to run: here is which of them comes first. The order is
 * written down nowhere else. events.c collects the facts and acts on the answer. Pure.
 */
#ifndef NESTED_DUE_H
#define NESTED_DUE_H

#include <vmx/info.h>
#include <vmx/types.h>

/*
 * In the order of priority. SDM: "Priority Among Concurrent Events", "Other
 * Causes of VM Exits", and for each the section that is named there.
 */
enum l2_due {
	DUE_DELIVERY,	/* an event is half delivered into L2, or L1 injects it */
	DUE_TPR,	/* "VM Exits Induced by the TPR Threshold": right after the entry */
	DUE_SIPI,	/* "Other Causes of VM Exits" */
	DUE_INIT,	/* likewise */
	DUE_EXCEPTION,	/* of an instruction that L0 ran for L2: it is older than the rest */
	DUE_MTF,	/* "Monitor Trap Flag" */
	DUE_DEBUG_TRAP, /* "Delivery of Pending Debug Exceptions after VM Entry" */
	DUE_TIMER,	/* "VMX-Preemption Timer" */
	DUE_NMI_WINDOW, /* "NMI-Window Exiting" */
	DUE_NMI_L1,	/* NMIs exit */
	DUE_NMI_L2,	/* L2 takes them */
	DUE_INT_WINDOW, /* "Interrupt-Window Exiting and Virtual-Interrupt Delivery" */
	DUE_IRQ_L1,	/* external interrupts exit */
	DUE_IRQ_L2,	/* L2 takes them */
	DUE_NOTHING,
};

/* Exits for L1 that have their cause outside of L2's instructions. */
#define DUE_TO_L1 \
	(BIT(DUE_INIT) | BIT(DUE_MTF) | BIT(DUE_TIMER) | BIT(DUE_NMI_L1) | BIT(DUE_IRQ_L1))

/* What L0 opens a window for. A window exit that L1 asked for comes before these. */
#define DUE_BY_WINDOW (BIT(DUE_NMI_L1) | BIT(DUE_IRQ_L1) | BIT(DUE_IRQ_L2))

/* L2 has RFLAGS.IF clear. The bit stands beside IRQBLK_* in .blocked. */
#define DUE_IF_CLEAR BIT(31)

/*
 * .waits: BIT(DUE_...) of all that is there, whether or not it may come now.
 * .activity: ACTIVITY_* of L2. .blocked: IRQBLK_*, DUE_IF_CLEAR. The caller may leave out what
 * cannot change the answer.
 */
struct l2_facts {
	u32 waits;
	u32 blocked;
	u8 activity;
};

/* What comes now, or DUE_NOTHING. If L2 is not active, an answer other than that wakes it. */
enum l2_due due_first(const struct l2_facts *f);

#endif
