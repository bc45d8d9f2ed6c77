// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of the device and of a vCPU (KVM_HAS_DEVICE_ATTR and its like), and
 * KVM_CREATE_DEVICE, whose devices there are none of.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>

#include "api/vcpu_state_ioctl.h"
#include "cpu/vcpu.h"

/* Takes the argument. -EINVAL: flags, of which there are none; -ENXIO: another attribute. */
static long take_attr(struct kvm_device_attr *attr, const void __user *arg, u32 group, u64 index)
{
	if (copy_from_user(attr, arg, sizeof(*attr)))
		return -EFAULT;
	if (attr->flags)
		return -EINVAL;
	return attr->group == group && attr->attr == index ? 0 : -ENXIO;
}

static u64 __user *value_of(const struct kvm_device_attr *attr)
{
	return u64_to_user_ptr(attr->addr);
}

/* --- the device: what XCR0 can be at most -------------------------------------------- */

/*
 * On KVM this may hold components that a process must ask Linux for. Here there
 * are none of that kind.
 */
long sys_has_attr(void __user *arg)
{
	struct kvm_device_attr attr;

	return take_attr(&attr, arg, 0, KVM_X86_XCOMP_GUEST_SUPP);
}

long sys_get_attr(void __user *arg)
{
	struct kvm_device_attr attr;
	long r = take_attr(&attr, arg, 0, KVM_X86_XCOMP_GUEST_SUPP);

	if (r)
		return r;
	return put_user(fpu_supported_xcr0(), value_of(&attr)) ? -EFAULT : 0;
}

/* --- a vCPU: the offset of its TSC from the host's ----------------------------------- */

long vcpu_has_attr(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_device_attr attr;

	return take_attr(&attr, arg, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);
}

long vcpu_get_attr(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_device_attr attr;
	long r = take_attr(&attr, arg, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);

	if (r)
		return r;
	return put_user(vcpu->clock.tsc_offset, value_of(&attr)) ? -EFAULT : 0;
}

long vcpu_set_attr(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_device_attr attr;
	long r = take_attr(&attr, arg, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET);
	u64 offset;

	if (r)
		return r;
	if (get_user(offset, value_of(&attr)))
		return -EFAULT;
	clock_set_offset(vcpu, offset);
	return 0;
}

/* --- a VM ---------------------------------------------------------------------------- */

/* -ENODEV, as for every type that KVM does not know. */
long vm_create_device(struct vm *vm, void __user *arg)
{
	struct kvm_create_device device;

	return copy_from_user(&device, arg, sizeof(device)) ? -EFAULT : -ENODEV;
}
