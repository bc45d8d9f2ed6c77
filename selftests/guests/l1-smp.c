// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several CPUs: INIT-SIPI-SIPI, IPIs of every destination, NMIs, INIT.
 * Run with 4; with fewer it proves what it can.
 * SDM: "Multiple-Processor (MP) Initialization", "Issuing Interprocessor Interrupts".
 */
#include "irqchip.h"

#define VECTOR 0x71
#define PATIENCE 400000000ULL

static unsigned int cpus;
static volatile u32 received[MAX_CPUS], nmis[MAX_CPUS];

static void on_ipi(struct trap_frame *frame)
{
	__atomic_add_fetch(&received[this_cpu()->index], 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

static void need_cpus(void)
{
	if (!cpus)
		cpus = cpus_start(4);
	if (cpus < 2)
		claim_skip("one CPU only");
}

static void up(void)
{
	need_cpus();
	printf("# %u CPUs\n", cpus);
}

static void note_id(void *arg)
{
	*(u32 *)arg = apic_id();
}

static void ids(void)
{
	need_cpus();
	for (u32 i = 1; i < cpus; i++) {
		u32 id = ~0u;

		cpu_run(i, note_id, &id);
		cpu_wait(i);
		GUEST_EXPECT(id, i);
	}
}

static u64 shared;

static void add_many(void *arg)
{
	for (int i = 0; i < 20000; i++)
		__atomic_add_fetch(&shared, 1, __ATOMIC_SEQ_CST);
}

static void atomics(void)
{
	need_cpus();
	shared = 0;
	for (u32 i = 1; i < cpus; i++)
		cpu_run(i, add_many, NULL);
	add_many(NULL);
	for (u32 i = 1; i < cpus; i++)
		cpu_wait(i);
	GUEST_EXPECT(shared, 20000 * cpus);
}

static volatile u32 stop, ready;

/* The IPI that ended the claim before may still be pending here. */
static void get_ready(void)
{
	apic_enable();
	irqs_on();
	spin(1000);
	irqs_off();
	received[this_cpu()->index] = 0;
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
}

static void listen(void *arg)
{
	get_ready();
	irqs_on();
	while (!stop)
		cpu_pause();
	irqs_off();
}

static void sleep_and_listen(void *arg)
{
	get_ready();
	while (!stop)
		irqs_on_and_halt();
}

static void all_listen(void (*how)(void *))
{
	on_trap(VECTOR, on_ipi);
	apic_enable();
	stop = ready = 0;
	received[0] = 0;
	for (u32 i = 1; i < cpus; i++)
		cpu_run(i, how, NULL);
	if (!wait_for(&ready, cpus - 1, PATIENCE))
		claim_fail("a CPU does not listen");
}

static void all_done(void)
{
	stop = 1;
	apic_icr(0, VECTOR | ICR_OTHERS | ICR_ASSERT);
	for (u32 i = 1; i < cpus; i++)
		cpu_wait(i);
}

static void one_by_one(void (*how)(void *))
{
	need_cpus();
	all_listen(how);
	for (u32 i = 1; i < cpus; i++) {
		apic_icr(i, VECTOR | ICR_ASSERT);
		GUEST_ASSERT(wait_for(&received[i], 1, PATIENCE));
		for (u32 j = 1; j < cpus; j++)
			GUEST_EXPECT(received[j], j <= i);
	}
	all_done();
}

static void physical(void)
{
	one_by_one(listen);
}

static void wakes(void)
{
	one_by_one(sleep_and_listen);
}

static void shorthands(void)
{
	need_cpus();
	all_listen(sleep_and_listen);
	apic_icr(0, VECTOR | ICR_OTHERS | ICR_ASSERT);
	for (u32 i = 1; i < cpus; i++)
		GUEST_ASSERT(wait_for(&received[i], 1, PATIENCE));
	GUEST_EXPECT(received[0], 0);
	apic_icr(0, VECTOR | ICR_ALL | ICR_ASSERT);
	irqs_on();
	for (u32 i = 0; i < cpus; i++)
		GUEST_ASSERT(wait_for(&received[i], i ? 2 : 1, PATIENCE));
	irqs_off();
	all_done();
}

static void on_nmi(struct trap_frame *frame)
{
	nmis[this_cpu()->index]++;
}

static void nmi(void)
{
	need_cpus();
	on_trap(VEC_NMI, on_nmi);
	for (u32 i = 0; i < MAX_CPUS; i++)
		nmis[i] = 0;
	apic_enable();
	for (u32 i = 1; i < cpus; i++) {
		apic_icr(i, ICR_NMI | ICR_ASSERT);
		GUEST_ASSERT(wait_for(&nmis[i], 1, PATIENCE));
	}
	GUEST_EXPECT(nmis[0], 0);
	on_trap(VEC_NMI, NULL);
}

static volatile u32 ping, pong;

static void answer(struct trap_frame *frame)
{
	pong++;
	apic_eoi();
	if (this_cpu()->index)
		apic_icr(0, VECTOR | ICR_ASSERT);
	else
		ping++;
}

static void ping_pong(void)
{
	need_cpus();
	all_listen(sleep_and_listen);
	on_trap(VECTOR, answer);
	ping = pong = 0;
	for (u32 i = 1; i <= 200; i++) {
		apic_icr(1, VECTOR | ICR_ASSERT);
		irqs_on();
		if (!wait_for(&ping, i, PATIENCE))
			claim_fail("no answer");
		irqs_off();
	}
	on_trap(VECTOR, on_ipi);
	all_done();
	GUEST_EXPECT(ping, 200);
}

static volatile u64 turn_tsc;
static volatile u32 turn;

static void take_turns(void *arg)
{
	for (u32 i = 0; i < 500; i++) {
		while (turn != 1)
			cpu_pause();
		GUEST_ASSERT(rdtsc() > turn_tsc);
		turn_tsc = rdtsc();
		__atomic_store_n(&turn, 0, __ATOMIC_SEQ_CST);
	}
}

static void tsc_agrees(void)
{
	need_cpus();
	turn_tsc = rdtsc();
	turn = 0;
	cpu_run(1, take_turns, NULL);
	for (u32 i = 0; i < 500; i++) {
		while (turn != 0)
			cpu_pause();
		GUEST_ASSERT(rdtsc() > turn_tsc);
		turn_tsc = rdtsc();
		__atomic_store_n(&turn, 1, __ATOMIC_SEQ_CST);
	}
	cpu_wait(1);
}

/* INIT makes a CPU wait for SIPI wherever it is; it comes up again. */
static void spin_for_ever(void *arg)
{
	*(volatile u32 *)arg = 1;
	for (;;)
		cpu_pause();
}

/* INIT and SIPI while CPU 1 does @what, which sets its argument first. */
static void restart_while(void (*what)(void *))
{
	volatile u32 *spinning = page_alloc();

	need_cpus();
	cpu_run(1, what, (void *)spinning);
	GUEST_ASSERT(wait_for(spinning, 1, PATIENCE));
	GUEST_EXPECT(cpu_restart(1), true);
}

static void init_again(void)
{
	restart_while(spin_for_ever);
	ids();
}

/* With an interrupt that its TPR holds back, for which the processor has a threshold. */
static void hold_and_spin(void *arg)
{
	apic_enable();
	write_cr8(15);
	apic_icr(0, 0x51 | ICR_SELF | ICR_ASSERT);
	irqs_on();
	spin_for_ever(arg);
}

static void init_with_held(void)
{
	restart_while(hold_and_spin);
	ids();
}

static void choose_xcr0(void *arg)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, 3);
	spin_for_ever(arg);
}

static void read_xcr0(void *arg)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	*(volatile u64 *)arg = xgetbv(0);
}

static void init_keeps_xcr0(void)
{
	volatile u64 *xcr0 = page_alloc();

	if (!(cpuid(1).ecx & BIT(26)))
		claim_skip("no XSAVE");
	restart_while(choose_xcr0);
	cpu_run(1, read_xcr0, (void *)xcr0);
	cpu_wait(1);
	GUEST_EXPECT(*xcr0, 3);
}

static volatile u32 lived; /* what a CPU counts after its own INIT */

static __attribute__((noinline)) void write_register(u32 reg, u32 value)
{
	*(volatile u32 *)(u64)(APIC_PAGE + reg) = value;
}

/* All by one instruction, which whoever emulates it knows when INIT comes. */
static void init_itself(void *arg)
{
	u32 self = apic_id() << 24;

	for (int i = 0; i < 6; i++)
		write_register(APIC_ICR_HIGH, self);
	*(volatile u32 *)arg = 1;
	write_register(APIC_ICR, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	for (;;)
		lived++;
}

static void init_of_itself(void)
{
	volatile u32 *about_to = page_alloc();

	need_cpus();
	lived = 0;
	cpu_run(1, init_itself, (void *)about_to);
	GUEST_ASSERT(wait_for(about_to, 1, PATIENCE));
	spin(1000000);
	GUEST_EXPECT(lived, 0);
	GUEST_EXPECT(cpu_restart(1), true);
	ids();
}

CLAIMS = { { up, "INIT-SIPI-SIPI brings the other CPUs up" },
	   { ids, "each CPU has its APIC ID" },
	   { atomics, "locked additions of all CPUs add up" },
	   { physical, "an IPI with a physical destination reaches that CPU only" },
	   { wakes, "an IPI wakes a CPU from HLT" },
	   { shorthands, "the shorthands reach all, or all but the sender" },
	   { nmi, "an NMI reaches another CPU" },
	   { ping_pong, "two hundred IPIs there and back" },
	   { tsc_agrees, "the TSCs of two CPUs agree on before and after" },
	   { init_again, "INIT stops a busy CPU, SIPI starts it again" },
	   { init_of_itself, "INIT stops the CPU that sends it to itself" },
	   { init_with_held, "INIT ends what TPR holds back, and the CPU comes up" },
	   { init_keeps_xcr0, "INIT leaves XCR0 as it is" },
	   END_OF_CLAIMS };
