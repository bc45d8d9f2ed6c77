// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's file: its ioctls, and its end. Tour, stop 2.
 *
 * What a reader must know: a VM's memory is that of the process that made it,
 * so every other process gets -EIO, but for the counters.
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/kvm.h>
#include <linux/module.h>

#include "api/dev.h"
#include "api/ioctl.h"
#include "cpu/stats.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "nested/nested.h"
#include "pc/irqchip.h"

/* KVM_SET_BOOT_CPU_ID: -EBUSY once there is a vCPU. */
static long set_boot_cpu_id(struct vm *vm, unsigned long arg)
{
	long r = -EBUSY;

	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus) {
		vm->bsp_id = arg;
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

/*
 * The functions below carry out KVM_ENABLE_CAP, one for each capability. Context of all: vm->lock
 * held. -EINVAL: unknown flags, or what the comment says.
 *
 * This one has two flags: KVM_GET_DIRTY_LOG leaves pages writable, and KVM_CLEAR_DIRTY_LOG
 * protects them; all pages count as dirty at first, which needs the other flag.
 */
static long enable_dirty_protect(struct vm *vm, u64 flags)
{
	if (flags & ~(u64)(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET))
		return -EINVAL;
	if (flags == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock); /* a log that begins asks for them more than once */
	vm->manual_dirty_protect = flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	vm->dirty_initially_set = flags & KVM_DIRTY_LOG_INITIALLY_SET;
	mutex_unlock(&vm->mem.slots_lock);
	return 0;
}

/* Which instructions do not exit. -EINVAL: there are vCPUs, whose VMCSs have it otherwise. */
static long disable_exits(struct vm *vm, u64 flags)
{
	if (flags & ~(u64)extension_value(vm, KVM_CAP_X86_DISABLE_EXITS))
		return -EINVAL;
	if (vm->nr_vcpus)
		return -EINVAL;
	vm->disabled_exits |= flags;
	return 0;
}

/* Sets which refused accesses to MSRs go to userspace. */
static long user_space_msr(struct vm *vm, u64 reasons)
{
	if (reasons & ~(u64)(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
			     KVM_MSR_EXIT_REASON_FILTER))
		return -EINVAL;
	vm->msr_to_user_mask = reasons;
	return 0;
}

/* What is enabled here cannot be disabled again. */
static long x2apic_api(struct vm *vm, u64 flags)
{
	if (flags & ~(u64)X2APIC_API_FLAGS)
		return -EINVAL;
	if (flags & KVM_X2APIC_API_USE_32BIT_IDS)
		WRITE_ONCE(vm->x2apic_ids, true);
	if (flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
		WRITE_ONCE(vm->x2apic_strict, true);
	return 0;
}

/* Can be set once, and only before there are vCPUs. */
static long limit_vcpu_ids(struct vm *vm, u64 limit)
{
	if (limit > VM_MAX_VCPU_IDS)
		return -EINVAL;
	if (vm->max_vcpu_ids && vm->max_vcpu_ids != limit)
		return -EINVAL;
	vm->max_vcpu_ids = limit;
	return 0;
}

/* For capabilities that any value may enable. A vCPU that runs sees it after its next exit. */
static long enable_switch(bool *what, u64 on)
{
	*what = on;
	return 0;
}

/*
 * KVM_ENABLE_CAP on a VM. -EINVAL: no such capability, or bad flags or arguments;
 * -EEXIST: a split irqchip comes too late; -E2BIG: a dirty ring is too large; -ENOMEM.
 */
static long enable_cap(struct vm *vm, void *data)
{
	const struct kvm_enable_cap *cap = data;
	long r = -EINVAL;

	if (cap->flags)
		return -EINVAL;
	mutex_lock(&vm->lock);
	switch (cap->cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: r = enable_dirty_protect(vm, cap->args[0]); break;
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL: r = dirty_rings_enable(vm, cap->args[0]); break;
	case KVM_CAP_X86_DISABLE_EXITS: r = disable_exits(vm, cap->args[0]); break;
	case KVM_CAP_SPLIT_IRQCHIP: r = irqchip_create_split(vm, cap->args[0]); break;
	case KVM_CAP_X2APIC_API: r = x2apic_api(vm, cap->args[0]); break;
	case KVM_CAP_MAX_VCPU_ID: r = limit_vcpu_ids(vm, cap->args[0]); break;
	case KVM_CAP_X86_USER_SPACE_MSR: r = user_space_msr(vm, cap->args[0]); break;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		r = enable_switch(&vm->exception_payload, cap->args[0]);
		break;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		r = enable_switch(&vm->triple_fault_event, cap->args[0]);
		break;
	case KVM_CAP_MSR_PLATFORM_INFO:
		r = enable_switch(&vm->platform_info_hidden, !cap->args[0]);
		break;
	}
	mutex_unlock(&vm->lock);
	return r;
}

/*
 * KVM_REGISTER_COALESCED_MMIO: a zone of device memory or ports whose writes wait in the ring
 * of page 2. -EINVAL: bad flags; -ENOSPC: too many zones.
 */
static long register_coalesced(struct vm *vm, void *data)
{
	return coalesced_register(vm, data);
}

/* KVM_UNREGISTER_COALESCED_MMIO. -EINVAL: bad flags. */
static long unregister_coalesced(struct vm *vm, void *data)
{
	return coalesced_unregister(vm, data);
}

/* KVM_GET_STATS_FD: -EMFILE, -ENFILE, -ENOMEM. */
static long vm_get_stats_fd(struct vm *vm, unsigned long arg)
{
	return stats_vm_fd(vm);
}

static const struct ioctl_row rows[] = {
	IOCTL_ARG(vm, KVM_CHECK_EXTENSION, extension_value),
	IOCTL_ARG(vm, KVM_CREATE_VCPU, vcpu_create_fd),
	IOCTL_ARG(vm, KVM_SET_BOOT_CPU_ID, set_boot_cpu_id),
	IOCTL(vm, KVM_ENABLE_CAP, enable_cap),
	{ .cmd = KVM_GET_STATS_FD, .flags = IOCTL_ANYBODY, .vm_arg = vm_get_stats_fd },
	IOCTL(vm, KVM_REGISTER_COALESCED_MMIO, register_coalesced),
	IOCTL(vm, KVM_UNREGISTER_COALESCED_MMIO, unregister_coalesced),
	{},
};

static const struct ioctl_row *const tables[] = {
	rows,		mem_vm_ioctls, irq_vm_ioctls, msr_filter_vm_ioctls, clock_vm_ioctls,
	attr_vm_ioctls, NULL,
};

static long vm_call(const struct ioctl_row *row, void *object, void *data, unsigned long arg)
{
	struct vm *vm = object;

	return data ? row->vm(vm, data) : row->vm_arg(vm, arg);
}

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(tables, cmd);
	struct vm *vm = file->private_data;

	/*
	 * A VM's memory is that of the process that made it. Who was given the fd, or may take it
	 * as a debugger may, sees counters all the same: this is how `abyme stat` does.
	 */
	if (vm->mm != current->mm && !(row && row->flags & IOCTL_ANYBODY))
		return -EIO;
	return row ? ioctl_call(row, vm, arg, vm_call) : -ENOTTY;
}

/* vCPUs' files may keep the VM alive. Its irqfds end now, as they do on KVM. */
static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	irqchip_release_fds(vm);
	vm_put(vm);
	return 0;
}

/* No mmap: a VM has nothing to map. No compat_ioctl: 32-bit processes get -ENOTTY. */
static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vm_ioctl,
	.release = vm_release,
	.llseek = noop_llseek,
};

/* The file is the VM's first reference. Nothing can fail once it can be used. */
long vm_create_fd(void)
{
	struct vm *vm;
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = vm_create();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("abyme-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}
