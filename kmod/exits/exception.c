// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions that L0 intercepts. NMIs and machine checks were handled right after the exit. */

#include <linux/kvm.h>
#include <vmx/info.h>

#include "exits/exits.h"
#include "guest/vcpu.h"
#include "irqchip/inject.h"

int exit_exception_nmi(struct vcpu *vcpu)
{
	u32 info = vcpu->intr_info;

	if ((info & INTR_TYPE_MASK) == INTR_TYPE_NMI || (info & INTR_VECTOR) == VEC_MC)
		return 1;
	vcpu->stats.exceptions++;
	switch (info & INTR_VECTOR) {
	case VEC_DB:
		return debug_handle_db(vcpu);
	case VEC_BP:
		return debug_handle_bp(vcpu);
	case VEC_AC:
		inject_exception_err(vcpu, VEC_AC, vmread(VMCS_EXIT_INTR_ERROR));
		return 1;
	}
	return exit_unexpected(vcpu);
}
