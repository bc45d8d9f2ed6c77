/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms below nested/ ask of it. Declared here and defined there: as includes point
 * downward only, they cannot include its headers. All may be called for a vCPU that was never
 * offered VMX, but for those that say otherwise.
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

/* What a vCPU with VMX in its CPUID has, before that is set. Return: 0 or -ENOMEM. */
int nested_reserve(struct vcpu *vcpu);
/* CPUID was set: VMX may have come, if it was reserved, or gone. */
void nested_cpuid_changed(struct vcpu *vcpu);
/* Leaves VMX operation at once, as RESET does. Context: vCPU loaded. */
void nested_leave(struct vcpu *vcpu);
/* Frees all that nesting has taken for the vCPU, which nobody runs any more. */
void nested_free(struct vcpu *vcpu);

/* Does VMX operation, if the vCPU is in it, allow L1 or L2 this CR0, this CR4? */
bool nested_cr0_valid(struct vcpu *vcpu, unsigned long cr0);
bool nested_cr4_valid(struct vcpu *vcpu, unsigned long cr4);

/*
 * Called when L0 has executed an instruction of L2, or an iteration of a REP: if L1 has set the
 * monitor trap flag it is due an exit. Only while vcpu->in_l2.
 */
void nested_insn_done(struct vcpu *vcpu);
/* Does L2 run, and do interrupts exit to L1, whatever L2's IF is? */
bool nested_takes_irqs(struct vcpu *vcpu);
/*
 * Turns VMCS shadowing off, so that L1's next VMREAD or VMWRITE exits; that one turns it on again.
 * Only with vcpu->nested. Return: false: shadowing was off.
 */
bool nested_unshadow(struct vcpu *vcpu);

/* A debugger has come, gone, or changed its breakpoints: those of the level that does not run, too. */
void nested_debug_changed(struct vcpu *vcpu);

/* Userspace has set the vCPU's TSC, or its rate. */
void nested_tsc_set(struct vcpu *vcpu);
/* The host's TSC is @delta less than it was, L1's is not. Any context. */
void nested_tsc_fell(struct vcpu *vcpu, u64 delta);

/*
 * Empty EPT02 roots: all that may map a page of L1's in [start_gfn, end_gfn); or the one root of
 * the VM that has gone longest without being given a page. Context: vm->mem.lock held. Return:
 * was a root emptied? Then the caller flushes.
 */
bool ept02_unmap(struct vm *vm, u64 start_gfn, u64 end_gfn);
bool ept02_drop_oldest(struct vm *vm);

#endif
