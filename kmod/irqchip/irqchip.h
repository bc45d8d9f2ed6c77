/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers in the kernel, as the layers above see them.
 */
#ifndef IRQCHIP_IRQCHIP_H
#define IRQCHIP_IRQCHIP_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

/* KVM_CREATE_IRQCHIP: PIC, IOAPIC, default routing. Before any vCPU. 0 or -errno. */
int irqchip_create(struct vm *vm);
void irqchip_destroy(struct vm *vm);

/* A LAPIC for a new vCPU of a VM that has an irqchip. */
int lapic_create(struct vcpu *vcpu);
void lapic_free(struct vcpu *vcpu);
void lapic_reset(struct vcpu *vcpu, bool init);
/* MSR_IA32_APICBASE. 0, or 1: #GP. */
int lapic_set_base(struct vcpu *vcpu, u64 value, bool host);
u64 lapic_get_tpr(struct vcpu *vcpu); /* as CR8 */
void lapic_set_tpr(struct vcpu *vcpu, u64 cr8);
int lapic_x2apic_read(struct vcpu *vcpu, u32 msr, u64 *value); /* 0, or 1: #GP */
int lapic_x2apic_write(struct vcpu *vcpu, u32 msr, u64 value);
u64 lapic_get_tsc_deadline(struct vcpu *vcpu);
void lapic_set_tsc_deadline(struct vcpu *vcpu, u64 value);

/* An interrupt that the vCPU would take now if IF and shadows allow: vector or -1. */
int irq_pending(struct vcpu *vcpu);
/* Take it: it becomes in service. The vector, or -1 if it is gone. */
int irq_ack(struct vcpu *vcpu);
/*
 * INIT and SIPI that wait. Moves the vCPU's mp_state; resets it. vCPU loaded.
 * Return: 1 go on, 0 still waiting.
 */
int lapic_accept_events(struct vcpu *vcpu);
bool lapic_has_events(struct vcpu *vcpu); /* INIT or SIPI latched */
void lapic_timer_sync(struct vcpu *vcpu); /* expired timers become pending interrupts */

#endif
