/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the irqchip share among themselves: struct irqchip, its
 * LAPICs, and the functions by which a chip reaches another. The layers above
 * use pc/irqchip.h and never see this file.
 *
 * Locks, outermost first. None of them is held over a call into the vCPU's
 * thread.
 *   vm->lock                    ioctls that create or replace something
 *   .lock (mutex)               writers of routing, lists of irqfds
 *   pit.lock (mutex)            registers of the PIT
 *   pit.tick_lock (raw)         a tick of the PIT while its pin goes up and down
 *   .pic_lock, .ioapic_lock     (raw, innermost) registers of the chips
 *
 * Messages to LAPICs need no lock: IRR takes atomic operations, and LAPICs are
 * looked up under rcu_read_lock(). So an interrupt can be raised in any context
 * but NMI. Acknowledging one may signal an eventfd, whose lock sleeps on a
 * realtime kernel, so that no raw lock is held then.
 */
#ifndef PC_CHIP_H
#define PC_CHIP_H

#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "cpu/vcpu.h"
#include "pc/ioapic_regs.h"
#include "pc/irqchip.h"
#include "pc/lapic_regs.h"
#include "pc/pic.h"
#include "pc/pit.h"
#include "pc/routing.h"

struct irqchip;

/* Who asserts a pin. Wired-OR: the pin is high as long as one of them asserts it. */
enum irq_source {
	IRQ_USER = BIT(0),     /* KVM_IRQ_LINE, irqfds */
	IRQ_RESAMPLE = BIT(1), /* irqfds with a resamplefd */
	IRQ_PIT = BIT(2),
};

enum lapic_event { LAPIC_EVENT_INIT, LAPIC_EVENT_SIPI };

/*
 * A vCPU's LAPIC. Its registers belong to the vCPU's thread, except where
 * lapic_regs.h says that others add to them.
 */
struct lapic {
	struct lapic_regs regs;
	struct vcpu *vcpu;
	struct irqchip *chip;
	u64 base;	      /* where its page of registers is: a GPA */
	unsigned long events; /* BIT(enum lapic_event): arrived and not accepted yet */
	u8 sipi_vector;
	u32 lowest_count; /* lowest-priority messages taken, to take turns */

	u64 vapic_addr;	 /* a GPA by KVM_SET_VAPIC_ADDR, valid with LAPIC_SHARES_TPR */
	u8 vapic_tpr;	 /* what is there, unless the guest has changed it */
	u64 eoi_addr;	 /* a GPA, valid with LAPIC_SHARES_EOI */
	bool eoi_shared; /* the guest may have ended its interrupt by memory */
	struct {
		u64 rip;
		bool write;
	} tpr_access;			/* what REQ_TPR_ACCESS is about */
	DECLARE_BITMAP(user_eois, 256); /* REQ_IOAPIC_EOI: vectors to be told to userspace */

	/* Changed by the vCPU's thread with the timer stopped, and by the timer. */
	struct hrtimer timer;
	bool attended;	  /* KVM_RUN is at work, so that an expiry is delivered right away */
	bool timer_due;	  /* it has expired, and its interrupt is not delivered yet */
	u64 deadline;	  /* in the guest's TSC; 0: none */
	u64 armed_offset; /* of the guest's TSC, when the deadline was armed */
};

/*
 * An index of the LAPICs by destination, so that a message need not ask each of
 * them. It is only a hint: senders compare what they find with the LAPIC's
 * registers (lapic_match()), and ask everybody if the map does not help.
 */
struct lapic_map {
	bool usable;   /* if false, senders ask each LAPIC instead */
	bool all_flat; /* xAPIC LAPICs all use the flat model, no two the same bit */
	bool all_x2apic;
	struct lapic *by_id[256]; /* a LAPIC with a larger ID is found by asking each */
	struct lapic *by_flat_bit[8];
};

struct pit_dev {
	struct bus_device ports;
	struct bus_device speaker;
	struct irqchip *chip;
	bool has_speaker;
	bool hpet_legacy;  /* userspace's HPET drives GSI 0, so the PIT must not */
	struct mutex lock; /* .pit, starting and stopping .timer */
	struct pit pit;
	struct hrtimer timer;
	u64 period_ns;

	raw_spinlock_t tick_lock; /* of what is below; held while the pin goes up and down */
	bool reinject;		  /* a tick that finds the last one not acknowledged waits */
	bool acked;
	u32 missed;
};

struct irqfds {
	struct list_head items; /* irqchip.lock */
	spinlock_t lock;	/* of .dying; innermost, taken with interrupts off */
	struct list_head dying;
	struct xarray resamplers; /* by GSI, under RCU; written under irqchip.lock */
	struct work_struct reap;
	struct work_struct resample;
};

struct irqchip {
	struct vm *vm;
	struct mutex lock;
	/*
	 * KVM_CAP_SPLIT_IRQCHIP: IOAPIC, 8259As and PIT are userspace's, and there
	 * is nothing below but LAPICs, .routing, .eoi_vectors and .irqfds.
	 */
	bool split;
	u32 user_pins; /* if .split: GSIs below this are the pins of userspace's IOAPIC */

	spinlock_t map_lock; /* writers of the next three */
	struct lapic_map map;
	struct lapic *lapic[VM_MAX_VCPUS];
	int nr_lapics;

	struct routing __rcu *routing;

	raw_spinlock_t pic_lock;
	struct pic pic;
	struct bus_device pic_ports[3];

	raw_spinlock_t ioapic_lock;
	struct ioapic_regs ioapic;
	struct bus_device ioapic_dev;
	/* Vectors whose EOI the IOAPIC must be told, be it the kernel's or userspace's. */
	DECLARE_BITMAP(eoi_vectors, 256);

	struct pit_dev *pit; /* NULL: none; published with release */
	struct irqfds irqfds;
};

/* lapic_ipi.c: messages. All but lapic_map_*() may be called in any context but NMI. */
/* Return: how many vCPUs took it; 0: coalesced with a pending one; -1: nobody took it. */
int lapic_send_msg(struct irqchip *chip, struct lapic *from, const struct lapic_msg *msg);
void lapic_write_icr(struct lapic *lapic); /* regs.icr was written: send it */
/* Delivers what the LVT entry @lvt says, unless it is masked. */
void lapic_deliver_lvt(struct lapic *lapic, enum lapic_lvt lvt);
void lapic_map_update(struct irqchip *chip);
void lapic_map_add(struct irqchip *chip, struct lapic *lapic);
void lapic_map_remove(struct irqchip *chip, struct lapic *lapic);

/* lapic_timer.c: called by the vCPU's thread; may sleep, as stopping waits for the callback. */
void lapic_timer_init(struct lapic *lapic);
void lapic_timer_start(struct lapic *lapic);
/* Starts the timer with a first count of @count; later periods are whole ones. */
void lapic_timer_start_from(struct lapic *lapic, u32 count);
void lapic_timer_stop(struct lapic *lapic);
void lapic_timer_scale(struct lapic *lapic, int old_shift);
u32 lapic_timer_count(struct lapic *lapic);
/*
 * Stops the timer so that the registers can be saved: nothing expires until
 * lapic_timer_resume() or a start, and what has expired is in the registers, or
 * in .deadline.
 * @count: receives what is left of the count.
 * Return: whether there is something to resume.
 */
bool lapic_timer_pause(struct lapic *lapic, u32 *count);
void lapic_timer_resume(struct lapic *lapic);

/* lapic.c: called by the vCPU's thread. */
void lapic_new_tpr(struct lapic *lapic, u8 tpr);
void lapic_end_of_interrupt(struct lapic *lapic);
extern const struct bus_ops lapic_bus_ops;

/* split.c */
/* Recomputes .eoi_vectors from the routes of userspace's IOAPIC in @table. .lock held. */
void split_update_eoi_vectors(struct irqchip *chip, const struct routing *table);
/* The LAPIC ended one of .eoi_vectors: tells userspace if its IOAPIC may wait for it. */
void split_eoi(struct lapic *lapic, u8 vector, bool level);

/* ioapic.c */
int ioapic_create(struct irqchip *chip);
void ioapic_destroy(struct irqchip *chip);
int ioapic_set_irq(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
void ioapic_eoi_broadcast(struct irqchip *chip, u8 vector, bool level);
void ioapic_update_eoi_vectors(struct irqchip *chip); /* routing changed */
void ioapic_get_state(struct irqchip *chip, struct kvm_ioapic_state *state);
void ioapic_set_state(struct irqchip *chip, const struct kvm_ioapic_state *state);

/* pic_dev.c */
int pic_create(struct irqchip *chip);
void pic_destroy(struct irqchip *chip);
int pic_set_irq(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level);
int pic_peek_irq(struct irqchip *chip); /* the vector, or -1 */
int pic_ack_irq(struct irqchip *chip);	/* the vector, or -1 */
void pic_get_state(struct irqchip *chip, int i, struct kvm_pic_state *state);
void pic_set_state(struct irqchip *chip, int i, const struct kvm_pic_state *state);

static inline bool pic_has_irq(const struct irqchip *chip)
{
	return READ_ONCE(chip->pic.output);
}

/*
 * Does an 8259A ask, in the kernel or in userspace, and does the vCPU's LAPIC
 * pass its interrupt on? No lock is needed: INTR is one flag, and whoever
 * raises it also requests REQ_EVENT.
 */
static inline bool lapic_has_extint(const struct vcpu *vcpu)
{
	const struct lapic *lapic = vcpu->lapic;

	return unlikely(pic_has_irq(lapic->chip) || vcpu->inject.user_irq) &&
	       lapic_accepts_extint(&lapic->regs);
}

/* pit_dev.c */
int pit_create(struct irqchip *chip, u32 flags); /* vm->lock held */
void pit_destroy(struct irqchip *chip);
void pit_get_state(struct pit_dev *dev, struct kvm_pit_state2 *state);
void pit_set_state(struct pit_dev *dev, const struct kvm_pit_state2 *state);
void pit_set_reinject(struct pit_dev *dev, bool reinject);
void pit_acked(struct pit_dev *dev);
void pit_unmasked(struct pit_dev *dev); /* its pin was masked or unmasked */

/* irqchip.c */
/* Makes the message that a ROUTE_MSI route sends. */
void route_msg(struct irqchip *chip, const struct route *route, struct lapic_msg *msg);
/* Raises or lowers @gsi. Returns what KVM_IRQ_LINE_STATUS gives. Any context but NMI. */
int irqchip_set_irq(struct irqchip *chip, enum irq_source source, u32 gsi, bool level);
/* A pin was acknowledged, or its mask changed. No raw lock held. */
void irqchip_pin_acked(struct irqchip *chip, enum route_chip which, unsigned int pin);
void irqchip_pin_remasked(struct irqchip *chip, enum route_chip which, unsigned int pin);
/* Makes @routes, of @count entries, the table. May sleep. 0, -ENOMEM, -EINVAL. */
int irqchip_set_routing(struct irqchip *chip, const struct route *routes, u32 count);
/* Does an acknowledgement of @pin interest anyone? Under rcu_read_lock(). */
bool irqchip_pin_watched(struct irqchip *chip, enum route_chip which, unsigned int pin);

/* irqfd.c */
void irqfds_init(struct irqchip *chip);
void irqfds_destroy(struct irqchip *chip);
int irqfd_assign(struct irqchip *chip, const struct kvm_irqfd *args);
int irqfd_deassign(struct irqchip *chip, const struct kvm_irqfd *args);
void irqfds_acked(struct irqchip *chip, u32 gsi);
bool irqfds_watch(struct irqchip *chip, u32 gsi); /* under rcu_read_lock() */

/* ioeventfd.c: vm->lock held */
int ioeventfd_assign(struct vm *vm, const struct kvm_ioeventfd *args);
int ioeventfd_deassign(struct vm *vm, const struct kvm_ioeventfd *args);

#endif
