/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * L0's handlers of VM exits. Each answers 1: enter again; 0: kvm_run is
 * filled, go to userspace; or a negative errno. They may sleep, but for those
 * of exit_is_plain(): these may be called with interrupts off.
 */
#ifndef RUN_EXITS_H
#define RUN_EXITS_H

#include <vmx/types.h>

struct vcpu;

/* basic.c */
int exit_nothing(struct vcpu *vcpu);
int exit_skip(struct vcpu *vcpu); /* for an instruction that does nothing */
int exit_ud(struct vcpu *vcpu);
int exit_mwait(struct vcpu *vcpu); /* MONITOR, MWAIT */
int exit_gp(struct vcpu *vcpu);
int exit_cpuid(struct vcpu *vcpu);
int exit_ept_violation(struct vcpu *vcpu);
int exit_ext_int(struct vcpu *vcpu);
int exit_triple_fault(struct vcpu *vcpu);
int exit_int_window(struct vcpu *vcpu);
int exit_nmi_window(struct vcpu *vcpu);
int exit_tpr_below(struct vcpu *vcpu);
int exit_task_switch(struct vcpu *vcpu);
int exit_hlt(struct vcpu *vcpu);
int exit_pause(struct vcpu *vcpu);
void exits_let_others_run(void); /* gives the CPU to other threads of the host's */
int exit_vmcall(struct vcpu *vcpu);
int exit_hyperv_call(struct vcpu *vcpu); /* while hyperv_calls_on() */
/* For an exit that should not occur: KVM_EXIT_INTERNAL_ERROR with what is known of it. */
int exit_unexpected(struct vcpu *vcpu);

/* exception.c */
int exit_exception_nmi(struct vcpu *vcpu);

/* msr.c, cr.c, dr.c */
int exit_rdmsr(struct vcpu *vcpu);
int exit_wrmsr(struct vcpu *vcpu);
int exit_cr_access(struct vcpu *vcpu);
int exit_xsetbv(struct vcpu *vcpu);
int exit_dr_access(struct vcpu *vcpu);

#endif
