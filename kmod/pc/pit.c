// SPDX-License-Identifier: GPL-2.0-only
/*
 * An 8254, after Intel's data sheet "8254 Programmable Interval Timer". Pure
 * logic that compiles in userspace; pit_dev.c calls it with the lock held.
 *
 * What a reader must know: no counter counts. A channel keeps when it was
 * loaded, and what it holds, or what its output is, follows from the time @now
 * that each call gets, in nanoseconds. A tick is 1/1193182 s.
 */
#include "pc/pit.h"

#define NSEC_PER_SECOND 1000000000
#define MODE_MAX 5

#define STATUS_OUT BIT(7)
#define STATUS_NULL_COUNT BIT(6)
#define STATUS_CONTROL 0x3f
#define STATUS_ENDED STATUS_OUT /* in what is saved; see pit_note_status() */
#define CONTROL_PORT 3
#define SPEAKER_GATE BIT(0)
#define SPEAKER_DATA BIT(1)
#define SPEAKER_REFRESH_SHIFT 14 /* 2^14 ns: about the 15 us of a PC's refresh */

/* In modes 1 and 5 the gate only starts the count, and its level means nothing. */
static bool gate_pauses(const struct pit_channel *channel)
{
	return channel->mode != 1 && channel->mode != 5;
}

/* How long the channel has counted. While the gate holds it, .load_ns is minus that. */
static u64 elapsed_ns(const struct pit_channel *channel, s64 now)
{
	s64 ns = channel->gate || !gate_pauses(channel) ? now - channel->load_ns
							: -channel->load_ns;

	return ns < 0 ? 0 : ns;
}

static u64 elapsed_ticks(const struct pit_channel *channel, s64 now)
{
	return mul_u64_u64_div_u64(elapsed_ns(channel, now), PIT_HZ, NSEC_PER_SECOND);
}

static u32 from_bcd(u32 digits)
{
	u32 value = 0;
	int shift;

	for (shift = 16; shift >= 0; shift -= 4)
		value = value * 10 + (digits >> shift & 0xf);
	return value;
}

static u16 to_bcd(u32 value)
{
	u16 digits = 0;
	int shift;

	for (shift = 0; shift < 16; shift += 4, value /= 10)
		digits |= value % 10 << shift;
	return digits;
}

/* Ticks of a whole count; never 0. */
static u32 pit_ticks(const struct pit_channel *channel)
{
	u32 count = channel->bcd ? from_bcd(channel->count) : channel->count;

	return count ? count : 1;
}

/* The modes are those of the data sheet's "Mode Definitions". */
u16 pit_count(const struct pit_channel *channel, s64 now)
{
	u64 passed = elapsed_ticks(channel, now);
	u32 count = pit_ticks(channel), modulus = channel->bcd ? 10000 : 0x10000;
	u64 left;

	switch (channel->mode) {
	case 2: left = count - passed % count; break;
	case 3: /* counts down by two */ left = count - passed * 2 % count; break;
	default: /* goes on below 0 */ left = count + modulus - passed % modulus;
	}
	left %= modulus;
	return channel->bcd ? to_bcd(left) : left;
}

/* Before a count is loaded the output is low in mode 0 and high in all others. */
bool pit_out(const struct pit_channel *channel, s64 now)
{
	u64 passed = elapsed_ticks(channel, now);
	u32 count = pit_ticks(channel);

	if (!channel->loaded)
		return channel->mode != 0;
	switch (channel->mode) {
	case 0:
	case 1: return passed >= count;
	case 2: return !channel->gate || passed % count != count - 1;
	case 3: return !channel->gate || passed % count < (count + 1) / 2;
	default: /* one tick low at the end */ return passed != count;
	}
}

static u64 ticks_to_ns(u32 count)
{
	/* Rounded up, so that the tick is over when the timer fires. */
	return div_u64((u64)count * NSEC_PER_SECOND + PIT_HZ - 1, PIT_HZ);
}

/*
 * Modes 2 and 3 repeat; 0, 1 and 4 raise the output once. Mode 5 waits for a
 * trigger at the gate, which channel 0 does not have.
 */
void pit_timer(const struct pit *pit, s64 now, struct pit_timer *timer)
{
	const struct pit_channel *channel = &pit->channel[0];
	u64 whole = ticks_to_ns(pit_ticks(channel)), passed = elapsed_ns(channel, now);

	*timer = (struct pit_timer){};
	if (!channel->loaded)
		return;
	switch (channel->mode) {
	case 2:
	case 3:
		timer->period_ns = whole;
		timer->first_ns = whole - passed % whole;
		break;
	case 0:
	case 1:
	case 4: timer->first_ns = passed < whole ? whole - passed : 0; break;
	}
}

static void pit_restart(struct pit_channel *channel, s64 now)
{
	channel->load_ns = channel->gate || !gate_pauses(channel) ? now : 0;
}

static void pit_load(struct pit_channel *channel, u16 count, s64 now)
{
	channel->count = count ? count : 0x10000;
	channel->loaded = true;
	pit_restart(channel, now);
}

static void set_gate(struct pit_channel *channel, bool gate, s64 now)
{
	if (gate == channel->gate)
		return;
	switch (channel->mode) {
	case 0:
	case 4: /* pause and go on; see .load_ns */
		channel->load_ns = gate ? now + channel->load_ns : channel->load_ns - now;
		break;
	default: /* a rising gate starts it anew */
		channel->load_ns = gate ? now : gate_pauses(channel) ? 0 : channel->load_ns;
	}
	channel->gate = gate;
}

/* A second latch before the first was read changes nothing. */
static void latch_count(struct pit_channel *channel, s64 now)
{
	if (channel->count_latched)
		return;
	channel->latched_count = pit_count(channel, now);
	channel->count_latched = channel->rw_mode;
}

static u8 status_of(const struct pit_channel *channel, s64 now)
{
	return (pit_out(channel, now) ? STATUS_OUT : 0) |
	       (channel->loaded ? 0 : STATUS_NULL_COUNT) | channel->rw_mode << 4 |
	       channel->mode << 1 | channel->bcd;
}

static void latch_status(struct pit_channel *channel, s64 now)
{
	if (channel->status_latched)
		return;
	channel->status = status_of(channel, now);
	channel->status_latched = 1;
}

/* Bit 5 low latches the count, bit 4 low the status; bits 3 to 1 choose channels. */
static void read_back(struct pit *pit, u8 command, s64 now)
{
	int i;

	for (i = 0; i < PIT_CHANNELS; i++) {
		if (!(command & 2 << i))
			continue;
		if (!(command & 0x20))
			latch_count(&pit->channel[i], now);
		if (!(command & 0x10))
			latch_status(&pit->channel[i], now);
	}
}

/* Return: whether channel 0's interrupts change. */
static bool write_control(struct pit *pit, u8 value, s64 now)
{
	struct pit_channel *channel;
	u8 access = value >> 4 & 3;

	if (value >> 6 == PIT_CHANNELS) {
		read_back(pit, value, now);
		return false;
	}
	channel = &pit->channel[value >> 6];
	if (!access) {
		latch_count(channel, now);
		return false;
	}
	channel->rw_mode = access;
	channel->read_state = access;
	channel->write_state = access;
	channel->mode = value >> 1 & 7;
	if (channel->mode > MODE_MAX)
		channel->mode -= 4;
	channel->bcd = value & 1;
	channel->loaded = false;
	channel->count_latched = PIT_RW_NONE;
	channel->status_latched = 0;
	pit_restart(channel, now);
	return channel == &pit->channel[0];
}

/* Return: whether a count is loaded now; of a word the first byte only waits. */
static bool write_count(struct pit_channel *channel, u8 value, s64 now)
{
	switch (channel->write_state) {
	case PIT_RW_MSB: pit_load(channel, value << 8, now); return true;
	case PIT_RW_WORD0:
		channel->write_latch = value;
		channel->write_state = PIT_RW_WORD1;
		return false;
	case PIT_RW_WORD1:
		channel->write_state = PIT_RW_WORD0;
		pit_load(channel, channel->write_latch | value << 8, now);
		return true;
	default: pit_load(channel, value, now); return true;
	}
}

bool pit_write(struct pit *pit, unsigned int port, u8 value, s64 now)
{
	if (port == CONTROL_PORT)
		return write_control(pit, value, now);
	if (port > CONTROL_PORT)
		return false;
	return write_count(&pit->channel[port], value, now) && port == 0;
}

/* Reads the next byte of @word in the order that *state says, and moves *state on. */
static u8 pit_next_byte(u8 *state, u16 word, enum pit_rw_state after_word)
{
	switch (*state) {
	case PIT_RW_MSB: return word >> 8;
	case PIT_RW_WORD0: *state = PIT_RW_WORD1; return word;
	case PIT_RW_WORD1: *state = after_word; return word >> 8;
	default: return word;
	}
}

static u8 read_latched(struct pit_channel *channel)
{
	u8 state = channel->count_latched;
	u8 value = pit_next_byte(&channel->count_latched, channel->latched_count, PIT_RW_NONE);

	if (state == PIT_RW_LSB || state == PIT_RW_MSB)
		channel->count_latched = PIT_RW_NONE;
	return value;
}

u8 pit_read(struct pit *pit, unsigned int port, s64 now)
{
	struct pit_channel *channel;

	if (port >= PIT_CHANNELS) /* the control register can't be read */
		return 0;
	channel = &pit->channel[port];
	if (channel->status_latched) {
		channel->status_latched = 0;
		return channel->status;
	}
	if (channel->count_latched)
		return read_latched(channel);
	return pit_next_byte(&channel->read_state, pit_count(channel, now), PIT_RW_WORD0);
}

u8 pit_read_speaker(const struct pit *pit, s64 now)
{
	const struct pit_channel *channel = &pit->channel[2];

	return (pit->speaker_on ? SPEAKER_DATA : 0) | (channel->gate ? SPEAKER_GATE : 0) |
	       pit_out(channel, now) << 5 | (now >> SPEAKER_REFRESH_SHIFT & 1) << 4;
}

void pit_write_speaker(struct pit *pit, u8 value, s64 now)
{
	pit->speaker_on = value & SPEAKER_DATA;
	set_gate(&pit->channel[2], value & SPEAKER_GATE, now);
}

void pit_init(struct pit *pit, s64 now)
{
	int i;

	memset(pit, 0, sizeof(*pit));
	for (i = 0; i < PIT_CHANNELS; i++) {
		struct pit_channel *channel = &pit->channel[i];

		channel->mode = MODE_MAX; /* no interrupts before software wants some */
		channel->gate = i != 2;
		channel->rw_mode = PIT_RW_WORD0;
		channel->read_state = PIT_RW_WORD0;
		channel->write_state = PIT_RW_WORD0;
		pit_load(channel, 0, now);
		channel->loaded = false;
	}
}

static u8 valid_state(u8 state, u8 otherwise)
{
	return state <= PIT_RW_WORD1 ? state : otherwise;
}

static bool counts_once(const struct pit_channel *channel)
{
	return channel->mode != 2 && channel->mode != 3;
}

static bool has_ended(const struct pit_channel *channel, s64 now)
{
	return counts_once(channel) && channel->loaded &&
	       elapsed_ticks(channel, now) >= pit_ticks(channel);
}

void pit_note_status(struct pit *pit, s64 now)
{
	struct pit_channel *channel;

	for (channel = pit->channel; channel < pit->channel + PIT_CHANNELS; channel++) {
		if (channel->status_latched)
			continue;
		channel->status = status_of(channel, now) & ~STATUS_ENDED;
		if (has_ended(channel, now))
			channel->status |= STATUS_ENDED;
	}
}

s64 pit_began(const struct pit_channel *channel, s64 now)
{
	return now - elapsed_ns(channel, now);
}

/* The inverse of pit_began(). Return: false: @began is no time that this clock can have had. */
static bool take_beginning(struct pit_channel *channel, s64 began, s64 now)
{
	if (began <= 0 || began > now)
		return false;
	channel->load_ns = channel->gate || !gate_pauses(channel) ? began : began - now;
	return true;
}

/*
 * A count goes on from where it was, if that can be known. Else it begins anew, as all do in
 * KVM, and so does one whose end passed while nobody looked: a late tick does less harm than
 * none. @ended: its end was before, and shall not come again.
 */
static void go_on(struct pit_channel *channel, bool ended, s64 now)
{
	u64 whole = ticks_to_ns(pit_ticks(channel));

	if (!take_beginning(channel, channel->load_ns, now))
		pit_restart(channel, now);
	if (!counts_once(channel))
		return;
	if (!ended && elapsed_ns(channel, now) >= whole)
		pit_restart(channel, now);
	if (ended && elapsed_ns(channel, now) < whole)
		channel->load_ns -= whole;
}

/* Is .status from pit_note_status()? KVM saves what was latched last, at whatever time. */
static bool status_tells(const struct pit_channel *channel)
{
	u8 control = channel->rw_mode << 4 | channel->mode << 1 | channel->bcd;

	return !channel->status_latched && (channel->status & STATUS_CONTROL) == control;
}

void pit_loaded(struct pit *pit, s64 now)
{
	bool told, ended;
	int i;

	for (i = 0; i < PIT_CHANNELS; i++) {
		struct pit_channel *channel = &pit->channel[i];

		channel->mode = min_t(u8, channel->mode & 7, MODE_MAX);
		channel->rw_mode &= 3;
		channel->bcd &= 1;
		channel->status_latched = !!channel->status_latched;
		channel->gate = !!channel->gate;
		channel->count_latched = valid_state(channel->count_latched, PIT_RW_NONE);
		channel->read_state = valid_state(channel->read_state, PIT_RW_WORD0);
		channel->write_state = valid_state(channel->write_state, PIT_RW_WORD0);
		channel->count = min_t(u32, channel->count ? channel->count : 0x10000, 0x10000);
		told = status_tells(channel);
		channel->loaded = !told || !(channel->status & STATUS_NULL_COUNT);
		ended = told && channel->loaded && channel->status & STATUS_ENDED;
		go_on(channel, ended, now);
	}
}
