/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUID of a vCPU, and what of it L0 asks often. */
#ifndef GUEST_CPUID_H
#define GUEST_CPUID_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

#define CPUID_MAX_ENTRIES 256

struct vcpu_cpuid {
	int count;
	struct kvm_cpuid_entry2 *entry;
	/* Derived when the table is set. */
	bool vmx; /* CPUID.1:ECX.VMX: the vCPU may nest */
	bool x2apic;
	bool tsc_deadline;
	bool xsaves;
	u8 maxphyaddr;
	unsigned long cr4_reserved; /* CR4 bits that fault */
	u64 efer_reserved;
	u64 xcr0_supported;
	u64 xss_supported;
};

const struct kvm_cpuid_entry2 *cpuid_find(struct vcpu *vcpu, u32 function, u32 index);
/* KVM_SET_CPUID2 / KVM_GET_CPUID2; @entries in kernel memory. 0 or -errno. */
int cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count);
void cpuid_free(struct vcpu *vcpu);
/* What this module can offer on this processor; sets *count. 0, -E2BIG. */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, int *count);
/* The instruction: in and out in the four registers. */
void cpuid_execute(struct vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

#endif
