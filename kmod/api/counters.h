/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of a VM or vCPU as one numbered list, for those who publish them. */
#ifndef API_COUNTERS_H
#define API_COUNTERS_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vm;
struct vcpu;

#define COUNTER_NAME_SIZE 48 /* with the final 0 */

/* How many there are. Their indices begin at 0. */
int counters_count(void);
/* @name: COUNTER_NAME_SIZE bytes. */
void counter_name(int index, char *name);
/* KVM_STATS_TYPE_*: whether it rises only. */
u32 counter_type(int index);
/* @vcpu's value; if @vcpu is NULL the sum over @vm's vCPUs. Any context, no lock. */
u64 counter_value(struct vm *vm, struct vcpu *vcpu, int index);

#endif
