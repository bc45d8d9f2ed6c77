/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXITS_MSR_H
#define EXITS_MSR_H

/* Once, at the module's load: the LAPIC's MSRs join those of guest/msrs. */
void exits_msr_setup(void);

#endif
