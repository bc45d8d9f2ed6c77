// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/abyme: the system ioctls, as a table. Who may open it is the node's
 * mode. No row, no ioctl: -ENOTTY. Tour, stop 2.
 */

#include <linux/kvm.h>
#include <linux/module.h>

#include "api/dev.h"
#include "api/vcpu_state_ioctl.h"
#include "cpu/vm.h"

/*
 * Linear: the tables are short, and the ioctl that matters, KVM_RUN, comes
 * first in its own.
 */
const struct ioctl_row *ioctl_find(const struct ioctl_row *rows, int count, unsigned int cmd)
{
	int i;

	for (i = 0; i < count; i++)
		if (rows[i].cmd == cmd)
			return &rows[i];
	return NULL;
}

/* KVM_GET_API_VERSION: 12, and never another. @arg must be 0. */
static long get_api_version(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : KVM_API_VERSION;
}

/* KVM_CREATE_VM: @arg is the machine type; there is one, 0. */
static long create_vm(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : vm_create_fd();
}

/* KVM_GET_VCPU_MMAP_SIZE: kvm_run, port data, coalesced ring: three pages. */
static long get_vcpu_mmap_size(void *unused, unsigned long arg)
{
	return arg ? -EINVAL : 3 * PAGE_SIZE;
}

/* KVM_CHECK_EXTENSION without a VM: what a new VM would have. */
static long dev_check_extension(void *unused, unsigned long arg)
{
	return extension_value(NULL, arg);
}

#define SYSTEM_FN(name, handler)                          \
	static long name(void *unused, unsigned long arg) \
	{                                                 \
		return handler((void __user *)arg);       \
	}

SYSTEM_FN(get_supported_cpuid, sys_get_supported_cpuid)
SYSTEM_FN(get_supported_hv_cpuid, sys_get_supported_hv_cpuid)
SYSTEM_FN(get_emulated_cpuid, sys_get_emulated_cpuid)
SYSTEM_FN(get_msr_index_list, sys_get_msr_index_list)
SYSTEM_FN(get_msr_feature_list, sys_get_msr_feature_index_list)
SYSTEM_FN(get_feature_msrs, sys_get_msrs)
SYSTEM_FN(get_mce_cap, sys_get_mce_cap)
SYSTEM_FN(has_attr, sys_has_attr)
SYSTEM_FN(get_attr, sys_get_attr)

static const struct ioctl_row rows[] = {
	{ KVM_GET_API_VERSION, get_api_version },
	{ KVM_CREATE_VM, create_vm },
	{ KVM_CHECK_EXTENSION, dev_check_extension },
	{ KVM_GET_VCPU_MMAP_SIZE, get_vcpu_mmap_size },
	{ KVM_GET_SUPPORTED_CPUID, get_supported_cpuid },
	{ KVM_GET_SUPPORTED_HV_CPUID, get_supported_hv_cpuid },
	{ KVM_GET_EMULATED_CPUID, get_emulated_cpuid },
	{ KVM_GET_MSR_INDEX_LIST, get_msr_index_list },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, get_msr_feature_list },
	{ KVM_GET_MSRS, get_feature_msrs },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, get_mce_cap },
	{ KVM_HAS_DEVICE_ATTR, has_attr },
	{ KVM_GET_DEVICE_ATTR, get_attr },
};

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(rows, ARRAY_SIZE(rows), cmd);

	return row ? row->fn(NULL, arg) : -ENOTTY;
}

const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = dev_ioctl,
	.llseek = noop_llseek,
};
