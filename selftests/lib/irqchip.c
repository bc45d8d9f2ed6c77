// SPDX-License-Identifier: GPL-2.0-only
#include "irqchip.h"

#define X2APIC_MSR(reg) (0x800 + ((reg) >> 4))

bool apic_is_x2apic(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

u32 apic_read(u32 reg)
{
	if (apic_is_x2apic())
		return rdmsr(X2APIC_MSR(reg));
	return *(volatile u32 *)(u64)(APIC_PAGE + reg);
}

void apic_write(u32 reg, u32 v)
{
	if (apic_is_x2apic())
		wrmsr(X2APIC_MSR(reg), v);
	else
		*(volatile u32 *)(u64)(APIC_PAGE + reg) = v;
}

void apic_icr(u32 dest, u32 low)
{
	if (apic_is_x2apic()) {
		wrmsr(X2APIC_MSR(APIC_ICR), (u64)dest << 32 | low);
		return;
	}
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR, low);
	while (apic_read(APIC_ICR) & ICR_BUSY)
		cpu_pause();
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

u32 apic_id(void)
{
	u32 id = apic_read(APIC_ID);

	return apic_is_x2apic() ? id : id >> 24;
}

bool apic_bit(u32 reg, u8 vector)
{
	return apic_read(reg + (vector / 32) * 0x10) >> (vector % 32) & 1;
}

void apic_enable(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	apic_write(APIC_SVR, SVR_ENABLE | 0xff);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, LVT_MASKED | 0xfe);
	apic_write(APIC_TPR, 0);
}

void apic_enable_x2apic(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_enable();
}

bool apic_disable_x2apic(void)
{
	u64 base = rdmsr(MSR_APIC_BASE) & ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE);

	wrmsr(MSR_APIC_BASE, base);
	if (try_wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE) != NO_TRAP)
		return false;
	apic_enable();
	return apic_read(APIC_SVR) == (SVR_ENABLE | 0xff);
}

/* CPUs are numbered by their APIC IDs, from 0 without gaps. */
void apic_start_cpu(unsigned int apic_id, u32 address)
{
	apic_enable();
	apic_icr(apic_id, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	spin(20000);
	apic_icr(apic_id, ICR_SIPI | ICR_ASSERT | address >> 12);
	spin(20000);
	apic_icr(apic_id, ICR_SIPI | ICR_ASSERT | address >> 12);
}

u32 ioapic_read(u8 reg)
{
	*(volatile u32 *)(u64)IOAPIC_PAGE = reg;
	return *(volatile u32 *)(u64)(IOAPIC_PAGE + 0x10);
}

void ioapic_write(u8 reg, u32 v)
{
	*(volatile u32 *)(u64)IOAPIC_PAGE = reg;
	*(volatile u32 *)(u64)(IOAPIC_PAGE + 0x10) = v;
}

void ioapic_route(u8 pin, u64 entry)
{
	ioapic_write(0x10 + 2 * pin, IOAPIC_MASKED);
	ioapic_write(0x11 + 2 * pin, entry >> 32);
	ioapic_write(0x10 + 2 * pin, entry);
}

void pic_mask_all(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

void pic_setup(u8 base, u16 mask)
{
	outb(0x20, 0x11);
	outb(0x21, base);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, base + 8);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x21, mask);
	outb(0xa1, mask >> 8);
}

void pic_eoi(u8 irq)
{
	if (irq >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

void pit_start(u8 channel, u8 mode, u16 count)
{
	outb(0x43, channel << 6 | 0x30 | mode << 1);
	outb(0x40 + channel, count);
	outb(0x40 + channel, count >> 8);
}

u16 pit_read(u8 channel)
{
	u16 v;

	outb(0x43, channel << 6);
	v = inb(0x40 + channel);
	return v | inb(0x40 + channel) << 8;
}
