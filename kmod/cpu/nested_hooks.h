/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms below nested/ ask of it. Declared here and defined there: as includes point
 * downward only, they cannot include its headers. All may be called for a vCPU that was never
 * offered VMX.
 */
#ifndef CPU_NESTED_HOOKS_H
#define CPU_NESTED_HOOKS_H

#include <vmx/types.h>

struct vm;
struct vcpu;

/*
 * VMX capability MSRs and IA32_FEATURE_CONTROL; @host: for userspace. Return: 0; -EINVAL: #GP,
 * also where VMX is not offered.
 */
int nested_msr_get(struct vcpu *vcpu, u32 index, u64 *value, bool host);
int nested_msr_set(struct vcpu *vcpu, u32 index, u64 value, bool host);
/* The value of a capability MSR of a vCPU with every CPUID feature. Return: 0; -EINVAL: none. */
int nested_feature_msr(u32 index, u64 *value);

/* CPUID was set: VMX may have come or gone. Return: 0 or -ENOMEM. */
int nested_cpuid_changed(struct vcpu *vcpu);
/* Out of VMX operation at once, as by RESET. vCPU loaded. */
void nested_leave(struct vcpu *vcpu);
void nested_free(struct vcpu *vcpu);

/* CR0 and CR4 as VMX operation restricts them. */
bool nested_cr0_valid(struct vcpu *vcpu, unsigned long cr0);
bool nested_cr4_valid(struct vcpu *vcpu, unsigned long cr4);

/* L0 ran an instruction of L2, or an iteration: a monitor trap of L1's is due. L2 is in. */
void nested_insn_done(struct vcpu *vcpu);
/* Is an interrupt that arrives while L2 runs an exit to L1, whatever L2's IF is? */
bool nested_takes_irqs(struct vcpu *vcpu);
/* L1's next VMREAD or VMWRITE is to exit. False: it would anyway. */
bool nested_unshadow(struct vcpu *vcpu);

/* Userspace has set the vCPU's TSC, or its rate. */
void nested_tsc_set(struct vcpu *vcpu);
/* The host's TSC is @delta less than it was, L1's is not. Any context. */
void nested_tsc_fell(struct vcpu *vcpu, u64 delta);

/*
 * EPT02 roots that may map L1's pages [start, end) go / the one that was filled least lately.
 * Context: vm->mem.lock held. Return: whether one went: then flush.
 */
bool ept02_unmap(struct vm *vm, u64 start_gfn, u64 end_gfn);
bool ept02_drop_oldest(struct vm *vm);

#endif
