// SPDX-License-Identifier: GPL-2.0-only
#include <asm/reboot.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>
#include <trace/events/ipi.h>
#ifndef HAVE_EMERGENCY_CALLBACK
#include <asm/virt.h>
#endif

#include "compat/compat.h"

#ifdef HAVE_GUEST_WORK_OF_VCPU
/*
 * On a signal the kernel's function notes the exit in KVM's own structures.
 * Nobody reads what it writes here, so that all vCPUs may share them.
 */
static struct kvm_run scratch_run;
static struct kvm_vcpu scratch_vcpu = { .run = &scratch_run };

int compat_guest_work(void)
{
	return xfer_to_guest_mode_handle_work(&scratch_vcpu);
}
#else
int compat_guest_work(void)
{
	return xfer_to_guest_mode_handle_work();
}
#endif

void compat_kick_cpu(int cpu)
{
	smp_send_reschedule(cpu);
}

#ifdef HAVE_EMERGENCY_CALLBACK
void compat_register_emergency(void (*callback)(void))
{
	cpu_emergency_register_virt_callback(callback);
}

void compat_unregister_emergency(void (*callback)(void))
{
	cpu_emergency_unregister_virt_callback(callback);
}
#else
void compat_register_emergency(void (*callback)(void))
{
	x86_virt_register_emergency_callback(callback);
}

void compat_unregister_emergency(void (*callback)(void))
{
	x86_virt_unregister_emergency_callback(callback);
}
#endif
