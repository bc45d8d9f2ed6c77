// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages on their way to LAPICs, from IPIs, MSIs and the IOAPIC,
 * and the map that finds whom they are for.
 *
 * Everything but the map's update may run in any context but NMI: messages are
 * sent by vCPUs, by irqfds with interrupts off, and by timers. There is no
 * lock; LAPICs are looked up under RCU, and a LAPIC is freed a grace period
 * after it left the map.
 *
 * What a reader must know: the map is a hint. A message trusts only what it
 * finds in a LAPIC's own registers, and asks each LAPIC if the map does not
 * help.
 */
#include <linux/rcupdate.h>

#include "pc/chip.h"

/*
 * Has @to's vCPU look for interrupts. A vCPU that sends to itself looks on its
 * own before it enters the guest; others must be woken or made to exit.
 */
static void ipi_post(struct lapic *to, const struct lapic *from)
{
	vcpu_request(to->vcpu, REQ_EVENT);
	if (to != from)
		vcpu_kick(to->vcpu);
}

static int request_from(struct lapic *to, const struct lapic *from, u8 vector, bool level)
{
	int ret = lapic_request(&to->regs, vector, level);

	/* If it was pending already the vCPU has been told by whoever made it pending. */
	if (ret > 0)
		ipi_post(to, from);
	return ret;
}

/*
 * NMIs do not go through IRR; REQ_NMI takes one, however many arrive before it
 * is seen.
 */
static void post_nmi(struct lapic *to, const struct lapic *from)
{
	vcpu_request(to->vcpu, REQ_NMI);
	ipi_post(to, from);
}

static void post_init(struct lapic *to, const struct lapic *from)
{
	/* INIT voids a SIPI that came before it and was not taken yet. */
	clear_bit(LAPIC_EVENT_SIPI, &to->events);
	set_bit(LAPIC_EVENT_INIT, &to->events);
	ipi_post(to, from);
}

static void post_sipi(struct lapic *to, const struct lapic *from, u8 vector)
{
	WRITE_ONCE(to->sipi_vector, vector);
	smp_wmb(); /* the vector before the event that speaks of it */
	set_bit(LAPIC_EVENT_SIPI, &to->events);
	ipi_post(to, from);
}

/*
 * Sets the INIT of a saved state, or clears the one that is there. A latched
 * SIPI is another field of that state, and is left alone.
 */
void lapic_latch_init(struct vcpu *vcpu, bool latched)
{
	if (latched)
		set_bit(LAPIC_EVENT_INIT, &vcpu->lapic->events);
	else
		clear_bit(LAPIC_EVENT_INIT, &vcpu->lapic->events);
}

void lapic_latch_sipi(struct vcpu *vcpu, u8 vector)
{
	post_sipi(vcpu->lapic, vcpu->lapic, vector);
}

/* Return: 1: taken; 0: coalesced with a pending one; -1: not taken. */
static int ipi_deliver(struct lapic *to, const struct lapic *from, const struct lapic_msg *msg)
{
	switch (msg->mode) {
	case DELIVER_FIXED:
	case DELIVER_LOWEST: return request_from(to, from, msg->vector, msg->level);
	case DELIVER_NMI: post_nmi(to, from); return 1;
	case DELIVER_INIT:
		if (!msg->level || msg->assert)
			post_init(to, from);
		return 1;
	case DELIVER_STARTUP: post_sipi(to, from, msg->vector); return 1;
	default: /* there is no SMM; ExtINT comes by the 8259A's own line */ return -1;
	}
}

/*
 * Collects the LAPICs of the destinations in @bits, which are indices from
 * @table on. In x2APIC mode a cluster is 16 neighbours in the map by ID.
 * @to: has room for 16.
 * Return: whether all were found and are still what the map says.
 */
static bool ipi_collect(struct lapic *const *table, unsigned long bits, const struct lapic_msg *msg,
			struct lapic **to, int *count)
{
	unsigned int i;

	*count = 0;
	for_each_set_bit(i, &bits, 16) {
		struct lapic *lapic = READ_ONCE(table[i]);

		if (!lapic || !lapic_match(&lapic->regs, msg))
			return false;
		to[(*count)++] = lapic;
	}
	return true;
}

/*
 * The map helps where all LAPICs use xAPIC's flat model, or all are in x2APIC
 * mode, where the logical ID follows from the ID. Mixtures and the cluster
 * model of xAPIC are rare: they are searched.
 */
static bool collect_logical(struct lapic_map *map, const struct lapic_msg *msg, struct lapic **to,
			    int *count)
{
	u32 first;

	if (READ_ONCE(map->all_flat))
		return msg->dest <= 0xff &&
		       ipi_collect(map->by_flat_bit, msg->dest, msg, to, count);
	if (!msg->wide)
		return false;
	first = (msg->dest >> 16) * 16;
	return READ_ONCE(map->all_x2apic) && first < ARRAY_SIZE(map->by_id) &&
	       ipi_collect(map->by_id + first, msg->dest & 0xffff, msg, to, count);
}

static bool collect_physical(struct lapic_map *map, const struct lapic_msg *msg, struct lapic **to,
			     int *count)
{
	*count = 1;
	if (msg->dest >= ARRAY_SIZE(map->by_id))
		return false;
	to[0] = READ_ONCE(map->by_id[msg->dest]);
	return to[0] && lapic_match(&to[0]->regs, msg);
}

/* Adds up what KVM_IRQ_LINE_STATUS tells: how many took it; -1 if nobody did. */
static void count_result(int *sum, int result)
{
	if (result >= 0)
		*sum = max(*sum, 0) + result;
}

/*
 * Sends by the map. LAPICs that it names are compared with their registers, so that a message
 * during an update of the map reaches no LAPIC that it is not for.
 * Return: false: the map does not help with this message, and nothing was sent.
 */
static bool send_mapped(struct irqchip *chip, struct lapic *from, const struct lapic_msg *msg,
			int *result)
{
	struct lapic *to[16];
	int i, count;

	if (msg->lowest || lapic_msg_for_all(msg) || !smp_load_acquire(&chip->map.usable))
		return false;
	if (msg->logical ? !collect_logical(&chip->map, msg, to, &count)
			 : !collect_physical(&chip->map, msg, to, &count))
		return false;
	*result = -1;
	for (i = 0; i < count; i++)
		count_result(result, ipi_deliver(to[i], from, msg));
	return true;
}

/* Shorthands leave out LAPICs that are disabled, and ask for nothing else. */
static bool ipi_concerns(struct lapic *lapic, const struct lapic *from, const struct lapic_msg *msg)
{
	switch (msg->shorthand) {
	case TO_SELF: return lapic == from;
	case TO_ALL: return lapic->regs.mode != LAPIC_DISABLED;
	case TO_OTHERS: return lapic != from && lapic->regs.mode != LAPIC_DISABLED;
	default: return lapic_match(&lapic->regs, msg);
	}
}

/*
 * For lowest-priority delivery: is @a a better choice than @b, which may be
 * NULL? The less urgent its work the better; among equals the one that was
 * chosen least often.
 */
static bool ipi_better(const struct lapic *a, const struct lapic *b)
{
	u32 ppr_a, ppr_b;

	if (!b)
		return true;
	ppr_a = lapic_ppr(&a->regs) >> 4;
	ppr_b = lapic_ppr(&b->regs) >> 4;
	if (ppr_a != ppr_b)
		return ppr_a < ppr_b;
	return (s32)(READ_ONCE(a->lowest_count) - READ_ONCE(b->lowest_count)) < 0;
}

/* A LAPIC that software has disabled takes no fixed interrupts, so it is no candidate. */
static int send_lowest(struct irqchip *chip, struct lapic *from, const struct lapic_msg *msg)
{
	struct lapic *best = NULL;
	int i, count = READ_ONCE(chip->nr_lapics);

	for (i = 0; i < count; i++) {
		struct lapic *lapic = READ_ONCE(chip->lapic[i]);

		if (lapic && lapic_sw_enabled(&lapic->regs) && ipi_concerns(lapic, from, msg) &&
		    ipi_better(lapic, best))
			best = lapic;
	}
	if (!best)
		return -1;
	WRITE_ONCE(best->lowest_count, best->lowest_count + 1);
	return ipi_deliver(best, from, msg);
}

static int send_searching(struct irqchip *chip, struct lapic *from, const struct lapic_msg *msg)
{
	int i, result = -1, count = READ_ONCE(chip->nr_lapics);

	for (i = 0; i < count; i++) {
		struct lapic *lapic = READ_ONCE(chip->lapic[i]);

		if (lapic && ipi_concerns(lapic, from, msg))
			count_result(&result, ipi_deliver(lapic, from, msg));
	}
	return result;
}

/* @from: the LAPIC that sends an IPI, or NULL for a device. */
int lapic_send_msg(struct irqchip *chip, struct lapic *from, const struct lapic_msg *msg)
{
	struct lapic_msg strict;
	int result;

	/*
	 * Whether 0xff means everybody depends on the sender's mode in an IPI.
	 * A device's message has no mode: by default everybody takes it, as in
	 * KVM. With KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK only LAPICs in xAPIC
	 * mode do.
	 */
	if (unlikely(chip->vm->x2apic_strict) && !from) {
		strict = *msg;
		strict.ff = FF_XAPICS;
		msg = &strict;
	}
	rcu_read_lock();
	if (msg->shorthand != TO_DEST || !send_mapped(chip, from, msg, &result))
		result = msg->lowest ? send_lowest(chip, from, msg)
				     : send_searching(chip, from, msg);
	rcu_read_unlock();
	return result;
}

/*
 * A vector below 16 is an error of the sender, and nothing is sent.
 * SDM: "Error Handling".
 */
void lapic_write_icr(struct lapic *lapic)
{
	struct lapic_msg msg;

	lapic_msg_from_icr(&msg, lapic->regs.icr, lapic->regs.mode == LAPIC_X2APIC);
	if (msg.vector < 16 && (msg.mode == DELIVER_FIXED || msg.mode == DELIVER_LOWEST)) {
		if (lapic_error(&lapic->regs, ERR_SEND_ILLEGAL))
			vcpu_request(lapic->vcpu, REQ_EVENT);
		return;
	}
	if (msg.shorthand == TO_SELF) {
		if (msg.mode == DELIVER_FIXED)
			ipi_deliver(lapic, lapic, &msg);
		return;
	}
	lapic_send_msg(lapic->chip, lapic, &msg);
}

void lapic_deliver_lvt(struct lapic *lapic, enum lapic_lvt lvt)
{
	u32 entry = READ_ONCE(lapic->regs.lvt[lvt]);
	struct lapic_msg msg = {
		.vector = entry,
		/* Timer and error have no such field: their interrupts are fixed. */
		.mode = lvt == LVT_TIMER || lvt == LVT_ERROR ? DELIVER_FIXED : entry >> 8 & 7,
	};

	if (entry & LVT_MASKED || lapic->regs.mode == LAPIC_DISABLED)
		return;
	ipi_deliver(lapic, NULL, &msg);
}

/* Field by field and with WRITE_ONCE(): readers look on without a lock. */
static void map_clear(struct lapic_map *map)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(map->by_id); i++)
		WRITE_ONCE(map->by_id[i], NULL);
	for (i = 0; i < ARRAY_SIZE(map->by_flat_bit); i++)
		WRITE_ONCE(map->by_flat_bit[i], NULL);
	map->all_flat = true;
	map->all_x2apic = true;
}

/*
 * Enters an xAPIC LAPIC by the bit of its logical ID. Two with one bit, or one
 * with several, are more than the map can say.
 */
static void map_flat(struct lapic_map *map, struct lapic *lapic)
{
	u32 bits = lapic->regs.ldr >> 24;

	if (lapic->regs.dfr >> 28 != 0xf)
		map->all_flat = false;
	if (!bits)
		return;
	if (!is_power_of_2(bits) || map->by_flat_bit[__ffs(bits)])
		map->all_flat = false;
	WRITE_ONCE(map->by_flat_bit[__ffs(bits)], lapic);
}

/* Return: false: two LAPICs have one ID. */
static bool map_one(struct lapic_map *map, struct lapic *lapic)
{
	u32 id = lapic->regs.id;

	if (lapic->regs.mode == LAPIC_DISABLED)
		return true;
	if (id < ARRAY_SIZE(map->by_id)) {
		if (map->by_id[id])
			return false;
		WRITE_ONCE(map->by_id[id], lapic);
	}
	if (lapic->regs.mode == LAPIC_X2APIC) {
		map->all_flat = false;
	} else {
		map->all_x2apic = false;
		map_flat(map, lapic);
	}
	return true;
}

/*
 * Makes the map anew from all LAPICs' registers, whenever an ID, a logical ID
 * or a mode changed. Rare, so a spin lock and a loop over all vCPUs do.
 * Context: a vCPU's thread or an ioctl's, not an interrupt.
 */
void lapic_map_update(struct irqchip *chip)
{
	bool usable = true;
	int i;

	spin_lock(&chip->map_lock);
	WRITE_ONCE(chip->map.usable, false);
	smp_wmb(); /* a reader that sees what follows sees that it is not usable */
	map_clear(&chip->map);
	for (i = 0; i < chip->nr_lapics; i++)
		if (chip->lapic[i])
			usable &= map_one(&chip->map, chip->lapic[i]);
	smp_store_release(&chip->map.usable, usable);
	spin_unlock(&chip->map_lock);
}

/* Takes the first free place in .lapic: a vCPU whose creation failed has left one. */
void lapic_map_add(struct irqchip *chip, struct lapic *lapic)
{
	int i;

	spin_lock(&chip->map_lock);
	for (i = 0; i < chip->nr_lapics && chip->lapic[i]; i++)
		;
	smp_store_release(&chip->lapic[i], lapic);
	if (i == chip->nr_lapics)
		WRITE_ONCE(chip->nr_lapics, i + 1);
	spin_unlock(&chip->map_lock);
	lapic_map_update(chip);
}

void lapic_map_remove(struct irqchip *chip, struct lapic *lapic)
{
	int i;

	spin_lock(&chip->map_lock);
	for (i = 0; i < chip->nr_lapics; i++)
		if (chip->lapic[i] == lapic)
			WRITE_ONCE(chip->lapic[i], NULL);
	spin_unlock(&chip->map_lock);
	lapic_map_update(chip);
	synchronize_rcu(); /* a message may have found @lapic and be on its way to it */
}
