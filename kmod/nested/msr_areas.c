// SPDX-License-Identifier: GPL-2.0-only
/* MSR-load and MSR-store areas of vmcs12. Each entry is read once. */
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "nested/internal.h"
#include "nested/msr_lists.h"

static bool x2apic_mode(struct vcpu *vcpu)
{
	return vcpu->msrs.apic_base & X2APIC_ENABLE;
}

static bool load_one(struct vcpu *vcpu, u64 addr)
{
	struct msr_list_entry e;

	return !mem_read(vcpu->vm, addr, &e, sizeof(e)) &&
	       msr_load_allowed(&e, x2apic_mode(vcpu)) && !msr_write(vcpu, e.index, false, e.value);
}

u32 msr_area_load(struct vcpu *vcpu, u64 addr, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (i >= MSR_LIST_MAX || !load_one(vcpu, addr + i * sizeof(struct msr_list_entry)))
			return i + 1;
	return 0;
}

static bool store_one(struct vcpu *vcpu, u64 addr)
{
	u64 at = addr + offsetof(struct msr_list_entry, value);
	struct msr_list_entry e;
	u64 value;

	return !mem_read(vcpu->vm, addr, &e, sizeof(e)) &&
	       msr_store_allowed(&e, x2apic_mode(vcpu)) &&
	       !msr_read(vcpu, e.index, false, &value) &&
	       !mem_write(vcpu->vm, at, &value, sizeof(value));
}

u32 msr_area_store(struct vcpu *vcpu, u64 addr, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (i >= MSR_LIST_MAX || !store_one(vcpu, addr + i * sizeof(struct msr_list_entry)))
			return i + 1;
	return 0;
}
