/* SPDX-License-Identifier: GPL-2.0-only */
/* The interrupt controllers: local APIC in both modes, IOAPIC, PIC, PIT. */
#ifndef LIB_IRQCHIP_H
#define LIB_IRQCHIP_H

#include "guest.h"

#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_PPR 0xa0
#define APIC_EOI 0xb0
#define APIC_LDR 0xd0
#define APIC_DFR 0xe0
#define APIC_SVR 0xf0
#define APIC_ISR 0x100
#define APIC_TMR 0x180
#define APIC_IRR 0x200
#define APIC_ESR 0x280
#define APIC_ICR 0x300
#define APIC_ICR_HIGH 0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_SELF_IPI 0x3f0

#define APIC_BASE_BSP BIT_ULL(8)
#define APIC_BASE_X2APIC BIT_ULL(10)
#define APIC_BASE_ENABLE BIT_ULL(11)

#define SVR_ENABLE 0x100
#define LVT_MASKED 0x10000
#define LVT_PERIODIC 0x20000
#define LVT_TSC_DEADLINE 0x40000
#define ICR_NMI 0x400
#define ICR_INIT 0x500
#define ICR_SIPI 0x600
#define ICR_LOGICAL 0x800
#define ICR_BUSY 0x1000
#define ICR_ASSERT 0x4000
#define ICR_LEVEL 0x8000
#define ICR_SELF 0x40000
#define ICR_ALL 0x80000
#define ICR_OTHERS 0xc0000

#define APIC_PAGE 0xfee00000
#define IOAPIC_PAGE 0xfec00000

/* Registers by xAPIC offset, whichever mode this CPU is in. */
bool apic_is_x2apic(void);
u32 apic_read(u32 reg);
void apic_write(u32 reg, u32 v);
void apic_icr(u32 dest, u32 low);
void apic_eoi(void);
/* Hardware-enable and software-enable, all LVTs masked. */
void apic_enable(void);
void apic_enable_x2apic(void);
/* Back to xAPIC mode, over the disabled state; false when it stays off. */
bool apic_disable_x2apic(void);
u32 apic_id(void);
bool apic_bit(u32 reg, u8 vector);
void apic_start_cpu(unsigned int apic_id, u32 address);

u32 ioapic_read(u8 reg);
void ioapic_write(u8 reg, u32 v);
void ioapic_route(u8 pin, u64 entry);
#define IOAPIC_MASKED BIT_ULL(16)
#define IOAPIC_LEVEL BIT_ULL(15)

void pic_mask_all(void);
/* Initialise both, vectors at @base and @base + 8, masks @mask. */
void pic_setup(u8 base, u16 mask);
void pic_eoi(u8 irq);

#define PIT_HZ 1193182
/* Channel 0 in @mode with @count; channel 2 likewise, through port 0x61. */
void pit_start(u8 channel, u8 mode, u16 count);
u16 pit_read(u8 channel);

#endif
