// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives L1 what it must get before L2 goes on: events that L0 raised or that arrived
 * for L1, each as the exit that L1 asked for.
 * Tour, stop 14. The run loop comes here before each entry to L2 if REQ_EVENT
 * was made, and while L2 is halted.
 *
 * What a reader must know: due.h says which of several comes first; here the facts are
 * collected, and what comes is done. Where the processor makes an exit right after the
 * entry, or an event must enter L2 first, *@immediate asks for an entry that is
 * left again at once, and L1 gets its exit after that one.
 *
 * Context: the vCPU's thread, vCPU loaded, vmcs02 current; may sleep unless it
 * says otherwise.
 */
#include "cpu/inject.h"
#include "cpu/regs.h"
#include "nested/due.h"
#include "nested/internal.h"
#include "nested/vapic.h"
#include "pc/irqchip.h"

/* Gives L1 an exception that L0 raised while it emulated for L2. */
static int reflect_exception(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;
	struct l2_exit x = {
		.reason = EXIT_EXCEPTION_NMI,
		.intr_info = in->exception.vector | in->exception.type | INTR_VALID,
	};

	if (intr_type_software(x.intr_info))
		x.insn_len = in->insn_len;
	if (in->exception.has_error) {
		x.intr_info |= INTR_HAS_ERROR;
		x.intr_error = (u16)in->exception.error;
	}
	/* An exception that exits changes neither CR2 nor DR6: the qualification has the value. */
	if (in->exception.has_payload)
		x.qual = in->exception.payload;
	in->exception.pending = false;
	return l2_leave(vcpu, &x);
}

static int reflect_nmi(struct vcpu *vcpu)
{
	vcpu->inject.nmi.pending--;
	return nested_reflect_as(vcpu, EXIT_EXCEPTION_NMI, VEC_NMI | INTR_TYPE_NMI | INTR_VALID, 0);
}

/*
 * Gives L1 an external interrupt. With acknowledge-on-exit the exit has the vector; without, the
 * interrupt stays pending in L1's LAPIC until L1 enables interrupts.
 */
static int reflect_irq(struct vcpu *vcpu)
{
	int vector;

	if (!(vcpu->nested->v->exit_ctls & EXITC_ACK_INT))
		return nested_reflect_as(vcpu, EXIT_EXT_INT, 0, 0);
	vector = irq_ack(vcpu);
	if (vector < 0)
		return 1;
	return nested_reflect_as(vcpu, EXIT_EXT_INT, vector | INTR_TYPE_EXT | INTR_VALID, 0);
}

/* --- what waits, and what holds it back --------------------------------- */

bool nested_takes_irqs(struct vcpu *vcpu)
{
	return vcpu->in_l2 && (vcpu->nested->v->pin_ctls & PIN_EXT_INT_EXITING);
}

/*
 * If NMIs exit to L1 and are not virtual, L2's IRET does not unblock them, although it ends the
 * blocking in vmcs02, where NMIs always are virtual. Are they blocked so?
 */
static bool nmi_held_back(const struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;

	return vmcs12_nmi_blocking_stays(v) && vmcs12_nmis_blocked(v);
}

static bool debug_trap_pending(void)
{
	return vmread(VMCS_GUEST_PENDING_DBG) & (DBG_BS | DBG_ENABLED_BPT);
}

/*
 * Will the processor exit right after the entry, because L2's TPR is below the
 * threshold? May sleep.
 */
static bool tpr_exit_due(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	u32 proc2 = vmcs12_proc2(v);
	u8 vtpr;

	if (!vcpu->nested->entering || !(v->proc_ctls & PROC_TPR_SHADOW) ||
	    !(proc2 & PROC2_APIC_ACCESS) || (proc2 & PROC2_VIRT_INTR))
		return false;
	return !mem_read(vcpu->vm, v->virt_apic_addr + VAPIC_TPR, &vtpr, 1) &&
	       (v->tpr_threshold & 0xf) > vtpr >> 4;
}

static u32 windows_wanted(const struct nested *n)
{
	u32 proc = n->v->proc_ctls;

	return (proc & PROC_NMI_WINDOW ? BIT(DUE_NMI_WINDOW) : 0) |
	       (proc & PROC_INT_WINDOW ? BIT(DUE_INT_WINDOW) : 0);
}

/* Who gets an NMI that waits, as BIT(DUE_NMI_...). 0: it goes on waiting. */
static u32 nmi_due(const struct vcpu *vcpu)
{
	if (nmi_held_back(vcpu))
		return 0;
	return vcpu->nested->v->pin_ctls & PIN_NMI_EXITING ? BIT(DUE_NMI_L1) : BIT(DUE_NMI_L2);
}

/*
 * Everything that waits, but for what the processor finds by itself at the entry. L1's
 * notification of posted interrupts does not count as an interrupt of L1's, as L0 takes it.
 * Does not sleep.
 */
static u32 what_waits(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;
	const struct vcpu_inject *in = &vcpu->inject;
	u32 pin = n->v->pin_ctls, waits = 0;

	if (unlikely(lapic_has_sipi(vcpu)))
		waits |= BIT(DUE_SIPI);
	if (unlikely(lapic_has_init(vcpu)))
		waits |= BIT(DUE_INIT);
	if (in->exception.pending)
		waits |= BIT(DUE_EXCEPTION);
	if (n->mtf_pending)
		waits |= BIT(DUE_MTF);
	if (timer_expired(n))
		waits |= BIT(DUE_TIMER);
	if (in->nmi.pending)
		waits |= nmi_due(vcpu);
	if (irq_pending(vcpu) >= 0 && !posted_notified(vcpu))
		waits |= pin & PIN_EXT_INT_EXITING ? BIT(DUE_IRQ_L1) : BIT(DUE_IRQ_L2);
	return waits;
}

static u32 what_is_blocked(struct vcpu *vcpu)
{
	u32 blocked = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	if (!(vcpu_rflags(vcpu) & X86_EFLAGS_IF) || debug_blocks_irq(vcpu))
		blocked |= DUE_IF_CLEAR;
	return blocked;
}

/*
 * Collects the facts. What the processor would find by itself at the entry is looked up only if
 * something waits over which it has priority.
 */
static void gather_facts(struct vcpu *vcpu, struct l2_facts *f)
{
	const struct vcpu_inject *in = &vcpu->inject;

	*f = (struct l2_facts){ .activity = vcpu->nested->activity, .waits = what_waits(vcpu) };
	if (in->exception.injected || in->irq.injected || in->nmi.injected)
		f->waits |= BIT(DUE_DELIVERY);
	else if (f->waits) {
		f->blocked = what_is_blocked(vcpu);
		if (tpr_exit_due(vcpu))
			f->waits |= BIT(DUE_TPR);
		if (debug_trap_pending())
			f->waits |= BIT(DUE_DEBUG_TRAP);
		if (f->waits & DUE_BY_WINDOW)
			f->waits |= windows_wanted(vcpu->nested);
	}
}

/* --- a halted L2 -------------------------------------------------------- */

/* Notes, once, that L2 has executed HLT itself. */
static void note_halt(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->activity != ACTIVITY_ACTIVE)
		return;
	n->activity = ACTIVITY_HLT;
	timer_for_halt(vcpu);
}

/*
 * Looks up what wakes L2, for which it may have to sleep. nested_wakes(), which must not sleep,
 * uses what was found.
 */
void nested_halted(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	note_halt(vcpu);
	posted_process(vcpu);
	n->virt_irq = virt_intr_pending(vcpu);
	n->tpr_exit = n->activity == ACTIVITY_HLT && tpr_exit_due(vcpu);
}

bool nested_halt_changed(struct vcpu *vcpu)
{
	return posted_notified(vcpu);
}

/* Context: the thread may be about to sleep, so nothing here sleeps. */
bool nested_wakes(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;
	struct l2_facts f = { .activity = n->activity,
			      .waits = what_waits(vcpu) | windows_wanted(n) };

	if (n->activity != ACTIVITY_SIPI && vcpu_test_request(vcpu, REQ_TRIPLE_FAULT))
		return true;
	if (vcpu_test_request(vcpu, REQ_NMI))
		f.waits |= nmi_due(vcpu);
	if (n->tpr_exit)
		f.waits |= BIT(DUE_TPR);
	if (n->virt_irq)
		f.waits |= BIT(DUE_IRQ_L2);
	if (debug_trap_pending())
		f.waits |= BIT(DUE_DEBUG_TRAP);
	f.blocked = what_is_blocked(vcpu);
	return due_first(&f) != DUE_NOTHING;
}

/*
 * L2 is entered, which makes it active. Not so where the processor exits for L1 right at the
 * entry, since that exit must find L2 in its activity state.
 */
void nested_end_halt(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (likely(n->activity == ACTIVITY_ACTIVE) || n->tpr_exit)
		return;
	if (!(n->v->exception_bitmap & BIT(VEC_DB)) || !debug_trap_pending())
		n->activity = ACTIVITY_ACTIVE;
}

/* --- what is done ------------------------------------------------------- */

/* Does what must be done in any case, before the look at what waits. */
static void settle(struct vcpu *vcpu)
{
	posted_process(vcpu);
	if (vcpu->inject.nmi.pending && unlikely(nmi_held_back(vcpu)))
		inject_set_nmi_masked(vcpu, true);
	/* A SIPI is lost unless L2 waits for one. SDM: "Other Causes of VM Exits". */
	if (unlikely(lapic_has_sipi(vcpu)) && vcpu->nested->activity != ACTIVITY_SIPI)
		lapic_take_sipi(vcpu);
}

/* Injects an NMI of L2's ahead of an interrupt that exits, since NMIs have priority. */
static void deliver_first(struct vcpu *vcpu)
{
	vcpu->inject.nmi.pending--;
	vcpu->inject.nmi.injected = true;
	vcpu->stats.nmi_injections++;
}

int nested_events(struct vcpu *vcpu, bool *immediate)
{
	struct vcpu_inject *in = &vcpu->inject;
	struct l2_facts f;

	settle(vcpu);
	gather_facts(vcpu, &f);
	switch (due_first(&f)) {
	case DUE_SIPI: return nested_reflect_as(vcpu, EXIT_SIPI, 0, lapic_take_sipi(vcpu));
	case DUE_INIT: lapic_take_init(vcpu); return nested_reflect_as(vcpu, EXIT_INIT, 0, 0);
	case DUE_EXCEPTION:
		if (route_exception(vcpu->nested->v, in->exception.vector, in->exception.error))
			return reflect_exception(vcpu);
		break;
	case DUE_MTF: return nested_reflect_as(vcpu, EXIT_MTF, 0, 0);
	case DUE_TIMER: return nested_reflect_as(vcpu, EXIT_PREEMPT_TIMER, 0, 0);
	case DUE_NMI_WINDOW: return nested_reflect_as(vcpu, EXIT_NMI_WINDOW, 0, 0);
	case DUE_NMI_L1: return reflect_nmi(vcpu);
	case DUE_INT_WINDOW: return nested_reflect_as(vcpu, EXIT_INT_WINDOW, 0, 0);
	case DUE_IRQ_L1: return reflect_irq(vcpu);
	case DUE_NMI_L2:
		/* With an entry that is left at once the run loop injects nothing new. */
		if (f.waits & DUE_TO_L1)
			deliver_first(vcpu);
		break;
	case DUE_TPR:
	case DUE_DEBUG_TRAP: *immediate = true; return 1;
	default: break;
	}
	/* L2 goes on. What waits for L1 is due once an event is delivered or a shadow has ended. */
	nested_end_halt(vcpu);
	*immediate = f.waits & DUE_TO_L1;
	return 1;
}
