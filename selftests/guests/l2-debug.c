// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single step and breakpoints in L2 over instructions that L0 runs, that exit to
 * L1, and that neither sees; what is left in the pending debug exceptions. SDM:
 * "Debug Exceptions", "Saving Non-Register State", "Pending Debug Exceptions".
 */
#include "irqchip.h"
#include "vmx.h"

/* L2s whose instructions have names. */
extern const u8 out_insn[], out_end[], msr_insn[], msr_end[], cr_insn[], cr_end[], dev_insn[],
	dev_end[], nop_insn[], nop_end[], ins_insn[], ins_end[], cr8_insn[], cr8_end[], ss_out[],
	ss_out_insn[], ss_out_end[], good[];

/* RDI: the operand in memory. */
asm(".pushsection .text\n"
    "nop_insn: nop\n"
    "nop_end: jmp good\n"
    "out_insn: out %al, $0x80\n"
    "out_end: jmp good\n"
    "msr_insn: rdmsr\n"
    "msr_end: jmp good\n"
    "cr_insn: mov %rbx, %cr4\n"
    "cr_end: jmp good\n"
    "dev_insn: mov %eax, (%rdi)\n"
    "dev_end: jmp good\n"
    "ins_insn: insb\n"
    "ins_end: jmp good\n"
    "cr8_insn: mov %rax, %cr8\n"
    "cr8_end: jmp good\n"
    "ss_out: mov %r8d, %ss\n"
    "ss_out_insn: out %al, $0x80\n"
    "ss_out_end: jmp good\n"
    "good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

#define IOAPIC 0xfec00000ULL

static u64 buffer[4];

static struct l1_vmx *prepare(const u8 *code)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	vmx->regs[GPR_RBX] = read_cr4() ^ CR4_OSXSAVE; /* L0 keeps this bit to itself */
	vmx->regs[GPR_RCX] = MSR_APIC_BASE;
	vmx->regs[GPR_RDX] = 0x84;
	vmx->regs[GPR_RDI] = (u64)buffer;
	vmx->regs[GPR_R8] = SEL_DATA;
	return vmx;
}

static void start(const u8 *code, u64 rflags)
{
	l1_vmwrite(VMCS_GUEST_RIP, (u64)code);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | rflags);
}

/* #DB at @rip, before which L2 was stopped by nothing. */
static void expect_db(const u8 *rip, u64 qual)
{
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_DB);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & ~DBG_RTM, qual);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)rip);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), 0);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* What L0 runs for L2 when L1 does not ask for it; NOP to compare. */
static const struct {
	const char *name;
	const u8 *insn, *end;
} insns[] = {
	{ "nop", nop_insn, nop_end },	{ "out", out_insn, out_end },
	{ "rdmsr", msr_insn, msr_end }, { "mov cr4", cr_insn, cr_end },
	{ "ins", ins_insn, ins_end },	{ "mov to a device", dev_insn, dev_end },
};

static void load_operands(u32 i)
{
	l1_vmx()->regs[GPR_RDI] = insns[i].insn == dev_insn ? IOAPIC : (u64)buffer;
}

/*
 * Run it once before, so that L0 has mapped the code: an EPT violation of the emulated
 * processor leaves a single-step trap pending.
 */
static bool prepare_insn(u32 i)
{
	prepare(insns[i].insn);
	if (insns[i].insn == cr_insn && !(cpuid(1).ecx & BIT(26)))
		return false;
	load_operands(i);
	expect_end();
	load_operands(i);
	start(insns[i].insn, 0);
	return true;
}

static void single_step(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(insns); i++) {
		unsigned int before = claim_failures();

		if (!prepare_insn(i))
			continue;
		start(insns[i].insn, RFLAGS_TF);
		expect_db(insns[i].end, DBG_BS);
		start(insns[i].end, 0);
		expect_end();
		if (claim_failures() != before)
			printf("# %s\n", insns[i].name);
	}
}

/* A breakpoint on the instruction behind, with and without RF before. */
static void next_instruction(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(insns); i++) {
		unsigned int before = claim_failures();

		if (!prepare_insn(i))
			continue;
		write_dr0((u64)insns[i].end);
		l1_vmwrite(VMCS_GUEST_DR7, 0x402);
		expect_db(insns[i].end, 1);
		if (!prepare_insn(i))
			continue;
		l1_vmwrite(VMCS_GUEST_DR7, 0x402);
		start(insns[i].insn, RFLAGS_RF);
		expect_db(insns[i].end, 1);
		if (claim_failures() != before)
			printf("# %s\n", insns[i].name);
	}
	write_dr0(0);
}

/* Delivered to L2 when L1 does not intercept it, once. */
static volatile u32 hits;
static volatile u64 hit_rip, hit_dr6;

static void on_db(struct trap_frame *frame)
{
	hits++;
	hit_rip = frame->rip;
	hit_dr6 = read_dr6();
	write_dr6(0xffff0ff0);
	frame->rflags &= ~RFLAGS_TF;
}

static void delivered_to_l2(void)
{
	on_trap(VEC_DB, on_db);
	for (u32 i = 0; i < ARRAY_SIZE(insns); i++) {
		unsigned int before = claim_failures();

		if (!prepare_insn(i))
			continue;
		hits = 0;
		l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
		start(insns[i].insn, RFLAGS_TF);
		expect_end();
		GUEST_EXPECT(hits, 1);
		GUEST_EXPECT(hit_rip, (u64)insns[i].end);
		GUEST_EXPECT(hit_dr6 & 0xf00f, DBG_BS);
		if (claim_failures() != before)
			printf("# %s\n", insns[i].name);
	}
	on_trap(VEC_DB, NULL);
}

/* --- data and I/O breakpoints ------------------------------------------------------- */

#define DR7_B1_WRITE_4 0xd00408ULL /* DR1, global: writes of 4 bytes */
#define DR7_B1_WRITE_1 0x100408ULL
#define DR7_B1_IO 0x200408ULL

static void on_device(void)
{
	struct l1_vmx *vmx = prepare(dev_insn);

	vmx->regs[GPR_RDI] = IOAPIC;
	write_dr1(IOAPIC);
	l1_vmwrite(VMCS_GUEST_DR7, DR7_B1_WRITE_4);
	expect_db(dev_end, 2);
	write_dr1(IOAPIC + 4);
	start(dev_insn, 0);
	vmx->regs[GPR_RDI] = IOAPIC;
	expect_end();
}

static void on_ins(void)
{
	prepare(ins_insn);
	write_dr1((u64)buffer);
	l1_vmwrite(VMCS_GUEST_DR7, DR7_B1_WRITE_1);
	expect_db(ins_end, 2);
}

static void on_port(void)
{
	prepare(out_insn);
	expect_end();
	start(out_insn, 0);
	l1_set(VMCS_GUEST_CR4, CR4_DE);
	write_dr1(0x80);
	l1_vmwrite(VMCS_GUEST_DR7, DR7_B1_IO);
	expect_db(out_end, 2);
	/* With a single step at once. */
	start(out_insn, RFLAGS_TF);
	expect_db(out_end, DBG_BS | 2);
	/* If it exits to L1 nothing is accessed. */
	start(out_insn, 0);
	l1_use_proc(PROC_UNCOND_IO);
	EXPECT_EXIT(EXIT_IO);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)out_insn);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), 0);
	write_dr1(0);
}

/* --- shadows, exits ------------------------------------------------------------------- */

/* MOV SS holds the trap back over the next instruction, which L0 runs. */
static void step_over_mov_ss(void)
{
	prepare(ss_out);
	expect_end();
	l1_vmx()->regs[GPR_RAX] = 0;
	start(ss_out, RFLAGS_TF);
	expect_db(ss_out_end, DBG_BS);
}

/* An exit behind the instruction finds the trap pending; it comes at the next entry. */
static void step_over_trap_exit(void)
{
	u8 *vapic;

	prepare(cr8_insn);
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	vapic[APIC_TPR] = 0x80;
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	l1_vmx()->regs[GPR_RAX] = 8;
	expect_end();
	l1_vmwrite(VMCS_TPR_THRESHOLD, 4);
	l1_vmx()->regs[GPR_RAX] = 2;
	start(cr8_insn, RFLAGS_TF);
	EXPECT_EXIT(EXIT_TPR_BELOW);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)cr8_end);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), DBG_BS);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	expect_db(cr8_end, DBG_BS);
}

/* --- IA32_DEBUGCTL -------------------------------------------------------------------- */

static volatile u64 l2_had;

static void l2_debugctl(void)
{
	l2_had = rdmsr(MSR_DEBUGCTL);
	wrmsr(MSR_DEBUGCTL, DEBUGCTL_LBR);
	l2_vmcall(0x600d);
}

static void debugctl_moves(void)
{
	l1_prepare(l2_debugctl);
	l1_set(VMCS_ENTRY_CTLS, ENTRYC_LOAD_DEBUG);
	l1_set(VMCS_EXIT_CTLS, EXITC_SAVE_DEBUG);
	l1_vmwrite(VMCS_GUEST_DEBUGCTL, DEBUGCTL_BTF);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_had, DEBUGCTL_BTF);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_DEBUGCTL), DEBUGCTL_LBR);
	GUEST_EXPECT(rdmsr(MSR_DEBUGCTL), 0);
	l1_restart_l2(l2_debugctl);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_had, DEBUGCTL_LBR);
}

static void debugctl_stays(void)
{
	l1_prepare(l2_debugctl);
	if (l1_vmx()->caps.exit.must & EXITC_SAVE_DEBUG)
		claim_skip("it is always loaded and saved");
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_DEBUG);
	l1_clear(VMCS_EXIT_CTLS, EXITC_SAVE_DEBUG);
	l1_vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	wrmsr(MSR_DEBUGCTL, DEBUGCTL_BTF);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_had, DEBUGCTL_BTF);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_DEBUGCTL), 0);
	GUEST_EXPECT(rdmsr(MSR_DEBUGCTL), 0);
}

static void debugctl_in_a_list(void)
{
	struct msr_entry *list = page_alloc();

	l1_prepare(l2_debugctl);
	list->index = MSR_DEBUGCTL;
	list->value = DEBUGCTL_BTF;
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_had, DEBUGCTL_BTF);
}

CLAIMS = { { single_step, "single step over instructions that L0 runs" },
	   { delivered_to_l2, "the same in L2's own handler" },
	   { next_instruction, "an instruction breakpoint behind them" },
	   { on_device, "a data breakpoint on a device's register" },
	   { on_ins, "a data breakpoint on INS' destination" },
	   { on_port, "an I/O breakpoint, alone and with a single step" },
	   { step_over_mov_ss, "single step over MOV SS and what L0 runs behind it" },
	   { step_over_trap_exit, "an exit behind one leaves its trap pending" },
	   { debugctl_moves, "IA32_DEBUGCTL is loaded, saved, and 0 after an exit" },
	   { debugctl_stays, "without the controls L2 has L1's" },
	   { debugctl_in_a_list, "it may be in an MSR list" },
	   END_OF_CLAIMS };
