/* SPDX-License-Identifier: GPL-2.0-only */
/* Control-flow enforcement. SDM: "Control-flow Enforcement Technology (CET)". */
#ifndef VMX_CET_H
#define VMX_CET_H

#include <vmx/types.h>

/* IA32_U_CET and IA32_S_CET. Bits 63:12 are the address of the legacy-code bitmap. */
#define CETC_SHADOW_STACK GENMASK_ULL(1, 0)
#define CETC_SH_STK_EN BIT_ULL(0)
#define CETC_ENDBR_EN BIT_ULL(2)
#define CETC_RESERVED GENMASK_ULL(9, 6)
#define CETC_SUPPRESS BIT_ULL(10)
#define CETC_TRACKER BIT_ULL(11)

/* The components of XSAVES that hold CET's MSRs, in IA32_XSS. */
#define XSS_CET_U BIT_ULL(11) /* U_CET and PL3_SSP */
#define XSS_CET_S BIT_ULL(12) /* PL0_SSP to PL2_SSP */
#define XSS_CET (XSS_CET_U | XSS_CET_S)

/* Whether IA32_U_CET or IA32_S_CET can hold it, but for the address' being canonical. */
static inline bool cet_control_defined(u64 value)
{
	return !(value & CETC_RESERVED) &&
	       (value & (CETC_SUPPRESS | CETC_TRACKER)) != (CETC_SUPPRESS | CETC_TRACKER);
}

#endif
