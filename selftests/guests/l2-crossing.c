// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of L1's own crosses an entry and an exit: STI's shadow, breakpoints, NMI
 * blocking with and without exits by NMI. SDM: "Loading Host State", "Host Debug
 * Registers", "Changes to Instruction Behavior in VMX Non-Root Operation" (IRET),
 * "Updating Non-Register State".
 */
#include "irqchip.h"
#include "vmx.h"

#define VECTOR 0x52

static volatile u32 seen[2]; /* by L1, by L2 */

static void on_event(struct trap_frame *frame)
{
	seen[this_cpu()->is_l2]++;
	if (frame->vector >= 32)
		apic_eoi();
}

static void watch(u8 vector)
{
	apic_enable();
	on_trap(vector, on_event);
	seen[0] = seen[1] = 0;
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void l2_ends(void)
{
	l2_vmcall(0x600d);
}

/* --- interrupts ------------------------------------------------------------------- */

u64 enter_in_shadow(void), enter_behind_shadow(void);
extern const u8 shadow_exit[];

asm(".pushsection .text\n"
    "enter_in_shadow: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov $0x6c14, %eax; vmwrite %rsp, %rax\n" /* host RSP */
    "sti; vmlaunch\n"
    "mov $1, %eax; jmp 1f\n"
    "enter_behind_shadow: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov $0x6c14, %eax; vmwrite %rsp, %rax\n"
    "sti; nop; vmlaunch\n"
    "mov $1, %eax; jmp 1f\n"
    "shadow_exit: xor %eax, %eax\n"
    "1: cli; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
    ".popsection\n");

static void prepare_interrupt(void)
{
	watch(VECTOR);
	l1_prepare(l2_ends);
	l1_use_pin(PIN_EXT_INT_EXITING);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_HOST_RIP, (u64)shadow_exit);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
}

/* Between STI and the instruction behind it no interrupt is taken: it exits from L2. */
static void interrupt_in_shadow(void)
{
	prepare_interrupt();
	GUEST_EXPECT(enter_in_shadow(), 0);
	GUEST_EXPECT(seen[0], 0);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_EXT_INT);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_ends);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(seen[0], 1);
	on_trap(VECTOR, NULL);
}

static void interrupt_before_entry(void)
{
	prepare_interrupt();
	GUEST_EXPECT(enter_behind_shadow(), 0);
	GUEST_EXPECT(seen[0], 1);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
	on_trap(VECTOR, NULL);
}

/* --- breakpoints --------------------------------------------------------------------- */

extern const u8 l2_exit[];

/* The exit sets DR7 to 400H before a breakpoint on the host's RIP could hit. */
static void breakpoint_at_exit(void)
{
	u64 dr6;

	l1_prepare(l2_ends);
	on_trap(VEC_DB, on_event);
	seen[0] = seen[1] = 0;
	dr6 = read_dr6();
	write_dr0((u64)l2_exit);
	write_dr7(0x401);
	expect_end();
	GUEST_EXPECT(read_dr7(), 0x400);
	GUEST_EXPECT(read_dr0(), (u64)l2_exit);
	GUEST_EXPECT(read_dr6(), dr6);
	GUEST_EXPECT(seen[0] + seen[1], 0);
	write_dr0(0);
	on_trap(VEC_DB, NULL);
}

/* Without the control L2 runs with L1's DR7, and may hit its breakpoints. */
static void breakpoint_in_l2(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_ends);

	if (vmx->caps.entry.must & ENTRYC_LOAD_DEBUG)
		claim_skip("DR7 is always loaded");
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_DEBUG);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	write_dr0((u64)l2_ends);
	write_dr7(0x401);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0xf, 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_ends);
	write_dr0(0);
}

/* --- NMIs ------------------------------------------------------------------------------ */

static void nothing(struct trap_frame *frame)
{
}

static void send_nmi(void)
{
	apic_icr(0, ICR_NMI | ICR_ASSERT);
	spin(2000);
}

/* An IRET in L1. */
static void do_iret(void)
{
	trap_handler_t old = on_trap(0x97, nothing);

	asm volatile("int $0x97");
	on_trap(0x97, old);
	spin(2000);
}

/* Whatever the last claim left: NMIs are not blocked and none is pending. */
static void watch_nmis(void)
{
	watch(VEC_NMI);
	do_iret();
	seen[0] = seen[1] = 0;
}

static void l2_sends_nmi(void)
{
	send_nmi();
	l2_vmcall(0x600d);
}

/* An entry unblocks what the exit by the last NMI had blocked. */
static void entry_unblocks(void)
{
	watch_nmis();
	l1_prepare(l2_sends_nmi);
	l1_use_pin(PIN_NMI_EXITING);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	l1_restart_l2(l2_sends_nmi);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
	GUEST_EXPECT(seen[0] + seen[1], 0);
	on_trap(VEC_NMI, NULL);
}

/* One that came while they were blocked in L1 exits from L2. */
static void pending_exits(void)
{
	watch_nmis();
	l1_prepare(l2_sends_nmi);
	l1_use_pin(PIN_NMI_EXITING);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	send_nmi();
	GUEST_EXPECT(seen[0], 0);
	l1_restart_l2(l2_ends);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_ends);
	expect_end();
	GUEST_EXPECT(seen[0] + seen[1], 0);
	on_trap(VEC_NMI, NULL);
}

/* Blocking that L1 gives L2 holds there, and on in L1 after another exit. */
static void blocking_at_entry(void)
{
	watch_nmis();
	l1_prepare(l2_sends_nmi);
	l1_use_pin(PIN_NMI_EXITING);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_NMI);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_NMI);
	spin(2000);
	GUEST_EXPECT(seen[0], 0);
	do_iret();
	GUEST_EXPECT(seen[0], 1);
	on_trap(VEC_NMI, NULL);
}

static void on_nmi_in_l2(struct trap_frame *frame)
{
	seen[this_cpu()->is_l2]++;
	if (this_cpu()->is_l2)
		l2_vmcall(0x111);
}

/* An NMI that L2 takes blocks them; an exit from its handler leaves that to L1. */
static void blocking_from_l2(void)
{
	struct l1_vmx *vmx;

	watch_nmis();
	on_trap(VEC_NMI, on_nmi_in_l2);
	vmx = l1_prepare(l2_ends);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0x111);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_NMI);
	send_nmi();
	GUEST_EXPECT(seen[0], 0);
	do_iret();
	GUEST_EXPECT(seen[0], 1);
	/* L2 goes on in its handler, and IRET ends it. */
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
	GUEST_EXPECT(seen[1], 1);
	on_trap(VEC_NMI, NULL);
}

/* With NMI exiting, too: the one that L1 injects blocks them, and no IRET of L2's ends it. */
static void l2_nmi_returns(struct trap_frame *frame)
{
	seen[this_cpu()->is_l2]++;
}

static void blocking_by_injection(void)
{
	watch_nmis();
	on_trap(VEC_NMI, l2_nmi_returns);
	l1_prepare(l2_ends);
	l1_use_pin(PIN_NMI_EXITING);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	expect_end();
	GUEST_EXPECT(seen[1], 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_NMI);
	do_iret();
	on_trap(VEC_NMI, NULL);
}

/* --- segments --------------------------------------------------------------------- */

u64 cpuid_behind_sysret(void *stack_top, u64 *rsp0);

/* As user_call(), which comes by IRET; INT ends it the same way. */
asm(".pushsection .text\n"
    "cpuid_behind_sysret: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "sub $8, %rsp\n"
    "mov %rsp, (%rsi)\n"
    "lea 1f(%rip), %rcx\n"
    "mov $2, %r11d\n"
    "mov %rdi, %rsp\n"
    "sysretq\n"
    "1: xor %eax, %eax; cpuid; mov $0x600d, %eax; int $0x80\n"
    ".popsection\n");

/*
 * An exit to a null SS leaves it unusable with attributes that are undefined; SYSRET
 * must find none in them that an exit and entry at CPL 3 would not survive.
 */
static void null_ss(void)
{
	u8 *stack = page_alloc();

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (u64)SEL_UCODE32 << 48);
	l1_prepare(l2_ends);
	l1_vmwrite(VMCS_HOST_SS_SEL, 0);
	expect_end();
	GUEST_EXPECT(cpuid_behind_sysret(stack + 4096, (u64 *)((u8 *)this_cpu()->tss + 4)), 0x600d);
}

CLAIMS = { { interrupt_in_shadow, "an interrupt in STI's shadow over VMLAUNCH exits from L2" },
	   { interrupt_before_entry, "one instruction later it is L1's" },
	   { breakpoint_at_exit, "an exit ends L1's breakpoints, one on the host's RIP too" },
	   { breakpoint_in_l2, "L1's breakpoints hit in L2 if DR7 is not loaded" },
	   { entry_unblocks, "an entry unblocks NMIs" },
	   { pending_exits, "an NMI that was held back in L1 exits from L2" },
	   { blocking_at_entry, "NMI blocking of the VMCS holds in L2, and then in L1" },
	   { blocking_from_l2, "an NMI that L2 handles is blocked in L1, too" },
	   { blocking_by_injection,
	     "an NMI that L1 injects with NMI exiting blocks them until the exit" },
	   { null_ss, "SYSRET after an exit to a null SS leaves one that enters" },
	   END_OF_CLAIMS };
