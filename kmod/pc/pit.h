/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The 8254 of a PC and the speaker port: pure logic. Counters don't tick;
 * what they hold follows from the time, in nanoseconds, that each call gets.
 * Not locked: pit_dev.c has the lock.
 */
#ifndef PC_PIT_H
#define PC_PIT_H

#include <vmx/types.h>

#define PIT_HZ 1193182
#define PIT_CHANNELS 3

/* The values are those of struct kvm_pit_channel_state. */
enum pit_rw_state { PIT_RW_NONE, PIT_RW_LSB, PIT_RW_MSB, PIT_RW_WORD0, PIT_RW_WORD1 };

struct pit_channel {
	u32 count; /* as loaded: 1 to 0x10000; digits when .bcd */
	u16 latched_count;
	u8 count_latched; /* enum pit_rw_state */
	u8 status_latched;
	u8 status;
	u8 read_state;
	u8 write_state;
	u8 write_latch;
	u8 rw_mode;
	u8 mode;
	u8 bcd;
	u8 gate;
	bool loaded; /* a count was written since the mode was */
	s64 load_ns; /* when counting began; when the gate is down: minus what has passed */
};

struct pit {
	struct pit_channel channel[PIT_CHANNELS];
	bool speaker_on;
};

struct pit_timer {
	u64 first_ns;  /* from now; 0: no interrupt comes */
	u64 period_ns; /* 0: one shot */
};

void pit_init(struct pit *pit, s64 now);
/* @port: 0 to 3. Return: whether channel 0's interrupts change. */
bool pit_write(struct pit *pit, unsigned int port, u8 value, s64 now);
u8 pit_read(struct pit *pit, unsigned int port, s64 now);
u8 pit_read_speaker(const struct pit *pit, s64 now);
void pit_write_speaker(struct pit *pit, u8 value, s64 now);

u16 pit_count(const struct pit_channel *channel, s64 now);
bool pit_out(const struct pit_channel *channel, s64 now);
/* When channel 0's output rises next. */
void pit_timer(const struct pit *pit, s64 now, struct pit_timer *timer);
/*
 * For the state that userspace gets and sets. pit_note_status() comes before it is read: unless
 * .status is latched it becomes the present one, as the format has no other place for .loaded;
 * only its bit 7 is not the output, but says that a count which ends once has ended.
 * pit_loaded() comes after everything but .loaded was replaced, with .load_ns as pit_began()
 * gives it: it brings values into range that no 8254 has.
 */
void pit_note_status(struct pit *pit, s64 now);
/* .load_ns as userspace has it: when counting began, or would have if it had never paused. */
s64 pit_began(const struct pit_channel *channel, s64 now);
void pit_loaded(struct pit *pit, s64 now);

#endif
