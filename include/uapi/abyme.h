/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What /dev/abyme offers beyond the KVM API: why VMX instructions and VM
 * entries of a guest hypervisor (L1) fail, in words, and what its guests (L2)
 * exit for and what that costs. All on the vCPU's file.
 *
 * Unless said otherwise an ioctl waits for KVM_RUN to return, answers -EIO to
 * another process than the VM's, and -EFAULT to a bad pointer.
 */
#ifndef _UAPI_ABYME_H
#define _UAPI_ABYME_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define ABYME_IO 0xab /* KVM's is 0xae */

/* How it failed: abyme_entry_report.outcome */
#define ABYME_VMFAIL_INVALID 1	/* no error number */
#define ABYME_VMFAIL_VALID 2	/* .error: VM-instruction error */
#define ABYME_ENTRY_FAILED 3	/* .error: basic exit reason, 33 or 34 */
#define ABYME_ENTRY_REFUSED 4	/* by the processor, after all checks: a bug of abyme's */
#define ABYME_ABORT 5		/* .error: VMX-abort indicator; L1 shuts down */
#define ABYME_L2_TRIPLE_FAULT 6 /* L1 was given the exit; .l2 tells of L2 */
#define ABYME_STATE_REFUSED 7	/* KVM_SET_NESTED_STATE, by a check */

#define ABYME_NO_FIELD 0xffffffffu
#define ABYME_NO_EXIT 0xffffffffu
#define ABYME_LAST_EXITS 8

/* L2 at its triple fault. */
struct abyme_l2_state {
	__u64 rip, rsp, rflags;
	__u64 cr0, cr3, cr4, efer;
	__u64 cs_base;
	__u32 cs_selector, cs_access_rights;
	/* Event that was being delivered, as IDT-vectoring information; bit 31: there was one. */
	__u32 vectoring, vectoring_error;
	/*
	 * Basic reasons of its last exits, the newest last; ABYME_NO_EXIT where
	 * there was none. Kept only while ABYME_WATCH_REPORTS is set.
	 */
	__u32 last_exits[ABYME_LAST_EXITS];
};

/* One failure. Strings end in a NUL. */
struct abyme_entry_report {
	__u64 sequence;		  /* from 1; a gap: that many were overwritten */
	__u64 l1_rip;		  /* of the instruction; after an exit: where L1 would go on */
	__u64 vmcs12;		  /* guest-physical address of the current VMCS; all ones: none */
	__u64 value;		  /* of the field or operand that broke the rule */
	__u64 qualification;	  /* exit qualification of a failed entry */
	__u32 outcome;		  /* ABYME_VMFAIL_INVALID... */
	__u32 instruction;	  /* basic exit reason that is it (20: VMLAUNCH), or L2's exit */
	__u32 error;		  /* by .outcome */
	__u32 field;		  /* encoding of the VMCS field, or ABYME_NO_FIELD */
	char check[32];		  /* the rule's id in docs/checks.md, or "" */
	char operand[32];	  /* the field's or operand's name, or "" */
	char section[96];	  /* title of the SDM's section, or "" */
	char sentence[160];	  /* what is wrong */
	struct abyme_l2_state l2; /* for ABYME_L2_TRIPLE_FAULT, else 0 */
};

#define ABYME_REPORTS 16

struct abyme_entry_reports {
	__u64 after;   /* in: only reports with a sequence above this */
	__u64 newest;  /* out: sequence of the newest that there ever was, or 0 */
	__u32 count;   /* out: how many of .report are filled, the oldest first */
	__u32 padding; /* in: 0 */
	struct abyme_entry_report report[ABYME_REPORTS];
};

/*
 * The last 16 failures of the vCPU's VMX instructions and entries. A vCPU
 * without VMX in its CPUID has none. Reports stay: asking does not take them.
 *
 * -EINVAL: padding is not 0.
 */
#define ABYME_GET_ENTRY_REPORT _IOWR(ABYME_IO, 0x01, struct abyme_entry_reports)

/* KVM_RUN returns with -EINTR and KVM_EXIT_INTR soon after each new report. */
#define ABYME_WATCH_REPORTS (1u << 0)
/*
 * Keep ABYME_GET_NESTED_EXITS's records and ABYME_GET_NESTED_COUNTS's counts. To
 * count every access to vmcs12, the processor's VMCS shadowing is off for the
 * vCPU meanwhile. KVM_RUN returns as above when half of the ring is new.
 */
#define ABYME_WATCH_EXITS (1u << 1)

struct abyme_watch {
	__u32 flags;
	__u32 padding; /* 0 */
};

/*
 * What to tell of while the vCPU runs; flags replace those of before, 0 ends
 * it. While it is 0, nothing of this costs anything. What was kept stays.
 *
 * -EINVAL: unknown flags, or padding is not 0; -ENXIO: no VMX in the vCPU's CPUID;
 * -ENOMEM.
 */
#define ABYME_SET_WATCH _IOW(ABYME_IO, 0x02, struct abyme_watch)

/* Who spent the TSC ticks from one entry to L2 to the next: abyme_nested_exit.spent[] */
enum {
	ABYME_SPENT_L2,	   /* it ran, before the exit; all others are after it */
	ABYME_SPENT_L0,	   /* abyme, and whatever else the host did meanwhile */
	ABYME_SPENT_L1,	   /* it ran */
	ABYME_SPENT_USER,  /* userspace, after KVM_RUN returned 0 */
	ABYME_SPENT_IDLE,  /* the vCPU was halted */
	ABYME_SPENT_TRACE, /* accesses that shadowing would have served; KVM_RUN after -EINTR */
	ABYME_NR_SPENT,
};

#define ABYME_EXIT_TO_L1 (1u << 0)	/* L1 was given it; else L0 handled it */
#define ABYME_EXIT_MADE_UP (1u << 1)	/* by L0: it is none of the processor's */
#define ABYME_EXIT_UNFINISHED (1u << 2) /* L2 was not entered again before the watch ended */

/* An exit of L2, up to the next entry to an L2. */
struct abyme_nested_exit {
	__u64 sequence;	     /* from 1; a gap: that many were overwritten */
	__u64 tsc;	     /* the host's, at the exit */
	__u64 vmcs12;	     /* guest-physical address of the current VMCS */
	__u64 l2_rip;	     /* at the exit */
	__u64 qualification; /* as L1 sees it, if L1 was given the exit */
	/*
	 * EPT violation or misconfiguration: guest-physical address; exception, NMI or
	 * interrupt: interruption information; RDMSR or WRMSR: ECX; CPUID or VMCALL: EAX.
	 */
	__u64 detail;
	__u64 spent[ABYME_NR_SPENT];
	__u32 reason; /* exit-reason field: bits 15:0 basic reason, bit 31: the entry failed */
	__u32 flags;  /* ABYME_EXIT_* */
	__u32 l1_exits; /* VM exits of L1 until L2 was entered; those of shadowed fields don't count */
	__u32 padding; /* 0 */
};

#define ABYME_NESTED_EXITS 128
#define ABYME_EXITS_KEPT 2048

struct abyme_nested_exits {
	__u64 after;   /* in: only exits with a sequence above this */
	__u64 newest;  /* out: sequence of the newest that there ever was, or 0 */
	__u32 count;   /* out: how many of .exit are filled, the oldest first */
	__u32 padding; /* in: 0 */
	struct abyme_nested_exit exit[ABYME_NESTED_EXITS];
};

/*
 * Exits of L2, the oldest first, of the last 2048 that ended while
 * ABYME_WATCH_EXITS was set; ending the watch ends the last. Asking does not
 * take them: ask again with a larger .after until there are no more.
 *
 * -EINVAL: padding is not 0.
 */
#define ABYME_GET_NESTED_EXITS _IOWR(ABYME_IO, 0x03, struct abyme_nested_exits)

/* EPT violations and misconfigurations of L2, by what came of them: X(NAME, text) */
/* clang-format off */
#define ABYME_EPT02_FAULTS(X)                                              \
	X(FILLED, "filled: EPT12 allows it, EPT02 had no entry")           \
	X(UPGRADED, "filled: EPT02's entry had fewer rights than EPT12's") \
	X(DEVICE, "L1 has no memory there: a device")                      \
	X(AGAIN, "tables or memory changed meanwhile: tried again")        \
	X(L1_MEMORY, "L2 runs on L1's own EPT: L1's memory")               \
	X(VIOLATION, "EPT12 forbids it: EPT violation for L1")             \
	X(MISCONFIG, "EPT12 is malformed: EPT misconfiguration for L1")    \
	X(VE, "EPT12 forbids it: #VE for L2")                              \
	X(LOG_FULL, "L1's log of modified pages is full")                  \
	X(ANSWERED, "no exit: mapped at the entry after a violation of L1's")

/* Translations of L2 that were dropped, by why: X(NAME, text) */
#define ABYME_FLUSHES(X)                                               \
	X(INVEPT_SINGLE, "EPT02 root dropped: INVEPT of its EPTP")     \
	X(INVEPT_ALL, "EPT02 root dropped: INVEPT of all")             \
	X(VMXON, "EPT02 root dropped: VMXON")                          \
	X(EVICTED, "EPT02 root dropped: another EPTP took its place")  \
	X(MEMORY, "EPT02 root dropped: L1's memory changed")           \
	X(NO_VPID12, "VPID02 flushed: vmcs12 has no VPID")             \
	X(OTHER_VPID12, "VPID02 flushed: another VPID than last time") \
	X(INVVPID, "VPID02 flushed: INVVPID")                          \
	X(L1_VPID, "L1's VPID flushed: vmcs12 has none at an exit")    \
	X(HARDWARE, "all translations flushed before an entry")        \
	X(LIMIT, "EPT02 root dropped: the VM's tables had reached their limit")
/* clang-format on */

enum {
#define X(name, text) ABYME_FAULT_##name,
	ABYME_EPT02_FAULTS(X) ABYME_NR_FAULTS
#undef X
};

enum {
#define X(name, text) ABYME_FLUSH_##name,
	ABYME_FLUSHES(X) ABYME_NR_FLUSHES
#undef X
};

/* Without the watch the processor's VMCS shadowing would serve it, and there would be no exit. */
#define ABYME_READ_SHADOWED (1u << 0)
#define ABYME_WRITE_SHADOWED (1u << 1)

/* What L1 did to a field of its current VMCS; attempts that failed are not counted. */
struct abyme_field_count {
	__u32 field; /* encoding */
	__u32 flags; /* ABYME_READ_SHADOWED, ABYME_WRITE_SHADOWED */
	__u64 reads, writes;
};

#define ABYME_FIELD_COUNTS 256

struct abyme_nested_counts {
	__u64 fault[16]; /* by ABYME_FAULT_*; those that no name is for are 0 */
	__u64 flush[16]; /* by ABYME_FLUSH_* */
	__u32 fields;	 /* how many of .field are filled: those with a read or a write */
	__u32 padding;
	struct abyme_field_count field[ABYME_FIELD_COUNTS];
};

/* Counts since ABYME_WATCH_EXITS was set first, while it was set. */
#define ABYME_GET_NESTED_COUNTS _IOR(ABYME_IO, 0x04, struct abyme_nested_counts)

#endif
