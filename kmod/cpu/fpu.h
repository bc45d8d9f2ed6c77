/* SPDX-License-Identifier: GPL-2.0-only */
/* FPU and XSAVE state of a vCPU, XCR0. */
#ifndef CPU_FPU_H
#define CPU_FPU_H

#include <linux/kvm.h>
#include <vmx/cr.h>
#include <vmx/types.h>

#include "compat/fpu.h"

struct vcpu;

struct vcpu_fpu {
	struct compat_fpu state;
	u64 xcr0;
	u32 pkru, host_pkru;
	bool loaded; /* the guest's state is the current task's */
	/* What fpu_enter() changed in the processor, for fpu_exit() to undo. */
	bool xcr0_switched;
	bool xss_switched;
	bool pkru_switched;
};

/* Called once, at the module's load: finds what features the host's kernel lets guests have. */
void fpu_setup(void);
/* XCR0 bits that a guest may be offered; 0 without XSAVE. */
u64 fpu_supported_xcr0(void);

int fpu_init_vcpu(struct vcpu *vcpu); /* 0, -ENOMEM */
void fpu_free_vcpu(struct vcpu *vcpu);
/*
 * Resets the FPU as power-up does, or with @init as INIT does. Context: vCPU locked, FPU not loaded
 * or about to be. May sleep.
 */
void fpu_reset(struct vcpu *vcpu, bool init);
/* Around KVM_RUN: the guest's FPU becomes the task's, and back. May sleep. */
void fpu_load_guest(struct vcpu *vcpu);
void fpu_put_guest(struct vcpu *vcpu);
/* Around the entry itself, interrupts off: XCR0, XSS and PKRU become the guest's, and back. */
void fpu_enter(struct vcpu *vcpu);
void fpu_exit(struct vcpu *vcpu);

/* Does fpu_enter() do different things with these two values of the guest's CR4? */
static inline bool fpu_enter_differs(unsigned long cr4, unsigned long other)
{
	return (cr4 ^ other) & (CR4_OSXSAVE | CR4_PKE | CR4_CET);
}

/* XSETBV. 0, or 1: #GP. */
int fpu_set_xcr(struct vcpu *vcpu, u32 index, u64 value);

/*
 * The state in the XSAVE format of userspace. @size of get: the bytes that
 * the caller gives, at least 4096. Return of set: 0, -EINVAL.
 */
void fpu_get_xsave(struct vcpu *vcpu, void *buf, u32 size);
int fpu_set_xsave(struct vcpu *vcpu, const void *buf);
void fpu_get_legacy(struct vcpu *vcpu, struct kvm_fpu *out);
void fpu_set_legacy(struct vcpu *vcpu, const struct kvm_fpu *in);

#endif
