/* SPDX-License-Identifier: GPL-2.0-only */
/* ioctls of a VM and a vCPU that are about interrupts; errors are told in vm_irq_ioctl.c. */
#ifndef API_VM_IRQ_IOCTL_H
#define API_VM_IRQ_IOCTL_H

#include <linux/compiler.h>

struct vcpu;
struct vm;

/* Context: the process of the VM, no lock held. */
long vm_create_irqchip(struct vm *vm, void __user *arg);
long vm_get_irqchip(struct vm *vm, void __user *arg);
long vm_set_irqchip(struct vm *vm, void __user *arg);
long vm_create_pit2(struct vm *vm, void __user *arg);
long vm_get_pit2(struct vm *vm, void __user *arg);
long vm_set_pit2(struct vm *vm, void __user *arg);
long vm_reinject_control(struct vm *vm, void __user *arg);
long vm_irq_line(struct vm *vm, void __user *arg);
long vm_irq_line_status(struct vm *vm, void __user *arg);
long vm_set_gsi_routing(struct vm *vm, void __user *arg);
long vm_signal_msi(struct vm *vm, void __user *arg);
long vm_irqfd(struct vm *vm, void __user *arg);
long vm_ioeventfd(struct vm *vm, void __user *arg);

/* Context: the vCPU locked and loaded. */
long vcpu_get_lapic(struct vcpu *vcpu, void __user *arg);
long vcpu_set_lapic(struct vcpu *vcpu, void __user *arg);
long vcpu_set_vapic_addr(struct vcpu *vcpu, void __user *arg);
long vcpu_tpr_access_reporting(struct vcpu *vcpu, void __user *arg);
long vcpu_interrupt(struct vcpu *vcpu, void __user *arg);
long vcpu_nmi(void *object, unsigned long arg); /* a row's function */

#endif
