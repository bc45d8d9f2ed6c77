// SPDX-License-Identifier: GPL-2.0-only
/* SDM: "Loading MSRs", "Saving MSRs". */
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

static bool common_allowed(const struct msr_list_entry *e, bool x2apic)
{
	return !e->reserved && !(x2apic && is_x2apic(e->index));
}

bool msr_load_allowed(const struct msr_list_entry *e, bool x2apic)
{
	switch (e->index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_SMM_MONITOR_CTL: /* only in SMM */
	case MSR_BIOS_UPDT_TRIG:
	case MSR_BIOS_SIGN_ID: return false;
	default: return common_allowed(e, x2apic);
	}
}

bool msr_store_allowed(const struct msr_list_entry *e, bool x2apic)
{
	return e->index != MSR_SMBASE && common_allowed(e, x2apic);
}
