/* SPDX-License-Identifier: GPL-2.0-only */
/* Debug registers of a vCPU, the guest's own and those of KVM_SET_GUEST_DEBUG. */
#ifndef GUEST_DEBUG_H
#define GUEST_DEBUG_H

#include <vmx/types.h>

struct vcpu;

struct vcpu_debug {
	unsigned long db[4]; /* the guest's DR0 to DR3 */
	unsigned long dr6, dr7;
	unsigned long eff_db[4]; /* what the processor gets: the guest's or the debugger's */
	u32 control; /* KVM_GUESTDBG_*, 0: no debugger */
	unsigned long host_dr7; /* the debugger's */
	unsigned long singlestep_rip;
	bool guest_loaded; /* guest's registers are in the processor; DR exits are off */
};

void debug_reset(struct vcpu *vcpu);
/* Around the entry, interrupts off; after it the host's breakpoints are back. */
void debug_enter(struct vcpu *vcpu);
void debug_exit(struct vcpu *vcpu);

#endif
