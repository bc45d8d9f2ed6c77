/* SPDX-License-Identifier: GPL-2.0-only */
/* Bits of CR0, CR4 and IA32_EFER. SDM: "Control Registers", "IA32_EFER MSR". */
#ifndef VMX_CR_H
#define VMX_CR_H

#include <vmx/types.h>

#define CR0_PE BIT_ULL(0)
#define CR0_MP BIT_ULL(1)
#define CR0_EM BIT_ULL(2)
#define CR0_TS BIT_ULL(3)
#define CR0_ET BIT_ULL(4)
#define CR0_NE BIT_ULL(5)
#define CR0_WP BIT_ULL(16)
#define CR0_AM BIT_ULL(18)
#define CR0_NW BIT_ULL(29)
#define CR0_CD BIT_ULL(30)
#define CR0_PG BIT_ULL(31)
/*
 * The bits of CR0 that neither VM entries nor VM exits change: ET, NW, CD and
 * the reserved ones.
 * SDM: "Loading Guest Control Registers, Debug Registers, and MSRs".
 */
#define CR0_KEPT (CR0_ET | 0xffc0ull | BIT_ULL(17) | 0x1ff80000ull | CR0_NW | CR0_CD)

#define CR4_VME BIT_ULL(0)
#define CR4_PVI BIT_ULL(1)
#define CR4_TSD BIT_ULL(2)
#define CR4_DE BIT_ULL(3)
#define CR4_PSE BIT_ULL(4)
#define CR4_PAE BIT_ULL(5)
#define CR4_MCE BIT_ULL(6)
#define CR4_PGE BIT_ULL(7)
#define CR4_PCE BIT_ULL(8)
#define CR4_OSFXSR BIT_ULL(9)
#define CR4_OSXMMEXCPT BIT_ULL(10)
#define CR4_UMIP BIT_ULL(11)
#define CR4_LA57 BIT_ULL(12)
#define CR4_VMXE BIT_ULL(13)
#define CR4_SMXE BIT_ULL(14)
#define CR4_FSGSBASE BIT_ULL(16)
#define CR4_PCIDE BIT_ULL(17)
#define CR4_OSXSAVE BIT_ULL(18)
#define CR4_SMEP BIT_ULL(20)
#define CR4_SMAP BIT_ULL(21)
#define CR4_PKE BIT_ULL(22)
#define CR4_CET BIT_ULL(23)

/* The kernel has EFER_SCE and so on. */
#define EFER_BIT_SCE BIT_ULL(0)
#define EFER_BIT_LME BIT_ULL(8)
#define EFER_BIT_LMA BIT_ULL(10)
#define EFER_BIT_NX BIT_ULL(11)

#endif
