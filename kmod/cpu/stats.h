/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of a vCPU, as one table: name, what it counts.
 *
 * Written by the vCPU's own thread only, read by anyone without a lock.
 * Published through KVM_GET_STATS_FD under these names.
 */
#ifndef CPU_STATS_H
#define CPU_STATS_H

#include <vmx/exits.h>
#include <vmx/types.h>

struct vcpu;
struct vm;

/* clang-format off */
#define VCPU_STATS(X)                                                  \
	X(exits, "VM exits of the processor")                          \
	X(irq_exits, "external interrupts of the host")                \
	X(irq_window_exits, "interrupt and NMI windows")               \
	X(halt_exits, "HLT")                                           \
	X(halt_wakeup, "wake-ups of a halted vCPU that slept")         \
	X(halt_poll_success, "halts that a short poll ended")          \
	X(io_exits, "port I/O")                                        \
	X(mmio_exits, "memory-mapped I/O")                             \
	X(hypercalls, "VMCALL")                                        \
	X(pf_taken, "EPT violations of L1's memory that were mapped")  \
	X(exceptions, "exceptions that L0 intercepted")                \
	X(request_irq_exits, "returns to userspace for an irq window") \
	X(signal_exits, "returns to userspace for a signal")           \
	X(irq_injections, "interrupts injected")                       \
	X(nmi_injections, "NMIs injected")                             \
	X(tlb_flush, "INVEPT or INVVPID before an entry")              \
	X(vmx_insns, "VMX instructions of L1")                         \
	X(nested_run, "entries to L2 that L1 asked for")               \
	X(nested_exits, "VM exits while L2 ran")                       \
	X(nested_reflected, "VM exits of L2 that L1 was given")        \
	X(nested_entry_failed, "entries to L2 that failed a check")    \
	X(nested_entry_refused, "entries to L2 that passed the checks and the processor refused") \
	X(ept02_faults, "EPT violations of L2 that EPT02 was to blame for") \
	X(ept02_zaps, "EPT02 roots dropped")
/* clang-format on */

struct vcpu_stats {
#define X(name, what) u64 name;
	VCPU_STATS(X)
#undef X
	/* VM exits by basic reason, while L1 and while L2 ran: "exit_hlt", "l2_exit_hlt". */
	u64 exit_l1[NR_EXITS];
	u64 exit_l2[NR_EXITS];
};

/* @reason: the exit-reason field as the processor gave it. Context: the vCPU's thread. */
static inline void stats_count_exit(struct vcpu_stats *stats, u32 reason, bool in_l2)
{
	u32 basic = reason & EXIT_BASIC_MASK;

	if (likely(basic < NR_EXITS))
		(in_l2 ? stats->exit_l2 : stats->exit_l1)[basic]++;
	else
		stats->exits++; /* those that no reason counts; the others are added when it is read */
}

/*
 * KVM_GET_STATS_FD: a new fd, which holds a reference to the VM, or -errno. A
 * VM's gives the sums over its vCPUs.
 */
long stats_vm_fd(struct vm *vm);
long stats_vcpu_fd(struct vcpu *vcpu);

#endif
