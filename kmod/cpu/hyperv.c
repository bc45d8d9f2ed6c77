// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's interface, as Windows and Linux as guests know it: CPUID, time, and
 * its MSRs. What needs the LAPIC is in pc/lapic_msrs.c, hypercalls are in run/hyperv.c. All
 * numbers and names are of the "Hypervisor Top Level Functional Specification"
 * (TLFS, <vmx/hyperv.h>).
 *
 * msrs.c calls it by its table, the run loop for REQ_CLOCK_UPDATE and to tell
 * userspace.
 *
 * What a reader must know: there is one TSC page for a VM. It says how to
 * compute the time from the TSC, and it is only valid while all vCPUs have the
 * same TSC.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/tsc.h>

#include "cpu/clock.h"
#include "cpu/hyperv.h"
#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"

#define NS_IN_UNIT 100
#define APIC_HZ 1000000000 /* LAPICs' timers count nanoseconds */

/* --- CPUID -------------------------------------------------------------- */

/* The version is that of Windows Server 2016, the first with all that is offered. */
static const struct kvm_cpuid_entry2 leaves[HYPERV_LEAVES] = {
	{ .function = TLFS_LEAF_VENDOR, .eax = TLFS_LEAF_LIMITS },
	{ .function = TLFS_LEAF_INTERFACE, .eax = TLFS_INTERFACE },
	{ .function = TLFS_LEAF_VERSION, .eax = 0x3839, .ebx = 0x000a0000 },
	{ .function = TLFS_LEAF_FEATURES,
	  .eax = TLFS_MAY_VP_RUNTIME | TLFS_MAY_REF_COUNT | TLFS_MAY_APIC | TLFS_MAY_HYPERCALL |
		 TLFS_MAY_VP_INDEX | TLFS_MAY_RESET | TLFS_MAY_REF_TSC | TLFS_MAY_FREQUENCIES,
	  .edx = TLFS_HAS_FREQUENCIES | TLFS_HAS_CRASH },
	{ .function = TLFS_LEAF_ADVICE,
	  .eax = TLFS_USE_APIC_MSRS | TLFS_RELAXED_TIMING,
	  .ebx = 0xfff },
	{ .function = TLFS_LEAF_LIMITS, .eax = VM_MAX_VCPUS, .ebx = VM_MAX_VCPUS },
};

void hyperv_supported(struct kvm_cpuid_entry2 *entries, bool lapic)
{
	/* KVM's name. Windows looks only at "Hv#1", and QEMU puts its own name here. */
	static const char vendor[12] = "Linux KVM Hv";
	int i;

	memcpy(entries, leaves, sizeof(leaves));
	memcpy(&entries[0].ebx, vendor, 4);
	memcpy(&entries[0].ecx, vendor + 4, 4);
	memcpy(&entries[0].edx, vendor + 8, 4);
	for (i = 0; !lapic && i < HYPERV_LEAVES; i++) {
		if (entries[i].function == TLFS_LEAF_FEATURES)
			entries[i].eax &= ~TLFS_MAY_APIC;
		if (entries[i].function == TLFS_LEAF_ADVICE)
			entries[i].eax &= ~TLFS_USE_APIC_MSRS;
	}
}

/* With KVM_CAP_HYPERV_ENFORCE_CPUID an MSR exists if its bit is set in the features' leaf. */
static const struct {
	u32 first, last;
	enum cpuid_reg reg;
	u32 bit;
} privileges[] = {
	{ TLFS_MSR_GUEST_OS_ID, TLFS_MSR_HYPERCALL, CPUID_REG_EAX, TLFS_MAY_HYPERCALL },
	{ TLFS_MSR_VP_INDEX, TLFS_MSR_VP_INDEX, CPUID_REG_EAX, TLFS_MAY_VP_INDEX },
	{ TLFS_MSR_RESET, TLFS_MSR_RESET, CPUID_REG_EAX, TLFS_MAY_RESET },
	{ TLFS_MSR_VP_RUNTIME, TLFS_MSR_VP_RUNTIME, CPUID_REG_EAX, TLFS_MAY_VP_RUNTIME },
	{ TLFS_MSR_REF_COUNT, TLFS_MSR_REF_COUNT, CPUID_REG_EAX, TLFS_MAY_REF_COUNT },
	{ TLFS_MSR_REF_TSC, TLFS_MSR_REF_TSC, CPUID_REG_EAX, TLFS_MAY_REF_TSC },
	{ TLFS_MSR_TSC_FREQUENCY, TLFS_MSR_APIC_FREQUENCY, CPUID_REG_EAX, TLFS_MAY_FREQUENCIES },
	{ TLFS_MSR_EOI, TLFS_MSR_VP_ASSIST, CPUID_REG_EAX, TLFS_MAY_APIC },
	{ TLFS_MSR_CRASH_P0, TLFS_MSR_CRASH_CTL, CPUID_REG_EDX, TLFS_HAS_CRASH },
};

int hyperv_may(struct vcpu *vcpu, u32 index, bool host)
{
	int i;

	if (host)
		return MSR_OK;
	if (!vcpu->cpuid.hyperv)
		return MSR_UNKNOWN;
	if (!vcpu->hyperv.enforce)
		return MSR_OK;
	for (i = 0; i < ARRAY_SIZE(privileges); i++)
		if (index >= privileges[i].first && index <= privileges[i].last &&
		    (cpuid_word(vcpu, TLFS_LEAF_FEATURES, 0, privileges[i].reg) &
		     privileges[i].bit))
			return MSR_OK;
	return MSR_FAULT;
}

/* --- time --------------------------------------------------------------- */

void hyperv_init_vm(struct vm *vm)
{
	mutex_init(&vm->hyperv.lock);
}

void hyperv_load(struct vcpu *vcpu)
{
	vcpu->hyperv.loaded_at = current->se.sum_exec_runtime;
}

static u64 time_spent(struct vcpu *vcpu)
{
	return vcpu->hyperv.spent + current->se.sum_exec_runtime - vcpu->hyperv.loaded_at;
}

void hyperv_put(struct vcpu *vcpu)
{
	vcpu->hyperv.spent = time_spent(vcpu);
}

/*
 * Computes how the time follows from the TSC. The result is the same until kvmclock or the TSC is
 * set, so that MSR and page never disagree. Return: false: it does not follow from the TSC.
 */
static bool get_ref_clock(struct vcpu *vcpu, struct ref_clock *clock)
{
	struct ref_point at;
	u64 host_tsc;
	u32 mul;
	s8 shift;

	if (!pvclock_base(vcpu->vm, &host_tsc, &at.ns) || !clock_tscs_agree(vcpu->vm))
		return false;
	at.tsc = clock_guest_tsc(vcpu, host_tsc);
	at.wrapped = at.tsc > clock_guest_tsc(vcpu, rdtsc());
	pvclock_factors(clock_guest_khz(vcpu), &shift, &mul);
	return ref_clock_init(clock, &at, shift, mul);
}

static u64 ref_time(struct vcpu *vcpu)
{
	struct kvm_clock_data now;
	struct ref_clock clock;

	if (likely(get_ref_clock(vcpu, &clock)))
		return ref_clock_read(&clock, clock_guest_tsc(vcpu, rdtsc()));
	clock_get(vcpu->vm, &now);
	return div_u64(now.clock, NS_IN_UNIT);
}

/* The page is invalid while it is written, and stays so with a scale of 0. 0, -EFAULT. */
static int write_tsc_page(struct vm *vm, u64 gpa, const struct ref_clock *clock)
{
	struct tlfs_tsc_page page = { .scale = clock->scale, .offset = clock->offset };
	const u32 invalid = 0;
	u32 sequence;

	/* The guest may have written anything there. It must see another number afterwards. */
	if (mem_read(vm, gpa, &sequence, sizeof(sequence)) ||
	    mem_write(vm, gpa, &invalid, sizeof(invalid)))
		return -EFAULT;
	if (!clock->scale)
		return 0;
	smp_wmb();
	if (mem_write(vm, gpa, &page, sizeof(page)))
		return -EFAULT;
	smp_wmb();
	sequence = ref_clock_next_sequence(sequence);
	return mem_write(vm, gpa, &sequence, sizeof(sequence));
}

void hyperv_clock_update(struct vcpu *vcpu)
{
	struct vm_hyperv *hv = &vcpu->vm->hyperv;
	struct ref_clock clock;

	if (likely(!(READ_ONCE(hv->tsc_page) & TLFS_PAGE_ENABLE)))
		return;
	mutex_lock(&hv->lock);
	if (!get_ref_clock(vcpu, &clock))
		clock = (struct ref_clock){ 0 };
	if ((hv->tsc_page & TLFS_PAGE_ENABLE) &&
	    (!hv->tsc_page_written || memcmp(&clock, &hv->shown, sizeof(clock)))) {
		hv->tsc_page_written =
			!write_tsc_page(vcpu->vm, hv->tsc_page & TLFS_PAGE_ADDR, &clock);
		hv->shown = clock;
	}
	mutex_unlock(&hv->lock);
}

/* --- MSRs --------------------------------------------------------------- */

int hyperv_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	const struct vm_hyperv *hv = &vcpu->vm->hyperv;
	int r = hyperv_may(vcpu, index, host);

	if (r)
		return r;
	switch (index) {
	case TLFS_MSR_GUEST_OS_ID: *value = READ_ONCE(hv->guest_os_id); break;
	case TLFS_MSR_HYPERCALL: *value = READ_ONCE(hv->hypercall); break;
	case TLFS_MSR_VP_INDEX: *value = vcpu->hyperv.vp_index; break;
	case TLFS_MSR_VP_RUNTIME: *value = div_u64(time_spent(vcpu), NS_IN_UNIT); break;
	case TLFS_MSR_REF_COUNT: *value = ref_time(vcpu); break;
	case TLFS_MSR_REF_TSC: *value = READ_ONCE(hv->tsc_page); break;
	case TLFS_MSR_TSC_FREQUENCY: *value = vcpu->clock.tsc_khz * 1000ull; break;
	case TLFS_MSR_APIC_FREQUENCY: *value = APIC_HZ; break;
	case TLFS_MSR_CRASH_P0 ... TLFS_MSR_CRASH_P0 + TLFS_CRASH_PARAMS - 1:
		*value = READ_ONCE(hv->crash[index - TLFS_MSR_CRASH_P0]);
		break;
	case TLFS_MSR_CRASH_CTL: *value = READ_ONCE(hv->crash_ctl); break;
	default: *value = 0; /* TLFS_MSR_RESET */
	}
	return MSR_OK;
}

/* A guest without an ID has no hypercalls. Context: hv->lock held. */
static void set_guest_os_id(struct vm_hyperv *hv, u64 value)
{
	WRITE_ONCE(hv->guest_os_id, value);
	if (!value)
		WRITE_ONCE(hv->hypercall, hv->hypercall & ~TLFS_PAGE_ENABLE);
}

/* The page is filled for the guest; userspace restores its contents. Context: hv->lock held. */
static int set_hypercall(struct vm *vm, bool host, u64 value)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xc3 }; /* VMCALL, RET */
	struct vm_hyperv *hv = &vm->hyperv;

	if (!host && (!hv->guest_os_id || (hv->hypercall & TLFS_HYPERCALL_LOCKED)))
		return MSR_OK;
	if (!host && (value & TLFS_PAGE_ENABLE) &&
	    mem_write(vm, value & TLFS_PAGE_ADDR, code, sizeof(code)))
		return MSR_FAULT;
	WRITE_ONCE(hv->hypercall, value);
	return MSR_OK;
}

static void set_tsc_page(struct vm *vm, u64 value)
{
	WRITE_ONCE(vm->hyperv.tsc_page, value);
	vm->hyperv.tsc_page_written = false;
	vm_request(vm, REQ_CLOCK_UPDATE);
}

/* Unknown bits are ignored: a guest that crashes must not fault on top. */
static void set_crash_ctl(struct vcpu *vcpu, bool host, u64 value)
{
	if (host)
		WRITE_ONCE(vcpu->vm->hyperv.crash_ctl, value & TLFS_CRASH_NOTIFY);
	else if (value & TLFS_CRASH_NOTIFY)
		vcpu_request(vcpu, REQ_HV_CRASH);
}

static int set_reset(struct vcpu *vcpu, bool host, u64 value)
{
	if (value & ~1ull)
		return MSR_FAULT;
	if (value && !host)
		vcpu_request(vcpu, REQ_HV_RESET);
	return MSR_OK;
}

/* Sets MSRs that guests can only read. Those that follow from the clock are ignored. */
static int hyperv_set_by_user(struct vcpu *vcpu, u32 index, u64 value)
{
	if (index == TLFS_MSR_VP_INDEX) {
		if (value >= VM_MAX_VCPUS)
			return MSR_FAULT;
		vcpu->hyperv.vp_index = value;
	} else if (index == TLFS_MSR_VP_RUNTIME) {
		vcpu->hyperv.spent = value * NS_IN_UNIT;
		hyperv_load(vcpu);
	}
	return MSR_OK;
}

/* Context: hv->lock held. */
static int hyperv_write_locked(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	struct vm *vm = vcpu->vm;

	switch (index) {
	case TLFS_MSR_GUEST_OS_ID: set_guest_os_id(&vm->hyperv, value); return MSR_OK;
	case TLFS_MSR_HYPERCALL: return set_hypercall(vm, host, value);
	case TLFS_MSR_REF_TSC: set_tsc_page(vm, value); return MSR_OK;
	case TLFS_MSR_RESET: return set_reset(vcpu, host, value);
	case TLFS_MSR_CRASH_P0 ... TLFS_MSR_CRASH_P0 + TLFS_CRASH_PARAMS - 1:
		WRITE_ONCE(vm->hyperv.crash[index - TLFS_MSR_CRASH_P0], value);
		return MSR_OK;
	case TLFS_MSR_CRASH_CTL: set_crash_ctl(vcpu, host, value); return MSR_OK;
	}
	return host ? hyperv_set_by_user(vcpu, index, value) : MSR_FAULT;
}

int hyperv_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	int r = hyperv_may(vcpu, index, host);

	if (r)
		return r;
	mutex_lock(&vcpu->vm->hyperv.lock);
	r = hyperv_write_locked(vcpu, index, host, value);
	mutex_unlock(&vcpu->vm->hyperv.lock);
	return r;
}

bool hyperv_calls_on(struct vcpu *vcpu)
{
	return vcpu->cpuid.hyperv && READ_ONCE(vcpu->vm->hyperv.guest_os_id);
}

int hyperv_tell_user(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u32 type;

	if (vcpu_take_request(vcpu, REQ_HV_CRASH))
		type = KVM_SYSTEM_EVENT_CRASH;
	else if (vcpu_take_request(vcpu, REQ_HV_RESET))
		type = KVM_SYSTEM_EVENT_RESET;
	else
		return 1;
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	memset(&run->system_event, 0, sizeof(run->system_event));
	run->system_event.type = type;
	return 0;
}
