// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of the device and of a vCPU (KVM_HAS_DEVICE_ATTR and its like), and
 * KVM_CREATE_DEVICE, which finds no type of device here.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>

#include "api/ioctl.h"
#include "cpu/vcpu.h"

/* 0 if @attr names attribute @index of @group; -EINVAL: it has flags; -ENXIO: it is another one. */
static long attr_is(const struct kvm_device_attr *attr, u32 group, u64 index)
{
	if (attr->flags)
		return -EINVAL;
	return attr->group == group && attr->attr == index ? 0 : -ENXIO;
}

/* Where the attribute's value is: the structure has the address only, so it's copied by hand. */
static u64 __user *value_of(const struct kvm_device_attr *attr)
{
	return u64_to_user_ptr(attr->addr);
}

/* --- the device: what XCR0 can be at most -------------------------------------------- */

/* On KVM the mask also has components that a process must ask Linux for. abyme offers none. */
static long sys_has_attr(void *data)
{
	return attr_is(data, 0, KVM_X86_XCOMP_GUEST_SUPP);
}

static long sys_get_attr(void *data)
{
	long r = attr_is(data, 0, KVM_X86_XCOMP_GUEST_SUPP);

	if (r)
		return r;
	return put_user(fpu_supported_xcr0(), value_of(data)) ? -EFAULT : 0;
}

/* --- a vCPU: the offset of its TSC from the host's ----------------------------------- */

static long vcpu_has_attr(struct vcpu *vcpu, void *data)
{
	return attr_is(data, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);
}

static long vcpu_get_attr(struct vcpu *vcpu, void *data)
{
	long r = attr_is(data, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);

	if (r)
		return r;
	return put_user(vcpu->clock.tsc_offset, value_of(data)) ? -EFAULT : 0;
}

/* One offset for all vCPUs keeps their TSCs in step; setting TSCs one by one cannot. */
static long vcpu_set_attr(struct vcpu *vcpu, void *data)
{
	long r = attr_is(data, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);
	u64 offset;

	if (r)
		return r;
	if (get_user(offset, value_of(data)))
		return -EFAULT;
	clock_set_offset(vcpu, offset);
	return 0;
}

/* --- a VM ---------------------------------------------------------------------------- */

/* -ENODEV, as for every type that KVM does not know. */
static long vm_create_device(struct vm *vm, void *data)
{
	return -ENODEV;
}

const struct ioctl_row attr_sys_ioctls[] = {
	IOCTL(sys, KVM_HAS_DEVICE_ATTR, sys_has_attr),
	IOCTL(sys, KVM_GET_DEVICE_ATTR, sys_get_attr),
	{},
};

const struct ioctl_row attr_vm_ioctls[] = {
	IOCTL(vm, KVM_CREATE_DEVICE, vm_create_device),
	{},
};

const struct ioctl_row attr_vcpu_ioctls[] = {
	IOCTL(vcpu, KVM_HAS_DEVICE_ATTR, vcpu_has_attr),
	IOCTL(vcpu, KVM_GET_DEVICE_ATTR, vcpu_get_attr),
	IOCTL(vcpu, KVM_SET_DEVICE_ATTR, vcpu_set_attr),
	{},
};
