// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of the kernel that differ between versions, or that were made for
 * KVM alone. HAVE_* is what the script "probe" found in the kernel's headers,
 * so no version number is compared anywhere.
 */
#include <asm/cpu.h>
#include <asm/intel_pt.h>
#include <asm/mce.h>
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

/* The registers say "user mode", where the handler kills a process and not the machine. */
void compat_machine_check(void)
{
#ifdef CONFIG_X86_MCE /* else the guest would shut down, as CR4.MCE is clear */
	struct pt_regs regs = { .cs = __USER_CS, .flags = X86_EFLAGS_IF };

	do_machine_check(&regs);
#endif
}

/*
 * What Intel PT records stops before VMXON on processors that do not allow
 * both, or VMXON would fail.
 */
void compat_pt_off(void)
{
#ifdef HAVE_PT_HANDLE_VMX
	intel_pt_handle_vmx(1);
#endif
}

void compat_pt_on(void)
{
#ifdef HAVE_PT_HANDLE_VMX
	intel_pt_handle_vmx(0);
#endif
}

bool compat_split_lock(unsigned long rip)
{
#ifdef HAVE_GUEST_SPLIT_LOCK
	return handle_guest_split_lock(rip);
#else
	return false;
#endif
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
