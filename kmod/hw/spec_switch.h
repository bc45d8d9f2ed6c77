/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When IA32_SPEC_CTRL is written around an entry. Pure: no processor of the rig has the MSR, so
 * unit tests have to say that it is right.
 */
#ifndef HW_SPEC_SWITCH_H
#define HW_SPEC_SWITCH_H

#include <vmx/types.h>

/*
 * Values of IA32_SPEC_CTRL: the guest's is loaded last before the entry, if it is another, and the
 * host's first after the exit.
 */
struct spec_ctrl_pair {
	u64 guest, host;
};

/*
 * @guest: NULL: it does not have the MSR, and runs with the host's value.
 * @legacy_ibrs: the host's branches are protected only when IBRS is written after the exit,
 * whatever it was.
 * Return: whether the host's value has to be written after the exit.
 */
static inline bool spec_switch(struct spec_ctrl_pair *pair, const u64 *guest, u64 host,
			       bool legacy_ibrs)
{
	pair->host = host;
	pair->guest = guest ? *guest : host;
	return legacy_ibrs || pair->guest != pair->host;
}

#endif
