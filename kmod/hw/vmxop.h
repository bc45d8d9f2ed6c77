/* SPDX-License-Identifier: GPL-2.0-only */
/* VMX operation: who has it, and on which CPUs. */
#ifndef HW_VMXOP_H
#define HW_VMXOP_H

#include <linux/percpu.h>
#include <vmx/types.h>

struct vmcs;

/*
 * Enters VMX operation on every CPU for the first user; vmxop_put() leaves it
 * for the last. Context: may sleep.
 * Return: 0; -EBUSY: another hypervisor has it; -ENOMEM; -EIO: the processor
 * refused VMXON; -ESHUTDOWN: vmxop_over(). A sentence in the kernel log says
 * which.
 */
int vmxop_get(void);
void vmxop_put(void);

/* Called at the module's load and unload; may sleep. */
void vmxop_setup(void);
void vmxop_teardown(void);

/*
 * Defined in cpu/, which is above: gives this CPU the host's MSRs back. Called before the CPU
 * leaves VMX operation, interrupts off.
 */
void msrs_restore_host(void);

/* Has somebody else set CR4.VMXE on any CPU? Then -EBUSY, with a sentence in the kernel log. */
int vmxop_check_free(void);

/*
 * VMX operation is not entered again until the module is loaded again: the machine
 * goes down, or VMXON failed after a suspend.
 */
bool vmxop_over(void);

/* Has abyme put this CPU into VMX operation? Context: preemption off. */
bool vmxop_on_here(void);

/* Adds @vmcs to the active VMCSs of this CPU. Context: interrupts off. */
void vmxop_track(struct vmcs *vmcs);

/* A VPID of its own, or 0 when all are taken. */
u16 vpid_alloc(void);
void vpid_free(u16 vpid);

#endif
