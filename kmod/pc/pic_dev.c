// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8259As as devices: their ports, their pins, and their output, which leads
 * to LINT0 of the LAPICs.
 *
 * It owns .pic_lock around the registers of pic.c. irqchip.c calls it for pins
 * and for acknowledgements, the bus for port accesses.
 *
 * What a reader must know: what an access changed is collected in a struct
 * pic_effect and told to others after the lock was given back, as they may come
 * back with another change of a pin.
 */
#include "pc/chip.h"

/*
 * INTR rose. The first LAPIC whose LINT0 passes ExtINT takes it. LAPICs before that one, with
 * another mode in LINT0, get what that says. Context: any but NMI.
 */
static void notify_lapics(struct irqchip *chip)
{
	int i, count;

	rcu_read_lock();
	count = READ_ONCE(chip->nr_lapics);
	for (i = 0; i < count; i++) {
		struct lapic *lapic = READ_ONCE(chip->lapic[i]);

		if (!lapic)
			continue;
		if (lapic_accepts_extint(&lapic->regs)) {
			vcpu_request(lapic->vcpu, REQ_EVENT);
			vcpu_kick(lapic->vcpu);
			break;
		}
		/* LINT0 may be an NMI or a fixed interrupt: Linux's old watchdog used that. */
		lapic_deliver_lvt(lapic, LVT_LINT0);
	}
	rcu_read_unlock();
}

static void notify_pins(struct irqchip *chip, const struct pic_effect *effect)
{
	unsigned long pins = effect->acked;
	unsigned int pin;

	for_each_set_bit(pin, &pins, PIC_PINS)
		irqchip_pin_acked(chip, ROUTE_PIC, pin);
	pins = effect->remasked;
	for_each_set_bit(pin, &pins, PIC_PINS)
		irqchip_pin_remasked(chip, ROUTE_PIC, pin);
}

/* Tells what an access changed to all whom it concerns. Context: no lock held. */
static void pic_notify(struct irqchip *chip, bool output_before, const struct pic_effect *effect)
{
	if (unlikely(effect->acked | effect->remasked))
		notify_pins(chip, effect);
	if (!output_before && pic_has_irq(chip))
		notify_lapics(chip);
}

int pic_set_irq(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level)
{
	unsigned long flags;
	bool before;
	int ret;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	before = chip->pic.output;
	ret = pic_set_pin(&chip->pic, pin, source, level);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	if (!before && pic_has_irq(chip))
		notify_lapics(chip);
	return ret;
}

/*
 * INTR may have fallen since somebody saw it: it is looked at again with the
 * lock held.
 */
int pic_peek_irq(struct irqchip *chip)
{
	unsigned long flags;
	int vector;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	vector = chip->pic.output ? pic_peek(&chip->pic) : -1;
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	return vector;
}

int pic_ack_irq(struct irqchip *chip)
{
	struct pic_effect effect = {};
	unsigned long flags;
	int vector = -1;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	if (chip->pic.output)
		vector = pic_ack(&chip->pic, &effect);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	pic_notify(chip, true, &effect);
	return vector;
}

static struct irqchip *pic_chip_of(struct vcpu *vcpu)
{
	return vcpu->vm->irqchip;
}

/*
 * Ports are 8 bits wide: what a wider access reads beyond is 0, and what it
 * writes there is lost.
 */
static int pic_port_read(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len, void *data)
{
	struct irqchip *chip = pic_chip_of(vcpu);
	struct pic_effect effect = {};
	unsigned long flags;
	bool before;

	memset(data, 0, len);
	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	before = chip->pic.output;
	*(u8 *)data = pic_read(&chip->pic, addr, &effect);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	pic_notify(chip, before, &effect);
	return 0;
}

static int pic_port_write(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
			  const void *data)
{
	struct irqchip *chip = pic_chip_of(vcpu);
	struct pic_effect effect = {};
	unsigned long flags;
	bool before;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	before = chip->pic.output;
	pic_write(&chip->pic, addr, *(const u8 *)data, &effect);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	pic_notify(chip, before, &effect);
	return 0;
}

static const struct bus_ops pic_ops = { .read = pic_port_read, .write = pic_port_write };
static const u16 first_ports[] = { 0x20, 0xa0, 0x4d0 };

void pic_destroy(struct irqchip *chip)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(first_ports); i++)
		bus_remove(chip->vm, BUS_PIO, &chip->pic_ports[i]);
}

int pic_create(struct irqchip *chip)
{
	int i, ret;

	BUILD_BUG_ON(sizeof(struct pic_chip) != sizeof(struct kvm_pic_state));
	pic_init(&chip->pic);
	for (i = 0; i < ARRAY_SIZE(first_ports); i++) {
		chip->pic_ports[i] = (struct bus_device){
			.ops = &pic_ops,
			.addr = first_ports[i],
			.len = 2,
		};
		ret = bus_add(chip->vm, BUS_PIO, &chip->pic_ports[i]);
		if (ret) {
			pic_destroy(chip);
			return ret;
		}
	}
	return 0;
}

void pic_get_state(struct irqchip *chip, int i, struct kvm_pic_state *state)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	memcpy(state, &chip->pic.chip[i], sizeof(*state));
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
}

void pic_set_state(struct irqchip *chip, int i, const struct kvm_pic_state *state)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	memcpy(&chip->pic.chip[i], state, sizeof(*state));
	pic_loaded(&chip->pic);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	if (pic_has_irq(chip))
		notify_lapics(chip);
}
