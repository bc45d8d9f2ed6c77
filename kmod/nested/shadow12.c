// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing that L1 uses for its own L2: VMREAD and VMWRITE of L2 act on
 * the VMCS that vmcs12's link pointer names, the shadow vmcs12, where L1's
 * bitmaps let them. Tour, stop 9. vmxinsn.c executes them, route.c asks whose
 * exit they are.
 *
 * What a reader must know: the shadow vmcs12 is one of the VMCSs that L0 holds,
 * and active like any other, because L1 has loaded it or because vmcs12 links it.
 * If only the latter, L0 writes it back once vmcs12 links another.
 *
 * SDM: "Software Use of Virtual-Machine Control Structures", "VMREAD",
 * "VMWRITE".
 */
#include "nested/bitmaps.h"
#include "nested/internal.h"

void shadow12_drop(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h = n->linked;

	n->linked = NULL;
	if (!h || h->was_current)
		return;
	vmcs12_release(vcpu, h);
	h->ptr = NO_GPA;
}

/* Loads what vmcs12 links, after the one that was linked before was written back. May sleep. */
void shadow12_load(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 ptr = shadow12_wanted(n->v);
	struct l1_vmcs *h = n->linked;

	if (h && h->ptr != ptr) {
		shadow12_drop(vcpu);
		h = NULL;
	}
	if (ptr == NO_GPA)
		return;
	if (!h)
		h = held_place(vcpu, ptr, false);
	if ((h->ptr != ptr || !h->active) && !vmcs12_load(vcpu, h, ptr)) {
		h->active = false;
		h->ptr = NO_GPA;
		return;
	}
	h->stamp = ++n->held_stamp;
	vmcs12_settle(vcpu, h);
	n->linked = h;
}

/* An access exits if the encoding has a bit above 14, or if L1's bitmap has its bit set. */
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
