// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is built on EPT: EPTP switching by VMFUNC, EPT violations as exceptions
 * of L2, and the log of modified pages.
 * SDM: "VM Functions", "Virtualization Exceptions", "Page-Modification Logging".
 */
#include "vmx.h"

/* Where nothing else of L2's is. */
#define PLAYGROUND 0x3e000000ULL
#define PAGE_ENTRY (EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT)

static volatile u64 l2_value[4];

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- VMFUNC ------------------------------------------------------------- */

static volatile u32 l2_function, l2_index;
static u64 *eptp_list;

static void l2_vmfunc(void)
{
	l2_value[0] = *(volatile u64 *)PLAYGROUND;
	l2_value[2] = TRY("vmfunc", : : "a"(l2_function), "c"(l2_index));
	l2_value[1] = *(volatile u64 *)PLAYGROUND;
	l2_vmcall(0x600d);
}

/* Two EPTs in which the playground differs: 10 in the first, 20 in the second. */
static void use_vmfunc(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmfunc);
	u64 *page = pages_alloc(2);

	l1_need_ept(0);
	l1_need_proc2(PROC2_VMFUNC);
	eptp_list = page_alloc();
	for (int i = 0; i < 2; i++) {
		page[512 * i] = 10 + 10 * i;
		if (i)
			l1_ept_build(vmx);
		*l1_ept_entry(vmx, PLAYGROUND) = (u64)(page + 512 * i) | PAGE_ENTRY;
		eptp_list[i] = (u64)vmx->ept_pml4 | EPTP_WALK_4 | EPTP_MEMTYPE_WB;
	}
	l1_vmwrite(VMCS_EPT_POINTER, eptp_list[0]);
	l1_use_proc2(PROC2_VMFUNC);
	l1_vmwrite(VMCS_VMFUNC_CTLS, VMFUNC_EPTP_SWITCHING);
	l1_vmwrite(VMCS_EPTP_LIST_ADDR, (u64)eptp_list);
	l2_function = 0;
	l2_index = 1;
}

static void switches(void)
{
	use_vmfunc();
	expect_end();
	GUEST_EXPECT(l2_value[0], 10);
	GUEST_EXPECT(l2_value[1], 20);
	GUEST_EXPECT(l1_vmread(VMCS_EPT_POINTER), eptp_list[1]);
	l2_index = 0;
	l1_restart_l2(l2_vmfunc);
	expect_end();
	GUEST_EXPECT(l2_value[0], 20);
	GUEST_EXPECT(l2_value[1], 10);
	GUEST_EXPECT(l1_vmread(VMCS_EPT_POINTER), eptp_list[0]);
}

static void not_enabled(void)
{
	use_vmfunc();
	l1_clear(VMCS_PROC2_CTLS, PROC2_VMFUNC);
	expect_end();
	GUEST_EXPECT(l2_value[2], VEC_UD);
	GUEST_EXPECT(l2_value[1], 10);
}

static void expect_vmfunc_exit(void)
{
	EXPECT_EXIT(EXIT_VMFUNC);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
	GUEST_EXPECT(l1_vmread(VMCS_EPT_POINTER), eptp_list[0]);
	l1_skip_insn();
	expect_end();
	GUEST_EXPECT(l2_value[1], 10);
}

static void unknown_functions(void)
{
	static const u32 functions[] = { 1, 32, 63 };

	for (u32 i = 0; i < ARRAY_SIZE(functions); i++) {
		use_vmfunc();
		l2_function = functions[i];
		expect_vmfunc_exit();
	}
	use_vmfunc();
	l1_vmwrite(VMCS_VMFUNC_CTLS, 0);
	expect_vmfunc_exit();
}

static void no_functions(void)
{
	static const u32 functions[] = { 64, 0x80000000 };

	for (u32 i = 0; i < ARRAY_SIZE(functions); i++) {
		use_vmfunc();
		l2_function = functions[i];
		expect_end();
		GUEST_EXPECT(l2_value[2], VEC_UD);
	}
}

static void beyond_the_list(void)
{
	use_vmfunc();
	l2_index = 512;
	expect_vmfunc_exit();
}

static void bad_pointers(void)
{
	static const u64 wrong[] = { 7, 0x80, 1ULL << 51, EPTP_WALK };

	for (u32 i = 0; i < ARRAY_SIZE(wrong); i++) {
		use_vmfunc();
		eptp_list[1] ^= wrong[i];
		expect_vmfunc_exit();
	}
}

static void vmfunc_controls(void)
{
	use_vmfunc();
	l1_vmwrite(VMCS_VMFUNC_CTLS, 2);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	l1_vmwrite(VMCS_VMFUNC_CTLS, VMFUNC_EPTP_SWITCHING);
	l1_vmwrite(VMCS_EPTP_LIST_ADDR, (u64)eptp_list + 8);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

/* --- #VE ---------------------------------------------------------------- */

struct ve_info {
	u32 reason, busy;
	u64 qual, gla, gpa;
	u16 eptp_index;
};

static struct ve_info *ve_info;
static u64 *ve_entry, ve_page;
static volatile u32 ves;

/* L2's handler: let the access through, and the next exception as well. */
static void on_ve(struct trap_frame *frame)
{
	ves++;
	l2_value[1] = frame->rip;
	*ve_entry = ve_page | PAGE_ENTRY;
	ve_info->busy = 0;
}

static void l2_read(void)
{
	l2_value[0] = *(volatile u64 *)(PLAYGROUND + 0x18);
	l2_vmcall(0x600d);
}

static void l2_write(void)
{
	*(volatile u64 *)(PLAYGROUND + 0x18) = 5;
	l2_vmcall(0x600d);
}

static void use_ve(void (*l2)(void), u64 entry)
{
	struct l1_vmx *vmx = l1_prepare(l2);

	l1_need_ept(0);
	l1_use_proc2(PROC2_EPT_VE);
	ve_info = page_alloc();
	l1_vmwrite(VMCS_VE_INFO_ADDR, (u64)ve_info);
	l1_vmwrite(VMCS_EPTP_INDEX, 7);
	ve_page = (u64)page_alloc();
	((u64 *)ve_page)[3] = 0x77;
	ve_entry = l1_ept_entry(vmx, PLAYGROUND);
	*ve_entry = entry;
	ves = 0;
	on_trap(VEC_VE, on_ve);
}

static void ve_absent(void)
{
	use_ve(l2_read, 0);
	expect_end();
	GUEST_EXPECT(ves, 1);
	GUEST_EXPECT(l2_value[0], 0x77);
	GUEST_EXPECT(ve_info->reason, EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ve_info->qual & 0x1bf, EPTQ_READ | EPTQ_LINEAR_VALID | EPTQ_FINAL);
	GUEST_EXPECT(ve_info->gla, PLAYGROUND + 0x18);
	GUEST_EXPECT(ve_info->gpa, PLAYGROUND + 0x18);
	GUEST_ASSERT(l2_value[1] >= (u64)l2_read && l2_value[1] < (u64)l2_read + 32);
}

static void ve_index_field(void)
{
	use_ve(l2_read, 0);
	expect_end();
	GUEST_EXPECT(ve_info->eptp_index, 7);
}

static void ve_read_only(void)
{
	use_ve(l2_write, 0);
	*ve_entry = ve_page | (PAGE_ENTRY & ~EPTE_W);
	expect_end();
	GUEST_EXPECT(ves, 1);
	GUEST_EXPECT(((u64 *)ve_page)[3], 5);
	GUEST_EXPECT(ve_info->qual & 0x3f, EPTQ_WRITE | EPTQ_CAN_READ | EPTQ_CAN_EXEC);
}

static void ve_suppressed(void)
{
	use_ve(l2_read, EPTE_SUPPRESS_VE);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ve_info->busy, 0);
	use_ve(l2_write, 0);
	*ve_entry = ve_page | (PAGE_ENTRY & ~EPTE_W) | EPTE_SUPPRESS_VE;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ves, 0);
}

static void ve_busy(void)
{
	use_ve(l2_read, 0);
	ve_info->busy = 1;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ve_info->reason, 0);
	GUEST_EXPECT(ve_info->busy, 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), PLAYGROUND + 0x18);
}

static void ve_intercepted(void)
{
	use_ve(l2_read, 0);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_VE));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO), INTR_VALID | INTR_TYPE_HARD_EXC | VEC_VE);
	GUEST_EXPECT(ve_info->busy, ~0u);
	GUEST_EXPECT(ves, 0);
}

/* While an event is delivered the violation is an exit. */
static void ve_vectoring(void)
{
	use_ve(l2_read, 0);
	l1_vmwrite(VMCS_GUEST_RSP, PLAYGROUND + 0x800);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | 0x51);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ve_info->busy, 0);
}

static void ve_not_asked_for(void)
{
	use_ve(l2_read, 0);
	l1_clear(VMCS_PROC2_CTLS, PROC2_EPT_VE);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(ve_info->busy, 0);
}

static void ve_area(void)
{
	use_ve(l2_unreachable, 0);
	l1_vmwrite(VMCS_VE_INFO_ADDR, (u64)ve_info + 8);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

static void l2_vmfunc_then_violates(void)
{
	TRY("vmfunc", : : "a"(0), "c"(1));
	l2_value[0] = *(volatile u64 *)(PLAYGROUND + 0x1000);
	l2_vmcall(0x600d);
}

static void ve_index(void)
{
	struct l1_vmx *vmx;

	use_vmfunc();
	vmx = l1_vmx();
	l1_restart_l2(l2_vmfunc_then_violates);
	l1_use_proc2(PROC2_EPT_VE);
	ve_info = page_alloc();
	l1_vmwrite(VMCS_VE_INFO_ADDR, (u64)ve_info);
	l1_vmwrite(VMCS_EPTP_INDEX, 7);
	ve_page = (u64)page_alloc();
	ve_entry = l1_ept_entry(vmx, PLAYGROUND + 0x1000); /* of the second EPT */
	*ve_entry = 0;
	on_trap(VEC_VE, on_ve);
	expect_end();
	GUEST_EXPECT(ve_info->eptp_index, 1);
	GUEST_EXPECT(l1_vmread(VMCS_EPTP_INDEX), 1);
}

/* --- PML ---------------------------------------------------------------- */

static u64 *pml, *pml_entry;

static u64 logged(int index)
{
	return pml[index] & ~0xfffULL;
}

static void l2_writes_pages(void)
{
	for (u64 i = 0; i < 3; i++) {
		*(volatile u64 *)(PLAYGROUND + 0x1000 * i + 0x18) = i;
		*(volatile u64 *)(PLAYGROUND + 0x1000 * i + 0x20) = i;
		(void)*(volatile u64 *)(PLAYGROUND + 0x5000);
	}
	l2_vmcall(0x600d);
}

/* Every page but those of the playground is dirty from the start. */
static void use_pml(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_writes_pages);

	l1_need_ept(EPTCAP_AD);
	l1_use_proc2(PROC2_PML);
	for (u64 gpa = 0; gpa < 1ULL << 32; gpa += 1 << 21)
		*l1_ept_large_entry(vmx, gpa) |= EPTE_A | EPTE_D;
	pml_entry = l1_ept_entry(vmx, PLAYGROUND);
	for (u64 i = 0; i < 8; i++)
		pml_entry[i] = (u64)page_alloc() | PAGE_ENTRY;
	pml = page_alloc();
	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	l1_vmwrite(VMCS_PML_ADDR, (u64)pml);
	l1_vmwrite(VMCS_PML_INDEX, 511);
}

static void pml_logs(void)
{
	use_pml();
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_PML_INDEX), 508);
	GUEST_EXPECT(logged(511), PLAYGROUND);
	GUEST_EXPECT(logged(510), PLAYGROUND + 0x1000);
	GUEST_EXPECT(logged(509), PLAYGROUND + 0x2000);
	GUEST_EXPECT(pml[508], 0);
}

static void pml_aligned(void)
{
	use_pml();
	expect_end();
	GUEST_EXPECT(pml[511], PLAYGROUND);
}

static void pml_again(void)
{
	use_pml();
	expect_end();
	pml_entry[1] &= ~EPTE_D;
	l1_invept(l1_vmx());
	l1_restart_l2(l2_writes_pages);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_PML_INDEX), 507);
	GUEST_EXPECT(logged(508), PLAYGROUND + 0x1000);
}

static void pml_fills(void)
{
	use_pml();
	l1_vmwrite(VMCS_PML_INDEX, 1);
	EXPECT_EXIT(EXIT_PML_FULL);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	GUEST_EXPECT(l1_vmread(VMCS_PML_INDEX), 0xffff);
	GUEST_EXPECT(logged(1), PLAYGROUND);
	GUEST_EXPECT(logged(0), PLAYGROUND + 0x1000);
	GUEST_ASSERT(pml_entry[1] & EPTE_D);
	GUEST_EXPECT(pml_entry[2] & EPTE_D, 0);
	l1_vmwrite(VMCS_PML_INDEX, 511);
	expect_end();
	GUEST_EXPECT(logged(511), PLAYGROUND + 0x2000);
}

static void pml_needs_flags(void)
{
	use_pml();
	l1_clear(VMCS_EPT_POINTER, EPTP_AD);
	l1_vmwrite(VMCS_PML_INDEX, 0xffff);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_PML_INDEX), 0xffff);
	GUEST_EXPECT(pml_entry[0] & EPTE_D, 0);
}

static void pml_controls(void)
{
	use_pml();
	l1_vmwrite(VMCS_PML_ADDR, (u64)pml + 8);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	use_pml();
	l1_clear(VMCS_PROC2_CTLS, PROC2_EPT);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

CLAIMS = { { switches, "VMFUNC 0 switches to another EPT and back, without an exit" },
	   { not_enabled, "VMFUNC that is not enabled raises #UD" },
	   { unknown_functions, "a VM function that is not enabled exits" },
	   { no_functions, "a function above 63 raises #UD" },
	   { beyond_the_list, "EPTP switching beyond entry 511 exits" },
	   { bad_pointers, "EPTP switching to a pointer that no entry takes exits" },
	   { vmfunc_controls, "a wrong VM-function control or list: the entry fails" },
	   { ve_absent, "an absent page raises #VE, with its information" },
	   { ve_read_only, "a write to a read-only page raises #VE" },
	   { ve_suppressed, "bit 63 of the entry that decides makes it an exit" },
	   { ve_busy, "while the area is busy it is an exit" },
	   { ve_intercepted, "#VE is subject to the exception bitmap" },
	   { ve_vectoring, "a violation in delivering an event is an exit" },
	   { ve_not_asked_for, "without the control it is an exit" },
	   { ve_area, "an unaligned information area: the entry fails" },
	   { ve_index, "EPTP switching sets the EPTP index" },
	   { ve_index_field, "the information has the VMCS' EPTP index" },
	   { pml_logs, "the first write to each page is logged, downwards" },
	   { pml_aligned, "what is logged is the page's address" },
	   { pml_again, "a page that L1 has cleaned is logged again" },
	   { pml_fills, "a full log exits before the dirty flag is set" },
	   { pml_needs_flags, "without dirty flags nothing is logged" },
	   { pml_controls, "an unaligned log, or one without EPT: the entry fails" },
	   END_OF_CLAIMS };
