// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/abyme: the system ioctls. The mode of the node says who may open it. An
 * ioctl without a row answers -ENOTTY. Tour, stop 2.
 */

#include <linux/kvm.h>
#include <linux/module.h>

#include "api/dev.h"
#include "api/ioctl.h"
#include "cpu/vm.h"

/* KVM_GET_API_VERSION: 12, and never another. @arg must be 0. */
static long get_api_version(unsigned long arg)
{
	return arg ? -EINVAL : KVM_API_VERSION;
}

/* KVM_CREATE_VM: @arg is the machine type; there is one, 0. */
static long create_vm(unsigned long arg)
{
	return arg ? -EINVAL : vm_create_fd();
}

/* KVM_GET_VCPU_MMAP_SIZE: kvm_run, port data, coalesced ring: three pages. */
static long get_vcpu_mmap_size(unsigned long arg)
{
	return arg ? -EINVAL : 3 * PAGE_SIZE;
}

/* KVM_CHECK_EXTENSION without a VM: what a new VM would have. */
static long dev_check_extension(unsigned long arg)
{
	return extension_value(NULL, arg);
}

static const struct ioctl_row rows[] = {
	IOCTL_ARG(sys, KVM_GET_API_VERSION, get_api_version),
	IOCTL_ARG(sys, KVM_CREATE_VM, create_vm),
	IOCTL_ARG(sys, KVM_CHECK_EXTENSION, dev_check_extension),
	IOCTL_ARG(sys, KVM_GET_VCPU_MMAP_SIZE, get_vcpu_mmap_size),
	{},
};

static const struct ioctl_row *const tables[] = { rows, feature_sys_ioctls, attr_sys_ioctls, NULL };

static long dev_call(const struct ioctl_row *row, void *unused, void *data, unsigned long arg)
{
	return data ? row->sys(data) : row->sys_arg(arg);
}

/* No lock is taken: answers are about the processor and the module, and do not change. */
static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(tables, cmd);

	return row ? ioctl_call(row, NULL, arg, dev_call) : -ENOTTY;
}

const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.llseek = noop_llseek,
};
