// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers that are set far ahead, past 2^32 ticks, fire then and not
 * before, and all go on afterwards.
 * SDM: "APIC Timer", "TSC-Deadline Mode". Data sheet: "8254 Programmable
 * Interval Timer".
 */
#include "irqchip.h"

#define VECTOR 0x41
#define PIC_BASE 0x50

static volatile u32 ticks;

static void on_tick(struct trap_frame *frame)
{
	ticks++;
	apic_eoi();
}

static void on_irq0(struct trap_frame *frame)
{
	ticks++;
	pic_eoi(0);
}

static void prepare(u32 lvt)
{
	apic_enable();
	on_trap(VECTOR, on_tick);
	ticks = 0;
	apic_write(APIC_LVT_TIMER, lvt);
}

static void done(void)
{
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* TSC ticks that the APIC timer takes for 2^26 of its own, undivided. */
static u64 tsc_per_unit(void)
{
	u64 start;

	prepare(VECTOR);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	start = rdtsc();
	apic_write(APIC_TIMER_INITIAL, 1 << 26);
	irqs_on_and_halt();
	return rdtsc() - start;
}

/* Sleep for @count units of @shift ticks, by what a short sleep took. */
static void expect_sleep(u32 divide, int shift, u32 count, bool periodic)
{
	u64 unit = tsc_per_unit(), start, slept;
	u64 want = unit * ((u64)count << shift >> 26);

	prepare(VECTOR | (periodic ? LVT_PERIODIC : 0));
	apic_write(APIC_TIMER_DIVIDE, divide);
	start = rdtsc();
	apic_write(APIC_TIMER_INITIAL, count);
	for (u32 i = 1; i <= (periodic ? 2 : 1); i++) {
		irqs_on_and_halt();
		GUEST_EXPECT(ticks, i);
		slept = rdtsc() - start;
		GUEST_ASSERT(slept > want / 4 * 3 * i);
		GUEST_ASSERT(slept < (want + want / 4) * i + unit);
	}
	done();
}

static void one_shot(void)
{
	expect_sleep(0xb, 0, 0xffffffff, false);
}

static void divided(void)
{
	expect_sleep(0xa, 7, 0x3000000, false); /* 1.5 * 2^32 ticks */
}

static void periodic(void)
{
	expect_sleep(0xa, 7, 0x1800000, true); /* 0.75 * 2^32 ticks */
}

static void expect_deadline(u64 ahead)
{
	u64 deadline;

	if (!(cpuid(1).ecx & BIT(24)))
		claim_skip("no TSC deadline");
	prepare(VECTOR | LVT_TSC_DEADLINE);
	deadline = rdtsc() + ahead;
	wrmsr(MSR_TSC_DEADLINE, deadline);
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	GUEST_ASSERT(rdtsc() >= deadline);
	GUEST_ASSERT(rdtsc() - deadline < 50000000);
	done();
}

static void deadline(void)
{
	expect_deadline((1ULL << 32) + (1 << 20));
}

/* A deadline past all time never comes, and is no obstacle to another. */
static void deadline_never(void)
{
	if (!(cpuid(1).ecx & BIT(24)))
		claim_skip("no TSC deadline");
	prepare(VECTOR | LVT_TSC_DEADLINE);
	wrmsr(MSR_TSC_DEADLINE, ~0ULL >> 1);
	irqs_on();
	spin(3000000);
	irqs_off();
	GUEST_EXPECT(ticks, 0);
	expect_deadline(1000000);
}

/* Ticks within five periods of 2^20 after @change, one third of a period after the start. */
static u32 ticks_after(u32 lvt, void (*change)(void))
{
	u64 period = tsc_per_unit() >> 6, end;

	prepare(lvt | VECTOR);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_TIMER_INITIAL, 1 << 20);
	end = rdtsc() + period / 3;
	while (rdtsc() < end)
		asm volatile("pause");
	change();
	end = rdtsc() + period * 5;
	irqs_on();
	while (rdtsc() < end)
		asm volatile("pause");
	irqs_off();
	done();
	return ticks;
}

static void make_periodic(void)
{
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
}

static void make_one_shot(void)
{
	apic_write(APIC_LVT_TIMER, VECTOR);
}

static void make_slower(void)
{
	apic_write(APIC_TIMER_DIVIDE, 0xa); /* by 128 */
}

static void mask_it(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED | LVT_PERIODIC | VECTOR);
}

/* Mode and mask count when the count is 0, not when it was written. */
static void changed_under_way(void)
{
	u32 n = ticks_after(0, make_periodic);

	GUEST_ASSERT(n >= 3 && n <= 6);
	GUEST_EXPECT(ticks_after(LVT_PERIODIC, make_one_shot), 1);
	GUEST_EXPECT(ticks_after(LVT_PERIODIC, mask_it), 0);
}

static void slowed_down(void)
{
	GUEST_EXPECT(ticks_after(0, make_slower), 0);
}

/* The others are as they were at the beginning. */
static void short_ones(void)
{
	u64 unit = tsc_per_unit();

	GUEST_ASSERT(unit < 1ULL << 30);
	expect_sleep(0xb, 0, 4 << 26, false);
	expect_sleep(0xb, 0, 4 << 26, true);
	apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT */
	ticks = 0;
	on_trap(PIC_BASE, on_irq0);
	pic_setup(PIC_BASE, 0xfffe);
	pit_start(0, 2, 0xffff);
	for (u32 i = 1; i <= 3; i++)
		irqs_on_and_halt();
	GUEST_EXPECT(ticks, 3);
	pic_mask_all();
}

/* However short the period is. */
static void count_bounded(void)
{
	const u32 count = 50000;
	u32 most = 0;

	prepare(VECTOR | LVT_PERIODIC);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_TIMER_INITIAL, count);
	irqs_on();
	while (ticks < 3) {
		u32 now = apic_read(APIC_TIMER_CURRENT);

		most = now > most ? now : most;
	}
	irqs_off();
	GUEST_ASSERT(most <= count);
	done();
}

CLAIMS = { { one_shot, "a count of 2^32 - 1" },
	   { divided, "a divided count of more than 2^32 ticks" },
	   { periodic, "periods of almost 2^32 ticks" },
	   { deadline, "a TSC deadline more than 2^32 ticks ahead" },
	   { deadline_never, "a TSC deadline past all time" },
	   { changed_under_way, "mode and mask of a timer under way" },
	   { slowed_down, "a greater divisor makes what is left longer" },
	   { short_ones, "short sleeps and the PIT afterwards" },
	   { count_bounded, "the current count is never above the initial one" },
	   END_OF_CLAIMS };
