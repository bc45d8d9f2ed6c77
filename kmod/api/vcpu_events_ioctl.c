// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS, KVM_GET_MP_STATE and
 * KVM_SET_MP_STATE.
 *
 * What a reader must know: everything that waits must be in what userspace can
 * save. An event of L1's entry that is still to be injected is the nested
 * state's, and so is left out here (nested_event_waits()).
 *
 * Context: vCPU locked and loaded.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>
#include <vmx/info.h>

#include "api/ioctl.h"
#include "api/vcpu_state.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "nested/nested.h"
#include "pc/irqchip.h"

static void get_exception(struct vcpu *vcpu, struct kvm_vcpu_events *e)
{
	struct vcpu_inject *in = &vcpu->inject;
	u8 vector = in->exception.vector;

	/* Without KVM_CAP_EXCEPTION_PAYLOAD userspace cannot save the payload: it takes effect now. */
	if (in->exception.pending && in->exception.has_payload && !vcpu->vm->exception_payload) {
		if (vector == VEC_PF)
			vcpu->cr2 = in->exception.payload;
		else
			debug_deliver_payload(vcpu, in->exception.payload);
		in->exception.has_payload = false;
	}
	/*
	 * INT1, INT3 and INTO need a length, which cannot be saved here. Of L2 the nested state has
	 * them; L1 executes them again instead.
	 */
	if (!intr_type_software(in->exception.type)) {
		e->exception.injected = in->exception.injected;
		e->exception.pending = in->exception.pending;
		if (!vcpu->vm->exception_payload)
			e->exception.injected |= in->exception.pending;
	}
	e->exception.nr = vector;
	e->exception.has_error_code = in->exception.has_error;
	e->exception.error_code = in->exception.error;
	e->exception_has_payload = in->exception.has_payload;
	e->exception_payload = in->exception.payload;
}

/* The shadow of STI or MOV SS, in KVM's bits, from the current VMCS. */
static u8 get_shadow(void)
{
	u32 block = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	return (block & IRQBLK_STI ? KVM_X86_SHADOW_INT_STI : 0) |
	       (block & IRQBLK_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

void events_settle(struct vcpu *vcpu)
{
	if (vcpu->lapic && lapic_has_events(vcpu) && !nested_in_vmx(vcpu))
		lapic_accept_events(vcpu);
}

/*
 * A trap that is due after an instruction which exited waits in L1's VMCS, and the processor
 * raises it at the next entry. That has no place in what is saved, so it becomes an
 * exception now. L2's is in the nested state; a debugger's is told to the debugger.
 */
static void take_due_trap(struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;
	u64 due = vmread(VMCS_GUEST_PENDING_DBG);

	if (likely(!(due & (DBG_BS | DBG_ENABLED_BPT))) || vcpu->in_l2)
		return;
	if (in->exception.pending || in->exception.injected || vcpu->debug.control)
		return;
	/* In the shadow of MOV SS the trap waits for the next instruction. */
	if (vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_MOV_SS)
		return;
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	inject_db(vcpu, due & (DBG_BPT_MASK | DBG_BS));
}

void events_get(struct vcpu *vcpu, struct kvm_vcpu_events *e)
{
	struct vcpu_inject *in = &vcpu->inject;
	bool waits = nested_event_waits(vcpu);
	int irq;

	memset(e, 0, sizeof(*e));
	events_settle(vcpu);
	inject_take_nmi(vcpu);
	take_due_trap(vcpu);
	get_exception(vcpu, e);
	irq = inject_irq_vector(vcpu, nested_state_has_irq(vcpu));
	e->interrupt.injected = irq >= 0;
	e->interrupt.nr = max(irq, 0);
	e->interrupt.shadow = get_shadow();
	e->nmi.injected = in->nmi.injected;
	e->nmi.pending = in->nmi.pending;
	e->nmi.masked = inject_nmi_masked(vcpu);
	e->smi.latched_init = lapic_has_init(vcpu);
	/* The nested state has it, too: if userspace set both, the event would come twice. */
	if (waits)
		e->exception.injected = e->nmi.injected = 0;
	e->sipi_vector = lapic_has_sipi(vcpu) ? lapic_sipi_vector(vcpu) : 0;
	e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		   KVM_VCPUEVENT_VALID_SMM;
	if (lapic_has_sipi(vcpu))
		e->flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	if (vcpu->vm->exception_payload)
		e->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		e->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
		e->triple_fault.pending = vcpu_test_request(vcpu, REQ_TRIPLE_FAULT);
	}
}

#define EVENT_FLAGS                                                                           \
	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |                  \
	 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM | KVM_VCPUEVENT_VALID_PAYLOAD | \
	 KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

/* A flag of a capability that was not enabled is refused, as the client expects an effect of it. */
bool events_ok(const struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	if (e->flags & ~EVENT_FLAGS)
		return false;
	if ((e->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !vcpu->vm->exception_payload)
		return false;
	if ((e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && !vcpu->vm->triple_fault_event)
		return false;
	/* There is no system-management mode. */
	if ((e->flags & KVM_VCPUEVENT_VALID_SMM) && (e->smi.smm || e->smi.pending))
		return false;
	/* An NMI has its own place, and what is above 31 is no exception: the entry would fail. */
	if ((e->exception.injected || e->exception.pending) &&
	    (e->exception.nr > 31 || e->exception.nr == VEC_NMI))
		return false;
	return true;
}

/*
 * A pending exception has not written its payload to DR6 or CR2 yet, and L1 may still intercept it.
 * An injected one has, and nobody intercepts it. Without the capability every one is injected.
 */
static void set_exception(struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	struct vcpu_inject *in = &vcpu->inject;
	bool split = e->flags & KVM_VCPUEVENT_VALID_PAYLOAD;

	in->exception.pending = split && e->exception.pending;
	in->exception.injected = e->exception.injected && !in->exception.pending;
	in->exception.has_payload = in->exception.pending && e->exception_has_payload;
	in->exception.payload = e->exception_payload;
	in->exception.vector = e->exception.nr;
	in->exception.type = inject_exception_type(e->exception.nr);
	in->exception.has_error = inject_error_wanted(e->exception.nr, e->exception.has_error_code);
	in->exception.error = e->exception.error_code;
}

static void set_shadow(u8 shadow)
{
	u32 block = vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(IRQBLK_STI | IRQBLK_MOV_SS);

	/* Both at once is a state that VM entry refuses. */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		block |= IRQBLK_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		block |= IRQBLK_STI;
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, block);
}

static void set_triple_fault(struct vcpu *vcpu, bool pending)
{
	if (pending)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	else
		vcpu_take_request(vcpu, REQ_TRIPLE_FAULT);
}

/*
 * Sets what is in delivery. The event of an entry of L1's is the nested state's, and stays; an
 * exception may be pending behind it.
 */
static void set_injected(struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	inject_set_irq_vector(vcpu, e->interrupt.injected ? e->interrupt.nr : -1, e->interrupt.soft,
			      nested_state_has_irq(vcpu));
	if (nested_event_waits(vcpu) || intr_type_software(nested_state_event(vcpu))) {
		if (e->exception.pending && !vcpu->inject.exception.injected)
			set_exception(vcpu, e);
		return;
	}
	set_exception(vcpu, e);
	vcpu->inject.nmi.injected = e->nmi.injected;
}

/* Notes the vector for KVM_MP_STATE_SIPI_RECEIVED, which may have been set before. */
static void set_sipi_vector(struct vcpu *vcpu, u8 vector)
{
	vcpu->sipi_vector = vector;
	if (lapic_has_sipi(vcpu))
		lapic_latch_sipi(vcpu, vector);
}

/* NMIs that wait are set after what masks them, as that decides how many can wait. */
int events_set(struct vcpu *vcpu, const struct kvm_vcpu_events *e)
{
	if (!events_ok(vcpu, e))
		return -EINVAL;
	vcpu->l2_by_user |= vcpu->in_l2;
	inject_take_nmi(vcpu);
	set_injected(vcpu, e);
	if (e->flags & KVM_VCPUEVENT_VALID_SHADOW)
		set_shadow(e->interrupt.shadow);
	inject_set_nmi_masked(vcpu, e->nmi.masked);
	if (e->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		inject_set_nmis(vcpu, e->nmi.pending);
	if (e->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		set_sipi_vector(vcpu, e->sipi_vector);
	if (e->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT)
		set_triple_fault(vcpu, e->triple_fault.pending);
	if ((e->flags & KVM_VCPUEVENT_VALID_SMM) && vcpu->lapic)
		lapic_latch_init(vcpu, e->smi.latched_init);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

static long vcpu_get_events(struct vcpu *vcpu, void *data)
{
	events_get(vcpu, data);
	return 0;
}

static long vcpu_set_events(struct vcpu *vcpu, void *data)
{
	return events_set(vcpu, data);
}

/* KVM_GET_MP_STATE: while L2 runs its activity state, with INIT and SIPI that came acted upon. */
static long vcpu_get_mp_state(struct vcpu *vcpu, void *data)
{
	struct kvm_mp_state *state = data;

	events_settle(vcpu);
	state->mp_state = nested_get_mp_state(vcpu);
	return 0;
}

/*
 * KVM_SET_MP_STATE. -EINVAL: no such state; any but RUNNABLE without a LAPIC, as nothing would
 * end it; one that waits for SIPI in VMX root operation, which holds INIT back.
 */
static long vcpu_set_mp_state(struct vcpu *vcpu, void *data)
{
	const struct kvm_mp_state *state = data;
	u32 wanted;
	int r;

	wanted = state->mp_state;
	switch (wanted) {
	case KVM_MP_STATE_RUNNABLE: break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!vcpu->lapic)
			return -EINVAL;
		break;
	default: return -EINVAL;
	}
	/* SIPI_RECEIVED is the state after an INIT, with a SIPI that the next KVM_RUN takes. */
	if (wanted == KVM_MP_STATE_SIPI_RECEIVED)
		wanted = KVM_MP_STATE_INIT_RECEIVED;
	r = nested_set_mp_state(vcpu, wanted);
	if (r < 0)
		return r;
	if (!r)
		vcpu->mp_state = wanted;
	if (state->mp_state == KVM_MP_STATE_SIPI_RECEIVED)
		lapic_latch_sipi(vcpu, vcpu->sipi_vector);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

const struct ioctl_row events_vcpu_ioctls[] = {
	IOCTL(vcpu, KVM_GET_VCPU_EVENTS, vcpu_get_events),
	IOCTL(vcpu, KVM_SET_VCPU_EVENTS, vcpu_set_events),
	IOCTL(vcpu, KVM_GET_MP_STATE, vcpu_get_mp_state),
	IOCTL(vcpu, KVM_SET_MP_STATE, vcpu_set_mp_state),
	{},
};
