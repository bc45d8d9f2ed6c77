// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1 learns of an instruction of L2 that exits: length, displacement and
 * the VM-exit instruction information, for each form of the operand.
 * SDM: "Information for VM Exits Due to Instruction Execution".
 */
#include "vmx.h"

/* The parts of an instruction information; absent parts are undefined there. */
#define A16 (0 << 7)
#define A32 (1 << 7)
#define A64 (2 << 7)
#define SEG(s) (SEG_##s << 15)
#define BASE(r) (GPR_##r << 23)
#define INDEX(r, scale) (GPR_##r << 18 | (scale))
#define NO_BASE INSN_NO_BASE
#define NO_INDEX INSN_NO_INDEX
#define REG1(r) (INSN_IS_REG | GPR_##r << 3)
#define REG2(r) ((u32)GPR_##r << 28)
#define KIND(n) ((n) << 28)

/* Which parts an instruction has beside its operand. */
#define PLAIN 0
#define HAS_REG2 (0xfu << 28)
#define HAS_KIND (3u << 28)
#define NO_INFO 1

/*
 * Name, instruction, exit reason, displacement (64-bit mode adds RIP to a
 * relative one), information, which other parts it has.
 */
#define FORMS_64(F)                                                                                \
	F(absolute, "vmclear 0x12345678", VMCLEAR, 0x12345678, A64 | SEG(DS) | NO_BASE | NO_INDEX, \
	  PLAIN)                                                                                   \
	F(high, "vmclear -0x70000000", VMCLEAR, -0x70000000LL, A64 | SEG(DS) | NO_BASE | NO_INDEX, \
	  PLAIN)                                                                                   \
	F(base, "vmclear (%rax)", VMCLEAR, 0, A64 | SEG(DS) | BASE(RAX) | NO_INDEX, PLAIN)         \
	F(disp8, "vmptrld -8(%rbp)", VMPTRLD, -8LL, A64 | SEG(SS) | BASE(RBP) | NO_INDEX, PLAIN)   \
	F(r13, "vmptrst 0x7f(%r13)", VMPTRST, 0x7f, A64 | SEG(DS) | BASE(R13) | NO_INDEX, PLAIN)   \
	F(stack, "vmxon (%rsp)", VMXON, 0, A64 | SEG(SS) | BASE(RSP) | NO_INDEX, PLAIN)            \
	F(disp32, "vmclear 0x11223344(%rax,%r9,8)", VMCLEAR, 0x11223344,                           \
	  A64 | SEG(DS) | BASE(RAX) | INDEX(R9, 3), PLAIN)                                         \
	F(no_base, "vmptrld 0x10(,%r12,2)", VMPTRLD, 0x10,                                         \
	  A64 | SEG(DS) | NO_BASE | INDEX(R12, 1), PLAIN)                                          \
	F(index_1, "vmptrst (%rbp,%rsi,1)", VMPTRST, 0, A64 | SEG(SS) | BASE(RBP) | INDEX(RSI, 0), \
	  PLAIN)                                                                                   \
	F(fs, "vmclear %fs:(%rdi)", VMCLEAR, 0, A64 | SEG(FS) | BASE(RDI) | NO_INDEX, PLAIN)       \
	F(gs, "vmxon %gs:0x40", VMXON, 0x40, A64 | SEG(GS) | NO_BASE | NO_INDEX, PLAIN)            \
	F(addr32, "vmclear 0x10(%ebx,%ecx,2)", VMCLEAR, 0x10,                                      \
	  A32 | SEG(DS) | BASE(RBX) | INDEX(RCX, 1), PLAIN)                                        \
	F(rip, "vmptrld 0x1234(%rip)", VMPTRLD, RELATIVE + 0x1234,                                 \
	  A64 | SEG(DS) | NO_BASE | NO_INDEX, PLAIN)                                               \
	F(rip_back, "vmread %rcx, -0x100(%rip)", VMREAD, RELATIVE - 0x100,                         \
	  A64 | SEG(DS) | NO_BASE | NO_INDEX | REG2(RCX), HAS_REG2)                                \
	F(vmread_reg, "vmread %rcx, %rdx", VMREAD, 0, REG1(RDX) | REG2(RCX), HAS_REG2)             \
	F(vmread_mem, "vmread %r8, 8(%rsi)", VMREAD, 8,                                            \
	  A64 | SEG(DS) | BASE(RSI) | NO_INDEX | REG2(R8), HAS_REG2)                               \
	F(vmwrite_reg, "vmwrite %rax, %r15", VMWRITE, 0, REG1(RAX) | REG2(R15), HAS_REG2)          \
	F(vmwrite_sp, "vmwrite %rsp, %rbx", VMWRITE, 0, REG1(RSP) | REG2(RBX), HAS_REG2)           \
	F(vmwrite_mem, "vmwrite (%r10,%rax,1), %rdi", VMWRITE, 0,                                  \
	  A64 | SEG(DS) | BASE(R10) | INDEX(RAX, 0) | REG2(RDI), HAS_REG2)                         \
	F(invept, "invept (%rdx), %r11", INVEPT, 0,                                                \
	  A64 | SEG(DS) | BASE(RDX) | NO_INDEX | REG2(R11), HAS_REG2)                              \
	F(invvpid, "invvpid 0x80(%rax), %rbx", INVVPID, 0x80,                                      \
	  A64 | SEG(DS) | BASE(RAX) | NO_INDEX | REG2(RBX), HAS_REG2)                              \
	F(vmlaunch, "vmlaunch", VMLAUNCH, 0, 0, NO_INFO)                                           \
	F(vmresume, "vmresume", VMRESUME, 0, 0, NO_INFO)                                           \
	F(vmxoff, "vmxoff", VMXOFF, 0, 0, NO_INFO)                                                 \
	F(vmcall, "vmcall", VMCALL, 0, 0, NO_INFO)                                                 \
	F(vmcall_prefix, ".byte 0x2e, 0x48; vmcall", VMCALL, 0, 0, NO_INFO)                        \
	F(cpuid_prefix, ".byte 0x2e, 0x66, 0x67, 0x48; cpuid", CPUID, 0, 0, NO_INFO)               \
	F(longest, ".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x64; addr32 vmclear 0x10(%eax,%ecx,8)",         \
	  VMCLEAR, 0x10, A32 | SEG(FS) | BASE(RAX) | INDEX(RCX, 3), PLAIN)

/* Those that exit only when L1 asks. */
#define FORMS_ASKED(F)                                                                        \
	F(sgdt, "sgdt 0x20(%rdi)", GDTR_IDTR, 0x20,                                           \
	  A64 | SEG(DS) | BASE(RDI) | NO_INDEX | KIND(0), HAS_KIND)                           \
	F(sidt, "sidt (%rsp)", GDTR_IDTR, 0, A64 | SEG(SS) | BASE(RSP) | NO_INDEX | KIND(1),  \
	  HAS_KIND)                                                                           \
	F(lgdt, "lgdt %gs:(%rax,%rbx,4)", GDTR_IDTR, 0,                                       \
	  A64 | SEG(GS) | BASE(RAX) | INDEX(RBX, 2) | KIND(2), HAS_KIND)                      \
	F(lidt, "lidt 0x40(%rip)", GDTR_IDTR, RELATIVE + 0x40,                                \
	  A64 | SEG(DS) | NO_BASE | NO_INDEX | KIND(3), HAS_KIND)                             \
	F(sldt_reg, "sldt %edx", LDTR_TR, 0, REG1(RDX) | KIND(0), HAS_KIND)                   \
	F(str_mem, "str 4(%r14)", LDTR_TR, 4, A64 | SEG(DS) | BASE(R14) | NO_INDEX | KIND(1), \
	  HAS_KIND)                                                                           \
	F(lldt_reg, "lldt %r9w", LDTR_TR, 0, REG1(R9) | KIND(2), HAS_KIND)                    \
	F(ltr_mem, "ltr 0x12345678(%rbp)", LDTR_TR, 0x12345678,                               \
	  A64 | SEG(SS) | BASE(RBP) | NO_INDEX | KIND(3), HAS_KIND)                           \
	F(invpcid, "invpcid -0x80(%rcx), %rsi", INVPCID, -0x80LL,                             \
	  A64 | SEG(DS) | BASE(RCX) | NO_INDEX | REG2(RSI), HAS_REG2)

/* In 32-bit code. */
#define FORMS_32(F)                                                                               \
	F(absolute_32, "vmclear 0x12345678", VMCLEAR, 0x12345678,                                 \
	  A32 | SEG(DS) | NO_BASE | NO_INDEX, PLAIN)                                              \
	F(negative_32, "vmptrld -16(%ebp)", VMPTRLD, -16LL, A32 | SEG(SS) | BASE(RBP) | NO_INDEX, \
	  PLAIN)                                                                                  \
	F(sib_32, "vmptrst %es:0x100(%esi,%edi,4)", VMPTRST, 0x100,                               \
	  A32 | SEG(ES) | BASE(RSI) | INDEX(RDI, 2), PLAIN)                                       \
	F(cs_32, "vmxon %cs:(%esp)", VMXON, 0, A32 | SEG(CS) | BASE(RSP) | NO_INDEX, PLAIN)       \
	F(bx_si, "vmclear 0x1234(%bx,%si)", VMCLEAR, 0x1234,                                      \
	  A16 | SEG(DS) | BASE(RBX) | INDEX(RSI, 0), PLAIN)                                       \
	F(bp_di, "vmread %eax, (%bp,%di)", VMREAD, 0,                                             \
	  A16 | SEG(SS) | BASE(RBP) | INDEX(RDI, 0) | REG2(RAX), HAS_REG2)                        \
	F(di_16, "vmwrite 0x10(%di), %ecx", VMWRITE, 0x10,                                        \
	  A16 | SEG(DS) | BASE(RDI) | NO_INDEX | REG2(RCX), HAS_REG2)                             \
	F(vmread_reg_32, "vmread %ebx, %esi", VMREAD, 0, REG1(RSI) | REG2(RBX), HAS_REG2)         \
	F(invept_32, "invept (%eax), %edx", INVEPT, 0,                                            \
	  A32 | SEG(DS) | BASE(RAX) | NO_INDEX | REG2(RDX), HAS_REG2)                             \
	F(vmlaunch_32, "vmlaunch", VMLAUNCH, 0, 0, NO_INFO)

#define CODE(name, insn, reason, disp, info, parts) \
	"form_" #name ": " insn "\n"                \
	"form_" #name "_end:\n"

#define SYMBOLS(name, insn, reason, disp, info, parts) \
	extern const u8 form_##name[], form_##name##_end[];

#define ROW(name, insn, reason, disp, info, parts) \
	{ form_##name, form_##name##_end, #name, EXIT_##reason, disp, info, parts },

struct form {
	const u8 *code, *end;
	const char *name;
	u32 reason;
	u64 disp;
	u32 info, parts;
};

/* A displacement relative to the next instruction: far above all others. */
#define RELATIVE (1ULL << 40)

asm(".pushsection .text\n" FORMS_64(CODE)
	    FORMS_ASKED(CODE) ".code32\n" FORMS_32(CODE) ".code64\n"
							 "form_rdrand:\n"
							 "rdrand %ebx\n"
							 "rdrand %r10\n"
							 ".popsection\n");

FORMS_64(SYMBOLS) FORMS_ASKED(SYMBOLS) FORMS_32(SYMBOLS) extern const u8 form_rdrand[];

static const struct form forms_64[] = { FORMS_64(ROW) };
static const struct form forms_asked[] = { FORMS_ASKED(ROW) };
static const struct form forms_32[] = { FORMS_32(ROW) };

/* What of the information the SDM defines for this one. */
static u32 defined(const struct form *f)
{
	u32 mask = f->parts & ~NO_INFO;

	if (f->info & INSN_IS_REG)
		return mask | INSN_IS_REG | 0xf << 3;
	mask |= 7 << 7 | INSN_IS_REG | 7 << 15 | INSN_NO_INDEX | INSN_NO_BASE;
	if (!(f->info & INSN_NO_INDEX))
		mask |= 0xf << 18 | 3;
	if (!(f->info & INSN_NO_BASE))
		mask |= 0xf << 23;
	return mask;
}

static u64 qualification(const struct form *f)
{
	if ((s64)f->disp > (s64)RELATIVE / 2)
		return f->disp - RELATIVE + (u64)f->end;
	return f->disp;
}

/*
 * Only the bits of the address size count. With a register operand Bochs leaves
 * in it what an earlier instruction had, where the SDM wants 0.
 */
static u64 qual_mask(const struct form *f, u64 mode_mask)
{
	if (f->info & INSN_IS_REG)
		return 0;
	if (f->parts == NO_INFO)
		return mode_mask;
	switch (INSN_ADDR_SIZE(f->info)) {
	case 0: return 0xffff;
	case 1: return 0xffffffff;
	default: return mode_mask;
	}
}

static void run_form(const struct form *f, u64 mode_mask)
{
	unsigned int before = claim_failures();
	u64 mask = qual_mask(f, mode_mask);

	l1_vmwrite(VMCS_GUEST_RIP, (u64)f->code);
	EXPECT_EXIT(f->reason);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)f->code);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), f->end - f->code);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & mask, qualification(f) & mask);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VALID, 0);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	if (f->parts != NO_INFO)
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) & defined(f), f->info);
	if (claim_failures() != before)
		printf("# form %s\n", f->name);
}

static void run_forms(const struct form *f, u32 count, u64 mode_mask)
{
	for (u32 i = 0; i < count; i++)
		run_form(f + i, mode_mask);
}

static void in_64bit_mode(void)
{
	l1_prepare(l2_unreachable);
	run_forms(forms_64, ARRAY_SIZE(forms_64), ~0ULL);
}

static void segment(enum segreg seg, u16 sel, u32 ar)
{
	l1_vmwrite(VMCS_SEG_SEL(seg), sel);
	l1_vmwrite(VMCS_SEG_AR(seg), ar);
}

/* VMX instructions exit before the privilege level is looked at. */
static void at_cpl3(void)
{
	l1_prepare(l2_unreachable);
	segment(SEG_CS, SEL_UCODE64, 0xa0fb);
	segment(SEG_SS, SEL_UDATA, 0xc0f3);
	segment(SEG_DS, SEL_UDATA, 0xc0f3);
	segment(SEG_ES, SEL_UDATA, 0xc0f3);
	for (u32 i = 0; i < ARRAY_SIZE(forms_64); i++)
		run_form(forms_64 + i, ~0ULL);
}

static void when_asked(void)
{
	l1_prepare(l2_unreachable);
	l1_need_proc2(PROC2_INVPCID);
	l1_use_proc2(PROC2_DESC_TABLE);
	l1_use_proc(PROC_INVLPG);
	run_forms(forms_asked, ARRAY_SIZE(forms_asked), ~0ULL);
}

static void rdrand(void)
{
	static const struct form rows[] = {
		{ form_rdrand, form_rdrand + 3, "ebx", EXIT_RDRAND, 0, GPR_RBX << 3 | 1 << 11, 0 },
		{ form_rdrand + 3, form_rdrand + 7, "r10", EXIT_RDRAND, 0, GPR_R10 << 3 | 2 << 11,
		  0 },
	};

	l1_prepare(l2_unreachable);
	l1_use_proc2(PROC2_RDRAND);
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		l1_vmwrite(VMCS_GUEST_RIP, (u64)rows[i].code);
		EXPECT_EXIT(EXIT_RDRAND);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), rows[i].end - rows[i].code);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) & (0xf << 3 | 3 << 11), rows[i].info);
	}
}

static void flat_32(void)
{
	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_clear(VMCS_GUEST_CR0, CR0_PG);
	segment(SEG_CS, SEL_CODE32, 0xc09b);
}

static void in_32bit_mode(void)
{
	l1_prepare(l2_unreachable);
	flat_32();
	run_forms(forms_32, ARRAY_SIZE(forms_32), 0xffffffff);
}

/* #UD, which L1 intercepts here, comes before the exit. */
static void expect_ud(const struct form *f, u64 rip)
{
	l1_vmwrite(VMCS_GUEST_RIP, rip);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), rip);
}

static void in_compatibility_mode(void)
{
	l1_prepare(l2_unreachable);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	segment(SEG_CS, SEL_CODE32, 0xc09b);
	for (u32 i = 0; i < ARRAY_SIZE(forms_32); i++)
		expect_ud(forms_32 + i, (u64)forms_32[i].code);
}

static void real_segment(enum segreg seg, u32 ar)
{
	l1_vmwrite(VMCS_SEG_SEL(seg), LOW_SCRATCH >> 4);
	l1_vmwrite(VMCS_SEG_BASE(seg), LOW_SCRATCH);
	l1_vmwrite(VMCS_SEG_LIMIT(seg), 0xffff);
	l1_vmwrite(VMCS_SEG_AR(seg), ar);
}

/* The forms' code in 16-bit segments; some decode to others, all stay VMX's. */
static void forms_of_low_memory(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(forms_32); i++) {
		const struct form *f = forms_32 + i;

		memcpy((void *)LOW_SCRATCH, f->code, f->end - f->code);
		expect_ud(f, 0);
	}
}

static void in_real_mode(void)
{
	l1_prepare(l2_unreachable);
	flat_32();
	l1_clear(VMCS_GUEST_CR0, CR0_PE);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	for (int s = SEG_ES; s <= SEG_GS; s++)
		real_segment(s, 0x93);
	real_segment(SEG_CS, 0x9b);
	forms_of_low_memory();
}

static void in_vm86_mode(void)
{
	l1_prepare(l2_unreachable);
	flat_32();
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_VM);
	for (int s = SEG_ES; s <= SEG_GS; s++)
		real_segment(s, 0xf3);
	forms_of_low_memory();
}

CLAIMS = { { in_64bit_mode, "each form of a VMX instruction in 64-bit mode" },
	   { at_cpl3, "the same at CPL 3" },
	   { when_asked, "descriptor-table instructions and INVPCID" },
	   { rdrand, "RDRAND's register and operand size" },
	   { in_32bit_mode, "in 32-bit code, with 16-bit and 32-bit addresses" },
	   { in_compatibility_mode, "in compatibility mode #UD comes first" },
	   { in_real_mode, "in real mode #UD comes first" },
	   { in_vm86_mode, "in virtual-8086 mode #UD comes first" },
	   END_OF_CLAIMS };
