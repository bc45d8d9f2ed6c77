/* SPDX-License-Identifier: GPL-2.0-only */
/* State of a vCPU that ioctls and kvm_run share. Context: the vCPU locked and loaded. */
#ifndef API_VCPU_STATE_H
#define API_VCPU_STATE_H

#include <vmx/types.h>

struct kvm_vcpu_events;
struct vcpu;

/* KVM_CAP_SYNC_REGS: called before and after KVM_RUN. 0, -EINVAL. */
int state_from_run(struct vcpu *vcpu);
void state_to_run(struct vcpu *vcpu);
/* An MSR of the guest that runs, for userspace; answers as msr_write(). */
int vcpu_msr_set(struct vcpu *vcpu, u32 index, u64 value);

/* Acts on INIT and SIPI that wait, as KVM_RUN would: then the saved state has their effect. */
void events_settle(struct vcpu *vcpu);
void events_get(struct vcpu *vcpu, struct kvm_vcpu_events *e);
/* Would events_set() accept @e? */
bool events_ok(const struct vcpu *vcpu, const struct kvm_vcpu_events *e);
/* 0, -EINVAL: nothing was set. */
int events_set(struct vcpu *vcpu, const struct kvm_vcpu_events *e);

#endif
