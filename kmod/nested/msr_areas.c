// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSR-load and MSR-store areas of vmcs12. Each entry is read once, judged by
 * the rows of check/ (msr_lists.c), and carried out by the same msr_read() and
 * msr_write() that L1's own instructions use.
 *
 * Context: vCPU loaded, may sleep. The current VMCS is that of the guest whose
 * MSRs they are: vmcs02 at an entry and for stores, vmcs01 for loads at an
 * exit. SDM: "Loading MSRs", "Saving MSRs".
 */
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "nested/internal.h"
#include "nested/msr_lists.h"

/* Reads entry @i, counted from 0. An entry beyond MSR_LIST_MAX is not read, and so fails. */
static struct msr_ctx msr_area_read_entry(struct vcpu *vcpu, u64 addr, u32 i)
{
	struct msr_ctx c = {
		.number = i + 1,
		.x2apic = vcpu->msrs.apic_base & X2APIC_ENABLE,
	};

	addr += (u64)i * sizeof(c.e);
	c.readable = i < MSR_LIST_MAX && !mem_read(vcpu->vm, addr, &c.e, sizeof(c.e));
	return c;
}

static u32 msr_area_failure(const struct msr_ctx *c, const struct check *failed,
			    struct msr_failure *why)
{
	*why = (struct msr_failure){ failed, c->e.index };
	return c->number;
}

u32 msr_area_load(struct vcpu *vcpu, u64 addr, u32 count, struct msr_failure *why)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct msr_ctx c = msr_area_read_entry(vcpu, addr, i);
		const struct check *failed = check_msr_load(&c);

		if (!failed && msr_write(vcpu, c.e.index, false, c.e.value)) {
			c.refused = true;
			failed = check_msr_load(&c);
		}
		if (failed)
			return msr_area_failure(&c, failed, why);
	}
	return 0;
}

/* Reads the MSR and writes its value into the entry. @c->refused or @c->readable tell a failure. */
static void store_value(struct vcpu *vcpu, u64 addr, struct msr_ctx *c)
{
	u64 at =
		addr + (u64)(c->number - 1) * sizeof(c->e) + offsetof(struct msr_list_entry, value);
	u64 value;

	c->refused = msr_read(vcpu, c->e.index, false, &value);
	if (!c->refused)
		c->readable = !mem_write(vcpu->vm, at, &value, sizeof(value));
}

u32 msr_area_store(struct vcpu *vcpu, u64 addr, u32 count, struct msr_failure *why)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct msr_ctx c = msr_area_read_entry(vcpu, addr, i);
		const struct check *failed = check_msr_store(&c);

		if (!failed) {
			store_value(vcpu, addr, &c);
			failed = check_msr_store(&c);
		}
		if (failed)
			return msr_area_failure(&c, failed, why);
	}
	return 0;
}
