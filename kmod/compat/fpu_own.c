// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's FPU in a buffer of our own: compat/fpu.h on kernels that keep
 * their functions for KVM. The buffer has the standard format of XSAVE, which
 * is also userspace's.
 *
 * What a reader must know: its legacy part, x87 and SSE, is always true,
 * whatever the header says is in use.
 */
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/fpu/api.h>

#include "compat/fpu.h"
#include "compat/msr.h"

/* The extended components that guests may be offered: AVX to PKRU. */
enum { FIRST = 2, LAST = 9 };

struct component {
	u32 size, offset;
};

static u64 offered;    /* to guests, PKRU among them */
static u32 mxcsr_mask; /* the bits of MXCSR that may be set; others make XRSTOR fault */
static size_t size;
static struct component components[LAST + 1];

/* What XSAVE and XRSTOR move. PKRU is not among it: it has a place of its own in the vCPU. */
static u64 fpu_moved(void)
{
	return offered & ~XFEATURE_MASK_PKRU;
}

static void read_components(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	for (i = FIRST; i <= LAST; i++) {
		if (!(offered & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		components[i] = (struct component){ .size = eax, .offset = ebx };
		size = max_t(size_t, size, ebx + eax);
	}
}

void compat_fpu_setup(u64 xcr0)
{
	static struct fxregs_state fx __aligned(16);

	offered = xcr0;
	size = sizeof(struct fxregs_state) + (xcr0 ? sizeof(struct xstate_header) : 0);
	read_components();
	kernel_fpu_begin();
	asm volatile("fxsave64 %0" : "=m"(fx));
	kernel_fpu_end();
	mxcsr_mask = fx.mxcsr_mask ? fx.mxcsr_mask : 0xffbf;
}

/* Whole pages are allocated, as XSAVE wants its area aligned to 64 bytes. */
int compat_fpu_alloc(struct compat_fpu *fpu)
{
	fpu->regs = alloc_pages_exact(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return fpu->regs ? 0 : -ENOMEM;
}

void compat_fpu_free(struct compat_fpu *fpu)
{
	if (fpu->regs)
		free_pages_exact(fpu->regs, size);
}

union fpregs_state *compat_fpu_regs(struct compat_fpu *fpu)
{
	return fpu->regs;
}

void compat_fpu_load(struct compat_fpu *fpu)
{
}

void compat_fpu_put(struct compat_fpu *fpu)
{
}

/* From here to compat_fpu_exit() the registers are the guest's; the task's were saved. */
void compat_fpu_enter(struct compat_fpu *fpu)
{
	kernel_fpu_begin_mask(0);
	if (offered)
		asm volatile("xrstor64 %0"
			     :
			     : "m"(*fpu->regs), "a"((u32)fpu_moved()), "d"((u32)(fpu_moved() >> 32))
			     : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m"(fpu->regs->fxsave));
}

void compat_fpu_exit(struct compat_fpu *fpu)
{
	if (offered)
		asm volatile("xsave64 %0"
			     : "+m"(*fpu->regs)
			     : "a"((u32)fpu_moved()), "d"((u32)(fpu_moved() >> 32))
			     : "memory");
	else
		asm volatile("fxsave64 %0" : "=m"(fpu->regs->fxsave));
	kernel_fpu_end();
}

static u64 *fpu_in_use(struct compat_fpu *fpu)
{
	return &fpu->regs->xsave.header.xfeatures;
}

static void *fpu_xmm(struct compat_fpu *fpu, u8 reg)
{
	return &fpu->regs->fxsave.xmm_space[4 * reg];
}

void compat_fpu_get_xmm(struct compat_fpu *fpu, u8 reg, void *value)
{
	memcpy(value, fpu_xmm(fpu, reg), 16);
}

void compat_fpu_set_xmm(struct compat_fpu *fpu, u8 reg, const void *value)
{
	memcpy(fpu_xmm(fpu, reg), value, 16);
	if (offered)
		*fpu_in_use(fpu) |= XFEATURE_MASK_SSE;
}

/* Copies the extended components in @features from one area to another. */
static void copy_components(void *to, const void *from, u64 features)
{
	int i;

	for (i = FIRST; i <= LAST; i++)
		if (features & fpu_moved() & BIT_ULL(i))
			memcpy(to + components[i].offset, from + components[i].offset,
			       components[i].size);
}

static bool pkru_offered(void)
{
	return offered & XFEATURE_MASK_PKRU;
}

static u32 *pkru_in(const void *area)
{
	return (u32 *)(area + components[LAST].offset);
}

void compat_fpu_to_user(struct compat_fpu *fpu, void *buf, u32 bytes, u32 pkru)
{
	struct xregs_state *to = buf;

	memset(buf, 0, bytes);
	memcpy(&to->i387, &fpu->regs->fxsave, sizeof(to->i387));
	if (!offered)
		return;
	to->header.xfeatures = *fpu_in_use(fpu) & fpu_moved();
	copy_components(buf, fpu->regs, to->header.xfeatures);
	if (!pkru_offered())
		return;
	/* Also a PKRU of 0: who sets a state without it keeps the one that is there. */
	to->header.xfeatures |= XFEATURE_MASK_PKRU;
	*pkru_in(buf) = pkru;
}

/* Takes x87 and SSE. What @features does not have is as after a reset. */
static void take_legacy(struct fxregs_state *to, const struct fxregs_state *from, u64 features)
{
	memset(to, 0, sizeof(*to));
	to->cwd = 0x37f;
	to->mxcsr = 0x1f80;
	if (features & XFEATURE_MASK_FP) {
		memcpy(to, from, offsetof(struct fxregs_state, mxcsr));
		memcpy(to->st_space, from->st_space, sizeof(to->st_space));
	}
	if (features & (XFEATURE_MASK_SSE | XFEATURE_MASK_YMM))
		to->mxcsr = from->mxcsr;
	if (features & XFEATURE_MASK_SSE)
		memcpy(to->xmm_space, from->xmm_space, sizeof(to->xmm_space));
}

int compat_fpu_from_user(struct compat_fpu *fpu, const void *buf, u32 *pkru)
{
	const struct xregs_state *from = buf;
	const struct xstate_header *header = &from->header;
	u64 features = offered ? header->xfeatures : XFEATURE_MASK_FP | XFEATURE_MASK_SSE;

	if (from->i387.mxcsr & ~mxcsr_mask)
		return -EINVAL;
	if (!offered) {
		take_legacy(&fpu->regs->fxsave, &from->i387, features);
		return 0;
	}
	if (features & ~offered || header->xcomp_bv ||
	    memchr_inv(header->reserved, 0, sizeof(header->reserved)))
		return -EINVAL;
	take_legacy(&fpu->regs->fxsave, &from->i387, features);
	copy_components(fpu->regs, buf, features);
	*fpu_in_use(fpu) = features & fpu_moved();
	if (features & XFEATURE_MASK_PKRU)
		*pkru = *pkru_in(buf);
	return 0;
}
