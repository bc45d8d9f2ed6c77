// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID, MSRs, FPU and clocks: what a vCPU is given, and what it could be. The
 * tables are in cpu/; here arguments are copied and checked. Above each
 * handler is what may surprise; docs/abyme.4 has every errno.
 *
 * Context: handlers of vCPUs are called with it locked and loaded.
 */
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <vmx/info.h>

#include "api/vcpu_state_ioctl.h"
#include "cpu/cr_checks.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"

#define MAX_MSRS 256 /* that one ioctl may name; KVM's limit */

/* --- CPUID -------------------------------------------------------------- */

/* KVM_GET_SUPPORTED_CPUID. -E2BIG: too little room. */
long sys_get_supported_cpuid(void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid2 head;
	int count;
	long r;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!head.nent)
		return -E2BIG;
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

long sys_get_supported_hv_cpuid(void __user *arg)
{
	return get_hv_cpuid(arg, true);
}

long vcpu_get_supported_hv_cpuid(struct vcpu *vcpu, void __user *arg)
{
	return get_hv_cpuid(arg, vcpu->lapic);
}

/* KVM_ENABLE_CAP on a vCPU. -EINVAL: no such capability, or flags. */
long vcpu_enable_cap(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags || cap.cap != KVM_CAP_HYPERV_ENFORCE_CPUID)
		return -EINVAL;
	vcpu->hyperv.enforce = cap.args[0];
	return 0;
}

/* KVM_GET_EMULATED_CPUID: nothing is emulated that the processor lacks. */
long sys_get_emulated_cpuid(void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;

	return put_user(0, &user->nent) ? -EFAULT : 0;
}

/* All entries are copied before any is looked at. */
long vcpu_set_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
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

long vcpu_get_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
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

static int get_one(struct vcpu *vcpu, struct kvm_msr_entry *e)
{
	return msr_read(vcpu, e->index, true, &e->data);
}

static int set_one(struct vcpu *vcpu, struct kvm_msr_entry *e)
{
	return msr_write(vcpu, e->index, true, e->data);
}

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
	while (done < head.nmsrs && !one(vcpu, &entries[done]))
		done++;
	if (write_back && copy_to_user(user->entries, entries, head.nmsrs * sizeof(*entries)))
		done = -EFAULT;
	kfree(entries);
	return done;
}

long vcpu_get_msrs(struct vcpu *vcpu, void __user *arg)
{
	return msr_io(vcpu, arg, get_one, true);
}

long vcpu_set_msrs(struct vcpu *vcpu, void __user *arg)
{
	return msr_io(vcpu, arg, set_one, false);
}

long sys_get_msrs(void __user *arg)
{
	return msr_io(NULL, arg, feature_one, true);
}

/* --- one register ------------------------------------------------------- */

/* KVM's ids of registers, which only headers since Linux 6.18 name. */
#define REG_MSR (KVM_REG_X86 | KVM_REG_SIZE_U64 | 2ull << 32) /* and the MSR's index */
#define REG_SSP (KVM_REG_X86 | KVM_REG_SIZE_U64 | 3ull << 32)

/* SSP is what no other request has, and it is there with shadow stacks. 0, -EINVAL. */
static int read_reg(struct vcpu *vcpu, u64 id, u64 *value)
{
	if (upper_32_bits(id) == upper_32_bits(REG_MSR))
		return msr_read(vcpu, id, true, value) ? -EINVAL : 0;
	if (id != REG_SSP || !vcpu->cpuid.shadow_stacks)
		return -EINVAL;
	*value = cet_get_ssp();
	return 0;
}

static int write_reg(struct vcpu *vcpu, u64 id, u64 value)
{
	if (upper_32_bits(id) == upper_32_bits(REG_MSR))
		return msr_write(vcpu, id, true, value) ? -EINVAL : 0;
	if (id != REG_SSP || !vcpu->cpuid.shadow_stacks)
		return -EINVAL;
	return cet_set_ssp(vcpu, value);
}

/* KVM_GET_ONE_REG. -EFAULT; -EINVAL: there is no such register. */
long vcpu_get_one_reg(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_one_reg reg;
	u64 value;
	int r;

	if (copy_from_user(&reg, arg, sizeof(reg)))
		return -EFAULT;
	r = read_reg(vcpu, reg.id, &value);
	if (r)
		return r;
	return put_user(value, (u64 __user *)u64_to_user_ptr(reg.addr));
}

/* KVM_SET_ONE_REG. -EFAULT; -EINVAL: no such register, or it cannot hold the value. */
long vcpu_set_one_reg(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_one_reg reg;
	u64 value;

	if (copy_from_user(&reg, arg, sizeof(reg)) ||
	    get_user(value, (u64 __user *)u64_to_user_ptr(reg.addr)))
		return -EFAULT;
	return write_reg(vcpu, reg.id, value);
}

/* KVM_GET_REG_LIST: those that are no MSRs. -EFAULT; -E2BIG with .n set: too little room. */
long vcpu_get_reg_list(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_reg_list __user *user = arg;
	u64 room, count = vcpu->cpuid.shadow_stacks;

	if (get_user(room, &user->n) || put_user(count, &user->n))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return count ? put_user(REG_SSP, &user->reg[0]) : 0;
}

/* --- lists of MSRs ------------------------------------------------------ */

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

long sys_get_msr_index_list(void __user *arg)
{
	return get_list(arg, MSR_SAVED);
}

long sys_get_msr_feature_index_list(void __user *arg)
{
	return get_list(arg, MSR_FEATURE);
}

long sys_get_mce_cap(void __user *arg)
{
	u64 cap = MCE_CAP_SUPPORTED;

	return copy_to_user(arg, &cap, sizeof(cap)) ? -EFAULT : 0;
}

long vcpu_setup_mce(struct vcpu *vcpu, void __user *arg)
{
	u64 cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	return msrs_setup_mce(vcpu, cap);
}

/*
 * KVM_X86_SET_MCE: puts an error into a bank, and raises #MC unless it is a
 * corrected one. -EFAULT; -EINVAL: there is no such bank, or the status is not
 * valid.
 */
long vcpu_set_mce(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_x86_mce mce;
	int r;

	if (copy_from_user(&mce, arg, sizeof(mce)))
		return -EFAULT;
	r = mce_report(vcpu, &mce);
	if (r < 0)
		return r;
	if (r == MCE_EXCEPTION)
		inject_exception(vcpu, VEC_MC);
	else if (r == MCE_SHUTDOWN)
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
	return 0;
}

/* --- FPU ---------------------------------------------------------------- */

long vcpu_get_fpu(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_fpu fpu;

	fpu_get_legacy(vcpu, &fpu);
	return copy_to_user(arg, &fpu, sizeof(fpu)) ? -EFAULT : 0;
}

long vcpu_set_fpu(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_fpu fpu;

	if (copy_from_user(&fpu, arg, sizeof(fpu)))
		return -EFAULT;
	fpu_set_legacy(vcpu, &fpu);
	return 0;
}

long vcpu_get_xsave(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_xsave *xsave = kzalloc(sizeof(*xsave), GFP_KERNEL);
	long r;

	if (!xsave)
		return -ENOMEM;
	fpu_get_xsave(vcpu, xsave, sizeof(*xsave));
	r = copy_to_user(arg, xsave, sizeof(*xsave)) ? -EFAULT : 0;
	kfree(xsave);
	return r;
}

long vcpu_set_xsave(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_xsave *xsave = memdup_user(arg, sizeof(*xsave));
	long r;

	if (IS_ERR(xsave))
		return PTR_ERR(xsave);
	r = fpu_set_xsave(vcpu, xsave);
	kfree(xsave);
	return r;
}

long vcpu_get_xcrs(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_xcrs xcrs = {
		.nr_xcrs = 1,
		.xcrs[0] = { .xcr = 0, .value = vcpu->fpu.xcr0 },
	};

	if (!fpu_supported_xcr0())
		return -EINVAL;
	return copy_to_user(arg, &xcrs, sizeof(xcrs)) ? -EFAULT : 0;
}

long vcpu_set_xcrs(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_xcrs xcrs;
	u32 i;

	if (copy_from_user(&xcrs, arg, sizeof(xcrs)))
		return -EFAULT;
	if (!fpu_supported_xcr0() || xcrs.nr_xcrs > KVM_MAX_XCRS || xcrs.flags)
		return -EINVAL;
	/* There is one such register, so that the first entry for it is all there is to set. */
	for (i = 0; i < xcrs.nr_xcrs; i++)
		if (xcrs.xcrs[i].xcr == 0)
			return fpu_set_xcr(vcpu, 0, xcrs.xcrs[i].value) ? -EINVAL : 0;
	return 0;
}

/* --- time --------------------------------------------------------------- */

/* 0 asks for the host's own frequency. */
long vcpu_set_tsc_khz(void *vcpu, unsigned long khz)
{
	if (khz > U32_MAX)
		return -EINVAL;
	return clock_set_khz(vcpu, khz ?: clock_host_khz());
}

long vcpu_get_tsc_khz(void *vcpu, unsigned long arg)
{
	return ((struct vcpu *)vcpu)->clock.tsc_khz;
}

long vcpu_kvmclock_ctrl(void *vcpu, unsigned long arg)
{
	return clock_guest_stopped(vcpu);
}

long vm_get_clock(struct vm *vm, void __user *arg)
{
	struct kvm_clock_data data;

	clock_get(vm, &data);
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

long vm_set_clock(struct vm *vm, void __user *arg)
{
	struct kvm_clock_data data;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	return clock_set(vm, &data);
}
