// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls about interrupts. Structs and meaning are those of the KVM API;
 * above each handler is what it does and every errno it gives. -EFAULT, for an
 * argument that is not the caller's memory, and -ENOMEM, for a copy of a large
 * one, go without saying.
 *
 * KVM_SMI has no handler: SMM is not offered, so it gives -ENOTTY.
 *
 * Context: the VM's process; vm->lock is taken where something is created or
 * replaced. vCPU's handlers have it locked and loaded.
 */
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "api/ioctl.h"
#include "pc/chip.h"

static struct irqchip *vm_irq_chip_of(struct vm *vm)
{
	return smp_load_acquire(&vm->irqchip);
}

/* The irqchip, if it has an IOAPIC and 8259As; else NULL. */
static struct irqchip *full_chip_of(struct vm *vm)
{
	struct irqchip *chip = vm_irq_chip_of(vm);

	return chip && !chip->split ? chip : NULL;
}

static struct pit_dev *pit_of(struct vm *vm)
{
	struct irqchip *chip = vm_irq_chip_of(vm);

	return chip ? smp_load_acquire(&chip->pit) : NULL;
}

/*
 * KVM_CREATE_IRQCHIP: IOAPIC and 8259As in the kernel, a LAPIC for each vCPU
 * made from now on. GSIs 0 to 15 lead to the pin of that number of both, 16 to
 * 23 to the IOAPIC's. -EEXIST: there is one; -EINVAL: there are vCPUs already;
 * -ENOSPC: too many devices; -ENOMEM.
 */
static long vm_create_irqchip(struct vm *vm, unsigned long arg)
{
	long ret;

	mutex_lock(&vm->lock);
	ret = irqchip_create(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

static long chip_state(struct irqchip *chip, struct kvm_irqchip *state, bool set)
{
	bool slave = state->chip_id == KVM_IRQCHIP_PIC_SLAVE;

	if (!chip)
		return -ENXIO;
	switch (state->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		if (set)
			pic_set_state(chip, slave, &state->chip.pic);
		else
			pic_get_state(chip, slave, &state->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		if (set)
			ioapic_set_state(chip, &state->chip.ioapic);
		else
			ioapic_get_state(chip, &state->chip.ioapic);
		return 0;
	default: return -EINVAL;
	}
}

/*
 * KVM_GET_IRQCHIP: the state of the chip that .chip_id names: 0 and 1 the
 * 8259As, 2 the IOAPIC. -ENXIO: there's no irqchip, or a split one; -EINVAL: no such chip;
 * -ENOMEM.
 */
static long vm_get_irqchip(struct vm *vm, void *data)
{
	return chip_state(full_chip_of(vm), data, false);
}

/* KVM_SET_IRQCHIP: sets it, with the same errors. Bits that a chip lacks are dropped. */
static long vm_set_irqchip(struct vm *vm, void *data)
{
	return chip_state(full_chip_of(vm), data, true);
}

/* Without an irqchip the PIT waits for it, which cannot come once there are vCPUs. */
static long create_pit(struct vm *vm, u32 flags)
{
	if (vm->irqchip)
		return vm->irqchip->split ? -ENOENT : pit_create(vm->irqchip, flags);
	if (vm->nr_vcpus)
		return -ENXIO;
	if (vm->early_pit)
		return -EEXIST;
	vm->early_pit = EARLY_PIT | flags;
	return 0;
}

/*
 * KVM_CREATE_PIT2: an 8254 in the kernel, at GSI 0; with KVM_PIT_SPEAKER_DUMMY
 * port 0x61 too. Before KVM_CREATE_IRQCHIP (kvmtool does it in this order) it
 * comes with the irqchip. -EINVAL: unknown flags; -ENXIO: there are vCPUs and no
 * irqchip; -ENOENT: the irqchip is split; -EEXIST: there is one; -ENOSPC: too many
 * devices; -ENOMEM.
 */
static long vm_create_pit2(struct vm *vm, void *data)
{
	const struct kvm_pit_config *config = data;
	long ret;

	if (config->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	mutex_lock(&vm->lock);
	ret = create_pit(vm, config->flags);
	mutex_unlock(&vm->lock);
	return ret;
}

/* KVM_GET_PIT2: the state of the 8254. -ENXIO: there is none. */
static long vm_get_pit2(struct vm *vm, void *data)
{
	struct pit_dev *pit = pit_of(vm);

	if (!pit)
		return -ENXIO;
	pit_get_state(pit, data);
	return 0;
}

/*
 * KVM_SET_PIT2: the counterpart; a count goes on from its .count_load_time, if that is a
 * time that has passed. -ENXIO: there is none; -EINVAL: unknown flags.
 */
static long vm_set_pit2(struct vm *vm, void *data)
{
	struct pit_dev *pit = pit_of(vm);
	const struct kvm_pit_state2 *state = data;

	if (!pit)
		return -ENXIO;
	if (state->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	pit_set_state(pit, state);
	return 0;
}

/*
 * KVM_REINJECT_CONTROL: whether ticks of the PIT that the guest was late to
 * acknowledge are made up for (they are, by default). -ENXIO: there's no PIT.
 */
static long vm_reinject_control(struct vm *vm, void *data)
{
	struct pit_dev *pit = pit_of(vm);
	const struct kvm_reinject_control *control = data;

	if (!pit)
		return -ENXIO;
	pit_set_reinject(pit, control->pit_reinject);
	return 0;
}

/*
 * KVM_IRQ_LINE: asserts or lowers a GSI. A GSI that leads nowhere is no error.
 * KVM_IRQ_LINE_STATUS does the same, and .status, which the other does not give back, tells
 * what became of it: above 0 delivered, 0 coalesced with one that is pending, below 0 masked
 * or nobody's. -ENXIO: there's no irqchip.
 */
static long vm_irq_line(struct vm *vm, void *data)
{
	struct irqchip *chip = vm_irq_chip_of(vm);
	struct kvm_irq_level *level = data;

	if (!chip)
		return -ENXIO;
	level->status = irqchip_set_irq(chip, IRQ_USER, level->irq, level->level);
	return 0;
}

/* Fills *@route with the pin that @irqchip names. 0 or -EINVAL. */
static int chip_route(struct route *route, const struct kvm_irq_routing_irqchip *irqchip)
{
	u32 pin = irqchip->pin, limit = PIC_PINS / 2;

	route->chip = ROUTE_PIC;
	if (irqchip->irqchip == KVM_IRQCHIP_IOAPIC) {
		route->chip = ROUTE_IOAPIC;
		limit = IOAPIC_PINS;
	}
	if (irqchip->irqchip > KVM_IRQCHIP_IOAPIC || pin >= limit)
		return -EINVAL;
	route->pin = irqchip->irqchip == KVM_IRQCHIP_PIC_SLAVE ? pin + limit : pin;
	return 0;
}

/* With 32-bit IDs bits 31:8 of an MSI's upper address are those of the ID, and 7:0 must be 0. */
static bool msi_valid(const struct irqchip *chip, u32 address_hi)
{
	return !chip->vm->x2apic_ids || !(address_hi & 0xff);
}

static u64 msi_addr(u32 low, u32 high)
{
	return low | (u64)high << 32;
}

/* Fills *@route with what @entry says. 0 or -EINVAL. */
static int make_route(struct irqchip *chip, struct route *route,
		      const struct kvm_irq_routing_entry *entry)
{
	*route = (struct route){ .gsi = entry->gsi };
	if (entry->flags)
		return -EINVAL;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return chip->split ? -EINVAL : chip_route(route, &entry->u.irqchip);
	case KVM_IRQ_ROUTING_MSI:
		if (!msi_valid(chip, entry->u.msi.address_hi))
			return -EINVAL;
		route->chip = ROUTE_MSI;
		route->msi_addr = msi_addr(entry->u.msi.address_lo, entry->u.msi.address_hi);
		route->msi_data = entry->u.msi.data;
		return 0;
	default: return -EINVAL;
	}
}

static long set_routes(struct irqchip *chip, const struct kvm_irq_routing_entry *entries, u32 nr)
{
	struct route *routes = kvcalloc(max(nr, 1U), sizeof(*routes), GFP_KERNEL_ACCOUNT);
	long ret = 0;
	u32 i;

	if (!routes)
		return -ENOMEM;
	for (i = 0; !ret && i < nr; i++)
		ret = make_route(chip, &routes[i], &entries[i]);
	if (!ret)
		ret = irqchip_set_routing(chip, routes, nr);
	kvfree(routes);
	return ret;
}

/*
 * KVM_SET_GSI_ROUTING: replaces the whole table of GSIs. A GSI leads to at most
 * one pin of the 8259As and one of the IOAPIC, or to one MSI. -EINVAL: no
 * irqchip, a pin with a split one, more than 4096 entries, a GSI of 4096 or
 * more, nonzero flags, an unknown type, chip or pin, with 32-bit IDs bits 7:0
 * of an MSI's .address_hi, a GSI with two of a kind; -ENOMEM.
 */
static long vm_set_gsi_routing(struct vm *vm, unsigned long arg)
{
	struct kvm_irq_routing __user *user = (void __user *)arg;
	struct irqchip *chip = vm_irq_chip_of(vm);
	struct kvm_irq_routing_entry *entries;
	struct kvm_irq_routing head;
	long ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!chip || head.flags || head.nr > ROUTING_MAX_ENTRIES)
		return -EINVAL;
	if (!head.nr)
		return set_routes(chip, NULL, 0);
	entries = vmemdup_user(user->entries, head.nr * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	ret = set_routes(chip, entries, head.nr);
	kvfree(entries);
	return ret;
}

/*
 * KVM_SIGNAL_MSI: sends a message as a device would. Return: above 0: taken;
 * 0: it was pending already, or nobody took it. -EINVAL: no irqchip, nonzero
 * flags, or with 32-bit IDs bits 7:0 of .address_hi.
 */
static long vm_signal_msi(struct vm *vm, void *data)
{
	struct irqchip *chip = vm_irq_chip_of(vm);
	struct lapic_msg msg;
	const struct kvm_msi *msi = data;

	if (!chip || msi->flags || !msi_valid(chip, msi->address_hi))
		return -EINVAL;
	lapic_msg_from_msi(&msg, msi_addr(msi->address_lo, msi->address_hi), msi->data,
			   vm->x2apic_ids);
	return max(lapic_send_msg(chip, NULL, &msg), 0);
}

/*
 * KVM_IRQFD: from now on the eventfd .fd raises .gsi when it is signalled. With
 * KVM_IRQFD_FLAG_RESAMPLE the pin stays asserted until the guest's EOI, which
 * signals .resamplefd. KVM_IRQFD_FLAG_DEASSIGN ends it, and is no error if
 * there is none; so does the eventfd's end. -EINVAL: unknown flags, no irqchip,
 * resampling with a split one, GSI of 4096 or more, not an eventfd; -EBADF;
 * -EBUSY: the eventfd has a GSI already; -ENOMEM.
 */
static long vm_irqfd(struct vm *vm, void *data)
{
	struct irqchip *chip = vm_irq_chip_of(vm);
	const struct kvm_irqfd *args = data;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (!chip || args->gsi >= ROUTING_MAX_GSI)
		return -EINVAL;
	/* The EOI is for userspace's IOAPIC to see, which asks there whether the pin is up. */
	if (chip->split && (args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return irqfd_deassign(chip, args);
	return irqfd_assign(chip, args);
}

static bool ioeventfd_valid(const struct kvm_ioeventfd *args)
{
	u32 known = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
		    KVM_IOEVENTFD_FLAG_DEASSIGN;

	if (args->flags & ~known || args->addr + args->len < args->addr)
		return false;
	switch (args->len) {
	case 0: return !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	case 1:
	case 2:
	case 4:
	case 8: return true;
	default: return false;
	}
}

/*
 * KVM_IOEVENTFD: a write of .len bytes (0: of any length) at .addr, a port with
 * KVM_IOEVENTFD_FLAG_PIO, signals the eventfd .fd; with _DATAMATCH only if
 * .datamatch is written. KVM_IOEVENTFD_FLAG_DEASSIGN ends it. -EINVAL: unknown
 * flags, a length other than 0, 1, 2, 4, 8, length 0 with _DATAMATCH, a range
 * that wraps, not an eventfd; -EBADF; -EEXIST: a write would signal two;
 * -ENOENT: nothing to deassign; -ENOSPC: too many devices; -ENOMEM.
 */
static long vm_ioeventfd(struct vm *vm, void *data)
{
	const struct kvm_ioeventfd *args = data;
	long ret;

	if (!ioeventfd_valid(args))
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		ret = ioeventfd_deassign(vm, args);
	else
		ret = ioeventfd_assign(vm, args);
	mutex_unlock(&vm->lock);
	return ret;
}

/*
 * KVM_GET_LAPIC: the registers, laid out as in the xAPIC page; the ID is in
 * the high byte of its register in both modes, but for x2APIC mode with 32-bit
 * IDs. -EINVAL: there's no irqchip.
 */
static long vcpu_get_lapic(struct vcpu *vcpu, void *data)
{
	lapic_get_state(vcpu, data);
	return 0;
}

/*
 * KVM_SET_LAPIC: the counterpart; IA32_APIC_BASE, which decides the mode, comes
 * first. -EINVAL: there's no irqchip, or the ID isn't the vCPU's in x2APIC
 * mode.
 */
static long vcpu_set_lapic(struct vcpu *vcpu, void *data)
{
	return lapic_set_state(vcpu, data);
}

/*
 * KVM_SET_VAPIC_ADDR: a word of guest memory, or 0, that has TPR, the class of the
 * highest vector in service and the highest requested one while the guest runs, and
 * from which TPR is taken when it does not. -EINVAL: there's no irqchip, or no
 * writable memory.
 */
static long vcpu_set_vapic_addr(struct vcpu *vcpu, void *data)
{
	const struct kvm_vapic_addr *addr = data;

	return lapic_set_vapic_addr(vcpu, addr->vapic_addr);
}

/*
 * KVM_TPR_ACCESS_REPORTING: whether accesses to the LAPIC's TPR are told by
 * KVM_EXIT_TPR_ACCESS. -EINVAL: nonzero flags.
 */
static long vcpu_tpr_access_reporting(struct vcpu *vcpu, void *data)
{
	const struct kvm_tpr_access_ctl *ctl = data;

	if (ctl->flags)
		return -EINVAL;
	vcpu->report_tpr = ctl->enabled;
	return 0;
}

/*
 * KVM_INTERRUPT: queues the vector .irq, which the guest gets as soon as it can
 * take an interrupt of the 8259As. -EINVAL: no vector; -ENXIO: those are in the
 * kernel; -EEXIST: one is queued already.
 */
static long vcpu_interrupt(struct vcpu *vcpu, void *data)
{
	const struct kvm_interrupt *irq = data;

	if (irq->irq > 255)
		return -EINVAL;
	if (vcpu->vm->kernel_pic)
		return -ENXIO;
	if (vcpu->inject.user_irq)
		return -EEXIST;
	vcpu->inject.user_irq = USER_IRQ_VALID | irq->irq;
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* KVM_NMI: an NMI for the vCPU. No errors. */
static long vcpu_nmi(struct vcpu *vcpu, unsigned long arg)
{
	vcpu_request(vcpu, REQ_NMI);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

const struct ioctl_row irq_vm_ioctls[] = {
	IOCTL_ARG(vm, KVM_CREATE_IRQCHIP, vm_create_irqchip),
	IOCTL(vm, KVM_GET_IRQCHIP, vm_get_irqchip),
	/* The command's number says that it reads. That was a slip in the API. */
	IOCTL_LIKE(vm, KVM_SET_IRQCHIP, _IOW(KVMIO, 0x63, struct kvm_irqchip), vm_set_irqchip),
	IOCTL(vm, KVM_CREATE_PIT2, vm_create_pit2),
	IOCTL(vm, KVM_GET_PIT2, vm_get_pit2),
	IOCTL(vm, KVM_SET_PIT2, vm_set_pit2),
	/* The command's number says that there is no argument. */
	IOCTL_LIKE(vm, KVM_REINJECT_CONTROL, _IOW(KVMIO, 0x71, struct kvm_reinject_control),
		   vm_reinject_control),
	IOCTL(vm, KVM_IRQ_LINE, vm_irq_line),
	IOCTL(vm, KVM_IRQ_LINE_STATUS, vm_irq_line),
	IOCTL_ARG(vm, KVM_SET_GSI_ROUTING, vm_set_gsi_routing),
	IOCTL(vm, KVM_SIGNAL_MSI, vm_signal_msi),
	IOCTL(vm, KVM_IRQFD, vm_irqfd),
	IOCTL(vm, KVM_IOEVENTFD, vm_ioeventfd),
	{},
};

const struct ioctl_row irq_vcpu_ioctls[] = {
	IOCTL_FLAGS(vcpu, KVM_GET_LAPIC, vcpu_get_lapic, IOCTL_LAPIC),
	IOCTL_FLAGS(vcpu, KVM_SET_LAPIC, vcpu_set_lapic, IOCTL_LAPIC),
	IOCTL_FLAGS(vcpu, KVM_SET_VAPIC_ADDR, vcpu_set_vapic_addr, IOCTL_LAPIC),
	IOCTL(vcpu, KVM_TPR_ACCESS_REPORTING, vcpu_tpr_access_reporting),
	IOCTL(vcpu, KVM_INTERRUPT, vcpu_interrupt),
	IOCTL_ARG(vcpu, KVM_NMI, vcpu_nmi),
	{},
};
