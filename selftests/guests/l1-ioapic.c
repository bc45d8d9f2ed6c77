// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC and interrupts through it.
 * Data sheet: "82093AA I/O Advanced Programmable Interrupt Controller".
 */
#include "irqchip.h"

#define VECTOR 0x61

/* A PC wires the PIT to pin 2; KVM's default routing to pin 0. */
static void route_pit(u64 entry)
{
	ioapic_route(0, entry);
	ioapic_route(2, entry);
}

static volatile u32 ticks;

static void on_irq(struct trap_frame *frame)
{
	ticks++;
	apic_eoi();
}

static void registers(void)
{
	u32 version = ioapic_read(1);

	GUEST_ASSERT((version & 0xff) >= 0x11);
	GUEST_EXPECT(version >> 16 & 0xff, 23);
	ioapic_write(0, 5u << 24);
	GUEST_EXPECT(ioapic_read(0) >> 24 & 0xf, 5);
	ioapic_write(0, 0);
}

static void redirection(void)
{
	ioapic_route(5, IOAPIC_MASKED | 0xa95 | 3ULL << 56);
	GUEST_EXPECT(ioapic_read(0x10 + 10), 0x10895 | (0xa95 & 0x300));
	GUEST_EXPECT(ioapic_read(0x11 + 10), 3u << 24);
	ioapic_route(5, IOAPIC_MASKED);
}

static void pit_interrupts(void)
{
	apic_enable();
	pic_mask_all();
	on_trap(VECTOR, on_irq);
	ticks = 0;
	route_pit(VECTOR);
	pit_start(0, 2, 5000);
	for (int i = 0; i < 5; i++)
		irqs_on_and_halt();
	GUEST_ASSERT(ticks >= 5);
	route_pit(VECTOR | IOAPIC_MASKED);
	irqs_on();
	cpu_pause();
	irqs_off();
	ticks = 0;
	irqs_on();
	spin(1000000);
	irqs_off();
	GUEST_EXPECT(ticks, 0);
	pit_start(0, 0, 0xffff);
}

static void logical_destination(void)
{
	apic_enable();
	apic_write(APIC_DFR, ~0u);
	apic_write(APIC_LDR, 2u << 24);
	on_trap(VECTOR, on_irq);
	ticks = 0;
	route_pit(VECTOR | BIT(11) | 2ULL << 56);
	pit_start(0, 0, 5000);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	route_pit(IOAPIC_MASKED);
	pit_start(0, 0, 0xffff);
}

static void level(void)
{
	u64 entry = VECTOR | IOAPIC_LEVEL;

	apic_enable();
	on_trap(VECTOR, on_irq);
	ticks = 0;
	ioapic_route(4, entry | IOAPIC_MASKED);
	GUEST_EXPECT(ioapic_read(0x10 + 8) & BIT(14), 0); /* remote IRR */
	ioapic_route(4, IOAPIC_MASKED);
}

static volatile u32 nmis;

static void on_nmi(struct trap_frame *frame)
{
	nmis++;
}

static void nmi_delivery(void)
{
	apic_enable();
	on_trap(VEC_NMI, on_nmi);
	nmis = 0;
	route_pit(4 << 8);
	pit_start(0, 0, 5000);
	GUEST_ASSERT(wait_for(&nmis, 1, 200000000));
	route_pit(IOAPIC_MASKED);
	pit_start(0, 0, 0xffff);
	on_trap(VEC_NMI, NULL);
}

CLAIMS = { { registers, "version, 24 pins, and an ID that can be set" },
	   { redirection, "an entry keeps its bits but the read-only ones" },
	   { pit_interrupts, "the PIT interrupts through its pin, and not when masked" },
	   { logical_destination, "an entry with a logical destination" },
	   { level, "a level entry whose pin is low has no remote IRR" },
	   { nmi_delivery, "an entry that delivers an NMI" },
	   END_OF_CLAIMS };
