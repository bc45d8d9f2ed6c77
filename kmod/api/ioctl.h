/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ioctls as rows. A file has the rows of its handlers in tables that end with an
 * empty row; the device, a VM and a vCPU each have a list of such tables.
 *
 * What a reader must know: what the API passes by pointer is copied here, in and
 * out, as the command's number says, so that most handlers see kernel memory only.
 */
#ifndef API_IOCTL_H
#define API_IOCTL_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct vcpu;
struct vm;

/*
 * A handler of one of two forms. @data is the kernel's copy of the argument, zeroed where
 * nothing is copied in; it goes back to userspace if the handler returns no error. @arg is the
 * argument as it came: a number, or a pointer to what has no fixed length.
 */
struct ioctl_row {
	unsigned int cmd;
	unsigned int shape; /* the command whose direction and size are the copy's; 0: no copy */
	unsigned int flags; /* IOCTL_* */
	union {
		long (*sys)(void *data);
		long (*vm)(struct vm *vm, void *data);
		long (*vcpu)(struct vcpu *vcpu, void *data);
		long (*sys_arg)(unsigned long arg);
		long (*vm_arg)(struct vm *vm, unsigned long arg);
		long (*vcpu_arg)(struct vcpu *vcpu, unsigned long arg);
	};
};

/*
 * IOCTL_UNLOCKED: does not take the vCPU's lock, so does not wait until it has run. IOCTL_LAPIC:
 * -EINVAL if the vCPU has no LAPIC. IOCTL_ANYBODY, of a VM: any process may call it, not only the
 * one whose memory the VM has.
 */
#define IOCTL_UNLOCKED BIT(0)
#define IOCTL_LAPIC BIT(1)
#define IOCTL_ANYBODY BIT(2)

/* KIND is sys, vm or vcpu. */
#define IOCTL(KIND, command, handler)                                   \
	{                                                               \
		.cmd = (command), .shape = (command), .KIND = (handler) \
	}
#define IOCTL_FLAGS(KIND, command, handler, bits)                                        \
	{                                                                                \
		.cmd = (command), .shape = (command), .flags = (bits), .KIND = (handler) \
	}
/* For a command whose number does not have the argument's direction and size, as @like does. */
#define IOCTL_LIKE(KIND, command, like, handler)                     \
	{                                                            \
		.cmd = (command), .shape = (like), .KIND = (handler) \
	}
#define IOCTL_ARG(KIND, command, handler)                 \
	{                                                 \
		.cmd = (command), .KIND##_arg = (handler) \
	}

/* @tables: ends with NULL. Return: the row of @cmd, or NULL: -ENOTTY. */
const struct ioctl_row *ioctl_find(const struct ioctl_row *const *tables, unsigned int cmd);

/* Calls a row's handler with @object cast to its kind. @data is NULL for a row without a copy. */
typedef long ioctl_caller(const struct ioctl_row *row, void *object, void *data, unsigned long arg);

/*
 * Calls a row's handler by @call, which knows the kind of @object. -EFAULT, -ENOMEM, or
 * what @call returns. Context: may sleep.
 */
long ioctl_call(const struct ioctl_row *row, void *object, unsigned long arg, ioctl_caller *call);

/* The tables. Handlers of vCPUs are called with it locked and loaded, others with no lock. */
extern const struct ioctl_row feature_sys_ioctls[], attr_sys_ioctls[];
extern const struct ioctl_row mem_vm_ioctls[], irq_vm_ioctls[], msr_filter_vm_ioctls[],
	clock_vm_ioctls[], attr_vm_ioctls[];
extern const struct ioctl_row regs_vcpu_ioctls[], events_vcpu_ioctls[], feature_vcpu_ioctls[],
	irq_vcpu_ioctls[], attr_vcpu_ioctls[];

#endif
