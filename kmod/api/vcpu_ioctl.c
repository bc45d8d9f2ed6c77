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
#include "api/ioctl.h"
#include "api/vcpu_state.h"
#include "cpu/stats.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"
#include "nested/nested.h"
#include "pc/irqchip.h"
#include "run/exit.h"

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
static long vcpu_ioctl_run(struct vcpu *vcpu, unsigned long arg)
{
	int r;

	if (arg)
		return -EINVAL;
	note_thread(vcpu);
	r = state_from_run(vcpu);
	if (r)
		return r;
	swap_signals_in(vcpu);
	/* After an error, too, kvm_run has the state: clients look at it after -EINTR. */
	r = vcpu_run(vcpu);
	irq_state_to_run(vcpu);
	state_to_run(vcpu);
	swap_signals_out(vcpu);
	return r;
}

/* KVM_SET_SIGNAL_MASK: sets the mask during KVM_RUN; with NULL it is the thread's own. */
static long set_signal_mask(struct vcpu *vcpu, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user + sizeof(head), sizeof(set)))
		return -EFAULT;
	/* Whoever blocked these could not be ended while its guest runs. */
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/* KVM_GET_NESTED_STATE reads .size only. -E2BIG: it is too small, and now says what it takes. */
static long get_nested_state(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_nested_state __user *user = (void __user *)arg;
	long r;
	u32 size;

	if (get_user(size, &user->size))
		return -EFAULT;
	r = nested_state_get(vcpu, user, size);
	return r < 0 ? r : 0;
}

/* KVM_SET_NESTED_STATE: nested/ copies the state, as the header says what follows it. */
static long set_nested_state(struct vcpu *vcpu, unsigned long arg)
{
	return nested_state_set(vcpu, (void __user *)arg);
}

/* ABYME_GET_ENTRY_REPORT */
static long get_entry_report(struct vcpu *vcpu, unsigned long arg)
{
	return nested_get_reports(vcpu, (void __user *)arg);
}

/* ABYME_SET_WATCH */
static long set_watch(struct vcpu *vcpu, void *data)
{
	return nested_set_watch(vcpu, data);
}

/* ABYME_GET_NESTED_EXITS */
static long get_nested_exits(struct vcpu *vcpu, unsigned long arg)
{
	return nested_get_exits(vcpu, (void __user *)arg);
}

/* ABYME_GET_NESTED_COUNTS */
static long get_nested_counts(struct vcpu *vcpu, unsigned long arg)
{
	return nested_get_counts(vcpu, (void __user *)arg);
}

/* KVM_GET_STATS_FD: of a vCPU that runs, too. -EMFILE, -ENFILE, -ENOMEM. */
static long vcpu_get_stats_fd(struct vcpu *vcpu, unsigned long arg)
{
	return stats_vcpu_fd(vcpu);
}

static const struct ioctl_row rows[] = {
	IOCTL_ARG(vcpu, KVM_RUN, vcpu_ioctl_run),
	IOCTL_ARG(vcpu, KVM_SET_SIGNAL_MASK, set_signal_mask),
	IOCTL_ARG(vcpu, KVM_GET_NESTED_STATE, get_nested_state),
	IOCTL_ARG(vcpu, KVM_SET_NESTED_STATE, set_nested_state),
	IOCTL_ARG(vcpu, ABYME_GET_ENTRY_REPORT, get_entry_report),
	IOCTL(vcpu, ABYME_SET_WATCH, set_watch),
	IOCTL_ARG(vcpu, ABYME_GET_NESTED_EXITS, get_nested_exits),
	IOCTL_ARG(vcpu, ABYME_GET_NESTED_COUNTS, get_nested_counts),
	{ .cmd = KVM_GET_STATS_FD, .flags = IOCTL_UNLOCKED, .vcpu_arg = vcpu_get_stats_fd },
	{},
};

static const struct ioctl_row *const tables[] = {
	rows,
	regs_vcpu_ioctls,
	events_vcpu_ioctls,
	feature_vcpu_ioctls,
	irq_vcpu_ioctls,
	attr_vcpu_ioctls,
	NULL,
};

static long vcpu_call(const struct ioctl_row *row, void *object, void *data, unsigned long arg)
{
	struct vcpu *vcpu = object;
	long r;

	if (row->flags & IOCTL_UNLOCKED)
		return row->vcpu_arg(vcpu, arg);
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	vcpu_load(vcpu);
	r = data ? row->vcpu(vcpu, data) : row->vcpu_arg(vcpu, arg);
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
	return r;
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct ioctl_row *row = ioctl_find(tables, cmd);
	struct vcpu *vcpu = file->private_data;

	if (vcpu->vm->mm != current->mm)
		return -EIO;
	if (!row)
		return -ENOTTY;
	/* No lock is needed: .lapic is set before the fd exists, and stays. */
	if ((row->flags & IOCTL_LAPIC) && !vcpu->lapic)
		return -EINVAL;
	return ioctl_call(row, vcpu, arg, vcpu_call);
}

/* Pages 0 to 2: kvm_run, port data, coalesced ring. From KVM_DIRTY_LOG_PAGE_OFFSET on: the log. */
static struct page *page_of_mapping(struct vcpu *vcpu, unsigned long index)
{
	void *pages[] = { vcpu->run, vcpu->pio_data, vcpu->vm->coalesced.ring };

	if (index >= KVM_DIRTY_LOG_PAGE_OFFSET)
		return dirty_ring_page(vcpu, index - KVM_DIRTY_LOG_PAGE_OFFSET);
	return index < ARRAY_SIZE(pages) && pages[index] ? virt_to_page(pages[index]) : NULL;
}

static vm_fault_t vcpu_fault(struct vm_fault *fault)
{
	fault->page = page_of_mapping(fault->vma->vm_file->private_data, fault->pgoff);
	if (!fault->page)
		return VM_FAULT_SIGBUS;
	get_page(fault->page);
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

/*
 * A mapping may have any size. An access to a page that is not there is a SIGBUS. -EINVAL: a dirty
 * ring is to be shared, and holds no code.
 */
static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vcpu *vcpu = file->private_data;

	if (vcpu->vm->dirty_ring_bytes &&
	    vma->vm_pgoff + vma_pages(vma) > KVM_DIRTY_LOG_PAGE_OFFSET &&
	    (!(vma->vm_flags & VM_SHARED) || (vma->vm_flags & VM_EXEC)))
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

/* The vCPU stays in its VM until the VM is freed, as others may send it interrupts. */
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
	vmcs01_update_ctls(vcpu); /* with a LAPIC they are others */
	vcpu_reset(vcpu, false);
	vcpu->mp_state = vcpu->lapic && vcpu->id != vcpu->vm->bsp_id ? KVM_MP_STATE_UNINITIALIZED
								     : KVM_MP_STATE_RUNNABLE;
	vcpu_put(vcpu);
	mutex_unlock(&vcpu->lock);
	return 0;
}

/* Takes back vcpu_equip(), as far as it came: nobody has seen the vCPU yet. */
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
