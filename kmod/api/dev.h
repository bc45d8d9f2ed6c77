/* SPDX-License-Identifier: GPL-2.0-only */
/* The three kinds of file: the device, a VM, a vCPU. */
#ifndef API_DEV_H
#define API_DEV_H

#include <linux/fs.h>

struct vcpu;
struct vm;

extern const struct file_operations dev_fops;

/* KVM_CHECK_EXTENSION: 0 when @cap is not offered. @vm may be NULL. */
long extension_value(struct vm *vm, unsigned long cap);

/* KVM_CREATE_VM: the new fd or -errno. */
long vm_create_fd(void);

/* KVM_CREATE_VCPU: the new fd or -errno. Context: vm->lock not held. */
long vcpu_create_fd(struct vm *vm, unsigned long id);

#endif
