// SPDX-License-Identifier: GPL-2.0-only
/* Attributes of the device and of vCPUs, and that there is no device to be made. */
#include <string.h>
#include "vm.h"

#define MIB (1u << 20)
#define MSR_TSC 0x10
#define NOWHERE 0x10 /* an address of nobody's */

static struct vm *vm;

static struct kvm_device_attr attr_of(u32 group, u64 index, void *value)
{
	return (struct kvm_device_attr){ .group = group, .attr = index, .addr = (u64)value };
}

/* What holds for both files. */
static void refusals(int fd, bool set)
{
	u64 value = 0;
	struct kvm_device_attr group = attr_of(7, 0, &value), index = attr_of(0, 7, &value);
	struct kvm_device_attr flags = attr_of(0, 0, &value);
	struct kvm_device_attr nowhere = attr_of(0, 0, (void *)NOWHERE);

	flags.flags = 1;
	EXPECT_ERRNO(ioctl(fd, KVM_HAS_DEVICE_ATTR, &group), ENXIO, "has: another group");
	EXPECT_ERRNO(ioctl(fd, KVM_HAS_DEVICE_ATTR, &index), ENXIO, "has: another attribute");
	EXPECT_ERRNO(ioctl(fd, KVM_HAS_DEVICE_ATTR, NOWHERE), EFAULT, "has: no argument");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_DEVICE_ATTR, &group), ENXIO, "get: another group");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_DEVICE_ATTR, &index), ENXIO, "get: another attribute");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_DEVICE_ATTR, &nowhere), EFAULT, "get: to nowhere");
	if (!dev_is_kvm())
		EXPECT_ERRNO(ioctl(fd, KVM_GET_DEVICE_ATTR, &flags), EINVAL, "get: flags");
	if (!set)
		return;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEVICE_ATTR, &group), ENXIO, "set: another group");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEVICE_ATTR, &index), ENXIO, "set: another attribute");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEVICE_ATTR, &nowhere), EFAULT, "set: from nowhere");
	if (!dev_is_kvm())
		EXPECT_ERRNO(ioctl(fd, KVM_SET_DEVICE_ATTR, &flags), EINVAL, "set: flags");
}

/* CPUID leaf 13 has the same components, in the form that it gives them. */
static u64 supported_xcr0(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = 128 };

	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &c))
		tap_bail("KVM_GET_SUPPORTED_CPUID");
	for (u32 i = 0; i < c.head.nent; i++)
		if (c.entries[i].function == 13 && !c.entries[i].index)
			return c.entries[i].eax | (u64)c.entries[i].edx << 32;
	return 0;
}

static void of_the_device(void)
{
	u64 value = ~0ull;
	struct kvm_device_attr attr = attr_of(0, KVM_X86_XCOMP_GUEST_SUPP, &value);

	tap_ok(vm_cap(vm->dev, KVM_CAP_SYS_ATTRIBUTES) == 1, "the device has attributes");
	EXPECT_OK(ioctl(vm->dev, KVM_HAS_DEVICE_ATTR, &attr), "one is XCOMP_GUEST_SUPP");
	tap_ok(!ioctl(vm->dev, KVM_GET_DEVICE_ATTR, &attr) && value == supported_xcr0(),
	       "which CPUID agrees with");
	EXPECT_REFUSED(ioctl(vm->dev, KVM_SET_DEVICE_ATTR, &attr), "KVM_SET_DEVICE_ATTR there");
	refusals(vm->dev, false);
}

static u64 host_tsc(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return low | (u64)high << 32;
}

static u64 guest_tsc(int cpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = MSR_TSC };

	if (ioctl(vm->cpu[cpu].fd, KVM_GET_MSRS, &m) != 1)
		tap_bail("IA32_TSC");
	return m.entry.data;
}

static bool tsc_is_at(int cpu, u64 offset)
{
	u64 before = host_tsc() + offset, tsc = guest_tsc(cpu), after = host_tsc() + offset;

	return tsc - before <= after - before;
}

static void of_a_vcpu(void)
{
	u64 value, set = 123ull << 40;
	struct kvm_device_attr attr = attr_of(KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &value);
	int a = vm_add_cpu(vm), b = vm_add_cpu(vm), fd = vm->cpu[a].fd;

	tap_ok(vm_cap(vm->dev, KVM_CAP_VCPU_ATTRIBUTES) == 1, "a vCPU has attributes");
	EXPECT_OK(ioctl(fd, KVM_HAS_DEVICE_ATTR, &attr), "one is TSC_OFFSET");
	tap_ok(!ioctl(fd, KVM_GET_DEVICE_ATTR, &attr) && tsc_is_at(a, value),
	       "it is what the TSC is ahead of the host's");
	value = set;
	tap_ok(!ioctl(fd, KVM_SET_DEVICE_ATTR, &attr) && tsc_is_at(a, set), "and moves the TSC");
	value = 0;
	tap_ok(!ioctl(fd, KVM_GET_DEVICE_ATTR, &attr) && value == set, "and is told as set");
	tap_ok(!tsc_is_at(b, set), "the other vCPU has its own");
	refusals(fd, true);
	tap_ok(tsc_is_at(a, set), "what is refused does not move it");
}

static void of_a_vm(void)
{
	u64 value = 0;
	struct kvm_device_attr attr = attr_of(0, 0, &value);
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };

	if (dev_is_kvm())
		return;
	EXPECT_REFUSED(ioctl(vm->fd, KVM_GET_DEVICE_ATTR, &attr), "an attribute of a VM");
	tap_ok(!vm_cap(vm->dev, KVM_CAP_VM_ATTRIBUTES) && !vm_cap(vm->dev, KVM_CAP_DEVICE_CTRL),
	       "neither these nor devices are announced");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_DEVICE, &device), ENODEV, "a device for VFIO");
	device.flags = KVM_CREATE_DEVICE_TEST;
	device.type = ~0u;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_DEVICE, &device), ENODEV, "one that nobody knows");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_DEVICE, NOWHERE), EFAULT, "one at no address");
}

int main(void)
{
	vm = vm_new(MIB);
	of_the_device();
	of_a_vcpu();
	of_a_vm();
	vm_free(vm);
	return tap_done();
}
