/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Hyper-V's "Top Level Functional Specification" (TLFS) gives numbers to, as far as
 * abyme offers it: CPUID leaves, synthetic MSRs, hypercalls.
 */
#ifndef VMX_HYPERV_H
#define VMX_HYPERV_H

#include <vmx/types.h>

#define TLFS_LEAF_VENDOR 0x40000000u
#define TLFS_LEAF_INTERFACE 0x40000001u
#define TLFS_LEAF_VERSION 0x40000002u
#define TLFS_LEAF_FEATURES 0x40000003u
#define TLFS_LEAF_ADVICE 0x40000004u
#define TLFS_LEAF_LIMITS 0x40000005u

/* EAX of the interface's leaf: "Hv#1". */
#define TLFS_INTERFACE 0x31237648u

/* EAX of the features' leaf: privileges to use MSRs. */
#define TLFS_MAY_VP_RUNTIME (1u << 0)
#define TLFS_MAY_REF_COUNT (1u << 1)
#define TLFS_MAY_APIC (1u << 4)
#define TLFS_MAY_HYPERCALL (1u << 5)
#define TLFS_MAY_VP_INDEX (1u << 6)
#define TLFS_MAY_RESET (1u << 7)
#define TLFS_MAY_REF_TSC (1u << 9)
#define TLFS_MAY_FREQUENCIES (1u << 11)
/* EDX of the features' leaf: what else there is. */
#define TLFS_HAS_FREQUENCIES (1u << 8)
#define TLFS_HAS_CRASH (1u << 10)

/* EAX of the advice's leaf; EBX is the spins before a hypercall, all ones: never. */
#define TLFS_USE_APIC_MSRS (1u << 3)
#define TLFS_RELAXED_TIMING (1u << 5)
#define TLFS_NEVER_NOTIFY 0xffffffffu

#define TLFS_MSR_GUEST_OS_ID 0x40000000u
#define TLFS_MSR_HYPERCALL 0x40000001u
#define TLFS_MSR_VP_INDEX 0x40000002u
#define TLFS_MSR_RESET 0x40000003u
#define TLFS_MSR_VP_RUNTIME 0x40000010u
#define TLFS_MSR_REF_COUNT 0x40000020u
#define TLFS_MSR_REF_TSC 0x40000021u
#define TLFS_MSR_TSC_FREQUENCY 0x40000022u
#define TLFS_MSR_APIC_FREQUENCY 0x40000023u
#define TLFS_MSR_EOI 0x40000070u
#define TLFS_MSR_ICR 0x40000071u
#define TLFS_MSR_TPR 0x40000072u
#define TLFS_MSR_VP_ASSIST 0x40000073u
#define TLFS_MSR_CRASH_P0 0x40000100u
#define TLFS_CRASH_PARAMS 5
#define TLFS_MSR_CRASH_CTL 0x40000105u

/* The MSRs that name a page: whether there is one, and where. */
#define TLFS_PAGE_ENABLE 1ull
#define TLFS_HYPERCALL_LOCKED 2ull
#define TLFS_PAGE_ADDR (~0xfffull)

#define TLFS_CRASH_NOTIFY (1ull << 63)

/* In 100 ns: (TSC * scale >> 64) + offset. Sequence 0: read TLFS_MSR_REF_COUNT instead. */
struct tlfs_tsc_page {
	u32 sequence;
	u32 reserved;
	u64 scale;
	u64 offset;
};

/* A hypercall's input value. */
#define TLFS_CALL_CODE 0xffffull
#define TLFS_CALL_FAST (1ull << 16)
#define TLFS_CALL_VAR_HEADER (0x3ffull << 17)
#define TLFS_CALL_REPS (0xfffull << 32)
#define TLFS_CALL_REP_START (0xfffull << 48)
#define TLFS_CALL_RESERVED (0x1full << 27 | 0xfull << 44 | 0xfull << 60)

#define TLFS_CALL_LONG_SPIN_WAIT 0x8

#define TLFS_STATUS_SUCCESS 0
#define TLFS_STATUS_INVALID_CODE 2
#define TLFS_STATUS_INVALID_INPUT 3
#define TLFS_STATUS_ACCESS_DENIED 6

#endif
