/* SPDX-License-Identifier: GPL-2.0-only */
/* Processor features whose numbers in Linux came late, and what the kernel does by them. */
#ifndef COMPAT_FEATURES_H
#define COMPAT_FEATURES_H

#include <linux/percpu.h>
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>

/* CPUID leaf 7, ECX bit 7. */
#ifndef X86_FEATURE_SHSTK
#define X86_FEATURE_SHSTK (16 * 32 + 7)
#endif

/* Has the kernel decided to overwrite the processor's buffers before userspace goes on? */
static inline bool compat_clears_buffers(void)
{
#ifdef X86_FEATURE_CLEAR_CPU_BUF
	return boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF);
#else
	return false;
#endif
}

/* A guest has run on this CPU: VMSCAPE's mitigation is the kernel's, on its way to userspace. */
static __always_inline void compat_guest_has_run(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

#endif
