// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls of a VM about its memory; the work is in mem/. */

#include <linux/kvm.h>

#include "api/ioctl.h"
#include "cpu/vm.h"
#include "mem/mem.h"

/*
 * KVM_SET_USER_MEMORY_REGION. -EINVAL: alignment, wrap-around,
 * unknown flags, slot number, beyond what the processor addresses, deletion of
 * no slot, or a change of what a slot keeps for life; -EEXIST: overlap;
 * -ENOMEM.
 */
static long vm_set_user_memory_region(struct vm *vm, void *data)
{
	return mem_set_region(vm, data);
}

/*
 * KVM_GET_DIRTY_LOG. -EFAULT: the bitmap; -EINVAL: slot number; -ENOENT: no such slot, or no log;
 * -ENXIO: there are dirty rings instead.
 */
static long vm_get_dirty_log(struct vm *vm, void *data)
{
	return mem_get_dirty_log(vm, data);
}

/* KVM_CLEAR_DIRTY_LOG. -EINVAL, too: pages that are not the slot's, or no whole words. */
static long vm_clear_dirty_log(struct vm *vm, void *data)
{
	return mem_clear_dirty_log(vm, data);
}

/*
 * KVM_RESET_DIRTY_RINGS. Return: how many entries were reset. -EINVAL: the VM has no dirty rings;
 * -ENOSPC: a page was lost to them.
 */
static long vm_reset_dirty_rings(struct vm *vm, unsigned long arg)
{
	return mem_reset_dirty_rings(vm);
}

/*
 * KVM_SET_TSS_ADDR: where three pages for real mode might go. Unrestricted
 * guest needs none, so it is only remembered. @arg is the address itself.
 * -EINVAL: the pages would not lie below 4 GiB.
 */
static long vm_set_tss_addr(struct vm *vm, unsigned long addr)
{
	if (addr > (u32)(-3 * PAGE_SIZE))
		return -EINVAL;
	mutex_lock(&vm->lock);
	vm->tss_addr = addr;
	mutex_unlock(&vm->lock);
	return 0;
}

/*
 * KVM_SET_IDENTITY_MAP_ADDR: where the page table of a guest without paging might go, which
 * unrestricted guest does not need either. -EINVAL: there are vCPUs already.
 */
static long vm_set_identity_map_addr(struct vm *vm, void *data)
{
	long r = 0;

	mutex_lock(&vm->lock);
	if (vm->nr_vcpus)
		r = -EINVAL;
	else
		vm->identity_map_addr = *(u64 *)data;
	mutex_unlock(&vm->lock);
	return r;
}

const struct ioctl_row mem_vm_ioctls[] = {
	IOCTL(vm, KVM_SET_USER_MEMORY_REGION, vm_set_user_memory_region),
	IOCTL(vm, KVM_GET_DIRTY_LOG, vm_get_dirty_log),
	/* The command's number has the structure written back, but nothing in it changes. */
	IOCTL_LIKE(vm, KVM_CLEAR_DIRTY_LOG, _IOW(KVMIO, 0xc0, struct kvm_clear_dirty_log),
		   vm_clear_dirty_log),
	IOCTL_ARG(vm, KVM_RESET_DIRTY_RINGS, vm_reset_dirty_rings),
	IOCTL_ARG(vm, KVM_SET_TSS_ADDR, vm_set_tss_addr),
	IOCTL(vm, KVM_SET_IDENTITY_MAP_ADDR, vm_set_identity_map_addr),
	{},
};
