// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which entries of MSR-load and MSR-store areas are allowed. Pure: the rows are
 * in check/msr_load.def and check/msr_store.def. Tour, stop 10.
 * SDM: "Loading MSRs", "Saving MSRs".
 */
#include "nested/check/common.h"
#include "nested/msr_lists.h"

#define MSR_SMM_MONITOR_CTL 0x9b
#define MSR_SMBASE 0x9e
#define MSR_BIOS_UPDT_TRIG 0x79
#define MSR_BIOS_SIGN_ID 0x8b
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

static bool is_x2apic(u32 msr)
{
	return msr >> 8 == 8;
}

#define M(id_, section_, message_, predicate)                                          \
	CHECK_ROW(predicate, .id = #id_, .section = (section_), .message = (message_), \
		  .operand = "MSR")

const struct check *check_msr_load(const struct msr_ctx *c)
{
#include "nested/check/msr_load.def"
	return NULL;
}

const struct check *check_msr_store(const struct msr_ctx *c)
{
#include "nested/check/msr_store.def"
	return NULL;
}
