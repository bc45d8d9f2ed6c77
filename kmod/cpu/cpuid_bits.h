/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bits of CPUID's words. The numbers and most names are Linux's, whose words have the bits
 * where CPUID has them. SDM: "CPUID—CPU Identification".
 */
#ifndef CPU_CPUID_BITS_H
#define CPU_CPUID_BITS_H

#include <linux/build_bug.h>
#include "compat/features.h"

/* @word: of enum cpuid_leafs, without CPUID_; a feature of another word does not compile. */
#define FEATURE(word, name)                   \
	((u32)(BIT(X86_FEATURE_##name % 32) + \
	       BUILD_BUG_ON_ZERO(X86_FEATURE_##name / 32 != CPUID_##word)))

#endif
