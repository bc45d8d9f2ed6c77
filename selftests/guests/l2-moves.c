// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2s that work for long, while L1 takes timer interrupts and passes them on, in three ways.
 * Whoever is under L1 may save all of it at any moment and go on from there: nothing here may
 * notice. What L2 must have computed L1 computes as well.
 */
#include "irqchip.h"
#include "vmx.h"

#define ROUNDS 100000
#define WORK_PAGES 48
#define WORDS (WORK_PAGES * 4096 / 8)
#define SEED 88172645463325252ULL
#define TIMER_VECTOR 0x41
#define L2_VECTOR 0x61
/* Of 1 GHz under abyme and KVM, of instructions on the emulated processor. */
#define TIMER_COUNT 2000000
#define PREEMPT_TICKS 3000 /* of the timer's own units */
#define X2APIC_EOI 0x80b
#define ASK_EVERY 0x3ff

static u64 *l2_work, *l1_work;
static volatile u64 l2_result, l2_backwards, l2_wrong_cpuid;
static volatile u32 l2_irqs, l1_irqs;
static bool l2_must_eoi;

static u64 mix(u64 x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

static u64 work(u64 *words, void (*now_and_then)(void))
{
	u64 x = SEED;

	for (u32 i = 0; i < ROUNDS; i++) {
		x = mix(x);
		words[x % WORDS] += x;
		if (now_and_then && !(i & ASK_EVERY))
			now_and_then();
	}
	return x;
}

/* L1 answers with what it was asked, so that a register that was lost shows. */
static void l2_looks_around(void)
{
	static u64 before;
	u64 now = rdtsc();
	u32 eax = (u32)now, ebx, ecx = 0, edx;

	l2_backwards += now < before;
	before = now;
	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	l2_wrong_cpuid += ebx != ~(u32)now;
}

static void l2_works(void)
{
	irqs_on();
	l2_result = work(l2_work, l2_looks_around);
	irqs_off();
	l2_vmcall(0x600d);
}

static void on_l2_irq(struct trap_frame *frame)
{
	l2_irqs++;
	if (l2_must_eoi)
		wrmsr(X2APIC_EOI, 0);
}

static void prepare(void)
{
	l1_prepare(l2_works);
	l2_work = pages_alloc(WORK_PAGES);
	l1_work = pages_alloc(WORK_PAGES);
	l2_result = l2_backwards = l2_wrong_cpuid = 0;
	l2_irqs = l1_irqs = 0;
	l2_must_eoi = false;
	on_trap(L2_VECTOR, on_l2_irq);
}

static void timer_on(void)
{
	apic_enable();
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TIMER_VECTOR);
	apic_write(APIC_TIMER_INITIAL, TIMER_COUNT);
}

static void end_late_irq(__attribute__((unused)) struct trap_frame *frame)
{
	apic_eoi();
}

static void timer_off(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, 0);
	/* What came too late for L2 is not for the next one. */
	on_trap(TIMER_VECTOR, end_late_irq);
	irqs_on();
	cpu_pause();
	irqs_off();
	on_trap(TIMER_VECTOR, NULL);
}

static void answer_cpuid(void)
{
	struct l1_vmx *vmx = l1_vmx();

	vmx->regs[GPR_RBX] = (u32)~vmx->regs[GPR_RAX];
	l1_skip_insn();
}

/* All that L2 exits for; @irq, @timer: what L1 does then. Return: the exit that is none of these. */
static u64 run_l2(void (*irq)(void), void (*timer)(void))
{
	for (;;) {
		u64 reason = l1_run();

		if (reason == EXIT_CPUID)
			answer_cpuid();
		else if (reason == EXIT_EXT_INT && irq)
			irq();
		else if (reason == EXIT_INT_WINDOW && irq)
			irq();
		else if (reason == EXIT_PREEMPT_TIMER && timer)
			timer();
		else
			return reason;
	}
}

static void expect_work_done(u64 reason)
{
	u32 differences = 0;

	EXPECT_OUTCOME(reason, EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
	GUEST_EXPECT(l2_result, work(l1_work, NULL));
	for (u32 i = 0; i < WORDS; i++)
		differences += l1_work[i] != l2_work[i];
	GUEST_EXPECT(differences, 0);
	GUEST_EXPECT(l2_backwards, 0);
	GUEST_EXPECT(l2_wrong_cpuid, 0);
	GUEST_EXPECT(l2_irqs, l1_irqs);
	on_trap(L2_VECTOR, NULL);
}

/* --- alone --------------------------------------------------------------- */

static void alone(void)
{
	prepare();
	expect_work_done(run_l2(NULL, NULL));
}

/* --- injected at the entry ------------------------------------------------ */

static void inject(void)
{
	if (l1_vmread(VMCS_EXIT_REASON) == EXIT_EXT_INT) {
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
			     INTR_VALID | INTR_TYPE_EXT | TIMER_VECTOR);
		apic_eoi();
	}
	l1_clear(VMCS_PROC_CTLS, PROC_INT_WINDOW);
	if (!(l1_vmread(VMCS_GUEST_RFLAGS) & 0x200) || l1_vmread(VMCS_GUEST_INTERRUPTIBILITY) ||
	    l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID) {
		l1_set(VMCS_PROC_CTLS, PROC_INT_WINDOW);
		return;
	}
	l1_irqs++;
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | L2_VECTOR);
}

static void injected(void)
{
	u64 reason;

	prepare();
	l1_use_pin(PIN_EXT_INT_EXITING);
	l1_need_exit(EXITC_ACK_INT);
	l1_set(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	timer_on();
	reason = run_l2(inject, NULL);
	timer_off();
	expect_work_done(reason);
	GUEST_ASSERT(l1_irqs);
}

/* --- by the preemption timer ----------------------------------------------- */

static void rearm(void)
{
	l1_irqs++;
	l2_irqs++; /* L2 sees nothing of it */
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, PREEMPT_TICKS);
}

static void preempted(void)
{
	prepare();
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_need_exit(EXITC_SAVE_PREEMPT_TIMER);
	l1_set(VMCS_EXIT_CTLS, EXITC_SAVE_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, PREEMPT_TICKS);
	expect_work_done(run_l2(NULL, rearm));
	GUEST_ASSERT(l1_irqs);
}

/* --- virtual interrupts ----------------------------------------------------- */

static u8 *vapic;

static volatile u32 *virr(void)
{
	return (u32 *)(vapic + APIC_IRR + L2_VECTOR / 32 * 16);
}

static void request(void)
{
	volatile u32 *irr = virr();
	u64 status = l1_vmread(VMCS_GUEST_INTR_STATUS);

	apic_eoi();
	if (*irr & 1u << L2_VECTOR % 32)
		return; /* coalesced */
	l1_irqs++;
	*irr |= 1u << L2_VECTOR % 32;
	l1_vmwrite(VMCS_GUEST_INTR_STATUS, (status & 0xff00) | L2_VECTOR);
}

/*
 * An EPT violation on a gate or the stack while a virtual interrupt is delivered the emulated
 * processor reports with another event: it cannot be L2's own interrupt that touches them first.
 */
static void virtualized(void)
{
	u64 reason;

	prepare();
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	l1_need_proc2(PROC2_VIRT_INTR);
	l1_use_pin(PIN_EXT_INT_EXITING);
	l1_need_exit(EXITC_ACK_INT);
	l1_set(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * i, 0);
	l1_vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	l1_use_proc2(PROC2_VIRT_INTR | PROC2_X2APIC | PROC2_APIC_REG_VIRT);
	l2_must_eoi = true;
	outb(0x80, 0); /* asks nested-move to leave it in one place */
	timer_on();
	reason = run_l2(request, NULL);
	timer_off();
	l1_irqs -= *virr() >> L2_VECTOR % 32 & 1; /* the last may have come too late */
	expect_work_done(reason);
	GUEST_ASSERT(l1_irqs);
}

CLAIMS = { { alone, "L2 works undisturbed" },
	   { injected, "L2 works while L1 injects interrupts" },
	   { preempted, "L2 works while L1's preemption timer stops it" },
	   { virtualized, "L2 works while its interrupts are virtual" },
	   END_OF_CLAIMS };
