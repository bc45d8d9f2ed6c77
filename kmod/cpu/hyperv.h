/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's interface to guests: the state that a VM and a vCPU have of what is offered.
 * A guest has it exactly if userspace has put "Hv#1" into its CPUID (vcpu->cpuid.hyperv).
 * What needs the LAPIC is in pc/lapic_msrs.c, hypercalls are in run/hyperv.c.
 */
#ifndef CPU_HYPERV_H
#define CPU_HYPERV_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <vmx/hyperv.h>

#include "cpu/ref_clock.h"

struct vcpu;
struct vm;

struct vm_hyperv {
	struct mutex lock; /* writers of all below, and of the TSC page in guest memory */
	u64 guest_os_id, hypercall, tsc_page; /* MSRs */
	u64 crash[TLFS_CRASH_PARAMS], crash_ctl;
	struct ref_clock shown; /* what the TSC page has; with a scale of 0 it says "not valid" */
	bool tsc_page_written;	/* the page was written since .tsc_page was set */
};

struct vcpu_hyperv {
	u32 vp_index;
	bool enforce; /* KVM_CAP_HYPERV_ENFORCE_CPUID: CPUID decides what there is */
	u64 assist;   /* HV_X64_MSR_VP_ASSIST_PAGE; the LAPIC writes to the page that it names */
	/* CPU time of the threads that have run the vCPU, in ns, until it was loaded last. */
	u64 spent;
	u64 loaded_at; /* CPU time of the thread that has the vCPU loaded, when it was loaded */
};

void hyperv_init_vm(struct vm *vm);
/* Count the thread's CPU time between them as the vCPU's. Context: that thread. */
void hyperv_load(struct vcpu *vcpu);
void hyperv_put(struct vcpu *vcpu);

/* May the guest use the MSR? MSR_OK, MSR_UNKNOWN, MSR_FAULT. Userspace always may. */
int hyperv_may(struct vcpu *vcpu, u32 index, bool host);

/* REQ_CLOCK_UPDATE: the TSC page follows kvmclock and the guest's TSC. May sleep. */
void hyperv_clock_update(struct vcpu *vcpu);
/* Does VMCALL make Hyper-V's hypercalls, rather than KVM's? */
bool hyperv_calls_on(struct vcpu *vcpu);

/* Ends KVM_RUN if the guest asked for a reset or reported a crash. Answers as lapic_tell_user(). */
#define HYPERV_USER_REQUESTS (BIT(REQ_HV_RESET) | BIT(REQ_HV_CRASH))
int hyperv_tell_user(struct vcpu *vcpu);

/*
 * KVM_GET_SUPPORTED_HV_CPUID; @entries has room for HYPERV_LEAVES. @lapic: the vCPU has
 * one in the kernel, or may come to have one.
 */
#define HYPERV_LEAVES 6
void hyperv_supported(struct kvm_cpuid_entry2 *entries, bool lapic);

#endif
