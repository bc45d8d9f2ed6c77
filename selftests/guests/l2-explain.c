// SPDX-License-Identifier: GPL-2.0-only
/*
 * One broken rule after another, for who watches to explain (explain.sh), and
 * what L1 itself learns of each.
 */
#include "vmx.h"

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void l2_ud(void)
{
	asm volatile("ud2");
}

static void vpid_0(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_VPID, 0);
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

static void host_tr_rpl(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_HOST_TR_SEL, l1_vmread(VMCS_HOST_TR_SEL) | 3);
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_HOST_STATE));
}

static void guest_rflags(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_GUEST_RFLAGS, 0);
	EXPECT_OUTCOME(l1_run(), EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE);
}

static void msr_load(void)
{
	struct msr_entry *list;

	l1_prepare(l2_end);
	list = page_alloc();
	list[0] = (struct msr_entry){ MSR_KERNEL_GS_BASE, 0, 0 };
	list[1] = (struct msr_entry){ MSR_GS_BASE, 0, 0 };
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 2);
	EXPECT_OUTCOME(l1_run(), EXIT_ENTRY_FAILED | EXIT_BAD_MSR_LOAD);
}

static void unsupported_field(void)
{
	l1_prepare(l2_end);
	EXPECT_OUTCOME(vmwrite(0x7ffe, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
}

static void triple_fault(void)
{
	l1_prepare(l2_ud);
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, 0);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	EXPECT_EXIT(EXIT_TRIPLE_FAULT);
}

CLAIMS = { { vpid_0, "VPID 0: error 7" },
	   { host_tr_rpl, "RPL 3 in host TR: error 8" },
	   { guest_rflags, "RFLAGS of 0: exit 33" },
	   { msr_load, "GS_BASE in an MSR-load list: exit 34" },
	   { unsupported_field, "VMWRITE of no field: error 12" },
	   { triple_fault, "L2 without an IDT: triple fault" },
	   END_OF_CLAIMS };
