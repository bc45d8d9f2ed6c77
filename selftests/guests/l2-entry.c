// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM entries that must fail: controls (VMfailValid 7), host state (8), guest
 * state (exit 33 with its qualification), MSR lists (exit 34), and that L1
 * goes on unchanged after each.
 * SDM: "Checks on VMX Controls", "Checks on Host Control Registers, MSRs, and
 * SSP", "Checks on the Guest State Area", "Loading MSRs".
 */
#include "vmx.h"

#define BAD_CONTROLS VM_FAIL_VALID(VMERR_BAD_CONTROLS)
#define BAD_HOST VM_FAIL_VALID(VMERR_BAD_HOST_STATE)
#define BAD_GUEST (EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE)
#define BAD_MSRS (EXIT_ENTRY_FAILED | EXIT_BAD_MSR_LOAD)
#define NON_CANONICAL 0x8000000000000000ULL
#define BEYOND (1ULL << 51)

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

/* With one field changed the entry ends so; then the field is as before. */
static void attempt(const char *name, u32 field, u64 v, u64 want)
{
	u64 old = l1_vmread(field), got;

	l1_vmwrite(field, v);
	l1_restart_l2(l2_end);
	if (field == VMCS_GUEST_RIP || field == VMCS_GUEST_RSP)
		l1_vmwrite(field, v);
	got = l1_run();
	if (got != want)
		printf("# %s = 0x%lx\n", name, (unsigned long)v);
	EXPECT_OUTCOME(got, want);
	l1_vmwrite(field, old);
}
#define TRY_FIELD(name, v, want) attempt(#name, VMCS_##name, v, want)
#define TRY_OR(name, v, want) attempt(#name, VMCS_##name, l1_vmread(VMCS_##name) | (v), want)
#define TRY_NOT(name, v, want) attempt(#name, VMCS_##name, l1_vmread(VMCS_##name) & ~(u64)(v), want)

static void still_enters(void)
{
	l1_restart_l2(l2_end);
	EXPECT_EXIT(EXIT_VMCALL);
}

static void reserved_controls(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);
	const struct vmx_caps *c = &vmx->caps;

	for (u32 bit = 1; bit; bit <<= 1) {
		if (!(c->pin.may & bit))
			TRY_OR(PIN_CTLS, bit, BAD_CONTROLS);
		if (c->pin.must & bit)
			TRY_NOT(PIN_CTLS, bit, BAD_CONTROLS);
		if (!(c->proc.may & bit))
			TRY_OR(PROC_CTLS, bit, BAD_CONTROLS);
		if (c->proc.must & bit)
			TRY_NOT(PROC_CTLS, bit, BAD_CONTROLS);
		if (!(c->proc2.may & bit))
			TRY_OR(PROC2_CTLS, bit, BAD_CONTROLS);
		if (!(c->exit.may & bit))
			TRY_OR(EXIT_CTLS, bit, BAD_CONTROLS);
		if (c->exit.must & bit)
			TRY_NOT(EXIT_CTLS, bit, BAD_CONTROLS);
		if (!(c->entry.may & bit))
			TRY_OR(ENTRY_CTLS, bit, BAD_CONTROLS);
		if (c->entry.must & bit)
			TRY_NOT(ENTRY_CTLS, bit, BAD_CONTROLS);
	}
	still_enters();
}

/* Secondary controls do not count while they are not activated. */
static void secondary_off(void)
{
	struct l1_vmx *vmx = l1_prepare_with(l2_end, L1_NO_EPT | L1_NO_VPID);

	l1_vmwrite(VMCS_PROC2_CTLS, ~vmx->caps.proc2.may);
	if (vmx->caps.proc2.may == ~0u)
		claim_skip("no reserved secondary control");
	EXPECT_EXIT(BAD_CONTROLS);
	l1_clear(VMCS_PROC_CTLS, PROC_SECONDARY);
	EXPECT_EXIT(EXIT_VMCALL);
}

static void addresses(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	TRY_OR(MSR_BITMAP, 1, BAD_CONTROLS);
	TRY_OR(MSR_BITMAP, BEYOND, BAD_CONTROLS);
	l1_set(VMCS_PROC_CTLS, PROC_IO_BITMAPS);
	TRY_OR(IO_BITMAP_A, 0x10, BAD_CONTROLS);
	TRY_OR(IO_BITMAP_B, 0x10, BAD_CONTROLS);
	TRY_OR(IO_BITMAP_B, BEYOND, BAD_CONTROLS);
	l1_clear(VMCS_PROC_CTLS, PROC_IO_BITMAPS);
	TRY_OR(IO_BITMAP_A, 0x10, EXIT_VMCALL);
	(void)vmx;
	still_enters();
}

static void ept_pointer(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	l1_need_ept(0);
	TRY_NOT(EPT_POINTER, EPTP_WALK, BAD_CONTROLS);
	TRY_FIELD(EPT_POINTER, l1_vmread(VMCS_EPT_POINTER) ^ (1 ^ 6), BAD_CONTROLS);
	TRY_OR(EPT_POINTER, BIT_ULL(8), BAD_CONTROLS);
	TRY_OR(EPT_POINTER, BEYOND, BAD_CONTROLS);
	if (!(vmx->caps.ept_vpid & EPTCAP_AD))
		TRY_OR(EPT_POINTER, EPTP_AD, BAD_CONTROLS);
	still_enters();
}

static void vpid_zero(void)
{
	l1_prepare(l2_end);
	l1_need_proc2(PROC2_VPID);
	TRY_FIELD(VPID, 0, BAD_CONTROLS);
	still_enters();
}

static void needs_other(void)
{
	l1_prepare(l2_end);
	if (ctl_may(l1_vmx()->caps.pin, PIN_VIRTUAL_NMIS)) {
		TRY_OR(PIN_CTLS, PIN_VIRTUAL_NMIS, BAD_CONTROLS); /* without NMI exiting */
		TRY_OR(PROC_CTLS, PROC_NMI_WINDOW, BAD_CONTROLS); /* without virtual NMIs */
	}
	if (ctl_may(l1_vmx()->caps.exit, EXITC_SAVE_PREEMPT_TIMER))
		TRY_OR(EXIT_CTLS, EXITC_SAVE_PREEMPT_TIMER, BAD_CONTROLS);
	if (ctl_may(l1_vmx()->caps.proc2, PROC2_UNRESTRICTED))
		TRY_FIELD(PROC2_CTLS, PROC2_UNRESTRICTED, BAD_CONTROLS); /* without EPT */
	still_enters();
}

static void cr3_target_count(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);
	u32 max = (vmx->caps.misc & MISC_CR3_TARGETS) >> MISC_CR3_TARGETS_SHIFT;

	TRY_FIELD(CR3_TARGET_COUNT, max + 1, BAD_CONTROLS);
	TRY_FIELD(CR3_TARGET_COUNT, ~0u, BAD_CONTROLS);
	TRY_FIELD(CR3_TARGET_COUNT, max, EXIT_VMCALL);
}

static void tpr_shadow(void)
{
	u64 page = (u64)page_alloc();

	l1_prepare(l2_end);
	l1_use_proc(PROC_TPR_SHADOW);
	page = (u64)page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, page);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	TRY_FIELD(VIRT_APIC_ADDR, page + 8, BAD_CONTROLS);
	TRY_FIELD(VIRT_APIC_ADDR, BEYOND, BAD_CONTROLS);
	TRY_FIELD(TPR_THRESHOLD, 0x10, BAD_CONTROLS);
	TRY_FIELD(TPR_THRESHOLD, 1, BAD_CONTROLS); /* above VTPR */
	*(u8 *)(page + 0x80) = 0x20;
	TRY_FIELD(TPR_THRESHOLD, 1, EXIT_VMCALL);
	l1_need_proc2(PROC2_APIC_ACCESS);
	l1_set(VMCS_PROC2_CTLS, PROC2_APIC_ACCESS);
	TRY_FIELD(APIC_ACCESS_ADDR, page + 8, BAD_CONTROLS);
	TRY_FIELD(APIC_ACCESS_ADDR, BEYOND, BAD_CONTROLS);
}

static void msr_list_addresses(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	TRY_FIELD(ENTRY_MSR_LOAD_ADDR, (u64)page_alloc() + 8, BAD_CONTROLS);
	TRY_FIELD(ENTRY_MSR_LOAD_ADDR, BEYOND, BAD_CONTROLS);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	TRY_FIELD(ENTRY_MSR_LOAD_ADDR, 8, EXIT_VMCALL);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	TRY_FIELD(EXIT_MSR_LOAD_ADDR, (u64)page_alloc() + 8, BAD_CONTROLS);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 1);
	TRY_FIELD(EXIT_MSR_STORE_ADDR, (u64)page_alloc() + 8, BAD_CONTROLS);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	still_enters();
}

static void injection(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | 1 << 8, BAD_CONTROLS); /* reserved type */
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI | 3, BAD_CONTROLS);
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HARD_EXC | 32, BAD_CONTROLS);
	if (!(vmx->caps.basic & BASIC_NO_ERROR_CODE))
		TRY_FIELD(ENTRY_INTR_INFO,
			  INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_UD, BAD_CONTROLS);
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | INTR_HAS_ERROR | 0x50,
		  BAD_CONTROLS);
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | BIT(13) | 0x50, BAD_CONTROLS);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, 0x10000);
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_GP,
		  BAD_CONTROLS);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, 0);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, 16);
	TRY_FIELD(ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_SOFT_INT | 0x50, BAD_CONTROLS);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, 0);
	still_enters();
}

/* --- host state ------------------------------------------------------------ */

static void host_crs(void)
{
	l1_prepare(l2_end);
	TRY_NOT(HOST_CR0, CR0_PE, BAD_HOST);
	TRY_NOT(HOST_CR0, CR0_PG, BAD_HOST);
	TRY_NOT(HOST_CR0, CR0_NE, BAD_HOST);
	TRY_NOT(HOST_CR4, CR4_VMXE, BAD_HOST);
	TRY_NOT(HOST_CR4, CR4_PAE, BAD_HOST);
	TRY_OR(HOST_CR4, BIT_ULL(15), BAD_HOST);
	TRY_OR(HOST_CR3, BEYOND, BAD_HOST);
	still_enters();
}

static void host_segments(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(HOST_CS_SEL, 0, BAD_HOST);
	TRY_FIELD(HOST_TR_SEL, 0, BAD_HOST);
	TRY_OR(HOST_CS_SEL, 3, BAD_HOST);
	TRY_OR(HOST_SS_SEL, 1, BAD_HOST);
	TRY_OR(HOST_DS_SEL, 4, BAD_HOST);
	TRY_OR(HOST_TR_SEL, 4, BAD_HOST);
	still_enters();
}

static void host_bases(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(HOST_FS_BASE, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_GS_BASE, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_TR_BASE, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_GDTR_BASE, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_IDTR_BASE, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_SYSENTER_ESP, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_SYSENTER_EIP, NON_CANONICAL, BAD_HOST);
	TRY_FIELD(HOST_RIP, NON_CANONICAL, BAD_HOST);
	still_enters();
}

static void host_msrs(void)
{
	l1_prepare(l2_end);
	l1_need_exit(EXITC_LOAD_EFER | EXITC_LOAD_PAT);
	TRY_NOT(HOST_EFER, EFER_LMA, BAD_HOST);
	TRY_NOT(HOST_EFER, EFER_LME, BAD_HOST);
	TRY_OR(HOST_EFER, BIT_ULL(1), BAD_HOST);
	TRY_FIELD(HOST_PAT, 2, BAD_HOST);
	still_enters();
}

static void host_address_size(void)
{
	l1_prepare(l2_end);
	TRY_NOT(EXIT_CTLS, EXITC_HOST_64, BAD_HOST);
	still_enters();
}

/* --- guest state ------------------------------------------------------------ */

static void guest_crs(void)
{
	l1_prepare(l2_end);
	TRY_NOT(GUEST_CR0, CR0_NE, BAD_GUEST);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	TRY_NOT(GUEST_CR4, CR4_VMXE, BAD_GUEST);
	TRY_NOT(GUEST_CR4, CR4_PAE, BAD_GUEST);
	TRY_OR(GUEST_CR4, BIT_ULL(15), BAD_GUEST);
	TRY_NOT(GUEST_CR0, CR0_PE, BAD_GUEST); /* with PG */
	TRY_OR(GUEST_CR3, BEYOND, BAD_GUEST);
	still_enters();
}

static void guest_msrs(void)
{
	l1_prepare(l2_end);
	l1_need_entry(ENTRYC_LOAD_EFER | ENTRYC_LOAD_PAT);
	TRY_NOT(GUEST_EFER, EFER_LMA, BAD_GUEST);
	TRY_OR(GUEST_EFER, BIT_ULL(1), BAD_GUEST);
	TRY_FIELD(GUEST_PAT, 2, BAD_GUEST);
	TRY_OR(GUEST_DR7, BIT_ULL(40), BAD_GUEST);
	TRY_FIELD(GUEST_SYSENTER_EIP, NON_CANONICAL, BAD_GUEST);
	TRY_FIELD(GUEST_SYSENTER_ESP, NON_CANONICAL, BAD_GUEST);
	still_enters();
}

static void guest_debugctl(void)
{
	l1_prepare(l2_end);
	TRY_OR(GUEST_DEBUGCTL, BIT_ULL(40), BAD_GUEST);
	still_enters();
}

/* A processor that lets it through raises #GP at once: no harm then. */
static void guest_rip(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
	TRY_FIELD(GUEST_RIP, NON_CANONICAL, BAD_GUEST);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	still_enters();
}

static void guest_rflags(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(GUEST_RFLAGS, 0, BAD_GUEST);
	TRY_OR(GUEST_RFLAGS, BIT_ULL(3), BAD_GUEST);
	TRY_OR(GUEST_RFLAGS, BIT_ULL(22), BAD_GUEST);
	TRY_OR(GUEST_RFLAGS, RFLAGS_VM, BAD_GUEST); /* in 64-bit mode */
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | 0x50);
	TRY_FIELD(GUEST_RFLAGS, RFLAGS_FIXED, BAD_GUEST); /* injection with IF clear */
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	still_enters();
}

static void guest_segments(void)
{
	l1_prepare(l2_end);
	TRY_OR(GUEST_TR_SEL, 4, BAD_GUEST);
	TRY_FIELD(GUEST_TR_AR, 0x83, BAD_GUEST); /* a 16-bit busy TSS in IA-32e mode */
	TRY_OR(GUEST_TR_AR, AR_UNUSABLE, BAD_GUEST);
	TRY_FIELD(GUEST_TR_LIMIT, 0x100067, BAD_GUEST); /* G is 0 */
	TRY_NOT(GUEST_CS_AR, AR_P, BAD_GUEST);
	TRY_NOT(GUEST_CS_AR, AR_S, BAD_GUEST);
	TRY_NOT(GUEST_CS_AR, 8, BAD_GUEST);    /* data */
	TRY_NOT(GUEST_CS_AR, 1, BAD_GUEST);    /* not accessed */
	TRY_OR(GUEST_CS_AR, AR_DB, BAD_GUEST); /* with L */
	TRY_OR(GUEST_CS_AR, BIT(17), BAD_GUEST);
	TRY_OR(GUEST_SS_AR, BIT(9), BAD_GUEST);
	TRY_OR(GUEST_SS_AR, 3 << AR_DPL_SHIFT, BAD_GUEST); /* unlike RPL */
	TRY_FIELD(GUEST_FS_BASE, NON_CANONICAL, BAD_GUEST);
	TRY_FIELD(GUEST_TR_BASE, NON_CANONICAL, BAD_GUEST);
	TRY_FIELD(GUEST_CS_BASE, 1ULL << 32, BAD_GUEST);
	still_enters();
}

static void guest_tables(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(GUEST_GDTR_BASE, NON_CANONICAL, BAD_GUEST);
	TRY_FIELD(GUEST_IDTR_BASE, NON_CANONICAL, BAD_GUEST);
	TRY_FIELD(GUEST_GDTR_LIMIT, 0x10000, BAD_GUEST);
	TRY_FIELD(GUEST_IDTR_LIMIT, 0x10000, BAD_GUEST);
	still_enters();
}

static void guest_activity(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(GUEST_ACTIVITY, 4, BAD_GUEST);
	TRY_FIELD(GUEST_ACTIVITY, ~0u, BAD_GUEST);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_STI);
	TRY_FIELD(GUEST_ACTIVITY, ACTIVITY_HLT, BAD_GUEST);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	still_enters();
}

static void guest_interruptibility(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, BIT(5), BAD_GUEST);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_STI, BAD_GUEST); /* IF is clear */
	l1_set(VMCS_GUEST_RFLAGS, RFLAGS_IF);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_STI | IRQBLK_MOV_SS, BAD_GUEST);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_SMI, BAD_GUEST);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | 0x50);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_STI, BAD_GUEST);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_MOV_SS, BAD_GUEST);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
	TRY_FIELD(GUEST_INTERRUPTIBILITY, IRQBLK_MOV_SS, BAD_GUEST);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	still_enters();
}

static void guest_pending_debug(void)
{
	l1_prepare(l2_end);
	TRY_FIELD(GUEST_PENDING_DBG, BIT(4), BAD_GUEST);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u); /* #DB if it enters after all */
	l1_set(VMCS_GUEST_RFLAGS, RFLAGS_IF | RFLAGS_TF);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_STI);
	TRY_FIELD(GUEST_PENDING_DBG, 0, BAD_GUEST); /* TF wants BS */
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	TRY_FIELD(GUEST_PENDING_DBG, DBG_BS, BAD_GUEST);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	still_enters();
}

static void link_pointer(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	TRY_FIELD(LINK_POINTER, 8, BAD_GUEST);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), ENTRYQ_LINK);
	TRY_FIELD(LINK_POINTER, BEYOND, BAD_GUEST);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), ENTRYQ_LINK);
	TRY_FIELD(LINK_POINTER, (u64)vmx->vmcs, BAD_GUEST);
	TRY_FIELD(LINK_POINTER, (u64)page_alloc(), BAD_GUEST); /* revision 0 */
	still_enters();
}

static void bad_pdpte(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	l1_need_ept(0);
	(void)vmx;
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, l1_vmread(VMCS_GUEST_EFER) & ~(EFER_LMA | EFER_LME));
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	l1_vmwrite(VMCS_GUEST_PDPTE0, 0x1006 | 1);
	EXPECT_EXIT(BAD_GUEST);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), ENTRYQ_PDPTE);
}

/* --- MSR lists --------------------------------------------------------------- */

static void msr_load(void)
{
	struct msr_entry *list;

	l1_prepare(l2_end);
	list = page_alloc();
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	list[0] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0x1000 };
	list[1] = (struct msr_entry){ MSR_FS_BASE, 0, 0 };
	EXPECT_EXIT(BAD_MSRS);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 2); /* the entry that failed, from 1 */
	list[1] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 1, 0 };
	EXPECT_EXIT(BAD_MSRS);
	list[1] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, NON_CANONICAL };
	EXPECT_EXIT(BAD_MSRS);
	list[1] = (struct msr_entry){ 0x808, 0, 0 }; /* x2APIC */
	EXPECT_EXIT(BAD_MSRS);
	list[0].index = MSR_GS_BASE;
	EXPECT_EXIT(BAD_MSRS);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 1);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	still_enters();
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

/* L2 has an ES of its own and sees SYSENTER_EIP, which lists can load. */
static void l2_es(void)
{
	asm volatile("mov %0, %%es" : : "r"(0));
	l2_vmcall(0x600d);
}

/* What the list has loaded before it failed is not L2's at the next entry. */
static void msr_load_undone(void)
{
	struct msr_entry *list;
	u64 eip;

	l1_prepare(l2_es);
	EXPECT_EXIT(EXIT_VMCALL);
	eip = l1_vmread(VMCS_GUEST_SYSENTER_EIP);
	l1_skip_insn();
	list = page_alloc();
	list[0] = (struct msr_entry){ MSR_SYSENTER_EIP, 0, eip ^ 0x1000 };
	list[1] = (struct msr_entry){ MSR_FS_BASE, 0, 0 };
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	EXPECT_EXIT(BAD_MSRS);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	still_enters();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SYSENTER_EIP), eip);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ES_SEL), 0);
}

/* In shutdown no debug exception is pending: L2 stays there. */
static void pending_in_shutdown(void)
{
	l1_prepare(l2_unreachable);
	l1_use_pin(PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 100);
	l1_vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_SHUTDOWN);
	l1_vmwrite(VMCS_GUEST_PENDING_DBG, DBG_ENABLED_BPT | 1);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_ACTIVITY), ACTIVITY_SHUTDOWN);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PENDING_DBG), 0);
}

/* After a failed entry L1's state is the host state, and nothing of L2 ran. */
static void host_state_after(void)
{
	u64 cr3 = read_cr3(), pat = rdmsr(MSR_PAT);

	l1_prepare(l2_unreachable);
	l1_vmwrite(VMCS_GUEST_PAT, 0x0606060606060606);
	l1_vmwrite(VMCS_GUEST_RFLAGS, 0);
	EXPECT_EXIT(BAD_GUEST);
	GUEST_EXPECT(read_cr3(), cr3);
	GUEST_EXPECT(rdmsr(MSR_PAT), pat);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_unreachable);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS), 0);
	/* It has not been launched. */
	EXPECT_OUTCOME(vmresume(l1_vmx()), VM_FAIL_VALID(VMERR_VMRESUME_NOT_LAUNCHED));
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
	l1_restart_l2(l2_end);
	EXPECT_EXIT(EXIT_VMCALL);
}

static void many_failures(void)
{
	l1_prepare(l2_end);
	for (int i = 0; i < 200; i++) {
		TRY_FIELD(GUEST_RFLAGS, 0, BAD_GUEST);
		TRY_FIELD(HOST_RIP, NON_CANONICAL, BAD_HOST);
		TRY_FIELD(CR3_TARGET_COUNT, ~0u, BAD_CONTROLS);
	}
	still_enters();
}

/* The controls have not changed since they were valid, but what they depend on has. */
static void injection_again(void)
{
	l1_prepare(l2_end);
	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_AC);
	TRY_FIELD(GUEST_RFLAGS, 0, BAD_GUEST);
	TRY_NOT(GUEST_CR0, CR0_PE | CR0_PG, BAD_CONTROLS);
	TRY_FIELD(GUEST_RFLAGS, 0, BAD_GUEST);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	still_enters();
}

CLAIMS = { { reserved_controls, "each reserved control bit: error 7" },
	   { secondary_off, "secondary controls count only when activated" },
	   { addresses, "bitmap addresses: error 7" },
	   { ept_pointer, "EPT pointer: error 7" },
	   { vpid_zero, "VPID 0: error 7" },
	   { needs_other, "controls that need another: error 7" },
	   { cr3_target_count, "CR3-target count: error 7" },
	   { tpr_shadow, "virtual-APIC page, TPR threshold, APIC-access page: error 7" },
	   { msr_list_addresses, "MSR lists' addresses, when their count is not 0: error 7" },
	   { injection, "event injection: error 7" },
	   { injection_again, "an error code, once CR0.PE is 0: error 7" },
	   { host_crs, "host CR0, CR3, CR4: error 8" },
	   { host_segments, "host selectors: error 8" },
	   { host_bases, "host bases and RIP: error 8" },
	   { host_msrs, "host EFER and PAT: error 8" },
	   { host_address_size, "host address-space size: error 8" },
	   { guest_crs, "guest CR0, CR3, CR4: exit 33" },
	   { guest_msrs, "guest EFER, PAT, DR7, SYSENTER: exit 33" },
	   { guest_debugctl, "guest DEBUGCTL: exit 33" },
	   { guest_rip, "guest RIP that is not canonical: exit 33" },
	   { guest_rflags, "guest RFLAGS: exit 33" },
	   { guest_segments, "guest segments: exit 33" },
	   { guest_tables, "guest GDTR and IDTR: exit 33" },
	   { guest_activity, "activity state: exit 33" },
	   { guest_interruptibility, "interruptibility state: exit 33" },
	   { guest_pending_debug, "pending debug exceptions: exit 33" },
	   { link_pointer, "VMCS link pointer: exit 33, qualification 4" },
	   { bad_pdpte, "a reserved bit in a PDPTE: exit 33, qualification 2" },
	   { msr_load, "MSR-load list: exit 34 with the entry's number" },
	   { host_state_after,
	     "after exit 33 L1's state is the host state, the VMCS is not launched" },
	   { many_failures, "600 failed entries, then one that enters" },
	   { msr_load_undone, "what a failed MSR-load list loaded is not L2's later" },
	   { pending_in_shutdown, "in shutdown no debug exception is pending" },
	   END_OF_CLAIMS };
