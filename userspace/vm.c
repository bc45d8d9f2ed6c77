// SPDX-License-Identifier: GPL-2.0-only
/* A virtual machine without its processors. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "err.h"
#include "vm.h"

static int failed(const struct vm *vm, const char *what)
{
	return fail("%s failed on %s: %s; abyme doctor looks closer.", what, vm->device.path,
		    strerror(errno));
}

static int create(struct vm *vm)
{
	vm->fd = ioctl(vm->device.fd, KVM_CREATE_VM, 0);
	if (vm->fd >= 0)
		return 0;
	if (errno == EBUSY)
		return fail("%s can't take VT-x: another hypervisor holds it; free it (for example "
			    "sudo modprobe -r kvm_intel), abyme doctor says which it is.",
			    vm->device.path);
	return failed(vm, "KVM_CREATE_VM");
}

static int create_irqchip(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	__u64 identity = IDENTITY_MAP_ADDR;

	/* Only processors without unrestricted guest use these; others may not know them. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR);
	ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return failed(vm, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return failed(vm, "KVM_CREATE_PIT2");
	return 0;
}

static int set_slot(struct vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (size && ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return failed(vm, "KVM_SET_USER_MEMORY_REGION");
	return 0;
}

int vm_create(struct vm *vm)
{
	uint64_t low = memory_low_size(&vm->memory);

	pthread_mutex_init(&vm->lock, NULL);
	vm->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->give_up[0] = -1;
	vm->give_up[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->stop_fd < 0 || vm->give_up[1] < 0)
		return fail("no eventfd: %s.", strerror(errno));
	if (create(vm) || create_irqchip(vm))
		return -1;
	return set_slot(vm, 0, 0, low, vm->memory.host) ||
			       set_slot(vm, 1, MEM_HIGH_START, memory_high_size(&vm->memory),
					vm->memory.host + low)
		       ? -1
		       : 0;
}

void vm_set_irq(struct vm *vm, unsigned int irq, bool level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	/* It can't fail with an interrupt controller that exists. */
	ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

static void make_readable(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

void vm_end(struct vm *vm, enum ending_kind how, uint32_t value, struct vcpu *by)
{
	pthread_mutex_lock(&vm->lock);
	if (vm->ending == ENDING_NONE) {
		vm->ending = how;
		vm->ending_value = value;
		vm->ended_by = by;
	}
	pthread_mutex_unlock(&vm->lock);
	atomic_store(&vm->stopping, true);
	make_readable(vm->stop_fd);
	if (how == ENDING_SIGNAL || how == ENDING_QUIT)
		make_readable(vm->give_up[1]);
}
