// SPDX-License-Identifier: GPL-2.0-only
/*
 * The irqchip as a whole: how it is made and destroyed, how a GSI becomes
 * interrupts, and what the run loop asks before an entry.
 *
 * Interrupts come in by irqchip_set_irq() (ioctls, irqfds, the PIT), are looked
 * up in the routing table, and reach a PIC, the IOAPIC, or LAPICs directly as
 * messages. They go out by irq_pending() and irq_ack(), which the run loop
 * calls.
 *
 * What a reader must know: a VM has an irqchip before its first vCPU or never.
 * So vm->irqchip, once seen, stays until the VM ends, and a vCPU's LAPIC as
 * long as the vCPU.
 */
#include <linux/slab.h>

#include "cpu/inject.h"
#include "pc/chip.h"

static struct routing *new_routing(u32 count)
{
	return kvmalloc(routing_size(count), GFP_KERNEL_ACCOUNT);
}

/*
 * Readers of the old table may be in interrupts, so it is freed only after a
 * grace period of RCU. Context: may sleep, no lock held.
 */
static void publish_routing(struct irqchip *chip, struct routing *table)
{
	struct routing *old;

	mutex_lock(&chip->lock);
	old = rcu_replace_pointer(chip->routing, table, lockdep_is_held(&chip->lock));
	if (chip->split)
		split_update_eoi_vectors(chip, table);
	mutex_unlock(&chip->lock);
	if (old)
		synchronize_rcu();
	kvfree(old);
	if (!chip->split)
		ioapic_update_eoi_vectors(chip); /* other pins may be watched now */
}

int irqchip_set_routing(struct irqchip *chip, const struct route *routes, u32 count)
{
	struct routing *table = new_routing(count);
	int ret;

	if (!table)
		return -ENOMEM;
	ret = routing_build(table, routes, count);
	if (ret) {
		kvfree(table);
		return ret;
	}
	publish_routing(chip, table);
	return 0;
}

static int default_routing(struct irqchip *chip)
{
	struct routing *table = new_routing(ROUTING_DEFAULT_COUNT);

	if (!table)
		return -ENOMEM;
	routing_build_default(table);
	rcu_assign_pointer(chip->routing, table);
	return 0;
}

static struct irqchip *alloc_irqchip(struct vm *vm)
{
	struct irqchip *chip = kzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);

	if (!chip)
		return NULL;
	chip->vm = vm;
	mutex_init(&chip->lock);
	spin_lock_init(&chip->map_lock);
	raw_spin_lock_init(&chip->pic_lock);
	raw_spin_lock_init(&chip->ioapic_lock);
	irqfds_init(chip);
	return chip;
}

/*
 * The last step of creation: whoever sees vm->irqchip, with an acquire, sees
 * all of it.
 */
static void publish_irqchip(struct vm *vm, struct irqchip *chip)
{
	WRITE_ONCE(vm->buses.local, &lapic_bus_ops);
	smp_store_release(&vm->irqchip, chip);
}

int irqchip_create(struct vm *vm)
{
	struct irqchip *chip;
	int ret;

	if (vm->irqchip)
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	chip = alloc_irqchip(vm);
	if (!chip)
		return -ENOMEM;
	ret = default_routing(chip);
	if (ret)
		goto free_chip;
	ret = pic_create(chip);
	if (ret)
		goto free_routing;
	ret = ioapic_create(chip);
	if (ret)
		goto destroy_pic;
	if (vm->early_pit)
		ret = pit_create(chip, vm->early_pit & ~EARLY_PIT);
	if (ret)
		goto destroy_ioapic;
	WRITE_ONCE(vm->kernel_pic, true);
	publish_irqchip(vm, chip);
	return 0;

destroy_ioapic:
	ioapic_destroy(chip);
destroy_pic:
	pic_destroy(chip);
free_routing:
	kvfree(rcu_access_pointer(chip->routing));
free_chip:
	kfree(chip);
	return ret;
}

/*
 * There is no default routing: userspace sets the routes of its IOAPIC's pins
 * by KVM_SET_GSI_ROUTING, which needs a table even while it is empty.
 */
int irqchip_create_split(struct vm *vm, u64 pins)
{
	struct irqchip *chip;
	struct routing *table;

	if (pins > ROUTING_MAX_GSI)
		return -EINVAL;
	if (vm->irqchip || vm->nr_vcpus || vm->early_pit)
		return -EEXIST;
	chip = alloc_irqchip(vm);
	table = new_routing(0);
	if (!chip || !table) {
		kvfree(table);
		kfree(chip);
		return -ENOMEM;
	}
	routing_build(table, NULL, 0);
	rcu_assign_pointer(chip->routing, table);
	chip->split = true;
	chip->user_pins = pins;
	publish_irqchip(vm, chip);
	return 0;
}

/* LAPICs go before the chip, as their timers use it; the vCPUs stay. */
static void free_lapics(struct vm *vm)
{
	struct vcpu *vcpu;
	int i;

	vm_for_each_vcpu(vm, i, vcpu)
		lapic_free(vcpu);
}

/*
 * In this order: first what can still raise interrupts by itself (the PIT's
 * timer, irqfds, the LAPICs' timers), then the chips.
 */
void irqchip_destroy(struct vm *vm)
{
	struct irqchip *chip = vm->irqchip;

	if (!chip)
		return;
	pit_destroy(chip);
	irqfds_destroy(chip);
	free_lapics(vm);
	if (!chip->split) {
		ioapic_destroy(chip);
		pic_destroy(chip);
	}
	WRITE_ONCE(vm->buses.local, NULL);
	vm->irqchip = NULL;
	kvfree(rcu_access_pointer(chip->routing));
	mutex_destroy(&chip->lock);
	kfree(chip);
}

void irqchip_release_fds(struct vm *vm)
{
	struct irqchip *chip = smp_load_acquire(&vm->irqchip);

	if (chip)
		irqfds_destroy(chip);
}

void route_msg(struct irqchip *chip, const struct route *route, struct lapic_msg *msg)
{
	lapic_msg_from_msi(msg, route->msi_addr, route->msi_data, chip->vm->x2apic_ids);
}

/*
 * A message has no level: only the rise of its GSI sends it.
 * Return: as irqchip_set_irq().
 */
static int set_route(struct irqchip *chip, const struct route *route, enum irq_source source,
		     bool level)
{
	struct lapic_msg msg;

	switch (route->chip) {
	case ROUTE_PIC: return pic_set_irq(chip, route->pin, source, level);
	case ROUTE_IOAPIC: return ioapic_set_irq(chip, route->pin, source, level);
	default:
		if (!level)
			return -1;
		route_msg(chip, route, &msg);
		return lapic_send_msg(chip, NULL, &msg);
	}
}

/*
 * A GSI may lead to a PIC and to the IOAPIC at once: what they return is added
 * up, if any took it. -1: none did, as all were masked or there is no route.
 */
int irqchip_set_irq(struct irqchip *chip, enum irq_source source, u32 gsi, bool level)
{
	const struct route *route;
	u32 i, count;
	int ret, sum = -1;

	rcu_read_lock();
	route = routing_find(rcu_dereference(chip->routing), gsi, &count);
	for (i = 0; i < count; i++) {
		ret = set_route(chip, &route[i], source, level);
		if (ret >= 0)
			sum = max(sum, 0) + ret;
	}
	rcu_read_unlock();
	return sum;
}

/* Which GSI leads to @pin, or NO_GSI. Context: under rcu_read_lock(). */
static int gsi_of(struct irqchip *chip, enum route_chip which, unsigned int pin)
{
	return rcu_dereference(chip->routing)->gsi_of[which][pin];
}

/* The PIT's output is wired to GSI 0, as pit_dev.c has it. */
static bool is_pit(int gsi)
{
	return gsi == 0;
}

bool irqchip_pin_watched(struct irqchip *chip, enum route_chip which, unsigned int pin)
{
	int gsi = gsi_of(chip, which, pin);

	if (gsi == NO_GSI)
		return false;
	return (is_pit(gsi) && READ_ONCE(chip->pit)) || irqfds_watch(chip, gsi);
}

/*
 * The guest has acknowledged @pin: the PIT may send its next tick, and
 * resampling irqfds look whether their device still asks.
 */
void irqchip_pin_acked(struct irqchip *chip, enum route_chip which, unsigned int pin)
{
	struct pit_dev *pit = smp_load_acquire(&chip->pit);
	int gsi;

	rcu_read_lock();
	gsi = gsi_of(chip, which, pin);
	if (gsi != NO_GSI) {
		if (is_pit(gsi) && pit)
			pit_acked(pit);
		irqfds_acked(chip, gsi);
	}
	rcu_read_unlock();
}

/* Tells the PIT, as ticks that were sent to a masked pin are never acknowledged. */
void irqchip_pin_remasked(struct irqchip *chip, enum route_chip which, unsigned int pin)
{
	struct pit_dev *pit = smp_load_acquire(&chip->pit);
	int gsi;

	rcu_read_lock();
	gsi = gsi_of(chip, which, pin);
	rcu_read_unlock();
	if (is_pit(gsi) && pit)
		pit_unmasked(pit);
}

/* --- for the run loop --------------------------------------------------- */

/* What KVM_INTERRUPT queued: a vector with USER_IRQ_VALID, as vector 0 is one too. */
static int user_irq(const struct vcpu *vcpu)
{
	return vcpu->inject.user_irq & USER_IRQ_VALID ? (u8)vcpu->inject.user_irq : -1;
}

static int take_user_irq(struct vcpu *vcpu)
{
	int vector = user_irq(vcpu);

	vcpu->inject.user_irq = 0;
	return vector;
}

/*
 * An 8259A's interrupt goes before the LAPIC's own, without regard to
 * priorities: with ExtINT the processor responds as if there were no LAPIC, and
 * the vector is known only when it is acknowledged. SDM: "Local Vector Table".
 */
int irq_pending(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;
	int vector = -1;

	if (!lapic)
		return user_irq(vcpu);
	/* The 8259A may take back what it asked for between the two questions. */
	if (lapic_has_extint(vcpu))
		vector = lapic->chip->split ? user_irq(vcpu) : pic_peek_irq(lapic->chip);
	return vector < 0 ? lapic_pending(&lapic->regs) : vector;
}

int irq_ack(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic)
		return take_user_irq(vcpu);
	if (lapic_has_extint(vcpu))
		return lapic->chip->split ? take_user_irq(vcpu) : pic_ack_irq(lapic->chip);
	return lapic_accept(&lapic->regs);
}

/* With the 8259As in the kernel KVM_INTERRUPT has no pin to go to. */
bool irq_user_may_raise(struct vcpu *vcpu)
{
	return !vcpu->vm->kernel_pic && (!vcpu->lapic || lapic_accepts_extint(&vcpu->lapic->regs));
}

/*
 * The window is closed while anything is in delivery: userspace may then inject by
 * KVM_SET_SREGS as well, and the vCPU's state has room for one vector.
 */
bool irq_window_open(struct vcpu *vcpu)
{
	const struct vcpu_inject *in = &vcpu->inject;

	if (in->user_irq || in->irq.injected || in->nmi.injected || in->exception.injected ||
	    in->exception.pending)
		return false;
	if (vcpu->in_l2 && nested_takes_irqs(vcpu))
		return true;
	return inject_irq_allowed(vcpu);
}

void irq_state_to_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu_rflags(vcpu) & X86_EFLAGS_IF);
	run->cr8 = lapic_get_tpr(vcpu);
	run->apic_base = vcpu->msrs.apic_base;
	run->ready_for_interrupt_injection = vcpu->vm->kernel_pic ||
					     (irq_user_may_raise(vcpu) && irq_window_open(vcpu));
}
