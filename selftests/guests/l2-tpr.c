// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual TPR and its threshold, at entries and by each way of writing it;
 * what exits before it and beside it. SDM: "Virtualizing CR8-Based TPR Accesses",
 * "TPR Virtualization", "VM Exits Induced by the TPR Threshold", "APIC-Access VM Exits".
 */
#include "irqchip.h"
#include "vmx.h"

#define ACCESS_GPA 0x3e200000ULL

static u8 *vapic, *access;

/* L2s whose instructions have names. RCX: the value; RDX: where to. */
extern const u8 to_cr8[], after_cr8[], from_cr8[], nop_first[], to_page[], after_page[], to_msr[],
	after_msr[];

asm(".pushsection .text\n"
    "to_cr8: mov %rcx, %cr8\n"
    "after_cr8: jmp good\n"
    "from_cr8: mov %cr8, %rsi; jmp good\n"
    "nop_first: nop; jmp good\n"
    "to_page: mov %ecx, (%rdx)\n"
    "after_page: jmp good\n"
    "to_msr: mov %ecx, %eax; xor %edx, %edx; mov $0x808, %ecx; wrmsr\n"
    "after_msr: jmp good\n"
    "good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

static struct l1_vmx *prepare(const u8 *code, u64 value, u32 threshold)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, threshold);
	vmx->regs[GPR_RCX] = value;
	return vmx;
}

static struct l1_vmx *prepare_page(const u8 *code, u64 value, u32 threshold)
{
	struct l1_vmx *vmx = prepare(code, value, threshold);

	l1_use_proc2(PROC2_APIC_ACCESS);
	access = page_alloc();
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)access);
	*l1_ept_entry(vmx, ACCESS_GPA) = (u64)access | EPTE_RWX |
					 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	vmx->regs[GPR_RDX] = ACCESS_GPA + APIC_TPR;
	return vmx;
}

static void expect_rip(const void *rip)
{
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)rip);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- by CR8 ---------------------------------------------------------------------- */

static void at_the_threshold(void)
{
	prepare(to_cr8, 4, 4);
	vapic[APIC_TPR] = 0x80;
	expect_end();
	GUEST_EXPECT(vapic[APIC_TPR], 0x40);
}

/* Like a trap: the instruction is done. */
static void below_the_threshold(void)
{
	prepare(to_cr8, 3, 4);
	vapic[APIC_TPR] = 0x80;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(after_cr8);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	GUEST_EXPECT(vapic[APIC_TPR], 0x30);
}

/* Bits 3:0 count for nothing, and CR8 does not show them. */
static void low_bits(void)
{
	prepare(from_cr8, 0, 4);
	vapic[APIC_TPR] = 0x4f;
	expect_end();
	GUEST_EXPECT(l1_vmx()->regs[GPR_RSI], 4);
	GUEST_EXPECT(vapic[APIC_TPR], 0x4f);
}

static void reserved_bits(void)
{
	prepare(to_cr8, 0x10, 4);
	vapic[APIC_TPR] = 0x80;
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_GP);
	GUEST_EXPECT(vapic[APIC_TPR], 0x80);
}

static void cr8_exiting(void)
{
	struct l1_vmx *vmx = prepare(to_cr8, 0, 4);

	vapic[APIC_TPR] = 0x80;
	l1_use_proc(PROC_CR8_LOAD | PROC_CR8_STORE);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 8 | GPR_RCX << 8);
	expect_rip(to_cr8);
	GUEST_EXPECT(vapic[APIC_TPR], 0x80);
	/* Before a reserved bit is noticed. */
	vmx->regs[GPR_RCX] = 0x10;
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	EXPECT_EXIT(EXIT_CR_ACCESS);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)from_cr8);
	EXPECT_EXIT(EXIT_CR_ACCESS);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 8 | 1 << 4 | GPR_RSI << 8);
}

/* --- at the entry ------------------------------------------------------------------ */

static void entry_below(void)
{
	prepare(nop_first, 0, 4);
	vapic[APIC_TPR] = 0x30;
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	vapic[APIC_TPR] = 0x40;
	expect_end();
}

/* With an APIC-access page it is an exit instead, before the first instruction. */
static void entry_below_with_page(void)
{
	prepare_page(nop_first, 0, 4);
	vapic[APIC_TPR] = 0x3f;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(nop_first);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	vapic[APIC_TPR] = 0x40;
	expect_end();
}

static void entry_below_and_event(void)
{
	prepare_page(nop_first, 0, 4);
	vapic[APIC_TPR] = 0;
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
	EXPECT_EXIT(EXIT_TPR_BELOW);
	GUEST_ASSERT(l1_vmread(VMCS_GUEST_RIP) != (u64)nop_first);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
}

/* It has priority over all that an entry finds pending, as a timer of 0. */
static void entry_below_and_timer(void)
{
	prepare_page(nop_first, 0, 4);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
	vapic[APIC_TPR] = 0;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	vapic[APIC_TPR] = 0x40;
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
}

static void entry_below_in_halt(void)
{
	struct l1_vmx *vmx = prepare_page(nop_first, 0, 4);

	if (!(vmx->caps.misc & MISC_ACTIVITY_HLT))
		claim_skip("no HLT activity state");
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 1000000);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_HLT);
	vapic[APIC_TPR] = 0;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(nop_first);
}

/* --- by the APIC-access page -------------------------------------------------------- */

static void page_below(void)
{
	prepare_page(to_page, 0x35, 4);
	vapic[APIC_TPR] = 0x80;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(after_page);
	GUEST_EXPECT(*(u32 *)(vapic + APIC_TPR), 0x35);
}

static void page_other_bytes(void)
{
	struct l1_vmx *vmx = prepare_page(to_page, 0x11, 0);
	u64 q;

	/* Not in the TPR's first four bytes. */
	vmx->regs[GPR_RDX] = ACCESS_GPA + APIC_TPR + 4;
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(APICQ_OFFSET(q), APIC_TPR + 4);
	GUEST_EXPECT(APICQ_TYPE(q), APICQ_TYPE_WRITE);
	expect_rip(to_page);
}

/* --- by the MSR ----------------------------------------------------------------------- */

static void msr_below(void)
{
	prepare(to_msr, 0x25, 4);
	l1_use_proc2(PROC2_X2APIC);
	vapic[APIC_TPR] = 0x80;
	EXPECT_EXIT(EXIT_TPR_BELOW);
	expect_rip(after_msr);
	GUEST_EXPECT(vapic[APIC_TPR], 0x25);
}

static void msr_reserved(void)
{
	prepare(to_msr, 0x125, 4);
	l1_use_proc2(PROC2_X2APIC);
	vapic[APIC_TPR] = 0x80;
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(vapic[APIC_TPR], 0x80);
}

static void msr_intercepted(void)
{
	struct l1_vmx *vmx = prepare(to_msr, 0x25, 4);

	l1_use_proc2(PROC2_X2APIC);
	vapic[APIC_TPR] = 0x80;
	vmx->msr_bitmap[2048 + 0x808 / 8] |= 1 << (0x808 % 8);
	EXPECT_EXIT(EXIT_WRMSR);
	GUEST_EXPECT(vapic[APIC_TPR], 0x80);
}

CLAIMS = { { at_the_threshold, "MOV CR8 to the threshold does not exit" },
	   { below_the_threshold, "MOV CR8 below it exits, past the instruction" },
	   { low_bits, "the TPR's low bits are not compared, nor in CR8" },
	   { reserved_bits, "MOV CR8 with a reserved bit raises #GP" },
	   { cr8_exiting, "CR8-load and CR8-store exiting go before the virtual TPR" },
	   { entry_below, "a TPR below the threshold at entry: error 7" },
	   { entry_below_with_page, "with an APIC-access page: an exit before L2 runs" },
	   { entry_below_and_event, "that exit comes after an injected event's delivery" },
	   { entry_below_and_timer, "and before a preemption timer of 0" },
	   { entry_below_in_halt, "and in HLT" },
	   { page_below, "a write to the APIC-access page below the threshold exits" },
	   { page_other_bytes, "writes beside the TPR's first bytes exit as accesses" },
	   { msr_below, "WRMSR in x2APIC mode below the threshold exits" },
	   { msr_reserved, "WRMSR with a reserved bit raises #GP" },
	   { msr_intercepted, "the MSR bitmap goes before the virtual TPR" },
	   END_OF_CLAIMS };
