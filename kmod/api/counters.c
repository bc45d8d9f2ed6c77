// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of counters: those of the table VCPU_STATS, then exits by reason
 * from L1, then from L2, then what the VM has as a whole. stats.c
 * publishes them.
 *
 * What a reader must know: counters are written by the vCPU's thread alone and
 * read by anyone without a lock; a value may be old, but never torn.
 */
#include "api/counters.h"

#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "cpu/vcpu.h"
#include "cpu/vm.h"

/* A counter of struct vcpu_stats, and its name with a prefix. */
struct counter {
	const char *prefix;
	const char *name;
	u16 offset;
};

static const struct counter counters[] = {
#define X(name, what) { "", #name, offsetof(struct vcpu_stats, name) },
	VCPU_STATS(X)
#undef X
#define X(number, name, text) { "exit_", #name, offsetof(struct vcpu_stats, exit_l1[number]) },
#include <vmx/exits.def>
#undef X
#define X(number, name, text) { "l2_exit_", #name, offsetof(struct vcpu_stats, exit_l2[number]) },
#include <vmx/exits.def>
#undef X
};

/* Table pages of EPT and all EPT02s together: what mem_table_limit() limits. */
static u64 ept_pages(struct vm *vm)
{
	return READ_ONCE(vm->mem.pool.pages);
}

/* The most entries of page tables that were looked at in one hold of vm->mem.lock. */
static u64 ept_most_steps(struct vm *vm)
{
	return READ_ONCE(vm->mem.pool.most_steps);
}

/* The counters of the VM as a whole, whose indices follow those of counters[]. */
static const struct vm_counter {
	const char *name;
	u32 type;
	u64 (*value)(struct vm *vm);
} vm_counters[] = {
	{ "ept_pages", KVM_STATS_TYPE_INSTANT, ept_pages },
	{ "ept_pages_limit", KVM_STATS_TYPE_INSTANT, mem_table_limit },
	{ "ept_longest_hold", KVM_STATS_TYPE_PEAK, ept_most_steps },
};

/* The VM's counter @index, or NULL if the index is one of counters[]. */
static const struct vm_counter *vm_counter_of(int index)
{
	return index < (int)ARRAY_SIZE(counters) ? NULL
						 : &vm_counters[index - ARRAY_SIZE(counters)];
}

int counters_count(void)
{
	return ARRAY_SIZE(counters) + ARRAY_SIZE(vm_counters);
}

void counter_name(int index, char *name)
{
	if (vm_counter_of(index)) {
		strscpy(name, vm_counter_of(index)->name, COUNTER_NAME_SIZE);
		return;
	}
	snprintf(name, COUNTER_NAME_SIZE, "%s%s", counters[index].prefix, counters[index].name);
	for (; *name; name++)
		*name = tolower(*name);
}

u32 counter_type(int index)
{
	return vm_counter_of(index) ? vm_counter_of(index)->type : KVM_STATS_TYPE_CUMULATIVE;
}

/* READ_ONCE, as the vCPU's thread counts on meanwhile. */
static u64 vcpu_value(const struct vcpu *vcpu, int index)
{
	const struct vcpu_stats *stats = &vcpu->stats;
	u64 sum = 0;
	int i;

	/* Exits are counted by their reasons alone, but for those without a known one. */
	if (counters[index].offset == offsetof(struct vcpu_stats, exits))
		for (i = 0; i < NR_EXITS; i++)
			sum += READ_ONCE(stats->exit_l1[i]) + READ_ONCE(stats->exit_l2[i]);
	return sum + READ_ONCE(*(const u64 *)((const char *)&vcpu->stats + counters[index].offset));
}

u64 counter_value(struct vm *vm, struct vcpu *vcpu, int index)
{
	u64 sum = 0;
	int i;

	/* Statistics of a vCPU have the VM's own counters, too, as the descriptors are the same. */
	if (vm_counter_of(index))
		return vm_counter_of(index)->value(vm);
	if (vcpu)
		return vcpu_value(vcpu, index);
	vm_for_each_vcpu(vm, i, vcpu)
		sum += vcpu_value(vcpu, index);
	return sum;
}
