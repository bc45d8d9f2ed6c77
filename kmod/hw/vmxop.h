/* SPDX-License-Identifier: GPL-2.0-only */
/* VMX operation: who has it, and on which CPUs. */
#ifndef HW_VMXOP_H
#define HW_VMXOP_H

#include <linux/percpu.h>
#include <vmx/types.h>

struct vmcs;

/*
 * Enter VMX operation on every CPU for one more user / leave it for the last.
 * Context: may sleep. Return: 0; -EBUSY: another hypervisor has it; -ENOMEM;
 * -EIO: the processor refused VMXON; -ESHUTDOWN: vmxop_over(). A sentence in the
 * kernel log says which.
 */
int vmxop_get(void);
void vmxop_put(void);

/* At the module's load and unload; may sleep. */
void vmxop_setup(void);
void vmxop_teardown(void);

/*
 * Called on each CPU before it leaves VMX operation, interrupts off: layers
 * above put the host's state back. Set once, at the module's load.
 */
extern void (*vmxop_before_off)(void);

/* Is CR4.VMXE set on any CPU by somebody else? -EBUSY with a sentence if so. */
int vmxop_check_free(void);

/*
 * VMX operation is not entered again until the module is loaded again: the machine
 * goes down, or VMXON failed after a suspend.
 */
bool vmxop_over(void);

/* This CPU is in VMX operation by us. Context: preemption off. */
bool vmxop_on_here(void);

/* Active VMCSs of this CPU; the list is the CPU's own: interrupts off. */
void vmxop_track(struct vmcs *vmcs);

/* A VPID of its own, or 0 when all are taken. */
u16 vpid_alloc(void);
void vpid_free(u16 vpid);

#endif
