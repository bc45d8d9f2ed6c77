/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Raising exceptions, interrupts and NMIs for the guest that runs, L1 or L2.
 *
 * Raising only notes the event, and answers 1 as a handler of exits does. run.c
 * delivers it before the next entry, and that is where L1 may intercept what L2 was to get.
 */
#ifndef CPU_INJECT_H
#define CPU_INJECT_H

#include <vmx/types.h>

struct vcpu;

int inject_exception(struct vcpu *vcpu, u8 vector);
int inject_exception_err(struct vcpu *vcpu, u8 vector, u32 error);
int inject_pf(struct vcpu *vcpu, u32 error, u64 cr2);
int inject_db(struct vcpu *vcpu, unsigned long dr6);
/* Makes the pending #DB that of an INT1, at RIP, of @insn_len bytes. */
void inject_as_int1(struct vcpu *vcpu, u8 insn_len);
#define inject_gp(vcpu) inject_exception_err(vcpu, 13, 0)
#define inject_ud(vcpu) inject_exception(vcpu, 6)
/* INTR_TYPE_* of an exception that the processor itself would raise. */
u32 inject_exception_type(u8 vector);
/* Does exception @vector have an error code on this processor? */
bool inject_has_error(u8 vector);
bool inject_error_wanted(u8 vector, bool wanted);

/* Takes back the event whose delivery the last exit has interrupted, to inject it again. */
void inject_recover(struct vcpu *vcpu);

/*
 * An interrupt on its way into the guest, as userspace saves it: one that is
 * injected, unless that is saved @elsewhere, or one that KVM_INTERRUPT queued;
 * -1 if there is none. The vCPU is loaded.
 */
int inject_irq_vector(const struct vcpu *vcpu, bool elsewhere);
void inject_set_irq_vector(struct vcpu *vcpu, int vector, bool soft, bool elsewhere);
/* Writes the entry-interruption fields of the current VMCS. */
void inject_write(struct vcpu *vcpu, u32 info, u32 error, u32 insn_len);
void inject_cancel(struct vcpu *vcpu);
/* What @info says is in delivery from now on: the opposite of inject_info(). vCPU loaded. */
void inject_take(struct vcpu *vcpu, u32 info, u32 error, u32 insn_len);
bool inject_irq_allowed(struct vcpu *vcpu); /* IF and no shadow */
bool inject_nmi_allowed(struct vcpu *vcpu);
bool inject_nmi_masked(struct vcpu *vcpu);
/* Makes an NMI that REQ_NMI asks for pending, if there is room for one more. */
void inject_take_nmi(struct vcpu *vcpu);
/*
 * Makes @pending NMIs wait, or as many as can. To be called after what is
 * injected and whether NMIs are masked is known.
 */
void inject_set_nmis(struct vcpu *vcpu, u8 pending);
void inject_set_nmi_masked(struct vcpu *vcpu, bool masked);
void inject_irq_window(struct vcpu *vcpu, bool on);
/* For what TPR holds back: an exit as soon as L1 has lowered it below @class. vmcs01 is current. */
void inject_tpr_window(struct vcpu *vcpu, u8 class);
void inject_nmi_window(struct vcpu *vcpu, bool on);

/* Sets RFLAGS.RF if exception @vector is a fault, as a fault pushes RFLAGS with RF set. */
void inject_set_resume_flag(struct vcpu *vcpu, u8 vector);

#endif
