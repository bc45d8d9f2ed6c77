// SPDX-License-Identifier: GPL-2.0-only
/* The device node: version, capabilities, and what it refuses. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

static int dev;

static void versions(void)
{
	tap_ok(ioctl(dev, KVM_GET_API_VERSION, 0) == 12, "API version 12");
	EXPECT_ERRNO(ioctl(dev, KVM_GET_API_VERSION, 1), EINVAL,
		     "KVM_GET_API_VERSION with an argument");
	tap_ok(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0) >= 8192,
	       "a vCPU's mapping has two pages at least");
	EXPECT_ERRNO(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1), EINVAL,
		     "KVM_GET_VCPU_MMAP_SIZE with an argument");
}

static void capabilities(void)
{
	static const struct {
		int cap;
		const char *name;
	} required[] = {
		{ KVM_CAP_USER_MEMORY, "USER_MEMORY" },
		{ KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR" },
		{ KVM_CAP_EXT_CPUID, "EXT_CPUID" },
		{ KVM_CAP_EXT_EMUL_CPUID, "EXT_EMUL_CPUID" },
		{ KVM_CAP_NOP_IO_DELAY, "NOP_IO_DELAY" },
		{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION_WORKS" },
		{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS_WORKS" },
		{ KVM_CAP_MP_STATE, "MP_STATE" },
		{ KVM_CAP_IRQ_ROUTING, "IRQ_ROUTING" },
		{ KVM_CAP_IRQCHIP, "IRQCHIP" },
		{ KVM_CAP_HLT, "HLT" },
		{ KVM_CAP_PIT2, "PIT2" },
		{ KVM_CAP_PIT_STATE2, "PIT_STATE2" },
		{ KVM_CAP_XCRS, "XCRS" },
		{ KVM_CAP_XSAVE, "XSAVE" },
		{ KVM_CAP_IOEVENTFD, "IOEVENTFD" },
		{ KVM_CAP_IRQFD, "IRQFD" },
		{ KVM_CAP_ADJUST_CLOCK, "ADJUST_CLOCK" },
		{ KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS" },
		{ KVM_CAP_DEBUGREGS, "DEBUGREGS" },
		{ KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI" },
		{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT" },
		{ KVM_CAP_NR_MEMSLOTS, "NR_MEMSLOTS" },
		{ KVM_CAP_MAX_VCPUS, "MAX_VCPUS" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(required); i++)
		tap_ok(vm_cap(dev, required[i].cap) > 0, "KVM_CAP_%s", required[i].name);
	tap_ok(vm_cap(dev, KVM_CAP_IRQ_ROUTING) == 4096, "KVM_CAP_IRQ_ROUTING counts routes");
	tap_ok(vm_cap(dev, KVM_CAP_NR_VCPUS) == sysconf(_SC_NPROCESSORS_ONLN),
	       "as many vCPUs are recommended as there are CPUs");
	tap_ok(vm_cap(dev, 0x7fffffff) == 0, "an unknown capability is 0");
	tap_ok(vm_cap(dev, -1) == 0, "capability -1 is 0");
}

static void wrong_kind(void)
{
	struct kvm_userspace_memory_region region = { 0 };
	struct kvm_regs regs;

	EXPECT_REFUSED(ioctl(dev, KVM_SET_USER_MEMORY_REGION, &region),
		       "a VM's ioctl on the device");
	EXPECT_REFUSED(ioctl(dev, KVM_GET_REGS, &regs), "a vCPU's ioctl on the device");
	EXPECT_REFUSED(ioctl(dev, KVM_RUN, 0), "KVM_RUN on the device");
	EXPECT_REFUSED(ioctl(dev, _IO(KVMIO, 0xee), 0), "an unknown ioctl");
	EXPECT_REFUSED(ioctl(dev, _IO('x', 0), 0), "an ioctl of another type");
	EXPECT_REFUSED(ioctl(dev, KVM_CREATE_VM, 0x12345), "an unknown machine type");
	EXPECT_REFUSED(ioctl(dev, KVM_CREATE_VM, ~0UL), "machine type -1");
}

static void cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[300];
	} c;

	memset(&c, 0, sizeof(c));
	EXPECT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), E2BIG,
		     "supported CPUID into 0 entries");
	c.head.nent = 1;
	EXPECT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), E2BIG,
		     "supported CPUID into 1 entry");
	c.head.nent = 300;
	EXPECT_OK(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &c), "supported CPUID into 300 entries");
	tap_ok(c.head.nent > 10 && c.head.nent <= 256, "it says how many there are");
	EXPECT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, NULL), EFAULT, "supported CPUID to NULL");
	EXPECT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, (void *)-4096L), EFAULT,
		     "supported CPUID to a kernel address");
}

static void msr_lists(void)
{
	static const unsigned long which[] = { KVM_GET_MSR_INDEX_LIST,
					       KVM_GET_MSR_FEATURE_INDEX_LIST };
	struct kvm_msr_list small, *all;

	for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
		small.nmsrs = 0;
		EXPECT_ERRNO(ioctl(dev, which[i], &small), E2BIG, "MSR list into 0 entries");
		tap_ok(small.nmsrs > 0 && small.nmsrs < 1000, "it says how many there are");
		all = calloc(1, sizeof(*all) + 4 * small.nmsrs);
		all->nmsrs = small.nmsrs;
		EXPECT_OK(ioctl(dev, which[i], all), "MSR list into as many");
		tap_ok(all->nmsrs == small.nmsrs, "the number is the same");
		free(all);
		EXPECT_ERRNO(ioctl(dev, which[i], NULL), EFAULT, "MSR list to NULL");
	}
}

static void feature_msrs(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} m = { .head.nmsrs = 1, .entry[0].index = 0x12345678 };

	tap_ok(ioctl(dev, KVM_GET_MSRS, &m) == 0, "an unknown feature MSR is not read");
	m.head.nmsrs = 100000;
	EXPECT_ERRNO(ioctl(dev, KVM_GET_MSRS, &m), E2BIG, "too many feature MSRs");
}

static void no_memory(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, dev, 0);

	tap_ok(p == MAP_FAILED, "the device cannot be mapped");
	tap_ok(write(dev, "x", 1) == -1, "the device cannot be written");
}

static void many_vms(void)
{
	bool good = true;

	for (int i = 0; i < 100; i++) {
		int fd = ioctl(dev, KVM_CREATE_VM, 0);

		good &= fd >= 0;
		close(fd);
	}
	tap_ok(good, "100 VMs one after the other");
}

int main(void)
{
	dev = dev_open();
	versions();
	capabilities();
	wrong_kind();
	cpuid();
	msr_lists();
	feature_msrs();
	no_memory();
	many_vms();
	return tap_done();
}
