/* SPDX-License-Identifier: GPL-2.0-only */
/* Time: TSC offset and scaling, kvmclock, steal time. */
#ifndef CPU_CLOCK_H
#define CPU_CLOCK_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

#define TSC_RATIO_SHIFT 48
#define TSC_RATIO_ONE BIT_ULL(TSC_RATIO_SHIFT)

struct vm_clock {
	raw_spinlock_t lock;
	/*
	 * kvmclock is base_ns at the host TSC base_tsc, and runs with the host's
	 * TSC; where that is unstable it is the host's boot time plus offset_ns.
	 */
	u64 base_tsc;
	s64 base_ns;
	s64 offset_ns;
	/* The TSC that was last written by userspace, to keep vCPUs in step. */
	u64 last_write_ns, last_write_tsc;
	u64 last_offset;
	u32 last_khz;
	bool written, set_by_user; /* set_by_user: to another value than the 0 of the beginning */
	u32 default_khz;	   /* of new vCPUs */
	u64 khz_ratio, khz_at;	   /* what KVM_SET_TSC_KHZ set last, and the host's TSC then */
	u64 wall_clock_msr;
	struct list_head node; /* in the list of all VMs' clocks */
};

struct vcpu_clock {
	u64 tsc_offset; /* guest TSC = (host TSC * ratio) + offset */
	u64 tsc_ratio;	/* 48-bit fraction; 1 << 48 when not scaled */
	/* While L2 runs, L1's offset and ratio for it; else 0 and TSC_RATIO_ONE. */
	u64 l2_offset, l2_ratio;
	u32 tsc_khz; /* the guest's */
	u64 system_time_msr;
	u32 version;   /* of the kvmclock page; odd while it's written */
	bool restored; /* the page in guest memory was restored: .version goes on from its own */
	bool stopped;  /* the guest is to be told, once, that it was paused */
	u64 steal_time_msr;
	u64 steal_last;		  /* what .steal_thread had waited by the last update */
	const void *steal_thread; /* not to be followed */
};

/* At the module's load and unload. Between them guests see nothing of a suspend of the host. */
void clock_setup(void);
void clock_teardown(void);

void clock_init_vm(struct vm *vm);
void clock_destroy_vm(struct vm *vm);
/* kvmclock is @ns from now on, whatever the host's TSC is. Any context. */
void clock_rebase(struct vm *vm, u64 ns);
/* Begins in step with the VM's other vCPUs. No VMCS is needed yet. */
void clock_init_vcpu(struct vcpu *vcpu);
/*
 * Writes TSC offset and multiplier into the current VMCS, if it has others. Whoever changes
 * .l2_offset, .l2_ratio or the current VMCS calls this afterwards, as the vCPU may have moved to
 * another CPU, and clock_moved() written to the VMCS, in the middle of that. vCPU loaded.
 */
void clock_write_vmcs(struct vcpu *vcpu);
/* The vCPU came to a CPU where it did not run last. Preemption off. */
void clock_moved(struct vcpu *vcpu);
/* The vCPU's thread may have waited for a CPU: notes the steal time. Preemption off. */
void clock_resumed(struct vcpu *vcpu);

/* The frequency of L1's TSC: close to the host's it is not scaled, and is the host's. */
u32 clock_guest_khz(const struct vcpu *vcpu);
/* Have all vCPUs the same TSC? */
bool clock_tscs_agree(struct vm *vm);
/* L1's TSC when the host's is @host_tsc. */
u64 clock_guest_tsc(struct vcpu *vcpu, u64 host_tsc);
/* Convert a number of ticks from one TSC to the other; @guest_ticks: below 2^41. */
u64 clock_guest_ticks(const struct vcpu *vcpu, u64 host_ticks);
u64 clock_host_ticks(const struct vcpu *vcpu, u64 guest_ticks);
/* Writes to IA32_TSC; TSC_ADJUST follows a write of the guest's. vCPU loaded. */
void clock_write_tsc(struct vcpu *vcpu, u64 value, bool host);
/* Userspace says by how much the guest's TSC is ahead of the host's scaled one. */
void clock_set_offset(struct vcpu *vcpu, u64 offset);
/* L1's TSC jumps by @delta. vCPU loaded. */
void clock_adjust_tsc(struct vcpu *vcpu, s64 delta);
/* KVM_SET_TSC_KHZ: 0; -EINVAL: the processor cannot scale to it. vCPU loaded. */
int clock_set_khz(struct vcpu *vcpu, u32 khz);
/* The frequency in kHz that a vCPU has unless told otherwise. */
u32 clock_host_khz(void);

/* REQ_CLOCK_UPDATE: writes the kvmclock page. May sleep. */
void clock_update(struct vcpu *vcpu);
/* REQ_STEAL_UPDATE: writes the steal-time record. May sleep. */
void clock_update_steal(struct vcpu *vcpu);
/* KVM_KVMCLOCK_CTRL: 0, -EINVAL without kvmclock. */
int clock_guest_stopped(struct vcpu *vcpu);
/* Writes to @gpa what Linux calls wall clock: the time of day when kvmclock was 0. */
void clock_write_wall(struct vm *vm, u64 gpa);

/* KVM_GET_CLOCK, KVM_SET_CLOCK; 0, -EINVAL. */
void clock_get(struct vm *vm, struct kvm_clock_data *out);
int clock_set(struct vm *vm, const struct kvm_clock_data *in);
/* Flags that KVM_GET_CLOCK may set, for KVM_CAP_ADJUST_CLOCK. */
u32 clock_flags(void);

/* pvclock.c. Does the host's TSC run evenly and alike on all CPUs? Then kvmclock follows it. */
bool pvclock_stable(void);

/*
 * Nanoseconds are ((ticks << shift) * mul) >> 32 at @khz; a negative shift
 * is one to the right.
 */
void pvclock_factors(u32 khz, s8 *shift, u32 *mul);

/* kvmclock was @ns at @host_tsc, and goes on from there. False: its TSC is not stable. */
bool pvclock_base(struct vm *vm, u64 *host_tsc, u64 *ns);

#endif
