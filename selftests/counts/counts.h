/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In a module that is built with COUNTS=1 this comes before each file: the functions of kmod/hw/
 * that execute a VMX instruction count it. counts.c tells how many; selftests/rig/spent asks. Not
 * counted is the VMWRITE of HOST_RSP in hw/entry.S, which is executed when a thread's stack is
 * another than at the entry before.
 */
#ifndef COUNTS_H
#define COUNTS_H

/* As the sources that have it define it: that of printk.h would be another. */
#define pr_fmt(fmt) "abyme: " fmt

#include <linux/percpu.h>

struct vmx_insns {
	u64 vmread;
	u64 vmwrite;
	u64 vmptrld;
	u64 vmclear;
};

DECLARE_PER_CPU(struct vmx_insns, vmx_insns);

#define COUNT_INSN(name) this_cpu_inc(vmx_insns.name)

#endif
