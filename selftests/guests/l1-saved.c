// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moments at which something waits, is latched or half done. At each the guest writes
 * port 0x80; the test `saved` then moves it to another machine. On the processor itself the
 * port is nobody's, and the claims are the same.
 */
#include "irqchip.h"

#define VECTOR 0x51
#define HIGH_VECTOR 0x71
#define PIC_BASE 0x50

static volatile u32 ticks, high_ticks;

static void mark(void)
{
	outb(0x80, 0);
}

static void wait_tsc(u64 tsc)
{
	u64 end = rdtsc() + tsc;

	irqs_on();
	while (rdtsc() < end)
		asm volatile("pause");
	irqs_off();
}

static void on_tick(struct trap_frame *frame)
{
	ticks++;
	apic_eoi();
}

static void on_high(struct trap_frame *frame)
{
	high_ticks++;
	apic_eoi();
}

static void prepare(void)
{
	apic_enable();
	on_trap(VECTOR, on_tick);
	on_trap(HIGH_VECTOR, on_high);
	ticks = high_ticks = 0;
}

/* --- the LAPIC's timer ---------------------------------------------------- */

#define COUNT (1u << 24)

/* TSC ticks that COUNT takes, with a mark on the way if @marked. */
static u64 one_shot_takes(bool marked)
{
	u64 start;

	prepare();
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	start = rdtsc();
	apic_write(APIC_TIMER_INITIAL, COUNT);
	if (marked)
		mark();
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	return rdtsc() - start;
}

static void one_shot(void)
{
	u64 alone = one_shot_takes(false), moved = one_shot_takes(true);

	GUEST_ASSERT(moved > alone / 8 * 7);
	wait_tsc(alone);
	GUEST_EXPECT(ticks, 1);
	mark();
	wait_tsc(alone);
	GUEST_EXPECT(ticks, 1);
	GUEST_EXPECT(apic_read(APIC_TIMER_CURRENT), 0);
}

static void periodic(void)
{
	u64 period = one_shot_takes(false);

	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR);
	apic_write(APIC_TIMER_INITIAL, COUNT);
	ticks = 0;
	for (int i = 1; i <= 3; i++) {
		mark();
		wait_tsc(period + period / 8);
		GUEST_ASSERT(ticks >= (u32)i);
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	mark();
	wait_tsc(period / 8); /* one may have been due before it was stopped */
	ticks = 0;
	wait_tsc(period * 2);
	GUEST_EXPECT(ticks, 0);
}

static void deadline(void)
{
	u64 when;

	if (!(cpuid(1).ecx & BIT(24)))
		claim_skip("no TSC deadline");
	prepare();
	apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR);
	when = rdtsc() + 5000000;
	wrmsr(MSR_TSC_DEADLINE, when);
	mark();
	irqs_on_and_halt();
	GUEST_EXPECT(ticks, 1);
	GUEST_ASSERT(rdtsc() >= when);
	/* One that passes without being taken. */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
	spin(500000);
	mark();
	GUEST_EXPECT(ticks, 1);
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 2);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* --- interrupts ------------------------------------------------------------ */

static void self_ipi(u8 vector)
{
	apic_icr(0, ICR_SELF | vector);
}

static void on_outer(struct trap_frame *frame)
{
	ticks++;
	mark();
	GUEST_ASSERT(apic_bit(APIC_ISR, VECTOR));
	self_ipi(HIGH_VECTOR);
	self_ipi(VECTOR);
	mark();
	GUEST_EXPECT(high_ticks, 0);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(high_ticks, 1);
	GUEST_EXPECT(ticks, 1);
	on_trap(VECTOR, on_tick);
	apic_eoi();
}

static void requested_and_in_service(void)
{
	prepare();
	on_trap(VECTOR, on_outer);
	self_ipi(VECTOR);
	mark();
	GUEST_EXPECT(ticks, 0);
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 2);
}

static void held_by_tpr(void)
{
	prepare();
	apic_write(APIC_TPR, 0x60);
	self_ipi(VECTOR);
	mark();
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 0);
	apic_write(APIC_TPR, 0);
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 1);
}

static void nmi_self(void)
{
	apic_icr(0, ICR_NMI | ICR_ASSERT);
}

static void on_nmi(struct trap_frame *frame)
{
	if (ticks++)
		return;
	mark();
	nmi_self();
	mark();
	nmi_self();
	cpu_pause();
	GUEST_EXPECT(ticks, 1);
}

static void nmi_in_nmi(void)
{
	prepare();
	on_trap(VEC_NMI, on_nmi);
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	mark();
	GUEST_EXPECT(ticks, 2);
	on_trap(VEC_NMI, NULL);
}

static u64 step_rip[8];

static void on_step(struct trap_frame *frame)
{
	if (ticks < ARRAY_SIZE(step_rip))
		step_rip[ticks] = frame->rip;
	ticks++;
	GUEST_EXPECT(read_dr6() & BIT(14), BIT(14));
	frame->rflags &= ~(u64)BIT(8);
}

/* The trap of OUT is due when the OUT is done. */
static void single_step(void)
{
	u64 after;

	prepare();
	on_trap(VEC_DB, on_step);
	asm volatile("lea 1f(%%rip), %0\n\t"
		     "pushfq; orl $0x100, (%%rsp); popfq\n\t"
		     "out %%al, $0x80\n"
		     "1: nop"
		     : "=&r"(after)
		     : "a"(0)
		     : "cc", "memory");
	GUEST_EXPECT(ticks, 1);
	GUEST_EXPECT(step_rip[0], after);
	on_trap(VEC_DB, NULL);
}

/* OUT in STI's shadow, with an interrupt that waits: it comes right after. */
static void after_sti(void)
{
	prepare();
	self_ipi(VECTOR);
	asm volatile("sti; out %%al, $0x80; cli" : : "a"(0) : "memory");
	GUEST_EXPECT(ticks, 1);
}

static void errors(void)
{
	prepare();
	apic_write(APIC_ESR, 0);
	self_ipi(5);
	mark();
	apic_write(APIC_ESR, 0);
	GUEST_ASSERT(apic_read(APIC_ESR) & (BIT(5) | BIT(6)));
	mark();
	GUEST_ASSERT(apic_read(APIC_ESR) & (BIT(5) | BIT(6)));
	apic_write(APIC_ESR, 0);
	GUEST_EXPECT(apic_read(APIC_ESR), 0);
}

/* --- PIC, IOAPIC, PIT -------------------------------------------------------- */

static void pic_half_way(void)
{
	outb(0x20, 0x11);
	mark();
	outb(0x21, PIC_BASE);
	mark();
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0x21, 0xfb);
	outb(0x20, 0x0b); /* what is read is ISR */
	mark();
	GUEST_EXPECT(inb(0x21), 0xfb);
	GUEST_EXPECT(inb(0x20), 0);
	pic_mask_all();
}

static void on_irq0(struct trap_frame *frame)
{
	ticks++;
	outb(0x20, 0x0b);
	mark();
	GUEST_EXPECT(inb(0x20), 1);
	pic_eoi(0);
}

static void pic_in_service(void)
{
	prepare();
	apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT */
	on_trap(PIC_BASE, on_irq0);
	pic_setup(PIC_BASE, 0xfe);
	pit_start(0, 0, 0x100);
	spin(500000);
	mark();
	GUEST_EXPECT(ticks, 0);
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 1);
	pic_mask_all();
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
}

static void ioapic_select(void)
{
	volatile u32 *page = (void *)IOAPIC_PAGE;

	ioapic_write(0x15, 0x5000000);
	page[0] = 0x15;
	mark();
	GUEST_EXPECT(page[4], 0x5000000);
}

/* The PIT's pin is the 0th or, on a PC, the 2nd. */
#define ROUTE(pin) (0x10 + 2 * (pin))
#define REMOTE_IRR BIT(14)

static u32 remote_irr(void)
{
	return (ioapic_read(ROUTE(0)) | ioapic_read(ROUTE(2))) & REMOTE_IRR;
}

/* Masked before the EOI, since the line may still be up. */
static void on_level(struct trap_frame *frame)
{
	ticks++;
	GUEST_EXPECT(remote_irr(), REMOTE_IRR);
	mark();
	GUEST_EXPECT(remote_irr(), REMOTE_IRR);
	ioapic_write(ROUTE(0), ioapic_read(ROUTE(0)) | IOAPIC_MASKED);
	ioapic_write(ROUTE(2), ioapic_read(ROUTE(2)) | IOAPIC_MASKED);
	apic_eoi();
	GUEST_EXPECT(remote_irr(), 0);
}

static void ioapic_in_service(void)
{
	prepare();
	on_trap(VECTOR, on_level);
	ioapic_route(0, IOAPIC_LEVEL | VECTOR);
	ioapic_route(2, IOAPIC_LEVEL | VECTOR);
	pit_start(0, 0, 0x100);
	spin(500000);
	mark();
	wait_tsc(100000);
	GUEST_EXPECT(ticks, 1);
	ioapic_route(0, IOAPIC_MASKED);
	ioapic_route(2, IOAPIC_MASKED);
}

static void pit_half_written(void)
{
	outb(0x43, 0xb4); /* channel 2, both bytes, mode 2 */
	outb(0x42, 0x34);
	mark();
	outb(0x42, 0x12);
	outb(0x61, inb(0x61) | 1);
	for (int i = 0; i < 20; i++) {
		u16 count = pit_read(2);

		GUEST_ASSERT(count <= 0x1234);
	}
}

static void pit_latched(void)
{
	u16 count;
	u8 low;

	outb(0x61, inb(0x61) | 1);
	pit_start(2, 2, 0xffff);
	outb(0x43, 0x80);
	low = inb(0x42);
	mark();
	count = low | inb(0x42) << 8;
	outb(0x43, 0x80);
	mark();
	low = inb(0x42);
	GUEST_ASSERT((u16)(count - (low | inb(0x42) << 8)) < 0x4000);
}

/* A paused count stands where it was. */
static void pit_paused(void)
{
	u16 before;

	outb(0x61, inb(0x61) | 1);
	pit_start(2, 0, 0xffff);
	spin(200000);
	outb(0x61, inb(0x61) & ~1);
	before = pit_read(2);
	GUEST_ASSERT(before < 0xfff0);
	mark();
	/* But for what of a clock's time a move takes or loses. */
	GUEST_ASSERT((u16)(before - pit_read(2)) < 0x400);
	outb(0x61, inb(0x61) | 1);
}

static void on_unwanted(struct trap_frame *frame)
{
	ticks++;
	pic_eoi(0);
}

/* A mode without a count never ticks. */
static void pit_no_count(void)
{
	prepare();
	apic_write(APIC_LVT_LINT0, 0x700);
	on_trap(PIC_BASE, on_unwanted);
	pic_setup(PIC_BASE, 0xfe);
	outb(0x43, 0x34); /* mode 2, and no count */
	outb(0x43, 0xe2); /* status */
	GUEST_EXPECT(inb(0x40) & BIT(6), BIT(6));
	mark();
	wait_tsc(10000000);
	GUEST_EXPECT(ticks, 0);
	outb(0x43, 0xe2);
	GUEST_EXPECT(inb(0x40) & BIT(6), BIT(6));
	pic_mask_all();
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
}

/* It does not begin anew; so soon after it was read it may not have gone on either. */
static void pit_one_shot(void)
{
	u16 before;

	outb(0x61, inb(0x61) | 1);
	pit_start(2, 0, 0xffff);
	spin(1000000);
	before = pit_read(2);
	mark();
	GUEST_ASSERT(pit_read(2) <= before);
}

/* --- registers ---------------------------------------------------------------- */

static void registers(void)
{
	u64 low = 0x1122334455667788, high = 0, pi = 0, zero = 0;
	u32 mxcsr = 0x1f80 | 0x6000, got_mxcsr = 0;

	write_dr0(0x1234);
	write_cr2(0x5678);
	wrmsr(MSR_KERNEL_GS_BASE, 0xabcd);
	asm volatile("fninit; fldpi; ldmxcsr %3; movq %4, %%xmm9; out %%al, $0x80;"
		     "stmxcsr %2; movq %%xmm9, %0; fstpl %1"
		     : "=r"(high), "=m"(pi), "=m"(got_mxcsr)
		     : "m"(mxcsr), "r"(low), "a"(0));
	GUEST_EXPECT(high, low);
	GUEST_EXPECT(pi, 0x400921fb54442d18);
	GUEST_EXPECT(got_mxcsr, mxcsr);
	GUEST_EXPECT(read_dr0(), 0x1234);
	GUEST_EXPECT(read_cr2(), 0x5678);
	GUEST_EXPECT(rdmsr(MSR_KERNEL_GS_BASE), 0xabcd);
	mxcsr = 0x1f80;
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
	write_dr0(zero);
}

CLAIMS = { { one_shot, "a one-shot timer expires once, and not before its time" },
	   { periodic, "a periodic timer goes on, and a stopped one does not" },
	   { deadline, "a TSC deadline ahead, and one that has passed" },
	   { requested_and_in_service, "interrupts requested and in service" },
	   { held_by_tpr, "one that TPR holds back" },
	   { nmi_in_nmi, "an NMI in the NMI handler, and one more that waits" },
	   { single_step, "the single-step trap of an instruction that exits" },
	   { after_sti, "an interrupt that STI lets through" },
	   { errors, "an error that ESR does not show yet, and one that it does" },
	   { pic_half_way, "an 8259A between two words of its initialisation" },
	   { pic_in_service, "one with an interrupt requested, then in service" },
	   { ioapic_select, "the IOAPIC's selected register" },
	   { pit_half_written, "a count of which one byte is written" },
	   { pit_latched, "a latched count of which one byte is read" },
	   { pit_paused, "a count that the gate holds" },
	   { pit_no_count, "a mode without a count" },
	   { pit_one_shot, "a count that goes on from where it was" },
	   { registers, "registers of x87, SSE and debugging, CR2" },
	   { ioapic_in_service, "a level-triggered pin's remote IRR, until the EOI" },
	   END_OF_CLAIMS };
