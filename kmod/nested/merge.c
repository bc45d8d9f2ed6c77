// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging vmcs12's controls with L0's. Pure logic that compiles in userspace;
 * vmcs02.c calls it. Tour, stop 11.
 *
 * What a reader must know: there are two kinds of bits. A bit that causes exits is set if L0 or L1
 * sets it. A bit that gives L2 an ability is as L1 has it. All other bits are L0's to decide.
 */
#include "nested/merge.h"

/* Bits that vmcs02 has as L1 sets them. Their value in vmcs01 is meant for L1 itself. */
#define PROC_L1_ONLY \
	(PROC_INT_WINDOW | PROC_NMI_WINDOW | PROC_TPR_SHADOW | PROC_MTF | PROC_MSR_BITMAPS)

/* Bits that L0 handles for all guests alike, whatever L1 says. */
#define PROC_L0_ONLY (PROC_TSC_OFFSET | PROC_IO_BITMAPS | PROC_SECONDARY)

#define PROC2_L1_ONLY                                                                              \
	(PROC2_APIC_ACCESS | PROC2_RDTSCP | PROC2_X2APIC | PROC2_UNRESTRICTED |                    \
	 PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR | PROC2_PAUSE_LOOP | PROC2_INVPCID | PROC2_VMFUNC | \
	 PROC2_SHADOW_VMCS | PROC2_PML | PROC2_EPT_VE | PROC2_XSAVES | PROC2_MODE_EXEC |           \
	 PROC2_USER_WAIT)

/* L1's secondary controls that vmcs02 takes over. The others are emulated, or not offered. */
#define PROC2_PASSED                                                                         \
	(PROC2_APIC_ACCESS | PROC2_DESC_TABLE | PROC2_RDTSCP | PROC2_X2APIC | PROC2_WBINVD | \
	 PROC2_UNRESTRICTED | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR | PROC2_PAUSE_LOOP |     \
	 PROC2_RDRAND | PROC2_INVPCID | PROC2_VMFUNC | PROC2_RDSEED | PROC2_XSAVES |         \
	 PROC2_MODE_EXEC | PROC2_TSC_SCALING | PROC2_USER_WAIT)

static u32 merge_pin(const struct vmcs12 *v, u32 l0)
{
	/* L0 does not use the preemption timer in L2, so it runs only if L1 asks for it. */
	return (l0 & ~(u32)(PIN_PREEMPT_TIMER | PIN_POSTED_INTR)) |
	       (v->pin_ctls &
		(PIN_EXT_INT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPT_TIMER));
}

static u32 merge_proc(const struct vmcs12 *v, u32 l0)
{
	u32 proc = (l0 & ~(u32)PROC_L1_ONLY) | (v->proc_ctls & ~(u32)PROC_L0_ONLY);

	/* Each port access exits, and L0 looks it up in L1's I/O bitmaps after the exit. */
	proc &= ~(u32)PROC_IO_BITMAPS;
	/* HLT exits: L0 waits in L2's place, so that it can act while L2 is halted. */
	proc |= PROC_UNCOND_IO | PROC_SECONDARY | PROC_HLT;
	if (v->proc_ctls & PROC_TPR_SHADOW) {
		/* L2's CR8 is on L1's virtual-APIC page, so that only L1 can want exits. */
		proc &= ~(u32)(PROC_CR8_LOAD | PROC_CR8_STORE);
		proc |= v->proc_ctls & (PROC_CR8_LOAD | PROC_CR8_STORE);
	} else {
		/* Without the TPR shadow CR8 would be the processor's own, which is L0's. */
		proc |= PROC_CR8_LOAD | PROC_CR8_STORE;
	}
	return proc;
}

/*
 * EPT is always on for L2: with EPT12 the processor walks EPT02, without it
 * L1's own EPT.
 */
static u32 merge_proc2(const struct vmcs12 *v, u32 l0)
{
	return (l0 & ~(u32)PROC2_L1_ONLY) | (vmcs12_proc2(v) & PROC2_PASSED) | PROC2_EPT;
}

/*
 * Every entry with vmcs02 loads EFER, PAT and the debug controls. Those that L1 does not load
 * have the value that L2 had before. "IA-32e mode guest" is added when L2's mode is known.
 */
static u32 merge_entry(u32 l0)
{
	return (l0 & ~(u32)ENTRYC_GUEST_64) | ENTRYC_LOAD_DEBUG | ENTRYC_LOAD_EFER |
	       ENTRYC_LOAD_PAT;
}

/* Exit controls are L0's alone: they are about how the processor comes back to L0. */
void merge_controls(const struct vmcs12 *v, const u32 *l0, struct merged *m)
{
	m->ctl[CTL_PIN] = merge_pin(v, l0[CTL_PIN]);
	m->ctl[CTL_PROC1] = merge_proc(v, l0[CTL_PROC1]);
	m->ctl[CTL_PROC2] = merge_proc2(v, l0[CTL_PROC2]);
	m->ctl[CTL_EXIT] = l0[CTL_EXIT];
	m->ctl[CTL_ENTRY] = merge_entry(l0[CTL_ENTRY]);
	m->ctl[CTL_EXCEPTIONS] = v->exception_bitmap | l0[CTL_EXCEPTIONS];
	m->tpr_threshold = m->ctl[CTL_PROC1] & PROC_TPR_SHADOW ? v->tpr_threshold : 0;
}
