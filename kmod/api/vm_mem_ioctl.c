// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a VM about its memory: arguments are copied here, the work is in mem/. */

#include "api/vm_mem_ioctl.h"

#include <linux/kvm.h>
#include <linux/uaccess.h>

#include "cpu/vm.h"
#include "mem/mem.h"

/*
 * KVM_SET_USER_MEMORY_REGION. -EFAULT: @arg; -EINVAL: alignment, wrap-around,
 * unknown flags, slot number, beyond what the processor addresses, deletion of
 * no slot, or a change of what a slot keeps for life; -EEXIST: overlap;
 * -ENOMEM.
 */
long vm_set_user_memory_region(struct vm *vm, void __user *arg)
{
	struct kvm_userspace_memory_region region;

	if (copy_from_user(&region, arg, sizeof(region)))
		return -EFAULT;
	return mem_set_region(vm, &region);
}

/* KVM_GET_DIRTY_LOG. -EFAULT; -EINVAL: slot number; -ENOENT: no such slot, or no log. */
long vm_get_dirty_log(struct vm *vm, void __user *arg)
{
	struct kvm_dirty_log log;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	return mem_get_dirty_log(vm, &log);
}

/* KVM_CLEAR_DIRTY_LOG. As above; -EINVAL also: pages not in the slot, or no whole words. */
long vm_clear_dirty_log(struct vm *vm, void __user *arg)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	return mem_clear_dirty_log(vm, &log);
}

/*
 * KVM_SET_TSS_ADDR: where three pages for real mode might go. Unrestricted
 * guest needs none, so it is only remembered. @arg is the address itself.
 * -EINVAL: the pages would not lie below 4 GiB.
 */
long vm_set_tss_addr(struct vm *vm, void __user *arg)
{
	unsigned long addr = (unsigned long)arg;

	if (addr > (u32)(-3 * PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->tss_addr = addr;
	mutex_unlock(&vm->lock);
	return 0;
}

/*
 * KVM_SET_IDENTITY_MAP_ADDR: the same for the page table of a guest without
 * paging. -EFAULT; -EINVAL: there are vCPUs already.
 */
long vm_set_identity_map_addr(struct vm *vm, void __user *arg)
{
	u64 addr;
	long r = 0;

	if (copy_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		r = -EINVAL;
	else
		vm->identity_map_addr = addr;
	mutex_unlock(&vm->lock);
	return r;
}
