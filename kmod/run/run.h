/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_RUN. */
#ifndef RUN_RUN_H
#define RUN_RUN_H

struct vcpu;

/*
 * Runs the guest until it needs userspace. Context: vCPU locked and loaded.
 * Return: 0 with kvm_run filled, or a negative errno (-EINTR: a signal).
 */
int vcpu_run(struct vcpu *vcpu);

#endif
