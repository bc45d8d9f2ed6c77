/* SPDX-License-Identifier: GPL-2.0-only */
/* Readers and writers of MSRs that msrs.c' table names, by file, and what they share. */
#ifndef CPU_MSR_ROWS_H
#define CPU_MSR_ROWS_H

#include <vmx/types.h>

struct vcpu;

/* msrs.c */
bool msr_canonical(u64 value);

/* msr_mtrr.c */
int mtrr_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int mtrr_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int mtrr_cap_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);

/* msr_mce.c */
int mce_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int mce_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/* msr_clock.c */
int tsc_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int tsc_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int tsc_adjust_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int pv_clock_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int pv_clock_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/* msr_spec.c */
int spec_ctrl_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int spec_ctrl_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int pred_cmd_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int flush_cmd_write(struct vcpu *vcpu, u32 index, bool host, u64 value);
int command_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);

/* msr_umwait.c; the first: is it among the MSRs that userspace saves? */
bool umwait_listed(void);
int umwait_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int umwait_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/* msr_cet.c */
int cet_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int cet_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

/* hyperv.c */
int hyperv_read(struct vcpu *vcpu, u32 index, bool host, u64 *value);
int hyperv_write(struct vcpu *vcpu, u32 index, bool host, u64 value);

#endif
