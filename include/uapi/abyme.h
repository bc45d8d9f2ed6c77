/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What /dev/abyme offers beyond the KVM API: why VMX instructions and VM
 * entries of a guest hypervisor (L1) fail, in words. All on the vCPU's file.
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

struct abyme_watch {
	__u32 flags;
	__u32 padding; /* 0 */
};

/*
 * What to tell of while the vCPU runs; flags replace those of before, 0 ends
 * it. While it is 0, nothing of this costs anything.
 *
 * -EINVAL: unknown flags, or padding is not 0; -ENXIO: no VMX in the vCPU's CPUID.
 */
#define ABYME_SET_WATCH _IOW(ABYME_IO, 0x02, struct abyme_watch)

#endif
