// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes first at an instruction boundary of L2, what the monitor trap flag
 * does after each kind of instruction, and how shadows, RF and TF cross entries
 * and exits. SDM: "Other Causes of VM Exits", "Monitor Trap Flag", "VMX-Preemption
 * Timer", "Saving Non-Register State".
 */
#include "irqchip.h"
#include "vmx.h"

#define VECTOR 0x51

static volatile u32 seen[2]; /* by L1, by L2 */

static void on_event(struct trap_frame *frame)
{
	seen[this_cpu()->is_l2]++;
	if (frame->vector >= 32 && !this_cpu()->is_l2)
		apic_eoi();
}

static void watch(u8 vector)
{
	on_trap(vector, on_event);
	seen[0] = seen[1] = 0;
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void expect_rip(const void *rip)
{
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)rip);
}

/* L2s whose instructions have names. */
extern const u8 nops[], nops_1[], nops_2[], rep_movs[], after_movs[], sti_nop[], after_sti[],
	mov_ss[], after_ss[], sti_out[], after_out[], int_n[], after_int[], undefined[],
	cpuid_insn[], sti_cpuid[], ss_cpuid[], breakpoint[];

asm(".pushsection .text\n"
    "nops: nop\n"
    "nops_1: nop\n"
    "nops_2: nop; jmp l2_good\n"
    "rep_movs: rep movsb\n"
    "after_movs: jmp l2_good\n"
    "sti_nop: sti\n"
    "after_sti: nop; nop; cli; jmp l2_good\n"
    "mov_ss: mov %ecx, %ss\n"
    "after_ss: nop; jmp l2_good\n"
    "sti_out: sti; out %al, $0x80\n"
    "after_out: nop; cli; jmp l2_good\n"
    "int_n: int $0x51\n"
    "after_int: jmp l2_good\n"
    "undefined: ud2\n"
    "cpuid_insn: cpuid; jmp l2_good\n"
    "sti_cpuid: sti; cpuid; nop; jmp l2_good\n"
    "ss_cpuid: mov %ecx, %ss; cpuid; nop; jmp l2_good\n"
    "breakpoint: int3; jmp l2_good\n"
    "l2_good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

static struct l1_vmx *prepare(const u8 *code, u64 rflags)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | rflags);
	return vmx;
}

/* --- which of several ----------------------------------------------------- */

/* The one that waits, and that L2 has not seen. */
static void take_interrupt(void)
{
	GUEST_EXPECT(seen[0], 0);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(seen[0], 1);
}

static void timer_windows_interrupt(void)
{
	watch(VECTOR);
	apic_enable();
	prepare(nops, RFLAGS_IF);
	l1_use_pin(PIN_PREEMPT_TIMER | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_EXT_INT_EXITING);
	l1_use_proc(PROC_NMI_WINDOW | PROC_INT_WINDOW);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	expect_rip(nops);
	l1_clear(VMCS_PIN_CTLS, PIN_PREEMPT_TIMER);
	EXPECT_EXIT(EXIT_NMI_WINDOW);
	expect_rip(nops);
	l1_clear(VMCS_PROC_CTLS, PROC_NMI_WINDOW);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(nops);
	l1_clear(VMCS_PROC_CTLS, PROC_INT_WINDOW);
	EXPECT_EXIT(EXIT_EXT_INT);
	expect_rip(nops);
	take_interrupt();
	expect_end();
	on_trap(VECTOR, NULL);
}

static void window_before_l2s_interrupt(void)
{
	watch(VECTOR);
	apic_enable();
	prepare(nops, RFLAGS_IF);
	l1_use_proc(PROC_INT_WINDOW);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(nops);
	take_interrupt();
	l1_clear(VMCS_PROC_CTLS, PROC_INT_WINDOW);
	expect_end();
	on_trap(VECTOR, NULL);
}

static void nmi_window_before_l2s_interrupt(void)
{
	watch(VECTOR);
	apic_enable();
	prepare(nops, RFLAGS_IF);
	l1_use_pin(PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	l1_use_proc(PROC_NMI_WINDOW);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_NMI_WINDOW);
	expect_rip(nops);
	take_interrupt();
	l1_clear(VMCS_PROC_CTLS, PROC_NMI_WINDOW);
	expect_end();
	on_trap(VECTOR, NULL);
}

static void threshold_exits(u32 activity)
{
	u8 *vapic = page_alloc();

	watch(VECTOR);
	apic_enable();
	prepare(nops, RFLAGS_IF);
	l1_use_proc(PROC_TPR_SHADOW);
	l1_use_proc2(PROC2_APIC_ACCESS);
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)page_alloc());
	l1_vmwrite(VMCS_TPR_THRESHOLD, 8);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, activity);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(nops);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), activity);
	take_interrupt();
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	expect_end();
	on_trap(VECTOR, NULL);
}

static void threshold_before_l2s_interrupt(void)
{
	threshold_exits(ACTIVITY_ACTIVE);
}

static void threshold_keeps_hlt(void)
{
	if (!(l1_vmx()->caps.misc & MISC_ACTIVITY_HLT))
		claim_skip("no HLT activity state");
	threshold_exits(ACTIVITY_HLT);
}

static void debug_before_l2s_interrupt(void)
{
	watch(VECTOR);
	apic_enable();
	prepare(nops, RFLAGS_TF | RFLAGS_IF);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_BS);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	expect_rip(nops);
	take_interrupt();
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	expect_end();
	on_trap(VECTOR, NULL);
}

static void debug_before_timer(void)
{
	prepare(nops, RFLAGS_TF);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_BS);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	expect_rip(nops);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	expect_rip(nops);
}

static void debug_before_windows(void)
{
	prepare(nops, RFLAGS_TF | RFLAGS_IF);
	l1_use_proc(PROC_INT_WINDOW);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_BS);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(nops);
}

/* The trap that MTF is ahead of waits in the pending debug exceptions. */
static void mtf_before_debug(void)
{
	prepare(nops, RFLAGS_TF);
	l1_use_proc(PROC_MTF);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(nops_1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), DBG_BS);
	l1_clear(VMCS_PROC_CTLS, PROC_MTF);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	expect_rip(nops_1);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), 0);
}

static void timer_after_injection(void)
{
	watch(VECTOR);
	prepare(nops, RFLAGS_IF);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | VECTOR);
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)nops);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF, 0);
	GUEST_EXPECT(seen[1], 0);
	l1_clear(VMCS_PIN_CTLS, PIN_PREEMPT_TIMER);
	expect_end();
	GUEST_EXPECT(seen[1], 1);
	on_trap(VECTOR, NULL);
}

static void window_after_injection(void)
{
	watch(VECTOR);
	prepare(nops, RFLAGS_IF);
	l1_use_proc(PROC_INT_WINDOW);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | VECTOR);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(nops);
	GUEST_EXPECT(seen[1], 1);
	on_trap(VECTOR, NULL);
}

/* --- the monitor trap flag ------------------------------------------------ */

static void mtf_rep(void)
{
	static u8 from[4] = "abc", to[4];
	struct l1_vmx *vmx = prepare(rep_movs, 0);

	to[0] = to[1] = to[2] = 0;
	vmx->regs[GPR_RSI] = (u64)from;
	vmx->regs[GPR_RDI] = (u64)to;
	vmx->regs[GPR_RCX] = 3;
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(rep_movs);
	GUEST_EXPECT(vmx->regs[GPR_RCX], 2);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(rep_movs);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(after_movs);
	GUEST_EXPECT(((volatile u8 *)to)[2], 'c');
}

static void mtf_software_interrupt(void)
{
	watch(VECTOR);
	prepare(int_n, 0);
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)after_int);
	GUEST_EXPECT(seen[1], 0);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	l1_clear(VMCS_PROC_CTLS, PROC_MTF);
	expect_end();
	GUEST_EXPECT(seen[1], 1);
	on_trap(VECTOR, NULL);
}

static void mtf_exception(void)
{
	prepare(undefined, 0);
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)undefined);
	/* Intercepted it is the exception's exit. */
	l1_prepare((void (*)(void))(u64)undefined);
	l1_use_proc(PROC_MTF);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	expect_rip(undefined);
}

static void mtf_exiting_insn(void)
{
	prepare(cpuid_insn, 0);
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_CPUID);
	expect_rip(cpuid_insn);
	l1_skip_insn();
	EXPECT_EXIT(EXIT_MTF);
}

static void mtf_shadows(void)
{
	struct l1_vmx *vmx = prepare(sti_nop, 0);

	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(after_sti);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_STI);
	EXPECT_EXIT(EXIT_MTF);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
	vmx = prepare(mov_ss, 0);
	vmx->regs[GPR_RCX] = SEL_DATA;
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(after_ss);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_MOV_SS);
}

static void mtf_l0_insn(void)
{
	prepare(sti_out, 0);
	l1_use_proc(PROC_MTF);
	EXPECT_EXIT(EXIT_MTF);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(after_out);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

static void mtf_injected(void)
{
	prepare(nops, 0);
	l1_need_proc(PROC_MTF);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_OTHER);
	EXPECT_EXIT(EXIT_MTF);
	expect_rip(nops);
	expect_end();
}

/* --- shadows and RF ------------------------------------------------------- */

static void shadows_across_exits(void)
{
	struct l1_vmx *vmx = prepare(sti_cpuid, 0);

	EXPECT_EXIT(EXIT_CPUID);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_STI);
	/* L1 that leaves it there has it end with the next instruction. */
	l1_skip_insn();
	l1_use_proc(PROC_INT_WINDOW);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(sti_cpuid + 4);
	vmx = prepare(ss_cpuid, 0);
	vmx->regs[GPR_RCX] = SEL_DATA;
	EXPECT_EXIT(EXIT_CPUID);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_MOV_SS);
	l1_skip_insn();
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

/* An instruction that only L0 sees ends the shadow too. */
static void shadow_over_l0_insn(void)
{
	prepare(sti_out, 0);
	l1_use_proc(PROC_INT_WINDOW);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	expect_rip(after_out);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

static void resume_flag(void)
{
	prepare(breakpoint, 0);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_BP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)cpuid_insn);
	EXPECT_EXIT(EXIT_CPUID);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
}

/* --- L1's own traps over VMX instructions ---------------------------------- */

static volatile u64 stepped[8];
static volatile u32 steps;

static void on_step(struct trap_frame *frame)
{
	if (steps < ARRAY_SIZE(stepped))
		stepped[steps] = frame->rip;
	steps++;
	if (!(read_dr6() & DBG_BS))
		frame->rflags |= RFLAGS_RF;
	write_dr6(0xffff0ff0);
	if (steps > 5000)
		frame->rflags &= ~RFLAGS_TF;
}

#define STEP_OVER(insn, ...)                                                   \
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n" insn "\n"          \
		     "nop; pushfq; andq $~0x100, (%%rsp); popfq" ::__VA_ARGS__ \
		     : "cc", "memory")

static void step_insns(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 vmxon_pa = (u64)vmx->vmxon, v = 0;

	l1_new_vmcs(vmx);
	on_trap(VEC_DB, on_step);
	/* The instruction, NOP, PUSHFQ, AND, POPFQ: each stops once. */
#define EXPECT_STEPS(...)                                 \
	do {                                              \
		steps = 0;                                \
		STEP_OVER(__VA_ARGS__);                   \
		GUEST_EXPECT(steps, 5);                   \
		GUEST_EXPECT(stepped[1], stepped[0] + 1); \
	} while (0)
	EXPECT_STEPS("vmread %1, (%0)", "r"(&v), "r"((u64)VMCS_GUEST_RIP));
	EXPECT_STEPS("vmwrite %0, %1", "r"(v), "r"((u64)VMCS_TSC_OFFSET));
	EXPECT_STEPS("vmptrst (%0)", "r"(&v));
	EXPECT_STEPS("vmptrld (%0)", "r"(&v));
	EXPECT_STEPS("vmclear (%0)", "r"(&v));
	EXPECT_STEPS("vmresume", "r"(0));
	EXPECT_STEPS("vmxoff", "r"(0));
	EXPECT_STEPS("vmxon (%0)", "r"(&vmxon_pa));
	on_trap(VEC_DB, NULL);
}

/* TF is L1's own: L2 has none, and the exit clears it. */
static void step_into_l2(void)
{
	u64 how;

	prepare(nops, 0);
	on_trap(VEC_DB, on_step);
	steps = 0;
	write_flags(read_flags() | RFLAGS_TF);
	how = l1_run();
	GUEST_EXPECT(read_flags() & RFLAGS_TF, 0);
	EXPECT_OUTCOME(how, EXIT_VMCALL);
	GUEST_ASSERT(steps > 20 && steps < 5000);
	on_trap(VEC_DB, NULL);
}

extern const u8 stop_here[];

static void breakpoint_on_insn(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = 0;

	l1_new_vmcs(vmx);
	on_trap(VEC_DB, on_step);
	steps = 0;
	write_dr0((u64)stop_here);
	write_dr7(0x401);
	asm volatile("stop_here: vmptrst (%0)" : : "r"(&v) : "memory", "cc");
	write_dr7(0x400);
	GUEST_EXPECT(steps, 1);
	GUEST_EXPECT(stepped[0], (u64)stop_here);
	GUEST_EXPECT(v, (u64)vmx->vmcs);
	on_trap(VEC_DB, NULL);
}

/* An operand's data breakpoint hits after the instruction. */
static void watch_operand(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	static volatile u64 v;
	u64 next;

	l1_new_vmcs(vmx);
	on_trap(VEC_DB, on_step);
	steps = 0;
	write_dr0((u64)&v);
	write_dr7(0x90401); /* 8 bytes, writes */
	asm volatile("vmptrst (%1); 1: lea 1b(%%rip), %0" : "=r"(next) : "r"(&v) : "memory", "cc");
	write_dr7(0x400);
	GUEST_EXPECT(steps, 1);
	GUEST_EXPECT(stepped[0], next);
	on_trap(VEC_DB, NULL);
}

extern const u8 after_rf[];

/* RF lets CPUID through; it must be gone at the instruction behind it. */
static void resume_flag_ends(void)
{
	u32 a = 0;

	on_trap(VEC_DB, on_step);
	steps = 0;
	write_dr0((u64)after_rf);
	write_dr7(0x401);
	asm volatile("mov %%rsp, %%rcx; pushq $0x10; push %%rcx\n"
		     "pushfq; orq $0x10000, (%%rsp); pushq $0x18\n"
		     "lea rf_cpuid(%%rip), %%rcx; push %%rcx; iretq\n"
		     "rf_cpuid: cpuid\n"
		     "after_rf: nop"
		     : "+a"(a)
		     :
		     : "rbx", "rcx", "rdx", "memory", "cc");
	write_dr7(0x400);
	GUEST_EXPECT(steps, 1);
	GUEST_EXPECT(stepped[0], (u64)after_rf);
	on_trap(VEC_DB, NULL);
}

/* --- NMIs ------------------------------------------------------------------ */

static void nothing(struct trap_frame *frame)
{
}

extern const u8 nmi_sender[];
asm(".pushsection .text\n"
    "nmi_sender: mov %ecx, (%rdx)\n"
    "1: pause; jmp 1b\n"
    ".popsection\n");

/* An NMI's exit blocks NMIs, until L1's next IRET. */
static void nmi_blocked_after_exit(void)
{
	struct l1_vmx *vmx;

	watch(VEC_NMI);
	on_trap(0x97, nothing);
	apic_enable();
	vmx = prepare(nmi_sender, 0);
	vmx->regs[GPR_RCX] = ICR_NMI | ICR_ASSERT;
	vmx->regs[GPR_RDX] = 0xfee00300;
	apic_write(APIC_ICR_HIGH, 0);
	l1_use_pin(PIN_NMI_EXITING);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	apic_icr(0, ICR_NMI | ICR_ASSERT);
	spin(1000);
	GUEST_EXPECT(seen[0], 0);
	asm volatile("int $0x97");
	spin(1000);
	GUEST_EXPECT(seen[0], 1);
	on_trap(0x97, NULL);
	on_trap(VEC_NMI, NULL);
}

/* Makes L1 block NMIs, by an exit for one, with the next L2 prepared to take them itself. */
static void block_nmis(void)
{
	struct l1_vmx *vmx = prepare(nmi_sender, 0);

	vmx->regs[GPR_RCX] = ICR_NMI | ICR_ASSERT;
	vmx->regs[GPR_RDX] = 0xfee00300;
	apic_write(APIC_ICR_HIGH, 0);
	l1_use_pin(PIN_NMI_EXITING);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	l1_clear(VMCS_PIN_CTLS, PIN_NMI_EXITING);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)nops);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
}

/* Both wait for L1, whose entry lets the NMI come. */
static void nmi_of_l2_before_interrupt(void)
{
	watch(VEC_NMI);
	watch(VECTOR);
	apic_enable();
	block_nmis();
	l1_use_pin(PIN_EXT_INT_EXITING);
	apic_icr(0, ICR_NMI | ICR_ASSERT);
	apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)nops);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), IRQBLK_NMI);
	GUEST_EXPECT(seen[1], 0);
	take_interrupt();
	expect_end();
	GUEST_EXPECT(seen[1], 1);
	GUEST_EXPECT(seen[0], 1);
	on_trap(VECTOR, NULL);
	on_trap(VEC_NMI, NULL);
}

CLAIMS = { { timer_windows_interrupt,
	     "the timer, then the NMI window, the interrupt window, the interrupt" },
	   { window_before_l2s_interrupt,
	     "the interrupt window, then an interrupt that L2 takes itself" },
	   { nmi_window_before_l2s_interrupt,
	     "the NMI window, then an interrupt that L2 takes itself" },
	   { threshold_before_l2s_interrupt,
	     "TPR below the threshold, then an interrupt that L2 takes itself" },
	   { threshold_keeps_hlt, "the same from HLT, where L2 stays" },
	   { debug_before_l2s_interrupt,
	     "a pending debug exception, then an interrupt that L2 takes itself" },
	   { debug_before_timer, "a pending debug exception, then the timer" },
	   { debug_before_windows, "a pending debug exception, then the interrupt window" },
	   { mtf_before_debug, "the monitor trap flag, then the single-step trap" },
	   { timer_after_injection, "an injected event is delivered, then the timer" },
	   { window_after_injection, "an injected event's handler, then the interrupt window" },
	   { mtf_rep, "MTF after each iteration of REP MOVS" },
	   { mtf_software_interrupt, "MTF after INT n, before its handler" },
	   { mtf_exception, "MTF after an exception's delivery; not if that exits" },
	   { mtf_exiting_insn, "no MTF after an instruction that exits" },
	   { mtf_shadows, "MTF between STI or MOV SS and the next instruction" },
	   { mtf_l0_insn, "MTF after an OUT that L1 does not ask for" },
	   { mtf_injected, "a pending MTF that L1 injects" },
	   { shadows_across_exits, "STI's and MOV SS's shadow across an exit" },
	   { shadow_over_l0_insn, "STI's shadow ends with an OUT that L1 does not ask for" },
	   { resume_flag, "RF is clear in what exits of INT3 and CPUID save" },
	   { step_insns, "L1 single-steps over its VMX instructions" },
	   { step_into_l2, "L1 single-steps into a VM entry; the exit clears TF" },
	   { breakpoint_on_insn, "an instruction breakpoint on VMPTRST" },
	   { watch_operand, "a data breakpoint on VMPTRST's operand" },
	   { resume_flag_ends, "RF ends with CPUID, which L0 runs" },
	   { nmi_blocked_after_exit, "an NMI's exit blocks NMIs until IRET" },
	   { nmi_of_l2_before_interrupt, "an NMI that L2 takes itself, then an interrupt's exit" },
	   END_OF_CLAIMS };
