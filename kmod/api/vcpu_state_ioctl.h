/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctls on the state of a vCPU, and on what all vCPUs can be given. Those of
 * vCPUs are called with it locked and loaded. Semantics: docs/abyme.4.
 */
#ifndef API_VCPU_STATE_IOCTL_H
#define API_VCPU_STATE_IOCTL_H

#include <linux/compiler.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

/* vcpu_state_ioctl.c */
long vcpu_get_regs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_regs(struct vcpu *vcpu, void __user *arg);
long vcpu_get_sregs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_sregs(struct vcpu *vcpu, void __user *arg);
long vcpu_get_sregs2(struct vcpu *vcpu, void __user *arg);
long vcpu_set_sregs2(struct vcpu *vcpu, void __user *arg);
long vcpu_get_debugregs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_debugregs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_guest_debug(struct vcpu *vcpu, void __user *arg);
long vcpu_translate(struct vcpu *vcpu, void __user *arg);
/* KVM_CAP_SYNC_REGS: called before and after KVM_RUN. 0, -EINVAL. */
int state_from_run(struct vcpu *vcpu);
void state_to_run(struct vcpu *vcpu);

/* vcpu_events_ioctl.c */
struct kvm_vcpu_events;
void events_get(struct vcpu *vcpu, struct kvm_vcpu_events *e);
bool events_ok(const struct vcpu *vcpu, const struct kvm_vcpu_events *e);
int events_set(struct vcpu *vcpu, const struct kvm_vcpu_events *e);
long vcpu_get_events(struct vcpu *vcpu, void __user *arg);
long vcpu_set_events(struct vcpu *vcpu, void __user *arg);
long vcpu_get_mp_state(struct vcpu *vcpu, void __user *arg);
long vcpu_set_mp_state(struct vcpu *vcpu, void __user *arg);

/* feature_ioctl.c */
long vcpu_get_fpu(struct vcpu *vcpu, void __user *arg);
long vcpu_set_fpu(struct vcpu *vcpu, void __user *arg);
long vcpu_get_xsave(struct vcpu *vcpu, void __user *arg);
long vcpu_set_xsave(struct vcpu *vcpu, void __user *arg);
long vcpu_get_xcrs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_xcrs(struct vcpu *vcpu, void __user *arg);
long vcpu_get_msrs(struct vcpu *vcpu, void __user *arg);
long vcpu_set_msrs(struct vcpu *vcpu, void __user *arg);
long vcpu_get_one_reg(struct vcpu *vcpu, void __user *arg);
long vcpu_set_one_reg(struct vcpu *vcpu, void __user *arg);
long vcpu_get_reg_list(struct vcpu *vcpu, void __user *arg);
long vcpu_get_cpuid2(struct vcpu *vcpu, void __user *arg);
long vcpu_set_cpuid2(struct vcpu *vcpu, void __user *arg);
long vcpu_get_supported_hv_cpuid(struct vcpu *vcpu, void __user *arg);
long vcpu_enable_cap(struct vcpu *vcpu, void __user *arg);
long vcpu_setup_mce(struct vcpu *vcpu, void __user *arg);
long vcpu_set_mce(struct vcpu *vcpu, void __user *arg);
long vcpu_set_tsc_khz(void *vcpu, unsigned long khz);
long vcpu_get_tsc_khz(void *vcpu, unsigned long arg);
long vcpu_kvmclock_ctrl(void *vcpu, unsigned long arg);

long vm_get_clock(struct vm *vm, void __user *arg);
long vm_set_clock(struct vm *vm, void __user *arg);

/* attr_ioctl.c */
long sys_has_attr(void __user *arg);
long sys_get_attr(void __user *arg);
long vcpu_has_attr(struct vcpu *vcpu, void __user *arg);
long vcpu_get_attr(struct vcpu *vcpu, void __user *arg);
long vcpu_set_attr(struct vcpu *vcpu, void __user *arg);
long vm_create_device(struct vm *vm, void __user *arg);

long sys_get_supported_cpuid(void __user *arg);
long sys_get_supported_hv_cpuid(void __user *arg);
long sys_get_emulated_cpuid(void __user *arg);
long sys_get_msr_index_list(void __user *arg);
long sys_get_msr_feature_index_list(void __user *arg);
long sys_get_msrs(void __user *arg);
long sys_get_mce_cap(void __user *arg);

#endif
