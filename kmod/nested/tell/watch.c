// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABYME_SET_WATCH, and what is recorded while it is on: L2's last exits for a
 * report, or all of them with the time that L0 and L1 spent on each; L1's accesses
 * to vmcs12; why EPT02 was filled and translations were flushed. Tour, stop 14.
 *
 * What a reader must know: without a watch all of this costs one test of
 * vcpu->watched at each place. The vCPU's thread writes everything but the
 * flushes that other threads cause, which are under vm->mem.lock.
 */
#include <asm/msr.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cpu/regs.h"
#include "nested/internal.h"

/* --- exits -------------------------------------------------------------- */

void nested_watch_spend(struct vcpu *vcpu, u32 spender)
{
	struct exit_watch *w = watch_of_exits(vcpu->nested);

	if (w)
		exit_ring_spend(&w->ring, spender, rdtsc_ordered());
}

void nested_watch_entry(struct vcpu *vcpu)
{
	struct exit_watch *w = watch_of_exits(vcpu->nested);

	if (!w)
		return;
	exit_ring_spend(&w->ring, vcpu->in_l2 ? ABYME_SPENT_L2 : ABYME_SPENT_L1, rdtsc_ordered());
	if (!vcpu->in_l2)
		return;
	exit_ring_close(&w->ring, 0);
	if (exit_ring_due(&w->ring))
		vcpu_request(vcpu, REQ_LEAVE);
}

void nested_watch_exit(struct vcpu *vcpu)
{
	struct exit_watch *w = watch_of_exits(vcpu->nested);

	if (!w)
		return;
	exit_ring_spend(&w->ring, ABYME_SPENT_L0, rdtsc_ordered());
	if (!vcpu->in_l2)
		w->ring.now.l1_exits++;
}

/* What abyme_nested_exit.detail says, by the exit's reason. */
static u64 watch_detail(const struct vcpu *vcpu, const struct l2_exit *x)
{
	switch (x->reason) {
	case EXIT_EXCEPTION_NMI:
	case EXIT_EXT_INT: return x->intr_info;
	case EXIT_EPT_VIOLATION:
	case EXIT_EPT_MISCONFIG: return x->gpa;
	case EXIT_RDMSR:
	case EXIT_WRMSR: return (u32)vcpu->gpr[GPR_RCX];
	case EXIT_CPUID:
	case EXIT_VMCALL: return (u32)vcpu->gpr[GPR_RAX];
	default: return 0;
	}
}

static struct abyme_nested_exit watch_record(const struct vcpu *vcpu, const struct l2_exit *x,
					     u64 rip)
{
	return (struct abyme_nested_exit){
		.vmcs12 = vcpu->nested->vmcs12_ptr,
		.l2_rip = rip,
		.qualification = x->qual,
		.detail = watch_detail(vcpu, x),
		.reason = x->reason,
	};
}

static void note_for_ring(struct vcpu *vcpu, struct exit_ring *ring, u32 reason)
{
	struct l2_exit x = { .reason = reason, .qual = vcpu_exit_qual(vcpu) };
	struct abyme_nested_exit r;

	if (reason == EXIT_EXCEPTION_NMI)
		x.intr_info = vcpu->intr_info;
	if (reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIG)
		x.gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	r = watch_record(vcpu, &x, vcpu_rip(vcpu));
	exit_ring_exit(ring, &r);
}

void nested_note_exit(struct vcpu *vcpu, u32 reason)
{
	struct nested *n = vcpu->nested;
	struct exit_watch *w = watch_of_exits(n);

	if (n->watch & ABYME_WATCH_REPORTS)
		n->last_exits[n->exits_seen++ % ABYME_LAST_EXITS] = reason;
	if (w)
		note_for_ring(vcpu, &w->ring, reason);
}

/* The processor walks EPT02: it calls EPT12's misconfigurations and full logs violations. */
static u32 reported_as(u32 reason)
{
	return reason == EXIT_EPT_MISCONFIG || reason == EXIT_PML_FULL ? EXIT_EPT_VIOLATION
								       : reason;
}

void watch_to_l1(struct vcpu *vcpu, const struct l2_exit *x)
{
	struct nested *n = vcpu->nested;
	struct exit_watch *w = watch_of_exits(n);
	struct abyme_nested_exit r;

	if (!w)
		return;
	/* An entry that failed has not loaded L2's RIP: only vmcs12 has it. */
	r = watch_record(vcpu, x, x->reason & EXIT_ENTRY_FAILED ? n->v->guest_rip : vcpu_rip(vcpu));
	exit_ring_spend(&w->ring, ABYME_SPENT_L0, rdtsc_ordered());
	exit_ring_to_l1(&w->ring, &r, reported_as(x->reason));
}

/* --- counts ------------------------------------------------------------- */

void watch_access(struct vcpu *vcpu, const struct vmcs12_field *f, bool write)
{
	struct exit_watch *w = watch_of_exits(vcpu->nested);
	unsigned int index = vmcs12_field_index(f);

	if (!w)
		return;
	if (write)
		w->field[index].writes++;
	else
		w->field[index].reads++;
	if (!shadow_serves(vcpu->nested, f, write))
		return;
	/* Only the watch makes this access exit, so its time counts as the trace's. */
	w->ring.spender = ABYME_SPENT_TRACE;
	w->ring.now.l1_exits--;
}

/* --- ioctls ------------------------------------------------------------- */

static u64 hardware_flushes(const struct vcpu *vcpu)
{
	return vcpu->stats.tlb_flush - vcpu->nested->exit_watch->tlb_flushes_off;
}

static int watch_allocate(struct nested *n, struct exit_watch **w)
{
	*w = n->exit_watch ?: kvzalloc(sizeof(**w), GFP_KERNEL_ACCOUNT);
	return *w ? 0 : -ENOMEM;
}

static void watch_begin(struct vcpu *vcpu, struct exit_watch *w)
{
	w->tlb_flushes_off = vcpu->stats.tlb_flush - w->flush[ABYME_FLUSH_HARDWARE];
	exit_ring_begin(&w->ring, ABYME_SPENT_USER, rdtsc_ordered());
}

static void watch_end(struct vcpu *vcpu, struct exit_watch *w)
{
	w->flush[ABYME_FLUSH_HARDWARE] = hardware_flushes(vcpu);
	exit_ring_spend(&w->ring, ABYME_SPENT_USER, rdtsc_ordered());
	exit_ring_close(&w->ring, ABYME_EXIT_UNFINISHED);
}

int nested_set_watch(struct vcpu *vcpu, const struct abyme_watch *watch)
{
	u32 flags = watch->flags, changed;
	struct nested *n = vcpu->nested;
	struct exit_watch *w = NULL;

	if ((flags & ~(ABYME_WATCH_REPORTS | ABYME_WATCH_EXITS)) || watch->padding)
		return -EINVAL;
	if (!n)
		return -ENXIO;
	if ((flags & ABYME_WATCH_EXITS) && watch_allocate(n, &w))
		return -ENOMEM;
	changed = n->watch ^ flags;
	if (changed & n->watch & ABYME_WATCH_EXITS)
		watch_end(vcpu, n->exit_watch);
	/* ept02_unmap() may look at .watch and .exit_watch at any time, in another thread. */
	mem_lock(&vcpu->vm->mem);
	if (w)
		n->exit_watch = w;
	n->watch = flags;
	mem_unlock(&vcpu->vm->mem);
	if (changed & flags & ABYME_WATCH_EXITS)
		watch_begin(vcpu, w);
	if (changed & ABYME_WATCH_EXITS)
		shadow_follow_watch(vcpu);
	vcpu->watched = flags;
	n->exits_seen = 0;
	return 0;
}

static int put_exits(const struct exit_ring *ring, u64 after, struct abyme_nested_exit __user *user)
{
	const struct abyme_nested_exit *exit = exit_ring_next(ring, after);
	int count = 0;

	for (; exit && count < ABYME_NESTED_EXITS; count++) {
		if (copy_to_user(&user[count], exit, sizeof(*exit)))
			return -EFAULT;
		exit = exit_ring_next(ring, exit->sequence);
	}
	return count;
}

int nested_get_exits(struct vcpu *vcpu, struct abyme_nested_exits __user *user)
{
	const struct exit_watch *w = vcpu->nested ? vcpu->nested->exit_watch : NULL;
	int count = 0;
	u32 padding;
	u64 after;

	if (get_user(after, &user->after) || get_user(padding, &user->padding))
		return -EFAULT;
	if (padding)
		return -EINVAL;
	if (w)
		count = put_exits(&w->ring, after, user->exit);
	if (count < 0)
		return count;
	if (put_user(w ? w->ring.newest : 0, &user->newest) || put_user(count, &user->count))
		return -EFAULT;
	return 0;
}

static u32 watch_shadowed(const struct nested *n, const struct vmcs12_field *f)
{
	return (shadow_serves(n, f, false) ? ABYME_READ_SHADOWED : 0) |
	       (shadow_serves(n, f, true) ? ABYME_WRITE_SHADOWED : 0);
}

/* Return: how many, or -EFAULT. */
static int put_fields(const struct nested *n, struct abyme_field_count __user *user)
{
	const struct exit_watch *w = n->exit_watch;
	int count = 0;
	unsigned int i;

	BUILD_BUG_ON(NR_FIELDS > ABYME_FIELD_COUNTS);
	for (i = 0; i < NR_FIELDS; i++) {
		struct abyme_field_count one = {
			.field = vmcs12_fields[i].enc,
			.flags = watch_shadowed(n, &vmcs12_fields[i]),
			.reads = w->field[i].reads,
			.writes = w->field[i].writes,
		};

		if (!one.reads && !one.writes)
			continue;
		if (copy_to_user(&user[count++], &one, sizeof(one)))
			return -EFAULT;
	}
	return count;
}

static int put_counts(struct vcpu *vcpu, struct exit_watch *w,
		      struct abyme_nested_counts __user *user)
{
	int fields = put_fields(vcpu->nested, user->field);

	if (fields < 0)
		return fields;
	if (watch_of_exits(vcpu->nested))
		w->flush[ABYME_FLUSH_HARDWARE] = hardware_flushes(vcpu);
	BUILD_BUG_ON(sizeof(w->fault) > sizeof(user->fault));
	BUILD_BUG_ON(sizeof(w->flush) > sizeof(user->flush));
	if (copy_to_user(user->fault, w->fault, sizeof(w->fault)) ||
	    copy_to_user(user->flush, w->flush, sizeof(w->flush)) ||
	    put_user(fields, &user->fields))
		return -EFAULT;
	return 0;
}

int nested_get_counts(struct vcpu *vcpu, struct abyme_nested_counts __user *user)
{
	struct exit_watch *w = vcpu->nested ? vcpu->nested->exit_watch : NULL;

	/* Userspace gets 0 in all that is not filled in below. */
	if (clear_user(user, sizeof(*user)))
		return -EFAULT;
	return w ? put_counts(vcpu, w, user) : 0;
}
