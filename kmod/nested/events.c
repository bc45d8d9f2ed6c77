// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 must get before L2 goes on: events that L0 raised or that arrived for
 * L1, each as the exit that L1 asked for.
 * Tour, stop 14. The run loop comes here before each entry to L2 if REQ_EVENT
 * was made, and while L2 is halted.
 *
 * What a reader must know is the order of priorities in nested_events(), which
 * is the SDM's. Two things go before all of it: an event that is half delivered
 * into L2, and what the processor itself makes exit right after the entry. For
 * these *@immediate asks for an entry that is left again at once; what L1 is
 * due comes then.
 *
 * Context: the vCPU's thread, vCPU loaded, vmcs02 current; may sleep unless it
 * says otherwise.
 * SDM: "Priority Among Concurrent Events", "Other Causes of VM Exits".
 */
#include "cpu/inject.h"
#include "nested/internal.h"
#include "nested/vapic.h"
#include "pc/irqchip.h"

/* Is an event half delivered into L2, or about to be injected? It goes first. */
static bool delivery_under_way(const struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;

	return in->exception.injected || in->irq.injected || in->nmi.injected;
}

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
	/* CR2 and DR6 are not changed: their values go into the qualification. */
	if (in->exception.has_payload)
		x.qual = in->exception.payload;
	in->exception.pending = false;
	return l2_leave(vcpu, &x);
}

static bool exception_for_l1(const struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;

	return in->exception.pending &&
	       route_exception(vcpu->nested->v, in->exception.vector, in->exception.error);
}

/* Has L1 blocked NMIs for L2, whatever L2's IRET has done to vmcs02, where they are virtual? */
static bool nmi_held_back(const struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;

	return vmcs12_nmi_blocking_stays(v) && vmcs12_nmis_blocked(v);
}

static bool nmi_for_l1(const struct vcpu *vcpu)
{
	return vcpu->inject.nmi.pending && (vcpu->nested->v->pin_ctls & PIN_NMI_EXITING) &&
	       !nmi_held_back(vcpu);
}

bool nested_takes_irqs(struct vcpu *vcpu)
{
	return vcpu->in_l2 && (vcpu->nested->v->pin_ctls & PIN_EXT_INT_EXITING);
}

/*
 * An L2 that is shut down or waits for a SIPI takes no interrupts, nor makes
 * exits by them. L1's notification of posted interrupts is none for L1: L0
 * takes it.
 */
static bool irq_for_l1(struct vcpu *vcpu)
{
	return (vcpu->nested->v->pin_ctls & PIN_EXT_INT_EXITING) &&
	       vcpu->nested->activity <= ACTIVITY_HLT && irq_pending(vcpu) >= 0 &&
	       !posted_notified(vcpu);
}

static int reflect_nmi(struct vcpu *vcpu)
{
	vcpu->inject.nmi.pending--;
	return nested_reflect_as(vcpu, EXIT_EXCEPTION_NMI, VEC_NMI | INTR_TYPE_NMI | INTR_VALID, 0);
}

/*
 * Without acknowledge-on-exit the interrupt stays pending in L1's LAPIC, and L1
 * takes it by itself.
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

/*
 * L1's windows go before what comes through them. Here an event is taken before
 * the entry, so that the processor would not see that a window is open.
 */
static int reflect_interrupt(struct vcpu *vcpu)
{
	u32 proc = vcpu->nested->v->proc_ctls;

	if ((proc & PROC_NMI_WINDOW) && inject_nmi_allowed(vcpu))
		return nested_reflect_as(vcpu, EXIT_NMI_WINDOW, 0, 0);
	if (nmi_for_l1(vcpu))
		return reflect_nmi(vcpu);
	if ((proc & PROC_INT_WINDOW) && inject_irq_allowed(vcpu))
		return nested_reflect_as(vcpu, EXIT_INT_WINDOW, 0, 0);
	return reflect_irq(vcpu);
}

/* Does something wait for L1 that does not come from L2 itself? */
static bool for_l1(struct vcpu *vcpu)
{
	return vcpu->nested->mtf_pending || timer_expired(vcpu->nested) || nmi_for_l1(vcpu) ||
	       irq_for_l1(vcpu);
}

/* Does something wait for L1, or for L2? */
static bool something_comes(struct vcpu *vcpu)
{
	return for_l1(vcpu) || vcpu->inject.nmi.pending || irq_pending(vcpu) >= 0;
}

/* Is a debug trap of L2's last instruction pending? It goes before all that comes but MTF. */
static bool debug_trap_pending(void)
{
	return (vmread(VMCS_GUEST_PENDING_DBG) & (DBG_BS | DBG_ENABLED_BPT)) &&
	       !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_MOV_SS);
}

/* Is L2 in the shadow of STI or MOV SS? NMIs and interrupts wait for one more instruction. */
static bool in_shadow(void)
{
	return vmread(VMCS_GUEST_INTERRUPTIBILITY) & (IRQBLK_STI | IRQBLK_MOV_SS);
}

#define NEITHER 2

/* Gives L1 an INIT or a SIPI as an exit. Return: NEITHER, or as nested_reflect_as(). */
static int reflect_init_sipi(struct vcpu *vcpu)
{
	bool waits = vcpu->nested->activity == ACTIVITY_SIPI;
	int vector = lapic_take_sipi(vcpu);

	/* A SIPI that nobody waits for is lost; an INIT in wait-for-SIPI is held back. */
	if (waits && vector >= 0)
		return nested_reflect_as(vcpu, EXIT_SIPI, 0, vector);
	if (!waits && lapic_take_init(vcpu))
		return nested_reflect_as(vcpu, EXIT_INIT, 0, 0);
	return NEITHER;
}

bool nested_debug_trap_for_l1(const struct vcpu *vcpu)
{
	return (vcpu->nested->v->exception_bitmap & BIT(VEC_DB)) && debug_trap_pending();
}

/*
 * Will the processor exit right after the entry, whatever else is pending,
 * because L2's TPR is below the threshold? It does so from HLT as well. May
 * sleep. SDM: "VM Exits Induced by the TPR Threshold".
 */
static bool tpr_exit_due(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;
	u32 proc2 = vmcs12_proc2(v);
	u8 vtpr;

	if (!n->entering || !(v->proc_ctls & PROC_TPR_SHADOW) || !(proc2 & PROC2_APIC_ACCESS) ||
	    (proc2 & PROC2_VIRT_INTR) || n->activity > ACTIVITY_HLT)
		return false;
	return !mem_read(vcpu->vm, v->virt_apic_addr + VAPIC_TPR, &vtpr, 1) &&
	       (v->tpr_threshold & 0xf) > vtpr >> 4;
}

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
 * What wakes L2 is looked up once here, as it may sleep; nested_wakes(), which
 * must not, uses what was found.
 */
void nested_halted(struct vcpu *vcpu)
{
	note_halt(vcpu);
	posted_process(vcpu);
	vcpu->nested->virt_irq = virt_intr_pending(vcpu);
	vcpu->nested->tpr_exit = tpr_exit_due(vcpu);
}

bool nested_halt_changed(struct vcpu *vcpu)
{
	return posted_notified(vcpu);
}

/* Is there an interrupt that L2 itself takes? */
static bool irq_for_l2(struct vcpu *vcpu)
{
	bool pending = nested_takes_irqs(vcpu) ? vcpu->nested->virt_irq : irq_pending(vcpu) >= 0;

	return pending && inject_irq_allowed(vcpu);
}

/*
 * Is a window open that L1 asked for? It ends HLT, and an NMI window shutdown
 * as well. The processor makes the exit at the entry. SDM: "Special Features of
 * VM Entry".
 */
static bool window_opens(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	return (n->activity == ACTIVITY_HLT && (n->v->proc_ctls & PROC_INT_WINDOW) &&
		inject_irq_allowed(vcpu)) ||
	       ((n->v->proc_ctls & PROC_NMI_WINDOW) && inject_nmi_allowed(vcpu));
}

/* Does L1's interrupt window go before what comes? Before L2's interrupt, not before an NMI. */
static bool window_before_irq(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	return (n->v->proc_ctls & PROC_INT_WINDOW) && n->activity <= ACTIVITY_HLT &&
	       !nested_takes_irqs(vcpu) && irq_pending(vcpu) >= 0 && inject_irq_allowed(vcpu) &&
	       !vcpu->inject.exception.pending &&
	       !(vcpu->inject.nmi.pending && inject_nmi_allowed(vcpu) && !nmi_held_back(vcpu));
}

/* Context: the thread may be about to sleep, so nothing here sleeps. */
bool nested_wakes(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->activity == ACTIVITY_SIPI)
		return lapic_has_sipi(vcpu);
	if (lapic_has_init(vcpu))
		return true;
	if (vcpu_test_request(vcpu, REQ_TRIPLE_FAULT) || vcpu_test_request(vcpu, REQ_NMI) ||
	    n->mtf_pending || timer_expired(n) || nmi_for_l1(vcpu) || irq_for_l1(vcpu))
		return true;
	if (vcpu->inject.nmi.pending && inject_nmi_allowed(vcpu) && !nmi_held_back(vcpu))
		return true;
	if (window_opens(vcpu) || n->tpr_exit)
		return true;
	return n->activity == ACTIVITY_HLT &&
	       (vcpu->inject.exception.pending || irq_for_l2(vcpu) || debug_trap_pending());
}

/* The order is that of priorities. */
int nested_events(struct vcpu *vcpu, bool *immediate)
{
	struct nested *n = vcpu->nested;

	posted_process(vcpu);
	if (vcpu->inject.nmi.pending && unlikely(nmi_held_back(vcpu)))
		inject_set_nmi_masked(vcpu, true);
	if (delivery_under_way(vcpu)) {
		*immediate = for_l1(vcpu);
		return 1;
	}
	if (something_comes(vcpu) && tpr_exit_due(vcpu)) {
		*immediate = true;
		return 1;
	}
	if (vcpu->lapic && unlikely(lapic_has_events(vcpu))) {
		int r = reflect_init_sipi(vcpu);

		if (r != NEITHER)
			return r;
	}
	if (!n->mtf_pending && !vcpu->inject.exception.pending && something_comes(vcpu) &&
	    debug_trap_pending()) {
		*immediate = true;
		return 1;
	}
	/* What L2 takes itself is delivered first, as a trap, or #VE, would not come again. */
	if (vcpu->inject.exception.pending && !exception_for_l1(vcpu)) {
		n->activity = ACTIVITY_ACTIVE;
		*immediate = for_l1(vcpu);
		return 1;
	}
	if (vcpu->inject.exception.pending)
		return reflect_exception(vcpu);
	if (n->mtf_pending)
		return nested_reflect_as(vcpu, EXIT_MTF, 0, 0);
	if (timer_expired(n))
		return nested_reflect_as(vcpu, EXIT_PREEMPT_TIMER, 0, 0);
	if (nmi_for_l1(vcpu) || irq_for_l1(vcpu)) {
		if (!in_shadow())
			return reflect_interrupt(vcpu);
		*immediate = true;
	}
	if (window_before_irq(vcpu))
		return nested_reflect_as(vcpu, EXIT_INT_WINDOW, 0, 0);
	/* L2 goes on. It is active from here, unless all that comes is L1's at once. */
	if (n->activity != ACTIVITY_ACTIVE && !window_opens(vcpu) && !n->tpr_exit &&
	    !nested_debug_trap_for_l1(vcpu))
		n->activity = ACTIVITY_ACTIVE;
	return 1;
}
