// SPDX-License-Identifier: GPL-2.0-only
/* The registers of a local APIC. */
/* sources: kmod/pc/lapic_regs.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pc/lapic_regs.h"

#define TEST(name) static void name(void **state __maybe_unused)

static struct lapic_regs regs;
static u32 tpr;

/* Power-up with ID 5, software-enabled as a kernel does it. */
static int setup(void **state __maybe_unused)
{
	memset(&regs, 0, sizeof(regs));
	regs.tpr = &tpr;
	regs.mode = LAPIC_XAPIC;
	regs.has_deadline = true;
	lapic_regs_reset(&regs, 5, false);
	lapic_regs_write(&regs, LAPIC_SVR, 0x1ff);
	return 0;
}

static u32 read_reg(u32 reg)
{
	u32 value;

	assert_true(lapic_regs_read(&regs, reg, &value));
	return value;
}

static u32 lvt(enum lapic_lvt i)
{
	return LAPIC_LVT + i * 16;
}

static void enter_x2apic(void)
{
	lapic_regs_enter_x2apic(&regs, 5);
}

TEST(reset_values_are_the_sdms)
{
	int i;

	lapic_regs_reset(&regs, 5, false);
	assert_int_equal(read_reg(LAPIC_ID), 5u << 24);
	assert_int_equal(read_reg(LAPIC_VERSION), 0x50014);
	assert_int_equal(read_reg(LAPIC_SVR), 0xff);
	assert_int_equal(read_reg(LAPIC_DFR), 0xffffffff);
	assert_int_equal(read_reg(LAPIC_LDR), 0);
	assert_int_equal(read_reg(LAPIC_TPR), 0);
	assert_int_equal(read_reg(LAPIC_TDCR), 0);
	for (i = 0; i < NR_LVTS; i++)
		assert_int_equal(read_reg(lvt(i)), LVT_MASKED);
}

TEST(init_keeps_the_id)
{
	lapic_regs_write(&regs, LAPIC_ID, 9u << 24);
	lapic_regs_reset(&regs, 5, true);
	assert_int_equal(read_reg(LAPIC_ID), 9u << 24);
}

TEST(an_interrupt_goes_through_irr_and_isr)
{
	assert_int_equal(lapic_request(&regs, 0x41, false), 1);
	assert_int_equal(read_reg(LAPIC_IRR + 0x20), 2);
	assert_int_equal(lapic_pending(&regs), 0x41);
	assert_int_equal(lapic_accept(&regs), 0x41);
	assert_int_equal(read_reg(LAPIC_IRR + 0x20), 0);
	assert_int_equal(read_reg(LAPIC_ISR + 0x20), 2);
	assert_int_equal(lapic_pending(&regs), -1);
	assert_int_equal(lapic_eoi(&regs), 0x41);
	assert_int_equal(read_reg(LAPIC_ISR + 0x20), 0);
}

TEST(a_second_request_is_coalesced)
{
	lapic_request(&regs, 0x41, false);
	assert_int_equal(lapic_request(&regs, 0x41, false), 0);
	lapic_accept(&regs);
	/* In service, not pending: this one counts. */
	assert_int_equal(lapic_request(&regs, 0x41, false), 1);
}

TEST(every_vector_from_16_is_delivered)
{
	int vector;

	for (vector = 16; vector < 256; vector++) {
		assert_int_equal(lapic_request(&regs, vector, vector & 1), 1);
		assert_int_equal(lapic_accept(&regs), vector);
		assert_int_equal(read_reg(LAPIC_TMR + vector / 32 * 16) >> vector % 32 & 1,
				 vector & 1);
		assert_int_equal(lapic_eoi(&regs), vector);
		assert_true(vecmap_empty(&regs.irr));
		assert_true(vecmap_empty(&regs.isr));
	}
}

TEST(the_highest_vector_goes_first)
{
	lapic_request(&regs, 0x31, false);
	lapic_request(&regs, 0xf0, false);
	lapic_request(&regs, 0x80, false);
	assert_int_equal(lapic_accept(&regs), 0xf0);
	assert_int_equal(lapic_accept(&regs), -1);
	lapic_eoi(&regs);
	assert_int_equal(lapic_accept(&regs), 0x80);
	lapic_eoi(&regs);
	assert_int_equal(lapic_accept(&regs), 0x31);
}

TEST(a_higher_class_interrupts_a_lower_one)
{
	lapic_request(&regs, 0x41, false);
	lapic_accept(&regs);
	lapic_request(&regs, 0x4f, false);
	assert_int_equal(lapic_pending(&regs), -1);
	lapic_request(&regs, 0x50, false);
	assert_int_equal(lapic_accept(&regs), 0x50);
	assert_int_equal(lapic_eoi(&regs), 0x50);
	assert_int_equal(lapic_eoi(&regs), 0x41);
	assert_int_equal(lapic_accept(&regs), 0x4f);
}

TEST(tpr_holds_back_its_class_and_below)
{
	lapic_request(&regs, 0x5f, false);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TPR, 0x50), LAPIC_DO_EVENT);
	assert_int_equal(lapic_pending(&regs), ~5);
	lapic_regs_write(&regs, LAPIC_TPR, 0x4f);
	assert_int_equal(lapic_pending(&regs), 0x5f);
}

/* Only TPR's part is told: for what is in service alone nobody need wait for a lower TPR. */
TEST(what_tpr_holds_back_is_told_by_its_class)
{
	assert_int_equal(lapic_pending(&regs), ~0);
	lapic_request(&regs, 0x61, false);
	lapic_accept(&regs);
	lapic_request(&regs, 0x52, false);
	assert_int_equal(lapic_pending(&regs), ~0);
	lapic_regs_write(&regs, LAPIC_TPR, 0x4f);
	assert_int_equal(lapic_pending(&regs), ~0);
	lapic_regs_write(&regs, LAPIC_TPR, 0x50);
	assert_int_equal(lapic_pending(&regs), ~5);
	lapic_request(&regs, 0x62, false);
	assert_int_equal(lapic_pending(&regs), ~0);
	lapic_regs_write(&regs, LAPIC_TPR, 0xff);
	assert_int_equal(lapic_pending(&regs), ~6);
}

TEST(ppr_is_the_higher_of_tpr_and_what_is_in_service)
{
	lapic_regs_write(&regs, LAPIC_TPR, 0x33);
	assert_int_equal(read_reg(LAPIC_PPR), 0x33);
	lapic_request(&regs, 0x67, false);
	lapic_accept(&regs);
	assert_int_equal(read_reg(LAPIC_PPR), 0x60);
	lapic_regs_write(&regs, LAPIC_TPR, 0x62);
	assert_int_equal(read_reg(LAPIC_PPR), 0x62);
}

TEST(an_end_can_wait_while_nothing_waits_for_it)
{
	assert_int_equal(lapic_eoi_can_wait(&regs), -1);
	lapic_request(&regs, 0x41, false);
	assert_int_equal(lapic_eoi_can_wait(&regs), -1);
	lapic_accept(&regs);
	assert_int_equal(lapic_eoi_can_wait(&regs), 0x41);
	/* A lower one waits for the end, a higher one does not but would hide it. */
	lapic_request(&regs, 0x31, false);
	assert_int_equal(lapic_eoi_can_wait(&regs), -1);
	lapic_request(&regs, 0x51, false);
	lapic_accept(&regs);
	assert_int_equal(lapic_eoi_can_wait(&regs), -1);
	lapic_eoi(&regs);
	lapic_eoi(&regs);
	lapic_accept(&regs);
	assert_int_equal(lapic_eoi_can_wait(&regs), 0x31);
}

TEST(the_vapic_word_has_tpr_class_in_service_and_request)
{
	assert_int_equal(lapic_vapic_word(&regs), 0);
	lapic_regs_write(&regs, LAPIC_TPR, 0x25);
	lapic_request(&regs, 0x47, false);
	assert_int_equal(lapic_vapic_word(&regs), 0x47000025);
	lapic_accept(&regs);
	assert_int_equal(lapic_vapic_word(&regs), 0x00004025);
	lapic_request(&regs, 0x31, false);
	assert_int_equal(lapic_vapic_word(&regs), 0x31004025);
}

TEST(eoi_with_nothing_in_service_does_nothing)
{
	assert_int_equal(lapic_eoi(&regs), -1);
}

TEST(software_disabled_takes_none_but_keeps_what_it_has)
{
	lapic_request(&regs, 0x41, false);
	assert_true(lapic_regs_write(&regs, LAPIC_SVR, 0xff) & LAPIC_DO_MAP);
	assert_int_equal(lapic_request(&regs, 0x42, false), -1);
	assert_int_equal(lapic_pending(&regs), 0x41);
}

TEST(software_disabling_masks_the_lvts)
{
	lapic_regs_write(&regs, lvt(LVT_TIMER), 0x30);
	lapic_regs_write(&regs, LAPIC_SVR, 0xff);
	assert_int_equal(read_reg(lvt(LVT_TIMER)), LVT_MASKED | 0x30);
	lapic_regs_write(&regs, lvt(LVT_TIMER), 0x31);
	assert_int_equal(read_reg(lvt(LVT_TIMER)), LVT_MASKED | 0x31);
}

TEST(an_illegal_vector_is_an_error)
{
	lapic_regs_write(&regs, lvt(LVT_ERROR), 0x77);
	assert_int_equal(lapic_request(&regs, 15, false), 1);
	assert_int_equal(lapic_pending(&regs), 0x77);
	assert_int_equal(read_reg(LAPIC_ESR), 0);
	lapic_regs_write(&regs, LAPIC_ESR, 0);
	assert_int_equal(read_reg(LAPIC_ESR), 1 << ERR_RECEIVE_ILLEGAL);
	lapic_regs_write(&regs, LAPIC_ESR, 0);
	assert_int_equal(read_reg(LAPIC_ESR), 0);
}

TEST(a_masked_error_interrupt_is_silent)
{
	assert_int_equal(lapic_request(&regs, 0, false), -1);
	assert_int_equal(lapic_pending(&regs), -1);
}

TEST(read_only_lvt_bits_stay)
{
	lapic_regs_write(&regs, lvt(LVT_LINT0), 0xffffffff);
	assert_int_equal(read_reg(lvt(LVT_LINT0)), 0x1a7ff);
	lapic_regs_write(&regs, lvt(LVT_ERROR), 0xffffffff);
	assert_int_equal(read_reg(lvt(LVT_ERROR)), 0x100ff);
	lapic_regs_write(&regs, lvt(LVT_TIMER), 0xffffffff);
	assert_int_equal(read_reg(lvt(LVT_TIMER)), 0x700ff);
}

TEST(deadline_mode_needs_cpuid)
{
	regs.has_deadline = false;
	lapic_regs_write(&regs, lvt(LVT_TIMER), 2u << 17 | 0x40);
	assert_int_equal(lapic_timer_mode(&regs), TIMER_ONESHOT);
	regs.has_deadline = true;
	lapic_regs_write(&regs, lvt(LVT_TIMER), 2u << 17 | 0x40);
	assert_int_equal(lapic_timer_mode(&regs), TIMER_DEADLINE);
}

TEST(to_and_from_deadline_mode_stops_the_timer)
{
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TMICT, 1000), LAPIC_DO_TIMER_START);
	assert_int_equal(lapic_regs_write(&regs, lvt(LVT_TIMER), 1u << 17 | 0x40), 0);
	assert_int_equal(lapic_regs_write(&regs, lvt(LVT_TIMER), 2u << 17 | 0x40),
			 LAPIC_DO_TIMER_STOP);
	assert_int_equal(read_reg(LAPIC_TMICT), 0);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TMICT, 1000), 0);
	assert_int_equal(read_reg(LAPIC_TMICT), 0);
	assert_int_equal(lapic_regs_write(&regs, lvt(LVT_TIMER), 0x40), LAPIC_DO_TIMER_STOP);
}

TEST(divisors_are_the_sdms)
{
	static const int shift[16] = { 1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 0 };
	static const int codes[] = { 0, 1, 2, 3, 8, 9, 10, 11 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		lapic_regs_write(&regs, LAPIC_TDCR, codes[i]);
		assert_int_equal(lapic_timer_shift(&regs), shift[codes[i]]);
	}
	lapic_regs_write(&regs, LAPIC_TDCR, 0xffffffff);
	assert_int_equal(read_reg(LAPIC_TDCR), 0xb);
}

TEST(a_deadline_is_converted_without_overflow)
{
	assert_int_equal(lapic_deadline_ns(100, 100, 1000), 0);
	assert_int_equal(lapic_deadline_ns(99, 100, 1000), 0);
	assert_int_equal(lapic_deadline_ns(5, 0, 0), 0);
	/* 1 GHz: a tick is a nanosecond; rounded up */
	assert_int_equal(lapic_deadline_ns(1500, 500, 1000000), 1001);
	assert_int_equal(lapic_deadline_ns(50000, 0, 50000), 1000001);
	assert_true(lapic_deadline_ns(~0ULL, 0, 1) <= (1ULL << 40) * 1000000);
	assert_true(lapic_deadline_ns(~0ULL, 0, ~0U) > 0);
	assert_true(lapic_deadline_ns(~0ULL, 0, 2000000) < 1ULL << 63);
}

/* x2APIC */

TEST(x2apic_derives_the_logical_id)
{
	lapic_regs_enter_x2apic(&regs, 0x25);
	assert_int_equal(read_reg(LAPIC_ID), 0x25);
	assert_int_equal(read_reg(LAPIC_LDR), 2u << 16 | 1u << 5);
}

TEST(x2apic_faults_on_reserved_bits)
{
	enter_x2apic();
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TPR, 0x100), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_EOI, 1), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ESR, 1), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_SVR, 1 << 12), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TMICT, 1ULL << 32), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_TDCR, 4), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_SELF_IPI, 0x100), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, lvt(LVT_ERROR), 1 << 8), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, lvt(LVT_TIMER), 1ULL << 32), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ICR, 1 << 13), LAPIC_DO_GP);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ICR, 1 << 20), LAPIC_DO_GP);
}

TEST(x2apic_lacks_some_registers)
{
	static const u32 no_read[] = { LAPIC_DFR, LAPIC_ICR2, LAPIC_APR, LAPIC_EOI, LAPIC_SELF_IPI,
				       0,	  0x10,	      0x2f0,	 0x3f0,	    0x40 };
	static const u32 no_write[] = { LAPIC_ID,   LAPIC_VERSION, LAPIC_LDR, LAPIC_DFR,
					LAPIC_ICR2, LAPIC_PPR,	   LAPIC_ISR, LAPIC_IRR,
					LAPIC_TMR,  LAPIC_TMCCT,   0x2f0,     0x40 };
	unsigned int i;
	u32 value;

	enter_x2apic();
	for (i = 0; i < ARRAY_SIZE(no_read); i++)
		assert_false(lapic_regs_read(&regs, no_read[i], &value));
	for (i = 0; i < ARRAY_SIZE(no_write); i++)
		assert_int_equal(lapic_regs_write(&regs, no_write[i], 0), LAPIC_DO_GP);
}

TEST(x2apic_icr_is_64_bits)
{
	enter_x2apic();
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ICR, 7ULL << 32 | 0x40fd), LAPIC_DO_SEND);
	assert_int_equal(regs.icr >> 32, 7);
	assert_int_equal(read_reg(LAPIC_ICR), 0x40fd);
}

TEST(self_ipi_is_x2apics_alone)
{
	assert_int_equal(lapic_regs_write(&regs, LAPIC_SELF_IPI, 0x40), LAPIC_DO_GP);
	enter_x2apic();
	assert_int_equal(lapic_regs_write(&regs, LAPIC_SELF_IPI, 0x40), LAPIC_DO_SELF_IPI);
}

TEST(base_moves_are_the_sdms)
{
	const u64 en = 1 << 11, x2 = 1 << 10, reserved = ~0xfffffff00ULL | 0x2ff;

	assert_true(lapic_base_move_valid(LAPIC_DISABLED, 0, reserved));
	assert_true(lapic_base_move_valid(LAPIC_DISABLED, en, reserved));
	assert_false(lapic_base_move_valid(LAPIC_DISABLED, en | x2, reserved));
	assert_true(lapic_base_move_valid(LAPIC_XAPIC, en | x2, reserved));
	assert_true(lapic_base_move_valid(LAPIC_XAPIC, 0, reserved));
	assert_true(lapic_base_move_valid(LAPIC_X2APIC, en | x2, reserved));
	assert_true(lapic_base_move_valid(LAPIC_X2APIC, 0, reserved));
	assert_false(lapic_base_move_valid(LAPIC_X2APIC, en, reserved));
	assert_false(lapic_base_move_valid(LAPIC_XAPIC, x2, reserved));
	assert_false(lapic_base_move_valid(LAPIC_X2APIC, x2, reserved));
	assert_false(lapic_base_move_valid(LAPIC_XAPIC, en | 1, reserved));
	assert_false(lapic_base_move_valid(LAPIC_XAPIC, en | 1ULL << 40, reserved));
	assert_true(lapic_base_move_valid(LAPIC_XAPIC, en | 0xfee00000, reserved));
}

/* Messages */

static bool matches(u32 dest, bool logical, bool wide)
{
	return lapic_match(&regs, &(struct lapic_msg){ .dest = dest,
						       .logical = logical,
						       .wide = wide,
						       .ff = wide ? FF_NOBODY : FF_EVERYBODY });
}

TEST(physical_destinations)
{
	assert_true(matches(5, false, false));
	assert_false(matches(4, false, false));
	assert_true(matches(0xff, false, false));
	assert_false(matches(0xff, false, true));
	assert_true(matches(0xffffffff, false, true));
}

TEST(flat_logical_destinations)
{
	lapic_regs_write(&regs, LAPIC_LDR, 0x04ffffff);
	assert_int_equal(read_reg(LAPIC_LDR), 0x04000000);
	assert_true(matches(0x04, true, false));
	assert_true(matches(0x0f, true, false));
	assert_false(matches(0x03, true, false));
	assert_false(matches(0, true, false));
	assert_true(matches(0xff, true, false));
}

TEST(cluster_logical_destinations)
{
	lapic_regs_write(&regs, LAPIC_DFR, 0);
	assert_int_equal(read_reg(LAPIC_DFR), 0x0fffffff);
	lapic_regs_write(&regs, LAPIC_LDR, 0x24u << 24);
	assert_true(matches(0x24, true, false));
	assert_true(matches(0x2c, true, false));
	assert_false(matches(0x23, true, false));
	assert_false(matches(0x34, true, false));
}

TEST(x2apic_logical_destinations)
{
	lapic_regs_enter_x2apic(&regs, 0x25);
	assert_true(matches(2u << 16 | 0x20, true, true));
	assert_true(matches(2u << 16 | 0xffff, true, true));
	assert_false(matches(2u << 16 | 0xffdf, true, true));
	assert_false(matches(1u << 16 | 0x20, true, true));
	assert_true(matches(0xffffffff, true, true));
	/* An MSI's 8 bits reach cluster 0, or all. */
	assert_true(matches(0xff, false, false));
	lapic_regs_enter_x2apic(&regs, 3);
	assert_true(matches(8, true, false));
}

static bool device_reaches(u32 dest, bool logical, bool wide, enum lapic_ff ff)
{
	u64 addr = 0xfee00000 | (dest & 0xff) << 12 | (logical ? 4 : 0) | (u64)(dest >> 8) << 40;
	struct lapic_msg msg;

	lapic_msg_from_msi(&msg, addr, 0x41, wide);
	msg.ff = ff;
	return lapic_match(&regs, &msg);
}

TEST(ff_of_a_device_is_everybody_or_those_in_xapic_mode)
{
	assert_true(device_reaches(0xff, false, false, FF_EVERYBODY));
	assert_true(device_reaches(0xff, false, true, FF_XAPICS));
	lapic_regs_enter_x2apic(&regs, 0x12);
	assert_true(device_reaches(0xff, false, false, FF_EVERYBODY));
	assert_true(device_reaches(0xff, false, true, FF_EVERYBODY));
	assert_false(device_reaches(0xff, false, true, FF_XAPICS));
	assert_true(device_reaches(0xffffffff, false, true, FF_XAPICS));
	/* Then it is the first eight of cluster 0. */
	lapic_regs_enter_x2apic(&regs, 7);
	assert_true(device_reaches(0xff, true, true, FF_XAPICS));
	lapic_regs_enter_x2apic(&regs, 8);
	assert_false(device_reaches(0xff, true, true, FF_XAPICS));
}

TEST(a_large_id_is_reached_in_both_modes)
{
	regs.mode = LAPIC_XAPIC;
	lapic_regs_reset(&regs, 0x123, false);
	assert_int_equal(read_reg(LAPIC_ID), 0x23u << 24);
	assert_true(device_reaches(0x123, false, true, FF_XAPICS));
	assert_true(device_reaches(0x23, false, true, FF_XAPICS));
	assert_false(device_reaches(0x223, false, true, FF_XAPICS));
	lapic_regs_enter_x2apic(&regs, 0x123);
	assert_true(device_reaches(0x123, false, true, FF_XAPICS));
	assert_false(device_reaches(0x23, false, true, FF_XAPICS));
	/* Without 32-bit IDs the high half of the address is not looked at. */
	assert_false(device_reaches(0x123, false, false, FF_EVERYBODY));
}

TEST(a_disabled_lapic_matches_nothing)
{
	regs.mode = LAPIC_DISABLED;
	assert_false(matches(5, false, false));
	assert_false(matches(0xff, false, false));
	lapic_request(&regs, 0x41, false);
	assert_int_equal(lapic_pending(&regs), -1);
}

TEST(icr_fields)
{
	struct lapic_msg msg;

	lapic_msg_from_icr(&msg, 7ULL << 56 | 0xc0000 | 1 << 11 | DELIVER_LOWEST << 8 | 0x99,
			   false);
	assert_int_equal(msg.dest, 7);
	assert_int_equal(msg.vector, 0x99);
	assert_int_equal(msg.mode, DELIVER_LOWEST);
	assert_int_equal(msg.shorthand, TO_OTHERS);
	assert_true(msg.logical && msg.lowest && !msg.wide);
	lapic_msg_from_icr(&msg, 0x12345ULL << 32 | 0x8000 | 0x41, true);
	assert_int_equal(msg.dest, 0x12345);
	assert_true(msg.wide);
	assert_false(msg.level); /* IPIs never are */
}

TEST(msi_fields)
{
	struct lapic_msg msg;

	lapic_msg_from_msi(&msg, 0xfee00000 | 3 << 12 | 1 << 3 | 1 << 2, 0xc041, false);
	assert_int_equal(msg.dest, 3);
	assert_int_equal(msg.vector, 0x41);
	assert_true(msg.logical && msg.level && msg.lowest);
	lapic_msg_from_msi(&msg, 0xfee00000 | 1 << 3, DELIVER_NMI << 8, false);
	assert_int_equal(msg.mode, DELIVER_NMI);
	assert_false(msg.lowest);
}

TEST(xapic_icr_has_two_halves)
{
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ICR2, 0x03ffffff), 0);
	assert_int_equal(read_reg(LAPIC_ICR2), 0x03000000);
	assert_int_equal(lapic_regs_write(&regs, LAPIC_ICR, 0xffffffff), LAPIC_DO_SEND);
	assert_int_equal(read_reg(LAPIC_ICR), 0xffffefff);
	assert_int_equal(read_reg(LAPIC_ICR2), 0x03000000);
}

TEST(extint_passes_through_lint0)
{
	assert_false(lapic_accepts_extint(&regs));
	lapic_regs_write(&regs, lvt(LVT_LINT0), DELIVER_EXTINT << 8);
	assert_true(lapic_accepts_extint(&regs));
	lapic_regs_write(&regs, lvt(LVT_LINT0), DELIVER_EXTINT << 8 | LVT_MASKED);
	assert_false(lapic_accepts_extint(&regs));
	regs.mode = LAPIC_DISABLED;
	assert_true(lapic_accepts_extint(&regs));
}

/* State */

TEST(state_survives_saving_and_loading)
{
	u8 page[LAPIC_PAGE_SIZE], again[LAPIC_PAGE_SIZE];
	u32 count;

	lapic_regs_write(&regs, LAPIC_LDR, 0x10000000);
	lapic_regs_write(&regs, LAPIC_TPR, 0x20);
	lapic_regs_write(&regs, lvt(LVT_TIMER), 1u << 17 | 0xec);
	lapic_regs_write(&regs, LAPIC_TMICT, 12345);
	lapic_regs_write(&regs, LAPIC_ICR2, 0x07000000);
	lapic_request(&regs, 0xfb, true);
	lapic_request(&regs, 0x31, false);
	lapic_accept(&regs);
	lapic_regs_save(&regs, 777, false, page);

	memset(&regs, 0, sizeof(regs));
	tpr = 0;
	regs.tpr = &tpr;
	regs.mode = LAPIC_XAPIC;
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), 0);
	assert_int_equal(count, 777);
	lapic_regs_save(&regs, count, false, again);
	assert_memory_equal(page, again, sizeof(page));
	assert_int_equal(lapic_eoi(&regs), 0xfb);
	lapic_regs_write(&regs, LAPIC_TPR, 0);
	assert_int_equal(lapic_accept(&regs), 0x31);
}

TEST(a_vector_below_16_is_kept_and_not_delivered)
{
	u8 page[LAPIC_PAGE_SIZE], again[LAPIC_PAGE_SIZE];
	u32 count, reg, i;

	memset(page, 0xff, sizeof(page));
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), 0);
	lapic_regs_save(&regs, count, false, again);
	for (reg = LAPIC_ISR; reg < LAPIC_ESR; reg += 0x80)
		for (i = 0; i < 8; i++) {
			u32 value;

			memcpy(&value, again + reg + i * 16, sizeof(value));
			assert_int_equal(value, ~0u);
		}
	lapic_regs_write(&regs, LAPIC_TPR, 0);
	for (i = 0; i < 256; i++)
		assert_int_equal(lapic_eoi(&regs), 255 - i);
	assert_int_equal(lapic_eoi(&regs), -1);
	for (i = 255; i >= 16; i--) {
		assert_int_equal(lapic_accept(&regs), i);
		lapic_eoi(&regs);
	}
	assert_int_equal(lapic_pending(&regs), -1);
}

TEST(x2apic_state_has_the_xapic_id)
{
	u8 page[LAPIC_PAGE_SIZE];
	u32 count;

	enter_x2apic();
	regs.icr = 6ULL << 32 | 0x41;
	lapic_regs_save(&regs, 0, false, page);
	assert_int_equal(page[LAPIC_ID + 3], 5);
	assert_int_equal(page[LAPIC_ICR2], 6);
	regs.icr = 0;
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), 0);
	assert_int_equal(regs.icr >> 32, 6);
	page[LAPIC_ID + 3] = 6;
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), -EINVAL);
	assert_int_equal(regs.id, 5);
}

TEST(x2apic_state_has_a_32_bit_id_if_wanted)
{
	u8 page[LAPIC_PAGE_SIZE];
	u32 count, id;

	lapic_regs_save(&regs, 0, true, page);
	assert_int_equal(page[LAPIC_ID + 3], 5);
	lapic_regs_enter_x2apic(&regs, 0x305);
	lapic_regs_save(&regs, 0, true, page);
	memcpy(&id, page + LAPIC_ID, sizeof(id));
	assert_int_equal(id, 0x305);
	assert_int_equal(lapic_regs_load(&regs, page, true, &count), 0);
	assert_int_equal(regs.id, 0x305);
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), -EINVAL);
	/* The narrow form of a large ID is what it was saved as. */
	lapic_regs_save(&regs, 0, false, page);
	assert_int_equal(lapic_regs_load(&regs, page, true, &count), -EINVAL);
	assert_int_equal(lapic_regs_load(&regs, page, false, &count), 0);
	assert_int_equal(regs.id, 0x305);
	assert_int_equal(read_reg(LAPIC_LDR), 0x30u << 16 | 1 << 5);
}

/* Whatever is written or loaded: no crash, and invariants hold. */
TEST(hostile_values_do_no_harm)
{
	u8 page[LAPIC_PAGE_SIZE];
	u32 i, reg, value, count;
	int vector;

	srand(1);
	for (i = 0; i < 200000; i++) {
		if (i % 1000 == 0)
			regs.mode = i / 1000 % 3;
		reg = rand() & 0x3ff;
		if (i % 3)
			reg &= ~0xfu;
		lapic_regs_write(&regs, reg, (u64)rand() << 33 ^ (u64)rand() << 4);
		lapic_regs_read(&regs, reg, &value);
		lapic_request(&regs, rand(), rand() & 1);
		vector = lapic_accept(&regs);
		assert_in_range(vector + 1, 0, 256);
		if (vector >= 0)
			assert_in_range(vector, 16, 255);
		matches(rand(), rand() & 1, rand() & 1);
		assert_in_range(lapic_timer_shift(&regs), 0, 7);
		lapic_deadline_ns((u64)rand() << 33, rand(), rand());
		if (rand() % 4 == 0)
			lapic_eoi(&regs);
		if (i % 500 == 0) {
			for (value = 0; value < sizeof(page); value++)
				page[value] = rand();
			lapic_regs_load(&regs, page, i & 1000, &count);
			lapic_regs_save(&regs, count, i & 1000, page);
		}
	}
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(reset_values_are_the_sdms),
		CASE(init_keeps_the_id),
		CASE(an_interrupt_goes_through_irr_and_isr),
		CASE(a_second_request_is_coalesced),
		CASE(every_vector_from_16_is_delivered),
		CASE(the_highest_vector_goes_first),
		CASE(a_higher_class_interrupts_a_lower_one),
		CASE(tpr_holds_back_its_class_and_below),
		CASE(what_tpr_holds_back_is_told_by_its_class),
		CASE(ppr_is_the_higher_of_tpr_and_what_is_in_service),
		CASE(an_end_can_wait_while_nothing_waits_for_it),
		CASE(the_vapic_word_has_tpr_class_in_service_and_request),
		CASE(eoi_with_nothing_in_service_does_nothing),
		CASE(software_disabled_takes_none_but_keeps_what_it_has),
		CASE(software_disabling_masks_the_lvts),
		CASE(an_illegal_vector_is_an_error),
		CASE(a_masked_error_interrupt_is_silent),
		CASE(read_only_lvt_bits_stay),
		CASE(deadline_mode_needs_cpuid),
		CASE(to_and_from_deadline_mode_stops_the_timer),
		CASE(divisors_are_the_sdms),
		CASE(a_deadline_is_converted_without_overflow),
		CASE(x2apic_derives_the_logical_id),
		CASE(x2apic_faults_on_reserved_bits),
		CASE(x2apic_lacks_some_registers),
		CASE(x2apic_icr_is_64_bits),
		CASE(self_ipi_is_x2apics_alone),
		CASE(base_moves_are_the_sdms),
		CASE(physical_destinations),
		CASE(flat_logical_destinations),
		CASE(cluster_logical_destinations),
		CASE(x2apic_logical_destinations),
		CASE(ff_of_a_device_is_everybody_or_those_in_xapic_mode),
		CASE(a_large_id_is_reached_in_both_modes),
		CASE(a_disabled_lapic_matches_nothing),
		CASE(icr_fields),
		CASE(msi_fields),
		CASE(xapic_icr_has_two_halves),
		CASE(extint_passes_through_lint0),
		CASE(state_survives_saving_and_loading),
		CASE(a_vector_below_16_is_kept_and_not_delivered),
		CASE(x2apic_state_has_the_xapic_id),
		CASE(x2apic_state_has_a_32_bit_id_if_wanted),
		CASE(hostile_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
