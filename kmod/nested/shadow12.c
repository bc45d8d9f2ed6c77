// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing that L1 uses for its own L2: VMREAD and VMWRITE of L2 act on
 * the VMCS that vmcs12's link pointer names, the shadow vmcs12, where L1's
 * bitmaps let them. Tour, stop 9. vmxinsn.c executes them, route.c asks whose
 * exit they are.
 *
 * What a reader must know: L0 copies the shadow vmcs12 once and keeps the copy,
 * as the processor may keep a VMCS that is active, until L1 executes VMPTRLD or
 * VMCLEAR of it or vmcs12 links another.
 *
 * SDM: "Software Use of Virtual-Machine Control Structures", "VMREAD",
 * "VMWRITE".
 */
#include <linux/gfp.h>

#include "nested/bitmaps.h"
#include "nested/internal.h"

int shadow12_init(struct nested *n)
{
	n->shadow12_ptr = NO_GPA;
	n->shadow12 = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return n->shadow12 ? 0 : -ENOMEM;
}

void shadow12_free(struct nested *n)
{
	free_page((unsigned long)n->shadow12);
	n->shadow12 = NULL;
	n->shadow12_ptr = NO_GPA;
}

/* The address of the VMCS that L1 links for L2's accesses, or NO_GPA. */
u64 shadow12_wanted(const struct vmcs12 *v)
{
	return vmcs12_proc2(v) & PROC2_SHADOW_VMCS ? v->link_pointer : NO_GPA;
}

void shadow12_sync(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->shadow12_ptr == NO_GPA || !n->shadow12_dirty)
		return;
	vmcs12_write_back(vcpu, n->shadow12_ptr, n->shadow12);
	n->shadow12_dirty = false;
}

void shadow12_drop(struct vcpu *vcpu)
{
	shadow12_sync(vcpu);
	vcpu->nested->shadow12_ptr = NO_GPA;
}

void shadow12_forget(struct nested *n)
{
	n->shadow12_ptr = NO_GPA;
	n->shadow12_dirty = false;
}

/* The old one is written back before another is read. May sleep. */
bool shadow12_load(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 ptr = shadow12_wanted(n->v);

	if (ptr == n->shadow12_ptr)
		return true;
	shadow12_drop(vcpu);
	if (ptr == NO_GPA)
		return true;
	if (mem_read(vcpu->vm, ptr, n->shadow12, sizeof(*n->shadow12)))
		return false;
	n->shadow12_ptr = ptr;
	return true;
}

/* An access exits if a bit above 14 of the encoding is set, or the bitmap's bit for it. */
bool shadow12_access_exits(struct vcpu *vcpu, u64 enc, bool write)
{
	const struct vmcs12 *v = vcpu->nested->v;
	u8 byte;

	if (!(vmcs12_proc2(v) & PROC2_SHADOW_VMCS) || enc >= 8 * BITMAP_SIZE)
		return true;
	if (mem_read(vcpu->vm, (write ? v->vmwrite_bitmap : v->vmread_bitmap) + enc / 8, &byte, 1))
		return true; /* where there is no memory all bits are 1 */
	return byte & BIT(enc % 8);
}
