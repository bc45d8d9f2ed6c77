// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ioctls about CPUID, MSRs, FPU and clocks: those that set them for a vCPU, and
 * those that say what can be set. The tables are in cpu/; here arguments are
 * copied and checked. docs/abyme.4 has every errno.
 *
 * Context: handlers of vCPUs are called with it locked and loaded.
 */
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <vmx/info.h>

#include "api/ioctl.h"
#include "api/vcpu_state.h"
#include "cpu/cr_checks.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"

#define MAX_MSRS 256 /* that one ioctl may name; KVM's limit */

/* --- CPUID -------------------------------------------------------------- */

/*
 * KVM_GET_SUPPORTED_CPUID. -E2BIG: too little room, which callers answer with twice as much:
 * .nent is not set to what would do.
 */
static long sys_get_supported_cpuid(unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	int count;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
	/* The caller's .nent may be large: no more memory is taken than entries can be filled. */
	count = min_t(u32, head.nent, CPUID_MAX_ENTRIES);
	entries = kvcalloc(count, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	r = cpuid_supported(entries, &count);
	if (!r && (copy_to_user(user->entries, entries, count * sizeof(*entries)) ||
		   put_user(count, &user->nent)))
		r = -EFAULT;
	kvfree(entries);
	return r;
}

/* KVM_GET_SUPPORTED_HV_CPUID. -E2BIG: too little room. @lapic: as hyperv_supported(). */
static long get_hv_cpuid(struct kvm_cpuid2 __user *user, bool lapic)
{
	struct kvm_cpuid_entry2 entries[HYPERV_LEAVES];
	u32 room;

	if (get_user(room, &user->nent))
		return -EFAULT;
	if (room < HYPERV_LEAVES)
		return -E2BIG;
	hyperv_supported(entries, lapic);
	if (copy_to_user(user->entries, entries, sizeof(entries)) ||
	    put_user(HYPERV_LEAVES, &user->nent))
		return -EFAULT;
	return 0;
}

static long sys_get_supported_hv_cpuid(unsigned long arg)
{
	return get_hv_cpuid((void __user *)arg, true);
}

static long vcpu_get_supported_hv_cpuid(struct vcpu *vcpu, unsigned long arg)
{
	return get_hv_cpuid((void __user *)arg, vcpu->lapic);
}

/* KVM_ENABLE_CAP on a vCPU. -EINVAL: no such capability, or flags. */
static long vcpu_enable_cap(struct vcpu *vcpu, void *data)
{
	const struct kvm_enable_cap *cap = data;

	if (cap->flags || cap->cap != KVM_CAP_HYPERV_ENFORCE_CPUID)
		return -EINVAL;
	/* From now on the guest has of Hyper-V only what its CPUID says. */
	vcpu->hyperv.enforce = cap->args[0];
	return 0;
}

/* KVM_GET_EMULATED_CPUID: nothing is emulated that the processor lacks. */
static long sys_get_emulated_cpuid(unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;

	return put_user(0, &user->nent) ? -EFAULT : 0;
}

/* All entries are copied before any is looked at. */
static long vcpu_set_cpuid2(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nent > CPUID_MAX_ENTRIES)
		return -E2BIG;
	entries = vmemdup_user(user->entries, head.nent * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	r = cpuid_set(vcpu, entries, head.nent);
	kvfree(entries);
	return r;
}

static long vcpu_get_cpuid2(struct vcpu *vcpu, unsigned long arg)
{
	struct kvm_cpuid2 __user *user = (void __user *)arg;
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	long r = 0;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (put_user(c->count, &user->nent))
		return -EFAULT;
	if (head.nent < c->count)
		return -E2BIG;
	entries = kvcalloc(c->count ?: 1, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	cpuid_get(vcpu, entries);
	if (copy_to_user(user->entries, entries, c->count * sizeof(*entries)))
		r = -EFAULT;
	kvfree(entries);
	return r;
}

/* --- MSRs --------------------------------------------------------------- */

/*
 * For msr_io(): reads an MSR for userspace, which may also write MSRs that a guest can only read.
 * Return: 0; else the list ends here.
 */
static int get_one(struct vcpu *vcpu, struct kvm_msr_entry *e)
{
	return msr_read(vcpu, e->index, true, &e->data);
}

int vcpu_msr_set(struct vcpu *vcpu, u32 index, u64 value)
{
	vcpu->l2_by_user |= vcpu->in_l2;
	return msr_write(vcpu, index, true, value);
}

static int set_one(struct vcpu *vcpu, struct kvm_msr_entry *e)
{
	return vcpu_msr_set(vcpu, e->index, e->data);
}

/* For msr_io() on the device: the capabilities that a new vCPU would have. */
static int feature_one(struct vcpu *vcpu, struct kvm_msr_entry *e)
{
	return msr_feature(e->index, &e->data);
}

/* Reads or writes MSRs one after the other. Return: how many succeeded before the first failed. */
static long msr_io(struct vcpu *vcpu, struct kvm_msrs __user *user,
		   int (*one)(struct vcpu *vcpu, struct kvm_msr_entry *e), bool write_back)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	long done = 0;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	entries = memdup_user(user->entries, head.nmsrs * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	/* The number returned is the index of the entry that failed. Nothing says why it did. */
	while (done < head.nmsrs && !one(vcpu, &entries[done]))
		done++;
	if (write_back && copy_to_user(user->entries, entries, head.nmsrs * sizeof(*entries)))
		done = -EFAULT;
	kfree(entries);
	return done;
}

static long vcpu_get_msrs(struct vcpu *vcpu, unsigned long arg)
{
	return msr_io(vcpu, (void __user *)arg, get_one, true);
}

static long vcpu_set_msrs(struct vcpu *vcpu, unsigned long arg)
{
	return msr_io(vcpu, (void __user *)arg, set_one, false);
}

static long sys_get_msrs(unsigned long arg)
{
	return msr_io(NULL, (void __user *)arg, feature_one, true);
}

/* Fills a list of MSRs with @flag. -E2BIG with .nmsrs set: too little room. */
static long get_list(struct kvm_msr_list __user *user, u32 flag)
{
	u32 room, count, *list;
	long r = 0;

	if (get_user(room, &user->nmsrs))
		return -EFAULT;
	count = msrs_list(flag, NULL);
	if (put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	list = kcalloc(count, sizeof(*list), GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	msrs_list(flag, list);
	if (copy_to_user(user->indices, list, count * sizeof(*list)))
		r = -EFAULT;
	kfree(list);
	return r;
}

static long sys_get_msr_index_list(unsigned long arg)
{
	return get_list((void __user *)arg, MSR_SAVED);
}

static long sys_get_msr_feature_index_list(unsigned long arg)
{
	return get_list((void __user *)arg, MSR_FEATURE);
}

/* KVM_X86_GET_MCE_CAP_SUPPORTED: bits of IA32_MCG_CAP that KVM_X86_SETUP_MCE takes. No errors. */
static long sys_get_mce_cap(void *data)
{
	*(u64 *)data = MCE_CAP_SUPPORTED;
	return 0;
}

/* KVM_X86_SETUP_MCE: empties all banks. -EINVAL: none, more than KVM_CAP_MCE, unknown bits. */
static long vcpu_setup_mce(struct vcpu *vcpu, void *data)
{
	return msrs_setup_mce(vcpu, *(u64 *)data);
}

/*
 * KVM_X86_SET_MCE: puts an error into a bank, and raises #MC unless it is a
 * corrected one. -EFAULT; -EINVAL: there is no such bank, or the status is not
 * valid.
 */
static long vcpu_set_mce(struct vcpu *vcpu, void *data)
{
	const struct kvm_x86_mce *mce = data;
	int r;

	r = mce_report(vcpu, mce);
	if (r < 0)
		return r;
	if (r == MCE_EXCEPTION)
		inject_exception(vcpu, VEC_MC);
	/* As on a processor: the guest is at an error already, or has CR4.MCE clear. */
	else if (r == MCE_SHUTDOWN)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	return 0;
}

/* --- FPU ---------------------------------------------------------------- */

/* KVM_GET_FPU: only the x87 and SSE parts of the state. No errors. */
static long vcpu_get_fpu(struct vcpu *vcpu, void *data)
{
	fpu_get_legacy(vcpu, data);
	return 0;
}

static long vcpu_set_fpu(struct vcpu *vcpu, void *data)
{
	fpu_set_legacy(vcpu, data);
	return 0;
}

/*
 * KVM_GET_XSAVE and KVM_GET_XSAVE2: in the standard format, whose offsets are
 * CPUID.0xd's, also if the host's Linux keeps it compacted.
 */
static long vcpu_get_xsave(struct vcpu *vcpu, void *data)
{
	fpu_get_xsave(vcpu, data, sizeof(struct kvm_xsave));
	return 0;
}

/* KVM_SET_XSAVE. -EINVAL: components, or bits of MXCSR, that are not offered. */
static long vcpu_set_xsave(struct vcpu *vcpu, void *data)
{
	return fpu_set_xsave(vcpu, data);
}

/* KVM_GET_XCRS. -EINVAL: the processor has no XSAVE. */
static long vcpu_get_xcrs(struct vcpu *vcpu, void *data)
{
	if (!fpu_supported_xcr0())
		return -EINVAL;
	*(struct kvm_xcrs *)data = (struct kvm_xcrs){
		.nr_xcrs = 1,
		.xcrs[0] = { .xcr = 0, .value = vcpu->fpu.xcr0 },
	};
	return 0;
}

/* KVM_SET_XCRS. -EINVAL: no XSAVE, flags, too many registers, or what XSETBV would refuse. */
static long vcpu_set_xcrs(struct vcpu *vcpu, void *data)
{
	const struct kvm_xcrs *xcrs = data;
	u32 i;

	if (!fpu_supported_xcr0() || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	/* XCR0 is the only such register: the first entry for it is set. */
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == 0)
			return fpu_set_xcr(vcpu, 0, xcrs->xcrs[i].value) ? -EINVAL : 0;
	return 0;
}

/* --- time --------------------------------------------------------------- */

/* KVM_SET_TSC_KHZ; 0 asks for the host's own frequency. -EINVAL: the processor cannot scale. */
static long vcpu_set_tsc_khz(struct vcpu *vcpu, unsigned long khz)
{
	if (khz > U32_MAX)
		return -EINVAL;
	return clock_set_khz(vcpu, khz ?: clock_host_khz());
}

static long vcpu_get_tsc_khz(struct vcpu *vcpu, unsigned long arg)
{
	return vcpu->clock.tsc_khz;
}

/* Tells the guest that it was stopped, and is not locked up. -EINVAL: it has no kvmclock. */
static long vcpu_kvmclock_ctrl(struct vcpu *vcpu, unsigned long arg)
{
	return clock_guest_stopped(vcpu);
}

/* KVM_GET_CLOCK: in ns, with the host's real time and TSC of the same instant. No errors. */
static long vm_get_clock(struct vm *vm, void *data)
{
	clock_get(vm, data);
	return 0;
}

/* KVM_SET_CLOCK. -EINVAL: flags; with KVM_CLOCK_REALTIME what passed since is added. */
static long vm_set_clock(struct vm *vm, void *data)
{
	return clock_set(vm, data);
}

/* --- rows --------------------------------------------------------------- */

const struct ioctl_row feature_sys_ioctls[] = {
	IOCTL_ARG(sys, KVM_GET_SUPPORTED_CPUID, sys_get_supported_cpuid),
	IOCTL_ARG(sys, KVM_GET_SUPPORTED_HV_CPUID, sys_get_supported_hv_cpuid),
	IOCTL_ARG(sys, KVM_GET_EMULATED_CPUID, sys_get_emulated_cpuid),
	IOCTL_ARG(sys, KVM_GET_MSR_INDEX_LIST, sys_get_msr_index_list),
	IOCTL_ARG(sys, KVM_GET_MSR_FEATURE_INDEX_LIST, sys_get_msr_feature_index_list),
	IOCTL_ARG(sys, KVM_GET_MSRS, sys_get_msrs),
	IOCTL(sys, KVM_X86_GET_MCE_CAP_SUPPORTED, sys_get_mce_cap),
	{},
};

const struct ioctl_row clock_vm_ioctls[] = {
	IOCTL(vm, KVM_GET_CLOCK, vm_get_clock),
	IOCTL(vm, KVM_SET_CLOCK, vm_set_clock),
	{},
};

const struct ioctl_row feature_vcpu_ioctls[] = {
	IOCTL(vcpu, KVM_GET_FPU, vcpu_get_fpu),
	IOCTL(vcpu, KVM_SET_FPU, vcpu_set_fpu),
	IOCTL(vcpu, KVM_GET_XSAVE, vcpu_get_xsave),
	IOCTL(vcpu, KVM_SET_XSAVE, vcpu_set_xsave),
	/* No component of the state needs more than the first version's 4096 bytes. */
	IOCTL(vcpu, KVM_GET_XSAVE2, vcpu_get_xsave),
	IOCTL(vcpu, KVM_GET_XCRS, vcpu_get_xcrs),
	IOCTL(vcpu, KVM_SET_XCRS, vcpu_set_xcrs),
	IOCTL_ARG(vcpu, KVM_GET_MSRS, vcpu_get_msrs),
	IOCTL_ARG(vcpu, KVM_SET_MSRS, vcpu_set_msrs),
	IOCTL_ARG(vcpu, KVM_GET_CPUID2, vcpu_get_cpuid2),
	IOCTL_ARG(vcpu, KVM_SET_CPUID2, vcpu_set_cpuid2),
	IOCTL_ARG(vcpu, KVM_GET_SUPPORTED_HV_CPUID, vcpu_get_supported_hv_cpuid),
	IOCTL(vcpu, KVM_ENABLE_CAP, vcpu_enable_cap),
	IOCTL(vcpu, KVM_X86_SETUP_MCE, vcpu_setup_mce),
	IOCTL(vcpu, KVM_X86_SET_MCE, vcpu_set_mce),
	IOCTL_ARG(vcpu, KVM_SET_TSC_KHZ, vcpu_set_tsc_khz),
	IOCTL_ARG(vcpu, KVM_GET_TSC_KHZ, vcpu_get_tsc_khz),
	IOCTL_ARG(vcpu, KVM_KVMCLOCK_CTRL, vcpu_kvmclock_ctrl),
	{},
};
