/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef API_MSR_FILTER_IOCTL_H
#define API_MSR_FILTER_IOCTL_H

#include <linux/compiler.h>

struct vm;

long vm_set_msr_filter(struct vm *vm, void __user *arg);

#endif
