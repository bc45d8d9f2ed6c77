// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine-check banks, which hold no error but what userspace reports
 * (KVM_X86_SET_MCE): the host passes errors in a guest's memory on in this way.
 * SDM: "Machine-Check Architecture".
 */
#include <linux/kvm.h>
#include <linux/nospec.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"

static u64 *bank_slot(struct vcpu_msrs *m, u32 index)
{
	u32 i = index - MSR_IA32_MC0_CTL;

	return i < 4 * (m->mcg_cap & MCG_BANKCNT_MASK) ? &m->mce_banks[i] : NULL;
}

int mce_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	const u64 *slot;

	switch (index) {
	case MSR_IA32_MCG_CAP: *value = m->mcg_cap; return MSR_OK;
	case MSR_IA32_MCG_STATUS: *value = m->mcg_status; return MSR_OK;
	case MSR_IA32_MCG_CTL:
		*value = m->mcg_ctl;
		return m->mcg_cap & MCG_CTL_P || host ? MSR_OK : MSR_FAULT;
	}
	slot = bank_slot(m, index);
	if (!slot)
		return MSR_FAULT;
	*value = *slot;
	return MSR_OK;
}

static int bank_write(struct vcpu_msrs *m, u32 index, bool host, u64 value)
{
	u64 *slot = bank_slot(m, index);

	if (!slot)
		return MSR_FAULT;
	/*
	 * A bank's control takes all zeros or all ones, but for two bits that
	 * software knows to leave clear: 10 (Linux, on AMD) and 0 (some guests).
	 */
	if ((index & 3) == 0 && value && (value | BIT_ULL(10) | BIT_ULL(0)) != ~0ULL)
		return MSR_FAULT;
	/* Software may clear a bank's status, address and MISC, and not set them. */
	if ((index & 3) == 1 && !host && value)
		return MSR_FAULT;
	*slot = value;
	return MSR_OK;
}

int mce_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	switch (index) {
	case MSR_IA32_MCG_CAP: return MSR_FAULT;
	case MSR_IA32_MCG_STATUS: m->mcg_status = value; return MSR_OK;
	case MSR_IA32_MCG_CTL:
		if (!(m->mcg_cap & MCG_CTL_P) && (value || !host))
			return MSR_FAULT;
		if (value != 0 && value != ~0ULL)
			return MSR_FAULT;
		m->mcg_ctl = value;
		return MSR_OK;
	}
	return bank_write(m, index, host, value);
}

int msrs_setup_mce(struct vcpu *vcpu, u64 mcg_cap)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	u32 banks = mcg_cap & MCG_BANKCNT_MASK, i;

	if (!banks || banks > MCE_MAX_BANKS ||
	    (mcg_cap & ~(MCE_CAP_SUPPORTED | MCG_BANKCNT_MASK | MCG_EXT_CNT_MASK)))
		return -EINVAL;
	m->mcg_cap = mcg_cap;
	m->mcg_ctl = mcg_cap & MCG_CTL_P ? ~0ULL : 0;
	memset(m->mce_banks, 0, sizeof(m->mce_banks));
	for (i = 0; i < banks; i++)
		m->mce_banks[4 * i] = ~0ULL;
	return 0;
}

/* SDM: "Overwrite Rules for Machine Check Overflow". */
static void mce_record(u64 *bank, const struct kvm_x86_mce *mce)
{
	u64 status = mce->status;

	if (bank[1] & MCI_STATUS_VAL) {
		if (!(status & MCI_STATUS_UC) && (bank[1] & MCI_STATUS_UC)) {
			bank[1] |= MCI_STATUS_OVER;
			return;
		}
		status |= MCI_STATUS_OVER;
	}
	bank[1] = status;
	bank[2] = mce->addr;
	bank[3] = mce->misc;
}

/*
 * An uncorrected error is an exception, unless one is still being handled, or
 * the guest has not turned CR4.MCE on: then a processor shuts down.
 */
int mce_report(struct vcpu *vcpu, const struct kvm_x86_mce *mce)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	u64 *bank;

	if (mce->bank >= (m->mcg_cap & MCG_BANKCNT_MASK) || !(mce->status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &m->mce_banks[4 * array_index_nospec(mce->bank, MCE_MAX_BANKS)];
	if (!(mce->status & MCI_STATUS_UC)) {
		mce_record(bank, mce);
		return MCE_LOGGED;
	}
	/* The guest has switched the reporting off, by MCG_CTL or by the bank's own control. */
	if (((m->mcg_cap & MCG_CTL_P) && m->mcg_ctl != ~0ULL) || bank[0] != ~0ULL)
		return MCE_LOGGED;
	if ((m->mcg_status & MCG_STATUS_MCIP) || !(vcpu_cr4(vcpu) & X86_CR4_MCE))
		return MCE_SHUTDOWN;
	mce_record(bank, mce);
	m->mcg_status = mce->mcg_status;
	return MCE_EXCEPTION;
}
