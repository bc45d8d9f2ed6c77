/* SPDX-License-Identifier: GPL-2.0-only */
/* Time: TSC offset and scaling, kvmclock, steal time. */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <linux/spinlock.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

struct vm_clock {
	raw_spinlock_t lock;
	s64 offset_ns; /* kvmclock = boottime + offset */
	u64 last_write_ns, last_write_tsc; /* to keep the TSCs of vCPUs in step */
	u64 last_offset;
	u64 wall_clock_msr;
};

struct vcpu_clock {
	u64 tsc_offset; /* guest TSC = (host TSC * ratio) + offset */
	u64 tsc_ratio; /* 48-bit fraction; 1 << 48 when not scaled */
	u32 tsc_khz; /* the guest's */
	u64 system_time_msr;
	u64 steal_time_msr;
	u64 steal_last;
};

void clock_init_vm(struct vm *vm);
void clock_init_vcpu(struct vcpu *vcpu);
u64 clock_guest_tsc(struct vcpu *vcpu, u64 host_tsc);
void clock_write_tsc(struct vcpu *vcpu, u64 value, bool host);
/* Takes REQ_CLOCK_UPDATE: writes the kvmclock page. May sleep. */
void clock_update(struct vcpu *vcpu);

#endif
