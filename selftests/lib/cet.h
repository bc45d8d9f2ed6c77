/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shadow stacks and indirect-branch tracking for images: the MSRs, stacks, and calls that end
 * well or in #CP. It needs traps_init() and, for shadow stacks, pages of its own.
 */
#ifndef LIB_CET_H
#define LIB_CET_H

#define MSR_U_CET 0x6a0
#define MSR_S_CET 0x6a2
#define MSR_PL0_SSP 0x6a4
#define MSR_PL3_SSP 0x6a7
#define MSR_SSP_TABLE 0x6a8

/* The error codes of #CP. */
#define CP_NEAR_RET 1
#define CP_FAR_RET 2
#define CP_ENDBRANCH 3

/* What cet_call() answers after #CP, with the error code in the low bits. */
#define CET_FAULT 0x100000000

#ifndef __ASSEMBLER__

#include <vmx/cet.h>
#include "guest.h"

#define CPUID_SHADOW_STACKS BIT(7)    /* (7,0).ECX */
#define CPUID_BRANCH_TRACKING BIT(20) /* (7,0).EDX */

bool cet_offered(void);
/* CR4.CET on, and #CP handled; skips the claim where CET is not offered. */
void cet_begin(void);
/* All of it off again. */
void cet_end(void);
/*
 * A page of shadow stack, and the address of a supervisor token at its end, or, for CPL 3, of
 * the end itself. It stays what it is until cet_unstack().
 */
u64 cet_stack(bool user);
void cet_unstack(u64 ssp);

/* SSP, or 0 where shadow stacks are off. */
static inline u64 rdssp(void)
{
	u64 ssp = 0;

	asm volatile("rdsspq %0" : "+r"(ssp));
	return ssp;
}

/*
 * Call @fn at CPL 0 with IA32_S_CET = @s_cet; with shadow stacks on the one of IA32_PL0_SSP.
 * Value: what @fn returns, or CET_FAULT and the error code. Not nestable.
 */
u64 cet_call(u64 (*fn)(void), u64 s_cet);
/* The same at CPL 3, with IA32_U_CET; IA32_PL3_SSP is the stack. */
u64 cet_user_call(u64 (*fn)(void), u64 u_cet);

/* Functions to call: begin with ENDBR64 or without it; change their return address. */
u64 cet_marked(void);
u64 cet_unmarked(void);
u64 cet_returns_elsewhere(void);
/* Leaves its call on the shadow stack. */
u64 cet_jumps_back(void);

extern u64 cet_pl3_after; /* IA32_PL3_SSP, read first of all after cet_user_call()'s end */

#endif
#endif
