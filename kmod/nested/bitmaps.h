/* SPDX-License-Identifier: GPL-2.0-only */
/* I/O and MSR bitmaps of L1: look-up and merging. Pure. */
#ifndef NESTED_BITMAPS_H
#define NESTED_BITMAPS_H

#include <vmx/types.h>

#define BITMAP_SIZE 4096

/*
 * Does an access of @size bytes to @port exit? Bitmap A has ports up to
 * 0x7fff, B the others; an access that wraps around 0xffff exits always.
 * A bitmap that cannot be read (NULL) has all bits set.
 */
bool io_bitmap_exits(const u8 *a, const u8 *b, u16 port, u32 size);

/* The bit of @msr in a bitmap, or -1: it is in neither range and exits always. */
int msr_bitmap_bit(u32 msr, bool write);
/* Does an access to @msr exit? NULL: yes. MSRs outside both ranges: always. */
bool msr_bitmap_exits(const u8 *bitmap, u32 msr, bool write);
void msr_bitmap_set(u8 *bitmap, u32 msr, bool write, bool exits);

/*
 * @to gets an exit for each MSR for which @l0 or @l1 has one. The x2APIC MSRs
 * are L0's always, as @l0 may pass through what belongs to L1's own APIC;
 * @x2apic_tpr: the TPR alone (808H) follows @l1, as it is virtualized.
 */
void msr_bitmap_merge(u8 *to, const u8 *l0, const u8 *l1, bool x2apic_tpr);

#endif
