/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The consistency checks of VM entry, each a row of a table:
 *
 * C(id, field, section, message, predicate)
 *   id         the row's name, unique over all tables
 *   field      the VMCS field to show with the message, without VMCS_
 *   section    title of the SDM's section that has the rule
 *   message    what is wrong, when the predicate is false
 *   predicate  true if the rule holds; may use c (struct check_ctx) and
 *              v (struct vmcs12)
 *
 * The table decides what follows from a failure. Rows are asked in order, and
 * the first that fails is the one. Pure.
 */
#ifndef NESTED_CHECK_CHECK_H
#define NESTED_CHECK_CHECK_H

#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/cr.h>
#include <vmx/info.h>
#include <vmx/types.h>

#include "nested/vmcs12.h"

/* All that a predicate may look at; nothing in it changes while checks run. */
struct check_ctx {
	const struct vmcs12 *v;
	const struct vmx_caps *caps; /* what L1 was offered */
	u8 maxphyaddr;		     /* L1's physical-address width */
	bool la57;		     /* hw_has_la57(): how wide bases and MSRs may be */
	bool l1_long_mode;	     /* L1 executes VMLAUNCH with EFER.LMA */
	u64 efer_reserved;	     /* EFER bits that L1's CPUID does not have */
	u64 l1_debugctl;	     /* used when the entry does not load it */
	u64 current_vmcs;	     /* vmcs12's own address */
	/* Read from L1's memory before the checks, where vmcs12 asks for it. */
	bool vtpr_known;
	u8 vtpr; /* byte 80H of the virtual-APIC page */
	bool link_readable;
	u32 link_revision; /* first word of the region that the link pointer names */
	bool pdpte_readable;
	u64 pdpte[4]; /* L2's, with PAE paging: vmcs12's with EPT, else from CR3 */
};

struct check {
	const char *id;
	const char *section;
	const char *message;
	const char *operand; /* what the message is about; NULL: the field */
	u32 field;	     /* encoding */
	u8 error;	     /* of an instruction's: its VMERR_*, 0: VMfailInvalid */
	u8 qual;	     /* of a guest check: the exit's qualification, ENTRYQ_* */
};

/*
 * Each returns the first check that fails, or NULL.
 *
 * A failure of check_controls() is VMfailValid(7), one of check_host() VMfailValid(8). A failure
 * of the others is a VM exit with reason 33. The guest's checks come in parts, so that what has
 * passed and was not changed by L1 since need not be checked again. check_guest_flow() has CR3, RIP
 * and RFLAGS, check_guest_memory() what was read from L1's memory: linked VMCS and PDPTEs.
 */
const struct check *check_controls(const struct check_ctx *c);
const struct check *check_host(const struct check_ctx *c);
const struct check *check_guest_segments(const struct check_ctx *c);
const struct check *check_guest_flow(const struct check_ctx *c);
const struct check *check_guest_nonreg(const struct check_ctx *c);
const struct check *check_guest_memory(const struct check_ctx *c);
/*
 * All of these, in the SDM's order: which of several broken rules is reported decides the exit
 * qualification.
 */
const struct check *check_guest(const struct check_ctx *c);

/* L2 is active, and nothing is blocked or pending: check_guest_nonreg() passes then. */
static inline bool guest_at_rest(const struct vmcs12 *v)
{
	return !(v->guest_activity | v->guest_interruptibility | v->guest_pending_dbg);
}

/* Does the EPT pointer pass the checks of a VM entry of L1? */
bool check_eptp(const struct vmx_caps *caps, u8 maxphyaddr, u64 eptp);

/* Does L2 use PAE paging, and so have PDPTEs to load? */
static inline bool vmcs12_pae(const struct vmcs12 *v)
{
	return (v->guest_cr0 & CR0_PG) && (v->guest_cr4 & CR4_PAE) &&
	       !(v->entry_ctls & ENTRYC_GUEST_64);
}

#endif
