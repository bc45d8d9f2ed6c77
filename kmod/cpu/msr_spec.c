// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's own protection against speculation: IA32_SPEC_CTRL, which has the guest's value only
 * while the guest runs (host_before_entry()), and the commands IA32_PRED_CMD and
 * IA32_FLUSH_CMD. All of them exit: on processors with enhanced IBRS a guest writes them
 * rarely, and no exit has to read what it wrote.
 */
#include <asm/cpufeature.h>

#include "compat/msr.h"
#include "cpu/msr_rows.h"
#include "cpu/spec_ctrl.h"
#include "cpu/vcpu.h"

static u64 host_bits, guests_tsx_ctrl;

static u32 leaf7_2_edx(void)
{
	u32 eax, ebx, ecx, edx;

	cpuid_count(7, 2, &eax, &ebx, &ecx, &edx);
	return edx;
}

/*
 * RTM is not offered. A guest that does not see it takes no measure against what a transaction leaves
 * behind (TAA), so none may work there.
 */
static void tsx_setup(void)
{
	u64 caps = 0;

	if (!boot_cpu_has(X86_FEATURE_RTM))
		return;
	rdmsrq_safe(MSR_IA32_ARCH_CAPABILITIES, &caps);
	if (caps & ARCH_CAP_TSX_CTRL_MSR)
		guests_tsx_ctrl = TSX_CTRL_RTM_DISABLE | TSX_CTRL_CPUID_CLEAR;
}

u64 tsx_ctrl_of_guests(void)
{
	return guests_tsx_ctrl;
}

void spec_ctrl_setup(void)
{
	tsx_setup();
	if (boot_cpu_data.cpuid_level < 7 || !boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	host_bits = spec_ctrl_bits(cpuid_edx(7), cpuid_eax(7) < 2 ? 0 : leaf7_2_edx());
}

u64 spec_ctrl_of_host(void)
{
	return host_bits;
}

int spec_ctrl_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!host && !vcpu->cpuid.spec_ctrl)
		return MSR_FAULT;
	*value = vcpu->msrs.spec_ctrl;
	return MSR_OK;
}

int spec_ctrl_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if ((!host && !vcpu->cpuid.spec_ctrl) || value & ~vcpu->cpuid.spec_ctrl)
		return MSR_FAULT;
	vcpu->msrs.spec_ctrl = value;
	return MSR_OK;
}

/* IA32_PRED_CMD is a command: it is carried out at once and nothing is kept. */
int pred_cmd_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if ((!host && !vcpu->cpuid.ibpb) || value & ~(u64)PRED_CMD_IBPB)
		return MSR_FAULT;
	if (value && boot_cpu_has(X86_FEATURE_IBPB))
		wrmsrq(MSR_IA32_PRED_CMD, value);
	return MSR_OK;
}

int flush_cmd_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if ((!host && !vcpu->cpuid.flush_l1d) || value & ~(u64)L1D_FLUSH)
		return MSR_FAULT;
	if (value && boot_cpu_has(X86_FEATURE_FLUSH_L1D))
		wrmsrq(MSR_IA32_FLUSH_CMD, value);
	return MSR_OK;
}

/* Commands cannot be read. */
int command_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	return host ? MSR_OK : MSR_FAULT;
}
