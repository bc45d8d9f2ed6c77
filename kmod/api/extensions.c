// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION: one table of what is offered. An extension without a row
 * answers 0. No row announces what does not work. Tour, stop 2.
 */

#include <linux/cpumask.h>
#include <linux/kvm.h>
#include <asm/cpufeature.h>

#include "api/dev.h"
#include "cpu/debug.h"
#include "cpu/msrs.h"
#include "cpu/vm.h"
#include "hw/caps.h"
#include "pc/routing.h"

struct extension {
	unsigned long cap;
	long value;
	bool (*have)(void); /* NULL: always */
};

/* Without XSAVE there is no XCR0, and KVM_GET_XCRS answers -EINVAL. */
static bool has_xsave(void)
{
	return boot_cpu_has(X86_FEATURE_XSAVE);
}

/*
 * The KVM API says what the values mean: 1 that the extension is there, others a limit, a set of
 * flags, or a size in bytes.
 */
static const struct extension extensions[] = {
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_X2APIC_API, X2APIC_API_FLAGS },
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_VAPIC, 1 },
	{ KVM_CAP_USER_MEMORY, 1 },
	/* The next two are of no use to unrestricted guest, but clients insist on them. */
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_EXT_EMUL_CPUID, 1 }, /* of an empty list */
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MAX_VCPUS, VM_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, VM_MAX_VCPU_IDS },
	{ KVM_CAP_NR_MEMSLOTS, MEM_MAX_SLOTS },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_IRQ_ROUTING, ROUTING_MAX_ENTRIES }, /* GSIs are below the same number */
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_COALESCED_MMIO, 2 }, /* the page of the vCPU's mapping */
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	/* Guest memory may be swapped, ballooned and moved: an MMU notifier tells of it. */
	{ KVM_CAP_SYNC_MMU, 1 },
	/* Say that faults of early KVMs are mended. abyme never had them, and QEMU asks. */
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
	  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ KVM_CAP_DIRTY_LOG_RING, DIRTY_RING_MAX_BYTES },
	{ KVM_CAP_DIRTY_LOG_RING_ACQ_REL, DIRTY_RING_MAX_BYTES },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_ADJUST_CLOCK, KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) }, /* no state is larger: AMX is not offered */
	{ KVM_CAP_XCRS, 1, has_xsave },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_ONE_REG, 1 },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_TSC_CONTROL, 1, hw_has_tsc_scaling }, /* another frequency than the host's */
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_SYS_ATTRIBUTES, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG2, DEBUG_CONTROL_VALID },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_MSR_PLATFORM_INFO, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_MCE, MCE_MAX_BANKS },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },	  /* an asserted line is asserted, high or low */
	{ KVM_CAP_NESTED_STATE, 128 + 2 * 4096 }, /* header, vmcs12, and what that links to */
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_HYPERV, 1 },
	{ KVM_CAP_HYPERV_VAPIC, 1 },
	{ KVM_CAP_HYPERV_SPIN, 1 },
	{ KVM_CAP_HYPERV_TIME, 1 },
	{ KVM_CAP_HYPERV_VP_INDEX, 1 },
	{ KVM_CAP_HYPERV_CPUID, 1 },
	{ KVM_CAP_SYS_HYPERV_CPUID, 1 },
	{ KVM_CAP_HYPERV_ENFORCE_CPUID, 1 },
};

/* A guest's MWAIT may put the processor to sleep: the host's LAPIC timer must go on then. */
static bool guest_can_mwait(void)
{
	return boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	       !boot_cpu_has_bug(X86_BUG_MONITOR);
}

long extension_value(struct vm *vm, unsigned long cap)
{
	int i;

	/* This is how many are recommended. More may be made, up to KVM_CAP_MAX_VCPUS. */
	if (cap == KVM_CAP_NR_VCPUS)
		return min_t(long, num_online_cpus(), VM_MAX_VCPUS);
	if (cap == KVM_CAP_X86_DISABLE_EXITS)
		return KVM_X86_DISABLE_EXITS_HLT |
		       (guest_can_mwait() ? KVM_X86_DISABLE_EXITS_MWAIT : 0);
	/* Clients ask each once, at their start: this needs no index. */
	for (i = 0; i < ARRAY_SIZE(extensions); i++) {
		const struct extension *e = &extensions[i];

		if (e->cap == cap)
			return !e->have || e->have() ? e->value : 0;
	}
	return 0;
}
