/* SPDX-License-Identifier: GPL-2.0-only */
/* MSR-load and MSR-store areas of vmcs12: which entries are allowed. Pure. */
#ifndef NESTED_MSR_LISTS_H
#define NESTED_MSR_LISTS_H

#include <vmx/types.h>

/* SDM: "VM-Exit Controls for MSRs". */
struct msr_list_entry {
	u32 index;
	u32 reserved;
	u64 value;
};

/*
 * How many entries are processed at most: IA32_VMX_MISC recommends 512 and
 * says that more has undefined results, so more is a failure at entry 513.
 */
#define MSR_LIST_MAX 512u

/*
 * May an entry stand in a load area (of VM entry and VM exit alike) or in a
 * store area? Whether the MSR exists and takes the value is asked by loading.
 * @x2apic: L1's local APIC is in x2APIC mode.
 */
bool msr_load_allowed(const struct msr_list_entry *e, bool x2apic);
bool msr_store_allowed(const struct msr_list_entry *e, bool x2apic);

#endif
