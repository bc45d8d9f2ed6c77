// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exit that cannot load L1's MSRs is a VMX abort: L1 shuts down, as by a triple
 * fault. No plan is fulfilled here, the one that runs this image expects that end.
 * SDM: "VMX Aborts".
 */
#include "vmx.h"

static void l2_end(void)
{
	l2_vmcall(0);
}

static void msr_load_abort(void)
{
	struct msr_entry *list = page_alloc();

	l1_prepare(l2_end);
	list->index = MSR_FS_BASE;
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_ADDR, (u64)list);
	l1_vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 1);
	puts_raw("# now\n");
	l1_run();
}

CLAIMS = { { msr_load_abort, "L1 ends before this line" }, END_OF_CLAIMS };
