// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives L1 an exit of L2: saves L2's registers and the exit's information in
 * vmcs12, then loads L1 from vmcs12's host area. Tour, stop 14. exit.c comes here
 * for exits of the processor, events.c and emulation for exits that L0 makes up,
 * entry.c for entries that failed.
 *
 * What a reader must know: until l2_switch_to_l1() vmcs02 is current and "the
 * guest" is L2; after it, vmcs01 and L1. The order is the SDM's: save L2, the
 * exit's information, the MSR-store list, load L1, the MSR-load list.
 *
 * Context: the vCPU's thread, interrupts on; or off, with vcpu->at_once, if no MSR list
 * is to be read (nested_reflects_at_once()). No lock, no allocation.
 * SDM: "VM Exits".
 */
#include <linux/moduleparam.h>

#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/trace.h"
#include "nested/internal.h"

/* Does the processor give VM-exit instruction information with this exit? */
static bool has_insn_info(u32 reason)
{
	switch (reason) {
	case EXIT_IO:
	case EXIT_VMCLEAR:
	case EXIT_VMPTRLD:
	case EXIT_VMPTRST:
	case EXIT_VMREAD:
	case EXIT_VMWRITE:
	case EXIT_VMXON:
	case EXIT_GDTR_IDTR:
	case EXIT_LDTR_TR:
	case EXIT_INVEPT:
	case EXIT_INVVPID:
	case EXIT_INVPCID:
	case EXIT_RDRAND:
	case EXIT_RDSEED:
	case EXIT_XSAVES:
	case EXIT_XRSTORS:
	case EXIT_UMWAIT:
	case EXIT_TPAUSE: return true;
	default: return false;
	}
}

/* Does the processor give a guest-linear address with this exit? */
static bool has_linear(u32 reason)
{
	return reason == EXIT_EPT_VIOLATION || reason == EXIT_IO || reason == EXIT_EXCEPTION_NMI ||
	       reason == EXIT_CR_ACCESS || reason == EXIT_EPT_MISCONFIG;
}

/*
 * Reads what the processor said. Fields that it does not write for this exit
 * are 0 for L1.
 */
static struct l2_exit exit_from_vmcs02(struct vcpu *vcpu, u32 reason)
{
	struct l2_exit x = { .reason = reason, .qual = vcpu_exit_qual(vcpu) };

	x.insn_len = vmread(VMCS_EXIT_INSN_LEN);
	if (reason == EXIT_EXCEPTION_NMI) {
		x.intr_info = vcpu->intr_info;
		if (x.intr_info & INTR_HAS_ERROR)
			x.intr_error = vmread(VMCS_EXIT_INTR_ERROR);
	}
	if (has_insn_info(reason))
		x.insn_info = vmread(VMCS_EXIT_INSN_INFO);
	if (has_linear(reason))
		x.gla = vmread(VMCS_GUEST_LINEAR_ADDR);
	if (reason == EXIT_EPT_VIOLATION || reason == EXIT_EPT_MISCONFIG)
		x.gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	return x;
}

/* If this exit has interrupted an event's delivery, L1 gets it as IDT-vectoring information. */
static void save_vectoring(struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;
	struct vmcs12 *v = vcpu->nested->v;
	u32 info = inject_info(in);

	if (info & INTR_HAS_ERROR)
		v->idt_vectoring_error = (u16)in->exception.error;
	if (in->nmi.injected) {
		/* L0 had unblocked NMIs to inject this one again. L1 will do that, and sees them blocked. */
		inject_set_nmi_masked(vcpu, true);
		v->guest_interruptibility |= IRQBLK_NMI;
	}
	if (intr_type_software(info))
		v->exit_insn_len = in->insn_len;
	v->idt_vectoring_info = info;
}

void events_forget(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;

	in->exception.injected = in->exception.pending = false;
	in->irq.injected = false;
	in->nmi.injected = false;
}

/*
 * Writes the exit's information to vmcs12. The valid bit of the entry's event is cleared, as every
 * exit does. SDM: "Recording VM-Exit Information and Updating VM-entry Control Fields".
 */
static void save_exit(struct vcpu *vcpu, const struct l2_exit *x)
{
	struct vmcs12 *v = vcpu->nested->v;

	v->exit_reason = x->reason;
	v->exit_qual = x->qual;
	v->exit_intr_info = x->intr_info;
	v->exit_intr_error = x->intr_error;
	v->exit_insn_len = x->insn_len;
	v->exit_insn_info = x->insn_info;
	v->guest_phys_addr = x->gpa;
	v->guest_linear_addr = x->gla;
	v->entry_intr_info &= ~(u32)INTR_VALID;
}

/* Makes vmcs01 current and the vCPU L1's. L1's registers are still to be loaded. */
void l2_switch_to_l1(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct cet_carry cet;

	timer_stop(vcpu);
	if (n->wide)
		vmcs12_pull_plain(vcpu, n->cur);
	vmcs02_note_written(vcpu);
	/* Userspace may have set registers of L2, unchecked: L1's next entry checks all of them. */
	n->cur->check_guest |= vcpu->l2_by_user;
	vcpu->l2_by_user = false;
	n->entering = false;
	n->owes_exit = false;
	n->mtf_pending = false;
	n->activity = ACTIVITY_ACTIVE;
	cet.valid = false;
	if (!(n->v->exit_ctls & EXITC_LOAD_CET))
		cet_take(vcpu, &cet);
	shadow_write_on_the_way(vcpu);
	cet_give(&cet);
	vcpu->in_l2 = false;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu->gpa_translate = NULL;
	vcpu->cr0_l1 = vcpu->cr4_l1 = (struct cr_intercept){};
	vcpu->clock.l2_offset = 0;
	vcpu->clock.l2_ratio = TSC_RATIO_ONE;
	clock_write_vmcs(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
	/* IBRS keeps predictions from the host only. L1 counts on it as L2's host, and is a guest. */
	if (vcpu->cpuid.ibpb)
		host_forget_branches();
}

/*
 * A VMX abort: the exit cannot be completed. The indicator goes into L1's
 * memory, and L1 shuts down. SDM: "VMX Aborts".
 */
void nested_abort(struct vcpu *vcpu, enum vmx_abort indicator, const struct msr_failure *why)
{
	struct nested *n = vcpu->nested;
	u32 value = indicator;

	n->v->abort = value;
	mem_write(vcpu->vm, n->vmcs12_ptr + offsetof(struct vmcs12, abort), &value, 4);
	report_add(vcpu, (struct report){ .outcome = ABYME_ABORT,
					  .instruction = n->v->exit_reason & EXIT_BASIC_MASK,
					  .error = indicator,
					  .rip = n->v->host_rip,
					  .check = why ? why->check : NULL,
					  .value = why ? why->index : 0 });
	vcpu_request(vcpu, REQ_TRIPLE_FAULT);
}

/* Loads L1's state from vmcs12's host area, so that L1 goes on at its host RIP. Return: 1. */
static int resume_l1(struct vcpu *vcpu, bool nmis_blocked)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;
	struct msr_failure why;
	int abort;

	abort = host_state_load(vcpu, nmis_blocked);
	if (!abort && v->exit_msr_load_count &&
	    msr_area_load(vcpu, v->exit_msr_load_addr, v->exit_msr_load_count, &why))
		abort = VMABORT_LOAD_MSR;
	if (abort)
		nested_abort(vcpu, abort, abort == VMABORT_LOAD_MSR ? &why : NULL);
	tlb_after_l2(vcpu);
	if (n->cur->shadow_due)
		shadow_write(vcpu);
	shadow_follow_habit(vcpu);
	return 1;
}

/* Gives L1 the exit @x. Context: vmcs02 is current. Return: 1. */
int l2_leave(struct vcpu *vcpu, const struct l2_exit *x)
{
	struct nested *n = vcpu->nested;
	struct vmcs12 *v = n->v;
	bool nmi = x->reason == EXIT_EXCEPTION_NMI &&
		   (x->intr_info & INTR_TYPE_MASK) == INTR_TYPE_NMI;
	struct msr_failure why;
	bool store_failed;

	vcpu->stats.nested_reflected++;
	if (unlikely(vcpu->watched))
		watch_to_l1(vcpu, x);
	trace_abyme_nested_exit(vcpu->id, x->reason, vcpu_rip(vcpu), x->qual, 0, x->intr_info,
				x->intr_error);
	vmcs02_save_hot(vcpu);
	save_exit(vcpu, x);
	save_vectoring(vcpu);
	if (unlikely(x->reason == EXIT_TRIPLE_FAULT))
		report_triple_fault(vcpu);
	events_forget(vcpu);
	store_failed = v->exit_msr_store_count &&
		       msr_area_store(vcpu, v->exit_msr_store_addr, v->exit_msr_store_count, &why);
	l2_switch_to_l1(vcpu);
	if (store_failed)
		nested_abort(vcpu, VMABORT_SAVE_MSR, &why);
	return resume_l1(vcpu, nmi || vmcs12_nmis_blocked(v));
}

/*
 * The exit of a failed entry changes less than another one: vmcs12's guest
 * state and event stay as they were.
 * SDM: "VM-Entry Failures During or After Loading Guest State".
 */
int l2_entry_failure(struct vcpu *vcpu, const struct report *why, bool in_vmcs02)
{
	struct nested *n = vcpu->nested;
	struct vmcs12 *v = n->v;
	struct report r = *why;

	vcpu->stats.nested_entry_failed++;
	v->exit_reason = why->error | EXIT_ENTRY_FAILED;
	v->exit_qual = why->qualification;
	if (unlikely(vcpu->watched))
		watch_to_l1(vcpu,
			    &(struct l2_exit){ .reason = v->exit_reason, .qual = v->exit_qual });
	if (n->entry_insn == EXIT_VMLAUNCH)
		v->launch_state = VMCS12_CLEAR; /* as it was before */
	events_forget(vcpu);
	if (in_vmcs02) {
		l2_switch_to_l1(vcpu);
		/* vmcs02 has been written with a state that L2 never ran with: write all of it again. */
		memset(&n->cur->dirty, 0xff, sizeof(n->cur->dirty));
		n->cur->dirty_plain = true;
	} else {
		/* vmcs02 was not written, so that .dirty still says what must be. */
		vcpu_lazy_flush(vcpu);
		n->dr7_01 = vcpu->debug.dr7;
		n->debugctl01 = vcpu->debug.ctl;
		n->cur->shadow_due = true;
	}
	/* CR4 is L1's host CR4 now: enter_again() must look at it. */
	vcpu_request(vcpu, REQ_EVENT);
	/* vmcs01 still stands at the instruction. */
	r.rip = vcpu_rip(vcpu);
	r.instruction = n->entry_insn;
	report_add(vcpu, r);
	return resume_l1(vcpu, inject_nmi_masked(vcpu));
}

int nested_reflect(struct vcpu *vcpu, u32 reason)
{
	struct l2_exit x = exit_from_vmcs02(vcpu, reason);

	return l2_leave(vcpu, &x);
}

void l2_owe_exit(struct vcpu *vcpu, const struct l2_exit *x)
{
	vcpu->nested->owed = *x;
	vcpu->nested->owes_exit = true;
}

int nested_reflect_as(struct vcpu *vcpu, u32 reason, u32 intr_info, u64 qual)
{
	struct l2_exit x = { .reason = reason, .intr_info = intr_info, .qual = qual };

	return l2_leave(vcpu, &x);
}

/* Counts over all VMs, as a VM's own counters end with it and the log's messages are limited. */
static atomic_t entries_refused;
module_param_named(entries_refused, entries_refused.counter, int, 0444);
MODULE_PARM_DESC(entries_refused,
		 "entries to L2 that passed all checks and the processor refused (read-only)");

int nested_entry_refused(struct vcpu *vcpu, u32 reason, u32 error)
{
	struct report why = { .outcome = ABYME_ENTRY_REFUSED, .error = EXIT_BAD_GUEST_STATE };

	if (error == VMERR_BAD_CONTROLS && vmcs02_lower_threshold(vcpu))
		return 1;
	/* Userspace, not L1, gave L2 a state from which it cannot go on. */
	if (vcpu->l2_by_user)
		return nested_reflect_as(vcpu, EXIT_TRIPLE_FAULT, 0, 0);
	vcpu->stats.nested_entry_refused++;
	atomic_inc(&entries_refused);
	pr_warn_ratelimited(
		"abyme: the processor refused an entry to L2 that passed all checks: reason 0x%x, error %u, qualification 0x%llx\n",
		reason, error, vcpu_exit_qual(vcpu));
	vmcs12_pull_plain(vcpu, vcpu->nested->cur);
	why.qualification = error ? 0 : vcpu_exit_qual(vcpu);
	return l2_entry_failure(vcpu, &why, true);
}
