/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What of all that waits while L2 is to run comes first. The order is written
 * down here and nowhere else; events.c brings the facts and acts. Pure.
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

/* What is L1's and comes from outside of L2's instructions. */
#define DUE_TO_L1 (BIT(DUE_MTF) | BIT(DUE_TIMER) | BIT(DUE_NMI_L1) | BIT(DUE_IRQ_L1))

/* What windows open for; L1's window goes before it. */
#define DUE_BY_WINDOW (BIT(DUE_NMI_L1) | BIT(DUE_IRQ_L1) | BIT(DUE_IRQ_L2))

/* What L2 may have blocked, beside IRQBLK_*: interrupts, by RFLAGS.IF. */
#define DUE_IF_CLEAR BIT(31)

/*
 * @waits: BIT(DUE_...) of all that is there, whether or not it may come now.
 * @activity: ACTIVITY_* of L2. @blocked: IRQBLK_*, DUE_IF_CLEAR. What can not
 * change the answer may be left out.
 */
struct l2_facts {
	u32 waits;
	u32 blocked;
	u8 activity;
};

/* What comes now, or DUE_NOTHING. For an inactive L2 it is what wakes it, too. */
enum l2_due due_first(const struct l2_facts *f);

#endif
