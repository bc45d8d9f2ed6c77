// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each intercept of L1 reflects its exit, with reason, length and
 * qualification; without the intercept L2 does it itself.
 * SDM: "Instructions That Cause VM Exits", "Exit Qualification for ...".
 */
#include "vmx.h"

static u64 l2_result[4];

/* Run an L2 of one instruction, then VMCALL. */
#define L2(name, ...)               \
	static void l2_##name(void) \
	{                           \
		__VA_ARGS__;        \
		l2_vmcall(0x600d);  \
	}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* The exit with its length, then L2 after the instruction to its end. */
static void expect_then_end(u64 reason, u64 length)
{
	EXPECT_EXIT(reason);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), length);
	l1_skip_insn();
	expect_end();
}

L2(cpuid, l2_result[0] = cpuid(0).ebx)
static void t_cpuid(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_cpuid);

	EXPECT_EXIT(EXIT_CPUID);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 2);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0);
	vmx->regs[GPR_RBX] = 0x1234;
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x1234);
}

L2(hlt, asm volatile("hlt"))
static void t_hlt(void)
{
	l1_prepare(l2_hlt);
	l1_use_proc(PROC_HLT);
	expect_then_end(EXIT_HLT, 1);
}

L2(invlpg, invlpg(0x123456))
static void t_invlpg(void)
{
	l1_prepare(l2_invlpg);
	l1_use_proc(PROC_INVLPG);
	EXPECT_EXIT(EXIT_INVLPG);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0x123456);
	l1_clear(VMCS_PROC_CTLS, PROC_INVLPG);
	expect_end();
}

L2(rdtsc, l2_result[0] = rdtsc())
static void t_rdtsc(void)
{
	l1_prepare(l2_rdtsc);
	l1_use_proc(PROC_RDTSC);
	expect_then_end(EXIT_RDTSC, 2);
	l1_prepare(l2_rdtsc);
	expect_end();
}

static void t_tsc_offset(void)
{
	u64 before;

	l1_prepare(l2_rdtsc);
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	before = rdtsc();
	expect_end();
	GUEST_ASSERT(l2_result[0] - (1ULL << 50) > before);
	GUEST_ASSERT(l2_result[0] - (1ULL << 50) < rdtsc());
	l1_prepare(l2_rdtsc);
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, -(1ULL << 20));
	spin(1 << 21);
	before = rdtsc();
	expect_end();
	GUEST_ASSERT(l2_result[0] + (1ULL << 20) > before);
	GUEST_ASSERT(l2_result[0] + (1ULL << 20) < rdtsc());
}

L2(tsc_msr, l2_result[0] = rdmsr(MSR_TSC))
static void t_tsc_msr_offset(void)
{
	u64 before;

	l1_prepare(l2_tsc_msr);
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	before = rdtsc();
	expect_end();
	GUEST_ASSERT(l2_result[0] - (1ULL << 50) > before);
	GUEST_ASSERT(l2_result[0] - (1ULL << 50) < rdtsc());
}

L2(rdtscp, asm volatile("rdtscp" : : : "eax", "ecx", "edx"))
static void t_rdtscp(void)
{
	l1_prepare(l2_rdtscp);
	l1_need_proc2(PROC2_RDTSCP);
	l1_use_proc(PROC_RDTSC);
	expect_then_end(EXIT_RDTSCP, 3);
}

static void l2_ud_rdtscp(void)
{
	l2_vmcall(TRY("rdtscp", : : : "eax", "ecx", "edx"));
}

static void t_rdtscp_off(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_ud_rdtscp);

	l1_need_proc2(PROC2_RDTSCP);
	l1_clear(VMCS_PROC2_CTLS, PROC2_RDTSCP);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], VEC_UD);
}

L2(rdpmc, asm volatile("rdpmc" : : "c"(0) : "eax", "edx"))
static void t_rdpmc(void)
{
	l1_prepare(l2_rdpmc);
	l1_use_proc(PROC_RDPMC);
	expect_then_end(EXIT_RDPMC, 2);
}

L2(pause, asm volatile("pause"))
static void t_pause(void)
{
	l1_prepare(l2_pause);
	l1_use_proc(PROC_PAUSE);
	expect_then_end(EXIT_PAUSE, 2);
	l1_prepare(l2_pause);
	expect_end();
}

L2(monitor, asm volatile("monitor" : : "a"(l2_result), "c"(0), "d"(0)))
static void t_monitor(void)
{
	l1_prepare(l2_monitor);
	l1_use_proc(PROC_MONITOR);
	if (!(cpuid(1).ecx & BIT(3)))
		claim_skip("no MONITOR");
	expect_then_end(EXIT_MONITOR, 3);
}

L2(mwait, asm volatile("mwait" : : "a"(0), "c"(0)))
static void t_mwait(void)
{
	l1_prepare(l2_mwait);
	l1_use_proc(PROC_MWAIT);
	if (!(cpuid(1).ecx & BIT(3)))
		claim_skip("no MWAIT");
	expect_then_end(EXIT_MWAIT, 3);
}

L2(wbinvd, asm volatile("wbinvd"))
static void t_wbinvd(void)
{
	l1_prepare(l2_wbinvd);
	l1_use_proc2(PROC2_WBINVD);
	expect_then_end(EXIT_WBINVD, 2);
	l1_prepare(l2_wbinvd);
	expect_end();
}

L2(invd, asm volatile("invd"))
static void t_invd(void)
{
	l1_prepare(l2_invd);
	expect_then_end(EXIT_INVD, 2);
}

L2(xsetbv, write_cr4(read_cr4() | CR4_OSXSAVE); xsetbv(0, 1))
static void t_xsetbv(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_xsetbv);

	if (!(cpuid(1).ecx & BIT(26)))
		claim_skip("no XSAVE");
	EXPECT_EXIT(EXIT_XSETBV);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 1);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
}

L2(getsec, asm volatile(".byte 0x0f, 0x37" : : "a"(0)))
static void t_getsec(void)
{
	l1_prepare(l2_getsec);
	if (!(cpuid(1).ecx & BIT(6)))
		claim_skip("no SMX");
	l1_set(VMCS_GUEST_CR4, CR4_SMXE);
	expect_then_end(EXIT_GETSEC, 2);
}

L2(sgdt, struct table_pointer p; asm volatile("sgdt %0" : "=m"(p)); l2_result[0] = p.base)
static void t_sgdt(void)
{
	l1_prepare(l2_sgdt);
	l1_use_proc2(PROC2_DESC_TABLE);
	EXPECT_EXIT(EXIT_GDTR_IDTR);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 28 & 3, 0);
	l1_clear(VMCS_PROC2_CTLS, PROC2_DESC_TABLE);
	expect_end();
	GUEST_EXPECT(l2_result[0], l1_vmread(VMCS_GUEST_GDTR_BASE));
}

L2(lidt, struct table_pointer p; asm volatile("sidt %0"
					      : "=m"(p));
   asm volatile("lidt %0"
		:
		: "m"(p)))
static void t_lidt(void)
{
	l1_prepare(l2_lidt);
	l1_use_proc2(PROC2_DESC_TABLE);
	EXPECT_EXIT(EXIT_GDTR_IDTR);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 28 & 3, 1);
	l1_vmwrite(VMCS_PROC2_CTLS, l1_vmread(VMCS_PROC2_CTLS) & ~PROC2_DESC_TABLE);
	expect_end();
}

L2(str, u16 sel; asm volatile("str %0" : "=r"(sel)); l2_result[0] = sel)
static void t_str(void)
{
	l1_prepare(l2_str);
	l1_use_proc2(PROC2_DESC_TABLE);
	EXPECT_EXIT(EXIT_LDTR_TR);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 28 & 3, 1);
	l1_clear(VMCS_PROC2_CTLS, PROC2_DESC_TABLE);
	expect_end();
}

L2(invpcid, u64 d[2] = { 0 }; asm volatile("invpcid (%0), %1" : : "r"(d), "r"(2ULL) : "memory"))
static void t_invpcid(void)
{
	l1_prepare(l2_invpcid);
	l1_need_proc2(PROC2_INVPCID);
	l1_use_proc(PROC_INVLPG);
	EXPECT_EXIT(EXIT_INVPCID);
	l1_clear(VMCS_PROC_CTLS, PROC_INVLPG);
	expect_end();
}

L2(rdrand, u64 v; asm volatile("rdrand %0" : "=r"(v) : : "cc"))
static void t_rdrand(void)
{
	l1_prepare(l2_rdrand);
	l1_use_proc2(PROC2_RDRAND);
	EXPECT_EXIT(EXIT_RDRAND);
	l1_clear(VMCS_PROC2_CTLS, PROC2_RDRAND);
	expect_end();
}

/* --- VMX instructions in L2 always exit --------------------------------- */

static u64 operand;

static void t_vmx_insn(void (*l2)(void), u64 reason)
{
	l1_prepare(l2);
	EXPECT_EXIT(reason);
	l1_skip_insn();
	expect_end();
}

L2(vmxon, asm volatile("vmxon %0" : : "m"(operand) : "cc"))
L2(vmxoff, asm volatile("vmxoff" : : : "cc"))
L2(vmclear, asm volatile("vmclear %0" : : "m"(operand) : "cc"))
L2(vmptrld, asm volatile("vmptrld %0" : : "m"(operand) : "cc"))
L2(vmptrst, asm volatile("vmptrst %0" : "=m"(operand) : : "cc"))
L2(vmread, asm volatile("vmread %0, %%rax" : : "r"(0ULL) : "rax", "cc"))
L2(vmwrite, asm volatile("vmwrite %%rax, %0" : : "r"(0ULL) : "rax", "cc"))
L2(vmlaunch, asm volatile("vmlaunch" : : : "cc"))
L2(vmresume, asm volatile("vmresume" : : : "cc"))
L2(invept, asm volatile("invept %0, %1" : : "m"(operand), "r"(1ULL) : "cc"))
L2(invvpid, asm volatile("invvpid %0, %1" : : "m"(operand), "r"(1ULL) : "cc"))

static void t_vmx_insns(void)
{
	t_vmx_insn(l2_vmxon, EXIT_VMXON);
	t_vmx_insn(l2_vmxoff, EXIT_VMXOFF);
	t_vmx_insn(l2_vmclear, EXIT_VMCLEAR);
	t_vmx_insn(l2_vmptrld, EXIT_VMPTRLD);
	t_vmx_insn(l2_vmptrst, EXIT_VMPTRST);
	t_vmx_insn(l2_vmread, EXIT_VMREAD);
	t_vmx_insn(l2_vmwrite, EXIT_VMWRITE);
	t_vmx_insn(l2_vmlaunch, EXIT_VMLAUNCH);
	t_vmx_insn(l2_vmresume, EXIT_VMRESUME);
	t_vmx_insn(l2_invept, EXIT_INVEPT);
	t_vmx_insn(l2_invvpid, EXIT_INVVPID);
}

static void t_vmx_insn_info(void)
{
	l1_prepare(l2_vmread);
	EXPECT_EXIT(EXIT_VMREAD);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) & INSN_IS_REG, INSN_IS_REG);
	GUEST_EXPECT(INSN_REG1(l1_vmread(VMCS_EXIT_INSN_INFO)), GPR_RAX);
}

/* --- ports -------------------------------------------------------------- */

L2(out, outb(0x80, 0x5a))
L2(in_word, l2_result[0] = inw(0x5f0))
L2(string_out, u64 rsi = (u64)l2_result; u64 rcx = 3; asm volatile("rep outsb"
								   : "+S"(rsi), "+c"(rcx)
								   : "d"(0x80)))

static void t_io_all(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_out);
	u64 q;

	l1_use_proc(PROC_UNCOND_IO);
	EXPECT_EXIT(EXIT_IO);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(IOQ_PORT(q), 0x80);
	GUEST_EXPECT(IOQ_SIZE(q), 1);
	GUEST_EXPECT(q & (IOQ_IN | IOQ_STRING | IOQ_REP), 0);
	GUEST_EXPECT(vmx->regs[GPR_RAX] & 0xff, 0x5a);
	l1_skip_insn();
	expect_end();
}

static void t_io_bitmap(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_out);

	l1_use_proc(PROC_IO_BITMAPS);
	expect_end();
	vmx->io_bitmaps[0x80 / 8] |= 1;
	l1_restart_l2(l2_out);
	EXPECT_EXIT(EXIT_IO);
	l1_skip_insn();
	expect_end();
	vmx->io_bitmaps[0x80 / 8] = 0;
	/* The second byte of a word counts too. */
	vmx->io_bitmaps[0x5f1 / 8] |= 1 << (0x5f1 % 8);
	l1_restart_l2(l2_in_word);
	EXPECT_EXIT(EXIT_IO);
	GUEST_EXPECT(IOQ_SIZE(l1_vmread(VMCS_EXIT_QUAL)), 2);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & IOQ_IN, IOQ_IN);
	vmx->regs[GPR_RAX] = 0x4242;
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x4242);
}

L2(high_port, outb(0x8001, 1))
static void t_io_bitmap_b(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_high_port);

	l1_use_proc(PROC_IO_BITMAPS);
	expect_end();
	vmx->io_bitmaps[4096 + 1 / 8] |= 2;
	l1_restart_l2(l2_high_port);
	EXPECT_EXIT(EXIT_IO);
	GUEST_EXPECT(IOQ_PORT(l1_vmread(VMCS_EXIT_QUAL)), 0x8001);
}

static void t_io_string(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_string_out);
	u64 q;

	l1_use_proc(PROC_UNCOND_IO);
	EXPECT_EXIT(EXIT_IO);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(q & (IOQ_STRING | IOQ_REP), IOQ_STRING | IOQ_REP);
	GUEST_EXPECT(vmx->regs[GPR_RCX], 3);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), (u64)l2_result);
}

/* --- MSRs ---------------------------------------------------------------- */

L2(rdmsr, l2_result[0] = rdmsr(MSR_PAT))
L2(wrmsr, wrmsr(MSR_KERNEL_GS_BASE, 0x4321))
L2(rdmsr_odd, l2_result[0] = rdmsr(0x12345678))

static void t_msr_all(void)
{
	struct l1_vmx *vmx = l1_prepare_with(l2_rdmsr, L1_NO_MSR_BITMAP);

	EXPECT_EXIT(EXIT_RDMSR);
	GUEST_EXPECT(vmx->regs[GPR_RCX], MSR_PAT);
	vmx->regs[GPR_RAX] = 7;
	vmx->regs[GPR_RDX] = 8;
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x800000007);
}

static void set_bit(u8 *map, u32 n)
{
	map[n / 8] |= 1 << n % 8;
}

static void t_msr_bitmap(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_rdmsr);

	expect_end();
	GUEST_EXPECT(l2_result[0], rdmsr(MSR_PAT));
	set_bit(vmx->msr_bitmap, MSR_PAT);
	l1_restart_l2(l2_rdmsr);
	expect_then_end(EXIT_RDMSR, 2);
	l1_restart_l2(l2_wrmsr);
	expect_end();
	set_bit(vmx->msr_bitmap + 3072, MSR_KERNEL_GS_BASE & 0x1fff);
	l1_restart_l2(l2_wrmsr);
	expect_then_end(EXIT_WRMSR, 2);
	l1_restart_l2(l2_rdmsr_odd); /* beyond the bitmap: always */
	expect_then_end(EXIT_RDMSR, 2);
	GUEST_EXPECT(rdmsr(MSR_KERNEL_GS_BASE), 0x4321);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

/* --- control registers --------------------------------------------------- */

L2(cr3, l2_result[0] = read_cr3(); write_cr3(l2_result[0] | 0x18))
static void t_cr3(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_cr3);
	u64 q;

	l1_use_proc(PROC_CR3_LOAD | PROC_CR3_STORE);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(CRQ_NUM(q), 3);
	GUEST_EXPECT(CRQ_TYPE(q), CRQ_TYPE_FROM_CR);
	vmx->regs[CRQ_GPR(q)] = read_cr3();
	l1_skip_insn();
	EXPECT_EXIT(EXIT_CR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(CRQ_NUM(q), 3);
	GUEST_EXPECT(CRQ_TYPE(q), CRQ_TYPE_TO_CR);
	GUEST_EXPECT(vmx->regs[CRQ_GPR(q)], read_cr3() | 0x18);
	l1_skip_insn();
	expect_end();
}

L2(cr3_target, write_cr3(read_cr3()))
static void t_cr3_target(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_cr3_target);

	if (!(vmx->caps.misc & MISC_CR3_TARGETS))
		claim_skip("no CR3 targets");
	l1_use_proc(PROC_CR3_LOAD);
	l1_vmwrite(VMCS_CR3_TARGET_COUNT, 2);
	l1_vmwrite(VMCS_CR3_TARGET0, 0x1000);
	l1_vmwrite(VMCS_CR3_TARGET1, read_cr3());
	expect_end();
	l1_vmwrite(VMCS_CR3_TARGET_COUNT, 1);
	l1_restart_l2(l2_cr3_target);
	EXPECT_EXIT(EXIT_CR_ACCESS);
}

L2(cr0, l2_result[0] = read_cr0(); write_cr0(l2_result[0] ^ CR0_TS ^ CR0_MP);
   l2_result[1] = read_cr0())
static void t_cr0_mask(void)
{
	l1_prepare(l2_cr0);
	l1_vmwrite(VMCS_CR0_MASK, CR0_TS | CR0_NE);
	l1_vmwrite(VMCS_CR0_SHADOW, (read_cr0() & ~CR0_NE) | CR0_TS);
	EXPECT_EXIT(EXIT_CR_ACCESS); /* TS differs from its shadow */
	GUEST_EXPECT(l2_result[0], (read_cr0() & ~CR0_NE) | CR0_TS);
	GUEST_EXPECT(CRQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), CRQ_TYPE_TO_CR);
	GUEST_EXPECT(CRQ_NUM(l1_vmread(VMCS_EXIT_QUAL)), 0);
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_result[1], (read_cr0() & ~CR0_NE) | CR0_TS);
	/* MP is L2's own: no exit, and it changes. */
	l1_prepare(l2_cr0);
	l1_vmwrite(VMCS_CR0_MASK, 0);
	expect_end();
	GUEST_EXPECT(l2_result[1], read_cr0() ^ CR0_TS ^ CR0_MP);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR0), read_cr0() ^ CR0_TS ^ CR0_MP);
}

L2(clts, asm volatile("clts"); asm volatile("lmsw %w0" : : "r"(0xb)))
static void t_clts_lmsw(void)
{
	u64 q;

	l1_prepare(l2_clts);
	l1_vmwrite(VMCS_CR0_MASK, CR0_TS);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0() | CR0_TS);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(CRQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), CRQ_TYPE_CLTS);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0());
	l1_skip_insn();
	EXPECT_EXIT(EXIT_CR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(CRQ_TYPE(q), CRQ_TYPE_LMSW);
	GUEST_EXPECT(CRQ_LMSW_DATA(q), 0xb);
	l1_skip_insn();
	expect_end();
}

L2(cr4, l2_result[0] = read_cr4(); write_cr4(l2_result[0] ^ CR4_DE); l2_result[1] = read_cr4();
   write_cr4(l2_result[0] ^ CR4_TSD))
static void t_cr4_mask(void)
{
	u64 shadow = read_cr4() & ~CR4_VMXE;

	l1_prepare(l2_cr4);
	l1_vmwrite(VMCS_CR4_MASK, CR4_VMXE | CR4_TSD);
	l1_vmwrite(VMCS_CR4_SHADOW, shadow);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(l2_result[0], shadow);
	GUEST_EXPECT(l2_result[1], shadow ^ CR4_DE);
	GUEST_EXPECT(CRQ_NUM(l1_vmread(VMCS_EXIT_QUAL)), 4);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR4), read_cr4() ^ CR4_DE);
}

L2(cr8, l2_result[0] = read_cr8(); write_cr8(0))
static void t_cr8(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_cr8);
	u64 q;

	l1_use_proc(PROC_CR8_LOAD | PROC_CR8_STORE);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(CRQ_NUM(q), 8);
	GUEST_EXPECT(CRQ_TYPE(q), CRQ_TYPE_FROM_CR);
	vmx->regs[CRQ_GPR(q)] = 9;
	l1_skip_insn();
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(CRQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), CRQ_TYPE_TO_CR);
	GUEST_EXPECT(l2_result[0], 9);
	l1_skip_insn();
	expect_end();
}

L2(dr, l2_result[0] = read_dr0(); write_dr7(0x400))
static void t_dr(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_dr);
	u64 q;

	l1_use_proc(PROC_MOV_DR);
	EXPECT_EXIT(EXIT_DR_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(DRQ_NUM(q), 0);
	GUEST_EXPECT(q & DRQ_FROM_DR, DRQ_FROM_DR);
	vmx->regs[DRQ_GPR(q)] = 0x77;
	l1_skip_insn();
	EXPECT_EXIT(EXIT_DR_ACCESS);
	GUEST_EXPECT(DRQ_NUM(l1_vmread(VMCS_EXIT_QUAL)), 7);
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x77);
}

L2(dr_own, write_dr0(0x1234); write_dr7(0x402); l2_result[0] = read_dr7())
static void t_dr_own(void)
{
	write_dr0(0x9999);
	write_dr7(0x400);
	l1_prepare(l2_dr_own);
	expect_end();
	GUEST_EXPECT(l2_result[0], 0x402);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_DR7), 0x402);
	GUEST_EXPECT(read_dr7(), 0x400);
	GUEST_EXPECT(read_dr0(), 0x1234); /* DR0 to DR3 are not switched */
	write_dr0(0);
}

CLAIMS = { { t_cpuid, "CPUID exits always" },
	   { t_hlt, "HLT" },
	   { t_invlpg, "INVLPG with its address" },
	   { t_rdtsc, "RDTSC exits, or runs" },
	   { t_tsc_offset, "the TSC offset adds to RDTSC, also a negative one" },
	   { t_tsc_msr_offset, "the TSC offset adds to RDMSR of the TSC" },
	   { t_rdtscp, "RDTSCP exits with RDTSC exiting" },
	   { t_rdtscp_off, "RDTSCP raises #UD in L2 when L1 does not enable it" },
	   { t_rdpmc, "RDPMC" },
	   { t_pause, "PAUSE exits, or runs" },
	   { t_monitor, "MONITOR" },
	   { t_mwait, "MWAIT" },
	   { t_wbinvd, "WBINVD exits, or runs" },
	   { t_invd, "INVD exits always" },
	   { t_xsetbv, "XSETBV exits always" },
	   { t_getsec, "GETSEC exits always" },
	   { t_sgdt, "SGDT with descriptor-table exiting" },
	   { t_lidt, "LIDT (SIDT first) with descriptor-table exiting" },
	   { t_str, "STR with descriptor-table exiting" },
	   { t_invpcid, "INVPCID exits with INVLPG exiting" },
	   { t_rdrand, "RDRAND" },
	   { t_vmx_insns, "every VMX instruction in L2 exits to L1" },
	   { t_vmx_insn_info, "VMREAD's instruction information names its register" },
	   { t_io_all, "unconditional I/O exiting, with port and size" },
	   { t_io_bitmap, "I/O bitmap A, changed between entries; every byte of a port counts" },
	   { t_io_bitmap_b, "I/O bitmap B" },
	   { t_io_string, "REP OUTSB exits with its linear address" },
	   { t_msr_all, "without MSR bitmaps every RDMSR exits" },
	   { t_msr_bitmap, "MSR bitmaps, changed between entries; MSRs beyond them exit" },
	   { t_cr3, "CR3 loads and stores" },
	   { t_cr3_target, "CR3 targets load without an exit" },
	   { t_cr0_mask, "CR0 mask and shadow" },
	   { t_clts_lmsw, "CLTS and LMSW under CR0's mask" },
	   { t_cr4_mask, "CR4 mask and shadow" },
	   { t_cr8, "CR8 loads and stores" },
	   { t_dr, "MOV DR" },
	   { t_dr_own, "L2's DR7 is its own, DR0 is shared as on the processor" },
	   END_OF_CLAIMS };
