// SPDX-License-Identifier: GPL-2.0-only
/* A VMCS that enters: L2 as a copy of L1's state, few controls. */
#include "vmx.h"

extern u8 l2_exit[];

static void fill_controls(struct l1_vmx *vmx)
{
	const struct vmx_caps *c = &vmx->caps;
	u32 proc = PROC_SECONDARY, proc2 = PROC2_RDTSCP | PROC2_INVPCID | PROC2_XSAVES;

	if (!(vmx->flags & L1_NO_MSR_BITMAP))
		proc |= PROC_MSR_BITMAPS;
	if (vmx->ept_pml4)
		proc2 |= PROC2_EPT;
	if (!(vmx->flags & L1_NO_VPID))
		proc2 |= PROC2_VPID;
	l1_vmwrite(VMCS_PIN_CTLS, ctl_adjust(c->pin, 0));
	l1_vmwrite(VMCS_PROC_CTLS, ctl_adjust(c->proc, proc));
	l1_vmwrite(VMCS_EXIT_CTLS,
		   ctl_adjust(c->exit, EXITC_HOST_64 | EXITC_SAVE_DEBUG | EXITC_SAVE_EFER |
					       EXITC_LOAD_EFER | EXITC_SAVE_PAT | EXITC_LOAD_PAT));
	l1_vmwrite(VMCS_ENTRY_CTLS,
		   ctl_adjust(c->entry, ENTRYC_GUEST_64 | ENTRYC_LOAD_DEBUG | ENTRYC_LOAD_EFER |
						ENTRYC_LOAD_PAT));
	if (ctl_may(c->proc, PROC_SECONDARY))
		l1_vmwrite(VMCS_PROC2_CTLS, ctl_adjust(c->proc2, proc2));
	if (ctl_may(c->proc2, PROC2_XSAVES))
		l1_vmwrite(VMCS_XSS_BITMAP, 0);
	if (vmx->ept_pml4)
		l1_vmwrite(VMCS_EPT_POINTER, (u64)vmx->ept_pml4 | EPTP_WALK_4 | EPTP_MEMTYPE_WB);
	if (!(vmx->flags & L1_NO_VPID) && ctl_may(c->proc2, PROC2_VPID))
		l1_vmwrite(VMCS_VPID, 1);
	l1_vmwrite(VMCS_MSR_BITMAP, (u64)vmx->msr_bitmap);
	l1_vmwrite(VMCS_IO_BITMAP_A, (u64)vmx->io_bitmaps);
	l1_vmwrite(VMCS_IO_BITMAP_B, (u64)vmx->io_bitmaps + 4096);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	l1_vmwrite(VMCS_PF_ERROR_MASK, 0);
	l1_vmwrite(VMCS_PF_ERROR_MATCH, 0);
	l1_vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	l1_vmwrite(VMCS_TSC_OFFSET, 0);
	l1_vmwrite(VMCS_CR0_MASK, 0);
	l1_vmwrite(VMCS_CR4_MASK, 0);
	l1_vmwrite(VMCS_CR0_SHADOW, read_cr0());
	l1_vmwrite(VMCS_CR4_SHADOW, read_cr4());
}

static void fill_segment(enum segreg seg, u16 sel, u64 base, u32 limit, u32 ar)
{
	l1_vmwrite(VMCS_SEG_SEL(seg), sel);
	l1_vmwrite(VMCS_SEG_BASE(seg), base);
	l1_vmwrite(VMCS_SEG_LIMIT(seg), limit);
	l1_vmwrite(VMCS_SEG_AR(seg), ar);
}

static u64 tss_base(u16 tr)
{
	u64 low = gdt[tr / 8];

	return (low >> 16 & 0xffffff) | (low >> 56 & 0xff) << 24 | gdt[tr / 8 + 1] << 32;
}

static void fill_guest_segments(u16 tr)
{
	static const enum segreg data[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

	for (unsigned int i = 0; i < ARRAY_SIZE(data); i++)
		fill_segment(data[i], SEL_DATA, 0, ~0u, 0xc093);
	fill_segment(SEG_CS, SEL_CODE64, 0, ~0u, 0xa09b);
	fill_segment(SEG_LDTR, 0, 0, 0, AR_UNUSABLE);
	fill_segment(SEG_TR, tr, tss_base(tr), 0x67, 0x8b);
}

static void fill_guest(struct l1_vmx *vmx)
{
	l1_vmwrite(VMCS_GUEST_CR0, read_cr0());
	l1_vmwrite(VMCS_GUEST_CR3, read_cr3());
	l1_vmwrite(VMCS_GUEST_CR4, read_cr4());
	l1_vmwrite(VMCS_GUEST_DR7, 0x400);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_vmwrite(VMCS_GUEST_EFER, rdmsr(MSR_EFER));
	l1_vmwrite(VMCS_GUEST_PAT, rdmsr(MSR_PAT));
	l1_vmwrite(VMCS_GUEST_DEBUGCTL, 0);
	l1_vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
	l1_vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
	l1_vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	l1_vmwrite(VMCS_LINK_POINTER, NO_GPA);
}

static void fill_host(u16 tr, const struct table_pointer *g, const struct table_pointer *i)
{
	l1_vmwrite(VMCS_HOST_CR0, read_cr0());
	l1_vmwrite(VMCS_HOST_CR3, read_cr3());
	l1_vmwrite(VMCS_HOST_CR4, read_cr4());
	l1_vmwrite(VMCS_HOST_CS_SEL, SEL_CODE64);
	l1_vmwrite(VMCS_HOST_SS_SEL, SEL_DATA);
	l1_vmwrite(VMCS_HOST_DS_SEL, SEL_DATA);
	l1_vmwrite(VMCS_HOST_ES_SEL, SEL_DATA);
	l1_vmwrite(VMCS_HOST_FS_SEL, 0);
	l1_vmwrite(VMCS_HOST_GS_SEL, 0);
	l1_vmwrite(VMCS_HOST_TR_SEL, tr);
	l1_vmwrite(VMCS_HOST_FS_BASE, rdmsr(MSR_FS_BASE));
	l1_vmwrite(VMCS_HOST_GS_BASE, rdmsr(MSR_GS_BASE));
	l1_vmwrite(VMCS_HOST_TR_BASE, tss_base(tr));
	l1_vmwrite(VMCS_HOST_GDTR_BASE, g->base);
	l1_vmwrite(VMCS_HOST_IDTR_BASE, i->base);
	l1_vmwrite(VMCS_HOST_SYSENTER_CS, 0);
	l1_vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
	l1_vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
	l1_vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
	l1_vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
	l1_vmwrite(VMCS_HOST_RIP, (u64)l2_exit);
}

void l1_fill_vmcs(struct l1_vmx *vmx, void (*l2)(void))
{
	struct table_pointer g, i;
	u16 tr;

	asm volatile("str %0" : "=r"(tr));
	asm volatile("sgdt %0" : "=m"(g));
	asm volatile("sidt %0" : "=m"(i));
	fill_controls(vmx);
	fill_guest(vmx);
	fill_guest_segments(tr);
	l1_vmwrite(VMCS_GUEST_GDTR_BASE, g.base);
	l1_vmwrite(VMCS_GUEST_GDTR_LIMIT, g.limit);
	l1_vmwrite(VMCS_GUEST_IDTR_BASE, i.base);
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, i.limit);
	fill_host(tr, &g, &i);
	l1_restart_l2(l2);
}

/* --- EPT ---------------------------------------------------------------- */

void l1_ept_build(struct l1_vmx *vmx)
{
	u64 *table = pages_alloc(6);

	vmx->ept_pml4 = table;
	table[0] = (u64)(table + 512) | EPTE_RWX;
	for (u64 i = 0; i < 4; i++)
		table[512 + i] = (u64)(table + 512 * (2 + i)) | EPTE_RWX;
	for (u64 i = 0; i < 2048; i++)
		table[1024 + i] = i << 21 | EPTE_RWX | EPTE_LARGE |
				  EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
}

static u64 *next_table(u64 entry)
{
	return (u64 *)(entry & GENMASK_ULL(51, 12));
}

u64 *l1_ept_large_entry(struct l1_vmx *vmx, u64 gpa)
{
	u64 *pdpt = next_table(vmx->ept_pml4[gpa >> 39 & 511]);

	return &next_table(pdpt[gpa >> 30 & 511])[gpa >> 21 & 511];
}

u64 *l1_ept_entry(struct l1_vmx *vmx, u64 gpa)
{
	u64 *entry = l1_ept_large_entry(vmx, gpa);
	u64 *table;

	if (*entry & EPTE_LARGE) {
		table = page_alloc();
		for (u64 i = 0; i < 512; i++)
			table[i] = (*entry & ~EPTE_LARGE) + (i << 12);
		*entry = (u64)table | EPTE_RWX;
	}
	return &next_table(*entry)[gpa >> 12 & 511];
}

void l1_invept(struct l1_vmx *vmx)
{
	struct inv_desc d = { l1_vmread(VMCS_EPT_POINTER), 0 };

	EXPECT_OUTCOME(invept(INVEPT_SINGLE, &d), VM_OK);
}
