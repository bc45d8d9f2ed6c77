// SPDX-License-Identifier: GPL-2.0-only
/*
 * NMIs arrive, one at a time, and whatever IF says.
 * SDM: "Nonmaskable Interrupt (NMI)", "Handling Multiple NMIs".
 */
#include "irqchip.h"

static volatile u32 nmis, depth, deepest;

static void nmi_self(void)
{
	apic_icr(0, ICR_NMI | ICR_ASSERT);
}

static void on_nmi(struct trap_frame *frame)
{
	nmis++;
	if (++depth > deepest)
		deepest = depth;
	if (nmis == 1 && deepest == 1) {
		nmi_self();
		for (int i = 0; i < 10; i++)
			cpuid(0);
	}
	depth--;
}

static void simple(struct trap_frame *frame)
{
	nmis++;
}

static void arrives(void)
{
	apic_enable();
	nmis = 0;
	on_trap(VEC_NMI, simple);
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	GUEST_EXPECT(nmis, 1);
}

static void blocked(void)
{
	apic_enable();
	nmis = deepest = depth = 0;
	on_trap(VEC_NMI, on_nmi);
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	GUEST_EXPECT(nmis, 2);
	GUEST_EXPECT(deepest, 1);
}

static void twice(struct trap_frame *frame)
{
	if (nmis++)
		return;
	nmi_self();
	nmi_self();
}

static void one_waits(void)
{
	apic_enable();
	nmis = 0;
	on_trap(VEC_NMI, twice);
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	GUEST_EXPECT(nmis, 2);
}

static void wakes_hlt(void)
{
	apic_enable();
	nmis = 0;
	on_trap(VEC_NMI, simple);
	on_trap(0x41, NULL);
	nmi_self();
	/* Either before or out of HLT: it cannot stay there for ever. */
	if (!nmis)
		asm volatile("hlt");
	GUEST_EXPECT(nmis, 1);
}

static void int2(void)
{
	apic_enable();
	nmis = 0;
	on_trap(VEC_NMI, simple);
	asm volatile("int $2");
	GUEST_EXPECT(nmis, 1);
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	GUEST_EXPECT(nmis, 2);
	on_trap(VEC_NMI, NULL);
}

CLAIMS = { { arrives, "an NMI by IPI to itself arrives with IF clear" },
	   { blocked, "an NMI in the NMI handler waits for IRET" },
	   { one_waits, "of two NMIs in the NMI handler one is remembered" },
	   { wakes_hlt, "an NMI wakes HLT with IF clear" },
	   { int2, "INT 2 calls the handler and blocks nothing" },
	   END_OF_CLAIMS };
