// SPDX-License-Identifier: GPL-2.0-only
/*
 * The APIC-access page: what kind of access exits with which qualification, and when
 * something else decides. (An instruction fetch from it ends the emulated processor.) SDM:
 * "APIC-Access VM Exits", "Exit Qualification for APIC-Access VM Exits".
 */
#include "irqchip.h"
#include "vmx.h"

#define ACCESS_GPA 0x3e200000ULL
#define BEFORE (ACCESS_GPA - 4096)
#define WB (EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT)

static u8 *vapic, *access;

/* L2s whose instructions have names. RDX: where; RCX: a value or a count. */
extern const u8 read8[], read64[], write16[], reads_rep[], undefined[], calls[];

asm(".pushsection .text\n"
    "read8: mov (%rdx), %al; jmp good\n"
    "read64: mov (%rdx), %rax; jmp good\n"
    "write16: mov %cx, (%rdx); jmp good\n"
    "reads_rep: mov %rdx, %rsi; lea landing(%rip), %rdi; rep movsb; jmp good\n"
    "undefined: mov %rdx, %rsp; ud2\n"
    "calls: mov %rdx, %rsp; call good\n"
    "good: mov $0x600d, %eax; vmcall\n"
    ".popsection\n"
    ".pushsection .bss\n landing: .skip 64\n .popsection\n");

static struct l1_vmx *prepare(const u8 *code, u64 at)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_need_ept(0);
	l1_use_proc(PROC_TPR_SHADOW);
	l1_use_proc2(PROC2_APIC_ACCESS);
	vapic = page_alloc();
	access = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)access);
	*l1_ept_entry(vmx, ACCESS_GPA) = (u64)access | EPTE_RWX | WB;
	*l1_ept_entry(vmx, BEFORE) = (u64)page_alloc() | EPTE_RWX | WB;
	vmx->regs[GPR_RDX] = at;
	vmx->regs[GPR_RCX] = 0;
	return vmx;
}

static void expect_access(const u8 *insn, u32 type, u32 offset)
{
	u64 q;

	EXPECT_EXIT(EXIT_APIC_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(APICQ_TYPE(q), type);
	GUEST_EXPECT(APICQ_OFFSET(q), offset);
	if (insn)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)insn);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- kinds of access ---------------------------------------------------------------- */

static void data(void)
{
	prepare(read8, ACCESS_GPA + 0x31);
	expect_access(read8, APICQ_TYPE_READ, 0x31);
	prepare(read64, ACCESS_GPA + 0xff8);
	expect_access(read64, APICQ_TYPE_READ, 0xff8);
	prepare(write16, ACCESS_GPA + 0x302);
	expect_access(write16, APICQ_TYPE_WRITE, 0x302);
}

static void repeated(void)
{
	struct l1_vmx *vmx = prepare(reads_rep, BEFORE + 0xffe);

	vmx->regs[GPR_RCX] = 4;
	expect_access(NULL, APICQ_TYPE_READ, 0);
	/* Two iterations are done. */
	GUEST_EXPECT(vmx->regs[GPR_RCX], 2);
	GUEST_EXPECT(vmx->regs[GPR_RSI], ACCESS_GPA);
}

static void event_delivery(void)
{
	prepare(undefined, ACCESS_GPA + 0x800);
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	GUEST_EXPECT(APICQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), APICQ_TYPE_EVENT);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
}

static void stack(void)
{
	prepare(calls, ACCESS_GPA + 0x808);
	expect_access(NULL, APICQ_TYPE_WRITE, 0x800);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RSP), ACCESS_GPA + 0x808);
}

/* --- what decides before it ------------------------------------------------------------ */

static void page_fault_first(void)
{
	prepare(read8, ACCESS_GPA);
	*page_entry(ACCESS_GPA) &= ~1ULL;
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	*page_entry(ACCESS_GPA) |= 1;
}

static void ept_first(void)
{
	struct l1_vmx *vmx = prepare(write16, ACCESS_GPA + 0x20);

	*l1_ept_entry(vmx, ACCESS_GPA) &= ~(u64)EPTE_W;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & EPTQ_ACCESS, EPTQ_WRITE);
}

/* The page is the physical one: another address of L2's that leads there is it, too. */
static void by_another_address(void)
{
	struct l1_vmx *vmx = prepare(read8, BEFORE + 0x20);

	*l1_ept_entry(vmx, BEFORE) = (u64)access | EPTE_RWX | WB;
	expect_access(read8, APICQ_TYPE_READ, 0x20);
}

/* Without the control it is memory. */
static void without(void)
{
	prepare(read8, ACCESS_GPA);
	l1_clear(VMCS_PROC2_CTLS, PROC2_APIC_ACCESS);
	expect_end();
}

/* L1 gives another page between two entries. */
static void moved(void)
{
	prepare(read8, ACCESS_GPA + 0x20);
	expect_access(read8, APICQ_TYPE_READ, 0x20);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)page_alloc());
	l1_invept(l1_vmx());
	expect_end();
}

CLAIMS = { { data, "reads and writes exit with their offset" },
	   { repeated, "REP MOVSB exits at the iteration that comes there" },
	   { stack, "a push" },
	   { event_delivery, "delivery of an event" },
	   { page_fault_first, "a page fault comes first" },
	   { ept_first, "an EPT violation comes first" },
	   { by_another_address, "the page is found by any address that leads to it" },
	   { without, "without the control it is memory" },
	   { moved, "L1 moves the page" },
	   END_OF_CLAIMS };
