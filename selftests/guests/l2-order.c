// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes first at an instruction boundary of L2, and how shadows and TF cross
 * entries and exits. SDM: "Other Causes of VM Exits", "VMX-Preemption Timer",
 * "Saving Non-Register State".
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
extern const u8 nops[], sti_out[], after_out[], sti_cpuid[], ss_cpuid[];

asm(".pushsection .text\n"
    "nops: nop; nop; nop; jmp l2_good\n"
    "sti_out: sti; out %al, $0x80\n"
    "after_out: nop; cli; jmp l2_good\n"
    "sti_cpuid: sti; cpuid; nop; jmp l2_good\n"
    "ss_cpuid: mov %ecx, %ss; cpuid; nop; jmp l2_good\n"
    "l2_good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

static struct l1_vmx *prepare(const u8 *code, u64 rflags)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | rflags);
	return vmx;
}

/* --- which of several ----------------------------------------------------- */

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

CLAIMS = { { debug_before_timer, "a pending debug exception, then the timer" },
	   { debug_before_windows, "a pending debug exception, then the interrupt window" },
	   { timer_after_injection, "an injected event is delivered, then the timer" },
	   { window_after_injection, "an injected event's handler, then the interrupt window" },
	   { shadows_across_exits, "STI's and MOV SS's shadow across an exit" },
	   { shadow_over_l0_insn, "STI's shadow ends with an OUT that L1 does not ask for" },
	   { step_insns, "L1 single-steps over its VMX instructions" },
	   { step_into_l2, "L1 single-steps into a VM entry; the exit clears TF" },
	   { breakpoint_on_insn, "an instruction breakpoint on VMPTRST" },
	   { resume_flag_ends, "RF ends with CPUID, which L0 runs" },
	   { nmi_blocked_after_exit, "an NMI's exit blocks NMIs until IRET" },
	   END_OF_CLAIMS };
