// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV to and from control registers, CLTS, LMSW, XSETBV. What is allowed and
 * what follows is in cpu/regs.c.
 *
 * What a reader must know: only the bits that the guest does not own come here
 * (CR0_OWNABLE), and CR3 only where PAE paging or L1 wants it.
 */
#include <linux/kvm.h>
#include <vmx/info.h>

#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "pc/irqchip.h"
#include "run/exits.h"

/* Ends the instruction. @result: what regs_write_*() answered, with 1 for #GP. */
static int exit_cr_done(struct vcpu *vcpu, int result)
{
	switch (result) {
	case 0: return vcpu_skip_insn(vcpu);
	case 1: return inject_gp(vcpu);
	case -EAGAIN: /* the guest executes it once more, or L1 is owed an exit of L2 */
	case -EINTR: return 1;
	default: return result;
	}
}

/* The instruction is ended first, as userspace may look at the registers. */
static int write_cr8(struct vcpu *vcpu, unsigned long value)
{
	int r;

	if (value & ~0xful)
		return exit_cr_done(vcpu, 1);
	r = vcpu_skip_insn(vcpu);
	if (vcpu->lapic) {
		lapic_set_tpr(vcpu, value);
		return r;
	}
	if (value >= vcpu->run->cr8) {
		vcpu->run->cr8 = value;
		return r;
	}
	/* With a lower TPR userspace's LAPIC may have an interrupt to deliver. */
	vcpu->run->cr8 = value;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return 0;
}

static int mov_to_cr(struct vcpu *vcpu, int cr, unsigned long value)
{
	if (!vcpu_64bit(vcpu))
		value = (u32)value;
	switch (cr) {
	case 0: return exit_cr_done(vcpu, regs_write_cr0(vcpu, value));
	case 3: return exit_cr_done(vcpu, regs_write_cr3(vcpu, value));
	case 4: return exit_cr_done(vcpu, regs_write_cr4(vcpu, value));
	case 8: return write_cr8(vcpu, value);
	}
	return exit_unexpected(vcpu);
}

/* CR0 and CR4 never exit on a read: the shadow answers. */
static int mov_from_cr(struct vcpu *vcpu, int cr, enum gpr gpr)
{
	unsigned long value;

	if (cr == 3)
		value = vcpu_cr3(vcpu);
	else if (cr == 8)
		value = vcpu->lapic ? lapic_get_tpr(vcpu) : vcpu->run->cr8;
	else
		return exit_unexpected(vcpu);
	vcpu_set_gpr(vcpu, gpr, value);
	return vcpu_skip_insn(vcpu);
}

/* LMSW writes the four low bits of CR0, but cannot clear PE. SDM: "LMSW". */
static unsigned long exit_cr_lmsw(unsigned long cr0, u64 qual)
{
	u64 source = CRQ_LMSW_DATA(qual);

	return (cr0 & ~(CR0_MP | CR0_EM | CR0_TS)) | (source & (CR0_PE | CR0_MP | CR0_EM | CR0_TS));
}

int exit_cr_access(struct vcpu *vcpu)
{
	u64 qual = vcpu_exit_qual(vcpu);

	switch (CRQ_TYPE(qual)) {
	case CRQ_TYPE_TO_CR: return mov_to_cr(vcpu, CRQ_NUM(qual), vcpu_gpr(vcpu, CRQ_GPR(qual)));
	case CRQ_TYPE_FROM_CR: return mov_from_cr(vcpu, CRQ_NUM(qual), CRQ_GPR(qual));
	case CRQ_TYPE_CLTS:
		return exit_cr_done(vcpu, regs_write_cr0(vcpu, vcpu_cr0(vcpu) & ~CR0_TS));
	default:
		return exit_cr_done(vcpu, regs_write_cr0(vcpu, exit_cr_lmsw(vcpu_cr0(vcpu), qual)));
	}
}

int exit_xsetbv(struct vcpu *vcpu)
{
	u32 index = vcpu->gpr[GPR_RCX];

	return exit_cr_done(vcpu, vcpu_cpl(vcpu) || fpu_set_xcr(vcpu, index, vcpu_edx_eax(vcpu)));
}
