// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of MSRs: which there are, and who reads and writes them. The
 * handlers of RDMSR and WRMSR, KVM_GET_MSRS and KVM_SET_MSRS, and nested/'s MSR
 * lists come to msr_read() and msr_write().
 *
 * What a reader must know: what is not in rows[], and in no layer above either,
 * faults with #GP, as on a processor. @host tells accesses of userspace, which
 * restores a vCPU and may do more, from the guest's own.
 */
#include <linux/bsearch.h>
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <vmx/hyperv.h>

#include "compat/msr.h"
#include "cpu/cet.h"
#include "cpu/cr_checks.h"
#include "cpu/msr_filter.h"
#include "cpu/msr_rows.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "hw/caps.h"
#include "mem/mem.h"

#define PAT_RESET 0x0007040600070406ull
#define UCODE_REV_DEFAULT (1ull << 32)
#define MISC_ENABLE_DEFAULT                                                    \
	(MSR_IA32_MISC_ENABLE_FAST_STRING | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | \
	 MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)
#define MCE_DEFAULT_BANKS 1

/* --- readers and writers ------------------------------------------------ */

/* For MSRs that old guests write without needing an effect. */
static int ignore_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return MSR_OK;
}

/* MSRs of a fixed value that old software reads to learn about its platform. */
static int constant_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	switch (index) {
	case MSR_FSB_FREQ:
		*value = 3; /* 166 MHz: what a model that still has the MSR might say */
		break;
	case MSR_IA32_PERF_STATUS:
		*value = 1000 | 4ull << 40; /* TSC and bus multiplier of an early core */
		break;
	}
	return MSR_OK;
}

/* MSRs that the processor swaps by the VMCS: no copy of them is kept. */
static int vmcs_field(u32 index)
{
	switch (index) {
	case MSR_FS_BASE: return VMCS_GUEST_FS_BASE;
	case MSR_GS_BASE: return VMCS_GUEST_GS_BASE;
	case MSR_IA32_SYSENTER_CS: return VMCS_GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP: return VMCS_GUEST_SYSENTER_ESP;
	default: return VMCS_GUEST_SYSENTER_EIP;
	}
}

static int vmcs_read_msr(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = vmread(vmcs_field(index));
	return MSR_OK;
}

/* An address that is not canonical would make a VM entry fail, so it faults here. */
bool msr_canonical(u64 value)
{
	return address_canonical(value, hw_has_la57());
}

static int vmcs_write_msr(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (index == MSR_IA32_SYSENTER_CS)
		value = (u32)value;
	else if (!msr_canonical(value))
		return MSR_FAULT;
	vmwrite(vmcs_field(index), value);
	return MSR_OK;
}

static enum msr_switched switched_of(u32 index)
{
	switch (index) {
	case MSR_STAR: return MSRSW_STAR;
	case MSR_LSTAR: return MSRSW_LSTAR;
	case MSR_SYSCALL_MASK: return MSRSW_SYSCALL_MASK;
	default: return MSRSW_TSC_AUX;
	}
}

static int switched_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = vcpu->msrs.switched[switched_of(index)];
	return MSR_OK;
}

static int switched_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (index == MSR_LSTAR && !msr_canonical(value))
		return MSR_FAULT;
	if ((index == MSR_SYSCALL_MASK || index == MSR_TSC_AUX) && value >> 32)
		return MSR_FAULT;
	msr_set_switched(vcpu, switched_of(index), value);
	return MSR_OK;
}

static int kernel_gs_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = msr_get_kernel_gs_base(vcpu);
	return MSR_OK;
}

static int kernel_gs_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!msr_canonical(value))
		return MSR_FAULT;
	msr_set_kernel_gs_base(vcpu, value);
	return MSR_OK;
}

/* EFER and PAT are those of the guest that runs, L1 or L2. */
static int efer_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return regs_write_efer(vcpu, value, host) ? MSR_FAULT : MSR_OK;
}

static int pat_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = vmread(VMCS_GUEST_PAT);
	return MSR_OK;
}

static int pat_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!pat_ok(value))
		return MSR_FAULT;
	vcpu->msrs.pat = value;
	vmwrite(VMCS_GUEST_PAT, value);
	return MSR_OK;
}

static int debugctl_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return debug_set_ctl(vcpu, value) ? MSR_FAULT : MSR_OK;
}

static int xss_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (value & ~vcpu->cpuid.xss_supported)
		return MSR_FAULT;
	vcpu->msrs.xss = value;
	return MSR_OK;
}

static int misc_enable_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	u64 ro = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL |
		 MSR_IA32_MISC_ENABLE_EMON;

	if (!host && ((value ^ vcpu->msrs.misc_enable) & ro))
		return MSR_FAULT;
	vcpu->msrs.misc_enable = value;
	return MSR_OK;
}

static int ucode_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	/* A guest asks for the number by writing 0, then CPUID, then a read: nothing to do. */
	if (host)
		vcpu->msrs.ucode_rev = value;
	return MSR_OK;
}

static int platform_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!host && vcpu->vm->platform_info_hidden)
		return MSR_FAULT;
	*value = vcpu->msrs.platform_info;
	return MSR_OK;
}

/* CPUID faulting cannot be taken from the platform's features while the guest has it on. */
static int platform_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if (!host || (!(value & MSR_PLATFORM_INFO_CPUID_FAULT) && m->misc_features))
		return MSR_FAULT;
	m->platform_info = value;
	return MSR_OK;
}

static int misc_features_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if (value & ~(u64)MSR_MISC_FEATURES_ENABLES_CPUID_FAULT)
		return MSR_FAULT;
	if (value && !(m->platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return MSR_FAULT;
	m->misc_features = value;
	return MSR_OK;
}

static bool has_arch_capabilities(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *leaf = cpuid_find(vcpu, 7, 0);

	return leaf && (leaf->edx & BIT(29));
}

static int arch_caps_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!host && !has_arch_capabilities(vcpu))
		return MSR_FAULT;
	*value = vcpu->msrs.arch_capabilities;
	return MSR_OK;
}

static int arch_caps_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	u64 offered;

	if (!host || msr_feature(index, &offered) || (value & ~offered))
		return MSR_FAULT;
	vcpu->msrs.arch_capabilities = value;
	return MSR_OK;
}

/* MSRs that userspace saves and restores, as it does on KVM, and that the guest does not have. */
static int host_only_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!host)
		return MSR_FAULT;
	*value = index == MSR_IA32_SMBASE ? vcpu->msrs.smbase : 0;
	return MSR_OK;
}

static int host_only_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!host || (value && index != MSR_IA32_SMBASE))
		return MSR_FAULT;
	if (index == MSR_IA32_SMBASE)
		vcpu->msrs.smbase = value;
	return MSR_OK;
}

/* nested/ answers for VMX's MSRs, and refuses where VMX is not offered. */
static int vmx_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	return nested_msr_get(vcpu, index, value, host) ? MSR_FAULT : MSR_OK;
}

static int vmx_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return nested_msr_set(vcpu, index, value, host) ? MSR_FAULT : MSR_OK;
}

/* Power control (C1E and the like) is kept as it was written, and nothing depends on it. */
static int power_ctl_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	vcpu->msrs.power_ctl = value;
	return MSR_OK;
}

static int cstar_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!msr_canonical(value))
		return MSR_FAULT;
	vcpu->msrs.cstar = value;
	return MSR_OK;
}

/* --- the table ---------------------------------------------------------- */

#define ONE(msr) (msr), (msr)

/* Sorted by index, for a binary search. */
static const struct msr_row rows[] = {
	{ MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE, 0, NULL, NULL },
	{ ONE(MSR_IA32_TSC), MSR_SAVED, tsc_read, tsc_write },
	{ MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, MSR_SAVED, pv_clock_read, pv_clock_write },
	{ ONE(MSR_IA32_PLATFORM_ID), 0, NULL, NULL },
	{ ONE(MSR_IA32_EBL_CR_POWERON), 0, NULL, ignore_write },
	{ ONE(MSR_SMI_COUNT), MSR_SAVED, NULL, host_only_write },
	{ ONE(MSR_IA32_FEAT_CTL), MSR_SAVED, vmx_read, vmx_write },
	{ ONE(MSR_IA32_TSC_ADJUST), MSR_SAVED, NULL, tsc_adjust_write, MSR_KEPT(msrs.tsc_adjust) },
	{ ONE(MSR_IA32_SPEC_CTRL), MSR_SAVED, spec_ctrl_read, spec_ctrl_write },
	{ ONE(MSR_IA32_PRED_CMD), 0, command_read, pred_cmd_write },
	{ ONE(MSR_IA32_UCODE_WRITE), 0, NULL, ignore_write },
	{ ONE(MSR_IA32_UCODE_REV), MSR_SAVED | MSR_FEATURE, NULL, ucode_write,
	  MSR_KEPT(msrs.ucode_rev) },
	{ ONE(MSR_IA32_SMBASE), MSR_SAVED, host_only_read, host_only_write },
	{ MSR_P6_PERFCTR0, MSR_P6_PERFCTR1, 0, NULL, ignore_write },
	{ ONE(MSR_FSB_FREQ), 0, constant_read, NULL },
	{ ONE(MSR_PLATFORM_INFO), MSR_SAVED, platform_read, platform_write },
	{ ONE(MSR_IA32_UMWAIT_CONTROL), MSR_SAVED, umwait_read, umwait_write },
	{ ONE(MSR_MTRRcap), 0, mtrr_cap_read, NULL },
	{ ONE(MSR_IA32_ARCH_CAPABILITIES), MSR_SAVED | MSR_FEATURE, arch_caps_read,
	  arch_caps_write },
	{ ONE(MSR_IA32_FLUSH_CMD), 0, command_read, flush_cmd_write },
	{ ONE(MSR_MISC_FEATURES_ENABLES), MSR_SAVED, NULL, misc_features_write,
	  MSR_KEPT(msrs.misc_features) },
	{ MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_EIP, MSR_SAVED, vmcs_read_msr, vmcs_write_msr },
	{ ONE(MSR_IA32_MCG_CAP), 0, mce_read, mce_write },
	{ MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL, MSR_SAVED, mce_read, mce_write },
	{ MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1, 0, NULL, ignore_write },
	{ MSR_IA32_PERF_STATUS, MSR_IA32_PERF_CTL, 0, constant_read, NULL },
	{ ONE(MSR_IA32_MISC_ENABLE), MSR_SAVED, NULL, misc_enable_write,
	  MSR_KEPT(msrs.misc_enable) },
	{ ONE(MSR_IA32_DEBUGCTLMSR), MSR_SAVED, NULL, debugctl_write, MSR_KEPT(debug.ctl) },
	{ MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP, 0, NULL, NULL },
	{ ONE(MSR_IA32_POWER_CTL), MSR_SAVED, NULL, power_ctl_write, MSR_KEPT(msrs.power_ctl) },
	{ 0x200, 0x200 + 2 * MTRR_NR_VARIABLE - 1, 0, mtrr_read, mtrr_write },
	{ ONE(MSR_MTRRfix64K_00000), 0, mtrr_read, mtrr_write },
	{ MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, 0, mtrr_read, mtrr_write },
	{ MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000, 0, mtrr_read, mtrr_write },
	{ ONE(MSR_IA32_CR_PAT), MSR_SAVED, pat_read, pat_write },
	{ ONE(MSR_MTRRdefType), 0, mtrr_read, mtrr_write },
	{ ONE(MSR_IA32_PERF_CAPABILITIES), MSR_FEATURE, host_only_read, host_only_write },
	{ MSR_IA32_MC0_CTL, MSR_IA32_MCx_CTL(MCE_MAX_BANKS) - 1, 0, mce_read, mce_write },
	{ MSR_IA32_VMX_BASIC, MSR_IA32_VMX_VMFUNC, MSR_SAVED | MSR_FEATURE, vmx_read, vmx_write },
	{ ONE(MSR_RAPL_POWER_UNIT), 0, NULL, NULL },
	{ ONE(MSR_PKG_ENERGY_STATUS), 0, NULL, NULL },
	{ ONE(MSR_DRAM_ENERGY_STATUS), 0, NULL, NULL },
	{ ONE(MSR_PP0_ENERGY_STATUS), 0, NULL, NULL },
	{ ONE(MSR_PP1_ENERGY_STATUS), 0, NULL, NULL },
	{ ONE(MSR_IA32_U_CET), MSR_SAVED, cet_read, cet_write },
	{ ONE(MSR_IA32_S_CET), MSR_SAVED, cet_read, cet_write },
	{ MSR_IA32_PL0_SSP, MSR_IA32_INT_SSP_TAB, MSR_SAVED, cet_read, cet_write },
	{ ONE(MSR_IA32_XSS), MSR_SAVED, NULL, xss_write, MSR_KEPT(msrs.xss) },
	{ TLFS_MSR_GUEST_OS_ID, TLFS_MSR_RESET, MSR_SAVED, hyperv_read, hyperv_write },
	{ ONE(TLFS_MSR_VP_RUNTIME), MSR_SAVED, hyperv_read, hyperv_write },
	{ TLFS_MSR_REF_COUNT, TLFS_MSR_APIC_FREQUENCY, MSR_SAVED, hyperv_read, hyperv_write },
	{ TLFS_MSR_CRASH_P0, TLFS_MSR_CRASH_CTL, MSR_SAVED, hyperv_read, hyperv_write },
	{ MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW, MSR_SAVED, pv_clock_read,
	  pv_clock_write },
	{ ONE(MSR_KVM_STEAL_TIME), MSR_SAVED, pv_clock_read, pv_clock_write },
	{ ONE(MSR_KVM_POLL_CONTROL), MSR_SAVED, pv_clock_read, pv_clock_write },
	{ ONE(MSR_EFER), MSR_SAVED, NULL, efer_write, MSR_KEPT(efer) },
	{ MSR_STAR, MSR_LSTAR, MSR_SAVED, switched_read, switched_write },
	{ ONE(MSR_CSTAR), MSR_SAVED, NULL, cstar_write, MSR_KEPT(msrs.cstar) },
	{ ONE(MSR_SYSCALL_MASK), MSR_SAVED, switched_read, switched_write },
	{ MSR_FS_BASE, MSR_GS_BASE, MSR_SAVED, vmcs_read_msr, vmcs_write_msr },
	{ ONE(MSR_KERNEL_GS_BASE), MSR_SAVED, kernel_gs_read, kernel_gs_write },
	{ ONE(MSR_TSC_AUX), MSR_SAVED, switched_read, switched_write },
};

static int msrs_compare(const void *key, const void *elt)
{
	u32 index = *(const u32 *)key;
	const struct msr_row *row = elt;

	return index < row->first ? -1 : index > row->last;
}

static const struct msr_row *msrs_find_row(u32 index)
{
	const struct msr_row *row;

	for (row = lapic_msr_rows; row < lapic_msr_rows + nr_lapic_msr_rows; row++)
		if (index >= row->first && index <= row->last)
			return row;
	return bsearch(&index, rows, ARRAY_SIZE(rows), sizeof(rows[0]), msrs_compare);
}

void msr_filter_free(struct msr_filter *filter)
{
	int i;

	for (i = 0; filter && i < filter->count; i++)
		kfree(filter->range[i].allowed);
	kfree(filter);
}

/* Does userspace's filter allow the access? The filter may be replaced meanwhile, under RCU. */
static bool filter_allows(struct vm *vm, u32 index, u32 access)
{
	const struct msr_filter *filter;
	bool allowed;

	if (likely(!rcu_access_pointer(vm->msr_filter)))
		return true;
	rcu_read_lock();
	filter = rcu_dereference(vm->msr_filter);
	allowed = !filter || msr_filter_allows(filter, index, access);
	rcu_read_unlock();
	return allowed;
}

int msr_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	const struct msr_row *row = msrs_find_row(index);

	*value = 0;
	if (!host && !filter_allows(vcpu->vm, index, MSR_FILTER_READ))
		return MSR_FILTERED;
	if (!row)
		return MSR_UNKNOWN;
	if (row->read)
		return row->read(vcpu, index, host, value);
	if (row->kept)
		*value = *(const u64 *)((const u8 *)vcpu + row->kept);
	return MSR_OK;
}

int msr_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	const struct msr_row *row = msrs_find_row(index);

	if (!host && !filter_allows(vcpu->vm, index, MSR_FILTER_WRITE))
		return MSR_FILTERED;
	if (!row)
		return MSR_UNKNOWN;
	return row->write ? row->write(vcpu, index, host, value) : MSR_FAULT;
}

/* --- lists -------------------------------------------------------------- */

/* Is the MSR in the lists? MSRs that no guest can have on this processor are left out. */
static bool msrs_listed(u32 index)
{
	u64 value;

	switch (index) {
	case MSR_TSC_AUX:
		return boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	case MSR_IA32_XSS: return hw_has_xsaves();
	case MSR_IA32_UMWAIT_CONTROL: return umwait_listed();
	case MSR_IA32_U_CET:
	case MSR_IA32_S_CET:
	case MSR_IA32_PL0_SSP ... MSR_IA32_INT_SSP_TAB: return hw_has_cet();
	case MSR_IA32_VMX_BASIC ... MSR_IA32_VMX_VMFUNC: return !msr_feature(index, &value);
	}
	return true;
}

static int list_row(const struct msr_row *row, u32 flag, u32 *list, int n)
{
	u32 i;

	if (!(row->flags & flag))
		return n;
	for (i = row->first; i <= row->last; i++) {
		if (!msrs_listed(i))
			continue;
		if (list)
			list[n] = i;
		n++;
	}
	return n;
}

int msrs_list(u32 flag, u32 *list)
{
	const struct msr_row *row;
	int n = 0;

	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		n = list_row(row, flag, list, n);
	for (row = lapic_msr_rows; row < lapic_msr_rows + nr_lapic_msr_rows; row++)
		n = list_row(row, flag, list, n);
	return n;
}

/* Bits that the headers of older kernels lack. */
#define ARCH_CAP_RRSBA_BIT BIT_ULL(19)
#define ARCH_CAP_BHI_NO_BIT BIT_ULL(20)
#define ARCH_CAP_PBRSB_NO_BIT BIT_ULL(24)
#define ARCH_CAP_GDS_NO_BIT BIT_ULL(26)
#define ARCH_CAP_RFDS_NO_BIT BIT_ULL(27)
#define ARCH_CAP_RFDS_CLEAR_BIT BIT_ULL(28)
#define ARCH_CAP_ITS_NO_BIT BIT_ULL(62)

/* Bits that say which bugs the processor is free of, or what it can do, and are true in a guest. */
#define ARCH_CAPS_OFFERED                                                                         \
	(ARCH_CAP_RRSBA_BIT | ARCH_CAP_BHI_NO_BIT | ARCH_CAP_PBRSB_NO_BIT | ARCH_CAP_GDS_NO_BIT | \
	 ARCH_CAP_RFDS_NO_BIT | ARCH_CAP_RFDS_CLEAR_BIT | ARCH_CAP_ITS_NO_BIT |                   \
	 ARCH_CAP_IBRS_ALL | ARCH_CAP_RDCL_NO | ARCH_CAP_RSBA | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH |  \
	 ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO |          \
	 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR)

static u64 arch_capabilities(void)
{
	u64 value = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrq(MSR_IA32_ARCH_CAPABILITIES, value);
	value &= ARCH_CAPS_OFFERED;
	/* Some processors are free of a bug but too old to say so. */
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		value |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		value |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		value |= ARCH_CAP_MDS_NO;
	if (host_flushes_l1d() || !boot_cpu_has_bug(X86_BUG_L1TF))
		value |= ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	/* With small pages (mem_setup()) guests are safe from that bug if the processor has it. */
	if (!mem_multihit_open())
		value |= ARCH_CAP_PSCHANGE_MC_NO;
	return value;
}

int msr_feature(u32 index, u64 *value)
{
	switch (index) {
	case MSR_IA32_UCODE_REV: *value = UCODE_REV_DEFAULT; return MSR_OK;
	case MSR_IA32_PERF_CAPABILITIES: *value = 0; return MSR_OK;
	case MSR_IA32_ARCH_CAPABILITIES: *value = arch_capabilities(); return MSR_OK;
	}
	return nested_feature_msr(index, value) ? MSR_UNKNOWN : MSR_OK;
}

/* --- lifetime ----------------------------------------------------------- */

void msrs_init(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	m->ucode_rev = UCODE_REV_DEFAULT;
	m->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	m->arch_capabilities = arch_capabilities();
	m->smbase = 0x30000;
	m->poll_control = 1;
	m->misc_enable = MISC_ENABLE_DEFAULT;
	msrs_setup_mce(vcpu, MCE_DEFAULT_BANKS);
}

/* An INIT leaves MSRs alone. SDM: "Processor State After Reset". */
void msrs_reset(struct vcpu *vcpu, bool init)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	int i;

	memset(vcpu->cet.msr, 0, sizeof(vcpu->cet.msr)); /* at an INIT, too */
	if (init)
		return;
	for (i = 0; i < NR_MSR_SWITCHED; i++)
		msr_set_switched(vcpu, i, i == MSRSW_TSX_CTRL ? tsx_ctrl_of_guests() : 0);
	msr_set_kernel_gs_base(vcpu, 0);
	m->cstar = 0;
	m->xss = 0;
	m->spec_ctrl = 0;
	m->umwait = 0;
	m->misc_enable = MISC_ENABLE_DEFAULT;
	m->misc_features = 0;
	m->power_ctl = 0;
	m->mtrr_def_type = 0;
	memset(m->mtrr_fixed, 0, sizeof(m->mtrr_fixed));
	memset(m->mtrr_var, 0, sizeof(m->mtrr_var));
	pat_write(vcpu, MSR_IA32_CR_PAT, true, PAT_RESET);
}

/*
 * The bitmap has four parts of 1 KiB: reads of low and high MSRs, then writes
 * of both. A bit that is set makes an exit. SDM: "MSR-Bitmap Address".
 */
static void msrs_pass(struct vcpu *vcpu, u32 index, u32 access)
{
	u8 *read = vcpu->msr_bitmap + (index & 0xc0000000 ? 1024 : 0), *write = read + 2048;
	u32 bit = index & 0x1fff;

	if ((access & MSR_FILTER_READ) && filter_allows(vcpu->vm, index, MSR_FILTER_READ))
		read[bit / 8] &= ~BIT(bit % 8);
	if ((access & MSR_FILTER_WRITE) && filter_allows(vcpu->vm, index, MSR_FILTER_WRITE))
		write[bit / 8] &= ~BIT(bit % 8);
}

/*
 * Lets accesses through that need no exit: to MSRs that the VMCS swaps, to KERNEL_GS_BASE, and
 * reads that the processor answers as L0 would, such as the TSC's. All others exit.
 */
void msrs_init_bitmap(struct vcpu *vcpu)
{
	static const u32 both[] = {
		MSR_FS_BASE,	      MSR_GS_BASE,	     MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	int i;

	memset(vcpu->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(both); i++)
		msrs_pass(vcpu, both[i], MSR_FILTER_READ | MSR_FILTER_WRITE);
	msrs_pass(vcpu, MSR_IA32_TSC, MSR_FILTER_READ);
	/*
	 * KVM in L1 reads DEBUGCTL before each of its entries. If the guest's value is 0 the
	 * processor has the same, and need not exit.
	 */
	vcpu->debug.ctl_exits = vcpu->debug.ctl;
	if (!vcpu->debug.ctl_exits)
		msrs_pass(vcpu, MSR_IA32_DEBUGCTLMSR, MSR_FILTER_READ);
}
