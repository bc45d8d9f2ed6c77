// SPDX-License-Identifier: GPL-2.0-only
/*
 * When each event that is due may come; the order among them is that of enum
 * l2_due. Tour, stop 14.
 * SDM: "Guest Non-Register State" (activity and interruptibility state).
 */
#include "nested/due.h"

#define ACTIVE BIT(ACTIVITY_ACTIVE)
#define HLT BIT(ACTIVITY_HLT)
#define SHUTDOWN BIT(ACTIVITY_SHUTDOWN)
#define SIPI BIT(ACTIVITY_SIPI)

/* STI and MOV SS hold events back for one instruction, the shadow. */
#define SHADOW (IRQBLK_STI | IRQBLK_MOV_SS)

/*
 * An NMI or interrupt that exits does not care whether L2 has blocked NMIs or interrupts, but it
 * waits until a shadow has ended.
 */
static const struct {
	u8 states;   /* the activity states of L2 in which it comes */
	u32 held_by; /* what holds it back: IRQBLK_*, DUE_IF_CLEAR */
} rules[DUE_NOTHING] = {
	[DUE_DELIVERY] = { ACTIVE | HLT | SHUTDOWN },
	[DUE_TPR] = { ACTIVE | HLT },
	[DUE_SIPI] = { SIPI },
	[DUE_INIT] = { ACTIVE | HLT | SHUTDOWN },
	[DUE_EXCEPTION] = { ACTIVE | HLT },
	[DUE_MTF] = { ACTIVE | HLT | SHUTDOWN },
	[DUE_DEBUG_TRAP] = { ACTIVE | HLT, IRQBLK_MOV_SS },
	[DUE_TIMER] = { ACTIVE | HLT | SHUTDOWN },
	[DUE_NMI_WINDOW] = { ACTIVE | HLT | SHUTDOWN, SHADOW | IRQBLK_NMI },
	[DUE_NMI_L1] = { ACTIVE | HLT | SHUTDOWN, SHADOW },
	[DUE_NMI_L2] = { ACTIVE | HLT | SHUTDOWN, SHADOW | IRQBLK_NMI },
	[DUE_INT_WINDOW] = { ACTIVE | HLT, SHADOW | DUE_IF_CLEAR },
	[DUE_IRQ_L1] = { ACTIVE | HLT, SHADOW },
	[DUE_IRQ_L2] = { ACTIVE | HLT, SHADOW | DUE_IF_CLEAR },
};

enum l2_due due_first(const struct l2_facts *f)
{
	u32 waits;

	for (waits = f->waits; waits; waits &= waits - 1) {
		enum l2_due due = __ffs(waits);

		if ((rules[due].states & BIT(f->activity)) && !(rules[due].held_by & f->blocked))
			return due;
	}
	return DUE_NOTHING;
}
