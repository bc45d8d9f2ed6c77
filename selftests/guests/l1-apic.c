// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC in xAPIC and x2APIC mode: timer, IPIs to itself, priorities.
 * Each claim that can runs in both modes.
 * SDM: "Advanced Programmable Interrupt Controller (APIC)", "Extended XAPIC (x2APIC)".
 */
#include "irqchip.h"

#define LOW 0x41
#define HIGH 0x81
#define SPURIOUS 0xff

static volatile u32 count[256];
static volatile u8 order[8];
static volatile u32 taken;

static void on_irq(struct trap_frame *frame)
{
	count[frame->vector]++;
	if (taken < ARRAY_SIZE(order))
		order[taken] = frame->vector;
	taken++;
	apic_eoi();
}

/* As a processor may for what waits while TPR is raised. There is nothing to end. */
static void on_spurious(__attribute__((unused)) struct trap_frame *frame)
{
}

static void reset(void)
{
	on_trap(SPURIOUS, on_spurious);
	memset((void *)count, 0, sizeof(count));
	taken = 0;
	on_trap(LOW, on_irq);
	on_trap(HIGH, on_irq);
	apic_enable();
}

static void let_in(void)
{
	irqs_on();
	cpu_pause();
	irqs_off();
}

static void self(u8 vector)
{
	apic_icr(0, vector | ICR_SELF | ICR_ASSERT);
}

static void registers(void)
{
	reset();
	GUEST_EXPECT(apic_id(), 0);
	GUEST_ASSERT((apic_read(APIC_VERSION) & 0xff) >= 0x10);
	GUEST_ASSERT((apic_read(APIC_VERSION) >> 16 & 0xff) >= 4);
	apic_write(APIC_TPR, 0x35);
	GUEST_EXPECT(apic_read(APIC_TPR), 0x35);
	GUEST_EXPECT(read_cr8(), 3);
	GUEST_EXPECT(apic_read(APIC_PPR), 0x35);
	write_cr8(7);
	GUEST_EXPECT(apic_read(APIC_TPR), 0x70);
	apic_write(APIC_TPR, 0);
	GUEST_EXPECT(apic_read(APIC_LVT_LINT0) & LVT_MASKED, LVT_MASKED);
}

static void self_ipi(void)
{
	reset();
	self(LOW);
	GUEST_ASSERT(apic_bit(APIC_IRR, LOW));
	GUEST_EXPECT(count[LOW], 0);
	let_in();
	GUEST_EXPECT(count[LOW], 1);
	GUEST_ASSERT(!apic_bit(APIC_IRR, LOW));
	GUEST_ASSERT(!apic_bit(APIC_ISR, LOW));
	apic_icr(0, LOW | ICR_ASSERT);
	let_in();
	GUEST_EXPECT(count[LOW], 2);
	apic_icr(0, LOW | ICR_ALL | ICR_ASSERT);
	let_in();
	GUEST_EXPECT(count[LOW], 3);
	apic_icr(0, LOW | ICR_OTHERS | ICR_ASSERT);
	let_in();
	GUEST_EXPECT(count[LOW], 3);
}

static void priorities(void)
{
	reset();
	self(LOW);
	self(HIGH);
	let_in();
	let_in();
	GUEST_EXPECT(taken, 2);
	GUEST_EXPECT(order[0], HIGH);
	GUEST_EXPECT(order[1], LOW);
	apic_write(APIC_TPR, 0x40);
	self(LOW);
	let_in();
	GUEST_EXPECT(taken, 2);
	self(HIGH);
	let_in();
	GUEST_EXPECT(taken, 3);
	write_cr8(0);
	let_in();
	GUEST_EXPECT(taken, 4);
}

/* Interrupts are on, and TPR alone holds them back: each that it lets in comes at once. */
static void held_back(void)
{
	reset();
	write_cr8(15);
	irqs_on();
	self(LOW);
	self(HIGH);
	GUEST_EXPECT(taken, 0);
	write_cr8(HIGH >> 4);
	write_cr8(11);
	write_cr8(HIGH >> 4);
	GUEST_EXPECT(taken, 0);
	write_cr8((HIGH >> 4) - 1);
	GUEST_EXPECT(taken, 1);
	GUEST_EXPECT(order[0], HIGH);
	write_cr8(LOW >> 4);
	GUEST_EXPECT(taken, 1);
	GUEST_EXPECT(read_cr8(), LOW >> 4);
	apic_write(APIC_TPR, (LOW - 0x10) | 0xf);
	GUEST_EXPECT(taken, 2);
	GUEST_EXPECT(read_cr8(), (LOW >> 4) - 1);
	irqs_off();
	write_cr8(0);
}

/* What waited for RFLAGS.IF waits for TPR as well, if that was raised meanwhile. */
static void raised_while_off(void)
{
	reset();
	self(LOW);
	write_cr8(LOW >> 4);
	let_in();
	GUEST_EXPECT(taken, 0);
	irqs_on();
	GUEST_EXPECT(taken, 0);
	write_cr8(0);
	GUEST_EXPECT(taken, 1);
	irqs_off();
}

/* An interrupt that comes while TPR is high and the guest does nothing that exits. */
static void comes_while_high(void)
{
	reset();
	write_cr8(15);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LOW);
	irqs_on();
	apic_write(APIC_TIMER_INITIAL, 100000);
	spin(10000000);
	GUEST_EXPECT(taken, 0);
	write_cr8(5);
	write_cr8(4);
	GUEST_EXPECT(taken, 0);
	write_cr8(3);
	GUEST_EXPECT(taken, 1);
	irqs_off();
	write_cr8(0);
}

static bool nested_seen;

static void outer(struct trap_frame *frame)
{
	GUEST_ASSERT(apic_bit(APIC_ISR, LOW));
	GUEST_EXPECT(apic_read(APIC_PPR), LOW & 0xf0);
	self(HIGH);
	let_in();
	nested_seen = count[HIGH] == 1;
	self(LOW);
	let_in();
	GUEST_EXPECT(count[LOW], 0);
	on_trap(LOW, on_irq);
	apic_eoi();
}

static void nesting(void)
{
	reset();
	on_trap(LOW, outer);
	nested_seen = false;
	self(LOW);
	let_in();
	GUEST_ASSERT(nested_seen);
	let_in();
	GUEST_EXPECT(count[LOW], 1);
}

static void one_shot(void)
{
	u32 now;

	reset();
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LOW);
	apic_write(APIC_TIMER_INITIAL, 100000000); /* whatever L0 does meanwhile */
	now = apic_read(APIC_TIMER_CURRENT);
	GUEST_ASSERT(now && now <= 100000000);
	spin(10000);
	GUEST_ASSERT(apic_read(APIC_TIMER_CURRENT) < now);
	apic_write(APIC_TIMER_INITIAL, 20000);
	irqs_on();
	GUEST_ASSERT(wait_for(&count[LOW], 1, 200000000));
	irqs_off();
	GUEST_EXPECT(apic_read(APIC_TIMER_CURRENT), 0);
	spin(200000);
	let_in();
	GUEST_EXPECT(count[LOW], 1);
}

static void periodic(void)
{
	reset();
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LOW | LVT_PERIODIC);
	apic_write(APIC_TIMER_INITIAL, 100000);
	irqs_on();
	for (u32 i = 1; i <= 5; i++)
		while (count[LOW] < i)
			cpu_pause();
	irqs_off();
	apic_write(APIC_TIMER_INITIAL, 0);
	let_in();
	taken = count[LOW];
	spin(500000);
	let_in();
	GUEST_EXPECT(count[LOW], taken);
}

static void masked_timer(void)
{
	reset();
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LOW | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, 1000);
	spin(500000);
	let_in();
	GUEST_EXPECT(count[LOW], 0);
	GUEST_ASSERT(!apic_bit(APIC_IRR, LOW));
}

static void tsc_deadline(void)
{
	u64 start;

	if (!(cpuid(1).ecx & BIT(24)))
		claim_skip("no TSC deadline");
	reset();
	apic_write(APIC_LVT_TIMER, LOW | LVT_TSC_DEADLINE);
	asm volatile("mfence");
	start = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, start + 300000);
	GUEST_EXPECT(rdmsr(MSR_TSC_DEADLINE), start + 300000);
	irqs_on_and_halt();
	GUEST_EXPECT(count[LOW], 1);
	GUEST_ASSERT(rdtsc() >= start + 300000);
	GUEST_EXPECT(rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
	irqs_on();
	GUEST_ASSERT(wait_for(&count[LOW], 2, 200000000));
	irqs_off();
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 400000);
	wrmsr(MSR_TSC_DEADLINE, 0);
	spin(600000);
	let_in();
	GUEST_EXPECT(count[LOW], 2);
}

static void software_disable(void)
{
	reset();
	apic_write(APIC_LVT_TIMER, LOW);
	apic_write(APIC_SVR, 0xff);
	GUEST_EXPECT(apic_read(APIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED);
	apic_write(APIC_LVT_TIMER, LOW); /* the mask cannot be cleared */
	GUEST_EXPECT(apic_read(APIC_LVT_TIMER) & LVT_MASKED, LVT_MASKED);
	self(LOW);
	let_in();
	GUEST_EXPECT(count[LOW], 0);
	reset();
}

static void illegal_vector(void)
{
	reset();
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	self(5);
	apic_write(APIC_ESR, 0);
	GUEST_EXPECT(apic_read(APIC_ESR) & BIT(5), BIT(5));
	apic_write(APIC_ESR, 0);
	GUEST_EXPECT(apic_read(APIC_ESR), 0);
}

static void logical(void)
{
	reset();
	if (apic_is_x2apic()) {
		GUEST_EXPECT(apic_read(APIC_LDR), 1);
		apic_icr(1, LOW | ICR_LOGICAL | ICR_ASSERT);
	} else {
		apic_write(APIC_DFR, ~0u);
		apic_write(APIC_LDR, 4u << 24);
		apic_icr(4, LOW | ICR_LOGICAL | ICR_ASSERT);
	}
	let_in();
	GUEST_EXPECT(count[LOW], 1);
}

#define X2APIC(name)                             \
	static void x2_##name(void)              \
	{                                        \
		if (!(cpuid(1).ecx & BIT(21)))   \
			claim_skip("no x2APIC"); \
		apic_enable_x2apic();            \
		name();                          \
	}
X2APIC(registers)
X2APIC(self_ipi)
X2APIC(priorities)
X2APIC(nesting)
X2APIC(one_shot)
X2APIC(periodic)
X2APIC(tsc_deadline)
X2APIC(software_disable)
X2APIC(logical)
X2APIC(held_back)
X2APIC(raised_while_off)
X2APIC(comes_while_high)

static void x2_faults(void)
{
	u64 v;

	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	GUEST_EXPECT(try_wrmsr(0x802, 0), VEC_GP);     /* ID is read-only */
	GUEST_EXPECT(try_wrmsr(0x808, 0x100), VEC_GP); /* TPR has 8 bits */
	GUEST_EXPECT(try_wrmsr(0x808, 1ULL << 32), VEC_GP);
	GUEST_EXPECT(try_rdmsr(0x80e, &v), VEC_GP); /* there is no DFR */
	GUEST_EXPECT(try_rdmsr(0x831, &v), VEC_GP); /* nor a second ICR */
	GUEST_EXPECT(try_rdmsr(0x80b, &v), VEC_GP); /* EOI is write-only */
	GUEST_EXPECT(try_wrmsr(0x80b, 1), VEC_GP);  /* and takes only 0 */
	GUEST_EXPECT(try_rdmsr(0x83f, &v), VEC_GP); /* so is SELF IPI */
	GUEST_EXPECT(try_wrmsr(0x828, 1), VEC_GP);  /* ESR takes only 0 */
	v = rdmsr(MSR_APIC_BASE);
	GUEST_EXPECT(try_wrmsr(MSR_APIC_BASE, v & ~APIC_BASE_X2APIC), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_APIC_BASE, v & ~APIC_BASE_ENABLE), VEC_GP);
}

static void x2_self_ipi_register(void)
{
	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	reset();
	wrmsr(0x83f, LOW);
	let_in();
	GUEST_EXPECT(count[LOW], 1);
}

/* It is received as well, so that bit 6 may be set, too. */
static void x2_self_ipi_illegal(void)
{
	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	reset();
	wrmsr(0x828, 0);
	wrmsr(0x83f, 5);
	wrmsr(0x828, 0);
	GUEST_EXPECT(rdmsr(0x828) & BIT(5), BIT(5));
}

static void xapic_msrs(void)
{
	u64 v;

	GUEST_EXPECT(try_rdmsr(0x802, &v), VEC_GP);
	GUEST_EXPECT(try_wrmsr(0x808, 0), VEC_GP);
}

CLAIMS = { { registers, "xAPIC: ID, version, TPR and CR8, PPR, LINT0" },
	   { self_ipi, "xAPIC: IPIs to itself by every shorthand" },
	   { priorities, "xAPIC: the higher vector first, none below TPR" },
	   { nesting, "xAPIC: only a higher class interrupts a handler" },
	   { one_shot, "xAPIC: the timer counts down and fires once" },
	   { periodic, "xAPIC: the periodic timer goes on until its count is 0" },
	   { masked_timer, "xAPIC: a masked timer is silent" },
	   { tsc_deadline,
	     "xAPIC: the TSC deadline fires at its time, at once when past, not when cleared" },
	   { software_disable, "xAPIC: software disable masks the LVTs" },
	   { illegal_vector, "xAPIC: vector 5 in ICR is an error in ESR" },
	   { logical, "xAPIC: logical destination, flat" },
	   { xapic_msrs, "xAPIC: the x2APIC MSRs raise #GP" },
	   { held_back, "xAPIC: what TPR holds back comes as soon as MOV CR8 lets it in" },
	   { raised_while_off, "xAPIC: TPR raised with interrupts off holds back what waited" },
	   { comes_while_high,
	     "xAPIC: what the timer sends while TPR is high comes when it is lowered" },
	   { x2_registers, "x2APIC: ID, version, TPR and CR8, PPR, LINT0" },
	   { x2_self_ipi, "x2APIC: IPIs to itself by every shorthand" },
	   { x2_self_ipi_register, "x2APIC: the SELF IPI register" },
	   { x2_priorities, "x2APIC: the higher vector first, none below TPR" },
	   { x2_nesting, "x2APIC: only a higher class interrupts a handler" },
	   { x2_one_shot, "x2APIC: the timer counts down and fires once" },
	   { x2_periodic, "x2APIC: the periodic timer goes on until its count is 0" },
	   { x2_tsc_deadline, "x2APIC: the TSC deadline fires at its time" },
	   { x2_software_disable, "x2APIC: software disable masks the LVTs" },
	   { x2_logical, "x2APIC: logical destination" },
	   { x2_faults, "x2APIC: reserved bits, absent and one-way registers raise #GP" },
	   { x2_held_back, "x2APIC: what TPR holds back comes as soon as MOV CR8 lets it in" },
	   { x2_raised_while_off, "x2APIC: TPR raised with interrupts off holds back what waited" },
	   { x2_comes_while_high,
	     "x2APIC: what the timer sends while TPR is high comes when it is lowered" },
	   { x2_self_ipi_illegal, "x2APIC: no vector in SELF IPI is a send error" },
	   END_OF_CLAIMS };
