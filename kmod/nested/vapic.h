/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual interrupts of L2: RVI and SVI in the guest interrupt status, and
 * what posted interrupts do to them. SDM: "APIC Virtualization and Virtual
 * Interrupts". Pure.
 */
#ifndef NESTED_VAPIC_H
#define NESTED_VAPIC_H

#include <vmx/types.h>

/* Offsets in the virtual-APIC page. */
#define VAPIC_TPR 0x80
#define VAPIC_IRR 0x200

/* The posted-interrupt descriptor: 256 requests, then ON in bit 0 of the rest. */
#define PIR_WORDS 4
#define POSTED_ON_OFFSET 32
#define POSTED_ON BIT(0)

/* Offset of the 32-bit register that has @vector's bit, in IRR, ISR or TMR at @base. */
static inline u32 vapic_reg(u32 base, u8 vector)
{
	return base + vector / 32 * 16;
}

/*
 * Would the processor deliver RVI, if RFLAGS.IF and shadows allowed? @vtpr: byte
 * 80H of the virtual-APIC page. SDM: "PPR Virtualization", "Evaluation of
 * Pending Virtual Interrupts".
 */
static inline bool vapic_irq_pending(u8 vtpr, u16 intr_status)
{
	u8 rvi = intr_status, svi = intr_status >> 8;
	u8 vppr = vtpr >> 4 >= svi >> 4 ? vtpr : svi;

	return rvi >> 4 > vppr >> 4;
}

/* The interrupt status after @pir's requests. SDM: "Posted-Interrupt Processing". */
static inline u16 vapic_request(const u64 pir[PIR_WORDS], u16 intr_status)
{
	u8 rvi = intr_status;
	int vector;

	for (vector = 255; vector > rvi; vector--)
		if (pir[vector / 64] & BIT_ULL(vector % 64))
			return (intr_status & 0xff00) | vector;
	return intr_status;
}

#endif
