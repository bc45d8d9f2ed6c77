// SPDX-License-Identifier: GPL-2.0-only
#include <linux/entry-kvm.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>

#include "compat/compat.h"

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
