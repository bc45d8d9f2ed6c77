// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs of time: the TSC, and the paravirtual ones of kvmclock and steal time.
 * msrs.c calls it by its table; clock.c and pvclock.c do the work.
 */
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <asm/tsc.h>

#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"

int tsc_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = clock_guest_tsc(vcpu, rdtsc());
	return MSR_OK;
}

int tsc_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	clock_write_tsc(vcpu, value, host);
	return MSR_OK;
}

/* A guest's write moves its TSC. Userspace's does not, as userspace restores the TSC separately. */
int tsc_adjust_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!host)
		clock_adjust_tsc(vcpu, value - vcpu->msrs.tsc_adjust);
	vcpu->msrs.tsc_adjust = value;
	return MSR_OK;
}

int pv_clock_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW: *value = vcpu->vm->clock.wall_clock_msr; return MSR_OK;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW: *value = vcpu->clock.system_time_msr; return MSR_OK;
	case MSR_KVM_STEAL_TIME: *value = vcpu->clock.steal_time_msr; return MSR_OK;
	case MSR_KVM_POLL_CONTROL: *value = vcpu->msrs.poll_control; return MSR_OK;
	}
	return MSR_UNKNOWN;
}

/*
 * If userspace sets the MSR it restores a vCPU, and guest memory with the page. So the version
 * goes on from the one in that page.
 */
static void set_system_time(struct vcpu *vcpu, u64 value, bool host)
{
	struct vcpu_clock *c = &vcpu->clock;

	c->system_time_msr = value;
	c->version = 0;
	c->restored = host;
	if (value & KVM_MSR_ENABLED)
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

static int set_steal_time(struct vcpu *vcpu, u64 value)
{
	if (value & KVM_STEAL_RESERVED_MASK)
		return MSR_FAULT;
	vcpu->clock.steal_time_msr = value;
	vcpu->clock.steal_last = current->sched_info.run_delay;
	vcpu->clock.steal_thread = current;
	if (value & KVM_MSR_ENABLED)
		vcpu_request(vcpu, REQ_STEAL_UPDATE);
	return MSR_OK;
}

int pv_clock_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		vcpu->vm->clock.wall_clock_msr = value;
		clock_write_wall(vcpu->vm, value);
		return MSR_OK;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW: set_system_time(vcpu, value, host); return MSR_OK;
	case MSR_KVM_STEAL_TIME: return set_steal_time(vcpu, value);
	case MSR_KVM_POLL_CONTROL:
		if (value & ~1ull)
			return MSR_FAULT;
		vcpu->msrs.poll_control = value;
		return MSR_OK;
	}
	return MSR_UNKNOWN;
}
