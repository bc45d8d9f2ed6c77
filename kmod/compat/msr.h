/* SPDX-License-Identifier: GPL-2.0-only */
/* MSRs and CPUID by the newest kernel's names. */
#ifndef COMPAT_MSR_H
#define COMPAT_MSR_H

#include <asm/msr.h>
#include <asm/processor.h>
#ifdef HAVE_CPUID_API
#include <asm/cpuid/api.h>
#endif

#ifndef HAVE_RDMSRQ
#define rdmsrq(msr, value) rdmsrl(msr, value)
#define wrmsrq(msr, value) wrmsrl(msr, value)
#define rdmsrq_safe(msr, value) rdmsrl_safe(msr, value)
#define wrmsrq_safe(msr, value) wrmsrl_safe(msr, value)
#define native_wrmsrq(msr, value) native_wrmsrl(msr, value)
#endif

#endif
