/* SPDX-License-Identifier: GPL-2.0-only */
/* Model-specific registers of a vCPU. */
#ifndef GUEST_MSRS_H
#define GUEST_MSRS_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;

/* MSRs that the guest has in the processor itself while it runs. */
enum msr_switched {
	MSRSW_STAR,
	MSRSW_LSTAR,
	MSRSW_SYSCALL_MASK,
	MSRSW_TSC_AUX,
	NR_MSR_SWITCHED, /* written back when the thread returns to userspace */
};

struct vcpu_msrs {
	u64 switched[NR_MSR_SWITCHED];
	u64 kernel_gs_base; /* switched at vcpu_load/put */
	u64 host_kernel_gs_base;
	bool switched_loaded;
	u64 pat;
	u64 misc_enable;
	u64 apic_base;
	u64 cstar;
	u64 xss;
	u64 mtrr_def_type;
	u64 mtrr_fixed[11];
	u64 mtrr_var[16];
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 mce_banks[32 * 4];
	u64 tsc_adjust;
	u64 platform_info, ucode_rev, arch_capabilities;
	u64 smbase;
};

/* 0; 1: the guest gets #GP; -errno. @host: KVM_SET_MSRS and the like. */
int msr_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int msr_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

void msrs_init(struct vcpu *vcpu);
void msrs_reset(struct vcpu *vcpu, bool init);
/* Context: preemption off. Before the entry loop / when the vCPU leaves the CPU. */
void msrs_load_guest(struct vcpu *vcpu);
void msrs_put_guest(struct vcpu *vcpu);
/* Passes through in L1's MSR bitmap what needs no exit. */
void msrs_init_bitmap(u8 *bitmap);

#endif
