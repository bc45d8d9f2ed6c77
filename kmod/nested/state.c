// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE. */
#include <linux/uaccess.h>

#include "guest/regs.h"
#include "nested/internal.h"

#define HEADER sizeof(struct kvm_nested_state)
/* KVM tells the deadline of the preemption timer in 2^5 ticks of L1's TSC. */
#define DEADLINE_SHIFT 5
#define VMCS12_BYTES KVM_STATE_NESTED_VMX_VMCS_SIZE

static u32 state_size(const struct nested *n)
{
	return n && n->vmxon && n->vmcs12_ptr != NO_GPA ? HEADER + VMCS12_BYTES : HEADER;
}

/* With L2 the shadow vmcs12, if it has one, is part of the state. */
static u32 full_size(struct vcpu *vcpu)
{
	u32 size = state_size(vcpu->nested);

	return vcpu->in_l2 && vcpu->nested->shadow12_ptr != NO_GPA ? size + VMCS12_BYTES : size;
}

static void fill_header(struct vcpu *vcpu, struct kvm_nested_state *s)
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
	if (n->entering)
		s->flags |= KVM_STATE_NESTED_RUN_PENDING;
	if (n->mtf_pending)
		s->flags |= KVM_STATE_NESTED_MTF_PENDING;
	if (n->timer_on) {
		s->hdr.vmx.flags |= KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
		s->hdr.vmx.preemption_timer_deadline = timer_get_deadline(vcpu) >> DEADLINE_SHIFT;
	}
}

int nested_state_get(struct vcpu *vcpu, struct kvm_nested_state __user *user, u32 user_size)
{
	struct kvm_nested_state s = {};

	fill_header(vcpu, &s);
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
	if (copy_to_user(user->data.vmx[0].vmcs12, vcpu->nested->v, VMCS12_BYTES))
		return -EFAULT;
	shadow12_sync(vcpu);
	if (s.size > HEADER + VMCS12_BYTES &&
	    copy_to_user(user->data.vmx[0].shadow_vmcs12, vcpu->nested->shadow12, VMCS12_BYTES))
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

/* What holds for all states of a vCPU that is not in VMX operation. */
static int check_vmxoff(const struct kvm_nested_state *s)
{
	if (s->hdr.vmx.vmcs12_pa != NO_GPA || (s->flags & ~(u32)KVM_STATE_NESTED_EVMCS) ||
	    s->hdr.vmx.smm.flags)
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
	if (s->hdr.vmx.vmxon_pa == NO_GPA)
		return check_vmxoff(s);
	if (!vcpu->cpuid.vmx || !vcpu->nested || !page_ok(vcpu, s->hdr.vmx.vmxon_pa))
		return -EINVAL;
	if (s->hdr.vmx.smm.flags || (s->hdr.vmx.flags & ~KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE))
		return -EINVAL; /* no SMM */
	return 0;
}

static int set_vmcs12(struct vcpu *vcpu, const struct kvm_nested_state *s,
		      struct kvm_nested_state __user *user)
{
	struct nested *n = vcpu->nested;
	u64 pa = s->hdr.vmx.vmcs12_pa;

	if (s->size < HEADER + VMCS12_BYTES)
		return (s->flags & KVM_STATE_NESTED_GUEST_MODE) || pa != NO_GPA ? -EINVAL : 0;
	if (pa == NO_GPA)
		return s->flags & KVM_STATE_NESTED_GUEST_MODE ? -EINVAL : 0;
	if (pa == n->vmxon_ptr || !page_ok(vcpu, pa))
		return -EINVAL;
	if (copy_from_user(n->v, user->data.vmx[0].vmcs12, VMCS12_BYTES))
		return -EFAULT;
	if ((n->v->revision & ~(u32)VMCS12_SHADOW) != VMCS12_REVISION)
		return -EINVAL;
	vmcs12_begin(vcpu, pa);
	return 0;
}

/* The shadow vmcs12 comes with the state; L1's memory may not have it yet. */
static int set_shadow12(struct vcpu *vcpu, const struct kvm_nested_state *s,
			struct kvm_nested_state __user *user)
{
	struct nested *n = vcpu->nested;
	u64 ptr = shadow12_wanted(n);

	if (ptr == NO_GPA)
		return 0;
	if (s->size < HEADER + 2 * VMCS12_BYTES || !page_ok(vcpu, ptr))
		return -EINVAL;
	if (copy_from_user(n->shadow12, user->data.vmx[0].shadow_vmcs12, VMCS12_BYTES))
		return -EFAULT;
	if (n->shadow12->revision != (VMCS12_REVISION | VMCS12_SHADOW))
		return -EINVAL;
	n->shadow12_ptr = ptr;
	n->shadow12_dirty = true;
	return 0;
}

/* L2 goes on where it was: nothing is loaded but what its registers need. */
static int resume_l2(struct vcpu *vcpu, const struct kvm_nested_state *s)
{
	struct nested *n = vcpu->nested;
	const struct check *failed;
	struct check_ctx c;
	u64 qual;

	nested_check_ctx(vcpu, &c);
	c.l1_long_mode = n->v->exit_ctls & EXITC_HOST_64;
	failed = check_controls(&c);
	if (!failed)
		failed = check_host(&c);
	if (!failed) {
		nested_read_link(vcpu, &c);
		nested_read_pdptes(vcpu, &c);
		failed = check_guest(&c, &qual);
	}
	if (failed) {
		report_check(vcpu, failed, &c);
		report_add(vcpu, (struct report){ .outcome = ABYME_STATE_REFUSED,
						  .instruction = EXIT_VMRESUME,
						  .rip = vcpu_rip(vcpu),
						  .check = failed,
						  .value = n->failed_value });
		return -EINVAL;
	}
	return nested_resume_l2(vcpu, &c, s->flags & KVM_STATE_NESTED_RUN_PENDING);
}

/* KVM writes these to its vmcs12 at the exit only: the entry was made, the event delivered. */
static void note_entered(struct nested *n, bool run_pending)
{
	n->v->launch_state = VMCS12_LAUNCHED;
	if (!run_pending)
		n->v->entry_intr_info &= ~(u32)INTR_VALID;
}

static void set_timer(struct vcpu *vcpu, const struct kvm_nested_state *s)
{
	if (s->hdr.vmx.flags & KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE)
		timer_set_deadline(vcpu, s->hdr.vmx.preemption_timer_deadline << DEADLINE_SHIFT);
}

int nested_state_set(struct vcpu *vcpu, struct kvm_nested_state __user *user)
{
	struct kvm_nested_state s;
	struct nested *n = vcpu->nested;
	int r;

	if (copy_from_user(&s, user, HEADER))
		return -EFAULT;
	if (s.size < HEADER)
		return -EINVAL;
	r = check_header(vcpu, &s);
	if (r)
		return r;
	nested_leave(vcpu);
	if (s.hdr.vmx.vmxon_pa == NO_GPA)
		return 0;
	r = nested_prepare(vcpu);
	if (r)
		return r;
	nested_begin(vcpu, s.hdr.vmx.vmxon_pa);
	r = set_vmcs12(vcpu, &s, user);
	if (!r && (s.flags & KVM_STATE_NESTED_GUEST_MODE)) {
		note_entered(n, s.flags & KVM_STATE_NESTED_RUN_PENDING);
		r = set_shadow12(vcpu, &s, user);
		if (!r)
			r = resume_l2(vcpu, &s);
		n->mtf_pending = !r && (s.flags & KVM_STATE_NESTED_MTF_PENDING);
		set_timer(vcpu, &s);
	}
	if (r)
		nested_leave(vcpu);
	return r;
}
