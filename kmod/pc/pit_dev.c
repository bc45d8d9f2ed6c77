// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIT as a device: its ports, and channel 0's output, which is GSI 0.
 *
 * The bus calls it for port accesses, in a vCPU's thread, and a timer of L0 for
 * ticks, in a hard interrupt. dev->lock (a mutex) is for the registers;
 * tick_lock (raw) for what a tick changes.
 *
 * What a reader must know: old guests count ticks. So by default a tick that
 * comes before the guest has acknowledged the last one waits, and is sent at
 * the acknowledgement (KVM_REINJECT_CONTROL turns that off).
 */
#include <linux/slab.h>

#include "compat/compat.h"
#include "pc/chip.h"

#define PIT_GSI 0
#define PIT_PORT 0x40
#define SPEAKER_PORT 0x61

#define PERIOD_MIN_NS 100000 /* a guest's wish must not drown L0 in timers */
#define MISSED_MAX 10000     /* a guest that was stopped long is not flooded with ticks */

/* Raises and lowers the pin. Context: tick_lock held, so that two pulses do not overlap. */
static void pit_pulse(struct pit_dev *dev)
{
	irqchip_set_irq(dev->chip, IRQ_PIT, PIT_GSI, true);
	irqchip_set_irq(dev->chip, IRQ_PIT, PIT_GSI, false);
}

/*
 * @count periods have passed, of which at most one is sent now.
 * Context: hard interrupt.
 */
static void pit_tick(struct pit_dev *dev, u32 count)
{
	unsigned long flags;
	bool send = true;

	raw_spin_lock_irqsave(&dev->tick_lock, flags);
	if (dev->reinject) {
		send = dev->acked;
		dev->acked = false;
		dev->missed = min_t(u64, (u64)dev->missed + count - send, MISSED_MAX);
	}
	if (send)
		pit_pulse(dev);
	raw_spin_unlock_irqrestore(&dev->tick_lock, flags);
}

/*
 * The guest has ended the last tick: one that was missed goes out now.
 * Context: under rcu_read_lock(), no raw lock of the chips held.
 */
void pit_acked(struct pit_dev *dev)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->tick_lock, flags);
	dev->acked = true;
	if (dev->reinject && dev->missed) {
		dev->missed--;
		dev->acked = false;
		pit_pulse(dev);
	}
	raw_spin_unlock_irqrestore(&dev->tick_lock, flags);
}

/* What was sent before will not be acknowledged any more, so the next tick may go out. */
static void forget_ticks(struct pit_dev *dev)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&dev->tick_lock, flags);
	dev->acked = true;
	dev->missed = 0;
	raw_spin_unlock_irqrestore(&dev->tick_lock, flags);
}

void pit_unmasked(struct pit_dev *dev)
{
	forget_ticks(dev);
}

void pit_set_reinject(struct pit_dev *dev, bool reinject)
{
	unsigned long flags;

	forget_ticks(dev);
	raw_spin_lock_irqsave(&dev->tick_lock, flags);
	dev->reinject = reinject;
	raw_spin_unlock_irqrestore(&dev->tick_lock, flags);
}

/* Context: hard interrupt. */
static enum hrtimer_restart pit_timer_expired(struct hrtimer *timer)
{
	struct pit_dev *dev = container_of(timer, struct pit_dev, timer);
	u64 count = 1;

	if (dev->period_ns)
		count = hrtimer_forward_now(timer, ns_to_ktime(dev->period_ns));
	pit_tick(dev, min_t(u64, count, MISSED_MAX));
	return dev->period_ns ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/* Channel 0 was programmed anew. Context: dev->lock held; waits for a tick under way. */
static void restart_timer(struct pit_dev *dev, s64 now)
{
	struct pit_timer next;

	hrtimer_cancel(&dev->timer);
	forget_ticks(dev);
	pit_timer(&dev->pit, now, &next);
	dev->period_ns = next.period_ns ? max_t(u64, next.period_ns, PERIOD_MIN_NS) : 0;
	if (next.first_ns && !dev->hpet_legacy)
		hrtimer_start(&dev->timer, ns_to_ktime(max_t(u64, next.first_ns, 1)),
			      HRTIMER_MODE_REL_HARD);
}

/* Context: the vCPU's thread, may sleep. Ports are 8 bits wide. */
static int pit_port_read(struct vcpu *vcpu, struct bus_device *bus, u64 addr, int len, void *data)
{
	struct pit_dev *dev = container_of(bus, struct pit_dev, ports);

	memset(data, 0, len);
	mutex_lock(&dev->lock);
	*(u8 *)data = pit_read(&dev->pit, addr - PIT_PORT, ktime_get_ns());
	mutex_unlock(&dev->lock);
	return 0;
}

static int pit_port_write(struct vcpu *vcpu, struct bus_device *bus, u64 addr, int len,
			  const void *data)
{
	struct pit_dev *dev = container_of(bus, struct pit_dev, ports);
	s64 now;

	mutex_lock(&dev->lock);
	now = ktime_get_ns();
	if (pit_write(&dev->pit, addr - PIT_PORT, *(const u8 *)data, now))
		restart_timer(dev, now);
	mutex_unlock(&dev->lock);
	return 0;
}

static int speaker_read(struct vcpu *vcpu, struct bus_device *bus, u64 addr, int len, void *data)
{
	struct pit_dev *dev = container_of(bus, struct pit_dev, speaker);

	memset(data, 0, len);
	mutex_lock(&dev->lock);
	*(u8 *)data = pit_read_speaker(&dev->pit, ktime_get_ns());
	mutex_unlock(&dev->lock);
	return 0;
}

static int speaker_write(struct vcpu *vcpu, struct bus_device *bus, u64 addr, int len,
			 const void *data)
{
	struct pit_dev *dev = container_of(bus, struct pit_dev, speaker);

	mutex_lock(&dev->lock);
	pit_write_speaker(&dev->pit, *(const u8 *)data, ktime_get_ns());
	mutex_unlock(&dev->lock);
	return 0;
}

static const struct bus_ops port_ops = { .read = pit_port_read, .write = pit_port_write };
static const struct bus_ops speaker_ops = { .read = speaker_read, .write = speaker_write };

static struct pit_dev *alloc_pit(struct irqchip *chip)
{
	struct pit_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);

	if (!dev)
		return NULL;
	dev->chip = chip;
	mutex_init(&dev->lock);
	raw_spin_lock_init(&dev->tick_lock);
	hrtimer_setup(&dev->timer, pit_timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	dev->reinject = true;
	dev->acked = true;
	pit_init(&dev->pit, ktime_get_ns());
	dev->ports = (struct bus_device){ .ops = &port_ops, .addr = PIT_PORT, .len = 4 };
	dev->speaker = (struct bus_device){ .ops = &speaker_ops, .addr = SPEAKER_PORT, .len = 1 };
	return dev;
}

/* Publishing comes last. The IOAPIC must learn that EOIs of GSI 0 matter now. */
int pit_create(struct irqchip *chip, u32 flags)
{
	struct pit_dev *dev;
	int ret;

	if (chip->pit)
		return -EEXIST;
	dev = alloc_pit(chip);
	if (!dev)
		return -ENOMEM;
	ret = bus_add(chip->vm, BUS_PIO, &dev->ports);
	if (ret)
		goto free_dev;
	dev->has_speaker = flags & KVM_PIT_SPEAKER_DUMMY;
	if (dev->has_speaker)
		ret = bus_add(chip->vm, BUS_PIO, &dev->speaker);
	if (ret)
		goto remove_ports;
	smp_store_release(&chip->pit, dev);
	ioapic_update_eoi_vectors(chip);
	return 0;

remove_ports:
	bus_remove(chip->vm, BUS_PIO, &dev->ports);
free_dev:
	kfree(dev);
	return ret;
}

/*
 * The VM ends and nothing runs any more but the timer. An acknowledgement that
 * has found the PIT is under rcu_read_lock().
 */
void pit_destroy(struct irqchip *chip)
{
	struct pit_dev *dev = chip->pit;

	if (!dev)
		return;
	bus_remove(chip->vm, BUS_PIO, &dev->ports);
	if (dev->has_speaker)
		bus_remove(chip->vm, BUS_PIO, &dev->speaker);
	hrtimer_cancel(&dev->timer);
	WRITE_ONCE(chip->pit, NULL);
	synchronize_rcu();
	mutex_destroy(&dev->lock);
	kfree(dev);
}

static void save_channel(const struct pit_channel *channel, struct kvm_pit_channel_state *state,
			 s64 now)
{
	*state = (struct kvm_pit_channel_state){
		.count = channel->count,
		.latched_count = channel->latched_count,
		.count_latched = channel->count_latched,
		.status_latched = channel->status_latched,
		.status = channel->status,
		.read_state = channel->read_state,
		.write_state = channel->write_state,
		.write_latch = channel->write_latch,
		.rw_mode = channel->rw_mode,
		.mode = channel->mode,
		.bcd = channel->bcd,
		.gate = channel->gate,
		.count_load_time = pit_began(channel, now),
	};
}

static void load_channel(struct pit_channel *channel, const struct kvm_pit_channel_state *state)
{
	*channel = (struct pit_channel){
		.count = state->count,
		.latched_count = state->latched_count,
		.count_latched = state->count_latched,
		.status_latched = state->status_latched,
		.status = state->status,
		.read_state = state->read_state,
		.write_state = state->write_state,
		.write_latch = state->write_latch,
		.rw_mode = state->rw_mode,
		.mode = state->mode,
		.bcd = state->bcd,
		.gate = state->gate,
		.load_ns = state->count_load_time,
	};
}

void pit_get_state(struct pit_dev *dev, struct kvm_pit_state2 *state)
{
	s64 now;
	int i;

	memset(state, 0, sizeof(*state));
	mutex_lock(&dev->lock);
	now = ktime_get_ns();
	pit_note_status(&dev->pit, now);
	for (i = 0; i < PIT_CHANNELS; i++)
		save_channel(&dev->pit.channel[i], &state->channels[i], now);
	state->flags = (dev->hpet_legacy ? KVM_PIT_FLAGS_HPET_LEGACY : 0) |
		       (dev->pit.speaker_on ? KVM_PIT_FLAGS_SPEAKER_DATA_ON : 0);
	mutex_unlock(&dev->lock);
}

void pit_set_state(struct pit_dev *dev, const struct kvm_pit_state2 *state)
{
	s64 now;
	int i;

	mutex_lock(&dev->lock);
	now = ktime_get_ns();
	for (i = 0; i < PIT_CHANNELS; i++)
		load_channel(&dev->pit.channel[i], &state->channels[i]);
	dev->pit.speaker_on = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	dev->hpet_legacy = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit_loaded(&dev->pit, now);
	restart_timer(dev, now);
	mutex_unlock(&dev->lock);
}
