/* SPDX-License-Identifier: GPL-2.0-only */
/* FPU and XSAVE state of a vCPU, XCR0. */
#ifndef GUEST_FPU_H
#define GUEST_FPU_H

#include <linux/kvm.h>
#include <asm/fpu/api.h>
#include <vmx/types.h>

struct vcpu;

struct vcpu_fpu {
	struct fpu_guest guest;
	u64 xcr0;
	bool loaded; /* the guest's state is the current task's */
};

int fpu_init_vcpu(struct vcpu *vcpu); /* 0, -ENOMEM */
void fpu_free_vcpu(struct vcpu *vcpu);
void fpu_reset(struct vcpu *vcpu, bool init);
/* Around KVM_RUN: the guest's FPU becomes the task's, and back. May sleep. */
void fpu_load_guest(struct vcpu *vcpu);
void fpu_put_guest(struct vcpu *vcpu);
/* Around the entry itself, interrupts off: XCR0 (and XSS, PKRU) of the guest / host. */
void fpu_enter(struct vcpu *vcpu);
void fpu_exit(struct vcpu *vcpu);
/* XSETBV. 0, or 1: #GP. */
int fpu_set_xcr(struct vcpu *vcpu, u32 index, u64 value);

#endif
