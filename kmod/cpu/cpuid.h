/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUID of a vCPU, and what of it L0 asks often. */
#ifndef CPU_CPUID_H
#define CPU_CPUID_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

#define CPUID_MAX_ENTRIES 256

/* Leaves are found by their two highest and five lowest bits. */
#define CPUID_SLOTS 128

struct cpuid_link {
	s16 next;     /* the next entry with the same slot, or -1 */
	bool dynamic; /* some of it follows from the vCPU's present state: fill_dynamic() */
};

enum cpuid_reg { CPUID_REG_EAX, CPUID_REG_EBX, CPUID_REG_ECX, CPUID_REG_EDX };

struct vcpu_cpuid {
	int count;
	struct kvm_cpuid_entry2 *entry; /* in userspace's order */
	struct cpuid_link *link;	/* of each entry */
	s16 first[CPUID_SLOTS];
	/* Derived when the table is set. */
	bool vmx; /* CPUID.1:ECX.VMX: the vCPU may nest */
	bool x2apic;
	bool tsc_deadline;
	bool xsaves;
	bool ibpb, flush_l1d;
	bool user_wait; /* WAITPKG */
	u64 spec_ctrl;	/* bits of IA32_SPEC_CTRL that there are; 0: it is not there */
	bool shadow_stacks, branch_tracking; /* the two halves of CET */
	bool monitor;			     /* and MWAIT */
	bool hyperv;			     /* the guest is shown Hyper-V's interface */
	u8 maxphyaddr;
	unsigned long cr4_reserved; /* CR4 bits that fault */
	u64 efer_reserved;
	u64 xcr0_supported;
	u64 xss_supported;
};

/* Called once, at the module's load, after fpu_setup(). */
void cpuid_setup(void);

/* Until userspace sets a table the vCPU has no leaf, but registers may use what is supported. */
void cpuid_init(struct vcpu *vcpu);
const struct kvm_cpuid_entry2 *cpuid_find(struct vcpu *vcpu, u32 function, u32 index);
u32 cpuid_word(struct vcpu *vcpu, u32 function, u32 index, enum cpuid_reg reg); /* 0: none */
/*
 * KVM_SET_CPUID2; @entries in kernel memory. vCPU loaded. Return: 0; -E2BIG;
 * -ENOMEM; -EINVAL: an impossible address width, or another table than before
 * after the vCPU has run.
 */
int cpuid_set(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, int count);
/* KVM_GET_CPUID2: as the guest would see it now; @entries has room for .count. */
void cpuid_get(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries);
void cpuid_free(struct vcpu *vcpu);
/* The instruction: in and out in the general registers. */
void cpuid_execute(struct vcpu *vcpu);

/* What this module can offer on this processor; sets *count. 0, -E2BIG. */
int cpuid_supported(struct kvm_cpuid_entry2 *entries, int *count);
/* One register of a leaf of cpuid_supported(). */
u32 cpuid_supported_word(u32 function, u32 index, enum cpuid_reg reg);
/* The bits of IA32_XSS that a guest may be offered. */
u64 cpuid_supported_xss(void);
/* Bytes of an XSAVE area with the components @xfeatures. */
u32 cpuid_xsave_size(u64 xfeatures, bool compacted);

#endif
