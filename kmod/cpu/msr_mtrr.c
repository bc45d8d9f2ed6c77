// SPDX-License-Identifier: GPL-2.0-only
/*
 * MTRRs: kept and validated, without effect, as all of a guest's memory is
 * write-back and EPT ignores its PAT. msrs.c calls it by its table.
 */
#include <asm/msr-index.h>

#include "cpu/cr_checks.h"
#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"

/* IA32_MTRRCAP: the number of variable ranges, fixed ranges (bit 8), write-combining (10). */
#define MTRR_CAP (MTRR_NR_VARIABLE | BIT_ULL(8) | BIT_ULL(10))

int mtrr_cap_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = MTRR_CAP;
	return MSR_OK;
}

static u64 *mtrr_slot(struct vcpu_msrs *m, u32 index)
{
	switch (index) {
	case MSR_MTRRdefType: return &m->mtrr_def_type;
	case MSR_MTRRfix64K_00000: return &m->mtrr_fixed[0];
	case MSR_MTRRfix16K_80000:
	case MSR_MTRRfix16K_A0000: return &m->mtrr_fixed[1 + index - MSR_MTRRfix16K_80000];
	case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
		return &m->mtrr_fixed[3 + index - MSR_MTRRfix4K_C0000];
	case 0x200 ... 0x200 + 2 * MTRR_NR_VARIABLE - 1: return &m->mtrr_var[index - 0x200];
	}
	return NULL;
}

int mtrr_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	const u64 *slot = mtrr_slot(&vcpu->msrs, index);

	if (!slot)
		return MSR_UNKNOWN;
	*value = *slot;
	return MSR_OK;
}

int mtrr_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	u64 *slot = mtrr_slot(&vcpu->msrs, index);

	if (!slot)
		return MSR_UNKNOWN;
	if (!mtrr_ok(index, value, vcpu->cpuid.maxphyaddr))
		return MSR_FAULT;
	*slot = value;
	return MSR_OK;
}
