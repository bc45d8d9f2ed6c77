/* SPDX-License-Identifier: GPL-2.0-only */
/* Model-specific registers of a vCPU. */
#ifndef CPU_MSRS_H
#define CPU_MSRS_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;

/* MSRs that the guest has in the processor itself while it runs. */
enum msr_switched {
	MSRSW_STAR,
	MSRSW_LSTAR,
	MSRSW_SYSCALL_MASK,
	MSRSW_TSC_AUX,
	MSRSW_TSX_CTRL,	 /* has no MSR of the guest's: see tsx_ctrl_of_guests() */
	NR_MSR_SWITCHED, /* written back when the thread returns to userspace */
};

#define MTRR_NR_VARIABLE 8
#define MTRR_NR_FIXED 11
#define MCE_MAX_BANKS 32

struct vcpu_msrs {
	u64 switched[NR_MSR_SWITCHED];
	u64 kernel_gs_base; /* switched at vcpu_load/put */
	u64 host_kernel_gs_base;
	bool switched_loaded;
	u64 pat; /* of the guest that runs, L1 or L2 */
	u64 misc_enable;
	u64 misc_features; /* bit 0: CPUID faults outside CPL 0 */
	u64 apic_base;
	u64 cstar;
	u64 xss;
	u64 spec_ctrl;
	u64 umwait, host_umwait;
	bool umwait_switched; /* from umwait_enter() to umwait_exit() */
	u64 mtrr_def_type;
	u64 mtrr_fixed[MTRR_NR_FIXED];
	u64 mtrr_var[2 * MTRR_NR_VARIABLE];
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 mce_banks[MCE_MAX_BANKS * 4];
	u64 tsc_adjust;
	u64 platform_info, ucode_rev, arch_capabilities;
	u64 smbase;
	u64 power_ctl;
	u64 pv_eoi;	  /* MSR_KVM_PV_EOI_EN */
	u64 poll_control; /* bit 0: L0 may poll before the vCPU sleeps in HLT */
};

/* msr_spec.c: the bits of IA32_SPEC_CTRL that the processor has, found at the module's load. */
u64 spec_ctrl_of_host(void);
void spec_ctrl_setup(void);

/* What guests run with in IA32_TSX_CTRL; 0: the processor lacks it, or the host has TSX off. */
u64 tsx_ctrl_of_guests(void);

/* msr_umwait.c: switches IA32_UMWAIT_CONTROL around an entry, interrupts off. */
void umwait_enter(struct vcpu *vcpu);
void umwait_exit(struct vcpu *vcpu);

#define MSR_OK 0
#define MSR_FAULT 1    /* the guest gets #GP */
#define MSR_UNKNOWN 2  /* #GP, as there is no such MSR */
#define MSR_FILTERED 3 /* #GP, as userspace has filtered it */

/* 0; positive: the guest gets #GP. @host: KVM_SET_MSRS and the like. May sleep. */
int msr_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int msr_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/*
 * A range of MSRs and what stands behind them. Without .read the value is .kept, or 0 where nothing
 * is. Without .write they are read-only.
 */
struct msr_row {
	u32 first, last;
	u32 flags;
	int (*read)(struct vcpu *vcpu, u32 index, bool host, u64 *value);
	int (*write)(struct vcpu *vcpu, u32 index, bool host, u64 value);
	u16 kept; /* MSR_KEPT(); 0: nowhere */
};

/* Where the value, a u64, is in struct vcpu. */
#define MSR_KEPT(member) offsetof(struct vcpu, member)

/* Rows that the LAPIC's room defines, which is above this one. They are searched first. */
extern const struct msr_row lapic_msr_rows[];
extern const int nr_lapic_msr_rows;

#define MSR_SAVED BIT(0)   /* in KVM_GET_MSR_INDEX_LIST */
#define MSR_FEATURE BIT(1) /* in KVM_GET_MSR_FEATURE_INDEX_LIST */

/* Puts the indices with @flag into @list, unless that is NULL. Return: how many there are. */
int msrs_list(u32 flag, u32 *list);
/* The value of a feature MSR that is offered, without a vCPU. 0; positive: there is none. */
int msr_feature(u32 index, u64 *value);

void msrs_init(struct vcpu *vcpu);
void msrs_reset(struct vcpu *vcpu, bool init);
/*
 * msrs_load_guest() puts the guest's MSRs into the processor before an entry. The other two are
 * called when the vCPU leaves the CPU: msrs_save_guest() saves what the guest has written, and
 * the last one, after host_restore(), loads the host's KERNEL_GS_BASE. Context: preemption off.
 */
void msrs_load_guest(struct vcpu *vcpu);
void msrs_save_guest(struct vcpu *vcpu);
void msrs_put_guest(struct vcpu *vcpu);
/* Sets one of the switched MSRs, also in the processor if it is loaded there. */
void msr_set_switched(struct vcpu *vcpu, enum msr_switched which, u64 value);
/* KERNEL_GS_BASE, from the processor if it is loaded there. Context: vCPU loaded. */
u64 msr_get_kernel_gs_base(struct vcpu *vcpu);
void msr_set_kernel_gs_base(struct vcpu *vcpu, u64 value);
/*
 * Gives this CPU the host's values back, whatever thread ran here last: before
 * VMX operation ends on the CPU, and before the module goes. Context:
 * interrupts off, or an IPI.
 */
void msrs_restore_host(void);

/* Fills vcpu->msr_bitmap: accesses that need no exit are let through. */
void msrs_init_bitmap(struct vcpu *vcpu);

/* KVM_X86_SETUP_MCE: 0, -EINVAL. */
#define MCE_CAP_SUPPORTED (BIT_ULL(8) | BIT_ULL(24)) /* MCG_CTL_P, MCG_SER_P */
int msrs_setup_mce(struct vcpu *vcpu, u64 mcg_cap);

/* KVM_X86_SET_MCE: what becomes of an error, or -EINVAL. */
enum mce_effect {
	MCE_LOGGED,
	MCE_EXCEPTION, /* the guest is due #MC */
	MCE_SHUTDOWN,  /* the guest is due #MC, and cannot take it */
};
int mce_report(struct vcpu *vcpu, const struct kvm_x86_mce *mce);

#endif
