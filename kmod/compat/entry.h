/* SPDX-License-Identifier: GPL-2.0-only */
/* What Linux versions decide of the entry to a guest, for assembly. */
#ifndef COMPAT_ENTRY_H
#define COMPAT_ENTRY_H

#include <asm/alternative.h>
#include <asm/cpufeatures.h>

/* The kernel's entry for an NMI that comes on the stack in use, without an IST. */
#ifdef HAVE_NMI_NOIST
#define NMI_ENTRY asm_exc_nmi_noist
#else
#define NMI_ENTRY asm_exc_nmi_kvm_vmx
#endif

/*
 * FORGET_BRANCHES: calls forget_branches where the kernel wants it after an exit; older ones
 * have another name for that, or none. ALWAYS_FORGET_BRANCHES: for a test, as no emulated
 * processor asks for it.
 */
#if defined(ALWAYS_FORGET_BRANCHES)
#define FORGET_BRANCHES call forget_branches
#elif defined(X86_FEATURE_CLEAR_BHB_VMEXIT)
#define FORGET_BRANCHES ALTERNATIVE "", "call forget_branches", X86_FEATURE_CLEAR_BHB_VMEXIT
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT)
#define FORGET_BRANCHES ALTERNATIVE "", "call forget_branches", X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#else
#define FORGET_BRANCHES
#endif

#endif
