/* SPDX-License-Identifier: GPL-2.0-only */
/* Control-flow enforcement (CET) of a vCPU: shadow stacks and indirect-branch tracking. */
#ifndef CPU_CET_H
#define CPU_CET_H

#include <vmx/types.h>

struct vcpu;

/* CET's MSRs that no VMCS has: the processor's own while the guest runs. */
enum cet_msr {
	CETM_PL0_SSP,
	CETM_PL1_SSP,
	CETM_PL2_SSP,
	NR_CETM_HOST_FIXED, /* the host does not use those above: it has the same value on all CPUs */
	CETM_PL3_SSP = NR_CETM_HOST_FIXED,
	CETM_U_CET,
	NR_CETM,
};

struct vcpu_cet {
	u64 msr[NR_CETM]; /* one value for L1 and L2: entries and exits do not change these MSRs */
	u64 host[NR_CETM];
	bool live; /* from fpu_enter() to fpu_exit(): the processor has them, .msr is old */
	bool used; /* one of the VMCS' three has ever been other than 0, in vmcs01 or vmcs02 */
};

/* Called once, at the module's load. */
void cet_setup(void);
/* Around an entry, interrupts off, with the task's FPU state where the processor has it. */
void cet_enter(struct vcpu *vcpu);
void cet_exit(struct vcpu *vcpu);
/* INIT and power-up: the current VMCS' S_CET, SSP and SSP table; the others are in struct vcpu. */
void cet_reset_vmcs(void);
/* Is CET on for the guest at its CPL, so that calls and jumps do more than the emulator does? */
bool cet_active(struct vcpu *vcpu);

/* SSP of the guest that runs. Set: 0, or -EINVAL. */
u64 cet_get_ssp(void);
int cet_set_ssp(struct vcpu *vcpu, u64 ssp);

#endif
