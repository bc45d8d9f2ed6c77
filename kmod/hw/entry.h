/* SPDX-License-Identifier: GPL-2.0-only */
/* The few lines that must be assembly. */
#ifndef HW_ENTRY_H
#define HW_ENTRY_H

/* Bits of @how of vmx_enter(). */
#define VMX_ENTER_RESUME_BIT 0 /* VMRESUME instead of VMLAUNCH */
#define VMX_ENTER_VERW 2 /* executes VERW right before the entry: it clears the CPU's buffers */
#define VMX_ENTER_RESUME (1 << VMX_ENTER_RESUME_BIT)

/* Offsets in struct spec_ctrl_pair. */
#define SPEC_GUEST 0
#define SPEC_HOST 8

#ifndef __ASSEMBLER__
#include <linux/linkage.h>
#include <vmx/types.h>

#include "hw/spec_switch.h"

/*
 * Enters the guest of the current VMCS and comes back at its VM exit.
 * @gpr: by enum gpr; RSP's slot is not touched.
 * @how: VMX_ENTER_*.
 * @host_rsp: what HOST_RSP holds; the field is written again only if the stack
 * differs.
 * @spec: NULL: IA32_SPEC_CTRL stays as it is.
 * Return: 0 after a VM exit; 1: VMfailInvalid or VMfailValid.
 * Context: interrupts off.
 */
asmlinkage int vmx_enter(unsigned long *gpr, u32 how, unsigned long *host_rsp,
			 const struct spec_ctrl_pair *spec);

/* Where VM exits lead: the value of HOST_RIP. */
extern char vmx_exit_point[];

/* Runs the kernel's NMI handler, for an NMI that made a VM exit. Context: interrupts off. */
asmlinkage void vmx_raise_nmi(void);

#endif
#endif
