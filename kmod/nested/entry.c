// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VM entry: the checks of the SDM in their order, then L2's state and L1's
 * event. Tour, stops 10 and 11. vmxinsn.c comes here for VMLAUNCH and VMRESUME,
 * state.c for a saved L2.
 *
 * What a reader must know: fields that have passed their checks are not checked
 * again until L1 writes one. .check_ctls, .check_host and .check_guest say which
 * checks are due. A few rows are asked at every entry, as they look at state that
 * L2 may change, or at L1's memory.
 *
 * SDM: "VM Entries", whose sections name the order and what follows from each
 * failure.
 */
#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/trace.h"
#include "hw/caps.h"
#include "nested/internal.h"
#include "nested/vapic.h"

/*
 * Must the TPR threshold be compared with the virtual-APIC page? L1 may have
 * written there since, without an exit.
 */
static bool tpr_is_checked(const struct vmcs12 *v)
{
	return (v->proc_ctls & PROC_TPR_SHADOW) &&
	       !(vmcs12_proc2(v) & (PROC2_APIC_ACCESS | PROC2_VIRT_INTR));
}

/*
 * L2 is not entered with interrupts off if the entry, or the exit of one that fails, reads L1's
 * memory, nor if L2 is inactive.
 */
bool nested_enters_at_once(const struct nested *n)
{
	const struct vmcs12 *v = n->v;

	return v->link_pointer == NO_GPA && !n->linked && !tpr_is_checked(v) && !vmcs12_pae(v) &&
	       !v->entry_msr_load_count && !v->exit_msr_load_count &&
	       (v->exit_ctls & EXITC_HOST_64) && v->guest_activity == ACTIVITY_ACTIVE;
}

static void read_vtpr(struct vcpu *vcpu, struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

	if (!tpr_is_checked(v))
		return;
	c->vtpr_known = !mem_read(vcpu->vm, v->virt_apic_addr + VAPIC_TPR, &c->vtpr, 1);
}

/* Reads the first word of the VMCS that the link pointer names, once, for its checks. */
void nested_read_link(struct vcpu *vcpu, struct check_ctx *c)
{
	if (c->v->link_pointer != NO_GPA)
		c->link_readable = !mem_read(vcpu->vm, c->v->link_pointer, &c->link_revision, 4);
}

/*
 * With PAE paging L2's PDPTEs are vmcs12's if L1 uses EPT, and else at L2's
 * CR3. They are read once: what was checked is what write_pdptes() loads.
 */
void nested_read_pdptes(struct vcpu *vcpu, struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

	if (!vmcs12_pae(v))
		return;
	if (vmcs12_proc2(v) & PROC2_EPT) {
		c->pdpte[0] = v->guest_pdpte0;
		c->pdpte[1] = v->guest_pdpte1;
		c->pdpte[2] = v->guest_pdpte2;
		c->pdpte[3] = v->guest_pdpte3;
		c->pdpte_readable = true;
		return;
	}
	c->pdpte_readable =
		!mem_read(vcpu->vm, v->guest_cr3 & 0xffffffe0, c->pdpte, sizeof(c->pdpte));
}

/* The bits of EFER that the processor refuses, or that need a feature which L1's CPUID lacks. */
static u64 entry_efer_reserved(struct vcpu *vcpu)
{
	return vcpu->cpuid.efer_reserved |
	       ~(EFER_BIT_SCE | EFER_BIT_LME | EFER_BIT_LMA | EFER_BIT_NX);
}

/* What the predicates look at, without what is in L1's memory: that is read if a check needs it. */
struct check_ctx nested_check_ctx(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	return (struct check_ctx){
		.v = n->v,
		.caps = &n->caps,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.la57 = hw_has_la57(),
		.l1_long_mode = vcpu->efer & EFER_BIT_LMA,
		.efer_reserved = entry_efer_reserved(vcpu),
		.l1_debugctl = vcpu->debug.ctl,
		.current_vmcs = n->vmcs12_ptr,
	};
}

/* Return: 0, or a VMERR_*: the entry fails, and no exit is made. */
static int check_ctls_and_host(struct vcpu *vcpu, struct check_ctx *c)
{
	struct nested *n = vcpu->nested;
	const struct check *failed;

	if (n->cur->check_ctls || tpr_is_checked(n->v)) {
		read_vtpr(vcpu, c);
		failed = check_controls(c);
		if (failed) {
			report_check(vcpu, failed, c);
			return VMERR_BAD_CONTROLS;
		}
		n->cur->check_ctls = false;
	}
	if (n->cur->check_host) {
		failed = check_host(c);
		if (failed) {
			report_check(vcpu, failed, c);
			return VMERR_BAD_HOST_STATE;
		}
		n->cur->check_host = false;
	}
	return 0;
}

/* For an entry before which L1 wrote no field that needs a check: makes those of every entry. */
static const struct check *check_guest_again(struct vcpu *vcpu, struct check_ctx *c)
{
	const struct check *failed = check_guest_flow(c);

	if (!failed && !guest_at_rest(c->v))
		failed = check_guest_nonreg(c);
	/* L0 holds the linked VMCS, but not its revision, which L1 may have written since. */
	if (failed || c->v->link_pointer == NO_GPA)
		return failed;
	nested_read_link(vcpu, c);
	return check_guest_memory(c);
}

/*
 * Whether L2 is in virtual-8086 mode decides which rules its segments must follow. L2 may have
 * changed that, in RFLAGS: then the segments are checked again.
 */
static const struct check *check_guest_state(struct vcpu *vcpu, struct check_ctx *c)
{
	struct nested *n = vcpu->nested;
	const struct check *failed;
	bool vm86 = n->v->guest_rflags & X86_EFLAGS_VM;

	if (n->linked || shadow12_wanted(n->v) != NO_GPA)
		shadow12_load(vcpu);
	if (!n->cur->check_guest && vm86 == n->cur->l2_vm86 && !vmcs12_pae(n->v)) {
		failed = check_guest_again(vcpu, c);
	} else {
		vmcs12_pull_plain(vcpu, n->cur);
		nested_read_link(vcpu, c);
		nested_read_pdptes(vcpu, c);
		failed = check_guest(c);
		n->cur->l2_vm86 = vm86;
	}
	if (failed)
		shadow12_drop(vcpu); /* there is no entry, so L1 may still change the linked VMCS */
	else
		n->cur->check_guest = false;
	return failed;
}

/* Takes the event that L1 injects. From now on it is in delivery, and comes before all others. */
static void take_event(struct vcpu *vcpu)
{
	struct vmcs12 *v = vcpu->nested->v;
	u32 info = v->entry_intr_info, type = info & INTR_TYPE_MASK;

	if (!(info & INTR_VALID))
		return;
	if (type == INTR_TYPE_OTHER)
		vcpu->nested->mtf_pending = true;
	else
		inject_take(vcpu, info, v->entry_error_code, v->entry_insn_len);
	/* Its delivery blocks NMIs. If L2's IRET does not unblock them L1 must see them blocked. */
	if (type == INTR_TYPE_NMI && vmcs12_nmi_blocking_stays(v))
		v->guest_interruptibility |= IRQBLK_NMI;
}

/* With EPT the processor takes the PDPTEs from the VMCS, not from memory. */
static void write_pdptes(struct nested *n, const struct check_ctx *c)
{
	int i;

	if (!vmcs12_pae(n->v))
		return;
	for (i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, c->pdpte[i]);
}

/*
 * L1 may enter L2 inactive: halted, shut down, or waiting for a SIPI. Then L0 waits, in the run
 * loop, and never enters vmcs02 in such a state. An injected event ends the state at once.
 */
static void take_activity(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;

	if (v->guest_activity == ACTIVITY_ACTIVE || (v->entry_intr_info & INTR_VALID))
		return;
	if (v->guest_activity >= ACTIVITY_SHUTDOWN)
		vmwrite(VMCS_GUEST_PENDING_DBG, 0); /* these states never deliver a debug trap */
	vcpu->nested->activity = v->guest_activity;
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	timer_for_halt(vcpu);
}

/* CET's fields of vmcs12 are about to be written to vmcs02, whether or not the entry loads them. */
static void note_cet_used(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;

	if (vmcs12_has(&n->fields, FIELD_GUEST_S_CET) &&
	    (v->guest_s_cet || v->guest_ssp || v->guest_ssp_table))
		vcpu->cet.used = true;
}

/*
 * Makes vmcs02 current and L2 the guest that runs. From here on whatever acts
 * on "the guest" acts on L2.
 */
static void load_l2(struct vcpu *vcpu, const struct check_ctx *c)
{
	struct nested *n = vcpu->nested;
	struct cet_carry cet;

	note_cet_used(vcpu);
	cet.valid = false;
	if (!(n->v->entry_ctls & ENTRYC_LOAD_CET))
		cet_take(vcpu, &cet);
	vcpu_switch_vmcs(vcpu, &n->cur->vmcs02);
	/* Another VMCS was entered last: this one's EPT02 root and pages must be looked up again. */
	if (n->entered != n->cur)
		n->cur->merge_due = true;
	n->entered = n->cur;
	vcpu->in_l2 = true;
	vcpu->gpa_translate = l2_translate;
	vmcs02_write_state(vcpu);
	cet_give(&cet);
	write_pdptes(n, c);
	tlb_before_l2(vcpu);
	if (n->v->proc_ctls & PROC_MSR_BITMAPS)
		n->bitmap_due = true;
	/* vmcs02_lower_threshold() may have lowered it since the last merge. */
	if ((n->v->proc_ctls & PROC_TPR_SHADOW) &&
	    n->cur->merged.tpr_threshold != n->v->tpr_threshold)
		n->cur->merge_due = true;
}

/*
 * The entry controls for registers that an entry loads and an exit does not save. vmcs12 has the
 * values that L1 wrote, and L2 may have changed the registers since: userspace saves and restores
 * them by the ioctls for the vCPU's registers.
 */
static u32 not_in_vmcs12(const struct vmcs12 *v)
{
	return (v->exit_ctls & EXITC_SAVE_EFER ? 0 : ENTRYC_LOAD_EFER) |
	       (v->exit_ctls & EXITC_SAVE_PAT ? 0 : ENTRYC_LOAD_PAT) |
	       (v->exit_ctls & EXITC_SAVE_DEBUG ? 0 : ENTRYC_LOAD_DEBUG);
}

/* The entry controls for registers that exits always save: vmcs12 has L2's value of them. */
static u32 always_in_vmcs12(const struct nested *n)
{
	return vmcs12_has(&n->fields, FIELD_GUEST_S_CET) ? ENTRYC_LOAD_CET : 0;
}

int nested_resume_l2(struct vcpu *vcpu, const struct check_ctx *c, bool pending)
{
	struct vmcs12 *v = vcpu->nested->v;
	u32 entry_ctls = v->entry_ctls;

	if (!pending)
		v->entry_ctls = (v->entry_ctls & ~not_in_vmcs12(v)) |
				always_in_vmcs12(vcpu->nested);
	load_l2(vcpu, c);
	v->entry_ctls = entry_ctls;
	timer_start(vcpu);
	vcpu->nested->entering = pending;
	if (pending)
		take_event(vcpu);
	take_activity(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/*
 * The entry fails with an exit. @value: of what @check, which may be NULL, is about. The guest's
 * state is judged before vmcs02 is written, MSRs are loaded after that.
 */
static int entry_failure(struct vcpu *vcpu, u32 reason, u64 qual, const struct check *check,
			 u64 value)
{
	struct report r = {
		.outcome = ABYME_ENTRY_FAILED,
		.error = reason,
		.qualification = qual,
		.check = check,
		.value = value,
	};

	return l2_entry_failure(vcpu, &r, reason == EXIT_BAD_MSR_LOAD);
}

/* Enters L2. Context: all checks have passed, vmcs01 is current. */
static int begin_l2(struct vcpu *vcpu, const struct check_ctx *c)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;
	struct msr_failure why;
	u32 bad = 0;

	if (v->entry_msr_load_count)
		vmcs12_pull_plain(vcpu,
				  n->cur); /* if the list fails vmcs02 has other values by then */
	load_l2(vcpu, c);
	if (v->entry_msr_load_count)
		bad = msr_area_load(vcpu, v->entry_msr_load_addr, v->entry_msr_load_count, &why);
	if (bad)
		return entry_failure(vcpu, EXIT_BAD_MSR_LOAD, bad, why.check, why.index);
	n->entering = true;
	timer_start(vcpu);
	take_event(vcpu);
	take_activity(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu->stats.nested_run++;
	trace_abyme_nested_entry(vcpu->id, n->vmcs12_ptr, v->guest_rip, v->entry_intr_info);
	return 1;
}

/*
 * Return: 1: L2 is next, or L1 was given a failed entry as an exit;
 * ENTER_VMFAIL(); or an errno.
 */
int nested_enter(struct vcpu *vcpu)
{
	struct check_ctx c = nested_check_ctx(vcpu);
	struct nested *n = vcpu->nested;
	const struct check *failed;
	int error;

	if (n->cur->l1_long_mode != c.l1_long_mode)
		n->cur->check_host = true;
	n->cur->l1_long_mode = c.l1_long_mode;
	error = check_ctls_and_host(vcpu, &c);
	if (error)
		return ENTER_VMFAIL(error);
	failed = check_guest_state(vcpu, &c);
	if (failed) {
		report_check(vcpu, failed, &c);
		return entry_failure(vcpu, EXIT_BAD_GUEST_STATE, failed->qual, n->failed,
				     n->failed_value);
	}
	return begin_l2(vcpu, &c);
}
