/* SPDX-License-Identifier: GPL-2.0-only */
/* MSR bitmaps of L1: look-up and merging. Pure. */
#ifndef NESTED_BITMAPS_H
#define NESTED_BITMAPS_H

#include <vmx/types.h>

#define BITMAP_SIZE 4096

/* The bit of @msr in a bitmap, or -1: it is in neither range and exits always. */
int msr_bitmap_bit(u32 msr, bool write);
/* Does an access to @msr exit? MSRs outside both ranges: always. */
bool msr_bitmap_exits(const u8 *bitmap, u32 msr, bool write);
void msr_bitmap_set(u8 *bitmap, u32 msr, bool write, bool exits);

/*
 * Fills in the x2APIC MSRs of vmcs02's bitmap @to, in which all writes exit so far: L1's bitmap
 * @l1 decides on accesses that are virtualized, all others exit.
 */
void msr_bitmap_merge_x2apic(u8 *to, const u8 *l1, u32 proc2);

#endif
