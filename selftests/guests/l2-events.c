// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events into L2 and out of it: injection of each type, interrupts with and
 * without acknowledge on exit, windows, NMIs, virtual NMIs, the monitor trap
 * flag, the preemption timer, activity states.
 * SDM: "Event Injection", "Other Causes of VM Exits", "VMX-Preemption Timer",
 * "Monitor Trap Flag".
 */
#include "irqchip.h"
#include "vmx.h"

#define VECTOR 0x51

static volatile u32 l2_seen[256], l2_error;
static volatile u64 l2_seen_rip;
static volatile u32 l1_seen;

static void on_event(struct trap_frame *frame)
{
	if (this_cpu()->is_l2) {
		l2_seen[frame->vector]++;
		l2_seen_rip = frame->rip;
		l2_error = frame->error;
	} else {
		l1_seen++;
		if (frame->vector >= 32)
			apic_eoi();
	}
}

static void watch(u8 vector)
{
	on_trap(vector, on_event);
	l2_seen[vector] = 0;
	l1_seen = 0;
}

static void unwatch(u8 vector)
{
	on_trap(vector, NULL);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void l2_nops(void)
{
	asm volatile("nop; nop; nop; nop");
	l2_vmcall(0x600d);
}

static void self(u8 vector)
{
	apic_icr(0, vector | ICR_SELF | ICR_ASSERT);
}

/* --- injection ----------------------------------------------------------- */

static void inject(u32 info, u32 error, u32 length)
{
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_VALID);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, error);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, length);
}

static void inject_interrupt(void)
{
	watch(VECTOR);
	l1_prepare(l2_nops);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	inject(INTR_TYPE_EXT | VECTOR, 0, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 1);
	GUEST_EXPECT(l2_seen_rip, (u64)l2_nops);
	/* The valid bit is gone at the exit. */
	GUEST_EXPECT(l1_vmread(VMCS_ENTRY_INTR_INFO) & INTR_VALID, 0);
	unwatch(VECTOR);
}

static void inject_exception(void)
{
	watch(VEC_GP);
	l1_prepare(l2_end);
	inject(INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_GP, 0x128, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_GP], 1);
	GUEST_EXPECT(l2_error, 0x128);
	GUEST_EXPECT(l2_seen_rip, (u64)l2_end);
	unwatch(VEC_GP);
}

static void inject_page_fault(void)
{
	watch(VEC_PF);
	l1_prepare(l2_end);
	write_cr2(0x4242);
	inject(INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_PF, 6, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_PF], 1);
	GUEST_EXPECT(l2_error, 6);
	GUEST_EXPECT(read_cr2(), 0x4242);
	unwatch(VEC_PF);
}

static void inject_nmi(void)
{
	watch(VEC_NMI);
	l1_prepare(l2_end);
	inject(INTR_TYPE_NMI | VEC_NMI, 0, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_NMI], 1);
	unwatch(VEC_NMI);
}

static void inject_software(void)
{
	watch(0x98);
	watch(VEC_BP);
	l1_prepare(l2_nops);
	inject(INTR_TYPE_SOFT_INT | 0x98, 0, 2);
	expect_end();
	GUEST_EXPECT(l2_seen[0x98], 1);
	GUEST_EXPECT(l2_seen_rip, (u64)l2_nops + 2);
	l1_restart_l2(l2_nops);
	inject(INTR_TYPE_SOFT_EXC | VEC_BP, 0, 1);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_BP], 1);
	GUEST_EXPECT(l2_seen_rip, (u64)l2_nops + 1);
	unwatch(0x98);
	unwatch(VEC_BP);
}

static void inject_priv_software(void)
{
	watch(VEC_DB);
	l1_prepare(l2_nops);
	inject(INTR_TYPE_PRIV_SW_EXC | VEC_DB, 0, 1);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_DB], 1);
	GUEST_EXPECT(l2_seen_rip, (u64)l2_nops + 1);
	unwatch(VEC_DB);
}

/* An injected exception is not intercepted, but one in its delivery is. */
static void inject_not_intercepted(void)
{
	watch(VEC_UD);
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
	inject(INTR_TYPE_HARD_EXC | VEC_UD, 0, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_UD], 1);
	l1_restart_l2(l2_end);
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
	inject(INTR_TYPE_EXT | VECTOR, 0, 0);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), VECTOR * 8 + 2 + 1);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | INTR_TYPE_EXT | VECTOR);
	unwatch(VEC_UD);
}

/* #BP as a hardware exception is no INT3, to whom its delivery is told. */
static void vectoring_type(void)
{
	static const u32 events[] = { INTR_TYPE_HARD_EXC | VEC_BP, INTR_TYPE_SOFT_EXC | VEC_BP };

	l1_prepare(l2_end);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
	for (u32 i = 0; i < ARRAY_SIZE(events); i++) {
		l1_restart_l2(l2_end);
		inject(events[i], 0, 1);
		EXPECT_EXIT(EXIT_EXCEPTION_NMI);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
		GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | events[i]);
	}
}

/* --- interrupts ---------------------------------------------------------- */

static void external_no_ack(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_use_pin(PIN_EXT_INT_EXITING);
	self(VECTOR);
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
	GUEST_ASSERT(apic_bit(APIC_IRR, VECTOR));
	GUEST_EXPECT(l1_seen, 0);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(l1_seen, 1);
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 0);
	unwatch(VECTOR);
}

static void external_ack(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_end);
	l1_use_pin(PIN_EXT_INT_EXITING);
	l1_need_exit(EXITC_ACK_INT);
	l1_set(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	self(VECTOR);
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_EXT | VECTOR);
	GUEST_ASSERT(!apic_bit(APIC_IRR, VECTOR));
	GUEST_ASSERT(apic_bit(APIC_ISR, VECTOR));
	apic_eoi();
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(l1_seen, 0);
	expect_end();
	unwatch(VECTOR);
}

/* Exiting by interrupts does not ask L2's IF. */
static void external_if_clear(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_end);
	l1_use_pin(PIN_EXT_INT_EXITING);
	self(VECTOR);
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_end);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(l1_seen, 1);
	unwatch(VECTOR);
}

static void l2_takes_interrupt(void)
{
	irqs_on();
	cpu_pause();
	irqs_off();
	l2_vmcall(0x600d);
}

/* Without exiting the interrupt goes to L2 through L2's IDT. */
static void external_direct(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_takes_interrupt);
	self(VECTOR);
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 1);
	apic_eoi();
	unwatch(VECTOR);
}

static void l2_spins(void)
{
	for (;;)
		cpu_pause();
}

static void external_while_running(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_spins);
	l1_use_pin(PIN_EXT_INT_EXITING);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF); /* see preemption_runs() */
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	for (u32 i = 1; i <= 20; i++) {
		apic_write(APIC_TIMER_INITIAL, 20000);
		EXPECT_EXIT(EXIT_EXT_INT);
		irqs_on();
		cpu_pause();
		irqs_off();
		GUEST_EXPECT(l1_seen, i);
	}
	unwatch(VECTOR);
}

static void l2_opens_window(void)
{
	asm volatile("nop; sti; nop; nop");
	l2_vmcall(0x600d);
}

static void interrupt_window(void)
{
	l1_prepare(l2_opens_window);
	l1_use_proc(PROC_INT_WINDOW);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	/* After STI's shadow: behind NOP, STI, NOP (and ENDBR none). */
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF, RFLAGS_IF);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY) & 3, 0);
	l1_clear(VMCS_PROC_CTLS, PROC_INT_WINDOW);
	expect_end();
}

static void interrupt_window_at_once(void)
{
	l1_prepare(l2_end);
	l1_use_proc(PROC_INT_WINDOW);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_end);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_STI);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)l2_nops);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_nops + 1);
}

/* --- NMIs ----------------------------------------------------------------- */

static void nmi_self(void)
{
	apic_icr(0, ICR_NMI | ICR_ASSERT);
}

static void l2_sends_nmi(void)
{
	nmi_self();
	for (int i = 0; i < 10; i++)
		cpu_pause();
	l2_vmcall(0x600d);
}

static void nothing(struct trap_frame *frame)
{
}

static void nmi_exits(void)
{
	watch(VEC_NMI);
	apic_enable();
	l1_prepare(l2_sends_nmi);
	l1_use_pin(PIN_NMI_EXITING);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	GUEST_EXPECT(l1_seen, 0);
	/* NMIs are blocked now until an IRET in L1. */
	on_trap(0x97, nothing);
	asm volatile("int $0x97");
	on_trap(0x97, NULL);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_NMI], 0);
	unwatch(VEC_NMI);
}

static void nmi_direct(void)
{
	watch(VEC_NMI);
	apic_enable();
	l1_prepare(l2_sends_nmi);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_NMI], 1);
	unwatch(VEC_NMI);
}

static void virtual_nmis(void)
{
	watch(VEC_NMI);
	l1_prepare(l2_nops);
	l1_use_pin(PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	l1_use_proc(PROC_NMI_WINDOW);
	EXPECT_EXIT(EXIT_NMI_WINDOW); /* not blocked: at once */
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_nops);
	inject(INTR_TYPE_NMI | VEC_NMI, 0, 0);
	EXPECT_EXIT(EXIT_NMI_WINDOW); /* after the handler's IRET */
	GUEST_EXPECT(l2_seen[VEC_NMI], 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_nops);
	l1_clear(VMCS_PROC_CTLS, PROC_NMI_WINDOW);
	expect_end();
	unwatch(VEC_NMI);
}

static void l2_vmcall_in_nmi(struct trap_frame *frame)
{
	l2_seen[VEC_NMI]++;
	l2_vmcall(0x111);
}

static void virtual_nmi_blocking(void)
{
	struct l1_vmx *vmx;

	on_trap(VEC_NMI, l2_vmcall_in_nmi);
	l2_seen[VEC_NMI] = 0;
	vmx = l1_prepare(l2_nops);
	l1_use_pin(PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	inject(INTR_TYPE_NMI | VEC_NMI, 0, 0);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0x111);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_NMI, IRQBLK_NMI);
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_NMI, 0);
	unwatch(VEC_NMI);
}

/* --- single steps, time --------------------------------------------------- */

static void monitor_trap(void)
{
	u64 rip;

	l1_prepare(l2_nops);
	l1_use_proc(PROC_MTF);
	for (u32 i = 1; i <= 3; i++) {
		EXPECT_EXIT(EXIT_MTF);
		rip = l1_vmread(VMCS_GUEST_RIP);
		GUEST_EXPECT(rip, (u64)l2_nops + i);
	}
	l1_clear(VMCS_PROC_CTLS, PROC_MTF);
	expect_end();
}

/* MTF after an injected event: before the handler's first instruction. */
static void monitor_trap_injection(void)
{
	watch(VECTOR);
	l1_prepare(l2_nops);
	l1_use_proc(PROC_MTF);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	inject(INTR_TYPE_EXT | VECTOR, 0, 0);
	EXPECT_EXIT(EXIT_MTF);
	GUEST_EXPECT(l2_seen[VECTOR], 0);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)l2_nops);
	l1_clear(VMCS_PROC_CTLS, PROC_MTF);
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 1);
	unwatch(VECTOR);
}

static void preemption_zero(void)
{
	l1_prepare(l2_end);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_end);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 100000000);
	expect_end();
}

static void preemption_runs(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_spins);
	u32 shift = vmx->caps.misc & MISC_PREEMPT_RATE;
	u64 start;

	l1_use_pin(PIN_PREEMPT_TIMER);
	/* While IF is clear Bochs keeps interrupts from exiting, L0's own too. */
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, (2000000 >> shift) + 1);
	start = rdtsc();
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_ASSERT(rdtsc() - start >= 1900000);
}

/* However soon L1 asks L2 back, entries end in L2, and at some time L2 is at its end. */
static void preemption_soon(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_nops);
	u32 units = (128 >> (vmx->caps.misc & MISC_PREEMPT_RATE)) + 1, entries = 0;
	u64 reason;

	l1_use_pin(PIN_PREEMPT_TIMER);
	do {
		l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, units);
		reason = l1_run();
	} while (reason == EXIT_PREEMPT_TIMER && ++entries < 1000);
	EXPECT_OUTCOME(reason, EXIT_VMCALL);
}

/* Though L1 has dropped all translations each time, so that L2's first instruction takes longer. */
static void preemption_invept(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_nops);
	u32 units = (2000 >> (vmx->caps.misc & MISC_PREEMPT_RATE)) + 1, entries = 0;
	u64 reason;

	l1_need_ept(0);
	l1_use_pin(PIN_PREEMPT_TIMER);
	do {
		l1_invept(vmx);
		l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, units);
		reason = l1_run();
	} while (reason == EXIT_PREEMPT_TIMER && ++entries < 1000);
	EXPECT_OUTCOME(reason, EXIT_VMCALL);
}

static void preemption_saves(void)
{
	u64 saved;

	l1_prepare(l2_end);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_need_exit(EXITC_SAVE_PREEMPT_TIMER);
	l1_set(VMCS_EXIT_CTLS, EXITC_SAVE_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 100000000);
	expect_end();
	saved = l1_vmread(VMCS_GUEST_PREEMPT_TIMER);
	GUEST_ASSERT(saved <= 100000000 && saved > 1000);
}

/* --- activity -------------------------------------------------------------- */

static void l2_hlt(void)
{
	asm volatile("sti; hlt; cli");
	l2_vmcall(0x600d);
}

static void halt_wakes_l1(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_hlt);
	l1_use_pin(PIN_EXT_INT_EXITING);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	apic_write(APIC_TIMER_INITIAL, 20000000); /* L2 halts long before */
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_HLT);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(l1_seen, 1);
	/* Injection ends HLT. */
	inject(INTR_TYPE_EXT | VECTOR, 0, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 1);
	unwatch(VECTOR);
}

static void enter_halted(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	if (!(vmx->caps.misc & MISC_ACTIVITY_HLT))
		claim_skip("no HLT activity state");
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 1000);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER); /* the timer runs in HLT */
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_HLT);
	watch(VEC_NMI);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 100000000);
	inject(INTR_TYPE_NMI | VEC_NMI, 0, 0);
	expect_end();
	GUEST_EXPECT(l2_seen[VEC_NMI], 1);
	unwatch(VEC_NMI);
}

/* A window that L1 asked for ends HLT at once: no event comes by itself. */
static void window_ends_halt(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	if (!(vmx->caps.misc & MISC_ACTIVITY_HLT))
		claim_skip("no HLT activity state");
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_use_proc(PROC_INT_WINDOW);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 1000000);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	EXPECT_EXIT(EXIT_INT_WINDOW);
}

/* An event that is L1's at once does not wake L2 first. SDM: "Architectural State Before a VM Exit" */
static void debug_trap_in_halt(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	if (!(vmx->caps.misc & MISC_ACTIVITY_HLT))
		claim_skip("no HLT activity state");
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 1000000);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_ENABLED_BPT | 1);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_HLT);
}

/* An interrupt that L2 takes itself ends its HLT: the next exit finds it active. */
static void active_after_halt(void)
{
	watch(VECTOR);
	apic_enable();
	l1_prepare(l2_hlt);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, VECTOR);
	apic_write(APIC_TIMER_INITIAL, 20000000); /* L2 halts long before */
	expect_end();
	GUEST_EXPECT(l2_seen[VECTOR], 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_ACTIVE);
	unwatch(VECTOR);
}

static void enter_shutdown(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	if (!(vmx->caps.misc & MISC_ACTIVITY_SHUTDOWN))
		claim_skip("no shutdown activity state");
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_SHUTDOWN);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 1000);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_SHUTDOWN);
}

/* Pending debug exceptions are delivered at entry. */
static void pending_debug(void)
{
	watch(VEC_DB);
	l1_prepare(l2_nops);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_TF);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_BS);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_nops);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	unwatch(VEC_DB);
}

CLAIMS = { { inject_interrupt, "injection of an external interrupt" },
	   { inject_exception, "injection of #GP with its error code" },
	   { inject_page_fault, "injection of #PF, with L1's CR2" },
	   { inject_nmi, "injection of an NMI" },
	   { inject_software, "injection of INT n and INT3, with their lengths" },
	   { inject_priv_software, "injection of INT1" },
	   { inject_not_intercepted,
	     "an injected exception is not intercepted, a fault in its delivery is" },
	   { external_no_ack, "an interrupt exits and stays pending without acknowledge on exit" },
	   { external_ack, "an interrupt exits with its vector with acknowledge on exit" },
	   { external_if_clear, "an interrupt exits although L2 has IF clear" },
	   { external_direct, "an interrupt reaches L2 when L1 does not take it" },
	   { external_while_running, "the APIC timer interrupts a spinning L2, again and again" },
	   { interrupt_window, "the interrupt window opens after STI's shadow" },
	   { interrupt_window_at_once,
	     "the interrupt window, open at entry, and after a shadow at entry" },
	   { nmi_exits, "an NMI exits" },
	   { nmi_direct, "an NMI reaches L2 when L1 does not take it" },
	   { virtual_nmis, "virtual NMIs and the NMI window" },
	   { virtual_nmi_blocking, "virtual NMI blocking shows in the interruptibility state" },
	   { monitor_trap, "the monitor trap flag exits after each instruction" },
	   { monitor_trap_injection,
	     "the monitor trap flag exits after an injected event's delivery" },
	   { preemption_zero, "a preemption timer of 0 exits before L2's first instruction" },
	   { preemption_runs, "the preemption timer counts at the rate of VMX_MISC" },
	   { preemption_saves, "the preemption timer's value is saved on request" },
	   { halt_wakes_l1, "an interrupt exits from L2's HLT; injection ends it" },
	   { enter_halted, "entry into HLT; timer and injected NMI end it" },
	   { enter_shutdown, "entry into shutdown" },
	   { pending_debug, "a pending debug exception is delivered at entry" },
	   { vectoring_type,
	     "an exit in an exception's delivery tells the type that was injected" },
	   { window_ends_halt, "an interrupt window ends HLT" },
	   { debug_trap_in_halt, "a debug exception for L1 finds L2 in HLT" },
	   { active_after_halt, "L2 is active after an interrupt that ended its HLT" },
	   { preemption_soon, "an L2 that L1 asks back after some 100 ticks comes to its end" },
	   { preemption_invept, "nor does it stand still if L1 invalidates its EPT each time" },
	   END_OF_CLAIMS };
