// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where L1's VMX instructions find their operands, and what they raise when
 * they can't: each addressing form, faults in order, page ends, places without
 * memory, prefixes. SDM: "VMX Instruction Reference".
 */
#include "vmx.h"

#define SLOT (LOW_SCRATCH + 0x100) /* where each form's operand lies */
#define HOLE 0x3ff00000ULL	   /* a page that is taken away */
#define NOWHERE 0xd0000000ULL	   /* an address without memory or device */

extern u64 form_slot;
extern const u8 l2_good[];

asm(".pushsection .text\n"
    "l2_good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

/*
 * Each form stores the current-VMCS pointer in SLOT: RAX SLOT, RCX 16, RDX
 * SLOT - 64, RSI a negative index, R8 SLOT with rubbish above, R13 and RBP
 * SLOT + 8. FS and GS have the base SLOT - 0x40.
 */
#define FORMS(F)                                                                            \
	F(base, "vmptrst (%rax)")                                                           \
	F(absolute, "vmptrst 0xa100")                                                       \
	F(scaled, "vmptrst (%rdx,%rcx,4)")                                                  \
	F(negative, "vmptrst 0x100(%rax,%rsi,8)")                                           \
	F(r13, "vmptrst -8(%r13)")                                                          \
	F(rbp, "vmptrst -8(%rbp)")                                                          \
	F(no_base, "vmptrst 0xa0f0(,%rcx,1)")                                               \
	F(fs, "vmptrst %fs:0x40")                                                           \
	F(gs, "vmptrst %gs:0x30(%rcx)")                                                     \
	F(addr32, "vmptrst (%r8d)")                                                         \
	F(addr32_fs, "vmptrst %fs:0x30(%ecx)")                                              \
	F(ignored, "vmptrst %ds:(%rax)")                                                    \
	F(relative, "vmptrst form_slot(%rip); mov form_slot(%rip), %rbx; mov %rbx, (%rax)") \
	F(stack, "vmptrst -0x40(%rsp); mov -0x40(%rsp), %rbx; mov %rbx, (%rax)")

#define CODE(name, insn) "operand_" #name ": " insn "; ret\n"
#define SYMBOL(name, insn) extern const u8 operand_##name[];
#define ROW(name, insn) { operand_##name, #name },

asm(".pushsection .text\n" FORMS(
	CODE) ".popsection\n"
	      ".pushsection .bss\n .balign 8\n form_slot: .quad 0\n .popsection\n");
FORMS(SYMBOL)

static const struct {
	const u8 *code;
	const char *name;
} forms[] = { FORMS(ROW) };

static void call_form(const u8 *code)
{
	register u64 r8 asm("r8") = SLOT | 0xabcdULL << 32;
	register u64 r13 asm("r13") = SLOT + 8;

	asm volatile("push %%rbp\n"
		     "lea -8(%%r13), %%rbp\n"
		     "add $8, %%rbp\n"
		     "call *%%rdi\n"
		     "pop %%rbp\n"
		     : "+r"(r8), "+r"(r13)
		     : "D"(code), "a"(SLOT), "c"(16ULL), "d"(SLOT - 64ULL), "S"(-32LL)
		     : "rbx", "memory", "cc");
}

static void each_form(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	volatile u64 *slot = (u64 *)SLOT;

	l1_new_vmcs(vmx);
	wrmsr(MSR_FS_BASE, SLOT - 0x40);
	wrmsr(MSR_GS_BASE, SLOT - 0x40);
	for (u32 i = 0; i < ARRAY_SIZE(forms); i++) {
		*slot = 0x5555;
		call_form(forms[i].code);
		if (*slot != (u64)vmx->vmcs)
			printf("# form %s\n", forms[i].name);
		GUEST_EXPECT(*slot, (u64)vmx->vmcs);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
}

/* --- faults ------------------------------------------------------------- */

static void set_hole(u64 pte)
{
	*page_entry(HOLE) = pte;
	invlpg(HOLE);
}

static void restore_hole(void)
{
	set_hole(HOLE | 7);
}

#define EXPECT_PF(outcome, err, address)                   \
	do {                                               \
		write_cr2(0);                              \
		EXPECT_OUTCOME(outcome, VM_TRAP(VEC_PF));  \
		GUEST_EXPECT(this_cpu()->trap_error, err); \
		GUEST_EXPECT(read_cr2(), address);         \
	} while (0)

#define VMREAD_TO(p) VMX_INSN("vmread %3, (%2)", "r"(p), "r"((u64)VMCS_GUEST_RIP))
#define VMWRITE_FROM(p) VMX_INSN("vmwrite (%2), %3", "r"(p), "r"((u64)VMCS_GUEST_RIP))

/* The page below HOLE, with memory behind it. */
static void page_before(void)
{
	*page_entry(HOLE - 4096) = (u64)page_alloc() | 7;
	invlpg(HOLE - 4096);
}

/* Of an operand that straddles pages the second page may fault alone. */
static void straddles(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 p = HOLE - 4;

	l1_new_vmcs(vmx);
	page_before();
	set_hole(0);
	*(volatile u32 *)p = 0x1234;
	EXPECT_PF(VMX_INSN("vmptrst (%2)", "r"(p)), 2, HOLE);
	GUEST_EXPECT(*(volatile u32 *)p, 0x1234);
	EXPECT_PF(VMX_INSN("vmptrld (%2)", "r"(p)), 0, HOLE);
	EXPECT_PF(VMX_INSN("vmclear (%2)", "r"(p)), 0, HOLE);
	EXPECT_PF(VMREAD_TO(p), 2, HOLE);
	EXPECT_PF(VMWRITE_FROM(p), 0, HOLE);
	GUEST_EXPECT(*(volatile u32 *)p, 0x1234);
	restore_hole();
}

static void inv_straddles(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	const struct inv_desc *d = (void *)(HOLE - 8);

	l1_new_vmcs(vmx);
	l1_need_proc2(PROC2_EPT | PROC2_VPID);
	page_before();
	set_hole(0);
	EXPECT_PF(invept(INVEPT_ALL, d), 0, HOLE);
	EXPECT_PF(invvpid(INVVPID_ALL, d), 0, HOLE);
	restore_hole();
}

static void read_only_page(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 *page = page_alloc();

	l1_new_vmcs(vmx);
	set_hole((u64)page | 5);
	write_cr0(read_cr0() | CR0_WP);
	EXPECT_PF(VMX_INSN("vmptrst (%2)", "r"(HOLE)), 3, HOLE);
	EXPECT_PF(VMREAD_TO(HOLE + 8), 3, HOLE + 8);
	page[0] = (u64)vmx->vmcs;
	EXPECT_OUTCOME(VMX_INSN("vmptrld (%2)", "r"(HOLE)), VM_OK);
	write_cr0(read_cr0() & ~CR0_WP);
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(HOLE + 8)), VM_OK);
	GUEST_EXPECT(((volatile u64 *)page)[1], (u64)vmx->vmcs);
	write_cr0(read_cr0() | CR0_WP);
	restore_hole();
}

/* The page-table entry gets its accessed and dirty flags. */
static void accessed_dirty(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 page = (u64)page_alloc();

	l1_new_vmcs(vmx);
	set_hole(page | 3);
	*(u64 *)page = (u64)vmx->vmcs;
	EXPECT_OUTCOME(VMX_INSN("vmptrld (%2)", "r"(HOLE)), VM_OK);
	GUEST_EXPECT(*page_entry(HOLE) & 0x60, 0x20);
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(HOLE)), VM_OK);
	GUEST_EXPECT(*page_entry(HOLE) & 0x60, 0x60);
	restore_hole();
}

static void not_canonical(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 high = 1ULL << 47;

	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(high)), VM_TRAP(VEC_GP));
	GUEST_EXPECT(this_cpu()->trap_error, 0);
	EXPECT_OUTCOME(VMREAD_TO(high), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(VMWRITE_FROM(high), VM_TRAP(VEC_GP));
	EXPECT_OUTCOME(VMX_INSN("vmclear (%2)", "r"(high - 4)), VM_TRAP(VEC_GP));
	/* With RSP or RBP as the base it is the stack segment's. */
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%%rsp,%2,1)", "r"(high)), VM_TRAP(VEC_SS));
	GUEST_EXPECT(this_cpu()->trap_error, 0);
	wrmsr(MSR_FS_BASE, high - 8);
	EXPECT_OUTCOME(VMX_INSN("vmptrst %%fs:8", "r"(high)), VM_TRAP(VEC_GP));
	wrmsr(MSR_FS_BASE, 0);
}

/* What the instruction finds out before its memory operand. */
static void before_the_operand(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 enc = 0x6fff;

	set_hole(0);
	EXPECT_OUTCOME(VMREAD_TO(HOLE), VM_FAIL_INVALID);
	EXPECT_OUTCOME(VMWRITE_FROM(HOLE), VM_FAIL_INVALID);
	EXPECT_OUTCOME(VMX_INSN("vmxon (%2)", "r"(HOLE)), VM_FAIL_INVALID);
	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(HOLE), "r"(enc)),
		       VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(VMX_INSN("vmxon (%2)", "r"(HOLE)), VM_FAIL_VALID(VMERR_VMXON_IN_ROOT));
	restore_hole();
}

static void types_before_descriptors(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	l1_new_vmcs(vmx);
	l1_need_proc2(PROC2_EPT | PROC2_VPID);
	set_hole(0);
	EXPECT_OUTCOME(invept(7, (void *)HOLE), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	EXPECT_OUTCOME(invvpid(7, (void *)HOLE), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	restore_hole();
}

/* No memory: reads give ones, writes go nowhere. */
static void no_memory(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	l1_new_vmcs(vmx);
	page_before();
	set_hole(NOWHERE | 7);
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(HOLE)), VM_OK);
	EXPECT_OUTCOME(VMX_INSN("vmptrld (%2)", "r"(HOLE)),
		       VM_FAIL_VALID(VMERR_VMPTRLD_BAD_ADDRESS));
	EXPECT_OUTCOME(VMX_INSN("vmclear (%2)", "r"(HOLE)),
		       VM_FAIL_VALID(VMERR_VMCLEAR_BAD_ADDRESS));
	/* Half in memory. */
	*(volatile u32 *)(HOLE - 4) = 0x12345678;
	EXPECT_OUTCOME(VMX_INSN("vmptrst (%2)", "r"(HOLE - 4)), VM_OK);
	GUEST_EXPECT(*(volatile u32 *)(HOLE - 4), (u32)(u64)vmx->vmcs);
	restore_hole();
}

/* Host RIP exits to L0; the others the processor may serve from a shadow VMCS of L0's. */
static const u32 data_fields[] = { VMCS_HOST_RIP, VMCS_GUEST_RIP, VMCS_GUEST_CR0, VMCS_GUEST_RSP };

static void no_memory_for_data(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	volatile u32 *half = (u32 *)(HOLE - 4);

	l1_new_vmcs(vmx);
	page_before();
	set_hole(NOWHERE | 7);
	for (u32 i = 0; i < ARRAY_SIZE(data_fields); i++) {
		u64 field = data_fields[i];

		l1_vmwrite(field, 0x1111222233334444);
		EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(HOLE), "r"(field)), VM_OK);
		GUEST_EXPECT(l1_vmread(field), 0x1111222233334444);
		EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(half), "r"(field)), VM_OK);
		GUEST_EXPECT(*half, 0x33334444);
		EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(HOLE), "r"(field)), VM_OK);
		GUEST_EXPECT(l1_vmread(field), ~0ULL);
		*half = 0x12345678;
		EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(half), "r"(field)), VM_OK);
		GUEST_EXPECT(l1_vmread(field), 0xffffffff12345678);
	}
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(HOLE), "r"((u64)VMCS_EXIT_REASON)), VM_OK);
	restore_hole();
}

/* What the processor's VMREAD and VMWRITE had done before is not lost, nor what follows. */
static void no_memory_then_entry(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);
	u64 good = (u64)l2_good;

	page_before();
	set_hole(NOWHERE | 7);
	l1_vmwrite(VMCS_GUEST_RIP, good);
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(HOLE), "r"((u64)VMCS_GUEST_RIP)), VM_OK);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0x600d);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
	EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(HOLE), "r"((u64)VMCS_EXIT_REASON)), VM_OK);
	l1_vmwrite(VMCS_GUEST_RIP, good);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0x600d);
	restore_hole();
}

/* --- prefixes, registers ------------------------------------------------ */

static void prefixes(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = (u64)vmx->vmxon;

	l1_new_vmcs(vmx);
	/* 66 and F2 make VMREAD and VMWRITE another vendor's; LOCK none takes. */
	EXPECT_OUTCOME(VMX_INSN(".byte 0x66, 0x0f, 0x78, 0xc1", "c"(v)), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(VMX_INSN(".byte 0xf2, 0x0f, 0x79, 0xc1", "c"(v)), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(VMX_INSN(".byte 0xf0; vmptrst %2", "m"(v)), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(VMX_INSN(".byte 0xf0; vmread %%rax, (%2)", "r"(&v)), VM_TRAP(VEC_UD));
	/* REX.W and segment overrides change nothing. */
	EXPECT_OUTCOME(VMX_INSN(".byte 0x2e, 0x48; vmread %%rax, (%%rcx)", "a"((u64)VMCS_GUEST_RIP),
				"c"(&v)),
		       VM_OK);
}

static void without_prefix_operands(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 all;

	l1_new_vmcs(vmx);
	l1_vmwrite(VMCS_GUEST_CS_SEL, 0xffff);
	/* The destination is written in full, whatever the field's width. */
	asm volatile("mov $-1, %0; vmread %1, %0"
		     : "=&r"(all)
		     : "r"((u64)VMCS_GUEST_CS_SEL)
		     : "cc");
	GUEST_EXPECT(all, 0xffff);
	/* The encoding and the data in one register. */
	all = VMCS_GUEST_RIP;
	asm volatile("vmwrite %0, %0" : : "r"(all) : "cc");
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), VMCS_GUEST_RIP);
	asm volatile("vmread %0, %0" : "+r"(all) : : "cc");
	GUEST_EXPECT(all, VMCS_GUEST_RIP);
	/* RSP as the register. */
	asm volatile("mov %%rsp, %0; vmwrite %%rsp, %1"
		     : "=&r"(all)
		     : "r"((u64)VMCS_GUEST_RIP)
		     : "cc");
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), all);
}

/* VMREAD of a field keeps its register when it fails. */
static void failure_keeps(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 v = 0x7777;

	EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP, &v), VM_FAIL_INVALID);
	GUEST_EXPECT(v, 0x7777);
	l1_new_vmcs(vmx);
	for (u32 bit = 15; bit < 64; bit++)
		EXPECT_OUTCOME(vmread(VMCS_GUEST_RIP | 1ULL << bit, &v),
			       VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	GUEST_EXPECT(v, 0x7777);
}

static void high_halves(void)
{
	static const u32 fields[] = { VMCS_IO_BITMAP_A, VMCS_LINK_POINTER, VMCS_GUEST_DEBUGCTL,
				      VMCS_TSC_OFFSET, VMCS_MSR_BITMAP };
	struct l1_vmx *vmx = l1_vmxon();

	l1_new_vmcs(vmx);
	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		l1_vmwrite(fields[i], 0x1111111122222222);
		l1_vmwrite(fields[i] + 1, 0x9999999933333333);
		GUEST_EXPECT(l1_vmread(fields[i]), 0x3333333322222222);
		GUEST_EXPECT(l1_vmread(fields[i] + 1), 0x33333333);
	}
	/* Only fields of 64 bits have one. */
	EXPECT_OUTCOME(vmwrite(VMCS_GUEST_CR3 + 1, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(vmwrite(VMCS_PIN_CTLS + 1, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(vmwrite(VMCS_GUEST_CS_SEL + 1, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
}

static void read_only_fields(void)
{
	static const u32 fields[] = { VMCS_INSN_ERROR,	     VMCS_EXIT_REASON,
				      VMCS_EXIT_INTR_INFO,   VMCS_IDT_VECTORING_INFO,
				      VMCS_EXIT_INSN_LEN,    VMCS_EXIT_QUAL,
				      VMCS_GUEST_LINEAR_ADDR };
	struct l1_vmx *vmx = l1_vmxon();

	l1_new_vmcs(vmx);
	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		if (vmx->caps.misc & MISC_VMWRITE_ANY)
			EXPECT_OUTCOME(vmwrite(fields[i], 0), VM_OK);
		else
			EXPECT_OUTCOME(vmwrite(fields[i], 0), VM_FAIL_VALID(VMERR_READ_ONLY_FIELD));
	}
}

/* The operand is at one linear address and in one of two pages, as the page table says each time. */
static void remapped(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 *here = page_alloc(), *there = page_alloc();
	u64 *entry = page_entry((u64)here), to_here = *entry;
	u64 to_there = (to_here & 0xfff) | (u64)there;

	l1_new_vmcs(vmx);
	for (int i = 0; i < 3; i++) {
		*here = *there = 0;
		EXPECT_OUTCOME(vmptrst(here), VM_OK);
		GUEST_EXPECT(*here, (u64)vmx->vmcs);
		*here = 0;
		*entry = to_there;
		invlpg((u64)here);
		EXPECT_OUTCOME(vmptrst(here), VM_OK);
		GUEST_EXPECT(*there, (u64)vmx->vmcs);
		*entry = to_here;
		write_cr3(read_cr3());
		GUEST_EXPECT(*here, 0);
	}
}

/* So it is for data, of a field that exits, and of one that a shadow VMCS of L0's may have. */
static void data_remapped(void)
{
	u64 *here = page_alloc(), *there = page_alloc();
	u64 *entry = page_entry((u64)here), to_here = *entry;
	u64 to_there = (to_here & 0xfff) | (u64)there;

	l1_new_vmcs(l1_vmxon());
	for (u32 i = 0; i < 8; i++) {
		u64 field = data_fields[i % 2];

		*here = 0x1000 + i;
		*there = 0x2000 + i;
		EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(here), "r"(field)), VM_OK);
		GUEST_EXPECT(l1_vmread(field), 0x1000 + i);
		*entry = to_there;
		invlpg((u64)here);
		EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(here), "r"(field)), VM_OK);
		GUEST_EXPECT(*there, 0x1000 + i);
		*there = 0x3000 + i;
		EXPECT_OUTCOME(VMX_INSN("vmwrite (%2), %3", "r"(here), "r"(field)), VM_OK);
		GUEST_EXPECT(l1_vmread(field), 0x3000 + i);
		*entry = to_here;
		write_cr3(read_cr3());
		EXPECT_OUTCOME(VMX_INSN("vmread %3, (%2)", "r"(here), "r"(field)), VM_OK);
		GUEST_EXPECT(*here, 0x3000 + i);
		GUEST_EXPECT(*there, 0x3000 + i);
	}
}

/* An operand that was written to is guarded as soon as its page is, and CR0.WP decides each time. */
static void guarded_later(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 *page = page_alloc(), *entry = page_entry((u64)page), writable = *entry;

	l1_new_vmcs(vmx);
	for (int i = 0; i < 3; i++) {
		write_cr0(read_cr0() & ~CR0_WP);
		for (int round = 0; round < 3; round++)
			EXPECT_OUTCOME(vmptrst(page), VM_OK);
		write_cr0(read_cr0() | CR0_WP);
		EXPECT_OUTCOME(vmptrst(page), VM_OK);
		*entry = writable & ~2ULL;
		invlpg((u64)page);
		EXPECT_PF(vmptrst(page), 3, (u64)page);
		write_cr0(read_cr0() & ~CR0_WP);
		for (int round = 0; round < 3; round++)
			EXPECT_OUTCOME(vmptrst(page), VM_OK);
		write_cr0(read_cr0() | CR0_WP);
		EXPECT_PF(vmptrst(page), 3, (u64)page);
		*entry = writable;
		invlpg((u64)page);
	}
	GUEST_EXPECT(*(volatile u64 *)page, (u64)vmx->vmcs);
}

#define PTE_USER BIT(2)

#define IMAGE_BEGIN 0x100000ULL
#define IMAGE_END 0x200000ULL

/* All that the image itself needs is the supervisor's, or the user's as well. */
static void image_is_users(bool users)
{
	for (u64 va = IMAGE_BEGIN; va < IMAGE_END; va += 4096) {
		u64 *entry = page_entry(va);

		*entry = users ? *entry | PTE_USER : *entry & ~PTE_USER;
	}
	write_cr3(read_cr3());
}

/* A page that is open to user mode is closed to an operand as soon as SMAP says so. */
static void smap_later(void)
{
	u64 *page = page_alloc(), *entry = page_entry((u64)page);

	if (!(cpuid(7).ebx & BIT(20)))
		claim_skip("no SMAP");
	l1_new_vmcs(l1_vmxon());
	image_is_users(false);
	*entry |= PTE_USER;
	invlpg((u64)page);
	for (int i = 0; i < 3; i++) {
		EXPECT_OUTCOME(vmptrst(page), VM_OK);
		EXPECT_OUTCOME(vmptrst(page), VM_OK);
		write_cr4(read_cr4() | CR4_SMAP);
		EXPECT_PF(vmptrst(page), 3, (u64)page);
		asm volatile("stac");
		EXPECT_OUTCOME(vmptrst(page), VM_OK);
		EXPECT_OUTCOME(vmptrst(page), VM_OK);
		asm volatile("clac");
		EXPECT_PF(vmptrst(page), 3, (u64)page);
		write_cr4(read_cr4() & ~CR4_SMAP);
	}
	image_is_users(true);
}

static u64 *copy_of_table(u64 entry)
{
	u64 *copy = page_alloc();

	memcpy(copy, (void *)(entry & 0x000ffffffffff000), 4096);
	return copy;
}

/* Under two sets of tables, between which CR3 changes, one address is in two pages. */
static void other_tables(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u64 *here = page_alloc(), *there = page_alloc(), va = (u64)here;
	u64 cr3 = read_cr3(), entry = cr3, *table, *slot = NULL, first = 0;

	l1_new_vmcs(vmx);
	for (int shift = 39; shift >= 12; shift -= 9) {
		table = copy_of_table(entry);
		if (slot)
			*slot = (u64)table | (entry & 0xfff);
		else
			first = (u64)table;
		slot = &table[va >> shift & 511];
		entry = *slot;
	}
	*slot = (u64)there | (entry & 0xfff);
	for (int i = 0; i < 3; i++) {
		*here = 0;
		EXPECT_OUTCOME(vmptrst(here), VM_OK);
		GUEST_EXPECT(*here, (u64)vmx->vmcs);
		*here = 0;
		write_cr3(first);
		EXPECT_OUTCOME(vmptrst(here), VM_OK);
		GUEST_EXPECT(*here, (u64)vmx->vmcs);
		*here = 0;
		write_cr3(cr3);
		GUEST_EXPECT(*here, 0);
	}
}

CLAIMS = { { each_form, "VMPTRST through each form of a memory operand" },
	   { straddles, "an operand's second page faults, and nothing is written" },
	   { inv_straddles, "so does the second page of INVEPT's and INVVPID's descriptor" },
	   { read_only_page, "a read-only page takes no result, unless CR0.WP is clear" },
	   { accessed_dirty, "operands set accessed and dirty flags" },
	   { not_canonical, "#GP for addresses that are not canonical, #SS on the stack" },
	   { before_the_operand, "VMREAD and VMXON fail before they touch their operand" },
	   { types_before_descriptors, "INVEPT and INVVPID look at the type first" },
	   { no_memory, "operands where there is no memory" },
	   { no_memory_for_data, "data of VMREAD and VMWRITE where there is no memory" },
	   { no_memory_then_entry, "VM entries go on after those" },
	   { prefixes, "prefixes that make #UD, and prefixes that do not" },
	   { without_prefix_operands, "registers are written in full; any register will do" },
	   { failure_keeps, "a failed VMREAD keeps its register; encodings have 15 bits" },
	   { high_halves, "upper halves of 64-bit fields, and none of others" },
	   { read_only_fields, "each read-only field: 13" },
	   { remapped, "an operand is where the page table says now" },
	   { data_remapped, "so do data of VMREAD and VMWRITE" },
	   { guarded_later, "an operand's page that becomes read-only is, as CR0.WP says" },
	   { smap_later,
	     "an operand's user page is closed as soon as CR4.SMAP and RFLAGS.AC say so" },
	   { other_tables, "an operand is where the tables of the new CR3 say" },
	   END_OF_CLAIMS };
