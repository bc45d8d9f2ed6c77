/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers in the kernel, as the layers above see them.
 * "Vector" is 0 to 255, and -1 stands for none.
 */
#ifndef PC_IRQCHIP_H
#define PC_IRQCHIP_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

/*
 * KVM_CREATE_IRQCHIP: PIC, IOAPIC, default routing. Context: vm->lock held, no
 * vCPU yet. 0, -EEXIST, -EINVAL: there are vCPUs, -ENOSPC, -ENOMEM.
 */
int irqchip_create(struct vm *vm);
/*
 * KVM_CAP_SPLIT_IRQCHIP: LAPICs alone, and routes of messages; GSIs below @pins
 * are those of userspace's IOAPIC. Context: as above. 0, -EINVAL: too many pins;
 * -EEXIST: there is an irqchip, a vCPU, or a PIT to come; -ENOMEM.
 */
int irqchip_create_split(struct vm *vm, u64 pins);
/*
 * The VM ends: nothing runs any more, vCPUs and buses still exist. Stops all
 * timers and frees the LAPICs too. May sleep.
 */
void irqchip_destroy(struct vm *vm);
/* The VM's fd was closed: irqfds go at once, though vCPUs may live on. May sleep. */
void irqchip_release_fds(struct vm *vm);

/* A LAPIC for a new vCPU of a VM that has an irqchip, as after power-up. 0, -ENOMEM. */
int lapic_create(struct vcpu *vcpu);
void lapic_free(struct vcpu *vcpu); /* of a vCPU that was never published */
/* MSR_IA32_APICBASE, kept in vcpu->msrs.apic_base. 0, or 1: #GP. */
bool lapic_base_ok(const struct vcpu *vcpu, u64 value, bool host);
int lapic_set_base(struct vcpu *vcpu, u64 value, bool host);
/* The TPR, in CR8's format. Without a LAPIC it is kvm_run's. */
u64 lapic_get_tpr(struct vcpu *vcpu);
void lapic_set_tpr(struct vcpu *vcpu, u64 cr8);
/* MSRs 0x800 to 0x8ff. Neither sleeps; interrupts may be off. */
int lapic_x2apic_read(struct vcpu *vcpu, u32 msr, u64 *value); /* 0, or 1: #GP */
int lapic_x2apic_write(struct vcpu *vcpu, u32 msr, u64 value);
/* EOI, ICR, TPR by Hyper-V's MSRs, in xAPIC and x2APIC mode alike. 0, or 1: #GP */
int lapic_synthetic_read(struct vcpu *vcpu, u32 msr, u64 *value);
int lapic_synthetic_write(struct vcpu *vcpu, u32 msr, u64 value);
u64 lapic_get_tsc_deadline(struct vcpu *vcpu);
void lapic_set_tsc_deadline(struct vcpu *vcpu, u64 value);

/*
 * An interrupt that the vCPU would take now if IF and shadows allow: its vector, or a number below
 * 0, of which irq_held() makes the class that TPR holds back; 0: it holds none. That may be one
 * that KVM_INTERRUPT queued. Interrupts may be off.
 */
int irq_pending(struct vcpu *vcpu);
static inline u8 irq_held(int irq)
{
	return irq < 0 ? ~irq : 0;
}
/* Takes it, so that it is in service. The vector, or -1 if it is gone. Interrupts may be off. */
int irq_ack(struct vcpu *vcpu);
/* Is the LAPIC's @vector what irq_ack() would take? Interrupts may be off. */
bool lapic_is_next(struct vcpu *vcpu, u8 vector);
/* Takes what the LAPIC has next and ends it at once. The caller has seen that there is one. */
void lapic_take_and_end(struct vcpu *vcpu);
/* May interrupts come by KVM_INTERRUPT, and does the vCPU listen to them? */
bool irq_user_may_raise(struct vcpu *vcpu);
/* Would the guest take an interrupt of KVM_INTERRUPT's now? vCPU loaded. */
bool irq_window_open(struct vcpu *vcpu);
/* Called at the end of KVM_RUN: fills in what kvm_run tells of interrupts. vCPU loaded. */
void irq_state_to_run(struct vcpu *vcpu);
/*
 * Acts on INIT and SIPI that wait: resets the vCPU, moves its mp_state. vCPU
 * loaded.
 * Return: 1: go on; 0: the vCPU still waits for one.
 */
int lapic_accept_events(struct vcpu *vcpu);
bool lapic_has_events(struct vcpu *vcpu); /* INIT or SIPI latched */
bool lapic_has_init(struct vcpu *vcpu);
bool lapic_has_sipi(struct vcpu *vcpu);
/* Takes such an event for nested/, which makes it an exit for L1. False or -1: there is none. */
bool lapic_take_init(struct vcpu *vcpu);
int lapic_take_sipi(struct vcpu *vcpu); /* the vector */
void lapic_latch_sipi(struct vcpu *vcpu, u8 vector);
u8 lapic_sipi_vector(const struct vcpu *vcpu); /* of the SIPI that is latched */
void lapic_latch_init(struct vcpu *vcpu, bool latched);
/*
 * Arms the TSC deadline anew if the guest's TSC has jumped since, which a comparison tells.
 * During KVM_RUN timers need nothing else: their callbacks deliver.
 */
void lapic_timer_sync(struct vcpu *vcpu);
/* KVM_RUN begins, and ends. A timer that expires outside of KVM_RUN is delivered by the next. */
void lapic_timer_attend(struct vcpu *vcpu);
void lapic_timer_leave(struct vcpu *vcpu);

/*
 * State that the LAPIC and its guest exchange through guest memory. While
 * vcpu->lapic_shares is not 0, lapic_share() is called before each entry, and lapic_unshare()
 * after each exit, or when the entry was given up. Both may sleep; vCPU loaded.
 */
#define LAPIC_SHARES_TPR BIT(0) /* KVM_SET_VAPIC_ADDR */
#define LAPIC_SHARES_EOI BIT(1) /* MSR_KVM_PV_EOI_EN, or Hyper-V's VP assist page */

/* May the guest have ended an interrupt by writing to its memory? */
bool lapic_shares_eoi(const struct vcpu *vcpu);
/* Has lapic_share() something to do before an entry to L1? */
bool lapic_share_due(const struct vcpu *vcpu);
void lapic_share(struct vcpu *vcpu);
void lapic_unshare(struct vcpu *vcpu);
/* KVM_SET_VAPIC_ADDR; 0 ends it. 0, or -EINVAL: the guest has no such memory. */
int lapic_set_vapic_addr(struct vcpu *vcpu, u64 gpa);
/* MSR_KVM_PV_EOI_EN, kept in vcpu->msrs.pv_eoi. 0, or 1: #GP. */
int lapic_set_pv_eoi(struct vcpu *vcpu, u64 value);
/* Hyper-V's VP assist page, kept in vcpu->hyperv.assist. 0, or 1: #GP. */
int lapic_set_vp_assist(struct vcpu *vcpu, bool host, u64 value);
/* The requests that end in an exit to userspace: 0 and kvm_run is filled, or 1: go on. */
#define LAPIC_USER_REQUESTS (BIT(REQ_TPR_ACCESS) | BIT(REQ_IOAPIC_EOI))
int lapic_tell_user(struct vcpu *vcpu);

/* KVM_GET_LAPIC, KVM_SET_LAPIC: the latter gives 0 or -EINVAL. vCPU locked, has a LAPIC. */
void lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *state);
int lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *state);

#endif
