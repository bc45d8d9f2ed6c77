/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which bits of IA32_SPEC_CTRL there are, by CPUID. SDM: volume 4, "IA32_SPEC_CTRL". Pure, so
 * that unit tests can build it.
 */
#ifndef CPU_SPEC_CTRL_H
#define CPU_SPEC_CTRL_H

#include <vmx/types.h>

/* Unit tests, in userspace, do not have Linux's names for these bits of CPUID. */
#define CPUID_7_EDX_SPEC_CTRL BIT(26) /* IBRS and IBPB */
#define CPUID_7_EDX_STIBP BIT(27)
#define CPUID_7_EDX_SSBD BIT(31)

/* The bits of IA32_SPEC_CTRL that CPUID.7.2:EDX enumerates, one by one from its bit 0 on. */
static inline u64 spec_ctrl_bits_of_leaf72(u32 edx)
{
	static const u64 bits[] = {
		BIT_ULL(7),		 /* PSFD */
		BIT_ULL(3) | BIT_ULL(4), /* IPRED_CTRL: IPRED_DIS_U, IPRED_DIS_S */
		BIT_ULL(5) | BIT_ULL(6), /* RRSBA_CTRL: RRSBA_DIS_U, RRSBA_DIS_S */
		BIT_ULL(8),		 /* DDPD_U */
		BIT_ULL(10),		 /* BHI_CTRL: BHI_DIS_S */
	};
	u64 all = 0;
	unsigned int i;

	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (edx & BIT(i))
			all |= bits[i];
	return all;
}

/* @edx, @edx2: of leaf 7, subleaves 0 and 2. Return: 0: there is no such MSR. */
static inline u64 spec_ctrl_bits(u32 edx, u32 edx2)
{
	u64 all = 0;

	/* A processor that has one of the two ignores the other's bit. */
	if (edx & (CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP))
		all |= BIT_ULL(0) | BIT_ULL(1);
	if (edx & CPUID_7_EDX_SSBD)
		all |= BIT_ULL(2);
	return all ? all | spec_ctrl_bits_of_leaf72(edx2) : 0;
}

#endif
