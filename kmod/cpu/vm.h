/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtual machine: what its vCPUs share. */
#ifndef CPU_VM_H
#define CPU_VM_H

#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include "cpu/clock.h"
#include "cpu/hyperv.h"
#include "mem/bus.h"
#include "mem/coalesced.h"
#include "mem/ept.h"
#include "mem/mem.h"

struct irqchip;
struct msr_filter;
struct vcpu;

#define VM_MAX_VCPUS 64
#define VM_MAX_VCPU_IDS 4096 /* ids are below it */
#define EARLY_PIT BIT(31)
#define X2APIC_API_FLAGS (KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)

struct vm {
	struct kref refs;		 /* the VM's fd, each vCPU's fd, each stats fd */
	struct mm_struct *mm;		 /* of the process that made it; other callers get -EIO */
	struct mutex lock;		 /* creation of vCPUs and devices; caps */
	struct vcpu *vcpu[VM_MAX_VCPUS]; /* by order of creation; published with release */
	int nr_vcpus;
	u32 bsp_id;	  /* KVM_SET_BOOT_CPU_ID */
	u32 max_vcpu_ids; /* ids are below it; 0: not settled yet, by KVM_ENABLE_CAP or a vCPU */

	struct vm_mem mem;
	struct ept ept;
	struct vm_buses buses;
	struct vm_clock clock;
	struct vm_hyperv hyperv;
	struct irqchip *irqchip; /* NULL: none was created; published with release */
	bool kernel_pic;	 /* .irqchip has 8259As; else they are userspace's */
	bool x2apic_ids;	 /* in LAPICs' states and messages: KVM_X2APIC_API_USE_32BIT_IDS */
	bool x2apic_strict;	 /* KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK */

	struct vm_coalesced coalesced;
	u32 early_pit; /* EARLY_PIT | flags: KVM_CREATE_PIT2 came before the irqchip; or 0 */
	u64 tss_addr, identity_map_addr;     /* stored, unused: unrestricted guest needs neither */
	u32 disabled_exits;		     /* KVM_X86_DISABLE_EXITS_* */
	u64 msr_to_user_mask;		     /* KVM_MSR_EXIT_REASON_*: KVM_CAP_X86_USER_SPACE_MSR */
	struct msr_filter __rcu *msr_filter; /* or NULL; replaced under .lock */
	bool platform_info_hidden;	     /* from the guest: KVM_CAP_MSR_PLATFORM_INFO off */
	bool exception_payload;		     /* KVM_CAP_EXCEPTION_PAYLOAD */
	bool triple_fault_event;	     /* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	bool manual_dirty_protect;	     /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	bool dirty_initially_set;
	u32 dirty_ring_bytes;  /* of each vCPU's: KVM_CAP_DIRTY_LOG_RING; 0: there are bitmaps */
	pid_t creator;	       /* the thread, as L0 numbers it: names the VM in statistics */
	struct list_head node; /* in the list of all VMs */
};

static inline int vm_nr_vcpus(const struct vm *vm)
{
	return smp_load_acquire(&vm->nr_vcpus);
}

#define vm_for_each_vcpu(vm, i, v) \
	for (i = 0; i < vm_nr_vcpus(vm) && ((v) = (vm)->vcpu[i], true); i++)

struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id); /* by APIC id; NULL */

struct vm *vm_create(void); /* or ERR_PTR */
/*
 * Destroys the chips and stops their timers and eventfds, before the vCPUs are freed.
 * Declared here and defined in pc/, which is above.
 */
void irqchip_destroy(struct vm *vm);
void vm_get(struct vm *vm);
void vm_put(struct vm *vm);

/* Makes a request of each vCPU and has those in the guest leave it. Any context but NMI. */
void vm_request(struct vm *vm, int req);
/*
 * Does what vm_request() does and waits until each vCPU has left the guest, or is sure to look at
 * its requests before it enters. Interrupts on; does not sleep.
 */
void vm_request_sync(struct vm *vm, int req);

#endif
