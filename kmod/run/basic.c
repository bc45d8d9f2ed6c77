// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits that need a few lines each. exit.c's table names these handlers, for L1
 * and, where L1 does not want the exit, for L2.
 *
 * What a reader must know: a handler acts on the guest that runs and does not
 * know which it is. It answers 1 (enter again), 0 (kvm_run is filled: go to
 * userspace) or a negative errno.
 */

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <vmx/exits.h>
#include <vmx/info.h>

#include "cpu/hyperv.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "emulate/device.h"
#include "mem/ept.h"
#include "run/exits.h"

/* For exits whose work is done elsewhere: right after the exit, or before the next entry. */
int exit_nothing(struct vcpu *vcpu)
{
	return 1;
}

int exit_skip(struct vcpu *vcpu)
{
	return vcpu_skip_insn(vcpu);
}

int exit_ud(struct vcpu *vcpu)
{
	return inject_ud(vcpu);
}

int exit_gp(struct vcpu *vcpu)
{
	return inject_gp(vcpu);
}

/*
 * CPUID always exits. What is answered is in cpu/cpuid.c. For L1 it may be called with interrupts
 * off: exit_is_plain(). Tour, stop 7.
 */
int exit_cpuid(struct vcpu *vcpu)
{
	if (cpuid_faults(vcpu))
		return inject_gp(vcpu);
	cpuid_execute(vcpu);
	return vcpu_skip_insn(vcpu);
}

/* The host has taken its interrupt already, when interrupts were enabled after the exit. */
int exit_ext_int(struct vcpu *vcpu)
{
	vcpu->stats.irq_exits++;
	return 1;
}

int exit_triple_fault(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

/*
 * The guest can take an interrupt now: deliver_events() gives it one before the
 * next entry.
 */
int exit_int_window(struct vcpu *vcpu)
{
	inject_irq_window(vcpu, false);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu->stats.irq_window_exits++;
	return 1;
}

/* What TPR held back may be delivered. */
int exit_tpr_below(struct vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_EVENT);
	return 1;
}

int exit_nmi_window(struct vcpu *vcpu)
{
	inject_nmi_window(vcpu, false);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu->stats.irq_window_exits++;
	return 1;
}

/*
 * At a hardware task switch the processor leaves all the work to software, and
 * abyme emulates none of it. The error says so without an instruction's bytes, as
 * the processor gives none.
 */
int exit_task_switch(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->internal.ndata = 0;
	return 0;
}

int exit_unexpected(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 4;
	run->internal.data[0] = vcpu->exit_reason;
	run->internal.data[1] = vcpu_exit_qual(vcpu);
	run->internal.data[2] = vcpu_rip(vcpu);
	run->internal.data[3] = vcpu->idt_vectoring;
	return 0;
}

/*
 * Without a LAPIC in the kernel userspace waits for the interrupt. With one the
 * run loop does, as mp_state says.
 */
int exit_hlt(struct vcpu *vcpu)
{
	vcpu->stats.halt_exits++;
	vcpu_skip_insn(vcpu);
	/* A single-step trap ends HLT at once. */
	if (unlikely(vmread(VMCS_GUEST_PENDING_DBG) & DBG_BS))
		return 1;
	if (!vcpu->lapic) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return 0;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	return 1;
}

/* The guest spins for a lock whose holder may not run: somebody else should have the CPU. */
void exits_let_others_run(void)
{
	cond_resched();
	yield();
}

int exit_pause(struct vcpu *vcpu)
{
	exits_let_others_run();
	return vcpu_skip_insn(vcpu);
}

/*
 * A guest has MONITOR and MWAIT if userspace's CPUID says so. MONITOR then arms
 * nothing, and MWAIT waits for nothing, as any event may end it. A bit of ECX that names an
 * unknown extension raises #GP; MONITOR has no extensions. SDM: "MONITOR—Set Up
 * Monitor Address", "MWAIT—Monitor Wait".
 */
int exit_mwait(struct vcpu *vcpu)
{
	unsigned long extensions = vcpu_gpr(vcpu, GPR_RCX);
	bool monitor = vcpu->exit_reason == EXIT_MONITOR;

	if (!vcpu->cpuid.monitor)
		return exit_ud(vcpu);
	if (monitor ? extensions : (u32)extensions & ~1u)
		return exit_gp(vcpu);
	if (!monitor)
		exits_let_others_run();
	return vcpu_skip_insn(vcpu);
}

/* None of KVM's hypercalls is offered, which Linux tolerates: the answer is an error. */
int exit_vmcall(struct vcpu *vcpu)
{
	long answer = -KVM_ENOSYS;

	if (unlikely(hyperv_calls_on(vcpu)))
		return vcpu->at_once ? EXIT_LATER : exit_hyperv_call(vcpu);
	vcpu->stats.hypercalls++;
	if (vcpu_cpl(vcpu) > 0)
		answer = -KVM_EPERM;
	else if (vcpu->gpr[GPR_RAX] == KVM_HC_VAPIC_POLL_IRQ)
		answer = 0;
	vcpu_set_gpr(vcpu, GPR_RAX, vcpu_64bit(vcpu) ? answer : (u32)answer);
	return vcpu_skip_insn(vcpu);
}

/*
 * L1 touched a guest-physical address that its EPT does not map, or maps without the right to do
 * so: memory that is not mapped yet, else a device's. Those of L2 are handled in nested/. Tour,
 * stop 3.
 */
int exit_ept_violation(struct vcpu *vcpu)
{
	u64 qual = vcpu_exit_qual(vcpu);
	u64 gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	int r;

	if (vcpu->at_once)
		return mmio_at_once(vcpu, gpa);
	/* IRET had unblocked NMIs before it faulted. It runs again, so they are blocked again. */
	if ((qual & EPTQ_NMI_UNBLOCK) && !(vcpu->idt_vectoring & INTR_VALID))
		inject_set_nmi_masked(vcpu, true);
	r = ept_violation_l1(vcpu, gpa, qual & EPTQ_WRITE);
	if (r)
		return r;
	return mmio_emulate(vcpu, gpa);
}
