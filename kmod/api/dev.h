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

/*
 * A row of a table of ioctls. Handlers take the object and the ioctl's argument
 * as it came: most of them a user pointer.
 */
struct ioctl_row {
	unsigned int cmd;
	long (*fn)(void *object, unsigned long arg);
};

/* The row of @cmd, or NULL. */
const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, int count, unsigned int cmd);

/*
 * Defines a row's function from a handler that takes a typed object and a user
 * pointer.
 */
#define IOCTL_ROW_FN(name, type, handler)                 \
	static long name(void *object, unsigned long arg) \
	{                                                 \
		type *o = object;                         \
		return handler(o, (void __user *)arg);    \
	}

#endif
