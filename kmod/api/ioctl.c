// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds an ioctl's row, and copies its argument into the kernel and back. dev.c,
 * vm_ioctl.c and vcpu_ioctl.c call this. Tour, stop 2.
 */
#include "api/ioctl.h"

#include <linux/slab.h>
#include <linux/uaccess.h>

/* Arguments up to so many bytes are copied to the stack. XSAVE, LAPIC and chips are larger. */
#define SMALL 512

/* A linear search: the tables are short, and KVM_RUN, the one that matters, is the first row. */
const struct ioctl_row *ioctl_find(const struct ioctl_row *const *tables, unsigned int cmd)
{
	const struct ioctl_row *row;

	for (; *tables; tables++)
		for (row = *tables; row->cmd; row++)
			if (row->cmd == cmd)
				return row;
	return NULL;
}

/*
 * Userspace's memory is accessed without a lock held, since a page of it may take long to come
 * (userfaultfd). Not inlined, so that KVM_RUN does not have the copy on its stack.
 */
static noinline long call_with_copy(const struct ioctl_row *row, void *object, unsigned long arg,
				    ioctl_caller *call)
{
	unsigned int size = _IOC_SIZE(row->shape), dir = _IOC_DIR(row->shape);
	void __user *user = (void __user *)arg;
	u64 small[SMALL / sizeof(u64)];
	void *data = small;
	long r = -EFAULT;

	/* Zeroed, so that what a handler leaves out does not tell userspace of the stack. */
	if (size > SMALL)
		data = kzalloc(size, GFP_KERNEL_ACCOUNT);
	else
		memset(small, 0, size);
	if (!data)
		return -ENOMEM;
	if (!(dir & _IOC_WRITE) || !copy_from_user(data, user, size))
		r = call(row, object, data, arg);
	if (r >= 0 && (dir & _IOC_READ) && copy_to_user(user, data, size))
		r = -EFAULT;
	if (data != small)
		kfree(data);
	return r;
}

long ioctl_call(const struct ioctl_row *row, void *object, unsigned long arg, ioctl_caller *call)
{
	return row->shape ? call_with_copy(row, object, arg, call) : call(row, object, NULL, arg);
}
