// SPDX-License-Identifier: GPL-2.0-only
/*
 * The FPU state of a vCPU, its XCR0, IA32_XSS and PKRU, and when the processor
 * has the guest's and when the host's. Tour, stop 6.
 *
 * The run loop swaps the FPU once for each KVM_RUN, and XCR0, XSS and PKRU at
 * each entry, if they differ. Ioctls read and write the state while it is in
 * memory. compat/ knows how the kernel keeps it.
 *
 * What a reader must know: between fpu_enter() and fpu_exit() interrupts are
 * off, so that no code of the host uses the FPU with the guest's XCR0.
 */
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/special_insns.h>

#include "compat/msr.h"
#include "cpu/cet.h"
#include "cpu/cr_checks.h"
#include "cpu/fpu.h"
#include "cpu/vcpu.h"

/*
 * What a guest can be offered. Features with state that the kernel switches on
 * demand (AMX) are left out, as they need XFD in the guest as well.
 */
#define XCR0_OFFERED (XCR0_X87 | XCR0_SSE | XCR0_YMM | XCR0_AVX512 | XCR0_PKRU)

/* After FNINIT, and after power-up. */
#define FCW_INITIAL 0x37f
#define MXCSR_INITIAL 0x1f80

static u64 host_xcr0, host_xss;

void fpu_setup(void)
{
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrq(MSR_IA32_XSS, host_xss);
	compat_fpu_setup(fpu_supported_xcr0());
}

u64 fpu_supported_xcr0(void)
{
	return host_xcr0 & XCR0_OFFERED;
}

int fpu_init_vcpu(struct vcpu *vcpu)
{
	vcpu->fpu.xcr0 = XCR0_X87;
	return compat_fpu_alloc(&vcpu->fpu.state);
}

void fpu_free_vcpu(struct vcpu *vcpu)
{
	compat_fpu_free(&vcpu->fpu.state);
}

/* x87 and SSE as after FNINIT and power-up; all other components in their initial state. */
static void fpu_reset_regs(struct vcpu *vcpu)
{
	union fpregs_state *regs = compat_fpu_regs(&vcpu->fpu.state);

	memset(&regs->fxsave, 0, sizeof(regs->fxsave));
	regs->fxsave.cwd = FCW_INITIAL;
	regs->fxsave.mxcsr = MXCSR_INITIAL;
	if (host_xcr0)
		regs->xsave.header.xfeatures = 0;
}

void fpu_reset(struct vcpu *vcpu, bool init)
{
	bool loaded = vcpu->fpu.loaded;

	if (init)
		return; /* INIT leaves the FPU and XCR0 alone */
	vcpu->fpu.xcr0 = XCR0_X87;
	fpu_put_guest(vcpu);
	fpu_reset_regs(vcpu);
	vcpu->fpu.pkru = 0;
	if (loaded)
		fpu_load_guest(vcpu);
}

void fpu_load_guest(struct vcpu *vcpu)
{
	if (vcpu->fpu.loaded)
		return;
	compat_fpu_load(&vcpu->fpu.state);
	vcpu->fpu.loaded = true;
}

void fpu_put_guest(struct vcpu *vcpu)
{
	if (!vcpu->fpu.loaded)
		return;
	compat_fpu_put(&vcpu->fpu.state);
	vcpu->fpu.loaded = false;
}

static void enter_xsave(struct vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->fpu;

	fpu->xcr0_switched = fpu->xcr0 != host_xcr0;
	if (fpu->xcr0_switched)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, fpu->xcr0);
	fpu->xss_switched = vcpu->cpuid.xsaves && vcpu->msrs.xss != host_xss;
	if (fpu->xss_switched)
		wrmsrq(MSR_IA32_XSS, vcpu->msrs.xss);
}

/* The host's PKRU is the thread's own: it may differ from entry to entry. */
static void enter_pkru(struct vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->fpu;

	fpu->pkru_switched = (vcpu->cr4 & CR4_PKE) || (fpu->xcr0 & XCR0_PKRU);
	if (!fpu->pkru_switched)
		return;
	fpu->host_pkru = rdpkru();
	if (fpu->pkru != fpu->host_pkru)
		wrpkru(fpu->pkru);
}

void fpu_enter(struct vcpu *vcpu)
{
	compat_fpu_enter(&vcpu->fpu.state);
	if (vcpu->cr4 & CR4_OSXSAVE)
		enter_xsave(vcpu);
	if (cpu_feature_enabled(X86_FEATURE_OSPKE))
		enter_pkru(vcpu);
	/* Must follow the FPU: if the kernel uses CET, two of CET's MSRs are in the task's FPU state. */
	cet_enter(vcpu);
}

void fpu_exit(struct vcpu *vcpu)
{
	struct vcpu_fpu *fpu = &vcpu->fpu;

	cet_exit(vcpu);
	if (unlikely(fpu->pkru_switched)) {
		fpu->pkru_switched = false;
		fpu->pkru = rdpkru();
		if (fpu->pkru != fpu->host_pkru)
			wrpkru(fpu->host_pkru);
	}
	if (unlikely(fpu->xcr0_switched)) {
		fpu->xcr0_switched = false;
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	}
	if (unlikely(fpu->xss_switched)) {
		fpu->xss_switched = false;
		wrmsrq(MSR_IA32_XSS, host_xss);
	}
	compat_fpu_exit(&fpu->state);
}

/* SDM: "XSETBV—Set Extended Control Register". */
int fpu_set_xcr(struct vcpu *vcpu, u32 index, u64 value)
{
	if (index != XCR_XFEATURE_ENABLED_MASK || !xcr0_ok(value, vcpu->cpuid.xcr0_supported))
		return 1;
	vcpu->fpu.xcr0 = value;
	return 0;
}

void fpu_get_xsave(struct vcpu *vcpu, void *buf, u32 size)
{
	compat_fpu_to_user(&vcpu->fpu.state, buf, size, vcpu->fpu.pkru);
}

int fpu_set_xsave(struct vcpu *vcpu, const void *buf)
{
	return compat_fpu_from_user(&vcpu->fpu.state, buf, &vcpu->fpu.pkru);
}

/* Is one of @components not in its initial state? FXSAVE, without XSAVE, writes all it has. */
static bool fpu_has(const union fpregs_state *regs, u64 components)
{
	return !host_xcr0 || (regs->xsave.header.xfeatures & components);
}

static bool fpu_compacted(const union fpregs_state *regs)
{
	return host_xcr0 && (regs->xsave.header.xcomp_bv & BIT_ULL(63));
}

static void get_x87(const struct fxregs_state *fx, struct kvm_fpu *out)
{
	memcpy(out->fpr, fx->st_space, sizeof(out->fpr));
	out->fcw = fx->cwd;
	out->fsw = fx->swd;
	out->ftwx = fx->twd;
	out->last_opcode = fx->fop;
	out->last_ip = fx->rip;
	out->last_dp = fx->rdp;
}

/*
 * Of a component in its initial state memory has what was there before. MXCSR is true in the
 * standard format, whatever is in use. SDM: "Operation of XSAVEOPT", "Operation of XSAVES".
 */
void fpu_get_legacy(struct vcpu *vcpu, struct kvm_fpu *out)
{
	const union fpregs_state *regs = compat_fpu_regs(&vcpu->fpu.state);
	const struct fxregs_state *fx = &regs->fxsave;

	memset(out, 0, sizeof(*out));
	out->fcw = FCW_INITIAL;
	out->mxcsr = MXCSR_INITIAL;
	if (fpu_has(regs, XCR0_X87))
		get_x87(fx, out);
	if (!fpu_compacted(regs) || fpu_has(regs, XCR0_SSE))
		out->mxcsr = fx->mxcsr;
	if (fpu_has(regs, XCR0_SSE))
		memcpy(out->xmm, fx->xmm_space, sizeof(out->xmm));
}

void fpu_set_legacy(struct vcpu *vcpu, const struct kvm_fpu *in)
{
	union fpregs_state *regs = compat_fpu_regs(&vcpu->fpu.state);
	struct fxregs_state *fx = &regs->fxsave;

	memcpy(fx->st_space, in->fpr, sizeof(in->fpr));
	fx->cwd = in->fcw;
	fx->swd = in->fsw;
	fx->twd = in->ftwx;
	fx->fop = in->last_opcode;
	fx->rip = in->last_ip;
	fx->rdp = in->last_dp;
	/* A reserved bit in MXCSR would make the host's XRSTOR fault. */
	fx->mxcsr = in->mxcsr & 0xffff;
	memcpy(fx->xmm_space, in->xmm, sizeof(fx->xmm_space));
	if (host_xcr0)
		regs->xsave.header.xfeatures |= XCR0_X87 | XCR0_SSE;
}
