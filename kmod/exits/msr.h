/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef EXITS_MSR_H
#define EXITS_MSR_H

#include <vmx/types.h>

struct vcpu;

/* exits/hyperv.c: EOI, ICR, TPR and the VP assist page, for rows of struct msr_row. */
int hyperv_apic_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int hyperv_apic_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/* Called once, at the module's load: the LAPIC's MSRs join those of guest/msrs.c. */
void exits_msr_setup(void);

#endif
