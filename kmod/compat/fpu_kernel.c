// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU as the kernel keeps it for KVM: compat/fpu.h on kernels that
 * export those functions. The guest's state is the task's own during KVM_RUN,
 * and the scheduler switches it like any other.
 */
#include <linux/thread_info.h>
#include <asm/fpu/api.h>

#include "compat/fpu.h"

static u64 offered;

void compat_fpu_setup(u64 xcr0)
{
	offered = xcr0;
}

int compat_fpu_alloc(struct compat_fpu *fpu)
{
	return fpu_alloc_guest_fpstate(&fpu->guest) ? 0 : -ENOMEM;
}

void compat_fpu_free(struct compat_fpu *fpu)
{
	if (fpu->guest.fpstate)
		fpu_free_guest_fpstate(&fpu->guest);
}

union fpregs_state *compat_fpu_regs(struct compat_fpu *fpu)
{
	return &fpu->guest.fpstate->regs;
}

void compat_fpu_load(struct compat_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, true);
}

void compat_fpu_put(struct compat_fpu *fpu)
{
	fpu_swap_kvm_fpstate(&fpu->guest, false);
}

/* Loads the task's state if an interrupt, or another task, has used the registers since. */
static void fpu_fetch(void)
{
	if (unlikely(test_thread_flag(TIF_NEED_FPU_LOAD)))
		switch_fpu_return();
}

void compat_fpu_enter(struct compat_fpu *fpu)
{
	fpu_fetch();
}

void compat_fpu_exit(struct compat_fpu *fpu)
{
}

/* An XMM register cannot be named by a number that is known only at run time. */
#define XMM_CASES(F) \
	F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)

void compat_fpu_get_xmm(struct compat_fpu *fpu, u8 reg, void *value)
{
	fpregs_lock();
	fpu_fetch();
	switch (reg) {
#define F(n) \
	case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m"(*(u8(*)[16])value)); break;
		XMM_CASES(F)
#undef F
	}
	fpregs_unlock();
}

void compat_fpu_set_xmm(struct compat_fpu *fpu, u8 reg, const void *value)
{
	fpregs_lock();
	fpu_fetch();
	switch (reg) {
#define F(n) \
	case n: asm volatile("movdqu %0, %%xmm" #n : : "m"(*(const u8(*)[16])value)); break;
		XMM_CASES(F)
#undef F
	}
	fpregs_unlock();
}

void compat_fpu_to_user(struct compat_fpu *fpu, void *buf, u32 size, u32 pkru)
{
	fpu_copy_guest_fpstate_to_uabi(&fpu->guest, buf, size, fpu->guest.xfeatures, pkru);
}

int compat_fpu_from_user(struct compat_fpu *fpu, const void *buf, u32 *pkru)
{
	return fpu_copy_uabi_to_guest_fpstate(&fpu->guest, buf, offered, pkru);
}
