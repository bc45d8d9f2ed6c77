// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VM's file: its ioctls, as a table, and its end. Tour, stop 2.
 *
 * What a reader must know: a VM's memory is that of the process that made it,
 * so every other process gets -EIO.
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "api/dev.h"
#include "api/msr_filter_ioctl.h"
#include "api/vcpu_state_ioctl.h"
#include "api/vm_irq_ioctl.h"
#include "api/vm_mem_ioctl.h"
#include "cpu/stats.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "nested/nested.h"
#include "pc/irqchip.h"

static long vm_check_extension(void *vm, unsigned long arg)
{
	return extension_value(vm, arg);
}

static long create_vcpu(void *vm, unsigned long arg)
{
	return vcpu_create_fd(vm, arg);
}

/* KVM_SET_BOOT_CPU_ID: -EBUSY once there is a vCPU. */
static long set_boot_cpu_id(void *object, unsigned long arg)
{
	struct vm *vm = object;
	long r = -EBUSY;

	mutex_lock(&vm->lock);
	if (!vm->nr_vcpus) {
		vm->bsp_id = arg;
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

static long enable_dirty_protect(struct vm *vm, u64 flags)
{
	if (flags & ~(u64)(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET))
		return -EINVAL;
	if (flags == KVM_DIRTY_LOG_INITIALLY_SET)
		return -EINVAL;
	vm->manual_dirty_protect = flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	vm->dirty_initially_set = flags & KVM_DIRTY_LOG_INITIALLY_SET;
	return 0;
}

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

static long enable_switch(bool *what, u64 on)
{
	*what = on;
	return 0;
}

/*
 * KVM_ENABLE_CAP on a VM. -EINVAL: no such capability, or bad flags or arguments;
 * -EEXIST: a split irqchip comes too late; -ENOMEM.
 */
static long enable_cap(struct vm *vm, void __user *arg)
{
	struct kvm_enable_cap cap;
	long r = -EINVAL;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;
	mutex_lock(&vm->lock);
	switch (cap.cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: r = enable_dirty_protect(vm, cap.args[0]); break;
	case KVM_CAP_X86_DISABLE_EXITS: r = disable_exits(vm, cap.args[0]); break;
	case KVM_CAP_SPLIT_IRQCHIP: r = irqchip_create_split(vm, cap.args[0]); break;
	case KVM_CAP_X2APIC_API: r = x2apic_api(vm, cap.args[0]); break;
	case KVM_CAP_MAX_VCPU_ID: r = limit_vcpu_ids(vm, cap.args[0]); break;
	case KVM_CAP_X86_USER_SPACE_MSR: r = user_space_msr(vm, cap.args[0]); break;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		r = enable_switch(&vm->exception_payload, cap.args[0]);
		break;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		r = enable_switch(&vm->triple_fault_event, cap.args[0]);
		break;
	case KVM_CAP_MSR_PLATFORM_INFO:
		r = enable_switch(&vm->platform_info_hidden, !cap.args[0]);
		break;
	}
	mutex_unlock(&vm->lock);
	return r;
}

/* Adds or removes a zone of device memory or ports whose writes wait in the ring of page 2. */
static long coalesced_zone(struct vm *vm, void __user *arg,
			   int (*act)(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone))
{
	struct kvm_coalesced_mmio_zone zone;

	if (copy_from_user(&zone, arg, sizeof(zone)))
		return -EFAULT;
	return act(vm, &zone);
}

/* KVM_REGISTER_COALESCED_MMIO: -EINVAL: bad flags; -ENOSPC: too many zones. */
static long vm_register_coalesced_mmio(struct vm *vm, void __user *arg)
{
	return coalesced_zone(vm, arg, coalesced_register);
}

/* KVM_UNREGISTER_COALESCED_MMIO */
static long vm_unregister_coalesced_mmio(struct vm *vm, void __user *arg)
{
	return coalesced_zone(vm, arg, coalesced_unregister);
}

/* KVM_SET_TSS_ADDR: the argument is the address itself. */
static long set_tss_addr(void *vm, unsigned long arg)
{
	return vm_set_tss_addr(vm, (void __user *)arg);
}

static long vm_get_stats_fd(void *vm, unsigned long arg)
{
	return stats_vm_fd(vm);
}

#define VM_FN(handler) IOCTL_ROW_FN(row_##handler, struct vm, handler)

VM_FN(enable_cap)
VM_FN(vm_set_user_memory_region)
VM_FN(vm_get_dirty_log)
VM_FN(vm_clear_dirty_log)
VM_FN(vm_set_identity_map_addr)
VM_FN(vm_create_irqchip)
VM_FN(vm_get_irqchip)
VM_FN(vm_set_irqchip)
VM_FN(vm_create_pit2)
VM_FN(vm_get_pit2)
VM_FN(vm_set_pit2)
VM_FN(vm_reinject_control)
VM_FN(vm_irq_line)
VM_FN(vm_irq_line_status)
VM_FN(vm_set_gsi_routing)
VM_FN(vm_signal_msi)
VM_FN(vm_irqfd)
VM_FN(vm_ioeventfd)
VM_FN(vm_register_coalesced_mmio)
VM_FN(vm_unregister_coalesced_mmio)
VM_FN(vm_set_msr_filter)
VM_FN(vm_get_clock)
VM_FN(vm_set_clock)
VM_FN(vm_create_device)

static const struct ioctl_row rows[] = {
	{ KVM_CHECK_EXTENSION, vm_check_extension },
	{ KVM_CREATE_VCPU, create_vcpu },
	{ KVM_SET_BOOT_CPU_ID, set_boot_cpu_id },
	{ KVM_ENABLE_CAP, row_enable_cap },
	{ KVM_GET_STATS_FD, vm_get_stats_fd },
	{ KVM_SET_USER_MEMORY_REGION, row_vm_set_user_memory_region },
	{ KVM_GET_DIRTY_LOG, row_vm_get_dirty_log },
	{ KVM_CLEAR_DIRTY_LOG, row_vm_clear_dirty_log },
	{ KVM_SET_TSS_ADDR, set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR, row_vm_set_identity_map_addr },
	{ KVM_CREATE_IRQCHIP, row_vm_create_irqchip },
	{ KVM_GET_IRQCHIP, row_vm_get_irqchip },
	{ KVM_SET_IRQCHIP, row_vm_set_irqchip },
	{ KVM_CREATE_PIT2, row_vm_create_pit2 },
	{ KVM_GET_PIT2, row_vm_get_pit2 },
	{ KVM_SET_PIT2, row_vm_set_pit2 },
	{ KVM_REINJECT_CONTROL, row_vm_reinject_control },
	{ KVM_IRQ_LINE, row_vm_irq_line },
	{ KVM_IRQ_LINE_STATUS, row_vm_irq_line_status },
	{ KVM_SET_GSI_ROUTING, row_vm_set_gsi_routing },
	{ KVM_SIGNAL_MSI, row_vm_signal_msi },
	{ KVM_IRQFD, row_vm_irqfd },
	{ KVM_IOEVENTFD, row_vm_ioeventfd },
	{ KVM_REGISTER_COALESCED_MMIO, row_vm_register_coalesced_mmio },
	{ KVM_UNREGISTER_COALESCED_MMIO, row_vm_unregister_coalesced_mmio },
	{ KVM_X86_SET_MSR_FILTER, row_vm_set_msr_filter },
	{ KVM_GET_CLOCK, row_vm_get_clock },
	{ KVM_SET_CLOCK, row_vm_set_clock },
	{ KVM_CREATE_DEVICE, row_vm_create_device },
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(rows, ARRAY_SIZE(rows), cmd);
	struct vm *vm = file->private_data;

	/* A VM's memory is that of the process that made it. */
	if (vm->mm != current->mm)
		return -EIO;
	return row ? row->fn(vm, arg) : -ENOTTY;
}

/* vCPUs' files may keep the VM alive. Its irqfds end now, as they do on KVM. */
static int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	irqchip_release_fds(vm);
	vm_put(vm);
	return 0;
}

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
	stats_vm_publish(vm, fd);
	fd_install(fd, file);
	return fd;
}
