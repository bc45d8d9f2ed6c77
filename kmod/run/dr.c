// SPDX-License-Identifier: GPL-2.0-only
/*
 * MOV to and from debug registers, which always exits: see cpu/debug.h.
 * SDM: "MOV—Move to/from Debug Registers".
 */
#include <linux/kvm.h>
#include <uapi/asm/debugreg.h>
#include <vmx/info.h>

#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "run/exits.h"

/*
 * General detect: with DR7.GD set any access to a debug register is a #DB. So a debugger, the
 * guest's own or userspace's, learns of it. SDM: "Debug Control Register (DR7)".
 */
static bool general_detect(struct vcpu *vcpu)
{
	unsigned long dr7 = vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP ? vcpu->debug.host_dr7
									 : vcpu->debug.dr7;

	return dr7 & DEBUG_DR7_GD;
}

static int tell_access(struct vcpu *vcpu)
{
	struct kvm_debug_exit_arch *out = &vcpu->run->debug.arch;

	if (!(vcpu->debug.control & KVM_GUESTDBG_USE_HW_BP))
		return inject_db(vcpu, DBG_BD);
	out->dr6 = DBG_BD | DR6_RESERVED;
	out->dr7 = vcpu->debug.host_dr7;
	out->pc = vmread(VMCS_GUEST_CS_BASE) + vcpu_rip(vcpu);
	out->exception = VEC_DB;
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	return 0;
}

/* The order of checks is the processor's: #UD, #GP, then the debugger's fault. */
int exit_dr_access(struct vcpu *vcpu)
{
	u64 qual = vcpu_exit_qual(vcpu);
	int dr = DRQ_NUM(qual);
	enum gpr gpr = DRQ_GPR(qual);
	unsigned long value;

	/* DR4 and DR5 are other names of DR6 and DR7 only while CR4.DE is 0. */
	if ((dr == 4 || dr == 5) && (vcpu_cr4(vcpu) & CR4_DE))
		return inject_ud(vcpu);
	if (vcpu_cpl(vcpu))
		return inject_gp(vcpu);
	if (general_detect(vcpu))
		return tell_access(vcpu);
	if (qual & DRQ_FROM_DR) {
		vcpu_set_gpr(vcpu, gpr, debug_get_dr(vcpu, dr));
		return vcpu_skip_insn(vcpu);
	}
	value = vcpu_gpr(vcpu, gpr);
	if (!vcpu_64bit(vcpu))
		value = (u32)value;
	if (debug_set_dr(vcpu, dr, value))
		return inject_gp(vcpu);
	return vcpu_skip_insn(vcpu);
}
