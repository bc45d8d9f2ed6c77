// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU's file: how it is made and mapped, KVM_RUN, and the table of ioctls
 * on its state. Tour, stop 4.
 *
 * What a reader must know: an ioctl takes the vCPU's lock and loads it on this
 * CPU, so that handlers may use vmread() and vmwrite() and act on the guest
 * that runs, L1 or L2.
 */

#include <abyme.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/signal.h>
#include <linux/uaccess.h>

#include "api/dev.h"
#include "api/vcpu_state_ioctl.h"
#include "api/vm_irq_ioctl.h"
#include "cpu/stats.h"
#include "cpu/vcpu.h"
#include "nested/nested.h"
#include "pc/irqchip.h"
#include "run/run.h"

/* Notes which thread runs the vCPU now. */
static void note_thread(struct vcpu *vcpu)
{
	struct pid *old = rcu_access_pointer(vcpu->pid), *new = get_task_pid(current, PIDTYPE_PID);

	if (old == new) {
		put_pid(new);
		return;
	}
	rcu_assign_pointer(vcpu->pid, new);
	if (old)
		synchronize_rcu();
	put_pid(old);
}

/*
 * Makes KVM_SET_SIGNAL_MASK's mask the thread's during KVM_RUN. The thread's
 * own waits in .real_blocked: a signal in there interrupts, and does not kill
 * before it can be blocked again.
 */
static void swap_signals_in(struct vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void swap_signals_out(struct vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/*
 * KVM_RUN. @arg must be 0. -EINTR: a signal, or immediate_exit; -EINVAL;
 * -EFAULT: guest memory without memory behind it.
 */
static long vcpu_ioctl_run(void *object, unsigned long arg)
{
	struct vcpu *vcpu = object;
	int r;

	if (arg)
		return -EINVAL;
	note_thread(vcpu);
	r = state_from_run(vcpu);
	if (r)
		return r;
	swap_signals_in(vcpu);
	r = vcpu_run(vcpu);
	irq_state_to_run(vcpu);
	state_to_run(vcpu);
	swap_signals_out(vcpu);
	return r;
}

/* KVM_SET_SIGNAL_MASK: sets the mask during KVM_RUN; with NULL it is the thread's own. */
static long set_signal_mask(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_signal_mask head;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, arg + sizeof(head), sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

static long get_nested_state(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_nested_state __user *user = arg;
	long r;
	u32 size;

	if (get_user(size, &user->size))
		return -EFAULT;
	r = nested_state_get(vcpu, user, size);
	return r < 0 ? r : 0;
}

static long set_nested_state(struct vcpu *vcpu, void __user *arg)
{
	return nested_state_set(vcpu, arg);
}

/* ABYME_GET_ENTRY_REPORT */
static long get_entry_report(struct vcpu *vcpu, void __user *arg)
{
	return nested_get_reports(vcpu, arg);
}

/* ABYME_SET_WATCH */
static long set_watch(struct vcpu *vcpu, void __user *arg)
{
	struct abyme_watch watch;

	if (copy_from_user(&watch, arg, sizeof(watch)))
		return -EFAULT;
	return nested_set_watch(vcpu, &watch);
}

/* ABYME_GET_NESTED_EXITS */
static long get_nested_exits(struct vcpu *vcpu, void __user *arg)
{
	return nested_get_exits(vcpu, arg);
}

/* ABYME_GET_NESTED_COUNTS */
static long get_nested_counts(struct vcpu *vcpu, void __user *arg)
{
	return nested_get_counts(vcpu, arg);
}

static long vcpu_get_stats_fd(void *vcpu, unsigned long arg)
{
	return stats_vcpu_fd(vcpu);
}

#define VCPU_FN(handler) IOCTL_ROW_FN(row_##handler, struct vcpu, handler)

VCPU_FN(set_signal_mask)
VCPU_FN(get_nested_state)
VCPU_FN(set_nested_state)
VCPU_FN(get_entry_report)
VCPU_FN(set_watch)
VCPU_FN(get_nested_exits)
VCPU_FN(get_nested_counts)
VCPU_FN(vcpu_get_regs)
VCPU_FN(vcpu_set_regs)
VCPU_FN(vcpu_get_sregs)
VCPU_FN(vcpu_set_sregs)
VCPU_FN(vcpu_get_sregs2)
VCPU_FN(vcpu_set_sregs2)
VCPU_FN(vcpu_get_fpu)
VCPU_FN(vcpu_set_fpu)
VCPU_FN(vcpu_get_xsave)
VCPU_FN(vcpu_set_xsave)
VCPU_FN(vcpu_get_xcrs)
VCPU_FN(vcpu_set_xcrs)
VCPU_FN(vcpu_get_msrs)
VCPU_FN(vcpu_set_msrs)
VCPU_FN(vcpu_get_one_reg)
VCPU_FN(vcpu_set_one_reg)
VCPU_FN(vcpu_get_reg_list)
VCPU_FN(vcpu_get_cpuid2)
VCPU_FN(vcpu_set_cpuid2)
VCPU_FN(vcpu_get_supported_hv_cpuid)
VCPU_FN(vcpu_enable_cap)
VCPU_FN(vcpu_get_events)
VCPU_FN(vcpu_set_events)
VCPU_FN(vcpu_get_debugregs)
VCPU_FN(vcpu_set_debugregs)
VCPU_FN(vcpu_set_guest_debug)
VCPU_FN(vcpu_get_mp_state)
VCPU_FN(vcpu_set_mp_state)
VCPU_FN(vcpu_translate)
VCPU_FN(vcpu_setup_mce)
VCPU_FN(vcpu_set_mce)
VCPU_FN(vcpu_get_lapic)
VCPU_FN(vcpu_set_lapic)
VCPU_FN(vcpu_set_vapic_addr)
VCPU_FN(vcpu_tpr_access_reporting)
VCPU_FN(vcpu_interrupt)
VCPU_FN(vcpu_has_attr)
VCPU_FN(vcpu_get_attr)
VCPU_FN(vcpu_set_attr)

/* All handlers but the last are called with the vCPU locked and loaded. */
static const struct ioctl_row rows[] = {
	{ KVM_RUN, vcpu_ioctl_run },
	{ KVM_SET_SIGNAL_MASK, row_set_signal_mask },
	{ KVM_GET_NESTED_STATE, row_get_nested_state },
	{ KVM_SET_NESTED_STATE, row_set_nested_state },
	{ ABYME_GET_ENTRY_REPORT, row_get_entry_report },
	{ ABYME_SET_WATCH, row_set_watch },
	{ ABYME_GET_NESTED_EXITS, row_get_nested_exits },
	{ ABYME_GET_NESTED_COUNTS, row_get_nested_counts },
	{ KVM_GET_REGS, row_vcpu_get_regs },
	{ KVM_SET_REGS, row_vcpu_set_regs },
	{ KVM_GET_SREGS, row_vcpu_get_sregs },
	{ KVM_SET_SREGS, row_vcpu_set_sregs },
	{ KVM_GET_SREGS2, row_vcpu_get_sregs2 },
	{ KVM_SET_SREGS2, row_vcpu_set_sregs2 },
	{ KVM_GET_FPU, row_vcpu_get_fpu },
	{ KVM_SET_FPU, row_vcpu_set_fpu },
	{ KVM_GET_XSAVE, row_vcpu_get_xsave },
	{ KVM_SET_XSAVE, row_vcpu_set_xsave },
	{ KVM_GET_XSAVE2, row_vcpu_get_xsave }, /* no component needs more than 4096 bytes */
	{ KVM_GET_XCRS, row_vcpu_get_xcrs },
	{ KVM_SET_XCRS, row_vcpu_set_xcrs },
	{ KVM_GET_MSRS, row_vcpu_get_msrs },
	{ KVM_SET_MSRS, row_vcpu_set_msrs },
	{ KVM_GET_ONE_REG, row_vcpu_get_one_reg },
	{ KVM_SET_ONE_REG, row_vcpu_set_one_reg },
	{ KVM_GET_REG_LIST, row_vcpu_get_reg_list },
	{ KVM_GET_CPUID2, row_vcpu_get_cpuid2 },
	{ KVM_SET_CPUID2, row_vcpu_set_cpuid2 },
	{ KVM_GET_SUPPORTED_HV_CPUID, row_vcpu_get_supported_hv_cpuid },
	{ KVM_ENABLE_CAP, row_vcpu_enable_cap },
	{ KVM_GET_VCPU_EVENTS, row_vcpu_get_events },
	{ KVM_SET_VCPU_EVENTS, row_vcpu_set_events },
	{ KVM_GET_DEBUGREGS, row_vcpu_get_debugregs },
	{ KVM_SET_DEBUGREGS, row_vcpu_set_debugregs },
	{ KVM_SET_GUEST_DEBUG, row_vcpu_set_guest_debug },
	{ KVM_GET_MP_STATE, row_vcpu_get_mp_state },
	{ KVM_SET_MP_STATE, row_vcpu_set_mp_state },
	{ KVM_TRANSLATE, row_vcpu_translate },
	{ KVM_X86_SETUP_MCE, row_vcpu_setup_mce },
	{ KVM_X86_SET_MCE, row_vcpu_set_mce },
	{ KVM_SET_TSC_KHZ, vcpu_set_tsc_khz },
	{ KVM_GET_TSC_KHZ, vcpu_get_tsc_khz },
	{ KVM_KVMCLOCK_CTRL, vcpu_kvmclock_ctrl },
	{ KVM_GET_LAPIC, row_vcpu_get_lapic },
	{ KVM_SET_LAPIC, row_vcpu_set_lapic },
	{ KVM_SET_VAPIC_ADDR, row_vcpu_set_vapic_addr },
	{ KVM_TPR_ACCESS_REPORTING, row_vcpu_tpr_access_reporting },
	{ KVM_INTERRUPT, row_vcpu_interrupt },
	{ KVM_NMI, vcpu_nmi },
	{ KVM_HAS_DEVICE_ATTR, row_vcpu_has_attr },
	{ KVM_GET_DEVICE_ATTR, row_vcpu_get_attr },
	{ KVM_SET_DEVICE_ATTR, row_vcpu_set_attr },
	{ KVM_GET_STATS_FD, vcpu_get_stats_fd },
};

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(rows, ARRAY_SIZE(rows), cmd);
	struct vcpu *vcpu = file->private_data;
	long r;

	if (vcpu->vm->mm != current->mm)
		return -EIO;
	if (!row)
		return -ENOTTY;
	if (cmd == KVM_GET_STATS_FD)
		return row->fn(vcpu, arg);
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	vcpu_load(vcpu);
	r = row->fn(vcpu, arg);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
	return r;
}

/* Pages 0 to 2 of the mapping: kvm_run, port data, coalesced ring. */
static vm_fault_t vcpu_fault(struct vm_fault *fault)
{
	struct vcpu *vcpu = fault->vma->vm_file->private_data;
	void *pages[] = { vcpu->run, vcpu->pio_data, vcpu->vm->coalesced.ring };

	if (fault->pgoff >= ARRAY_SIZE(pages) || !pages[fault->pgoff])
		return VM_FAULT_SIGBUS;
	fault->page = virt_to_page(pages[fault->pgoff]);
	get_page(fault->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.release = vcpu_release,
	.llseek = noop_llseek,
};

/* Gives a new vCPU what layers above cpu/ have: VMX, a LAPIC, and the state after power-up. */
static int vcpu_equip(struct vcpu *vcpu)
{
	int r = 0;

	if (vcpu->vm->irqchip)
		r = lapic_create(vcpu);
	if (r)
		return r;
	mutex_lock(&vcpu->lock);
	vcpu_load(vcpu);
	vcpu_reset(vcpu, false);
	vcpu->mp_state = vcpu->lapic && vcpu->id != vcpu->vm->bsp_id ? KVM_MP_STATE_UNINITIALIZED
								     : KVM_MP_STATE_RUNNABLE;
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
	return 0;
}

static void vcpu_discard(struct vcpu *vcpu)
{
	if (vcpu->lapic)
		lapic_free(vcpu);
	vcpu_free(vcpu);
}

/*
 * Makes the vCPU one of the VM and gives it a file. The VM counts the vCPU
 * before anybody can have its fd: whoever flushes, or takes memory away, must
 * not miss one that runs. Context: vm->lock held.
 */
static long vcpu_install(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile("abyme-vcpu", &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vm_get(vm);
	vm->vcpu[vm->nr_vcpus] = vcpu;
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
	fd_install(fd, file);
	return fd;
}

/* -EINVAL: the id is too high, or there are VM_MAX_VCPUS; -EEXIST: it is taken. */
static long create_locked(struct vm *vm, unsigned long id)
{
	struct vcpu *vcpu;
	long r;

	if (!vm->max_vcpu_ids)
		vm->max_vcpu_ids = VM_MAX_VCPU_IDS;
	if (id >= vm->max_vcpu_ids || vm->nr_vcpus >= VM_MAX_VCPUS)
		return -EINVAL;
	if (vm_vcpu_by_id(vm, id))
		return -EEXIST;
	vcpu = vcpu_create(vm, id);
	if (IS_ERR(vcpu))
		return PTR_ERR(vcpu);
	r = vcpu_equip(vcpu);
	if (!r)
		r = vcpu_install(vcpu);
	if (r < 0)
		vcpu_discard(vcpu);
	return r;
}

long vcpu_create_fd(struct vm *vm, unsigned long id)
{
	long r;

	mutex_lock(&vm->lock);
	r = create_locked(vm, id);
	mutex_unlock(&vm->lock);
	return r;
}
