// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR bitmaps of L1: looking up a bit, and merging the x2APIC MSRs.
 * Pure logic that compiles in userspace; route.c asks it whose exit an access
 * is, nested.c merges.
 *
 * SDM: "MSR-Bitmap Address", "Virtualizing MSR-Based APIC Accesses".
 */
#include <vmx/controls.h>

#include "nested/bitmaps.h"

#define MSR_LOW_MAX 0x1fffu
#define MSR_HIGH_MIN 0xc0000000u
#define MSR_HIGH_MAX 0xc0001fffu
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu
#define MSR_X2APIC_TPR 0x808u
#define MSR_X2APIC_EOI 0x80bu
#define MSR_X2APIC_SELF_IPI 0x83fu

/* The four quarters of an MSR bitmap, 1 KiB each. */
#define QUARTER 1024
#define QUARTER_HIGH 1
#define QUARTER_WRITE 2

int msr_bitmap_bit(u32 msr, bool write)
{
	u32 quarter = write ? QUARTER_WRITE : 0;

	if (msr >= MSR_HIGH_MIN && msr <= MSR_HIGH_MAX)
		quarter += QUARTER_HIGH;
	else if (msr > MSR_LOW_MAX)
		return -1;
	return quarter * QUARTER * 8 + (msr & MSR_LOW_MAX);
}

bool msr_bitmap_exits(const u8 *bitmap, u32 msr, bool write)
{
	int bit = msr_bitmap_bit(msr, write);

	return bit < 0 || (bitmap[bit / 8] & 1u << bit % 8);
}

void msr_bitmap_set(u8 *bitmap, u32 msr, bool write, bool exits)
{
	int bit = msr_bitmap_bit(msr, write);

	if (bit < 0)
		return;
	if (exits)
		bitmap[bit / 8] |= 1u << bit % 8;
	else
		bitmap[bit / 8] &= ~(1u << bit % 8);
}

/* @virtualized: the access is to L1's virtual-APIC page. Else it is to L1's own APIC, and exits. */
static void merge_x2apic_msr(u8 *to, const u8 *l1, u32 msr, bool write, bool virtualized)
{
	msr_bitmap_set(to, msr, write, !virtualized || msr_bitmap_exits(l1, msr, write));
}

#define X2APIC_WORD (MSR_X2APIC_FIRST / 64)
#define X2APIC_WORDS ((MSR_X2APIC_LAST + 1) / 64 - X2APIC_WORD)

/*
 * With "virtualize x2APIC mode" the TPR always is on L1's virtual-APIC page, reads of the others are
 * with APIC-register virtualization, and writes of two with virtual-interrupt delivery. So reads are
 * merged word by word, as one control decides on all of them but the TPR's.
 */
void msr_bitmap_merge_x2apic(u8 *to, const u8 *l1, u32 proc2)
{
	u64 *reads = (u64 *)to + X2APIC_WORD;
	const u64 *l1_reads = (const u64 *)l1 + X2APIC_WORD;
	bool tpr = proc2 & PROC2_X2APIC;
	bool registers = tpr && (proc2 & PROC2_APIC_REG_VIRT);
	bool delivery = tpr && (proc2 & PROC2_VIRT_INTR);
	u32 i;

	for (i = 0; i < X2APIC_WORDS; i++)
		reads[i] = registers ? READ_ONCE(l1_reads[i]) : ~0ull;
	merge_x2apic_msr(to, l1, MSR_X2APIC_TPR, false, tpr);
	merge_x2apic_msr(to, l1, MSR_X2APIC_TPR, true, tpr);
	merge_x2apic_msr(to, l1, MSR_X2APIC_EOI, true, delivery);
	merge_x2apic_msr(to, l1, MSR_X2APIC_SELF_IPI, true, delivery);
}
