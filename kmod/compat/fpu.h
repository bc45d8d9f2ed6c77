/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a guest's x87, SSE and AVX state is. Kernels that export what KVM uses keep it
 * (fpu_kernel.c): it is the task's for the whole of a KVM_RUN, and costs no exit anything. On
 * others it is in a buffer of our own (fpu_own.c), loaded and saved around each entry. PKRU is
 * no part of it, but of the format of userspace.
 */
#ifndef COMPAT_FPU_H
#define COMPAT_FPU_H

#include <asm/processor.h> /* union fpregs_state */
#include <vmx/types.h>
#ifdef HAVE_KERNEL_FPU
#include <asm/fpu/api.h>
#endif

struct compat_fpu {
#ifdef HAVE_KERNEL_FPU
	struct fpu_guest guest;
#else
	union fpregs_state *regs;
#endif
};

/* Called once, before the first of them. @xcr0: what guests are offered; 0 without XSAVE. */
void compat_fpu_setup(u64 xcr0);

int compat_fpu_alloc(struct compat_fpu *fpu); /* 0, -ENOMEM. May sleep. */
void compat_fpu_free(struct compat_fpu *fpu);

/* The state in memory, in the processor's format. It is complete while it is not loaded. */
union fpregs_state *compat_fpu_regs(struct compat_fpu *fpu);

/* The guest's state becomes the task's, and back. May sleep. */
void compat_fpu_load(struct compat_fpu *fpu);
void compat_fpu_put(struct compat_fpu *fpu);

/* Around the entry itself, with the state loaded: the processor has the guest's. Interrupts off. */
void compat_fpu_enter(struct compat_fpu *fpu);
void compat_fpu_exit(struct compat_fpu *fpu);

/* One register of a guest whose state is loaded: @value is 16 bytes. */
void compat_fpu_get_xmm(struct compat_fpu *fpu, u8 reg, void *value);
void compat_fpu_set_xmm(struct compat_fpu *fpu, u8 reg, const void *value);

/*
 * The format of KVM_GET_XSAVE2 and KVM_SET_XSAVE. @size: of @buf, at least 4096. Set takes
 * only what guests are offered, and leaves @pkru when @buf has none. Return of set: 0, -EINVAL.
 */
void compat_fpu_to_user(struct compat_fpu *fpu, void *buf, u32 size, u32 pkru);
int compat_fpu_from_user(struct compat_fpu *fpu, const void *buf, u32 *pkru);

#endif
