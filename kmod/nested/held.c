// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCSs of L1's that L0 holds: where they are kept, and which is given up for
 * another. A processor, too, keeps several active, until VMCLEAR. Tour, stop 9.
 * current.c, shadow12.c and state.c come here; current.c says what a snapshot is.
 *
 * What a reader must know: VMXON allocates the first place, and for a VMCS that
 * L1 links the page of a second. More places, and what only a current VMCS
 * needs, are allocated when L1 loads another VMCS. If there is no memory for that,
 * or all places are taken, one is given up. n->cur is always complete.
 *
 * Context: the vCPU's thread, vCPU loaded. All but held_find() may sleep.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "nested/internal.h"

static struct l1_vmcs *held_new(void)
{
	struct l1_vmcs *h = kzalloc(sizeof(*h), GFP_KERNEL_ACCOUNT);

	if (!h)
		return NULL;
	h->v = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!h->v) {
		kfree(h);
		return NULL;
	}
	h->ptr = NO_GPA;
	h->virt_apic.gpa = NO_GPA;
	h->apic_access.gpa = NO_GPA;
	h->msr_bitmap12.gpa = NO_GPA;
	return h;
}

/* Allocates what only a current VMCS needs: vmcs02 and the shadow VMCS. 0 or -ENOMEM. */
static int held_complete(struct vcpu *vcpu, struct l1_vmcs *h, unsigned int slot)
{
	struct vmcs *now = vcpu->vmcs;
	int r;

	if (h->complete)
		return 0;
	r = shadow_init_one(vcpu, h, slot);
	if (!r)
		r = vmcs_init(&h->vmcs02);
	if (r)
		return r;
	vcpu_switch_vmcs(vcpu, &h->vmcs02);
	vmcs02_setup(vcpu->nested, h);
	vcpu_switch_vmcs(vcpu, now);
	h->complete = true;
	return 0;
}

int held_init(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	n->held[0] = held_new();
	n->held[1] = held_new();
	if (!n->held[0] || !n->held[1])
		return -ENOMEM;
	n->cur = n->held[0];
	n->v = n->cur->v;
	return held_complete(vcpu, n->cur, 0);
}

void held_free(struct nested *n)
{
	struct l1_vmcs *h;
	int i;

	for_each_held(n, h, i) {
		vmcs_destroy(&h->vmcs02);
		free_page((unsigned long)h->shadow);
		free_page((unsigned long)h->v);
		kfree(h);
		n->held[i] = NULL;
	}
	n->cur = n->linked = n->entered = NULL;
	n->v = NULL;
}

struct l1_vmcs *held_find(const struct nested *n, u64 ptr)
{
	struct l1_vmcs *h;
	int i;

	for_each_held(n, h, i)
		if (h->ptr == ptr)
			return h;
	return NULL;
}

static unsigned int slot_of(const struct nested *n, const struct l1_vmcs *h)
{
	unsigned int i = 0;

	while (n->held[i] != h)
		i++;
	return i;
}

/* Writes the VMCS back to L1's memory if need be, and makes the place free. */
static void held_evict(struct vcpu *vcpu, struct l1_vmcs *h)
{
	struct nested *n = vcpu->nested;

	if (h->active)
		vmcs12_release(vcpu, h);
	if (h == n->linked)
		n->linked = NULL;
	h->ptr = NO_GPA;
	h->unsaved = false;
}

/* May @h be given up for another: is it neither the current one nor the linked one? */
static bool held_can_go(const struct nested *n, const struct l1_vmcs *h)
{
	return h != n->linked && (h != n->cur || n->vmcs12_ptr == NO_GPA);
}

/* Is @a rather given up than @b? What cannot be written back is kept as long as can be. */
static bool held_goes_before(const struct l1_vmcs *a, const struct l1_vmcs *b)
{
	return a->unsaved != b->unsaved ? b->unsaved : a->stamp < b->stamp;
}

/* Return: a free place, or a new one, or the one whose VMCS has not been used for longest. */
static struct l1_vmcs *free_place(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h, *oldest = NULL;
	int i;

	for (i = 0; i < L1_VMCSS; i++) {
		if (!n->held[i])
			n->held[i] = held_new();
		h = n->held[i];
		if (h && h->ptr == NO_GPA)
			return h;
		if (h && held_can_go(n, h) && (!oldest || held_goes_before(h, oldest)))
			oldest = h;
	}
	/* The current one is given up only if there are two places and no memory for a third. */
	h = oldest ?: n->cur;
	held_evict(vcpu, h);
	return h;
}

struct l1_vmcs *held_place(struct vcpu *vcpu, u64 ptr, bool complete)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h = held_find(n, ptr) ?: free_place(vcpu);

	if (!complete || !held_complete(vcpu, h, slot_of(n, h)))
		return h;
	held_evict(vcpu, h);
	held_evict(vcpu, n->cur);
	return n->cur;
}

/*
 * If memory slots have changed, other data may be where L1's VMCSs were, so L0 gives up those that
 * it holds. It keeps the current VMCS and the one that it links, and what cannot be written as its
 * slot is gone, even if L1 has cleared it since: a client changes a slot by taking it away and
 * putting another there, while L1 may run.
 */
void held_follow_slots(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 generation = READ_ONCE(vcpu->vm->mem.generation);
	struct l1_vmcs *h;
	int i;

	if (likely(n->slots_generation == generation))
		return;
	n->slots_generation = generation;
	vmcs12_save_others(vcpu);
	for_each_held(n, h, i)
		if (held_can_go(n, h) && !h->unsaved)
			held_evict(vcpu, h);
}

void held_forget(struct nested *n)
{
	struct l1_vmcs *h;
	int i;

	for_each_held(n, h, i) {
		h->ptr = NO_GPA;
		h->active = h->unsaved = false;
	}
	n->linked = NULL;
}
