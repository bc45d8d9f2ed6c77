// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of VMX instructions: the rows of insns.def. vmxinsn.c asks, and
 * carries out what follows. Pure. Tour, stop 10.
 * SDM: "VMX Instruction Reference".
 */
#include <vmx/errors.h>

#include "nested/check/common.h"
#include "nested/check/insn.h"

#define VMERR_INVALID 0

/* May a VMXON region or a VMCS be at the address: aligned to 4 KiB, and within the width? */
bool region_valid(const struct insn_ctx *c)
{
	return pa_valid(c->maxphyaddr, c->pa, 4096);
}

/* A shadow VMCS may be made current only where there is VMCS shadowing. */
bool revision_valid(const struct insn_ctx *c)
{
	u32 shadow = ctl_may(c->caps->proc2, PROC2_SHADOW_VMCS) ? VMCS12_SHADOW : 0;

	return (c->revision & ~shadow) == VMCS12_REVISION;
}

bool invept_type_valid(const struct insn_ctx *c)
{
	switch (c->type) {
	case INVEPT_SINGLE: return c->caps->ept_vpid & EPTCAP_INVEPT_SINGLE;
	case INVEPT_ALL: return c->caps->ept_vpid & EPTCAP_INVEPT_ALL;
	default: return false;
	}
}

bool invvpid_type_valid(const struct insn_ctx *c)
{
	static const u64 needs[] = {
		[INVVPID_ADDR] = EPTCAP_INVVPID_ADDR,
		[INVVPID_SINGLE] = EPTCAP_INVVPID_SINGLE,
		[INVVPID_ALL] = EPTCAP_INVVPID_ALL,
		[INVVPID_SINGLE_NON_GLOBAL] = EPTCAP_INVVPID_NON_GLOBAL,
	};

	return c->type < ARRAY_SIZE(needs) && (c->caps->ept_vpid & needs[c->type]);
}

/* @insn is a constant where this is inlined, so that only the rows of that instruction remain. */
#define I(insn_, id_, error_, operand_, value_, section_, message_, predicate) \
	if (insn == EXIT_##insn_ && unlikely(!(predicate))) {                  \
		static const struct check row = {                              \
			.id = #id_,                                            \
			.section = (section_),                                 \
			.message = (message_),                                 \
			.operand = (operand_),                                 \
			.error = VMERR_##error_,                               \
		};                                                             \
		c->shown = (value_);                                           \
		return &row;                                                   \
	}
static __always_inline const struct check *first_failed(enum vmx_exit insn, struct insn_ctx *c)
{
#include "nested/check/insns.def"
	return NULL;
}

const struct check *check_insn(enum vmx_exit insn, struct insn_ctx *c)
{
	switch (insn) {
	case EXIT_VMXON: return first_failed(EXIT_VMXON, c);
	case EXIT_VMCLEAR: return first_failed(EXIT_VMCLEAR, c);
	case EXIT_VMPTRLD: return first_failed(EXIT_VMPTRLD, c);
	case EXIT_VMREAD: return first_failed(EXIT_VMREAD, c);
	case EXIT_VMWRITE: return first_failed(EXIT_VMWRITE, c);
	case EXIT_VMLAUNCH: return first_failed(EXIT_VMLAUNCH, c);
	case EXIT_VMRESUME: return first_failed(EXIT_VMRESUME, c);
	case EXIT_INVEPT: return first_failed(EXIT_INVEPT, c);
	case EXIT_INVVPID: return first_failed(EXIT_INVVPID, c);
	default: return first_failed(EXIT_VMCALL, c);
	}
}
