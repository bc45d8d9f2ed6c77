// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many VMX instructions the module has executed, as its parameter vmx_insns: a line for each,
 * name and number. Only in a module that is built with COUNTS=1.
 */
#include <linux/module.h>

#include "counts.h"

DEFINE_PER_CPU(struct vmx_insns, vmx_insns);

#define SUM(name)                                              \
	({                                                     \
		u64 sum_ = 0;                                  \
		int cpu_;                                      \
                                                               \
		for_each_possible_cpu(cpu_)                    \
			sum_ += per_cpu(vmx_insns, cpu_).name; \
		sum_;                                          \
	})

static int get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "VMREAD %llu\nVMWRITE %llu\nVMPTRLD %llu\nVMCLEAR %llu\n",
			  SUM(vmread), SUM(vmwrite), SUM(vmptrld), SUM(vmclear));
}

static const struct kernel_param_ops ops = { .get = get };

module_param_cb(vmx_insns, &ops, NULL, 0444);
