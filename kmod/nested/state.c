// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE. Tour, stop 15. The format is
 * KVM's, so that states go from one to the other.
 *
 * What a reader must know: a state that is set comes from userspace, which
 * nobody trusts. All of it is copied and judged, by the same checks as an entry
 * of L1's, before anything of the vCPU changes (struct wanted); state_adopt() cannot
 * fail.
 *
 * Context: the vCPU's ioctls, vCPU loaded, may sleep.
 */
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "cpu/regs.h"
#include "nested/internal.h"

#define HEADER sizeof(struct kvm_nested_state)
/* The saved deadline of the preemption timer is in units of 2^5 ticks of L1's TSC. */
#define DEADLINE_SHIFT 5
#define VMCS12_BYTES KVM_STATE_NESTED_VMX_VMCS_SIZE

static u32 state_size(const struct nested *n)
{
	return n && n->vmxon && n->vmcs12_ptr != NO_GPA ? HEADER + VMCS12_BYTES : HEADER;
}

/* While L2 runs the shadow vmcs12, if there is one, is part of the state. */
static u32 full_size(struct vcpu *vcpu)
{
	u32 size = state_size(vcpu->nested);

	return vcpu->in_l2 && vcpu->nested->linked ? size + VMCS12_BYTES : size;
}

/* "Run pending" says that vmcs12's event is still to be injected when L2 goes on. */
static void state_fill_header(struct vcpu *vcpu, struct kvm_nested_state *s)
{
	struct nested *n = vcpu->nested;

	s->format = KVM_STATE_NESTED_FORMAT_VMX;
	s->size = full_size(vcpu);
	s->hdr.vmx.vmxon_pa = NO_GPA;
	s->hdr.vmx.vmcs12_pa = NO_GPA;
	if (!n || !n->vmxon)
		return;
	s->hdr.vmx.vmxon_pa = n->vmxon_ptr;
	s->hdr.vmx.vmcs12_pa = n->vmcs12_ptr;
	if (!vcpu->in_l2)
		return;
	s->flags |= KVM_STATE_NESTED_GUEST_MODE;
	if (n->entering || nested_state_event(vcpu))
		s->flags |= KVM_STATE_NESTED_RUN_PENDING;
	if (n->mtf_pending)
		s->flags |= KVM_STATE_NESTED_MTF_PENDING;
	/* Before the first entry vmcs12 has all of the time. */
	if (n->timer_on && !(n->entering && n->timer_ticks)) {
		s->hdr.vmx.flags |= KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
		s->hdr.vmx.preemption_timer_deadline = timer_get_deadline(vcpu) >> DEADLINE_SHIFT;
	}
}

/* An event that an exit interrupted in delivery to L2 is saved as one that L1 injects. */
static int copy_vmcs12(struct vcpu *vcpu, void __user *to)
{
	struct vmcs12 *v = vcpu->nested->v;
	u32 info = v->entry_intr_info, length = v->entry_insn_len;
	u32 event = nested_event_waits(vcpu) ? 0 : nested_state_event(vcpu);
	int r;

	if (event)
		v->entry_intr_info = event;
	if (intr_type_software(event))
		v->entry_insn_len = vcpu->inject.insn_len;
	r = copy_to_user(to, v, VMCS12_BYTES) ? -EFAULT : 0;
	v->entry_intr_info = info;
	v->entry_insn_len = length;
	return r;
}

int nested_state_get(struct vcpu *vcpu, struct kvm_nested_state __user *user, u32 user_size)
{
	struct kvm_nested_state s = {};

	state_fill_header(vcpu, &s);
	if (user_size < s.size) {
		if (put_user(s.size, &user->size))
			return -EFAULT;
		return -E2BIG;
	}
	if (copy_to_user(user, &s, HEADER))
		return -EFAULT;
	if (s.size == HEADER)
		return s.size;
	vmcs12_sync(vcpu);
	if (copy_vmcs12(vcpu, user->data.vmx[0].vmcs12))
		return -EFAULT;
	vmcs12_save_others(vcpu);
	if (s.size > HEADER + VMCS12_BYTES &&
	    copy_to_user(user->data.vmx[0].shadow_vmcs12, vcpu->nested->linked->v, VMCS12_BYTES))
		return -EFAULT;
	return s.size;
}

/* --- set ---------------------------------------------------------------- */

#define KNOWN_FLAGS                                                                            \
	(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING | KVM_STATE_NESTED_EVMCS | \
	 KVM_STATE_NESTED_MTF_PENDING | KVM_STATE_NESTED_GIF_SET)

static bool page_ok(struct vcpu *vcpu, u64 pa)
{
	return !(pa & 0xfff) && !(pa >> vcpu->cpuid.maxphyaddr);
}

/* The rules for a state of a vCPU that is not in VMX operation. */
static int check_vmxoff(const struct kvm_nested_state *s)
{
	if (s->hdr.vmx.vmcs12_pa != NO_GPA || (s->flags & ~(u32)KVM_STATE_NESTED_EVMCS))
		return -EINVAL;
	return 0;
}

static int check_header(struct vcpu *vcpu, const struct kvm_nested_state *s)
{
	bool guest = s->flags & KVM_STATE_NESTED_GUEST_MODE;

	if (s->format != KVM_STATE_NESTED_FORMAT_VMX || (s->flags & ~KNOWN_FLAGS) ||
	    (s->flags & (KVM_STATE_NESTED_EVMCS | KVM_STATE_NESTED_GIF_SET)))
		return -EINVAL;
	if ((s->flags & KVM_STATE_NESTED_RUN_PENDING) && !guest)
		return -EINVAL;
	if (s->hdr.vmx.smm.flags || (s->hdr.vmx.flags & ~KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE))
		return -EINVAL; /* no SMM */
	if (s->hdr.vmx.vmxon_pa == NO_GPA)
		return check_vmxoff(s);
	if (!vcpu->cpuid.vmx || !vcpu->nested || !page_ok(vcpu, s->hdr.vmx.vmxon_pa))
		return -EINVAL;
	return 0;
}

/* The state that userspace wants. It is complete, and checked, before the vCPU changes. */
struct wanted {
	struct kvm_nested_state head;
	struct vmcs12 *v;	 /* n->spare; NULL: no current VMCS */
	struct vmcs12 *shadow12; /* NULL: vmcs12 links none */
	struct check_ctx checks;
};

static int take_vmcs12(struct vcpu *vcpu, struct wanted *w, struct kvm_nested_state __user *user)
{
	struct nested *n = vcpu->nested;
	u64 pa = w->head.hdr.vmx.vmcs12_pa;
	bool in_l2 = w->head.flags & KVM_STATE_NESTED_GUEST_MODE;

	if (pa == NO_GPA)
		return in_l2 ? -EINVAL : 0;
	if (w->head.size < HEADER + VMCS12_BYTES || pa == w->head.hdr.vmx.vmxon_pa ||
	    !page_ok(vcpu, pa))
		return -EINVAL;
	if (copy_from_user(n->spare, user->data.vmx[0].vmcs12, VMCS12_BYTES))
		return -EFAULT;
	if ((n->spare->revision & ~(u32)VMCS12_SHADOW) != VMCS12_REVISION)
		return -EINVAL;
	w->v = n->spare;
	return 0;
}

/* Takes the shadow vmcs12 from the state, as userspace may restore L1's memory later. */
static int take_shadow12(struct vcpu *vcpu, struct wanted *w, struct kvm_nested_state __user *user)
{
	u64 ptr = shadow12_wanted(w->v);

	if (ptr == NO_GPA)
		return 0;
	if (w->head.size < HEADER + 2 * VMCS12_BYTES || !page_ok(vcpu, ptr))
		return -EINVAL;
	w->shadow12 = memdup_user(user->data.vmx[0].shadow_vmcs12, VMCS12_BYTES);
	if (IS_ERR(w->shadow12)) {
		int r = PTR_ERR(w->shadow12);

		w->shadow12 = NULL;
		return r;
	}
	return w->shadow12->revision == (VMCS12_REVISION | VMCS12_SHADOW) ? 0 : -EINVAL;
}

/*
 * Brings fields up to date which a state of KVM's has as L1 wrote them, since KVM writes them at
 * L2's exit only: the entry is made, and vmcs12's event was delivered.
 */
static void note_entered(struct wanted *w)
{
	w->v->launch_state = VMCS12_LAUNCHED;
	if (!(w->head.flags & KVM_STATE_NESTED_RUN_PENDING))
		w->v->entry_intr_info &= ~(u32)INTR_VALID;
}

static void prepare_checks(struct vcpu *vcpu, struct wanted *w)
{
	struct check_ctx *c = &w->checks;

	*c = nested_check_ctx(vcpu);
	c->v = w->v;
	c->current_vmcs = w->head.hdr.vmx.vmcs12_pa;
	c->l1_long_mode = w->v->exit_ctls & EXITC_HOST_64;
}

static void read_for_guest_checks(struct vcpu *vcpu, struct wanted *w)
{
	struct check_ctx *c = &w->checks;

	if (w->shadow12) {
		c->link_readable = true;
		c->link_revision = w->shadow12->revision;
	} else {
		nested_read_link(vcpu, c);
	}
	nested_read_pdptes(vcpu, c);
}

/* L2 goes on where it was: its state must pass the checks that an entry of L1's passes. */
static int check_l2(struct vcpu *vcpu, struct wanted *w)
{
	struct check_ctx *c = &w->checks;
	const struct check *failed;

	prepare_checks(vcpu, w);
	failed = check_controls(c);
	if (!failed)
		failed = check_host(c);
	if (!failed) {
		read_for_guest_checks(vcpu, w);
		failed = check_guest(c);
	}
	if (!failed)
		return 0;
	report_check(vcpu, failed, c);
	report_add(vcpu, (struct report){ .outcome = ABYME_STATE_REFUSED,
					  .instruction = EXIT_VMRESUME,
					  .rip = w->v->host_rip,
					  .vmcs12 = c->current_vmcs,
					  .check = failed,
					  .value = vcpu->nested->failed_value });
	return -EINVAL;
}

static int state_judge(struct vcpu *vcpu, struct wanted *w, struct kvm_nested_state __user *user)
{
	int r = take_vmcs12(vcpu, w, user);

	if (r || !(w->head.flags & KVM_STATE_NESTED_GUEST_MODE))
		return r;
	note_entered(w);
	r = take_shadow12(vcpu, w, user);
	return r ?: check_l2(vcpu, w);
}

/*
 * Links the shadow vmcs12 that came with the state. held_place() cannot fail: only the current
 * VMCS has taken a place before.
 */
static void link_shadow12(struct vcpu *vcpu, const struct vmcs12 *shadow12)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h = held_place(vcpu, n->v->link_pointer, false);

	vmcs12_fill(h, n->v->link_pointer, shadow12);
	h->unsaved = true;
	n->linked = h;
}

static void resume_l2(struct vcpu *vcpu, const struct wanted *w)
{
	struct nested *n = vcpu->nested;

	if (w->shadow12)
		link_shadow12(vcpu, w->shadow12);
	nested_resume_l2(vcpu, &w->checks, w->head.flags & KVM_STATE_NESTED_RUN_PENDING);
	n->mtf_pending |= !!(w->head.flags & KVM_STATE_NESTED_MTF_PENDING);
	if (w->head.hdr.vmx.flags & KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE)
		timer_set_deadline(vcpu,
				   w->head.hdr.vmx.preemption_timer_deadline << DEADLINE_SHIFT);
}

/* Gives the vCPU the state, which has been checked. Nothing in here fails. */
static void state_adopt(struct vcpu *vcpu, const struct wanted *w)
{
	struct nested *n = vcpu->nested;
	bool stays = vcpu->in_l2 && (w->head.flags & KVM_STATE_NESTED_GUEST_MODE);
	u64 efer = vcpu->efer, pat = vcpu->msrs.pat;
	struct vcpu_inject inject = vcpu->inject;
	struct vcpu_debug debug = vcpu->debug;

	/* What is in delivery comes with the state that is set, or was of the one before. */
	if (w->head.flags & KVM_STATE_NESTED_RUN_PENDING || (stays && nested_state_event(vcpu)))
		inject_delivered(&inject);
	nested_leave(vcpu);
	nested_begin(vcpu, w->head.hdr.vmx.vmxon_pa);
	if (!w->v)
		return;
	/*
	 * One L2 takes another's place: userspace may have set these registers and events, which no
	 * vmcs12 has, for the new one already. nested_leave() has loaded L1's.
	 */
	if (stays) {
		vcpu->inject = inject;
		vcpu->efer = efer;
		vcpu->msrs.pat = pat;
		vcpu->debug.dr7 = debug.dr7;
		vcpu->debug.ctl = debug.ctl;
	}
	vmcs12_fill(n->cur, w->head.hdr.vmx.vmcs12_pa, w->v);
	vmcs12_begin(vcpu, n->cur);
	if (w->head.flags & KVM_STATE_NESTED_GUEST_MODE)
		resume_l2(vcpu, w);
}

int nested_state_set(struct vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct wanted w = {};
	int r;

	if (copy_from_user(&w.head, user, HEADER))
		return -EFAULT;
	if (w.head.size < HEADER)
		return -EINVAL;
	r = check_header(vcpu, &w.head);
	if (r)
		return r;
	if (w.head.hdr.vmx.vmxon_pa == NO_GPA) {
		nested_leave(vcpu);
		return 0;
	}
	r = nested_prepare(vcpu);
	if (r)
		return r;
	r = state_judge(vcpu, &w, user);
	if (!r)
		state_adopt(vcpu, &w);
	kfree(w.shadow12);
	return r;
}
