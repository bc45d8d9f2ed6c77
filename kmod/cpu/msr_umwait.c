// SPDX-License-Identifier: GPL-2.0-only
/*
 * IA32_UMWAIT_CONTROL: how long and how deep UMWAIT and TPAUSE may wait. It holds for the host's
 * own TPAUSE, too, so the guest's value is in the processor only while the guest runs. Each
 * access by MSR exits. SDM: "UMWAIT - User Level Monitor Wait".
 */
#include <asm/msr-index.h>
#include <vmx/controls.h>

#include "compat/msr.h"
#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"
#include "hw/caps.h"

#define UMWAIT_RESERVED (~(u64)U32_MAX | BIT_ULL(1))

bool umwait_listed(void)
{
	return ctl_may(hw_caps.proc2, PROC2_USER_WAIT);
}

int umwait_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!vcpu->cpuid.user_wait && !(host && umwait_listed()))
		return MSR_FAULT;
	*value = vcpu->msrs.umwait;
	return MSR_OK;
}

/* KVM_GET_MSR_INDEX_LIST names it for all, so userspace may write 0 if the guest lacks it. */
int umwait_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!vcpu->cpuid.user_wait)
		return host && umwait_listed() && !value ? MSR_OK : MSR_FAULT;
	if (value & UMWAIT_RESERVED)
		return MSR_FAULT;
	vcpu->msrs.umwait = value;
	return MSR_OK;
}

/*
 * The host's value is read each time, as the administrator may change it on all CPUs at any time.
 * That takes an IPI, so it stays while interrupts are off.
 */
void umwait_enter(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if (!vcpu->cpuid.user_wait)
		return;
	rdmsrq(MSR_IA32_UMWAIT_CONTROL, m->host_umwait);
	m->umwait_switched = m->umwait != m->host_umwait;
	if (m->umwait_switched)
		wrmsrq(MSR_IA32_UMWAIT_CONTROL, m->umwait);
}

void umwait_exit(struct vcpu *vcpu)
{
	if (likely(!vcpu->msrs.umwait_switched))
		return;
	vcpu->msrs.umwait_switched = false;
	wrmsrq(MSR_IA32_UMWAIT_CONTROL, vcpu->msrs.host_umwait);
}
