// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 in other modes: real mode and unpaged protected mode as unrestricted
 * guest, PAE paging, compatibility mode; L1 without EPT, without VPID.
 * SDM: "Unrestricted Guests", "Checks on Guest Page-Directory-Pointer-Table Entries".
 */
#include "vmx.h"

extern const u8 l2_code16[], l2_code16_end[], l2_code32[], l2_code32_end[];

asm(".pushsection .text\n"
    ".code16\n"
    "l2_code16:\n"
    "	mov $0x1234, %ax\n"
    "	mov %ax, 0x900\n"
    "	push %ax\n"
    "	pop %bx\n"
    "	xor %eax, %eax\n"
    "	cpuid\n"
    "	mov $0x600d, %eax\n"
    "	vmcall\n"
    "l2_code16_end:\n"
    ".code32\n"
    "l2_code32:\n"
    "	mov $0x12345678, %ebx\n"
    "	mov %ebx, 0xa900\n"
    "	mov 0x40000000, %esi\n"
    "	mov $0x600d, %eax\n"
    "	vmcall\n"
    "l2_code32_end:\n"
    ".code64\n"
    ".popsection\n");

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT((u32)l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void segment(enum segreg seg, u16 sel, u64 base, u32 limit, u32 ar)
{
	l1_vmwrite(VMCS_SEG_SEL(seg), sel);
	l1_vmwrite(VMCS_SEG_BASE(seg), base);
	l1_vmwrite(VMCS_SEG_LIMIT(seg), limit);
	l1_vmwrite(VMCS_SEG_AR(seg), ar);
}

static void leave_long_mode(u64 cr0_off)
{
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_vmwrite(VMCS_GUEST_CR0, l1_vmread(VMCS_GUEST_CR0) & ~cr0_off);
	l1_vmwrite(VMCS_GUEST_RSP, LOW_SCRATCH + 0x800);
}

static void need_unrestricted(void)
{
	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
}

static void real_mode(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	need_unrestricted();
	memcpy((void *)LOW_SCRATCH, l2_code16, l2_code16_end - l2_code16);
	leave_long_mode(CR0_PE | CR0_PG);
	for (int s = SEG_ES; s <= SEG_GS; s++)
		segment(s, 0xa00, LOW_SCRATCH, 0xffff, 0x93);
	segment(SEG_CS, 0xa00, LOW_SCRATCH, 0xffff, 0x9b);
	l1_vmwrite(VMCS_GUEST_RSP, 0x800);
	l1_vmwrite(VMCS_GUEST_RIP, 0);
	EXPECT_EXIT(EXIT_CPUID);
	GUEST_EXPECT(vmx->regs[GPR_RBX] & 0xffff, 0x1234);
	GUEST_EXPECT(*(volatile u16 *)(LOW_SCRATCH + 0x900), 0x1234);
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CS_SEL), 0xa00);
}

static void unpaged(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	need_unrestricted();
	memcpy((void *)LOW_SCRATCH, l2_code32, l2_code32_end - l2_code32);
	leave_long_mode(CR0_PG);
	segment(SEG_CS, SEL_CODE32, 0, ~0u, 0xc09b);
	*l1_ept_entry(vmx, 0x40000000) = (u64)page_alloc() | EPTE_RWX | EPTP_MEMTYPE_WB << 3;
	l1_vmwrite(VMCS_GUEST_RIP, LOW_SCRATCH);
	expect_end();
	GUEST_EXPECT(*(volatile u32 *)0xa900, 0x12345678);
}

/* Segments that were valid are not when nothing but RFLAGS.VM changes. */
static void into_vm86(void)
{
	unpaged();
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_VM);
	EXPECT_EXIT(EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_vmwrite(VMCS_GUEST_RIP, LOW_SCRATCH);
	expect_end();
}

static void paging_pae(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);
	u64 *page = page_alloc(), *pdpt = page_alloc(), *low = page_alloc();
	u64 *high = page_alloc(), *table = page_alloc();

	memcpy((void *)LOW_SCRATCH, l2_code32, l2_code32_end - l2_code32);
	page[0] = 0x5eed0fae;
	table[0] = (u64)page | 7;
	high[0] = (u64)table | 7;
	for (u64 i = 0; i < 16; i++)
		low[i] = i << 21 | 0x87;
	pdpt[0] = (u64)low | 1;
	pdpt[1] = (u64)high | 1;
	leave_long_mode(0);
	segment(SEG_CS, SEL_CODE32, 0, ~0u, 0xc09b);
	l1_vmwrite(VMCS_GUEST_CR3, (u64)pdpt);
	if (vmx->ept_pml4) {
		for (u32 i = 0; i < 4; i++)
			l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpt[i]);
	}
	l1_vmwrite(VMCS_GUEST_RIP, LOW_SCRATCH);
	expect_end();
	GUEST_EXPECT(vmx->regs[GPR_RSI], 0x5eed0fae);
	if (vmx->ept_pml4)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_PDPTE1), pdpt[1]);
}

static void compatibility(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);
	u64 *entry = page_entry(0x40000000), *page = page_alloc();

	memcpy((void *)LOW_SCRATCH, l2_code32, l2_code32_end - l2_code32);
	page[0] = 0xc0de;
	*entry = (u64)page | 7;
	invlpg(0x40000000);
	segment(SEG_CS, SEL_CODE32, 0, ~0u, 0xc09b);
	l1_vmwrite(VMCS_GUEST_RIP, LOW_SCRATCH);
	l1_vmwrite(VMCS_GUEST_RSP, LOW_SCRATCH + 0x800);
	/* VMCALL does not ask the mode. */
	expect_end();
	GUEST_EXPECT(vmx->regs[GPR_RSI], 0xc0de);
	*entry = 0x40000007;
	invlpg(0x40000000);
}

static u64 l2_sum;

static void l2_works(void)
{
	u8 v;

	l2_sum = 0;
	for (u64 i = 0; i < 100; i++)
		l2_sum += i;
	l2_sum += TRY("movb (%1), %0", : "=q"(v) : "r"(0x3f700000ULL));
	printf("# L2 without EPT or VPID\n");
	write_cr3(read_cr3());
	invlpg(0x1000);
	l2_vmcall(0x600d);
}

static void without(u32 flags)
{
	*page_entry(0x3f700000) = 0;
	invlpg(0x3f700000);
	l1_prepare_with(l2_works, flags);
	expect_end();
	GUEST_EXPECT(l2_sum, 4950 + VEC_PF);
	*page_entry(0x3f700000) = 0x3f700007;
	invlpg(0x3f700000);
}

static void without_ept(void)
{
	without(L1_NO_EPT);
}
static void without_vpid(void)
{
	without(L1_NO_VPID);
}
static void without_both(void)
{
	without(L1_NO_EPT | L1_NO_VPID);
}

static void l2_new_tables(void)
{
	u64 old = read_cr3();

	write_cr3(l1_vmx()->regs[GPR_R15]);
	l2_sum = *(volatile u64 *)0x3f700000;
	write_cr3(old);
	l2_vmcall(0x600d);
}

/* Without EPT L2's CR3 is a real one: it may change it and its tables. */
static void own_cr3(void)
{
	struct l1_vmx *vmx = l1_prepare_with(l2_new_tables, L1_NO_EPT);
	u64 *copy = pages_alloc(2), *page = page_alloc(), *pd = page_alloc(), *pt = page_alloc();
	u64 *pdpt = (u64 *)(page_pml4[0] & GENMASK_ULL(51, 12));

	page[0] = 0x7e57;
	memcpy(copy, page_pml4, 4096);
	memcpy(copy + 512, pdpt, 4096);
	memcpy(pd, (void *)(pdpt[0] & GENMASK_ULL(51, 12)), 4096);
	copy[0] = (u64)(copy + 512) | 7;
	copy[512] = (u64)pd | 7;
	pd[0x3f700000 >> 21] = (u64)pt | 7;
	pt[0x3f700000 >> 12 & 511] = (u64)page | 7;
	vmx->regs[GPR_R15] = (u64)copy;
	expect_end();
	GUEST_EXPECT(l2_sum, 0x7e57);
}

CLAIMS = { { real_mode, "L2 in real mode, with exits" },
	   { unpaged, "L2 in protected mode without paging" },
	   { into_vm86, "RFLAGS.VM makes L2's segments invalid, and valid again" },
	   { paging_pae, "L2 with PAE paging; PDPTEs are loaded and saved" },
	   { compatibility, "L2 in compatibility mode" },
	   { without_ept, "L2 without EPT" },
	   { without_vpid, "L2 without VPID" },
	   { without_both, "L2 without EPT and VPID" },
	   { own_cr3, "L2 without EPT changes its page tables" },
	   END_OF_CLAIMS };
