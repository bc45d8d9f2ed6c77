// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TSC goes forward, for every way to read it, and at CPL 3 unless CR4.TSD.
 * SDM: "Time-Stamp Counter".
 */
#include "irqchip.h"

static void forward(void)
{
	u64 last = rdtsc(), now;

	for (int i = 0; i < 1000; i++) {
		now = i % 10 ? rdtsc() : rdmsr(MSR_TSC);
		GUEST_ASSERT(now > last);
		last = now;
		if (i % 50 == 0)
			cpuid(0);
	}
}

static void rdtscp_too(void)
{
	u64 before = rdtsc();
	u32 lo, hi;

	if (!(cpuid(0x80000001).edx & BIT(27)))
		claim_skip("no RDTSCP");
	asm volatile("rdtscp" : "=a"(lo), "=d"(hi) : : "ecx");
	GUEST_ASSERT((lo | (u64)hi << 32) > before);
	GUEST_ASSERT(rdtsc() > (lo | (u64)hi << 32));
}

static u64 user_rdtsc(u64 arg)
{
	return TRY("rdtsc", : : : "eax", "edx");
}

static void disabled(void)
{
	u64 cr4 = read_cr4();

	GUEST_EXPECT(user_call(user_rdtsc, 0), NO_TRAP);
	write_cr4(cr4 | CR4_TSD);
	GUEST_EXPECT(user_call(user_rdtsc, 0), VEC_GP);
	GUEST_EXPECT(TRY("rdtsc", : : : "eax", "edx"), NO_TRAP);
	write_cr4(cr4);
}

static void on_tick(struct trap_frame *frame)
{
	apic_eoi();
}

/* The TSC goes on in HLT: both clocks agree on a sleep within a factor of 2. */
static void in_sleep(void)
{
	u64 start, slept, spun;

	apic_enable();
	on_trap(0x41, on_tick);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, 0x41 | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, ~0u);
	start = rdtsc();
	while (~0u - apic_read(APIC_TIMER_CURRENT) < 1000000)
		cpu_pause();
	spun = rdtsc() - start;
	apic_write(APIC_LVT_TIMER, 0x41);
	start = rdtsc();
	apic_write(APIC_TIMER_INITIAL, 1000000);
	irqs_on_and_halt();
	slept = rdtsc() - start;
	GUEST_ASSERT(slept > spun / 2);
	GUEST_ASSERT(slept < spun * 8);
}

CLAIMS = { { forward, "RDTSC and the MSR never go back" },
	   { rdtscp_too, "RDTSCP reads the same counter" },
	   { disabled, "CR4.TSD keeps RDTSC from CPL 3 only" },
	   { in_sleep, "the TSC counts while HLT sleeps" },
	   END_OF_CLAIMS };
