// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries in which what L1's controls speak of is not there, or is no more what the checks
 * found: L0 must make them as the processor does, or fail them by a check of its own. One
 * that the processor refuses shows in L0's counter alone (run-tests looks at it).
 * SDM: "Checks on VMX Controls", "Checks on the Guest State Area", "Virtualizing
 * Memory-Mapped APIC Accesses", "Saving Control Registers, Debug Registers, and MSRs".
 */
#include "irqchip.h"
#include "vmx.h"

#define NO_MEMORY 0xf0000000ULL /* neither memory nor a device */
#define ACCESS 0x3e200000ULL
#define WB (EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT)
#define BAD_GUEST (EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE)
#define VTPR 0x80
#define MSR_MTRRCAP 0xfe /* L0 has its own: each RDMSR exits to it */

static u8 *vapic;
static u64 *seen;

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void use_tpr_shadow(u32 threshold, u8 vtpr)
{
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	vapic[VTPR] = vtpr;
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, threshold);
}

/* --- pages without memory ------------------------------------------------------------ */

static void l2_apic(void)
{
	seen[0] = *(volatile u32 *)(ACCESS + VTPR);
	seen[1] = *(volatile u32 *)(ACCESS + 0x30);
	l2_end();
}

/* The threshold is looked at after the entry, not before it, whatever is at the address. */
static void threshold(void)
{
	l1_prepare(l2_end);
	use_tpr_shadow(15, 0);
	l1_use_proc2(PROC2_APIC_ACCESS);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, NO_MEMORY);
	EXPECT_EXIT(EXIT_TPR_BELOW);
}

/* The TPR is on the virtual-APIC page; the other register is L1's to give. */
static void accesses(u32 flags)
{
	struct l1_vmx *vmx = l1_prepare_with(l2_apic, flags);

	seen = page_alloc();
	use_tpr_shadow(0, 0x50);
	l1_use_proc2(PROC2_APIC_ACCESS);
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, NO_MEMORY);
	*page_entry(ACCESS) = (flags & L1_NO_EPT ? NO_MEMORY : ACCESS) | 3;
	if (!(flags & L1_NO_EPT))
		*l1_ept_entry(vmx, ACCESS) = NO_MEMORY | EPTE_RWX | WB;
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	GUEST_EXPECT(APICQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), APICQ_TYPE_READ);
	GUEST_EXPECT(APICQ_OFFSET(l1_vmread(VMCS_EXIT_QUAL)), 0x30);
	GUEST_EXPECT(seen[0], 0x50);
}

static void accesses_with_ept(void)
{
	l1_prepare(l2_end);
	l1_need_ept(0);
	accesses(0);
}

static void accesses_without_ept(void)
{
	accesses(L1_NO_EPT);
}

/* The same address is a device again when the control is off, and no page of L0's. */
static void device_again(void)
{
	accesses_with_ept();
	l1_clear(VMCS_PROC2_CTLS, PROC2_APIC_ACCESS);
	seen[0] = seen[1] = 0;
	l1_restart_l2(l2_apic);
	expect_end();
	GUEST_EXPECT(seen[0], 0xffffffff);
	GUEST_EXPECT(seen[1], 0xffffffff);
}

static void l2_reads_cr8(void)
{
	u64 v;

	asm volatile("mov %%cr8, %0" : "=r"(v));
	seen[0] = v;
	l2_end();
}

/* What is not there reads as ones. */
static void no_virtual_apic(void)
{
	l1_prepare(l2_reads_cr8);
	seen = page_alloc();
	use_tpr_shadow(15, 0);
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, NO_MEMORY);
	expect_end();
	GUEST_EXPECT(seen[0], 15);
}

/* A bitmap of ones: each MSR exits. */
static void l2_reads_msr(void)
{
	(void)rdmsr(MSR_FS_BASE);
	l2_end();
}

static void no_msr_bitmap(void)
{
	l1_prepare(l2_reads_msr);
	l1_use_proc(PROC_MSR_BITMAPS);
	l1_vmwrite(VMCS_MSR_BITMAP, NO_MEMORY);
	EXPECT_EXIT(EXIT_RDMSR);
}

/* --- what is no more as the checks found it -------------------------------------------- */

/* L2 has L1's memory, and L0 something to do for it. */
static void l2_lowers_vtpr(void)
{
	vapic[VTPR] = 0x20;
	(void)rdmsr(MSR_MTRRCAP);
	vapic[VTPR] = 0;
	(void)rdmsr(MSR_MTRRCAP);
	vapic[VTPR] = 0xf0;
	(void)rdmsr(MSR_MTRRCAP);
	l2_end();
}

static void vtpr_lowered(void)
{
	l1_prepare(l2_lowers_vtpr);
	use_tpr_shadow(9, 0xa0);
	expect_end();
	l1_restart_l2(l2_end);
	vapic[VTPR] = 0x20;
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	vapic[VTPR] = 0x90;
	expect_end();
}

static void l2_lowers_tpr(void)
{
	asm volatile("mov %0, %%cr8" : : "r"(8ULL));
	l2_end();
}

/* The threshold that L1 wrote is in force again after that. */
static void threshold_back(void)
{
	vtpr_lowered();
	l1_restart_l2(l2_lowers_tpr);
	EXPECT_EXIT(EXIT_TPR_BELOW);
}

static const u8 turn_paging_on[] = {
	0x0f, 0x20, 0xc0,	      /* mov eax, cr0 */
	0x0d, 0x00, 0x00, 0x00, 0x80, /* or eax, PG */
	0x0f, 0x22, 0xc0,	      /* mov cr0, eax */
	0x0f, 0x01, 0xc1,	      /* vmcall */
};

/* L2 leaves for IA-32e mode, and vmcs12's EFER stays what L1 wrote. */
static void long_mode(void)
{
	l1_prepare(l2_end);
	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	l1_need_entry(ENTRYC_LOAD_EFER);
	memcpy((void *)LOW_SCRATCH, turn_paging_on, sizeof(turn_paging_on));
	l1_vmwrite(VMCS_GUEST_CR0, read_cr0() & ~CR0_PG);
	l1_vmwrite(VMCS_GUEST_EFER, rdmsr(MSR_EFER) & ~(u64)EFER_LMA);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_clear(VMCS_EXIT_CTLS, EXITC_SAVE_EFER);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	l1_vmwrite(VMCS_GUEST_RIP, LOW_SCRATCH);
	l1_vmwrite(VMCS_GUEST_RSP, LOW_SCRATCH + 0x800);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_ASSERT(l1_vmread(VMCS_ENTRY_CTLS) & ENTRYC_GUEST_64);
	EXPECT_OUTCOME(l1_run(), BAD_GUEST);
	l1_set(VMCS_GUEST_EFER, EFER_LMA);
	EXPECT_EXIT(EXIT_VMCALL);
}

CLAIMS = {
	{ threshold, "a TPR threshold above VTPR, with an APIC-access page that is no memory" },
	{ accesses_with_ept, "L2's accesses to such a page are virtualized, or exit" },
	{ accesses_without_ept, "likewise if L1 uses no EPT" },
	{ device_again, "without the control nothing of it is left" },
	{ no_virtual_apic, "a virtual-APIC page that is no memory reads as ones" },
	{ no_msr_bitmap, "so does an MSR bitmap" },
	{ vtpr_lowered, "VTPR sinks below the threshold while L2 runs" },
	{ threshold_back, "which is in force again from the next entry on" },
	{ long_mode, "L2 is in IA-32e mode, and the EFER to be loaded is not" },
	END_OF_CLAIMS,
};
