// SPDX-License-Identifier: GPL-2.0-only
/* SDM: "I/O-Bitmap Addresses", "MSR-Bitmap Address". */
#include "nested/bitmaps.h"

#define MSR_LOW_MAX 0x1fffu
#define MSR_HIGH_MIN 0xc0000000u
#define MSR_HIGH_MAX 0xc0001fffu
#define MSR_X2APIC_FIRST 0x800u
#define MSR_X2APIC_LAST 0x8ffu
#define MSR_X2APIC_TPR 0x808u

/* The four quarters of an MSR bitmap, 1 KiB each. */
#define QUARTER 1024
#define QUARTER_HIGH 1
#define QUARTER_WRITE 2

static bool bit_of(const u8 *bitmap, u32 n)
{
	return bitmap[n / 8] & (1u << n % 8);
}

static bool io_port_exits(const u8 *a, const u8 *b, u16 port)
{
	const u8 *bitmap = port & 0x8000 ? b : a;

	return !bitmap || bit_of(bitmap, port & 0x7fff);
}

bool io_bitmap_exits(const u8 *a, const u8 *b, u16 port, u32 size)
{
	u32 i;

	if (port + size > 0x10000)
		return true;
	for (i = 0; i < size; i++)
		if (io_port_exits(a, b, port + i))
			return true;
	return false;
}

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

	return !bitmap || bit < 0 || bit_of(bitmap, bit);
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

void msr_bitmap_merge(u8 *to, const u8 *l0, const u8 *l1, bool x2apic_tpr)
{
	const u64 *a = (const u64 *)l0, *b = (const u64 *)l1;
	u64 *out = (u64 *)to;
	size_t i;
	u32 first = MSR_X2APIC_FIRST / 8, len = (MSR_X2APIC_LAST + 1) / 8 - first;

	for (i = 0; i < BITMAP_SIZE / sizeof(u64); i++)
		out[i] = a[i] | b[i];
	memset(to + first, 0xff, len);
	memset(to + QUARTER_WRITE * QUARTER + first, 0xff, len);
	if (x2apic_tpr) {
		msr_bitmap_set(to, MSR_X2APIC_TPR, false,
			       msr_bitmap_exits(l1, MSR_X2APIC_TPR, false));
		msr_bitmap_set(to, MSR_X2APIC_TPR, true,
			       msr_bitmap_exits(l1, MSR_X2APIC_TPR, true));
	}
}
