/* SPDX-License-Identifier: GPL-2.0-only */
/* What VMX instructions want of their operands: rows of insns.def. Pure. */
#ifndef NESTED_CHECK_INSN_H
#define NESTED_CHECK_INSN_H

#include <vmx/exits.h>

#include "nested/check/check.h"
#include "nested/check/common.h"

/* What a predicate may look at; each instruction fills in what its rows need. */
struct insn_ctx {
	const struct vmx_caps *caps; /* what L1 was offered */
	u8 maxphyaddr;
	u64 vmxon_ptr;	  /* NO_GPA outside VMX operation */
	u64 vmcs12_ptr;	  /* NO_GPA: no current VMCS */
	u64 pa;		  /* the operand of VMXON, VMCLEAR, VMPTRLD */
	u32 revision;	  /* first word of what it names; all ones: no memory */
	u64 enc;	  /* the field's encoding, of VMREAD and VMWRITE */
	bool known;	  /* L1's processor has that field */
	bool read_only;	  /* L1's processor does not let it be written */
	u32 blocking;	  /* interruptibility state of L1 */
	bool is_shadow;	  /* of the current VMCS */
	u32 launch_state; /* enum vmcs12_launch_state */
	u64 type;	  /* of INVEPT and INVVPID; their descriptor is set once it is read */
	bool desc_read;
	u64 desc[2];
	bool la57; /* hw_has_la57() */
	u64 shown; /* out: the value that goes with the row's operand */
};

/* Does @insn, a constant, pass all its rules? Then check_insn() answers NULL. */
#define I(insn_, id_, error_, operand_, value_, section_, message_, predicate) \
	if (insn == EXIT_##insn_ && unlikely(!(predicate)))                    \
		return false;
static inline bool has_current(const struct insn_ctx *c)
{
	return c->vmcs12_ptr != NO_GPA;
}
bool region_valid(const struct insn_ctx *c);
bool revision_valid(const struct insn_ctx *c);
bool invept_type_valid(const struct insn_ctx *c);
bool invvpid_type_valid(const struct insn_ctx *c);
static __always_inline bool insn_passes(enum vmx_exit insn, const struct insn_ctx *c)
{
#include "nested/check/insns.def"
	return true;
}
#undef I

/* The first rule that @insn (EXIT_VMXON...) breaks, or NULL. */
const struct check *check_insn(enum vmx_exit insn, struct insn_ctx *c);

#endif
