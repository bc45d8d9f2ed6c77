// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER: building a filter from userspace's ranges, and
 * putting it in force. What it decides is in cpu/msr_filter.c.
 */
#include <linux/err.h>
#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "api/ioctl.h"
#include "cpu/msr_filter.h"
#include "cpu/vcpu.h"

/* Adds a range, if it has any MSR. -EINVAL: no flags, or unknown ones; too many MSRs. */
static int add_msr_range(struct msr_filter *filter, const struct kvm_msr_filter_range *from)
{
	u32 access = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
	struct msr_filter_range *range = &filter->range[filter->count];
	size_t len;
	void *bits;

	BUILD_BUG_ON(MSR_FILTER_READ != KVM_MSR_FILTER_READ);
	BUILD_BUG_ON(MSR_FILTER_WRITE != KVM_MSR_FILTER_WRITE);
	if (!from->nmsrs)
		return 0;
	if (!from->flags || from->flags & ~access ||
	    from->nmsrs > 8 * KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	len = BITS_TO_LONGS(from->nmsrs) * sizeof(long);
	bits = kzalloc(len, GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	if (copy_from_user(bits, (void __user *)from->bitmap, len)) {
		kfree(bits);
		return -EFAULT;
	}
	*range = (struct msr_filter_range){ from->flags, from->base, from->nmsrs, bits };
	filter->count++;
	return 0;
}

/* Makes a filter of what userspace wants. Return: the filter, or an ERR_PTR. */
static struct msr_filter *make_filter(const struct kvm_msr_filter *from)
{
	struct msr_filter *filter;
	int i, r = 0;

	BUILD_BUG_ON(MSR_FILTER_RANGES != KVM_MSR_FILTER_MAX_RANGES);
	if (from->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return ERR_PTR(-EINVAL);
	filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->default_allow = !(from->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; !r && i < MSR_FILTER_RANGES; i++)
		r = add_msr_range(filter, &from->ranges[i]);
	/* A filter that denies all MSRs is refused, as in KVM: it can only be a mistake. */
	if (!r && !filter->default_allow && !filter->count)
		r = -EINVAL;
	if (!r)
		return filter;
	msr_filter_free(filter);
	return ERR_PTR(r);
}

/*
 * KVM_X86_SET_MSR_FILTER: the filter is in force for each vCPU when this
 * returns. -EFAULT; -EINVAL: unknown flags, a range for neither reads nor
 * writes or of more MSRs than 12288, deny by default without a range; -ENOMEM.
 */
static long vm_set_msr_filter(struct vm *vm, void *data)
{
	struct msr_filter *filter, *old;

	filter = make_filter(data);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	mutex_lock(&vm->lock);
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	/* No vCPU runs with a bitmap of the old filter when this returns. */
	vm_request_sync(vm, REQ_MSR_BITMAP);
	synchronize_rcu();
	mutex_unlock(&vm->lock);
	msr_filter_free(old);
	return 0;
}

const struct ioctl_row msr_filter_vm_ioctls[] = {
	IOCTL(vm, KVM_X86_SET_MSR_FILTER, vm_set_msr_filter),
	{},
};
