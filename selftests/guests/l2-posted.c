// SPDX-License-Identifier: GPL-2.0-only
/*
 * Posted interrupts: a notification of L1's own is taken while L2 runs, without
 * an exit, and what was posted becomes virtual interrupts of L2.
 * SDM: "Posted-Interrupt Processing".
 */
#include "irqchip.h"
#include "vmx.h"

#define NOTIFY 0x31
#define OTHER 0x32

struct posted {
	u64 pir[4];
	u64 on;
	u64 unused[3];
};

static struct posted *posted;
static volatile u32 l2_irqs, l2_last, l2_awake, l2_ended, helper_done;
static u8 *vapic;

static void on_virtual(struct trap_frame *frame)
{
	l2_irqs += this_cpu()->is_l2;
	l2_last = frame->vector;
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void use_posted(void (*l2)(void))
{
	l1_prepare(l2);
	l1_need_pin(PIN_POSTED_INTR);
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	posted = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	l1_use_pin(PIN_EXT_INT_EXITING | PIN_POSTED_INTR);
	l1_set(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	l1_use_proc2(PROC2_VIRT_INTR | PROC2_X2APIC);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * i, 0);
	l1_vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	l1_vmwrite(VMCS_POSTED_INTR_VECTOR, NOTIFY);
	l1_vmwrite(VMCS_POSTED_INTR_DESC, (u64)posted);
	l2_irqs = l2_awake = l2_ended = helper_done = 0;
	on_trap(0x61, on_virtual);
	on_trap(0xa5, on_virtual);
	apic_enable();
}

static void post(u8 vector)
{
	__atomic_fetch_or(&posted->pir[vector / 64], 1ULL << vector % 64, __ATOMIC_SEQ_CST);
	__atomic_fetch_or(&posted->on, 1, __ATOMIC_SEQ_CST);
}

static void notify(void)
{
	apic_icr(0, NOTIFY | ICR_ASSERT);
}

static u32 irr(u8 vector)
{
	return *(volatile u32 *)(vapic + APIC_IRR + vector / 32 * 16);
}

/* --- one CPU: the notification is there when L2 is entered --------------- */

/* Room for what is delivered some instructions late, as on the emulated processor. */
static void a_while(void)
{
	for (u32 i = 0; i < 8; i++)
		cpu_pause();
}

static void l2_opens(void)
{
	touch_gates();
	irqs_on();
	a_while();
	irqs_off();
	l2_vmcall(0x600d);
}

/* L2 takes physical interrupts, and no virtual one. */
static void use_posted_closed(void)
{
	use_posted(l2_opens);
	*(volatile u32 *)(vapic + APIC_TPR) = 0xf0;
}

static void delivered(void)
{
	use_posted(l2_opens);
	post(0x61);
	notify();
	expect_end();
	GUEST_EXPECT(l2_irqs, 1);
	GUEST_EXPECT(l2_last, 0x61);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0x6100);
	GUEST_EXPECT(posted->pir[1], 0);
	GUEST_EXPECT(posted->on, 0);
	GUEST_EXPECT(apic_bit(APIC_IRR, NOTIFY), 0);
	GUEST_EXPECT(apic_bit(APIC_ISR, NOTIFY), 0);
}

static void requested(void)
{
	use_posted_closed();
	posted->on = ~1ULL;
	post(0x61);
	post(0xa5);
	l1_vmwrite(VMCS_GUEST_INTR_STATUS, 0x70);
	notify();
	expect_end();
	GUEST_EXPECT(l2_irqs, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0xa5);
	GUEST_EXPECT(irr(0x61), 1u << 0x61 % 32);
	GUEST_EXPECT(irr(0xa5), 1u << 0xa5 % 32);
	GUEST_EXPECT(posted->on, ~1ULL);
}

/* What has the same class but another vector is an exit, and posts nothing. */
static void others_exit(void)
{
	use_posted_closed();
	post(0x61);
	apic_icr(0, OTHER | ICR_ASSERT);
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT((u8)l1_vmread(VMCS_EXIT_INTR_INFO), OTHER);
	GUEST_EXPECT(posted->pir[1], 1ULL << 0x61 % 64);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0);
	apic_eoi();
	expect_end();
}

/* Without the control the notification is an interrupt as any other. */
static void without(void)
{
	use_posted_closed();
	l1_clear(VMCS_PIN_CTLS, PIN_POSTED_INTR);
	post(0x61);
	notify();
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT((u8)l1_vmread(VMCS_EXIT_INTR_INFO), NOTIFY);
	GUEST_EXPECT(posted->on, 1);
	apic_eoi();
}

static void l2_halts(void)
{
	touch_gates();
	asm volatile("sti; hlt" : : : "memory");
	l2_awake = 1;
	a_while();
	irqs_off();
	l2_vmcall(0x600d);
}

/* STI holds the interrupt until HLT is executed, which it then ends. */
static void ends_hlt(void)
{
	use_posted(l2_halts);
	post(0x61);
	notify();
	expect_end();
	GUEST_EXPECT(l2_irqs, 1);
}

static void requirements(void)
{
	use_posted(l2_unreachable);
	l1_clear(VMCS_PROC2_CTLS, PROC2_VIRT_INTR);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	use_posted(l2_unreachable);
	l1_clear(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	use_posted(l2_unreachable);
	l1_vmwrite(VMCS_POSTED_INTR_VECTOR, 0x100);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	use_posted(l2_unreachable);
	l1_vmwrite(VMCS_POSTED_INTR_DESC, (u64)posted + 32);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

/* --- two CPUs: the other one posts --------------------------------------- */

static void need_helper(void)
{
	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus_start(2) < 2)
		claim_skip("one CPU only");
}

static void posts_once(void *arg)
{
	spin(200000);
	post(0x61);
	notify();
}

static void l2_spins(void)
{
	touch_gates();
	irqs_on();
	while (!l2_irqs)
		cpu_pause();
	irqs_off();
	l2_vmcall(0x600d);
}

static void from_other_cpu(void)
{
	need_helper();
	use_posted(l2_spins);
	cpu_run(1, posts_once, NULL);
	expect_end();
	cpu_wait(1);
	GUEST_EXPECT(l2_irqs, 1);
}

static void to_halted(void)
{
	need_helper();
	use_posted(l2_halts);
	cpu_run(1, posts_once, NULL);
	expect_end();
	cpu_wait(1);
	GUEST_EXPECT(l2_irqs, 1);
}

static void notifies_then_posts(void *arg)
{
	spin(200000);
	notify();
	spin(200000);
	helper_done = 1 + l2_awake;
	posts_once(NULL);
}

static void empty_notification(void)
{
	need_helper();
	use_posted(l2_halts);
	cpu_run(1, notifies_then_posts, NULL);
	expect_end();
	cpu_wait(1);
	GUEST_EXPECT(helper_done, 1); /* it was not awake */
	GUEST_EXPECT(l2_irqs, 1);
}

/*
 * As soon as L0 has taken what was posted; an empty notification is another claim's. With RFLAGS.IF,
 * as the emulated processor keeps the host's interrupts out without.
 */
static void posts_on(void *arg)
{
	irqs_on();
	while (!l2_ended) {
		if (*(volatile u64 *)&posted->on & 1)
			continue;
		post(0x61);
		notify();
	}
	irqs_off();
}

static void l2_works(void)
{
	touch_gates();
	irqs_on();
	while (!l2_irqs)
		cpu_pause();
	spin(200000);
	irqs_off();
	l2_ended = 1;
	l2_vmcall(0x600d);
}

static void storm(void)
{
	need_helper();
	use_posted(l2_works);
	cpu_run(1, posts_on, NULL);
	expect_end();
	cpu_wait(1);
	GUEST_EXPECT(l2_irqs, 1); /* it never says that one is done */
}

CLAIMS = { { delivered, "a notification delivers what was posted, and is gone" },
	   { requested, "what is of too low a priority is requested all the same" },
	   { others_exit, "an interrupt with another vector exits" },
	   { without, "without the control the notification exits" },
	   { ends_hlt, "a virtual interrupt that waits ends HLT" },
	   { requirements, "delivery, acknowledgement, a vector and an aligned descriptor" },
	   { from_other_cpu, "another CPU posts to a running L2" },
	   { to_halted, "another CPU posts to a halted L2" },
	   { empty_notification, "a notification of nothing does not end HLT" },
	   { storm, "another CPU that posts without pause does not keep L2 from its work" },
	   END_OF_CLAIMS };
