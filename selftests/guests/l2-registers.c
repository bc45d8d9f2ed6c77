// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's control and debug registers, ports and MSRs at the edges of their
 * intercepts, with the exit qualification of each form; PAE's pointers.
 * SDM: "Instructions That Cause VM Exits Conditionally", "Changes to Instruction
 * Behavior in VMX Non-Root Operation", "Exit Qualification for ...".
 */
#include "vmx.h"

static volatile u64 l2_result[4];

#define L2(name, ...)               \
	static void l2_##name(void) \
	{                           \
		__VA_ARGS__;        \
		l2_vmcall(0x600d);  \
	}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT((u32)l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- CR0 and CR4 ------------------------------------------------------------ */

L2(smsw, u64 v; asm volatile("smsw %0" : "=r"(v)); l2_result[0] = v; l2_result[1] = read_cr0())
static void smsw_shadow(void)
{
	u64 want = (read_cr0() & ~(CR0_NE | CR0_MP)) | CR0_TS;

	l1_prepare(l2_smsw);
	l1_vmwrite(VMCS_CR0_MASK, CR0_TS | CR0_NE | CR0_MP);
	l1_vmwrite(VMCS_CR0_SHADOW, want);
	expect_end();
	GUEST_EXPECT(l2_result[0] & 0xffff, want & 0xffff);
	GUEST_EXPECT(l2_result[1], want);
}

static u16 lmsw_operand;
L2(lmsw_mem, lmsw_operand = 0x1b; asm volatile("lmsw %0" : : "m"(lmsw_operand)))
static void lmsw_memory(void)
{
	u64 q;

	l1_prepare(l2_lmsw_mem);
	l1_vmwrite(VMCS_CR0_MASK, CR0_TS);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0());
	EXPECT_EXIT(EXIT_CR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(CRQ_NUM(q), 0);
	GUEST_EXPECT(CRQ_TYPE(q), CRQ_TYPE_LMSW);
	GUEST_EXPECT(q & CRQ_LMSW_MEM, CRQ_LMSW_MEM);
	GUEST_EXPECT(CRQ_LMSW_DATA(q), 0x1b);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), (u64)&lmsw_operand);
	l1_skip_insn();
	expect_end();
}

L2(lmsw_pe, asm volatile("lmsw %w0" : : "r"(0)); asm volatile("lmsw %w0" : : "r"(1)))
static void lmsw_pe(void)
{
	l1_prepare(l2_lmsw_pe);
	l1_vmwrite(VMCS_CR0_MASK, CR0_PE);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0() & ~CR0_PE);
	/* Clearing PE it cannot try, setting it exits. */
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(CRQ_LMSW_DATA(l1_vmread(VMCS_EXIT_QUAL)), 1);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0());
	expect_end();
}

L2(clts, asm volatile("clts"); l2_result[0] = read_cr0())
static void clts_shadow(void)
{
	l1_prepare(l2_clts);
	l1_set(VMCS_GUEST_CR0, CR0_TS);
	l1_vmwrite(VMCS_CR0_MASK, CR0_TS);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0());
	expect_end();
	GUEST_EXPECT(l2_result[0] & CR0_TS, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0) & CR0_TS, CR0_TS);
	l1_vmwrite(VMCS_CR0_MASK, 0);
	l1_restart_l2(l2_clts);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0) & CR0_TS, 0);
}

#define TRY_CR(cr, v) TRY("mov %0, %%" #cr, : : "r"(v) : "memory")

L2(fixed_bits, l2_result[0] = TRY_CR(cr0, read_cr0() & ~CR0_NE);
   l2_result[1] = TRY_CR(cr0, read_cr0() & ~CR0_PG);
   l2_result[2] = TRY_CR(cr4, read_cr4() & ~CR4_VMXE);
   l2_result[3] = TRY_CR(cr0, read_cr0() | 1ULL << 32))
static void fixed_bits(void)
{
	l1_prepare(l2_fixed_bits);
	expect_end();
	for (u32 i = 0; i < 4; i++)
		GUEST_EXPECT(l2_result[i], VEC_GP);
}

/* Bits that L1 owns L2 may write as it sees them, whatever is fixed. */
static void l2_writes_shadows(void)
{
	l2_result[0] = TRY_CR(cr0, read_cr0());
	l2_result[1] = TRY_CR(cr4, read_cr4());
	l2_result[2] = read_cr0();
	l2_result[3] = read_cr4();
	l2_vmcall(0x600d);
}

static void fixed_bits_owned(void)
{
	l1_prepare(l2_writes_shadows);
	l1_vmwrite(VMCS_CR0_MASK, CR0_NE);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0() & ~CR0_NE);
	l1_vmwrite(VMCS_CR4_MASK, CR4_VMXE);
	l1_vmwrite(VMCS_CR4_SHADOW, read_cr4() & ~CR4_VMXE);
	expect_end();
	GUEST_EXPECT(l2_result[0], NO_TRAP);
	GUEST_EXPECT(l2_result[1], NO_TRAP);
	GUEST_EXPECT(l2_result[2] & CR0_NE, 0);
	GUEST_EXPECT(l2_result[3] & CR4_VMXE, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0) & CR0_NE, CR0_NE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR4) & CR4_VMXE, CR4_VMXE);
}

/* L1's own, in root operation. */
static void fixed_bits_root(void)
{
	l1_vmxon();
	GUEST_EXPECT(TRY_CR(cr0, read_cr0() & ~CR0_NE), VEC_GP);
	GUEST_EXPECT(TRY_CR(cr0, read_cr0() & ~CR0_PG), VEC_GP);
	GUEST_EXPECT(TRY_CR(cr4, read_cr4() & ~CR4_VMXE), VEC_GP);
	GUEST_EXPECT(TRY_CR(cr0, read_cr0() | CR0_TS), NO_TRAP);
	asm volatile("clts");
	GUEST_EXPECT(read_cr0() & CR0_TS, 0);
	GUEST_EXPECT(TRY_CR(cr0, read_cr0() ^ CR0_MP), NO_TRAP);
	GUEST_EXPECT(TRY_CR(cr0, read_cr0() ^ CR0_MP), NO_TRAP);
	GUEST_EXPECT(TRY_CR(cr4, read_cr4() ^ CR4_DE), NO_TRAP);
	GUEST_EXPECT(TRY_CR(cr4, read_cr4() ^ CR4_DE), NO_TRAP);
}

#define KEPT (CR0_ET | CR0_NW | CR0_CD | 1 << 6 | 1 << 17 | 1 << 19 | 1 << 28)

L2(cr0, l2_result[0] = read_cr0())
static void cr0_kept(void)
{
	u64 cr0 = read_cr0();

	l1_prepare(l2_cr0);
	l1_vmwrite(VMCS_GUEST_CR0, cr0 ^ KEPT);
	expect_end();
	GUEST_EXPECT(l2_result[0], cr0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0), cr0);
}

/* L1 changes CD between two entries of one VMCS, whose CR0 it leaves alone. */
static void cr0_of_l1(void)
{
	u64 cr0 = read_cr0();

	l1_prepare(l2_cr0);
	expect_end();
	write_cr0(cr0 | CR0_CD);
	l1_restart_l2(l2_cr0);
	expect_end();
	GUEST_EXPECT(l2_result[0], cr0 | CR0_CD);
	GUEST_EXPECT(read_cr0(), cr0 | CR0_CD);
	write_cr0(cr0);
	l1_restart_l2(l2_cr0);
	expect_end();
	GUEST_EXPECT(l2_result[0], cr0);
}

/* --- debug registers -------------------------------------------------------- */

extern const u8 from_dr7[];
static void l2_guarded(void)
{
	asm volatile("from_dr7: mov %%dr7, %%rax" : : : "rax");
	l2_vmcall(0x600d);
}

static void general_detect(void)
{
	l1_prepare(l2_guarded);
	l1_vmwrite(VMCS_GUEST_DR7, 0x2400);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)from_dr7);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), DBG_BD);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_DR7) & 0x2000, 0x2000);
	l1_vmwrite(VMCS_GUEST_DR7, 0x400);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	expect_end();
}

L2(dr7, l2_result[0] = read_dr7())
static void dr7_fixed(void)
{
	l1_prepare(l2_dr7);
	l1_vmwrite(VMCS_GUEST_DR7, 0xc000);
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x400);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_DR7), 0x400);
}

L2(dr4, l2_result[0] = TRY("mov %%dr4, %0", : "=r"(l2_result[1])))
static void dr4_exits_first(void)
{
	u64 q;

	l1_prepare(l2_dr4);
	l1_set(VMCS_GUEST_CR4, CR4_DE);
	expect_end();
	GUEST_EXPECT(l2_result[0], VEC_UD);
	l1_restart_l2(l2_dr4);
	l1_use_proc(PROC_MOV_DR);
	EXPECT_EXIT(EXIT_DR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(DRQ_NUM(q), 4);
	GUEST_EXPECT(q & DRQ_FROM_DR, DRQ_FROM_DR);
}

/* --- ports ------------------------------------------------------------------ */

struct port_form {
	const u8 *code, *end;
	u64 qual;
	u32 info, defined;
};

#define PORT_FORMS(F)                                                                              \
	F(in_imm, "in $0x71, %al", 1, IOQ_IN | IOQ_IMM, 0x71, 0, 0)                                \
	F(out_imm, "out %ax, $0x80", 2, IOQ_IMM, 0x80, 0, 0)                                       \
	F(in_dx, "in %dx, %eax", 4, IOQ_IN, 0x5f0, 0, 0)                                           \
	F(out_dx, "out %al, %dx", 1, 0, 0x5f0, 0, 0)                                               \
	F(insb, "insb", 1, IOQ_IN | IOQ_STRING, 0x5f0, 2 << 7, 7 << 7)                             \
	F(rep_insw, "rep insw", 2, IOQ_IN | IOQ_STRING | IOQ_REP, 0x5f0, 2 << 7, 7 << 7)           \
	F(insl_32, "addr32 insl", 4, IOQ_IN | IOQ_STRING, 0x5f0, 1 << 7, 7 << 7)                   \
	F(outsb, "outsb", 1, IOQ_STRING, 0x5f0, 2 << 7 | SEG_DS << 15, 7 << 7 | 7 << 15)           \
	F(outsw_fs, "fs outsw", 2, IOQ_STRING, 0x5f0, 2 << 7 | SEG_FS << 15, 7 << 7 | 7 << 15)     \
	F(rep_outsl, "addr32 gs rep outsl", 4, IOQ_STRING | IOQ_REP, 0x5f0, 1 << 7 | SEG_GS << 15, \
	  7 << 7 | 7 << 15)
#define PORT_CODE(name, insn, ...) "port_" #name ": " insn "\nport_" #name "_end:\n"
#define PORT_SYMBOL(name, ...) extern const u8 port_##name[], port_##name##_end[];
#define PORT_ROW(name, insn, size, bits, port, info, defined) \
	{ port_##name, port_##name##_end, ((size)-1) | (bits) | (u64)(port) << 16, info, defined },

asm(".pushsection .text\n" PORT_FORMS(PORT_CODE) ".popsection\n");
PORT_FORMS(PORT_SYMBOL)
static const struct port_form port_forms[] = { PORT_FORMS(PORT_ROW) };

static void port_qualifications(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	l1_use_proc(PROC_UNCOND_IO);
	vmx->regs[GPR_RDX] = 0x5f0;
	vmx->regs[GPR_RCX] = 3;
	vmx->regs[GPR_RSI] = vmx->regs[GPR_RDI] = LOW_SCRATCH;
	for (u32 i = 0; i < ARRAY_SIZE(port_forms); i++) {
		const struct port_form *f = &port_forms[i];

		l1_vmwrite(VMCS_GUEST_RIP, (u64)f->code);
		EXPECT_EXIT(EXIT_IO);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), f->qual);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), f->end - f->code);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) & f->defined, f->info);
		if (f->qual & IOQ_STRING)
			GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), LOW_SCRATCH);
	}
}

L2(wrapping, inw(0xffff))
L2(last, l2_result[0] = inb(0xffff))
static void port_wraps(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_wrapping);

	l1_use_proc(PROC_IO_BITMAPS);
	EXPECT_EXIT(EXIT_IO); /* whatever the bitmaps say */
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 1 | IOQ_IN | 0xffffULL << 16);
	l1_restart_l2(l2_last);
	expect_end();
	vmx->io_bitmaps[8191] = 0x80;
	l1_restart_l2(l2_last);
	EXPECT_EXIT(EXIT_IO);
}

L2(middle, inl(0x7ffe))
static void port_straddles_bitmaps(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_middle);

	l1_use_proc(PROC_IO_BITMAPS);
	expect_end();
	vmx->io_bitmaps[4096] = 2; /* 0x8001 */
	l1_restart_l2(l2_middle);
	EXPECT_EXIT(EXIT_IO);
	vmx->io_bitmaps[4096] = 4; /* 0x8002 */
	l1_restart_l2(l2_middle);
	expect_end();
}

/* --- MSRs ------------------------------------------------------------------- */

extern const u8 msr_read[], msr_write[];
asm(".pushsection .text\n"
    "msr_read: rdmsr\n"
    "msr_write: wrmsr\n"
    ".popsection\n");

static void expect_msr(u32 msr, bool write)
{
	l1_vmx()->regs[GPR_RCX] = msr;
	l1_vmwrite(VMCS_GUEST_RIP, (u64)(write ? msr_write : msr_read));
	EXPECT_EXIT(write ? EXIT_WRMSR : EXIT_RDMSR);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 2);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
}

static void msr_ranges(void)
{
	static const u32 inside[] = { 0, 0x1fff, 0xc0000000, 0xc0001fff };
	static const u32 outside[] = { 0x2000, 0x40000000, 0xbfffffff, 0xc0002000, 0xffffffff };
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	for (u32 i = 0; i < ARRAY_SIZE(outside); i++) {
		expect_msr(outside[i], false);
		expect_msr(outside[i], true);
	}
	vmx->msr_bitmap[0] = vmx->msr_bitmap[1024] = 1;
	vmx->msr_bitmap[1023] = vmx->msr_bitmap[2047] = 0x80;
	vmx->msr_bitmap[2048] = vmx->msr_bitmap[3072] = 1;
	vmx->msr_bitmap[3071] = vmx->msr_bitmap[4095] = 0x80;
	for (u32 i = 0; i < ARRAY_SIZE(inside); i++) {
		expect_msr(inside[i], false);
		expect_msr(inside[i], true);
	}
}

/* RDMSR and WRMSR look at the privilege first, MOV DR and VMX do not. */
static void privilege_first(void)
{
	struct l1_vmx *vmx = l1_prepare_with(l2_unreachable, L1_NO_MSR_BITMAP);

	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_UCODE64);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xa0fb);
	l1_vmwrite(VMCS_GUEST_SS_SEL, SEL_UDATA);
	l1_vmwrite(VMCS_GUEST_SS_AR, 0xc0f3);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)msr_read);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	vmx->regs[GPR_RCX] = MSR_PAT;
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
	l1_use_proc(PROC_MOV_DR);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)from_dr7);
	EXPECT_EXIT(EXIT_DR_ACCESS);
}

/* --- PAE -------------------------------------------------------------------- */

extern const u8 pae_code[];
asm(".pushsection .text\n"
    ".code32\n"
    "pae_code: mov %ecx, %cr3\n"
    "mov 0x40000000, %esi\n"
    "mov $0x600d, %eax; vmcall\n"
    ".code64\n"
    ".popsection\n");

static struct l1_vmx *prepare_pae(u64 **second)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)pae_code);
	u64 *first = pae_tables_marked(0x111);

	l1_need_ept(0);
	*second = pae_tables_marked(0x222);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE32);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	l1_vmwrite(VMCS_GUEST_CR3, (u64)first);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, first[i]);
	vmx->regs[GPR_RCX] = (u64)*second;
	return vmx;
}

static void pae_load(void)
{
	u64 *second;
	struct l1_vmx *vmx = prepare_pae(&second);

	expect_end();
	GUEST_EXPECT(vmx->regs[GPR_RSI], 0x222);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR3), (u64)second);
	for (u32 i = 0; i < 4; i++)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_PDPTE0 + 2 * i), second[i]);
}

static void pae_reserved(void)
{
	static const u64 reserved[] = { BIT_ULL(1), BIT_ULL(2),	 BIT_ULL(5),
					BIT_ULL(8), BIT_ULL(62), BIT_ULL(63) };
	u64 *second, old;

	prepare_pae(&second);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	old = l1_vmread(VMCS_GUEST_CR3);
	for (u32 i = 0; i < ARRAY_SIZE(reserved); i++) {
		second[1] |= reserved[i];
		EXPECT_EXIT(EXIT_EXCEPTION_NMI);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)pae_code);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR3), old);
		second[1] &= ~reserved[i];
	}
	/* In one that is not present they are ignored. */
	second[2] = BIT_ULL(1) | BIT_ULL(63);
	expect_end();
}

CLAIMS = { { smsw_shadow, "SMSW and MOV from CR0 read L1's bits from the shadow" },
	   { lmsw_memory, "LMSW from memory exits with its linear address" },
	   { lmsw_pe, "LMSW exits to set PE, never to clear it" },
	   { clts_shadow, "CLTS with TS clear in the shadow does nothing" },
	   { fixed_bits, "in L2 CR0 and CR4 keep their fixed bits: else #GP" },
	   { fixed_bits_owned, "fixed bits that L1 owns L2 may see clear" },
	   { fixed_bits_root, "in root operation CR0 and CR4 keep their fixed bits" },
	   { general_detect, "DR7.GD raises #DB in L2, with BD" },
	   { dr4_exits_first, "MOV DR exits before #UD for DR4" },
	   { port_qualifications, "each form of IN, OUT, INS, OUTS" },
	   { port_wraps, "an access that wraps at port 0xffff exits" },
	   { port_straddles_bitmaps, "an access that straddles the two I/O bitmaps" },
	   { msr_ranges, "the ends of the MSR bitmaps' ranges" },
	   { privilege_first, "RDMSR at CPL 3 raises #GP, MOV DR exits" },
	   { pae_load, "MOV CR3 with PAE paging loads the PDPTEs" },
	   { pae_reserved, "reserved bits in PDPTEs raise #GP" },
	   { cr0_kept, "a VM entry leaves CR0.ET, NW, CD and reserved bits as they are" },
	   { cr0_of_l1, "they are L2's as L1 left them" },
	   { dr7_fixed, "a VM entry sets bit 10 of DR7 and clears 15:14" },
	   END_OF_CLAIMS };
