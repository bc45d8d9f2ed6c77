// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exit of CPUID, which always exits. Tour, stop 7. What is answered is in
 * cpu/cpuid.c. For L1 it may be called with interrupts off: exit_is_short().
 */
#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "run/exits.h"

int exit_cpuid(struct vcpu *vcpu)
{
	/* CPUID faulting: the guest's kernel has forbidden CPUID to its programs. */
	if (unlikely(vcpu->msrs.misc_features) && vcpu_cpl(vcpu)) {
		inject_gp(vcpu);
		return 1;
	}
	cpuid_execute(vcpu);
	return vcpu_skip_insn(vcpu);
}
