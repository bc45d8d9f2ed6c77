// SPDX-License-Identifier: GPL-2.0-only
/*
 * To port 0x80 whoever is under L1 may take its state and set it again, or begin and
 * end to watch it (mini): what L1 wrote into its VMCS, with an exit or without,
 * must be there afterwards, and what L2 left too. Or L2's address in RBX is asked
 * for: that is no access, and L1 must not see it.
 */
#include "vmx.h"

#define ROUNDS 4 /* a watch begins and ends */

static void meanwhile(void)
{
	outb(0x80, 0);
}

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void l2_other_end(void)
{
	l2_vmcall(0x600e);
}

static void l2_meanwhile(void)
{
	for (u64 i = 0;; i++) {
		meanwhile();
		l2_vmcall(i);
	}
}

/* GUEST_RIP takes no exit where there is VMCS shadowing, TSC_OFFSET does. */
static void fields_stay(void)
{
	l1_prepare(l2_end);
	for (u64 i = 1; i <= ROUNDS; i++) {
		l1_vmwrite(VMCS_GUEST_RIP, 0x1000 * i);
		l1_vmwrite(VMCS_TSC_OFFSET, 0x2000 * i);
		meanwhile();
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), 0x1000 * i);
		GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x2000 * i);
	}
}

static void entry_uses_them(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	for (u64 i = 0; i < ROUNDS; i++) {
		l1_restart_l2(i % 2 ? l2_end : l2_other_end);
		meanwhile();
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i % 2 ? 0x600d : 0x600e);
	}
}

static void exit_is_told(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_meanwhile);

	for (u64 i = 0; i < ROUNDS; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		meanwhile();
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
		l1_skip_insn();
	}
}

/* Ticks of the preemption timer; half of them pass before the state is taken. */
#define TIMER 20000000ULL

static u64 timer_start;

static void l2_waits(void)
{
	while (rdtsc() < timer_start + TIMER / 2)
		cpu_pause();
	meanwhile();
	while (rdtsc() < timer_start + 4 * TIMER)
		cpu_pause();
	l2_vmcall(0x600d);
}

static void timer_runs_on(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_waits);
	u64 took;

	l1_use_pin(PIN_PREEMPT_TIMER);
	/* While IF is clear Bochs keeps interrupts from exiting, L0's own too. */
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, TIMER >> (vmx->caps.misc & MISC_PREEMPT_RATE));
	timer_start = rdtsc();
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	took = rdtsc() - timer_start;
	GUEST_ASSERT(took > TIMER - TIMER / 16 && took < TIMER + TIMER / 4);
}

/* --- RBX asked for ---------------------------------------------------------------- */

extern const u8 l2_asked[];

asm(".pushsection .text\n"
    "l2_asked: out %al, $0x80; mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

/* An L2 that has a page's address in RBX. Return: EPT12's entry of the page. */
static u64 *prepare_asked(u64 cap)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)l2_asked);
	u64 page = (u64)page_alloc();

	l1_need_ept(cap);
	vmx->regs[GPR_RBX] = page;
	return l1_ept_entry(vmx, page);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void no_violation(void)
{
	u64 *entry = prepare_asked(0);

	*entry = 0;
	expect_end();
}

static void no_flags(void)
{
	u64 *entry = prepare_asked(EPTCAP_AD);

	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), 0);
}

static void no_apic_access(void)
{
	prepare_asked(0);
	l1_use_proc2(PROC2_APIC_ACCESS);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, l1_vmx()->regs[GPR_RBX]);
	expect_end();
}

CLAIMS = { { fields_stay, "what L1 wrote into its VMCS stays" },
	   { entry_uses_them, "the entry takes it" },
	   { exit_is_told, "an exit's information stays, and what L2 was doing" },
	   { timer_runs_on, "the preemption timer ends when it would have" },
	   { no_violation, "an address asked for that EPT lacks is no EPT violation" },
	   { no_flags, "no flag of EPT's is set by the question" },
	   { no_apic_access, "on the APIC-access page it is no access" },
	   END_OF_CLAIMS };
