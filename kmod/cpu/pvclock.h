/* SPDX-License-Identifier: GPL-2.0-only */
/* What clock.c needs of the paravirtual clock. */
#ifndef CPU_PVCLOCK_H
#define CPU_PVCLOCK_H

#include <vmx/types.h>

struct vm;

/* Whether the host's TSC runs evenly and alike on all CPUs: kvmclock follows it then. */
bool pvclock_stable(void);

/*
 * Nanoseconds are ((ticks << shift) * mul) >> 32 at @khz; a negative shift
 * is one to the right.
 */
void pvclock_factors(u32 khz, s8 *shift, u32 *mul);

/* kvmclock was @ns at @host_tsc, and goes on from there. False: its TSC is not stable. */
bool pvclock_base(struct vm *vm, u64 *host_tsc, u64 *ns);

#endif
