/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processor's VMX offers, read once when the module is loaded, and
 * never written after.
 */
#ifndef HW_CAPS_H
#define HW_CAPS_H

#include <vmx/caps.h>
#include <vmx/controls.h>

extern struct vmx_caps hw_caps;
extern bool hw_la57;

/* Has this CPU the VT-x that the one had on which the module was loaded? */
bool caps_same_here(void);

/*
 * Fills hw_caps. Return: 0; -ENODEV: no VT-x, or a must-have is missing;
 * -EPERM: firmware has switched it off. A sentence in the kernel log says
 * which.
 */
int caps_init(void);

static inline bool hw_has_shadow_vmcs(void)
{
	return ctl_may(hw_caps.proc2, PROC2_SHADOW_VMCS);
}

static inline bool hw_has_tsc_scaling(void)
{
	return ctl_may(hw_caps.proc2, PROC2_TSC_SCALING);
}

static inline bool hw_has_xsaves(void)
{
	return ctl_may(hw_caps.proc2, PROC2_XSAVES);
}

/*
 * Does the host use 57-bit linear addresses? Then bases and MSRs may hold such, in a guest without
 * them as well: the processor goes by its own width there, and WRFSBASE does not exit. It does so
 * also where the host leaves them off (no5lvl); the emulated processor does not, and abyme then keeps
 * to 48 bits.
 */
static inline bool hw_has_la57(void)
{
	return hw_la57;
}

/* Can guests have CET, and the host keep its own? See judge_cet(), which host_setup() calls. */
static inline bool hw_has_cet(void)
{
	return ctl_may(hw_caps.entry, ENTRYC_LOAD_CET);
}

#endif
