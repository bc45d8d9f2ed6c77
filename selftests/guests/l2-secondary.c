// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controls that let L2 use an instruction, or that say when one exits: RDTSCP,
 * INVPCID, XSAVES, PAUSE loops, descriptor tables, random numbers, TSC scaling;
 * and what IA32_VMX_MISC promises.
 * SDM: "Secondary Processor-Based VM-Execution Controls", "Miscellaneous Data".
 */
#include "vmx.h"

#define MSR_XSS 0xda0

static volatile u64 l2_value[4];

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

/* --- abilities ---------------------------------------------------------- */

static void follow_cpuid(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	if (!(cpuid(0x80000001).edx & BIT(27)))
		GUEST_ASSERT(!ctl_may(vmx->caps.proc2, PROC2_RDTSCP));
	if (!(cpuid_count(7, 0).ebx & BIT(10)))
		GUEST_ASSERT(!ctl_may(vmx->caps.proc2, PROC2_INVPCID));
	if (!(cpuid_count(0xd, 1).eax & BIT(3)))
		GUEST_ASSERT(!ctl_may(vmx->caps.proc2, PROC2_XSAVES));
}

L2(rdtscp, u32 lo, hi, aux; asm volatile("rdtscp"
					 : "=a"(lo), "=d"(hi), "=c"(aux));
   l2_value[0] = (u64)hi << 32 | lo; l2_value[1] = aux)
static void t_rdtscp(void)
{
	u64 before;

	l1_prepare(l2_rdtscp);
	l1_use_proc2(PROC2_RDTSCP);
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	wrmsr(MSR_TSC_AUX, 0x55);
	before = rdtsc();
	expect_end();
	GUEST_EXPECT(l2_value[1], 0x55);
	GUEST_ASSERT(l2_value[0] - (1ULL << 50) > before);
	GUEST_ASSERT(l2_value[0] - (1ULL << 50) < rdtsc());
	wrmsr(MSR_TSC_AUX, 0);
}

L2(invpcid, u64 d[2] = { 0 }; l2_value[0] = TRY("invpcid (%1), %0",
						:
						: "r"(2ULL), "r"(d)
						: "memory"))
static void t_invpcid(void)
{
	l1_prepare(l2_invpcid);
	l1_use_proc2(PROC2_INVPCID);
	expect_end();
	GUEST_EXPECT(l2_value[0], NO_TRAP);
	l1_clear(VMCS_PROC2_CTLS, PROC2_INVPCID);
	l1_use_proc(PROC_INVLPG);
	l1_restart_l2(l2_invpcid);
	expect_end();
	GUEST_EXPECT(l2_value[0], VEC_UD);
}

/* --- XSAVES ------------------------------------------------------------- */

static u8 *xsave_area;

#define XSAVES_INSN(insn) \
	l2_value[0] = TRY(insn " (%0)", : : "r"(xsave_area), "a"(~0u), "d"(~0u) : "memory")

L2(xsaves, XSAVES_INSN("xsaves"))
L2(xrstors, XSAVES_INSN("xrstors"))

static void use_xsaves(void)
{
	l1_prepare(l2_xsaves);
	l1_use_proc2(PROC2_XSAVES);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	l1_vmwrite(VMCS_GUEST_CR4, read_cr4());
	xsave_area = pages_alloc(2);
}

static void end_xsaves(void)
{
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static void xsaves(void)
{
	use_xsaves();
	l1_vmwrite(VMCS_XSS_BITMAP, ~0ULL);
	/* Bits that IA32_XSS does not have set do not exit. */
	wrmsr(MSR_XSS, 0);
	expect_end();
	GUEST_EXPECT(l2_value[0], NO_TRAP);
	l1_restart_l2(l2_xrstors);
	expect_end();
	GUEST_EXPECT(l2_value[0], NO_TRAP);
	end_xsaves();
}

static void xsaves_off(void)
{
	use_xsaves();
	l1_clear(VMCS_PROC2_CTLS, PROC2_XSAVES);
	expect_end();
	GUEST_EXPECT(l2_value[0], VEC_UD);
	l1_restart_l2(l2_xrstors);
	expect_end();
	GUEST_EXPECT(l2_value[0], VEC_UD);
	end_xsaves();
}

static void xsaves_exits(void)
{
	u64 bit;

	use_xsaves();
	bit = cpuid_count(0xd, 1).ecx;
	bit &= -bit;
	if (!bit) {
		end_xsaves();
		claim_skip("IA32_XSS has no bits");
	}
	wrmsr(MSR_XSS, bit);
	l1_vmwrite(VMCS_XSS_BITMAP, bit);
	EXPECT_EXIT(EXIT_XSAVES);
	l1_restart_l2(l2_xrstors);
	EXPECT_EXIT(EXIT_XRSTORS);
	l1_vmwrite(VMCS_XSS_BITMAP, ~bit);
	l1_restart_l2(l2_xsaves);
	expect_end();
	wrmsr(MSR_XSS, 0);
	end_xsaves();
}

/* --- PAUSE loops -------------------------------------------------------- */

L2(pauses, for (int i = 0; i < 2000; i++) cpu_pause())
/* spin() has PAUSEs in it. */
static void wait_without_pause(void)
{
	u64 end = rdtsc() + 1000;

	while (rdtsc() < end)
		;
}

static void l2_pauses_far(void)
{
	for (int i = 0; i < 20; i++) {
		cpu_pause();
		wait_without_pause();
	}
	l2_vmcall(0x600d);
}

static void pause_loop(void)
{
	l1_prepare(l2_pauses);
	l1_use_proc2(PROC2_PAUSE_LOOP);
	l1_vmwrite(VMCS_PLE_GAP, 500);
	l1_vmwrite(VMCS_PLE_WINDOW, 1000);
	EXPECT_EXIT(EXIT_PAUSE);
	l1_clear(VMCS_PROC2_CTLS, PROC2_PAUSE_LOOP);
	l1_restart_l2(l2_pauses);
	expect_end();
}

static void pause_no_loop(void)
{
	l1_prepare(l2_pauses_far);
	l1_use_proc2(PROC2_PAUSE_LOOP);
	l1_vmwrite(VMCS_PLE_GAP, 100);
	l1_vmwrite(VMCS_PLE_WINDOW, 1000);
	expect_end();
}

/* --- descriptor tables -------------------------------------------------- */

static struct table_pointer table;
static u16 selector;

L2(sgdt, asm volatile("sgdt %0" : "=m"(table)))
L2(sidt, asm volatile("sidt %0" : "=m"(table)))
L2(lgdt, asm volatile("lgdt %0" : : "m"(table)))
L2(lidt, asm volatile("lidt %0" : : "m"(table)))
L2(sldt, asm volatile("sldt %0" : "=m"(selector)))
L2(str, asm volatile("str %0" : "=m"(selector)))
L2(lldt, asm volatile("lldt %0" : : "m"(selector)))
L2(ltr, asm volatile("ltr %0" : : "m"(selector)))

/* The instruction is named by bits 29:28 of the instruction information. */
static void descriptor_tables(void)
{
	static void (*const l2[2][4])(void) = { { l2_sgdt, l2_sidt, l2_lgdt, l2_lidt },
						{ l2_sldt, l2_str, l2_lldt, l2_ltr } };

	l1_prepare(l2_sgdt);
	l1_use_proc2(PROC2_DESC_TABLE);
	for (int tr = 0; tr < 2; tr++) {
		for (int i = 0; i < 4; i++) {
			l1_restart_l2(l2[tr][i]);
			EXPECT_EXIT(tr ? EXIT_LDTR_TR : EXIT_GDTR_IDTR);
			GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 28 & 3, i);
			GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) & INSN_IS_REG, 0);
		}
	}
}

/* --- random numbers ----------------------------------------------------- */

L2(rdrand, asm volatile("rdrand %%rbx" : : : "rbx", "cc"))
L2(rdseed, asm volatile("rdseed %%esi" : : : "rsi", "cc"))

static void t_rdrand(void)
{
	l1_prepare(l2_rdrand);
	l1_use_proc2(PROC2_RDRAND);
	EXPECT_EXIT(EXIT_RDRAND);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 3 & 15, GPR_RBX);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 11 & 3, 2);
	l1_clear(VMCS_PROC2_CTLS, PROC2_RDRAND);
	expect_end();
}

static void t_rdseed(void)
{
	l1_prepare(l2_rdseed);
	l1_use_proc2(PROC2_RDSEED);
	EXPECT_EXIT(EXIT_RDSEED);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 3 & 15, GPR_RSI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 11 & 3, 1);
	l1_clear(VMCS_PROC2_CTLS, PROC2_RDSEED);
	expect_end();
}

/* --- TSC scaling -------------------------------------------------------- */

/* Several ticks between one and the next, at half the speed as well. */
static u64 after_a_while(u64 tsc)
{
	for (int i = 0; i < 8; i++)
		cpu_pause();
	return tsc;
}

L2(tsc, l2_value[0] = after_a_while(rdtsc()); l2_value[1] = after_a_while(rdmsr(MSR_TSC));
   l2_value[2] = rdtsc())

/* x * ratio / 2^48, without a 128-bit product's overflow: ratio has few bits. */
static u64 scaled(u64 tsc, u64 ratio)
{
	return (u64)((unsigned __int128)tsc * ratio >> 48);
}

static void tsc_scaling(void)
{
	static const u64 ratios[] = { 3ULL << 47, 1ULL << 47, 1ULL << 48, 5ULL << 48 };
	static const u64 offsets[] = { 0, 1ULL << 50, -(1ULL << 12) };
	u64 before, after;

	for (u32 i = 0; i < ARRAY_SIZE(ratios) * ARRAY_SIZE(offsets); i++) {
		u64 ratio = ratios[i % ARRAY_SIZE(ratios)];
		u64 offset = offsets[i / ARRAY_SIZE(ratios)];

		l1_prepare(l2_tsc);
		l1_use_proc2(PROC2_TSC_SCALING);
		l1_use_proc(PROC_TSC_OFFSET);
		l1_vmwrite(VMCS_TSC_OFFSET, offset);
		l1_vmwrite(VMCS_TSC_MULTIPLIER, ratio);
		before = scaled(rdtsc(), ratio);
		expect_end();
		after = scaled(rdtsc(), ratio);
		GUEST_ASSERT(before <= l2_value[0] - offset);
		GUEST_ASSERT(l2_value[0] < l2_value[1] && l2_value[1] < l2_value[2]);
		GUEST_ASSERT(l2_value[2] - offset <= after);
	}
}

static void tsc_scaling_alone(void)
{
	u64 before;

	l1_prepare(l2_tsc);
	l1_use_proc2(PROC2_TSC_SCALING);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	l1_vmwrite(VMCS_TSC_MULTIPLIER, 8ULL << 48);
	before = rdtsc();
	expect_end();
	GUEST_ASSERT(before <= l2_value[0] && l2_value[2] <= rdtsc());
}

/* --- IA32_VMX_MISC ------------------------------------------------------ */

static void cr3_targets(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);
	u64 max = (vmx->caps.misc & MISC_CR3_TARGETS) >> MISC_CR3_TARGETS_SHIFT;

	l1_vmwrite(VMCS_CR3_TARGET_COUNT, max + 1);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

static void read_only_fields(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	if (vmx->caps.misc & MISC_VMWRITE_ANY) {
		l1_vmwrite(VMCS_EXIT_QUAL, 0x1234);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0x1234);
	} else {
		EXPECT_OUTCOME(vmwrite(VMCS_EXIT_QUAL, 0), VM_FAIL_VALID(VMERR_READ_ONLY_FIELD));
	}
}

static volatile u32 l2_irqs;

static void on_soft(struct trap_frame *frame)
{
	l2_irqs++;
}

L2(nothing, cpu_pause())

static void zero_length(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_nothing);

	l2_irqs = 0;
	on_trap(0x63, on_soft);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_SOFT_INT | 0x63);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, 0);
	if (vmx->caps.misc & MISC_ZERO_INSN_LEN) {
		expect_end();
		GUEST_EXPECT(l2_irqs, 1);
	} else {
		EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	}
	on_trap(0x63, NULL);
}

CLAIMS = { { follow_cpuid, "controls of instructions that CPUID lacks are not offered" },
	   { t_rdtscp, "RDTSCP gives the offset TSC and TSC_AUX" },
	   { t_invpcid, "INVPCID runs, or raises #UD when not enabled" },
	   { xsaves, "XSAVES and XRSTORS run whatever the bitmap, if IA32_XSS is 0" },
	   { xsaves_off, "XSAVES and XRSTORS that are not enabled raise #UD" },
	   { xsaves_exits, "XSAVES and XRSTORS exit by the XSS-exiting bitmap" },
	   { pause_loop, "a loop of PAUSE exits" },
	   { pause_no_loop, "PAUSEs far from each other do not" },
	   { descriptor_tables, "each instruction on descriptor tables exits under its number" },
	   { t_rdrand, "RDRAND exits with its register and size" },
	   { t_rdseed, "RDSEED exits with its register and size" },
	   { tsc_scaling, "the TSC is multiplied, then offset" },
	   { tsc_scaling_alone, "without TSC offsetting it is not multiplied" },
	   { cr3_targets, "more CR3 targets than VMX_MISC says: the entry fails" },
	   { read_only_fields, "VMWRITE to read-only fields as VMX_MISC says" },
	   { zero_length, "software events of length 0 as VMX_MISC says" },
	   END_OF_CLAIMS };
