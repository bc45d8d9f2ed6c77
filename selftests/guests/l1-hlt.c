// SPDX-License-Identifier: GPL-2.0-only
/*
 * HLT sleeps until an interrupt, and no longer.
 * SDM: "HLT—Halt", "STI—Set Interrupt Flag", "APIC Timer".
 */
#include "irqchip.h"

#define VECTOR 0x41

static volatile u32 ticks;
static volatile u64 ticked_at;

static void on_tick(struct trap_frame *frame)
{
	ticks++;
	ticked_at = frame->rip;
	apic_eoi();
}

static void prepare(void)
{
	apic_enable();
	on_trap(VECTOR, on_tick);
	ticks = 0;
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
}

static void timer_wakes(void)
{
	prepare();
	apic_write(APIC_TIMER_INITIAL, 100000);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
}

static void pending_wakes(void)
{
	prepare();
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
}

/* STI holds the interrupt until after the next instruction, here HLT. */
static void sti_shadow(void)
{
	u64 after;

	prepare();
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	asm volatile("lea 1f(%%rip), %0; sti; hlt; 1: cli" : "=r"(after) : : "memory");
	GUEST_EXPECT(ticks, 1);
	GUEST_EXPECT(ticked_at, after);
}

static void many(void)
{
	prepare();
	for (u32 i = 1; i <= 50; i++) {
		apic_write(APIC_TIMER_INITIAL, 2000);
		irqs_on_and_halt();
		GUEST_EXPECT(ticks, i);
	}
}

static void masked_stays(void)
{
	prepare();
	apic_write(APIC_TPR, 0x50);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	apic_write(APIC_LVT_TIMER, 0x61);
	on_trap(0x61, on_tick);
	apic_write(APIC_TIMER_INITIAL, 100000);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	GUEST_ASSERT(apic_bit(APIC_IRR, VECTOR));
	apic_write(APIC_TPR, 0);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(ticks, 2);
	on_trap(0x61, NULL);
}

static u64 user_hlt(u64 arg)
{
	return TRY("hlt", : :);
}

static void at_cpl3(void)
{
	GUEST_EXPECT(user_call(user_hlt, 0), VEC_GP);
}

CLAIMS = { { timer_wakes, "the APIC timer wakes HLT" },
	   { pending_wakes, "an interrupt that is pending already wakes HLT" },
	   { sti_shadow, "the interrupt after STI; HLT arrives after HLT" },
	   { many, "fifty sleeps end in fifty interrupts" },
	   { masked_stays, "an interrupt below TPR does not wake, and is not lost" },
	   { at_cpl3, "HLT at CPL 3 raises #GP" },
	   END_OF_CLAIMS };
