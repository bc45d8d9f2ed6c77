/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk of EPT12, L1's page tables from L2's physical addresses to L1's.
 * SDM: "The Extended Page Table Mechanism (EPT)". Pure: L1's memory is read
 * through callbacks.
 */
#ifndef NESTED_EPT12_H
#define NESTED_EPT12_H

#include <vmx/types.h>

struct ept12_mem {
	void *ctx;
	/* Read an aligned entry. 0, or -EFAULT: there is no memory. */
	int (*read)(void *ctx, l1_gpa_t at, u64 *entry);
	/* Replace @old by @new, atomically. 0; -EAGAIN: it is not @old; -EFAULT: no memory. */
	int (*update)(void *ctx, l1_gpa_t at, u64 old, u64 new);
};

/* The table, as vmcs12 and the capabilities that L1 was offered describe it. */
struct ept12 {
	u64 eptp;
	u64 ept_caps; /* IA32_VMX_EPT_VPID_CAP */
	u8 maxphyaddr;
	bool mode_exec; /* EPTE_XU is execute for user-mode addresses, EPTE_X for the others */
	bool log_full;	/* page-modification logging is on and has no room */
	bool no_trace;	/* no accessed or dirty flag may be set: EPT12_TRACE if one would be */
};

enum ept12_outcome {
	EPT12_OK,
	EPT12_VIOLATION,
	EPT12_MISCONFIG,
	EPT12_LOG_FULL,	 /* a dirty flag is to be set, and cannot be logged */
	EPT12_AGAIN,	 /* L1 changes the entries all the time: let L2 try again */
	EPT12_TRACE,	 /* a flag is to be set, against .no_trace */
	EPT12_NO_MEMORY, /* an entry lies outside L1's memory */
};

struct ept12_result {
	enum ept12_outcome outcome;
	l1_gpa_t gpa;	   /* what the address means to L1 */
	u8 level;	   /* of the leaf: 1 is 4 KiB, 2 2 MiB, 3 1 GiB; or where the walk ended */
	u16 rights;	   /* EPTE_RWX, EPTE_XU with mode_exec: common to all levels walked */
	u8 memtype;	   /* of the leaf, with the ignore-PAT bit: bits 6:3 in place */
	l1_gpa_t leaf_at;  /* where the leaf entry lies */
	u16 parent_rights; /* what the levels above the leaf have in common */
	bool dirty;	   /* a write needs no update of EPT12: mapping it writable is right */
	bool dirtied;	   /* the walk has set the dirty flag */
	u64 qual;	   /* of a violation: bits 6:0 of the exit qualification */
	bool suppress_ve;  /* of a violation: bit 63 of the entry that decided */
};

/*
 * Translates @gpa for @access (EPTE_R, EPTE_W, EPTE_X; with mode_exec EPTE_XU
 * for a fetch from a user-mode address). With accessed and dirty flags enabled
 * these are set in L1's entries, as the processor would.
 */
void ept12_walk(const struct ept12 *ept, const struct ept12_mem *mem, l2_gpa_t gpa, u32 access,
		struct ept12_result *out);

/*
 * May a level-1 entry beside the one that was walked to be mapped as well,
 * without asking L1 and without a trace in its flags?
 * Return: its rights, or 0.
 */
u32 ept12_neighbour(const struct ept12 *ept, const struct ept12_result *walked, u64 entry,
		    l1_gpa_t *gpa);

#endif
