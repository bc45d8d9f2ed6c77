// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's exceptions: to L1 when the exception bitmap says so, else to L2; page
 * faults by mask and match; what L1 learns; triple faults.
 * SDM: "Exceptions and Interrupts" of "Other Causes of VM Exits",
 * "Information for VM Exits Due to Vectored Events".
 */
#include "vmx.h"

#define HOLE 0x3fa00000ULL

static void expect_end(u64 rax)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], rax);
}

static void l2_ud(void)
{
	l2_vmcall(TRY("ud2", : :));
}

static void own_exceptions(void)
{
	l1_prepare(l2_ud);
	expect_end(VEC_UD);
}

static void invalid_opcode(void)
{
	l1_prepare(l2_ud);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	expect_end(VEC_UD);
}

static void l2_gp(void)
{
	l2_vmcall(TRY("mov %0, %%ds", : : "r"(0x1003)));
}

static void error_code(void)
{
	l1_prepare(l2_gp);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_GP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), 0x1000);
}

static void l2_breakpoint(void)
{
	asm volatile("int3");
	l2_vmcall(1);
}

static void software(void)
{
	l1_prepare(l2_breakpoint);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_BP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_SOFT_EXC | VEC_BP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 1);
	l1_skip_insn();
	expect_end(1);
}

static void l2_read_hole(void)
{
	u8 v;

	l2_vmcall(TRY("movb (%1), %0", : "=q"(v) : "r"(HOLE + 3)));
}

static void l2_write_hole(void)
{
	l2_vmcall(TRY("movb $1, (%0)", : : "r"(HOLE + 4)));
}

static void make_hole(bool hole)
{
	*page_entry(HOLE) = hole ? 0 : HOLE | 7;
	invlpg(HOLE);
}

static void page_fault(void)
{
	make_hole(true);
	write_cr2(0x1111);
	l1_prepare(l2_read_hole);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_PF);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), 0);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), HOLE + 3);
	GUEST_EXPECT(read_cr2(), 0x1111); /* an intercepted #PF leaves CR2 */
	make_hole(false);
}

static void page_fault_own(void)
{
	make_hole(true);
	l1_prepare(l2_read_hole);
	expect_end(VEC_PF);
	GUEST_EXPECT(read_cr2(), HOLE + 3); /* CR2 is not switched */
	make_hole(false);
}

static void page_fault_match(void)
{
	make_hole(true);
	l1_prepare(l2_read_hole);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	l1_vmwrite(VMCS_PF_ERROR_MASK, 2);
	l1_vmwrite(VMCS_PF_ERROR_MATCH, 2);
	expect_end(VEC_PF); /* a read does not match */
	l1_restart_l2(l2_write_hole);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), 2);
	/* Without the bit in the bitmap it is the other way round. */
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	l1_restart_l2(l2_write_hole);
	expect_end(VEC_PF);
	l1_restart_l2(l2_read_hole);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	make_hole(false);
}

static void l2_all(void)
{
	u32 a = 1, d = 0, sum = 0;

	sum += TRY("div %2", : "+a"(a), "+d"(d) : "r"(0) : "cc");
	sum += TRY("mov %0, %%es", : : "r"(SEL_SPARE));
	sum += TRY("mov %0, %%ss", : : "r"(SEL_SPARE));
	sum += TRY("fnop", : :);
	l2_vmcall(sum);
}

static void all_of_them(void)
{
	static const u32 want[] = { VEC_DE, VEC_NP, VEC_SS, VEC_NM };

	gdt[SEL_SPARE / 8] = 0x00cf13000000ffff;
	l1_prepare(l2_all);
	l1_set(VMCS_GUEST_CR0, CR0_TS);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
	for (u32 i = 0; i < ARRAY_SIZE(want); i++) {
		EXPECT_EXIT(EXIT_EXCEPTION_NMI);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, want[i]);
		/* Give it to L2 after all. */
		l1_vmwrite(VMCS_ENTRY_INTR_INFO,
			   l1_vmread(VMCS_EXIT_INTR_INFO) & ~INTR_NMI_UNBLOCK);
		l1_vmwrite(VMCS_ENTRY_ERROR_CODE, l1_vmread(VMCS_EXIT_INTR_ERROR));
	}
	expect_end(VEC_DE + VEC_NP + VEC_SS + VEC_NM);
	gdt[SEL_SPARE / 8] = 0;
}

static void l2_triple(void)
{
	struct table_pointer none = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m"(none));
}

static void triple_fault(void)
{
	l1_prepare(l2_triple);
	EXPECT_EXIT(EXIT_TRIPLE_FAULT);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	/* L1 is well, and can run another L2. */
	l1_prepare(l2_ud);
	expect_end(VEC_UD);
}

/* L2's IDT has no gate for #GP's delivery: #DF, with what was being delivered. */
static void double_fault(void)
{
	l1_prepare(l2_ud);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DF));
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 16 * VEC_NM - 1); /* #UD yes, #GP no */
	l1_restart_l2(l2_gp);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_DF);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), 0);
}

/* #GP in delivering #UD: L1 intercepts #GP and learns of #UD. */
static void vectoring_exception(void)
{
	l1_prepare(l2_ud);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 16 * VEC_UD - 1);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), VEC_UD * 8 + 2 + 1);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
}

static void l2_int(void)
{
	asm volatile("int $0x99");
	l2_vmcall(2);
}

static void vectoring_software(void)
{
	l1_prepare(l2_int);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 16 * 0x99 - 1);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | INTR_TYPE_SOFT_INT | 0x99);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 2);
}

static void l2_step(void)
{
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
	l2_vmcall(3);
}

static void debug_exception(void)
{
	l1_prepare(l2_step);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_DB);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BS);
	l1_vmwrite(VMCS_GUEST_RFLAGS, l1_vmread(VMCS_GUEST_RFLAGS) & ~RFLAGS_TF);
	expect_end(3);
}

static void l2_bad_wrmsr(void)
{
	wrmsr(MSR_EFER, ~0ULL);
	l2_vmcall(0);
}

static void resume_flag(void)
{
	l1_prepare(l2_bad_wrmsr);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF, RFLAGS_RF);
}

CLAIMS = { { own_exceptions, "an exception that L1 does not intercept is L2's" },
	   { invalid_opcode, "#UD exits when intercepted" },
	   { error_code, "#GP exits with its error code" },
	   { software, "INT3 exits as a software exception with its length" },
	   { page_fault, "#PF exits with its address, and CR2 as it was" },
	   { page_fault_own, "L2's own #PF loads CR2" },
	   { page_fault_match, "#PF by mask and match, in both senses" },
	   { all_of_them, "#DE, #NP, #SS, #NM exit, and go back by injection" },
	   { triple_fault, "a triple fault of L2 is an exit, and L1 goes on" },
	   { double_fault, "a fault in delivering #GP exits as #DF when that is intercepted" },
	   { vectoring_exception,
	     "a fault in delivering #UD exits with #UD as vectoring information" },
	   { vectoring_software, "a fault in delivering INT n exits with it and its length" },
	   { debug_exception, "a single step exits with BS in the qualification" },
	   { resume_flag, "a fault of WRMSR that exits is saved with RFLAGS.RF" },
	   END_OF_CLAIMS };
