// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A, the 8254, and port 0x61, as a PC has them.
 * Data sheets: "8259A Programmable Interrupt Controller",
 * "8254 Programmable Interval Timer".
 */
#include "irqchip.h"

#define BASE 0x50

static volatile u32 ticks;

static void on_irq0(struct trap_frame *frame)
{
	ticks++;
	pic_eoi(0);
}

static void use_pic(u16 mask)
{
	apic_enable();
	apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT */
	ticks = 0;
	on_trap(BASE, on_irq0);
	pic_setup(BASE, mask);
}

static void done(void)
{
	irqs_off();
	pic_mask_all();
	pit_start(0, 0, 0xffff);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
}

static void mask_register(void)
{
	pic_setup(BASE, 0xffff);
	outb(0x21, 0xa5);
	outb(0xa1, 0x5a);
	GUEST_EXPECT(inb(0x21), 0xa5);
	GUEST_EXPECT(inb(0xa1), 0x5a);
	pic_mask_all();
}

static void periodic(void)
{
	use_pic(0xfffe);
	pit_start(0, 2, 5000);
	for (u32 i = 0; i < 5; i++)
		irqs_on_and_halt();
	GUEST_ASSERT(ticks >= 5);
	done();
}

static void square(void)
{
	use_pic(0xfffe);
	pit_start(0, 3, 5000);
	for (u32 i = 0; i < 3; i++)
		irqs_on_and_halt();
	GUEST_ASSERT(ticks >= 3);
	done();
}

static void one_shot(void)
{
	use_pic(0xfffe);
	pit_start(0, 0, 5000);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	irqs_on();
	spin(3000000);
	irqs_off();
	GUEST_EXPECT(ticks, 1);
	done();
}

static void masked(void)
{
	use_pic(0xffff);
	pit_start(0, 2, 1000);
	irqs_on();
	spin(1000000);
	GUEST_EXPECT(ticks, 0);
	irqs_off();
	outb(0x20, 0x0a);
	GUEST_EXPECT(inb(0x20) & 1, 1); /* IRR */
	outb(0x21, 0xfe);
	irqs_on();
	GUEST_ASSERT(wait_for(&ticks, 1, 100000000) || ticks);
	done();
}

static volatile u8 in_service;

static void read_isr(struct trap_frame *frame)
{
	outb(0x20, 0x0b);
	in_service = inb(0x20);
	on_irq0(frame);
}

static void isr(void)
{
	use_pic(0xfffe);
	on_trap(BASE, read_isr);
	pit_start(0, 0, 2000);
	irqs_on_and_halt();
	GUEST_EXPECT(in_service, 1);
	outb(0x20, 0x0b);
	GUEST_EXPECT(inb(0x20), 0);
	done();
}

static void counts_down(void)
{
	u16 a, b;

	pit_start(0, 2, 0xffff);
	spin(2000);
	a = pit_read(0);
	spin(20000);
	b = pit_read(0);
	GUEST_ASSERT(b < a);
	pit_start(0, 0, 0xffff);
}

static void read_back(void)
{
	u8 status;

	pit_start(0, 2, 0x1234);
	outb(0x43, 0xe2); /* status of channel 0 */
	status = inb(0x40);
	GUEST_EXPECT(status & 0x3f, 0x34);
	pit_start(0, 0, 0xffff);
}

static void speaker_channel(void)
{
	u32 spins = 0;

	outb(0x61, (inb(0x61) & ~2) | 1);
	pit_start(2, 0, 2000);
	GUEST_EXPECT(inb(0x61) & 0x20, 0);
	while (!(inb(0x61) & 0x20) && ++spins < 1000000)
		cpu_pause();
	GUEST_EXPECT(inb(0x61) & 0x20, 0x20);
	outb(0x61, inb(0x61) & ~1);
}

static void gate_stops(void)
{
	outb(0x61, inb(0x61) & ~3);
	pit_start(2, 0, 100);
	spin(200000);
	GUEST_EXPECT(inb(0x61) & 0x20, 0);
}

CLAIMS = { { mask_register, "both interrupt mask registers keep their bits" },
	   { periodic, "the PIT in mode 2 interrupts through the PIC again and again" },
	   { square, "the PIT in mode 3 does too" },
	   { one_shot, "the PIT in mode 0 interrupts once" },
	   { masked, "a masked IRQ waits in IRR" },
	   { isr, "ISR shows the IRQ being served until EOI" },
	   { counts_down, "the latched count goes down" },
	   { read_back, "read-back tells mode and access" },
	   { speaker_channel, "channel 2's output shows in port 0x61" },
	   { gate_stops, "channel 2 stands while its gate is low" },
	   END_OF_CLAIMS };
