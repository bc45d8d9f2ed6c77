/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's state: in a VMCS's host-state area, and what VM exits do not restore. */
#ifndef HW_HOST_H
#define HW_HOST_H

#include <asm/desc_defs.h>
#include <vmx/types.h>

#include "hw/entry.h"

struct vmcs;

/* What the host had before the first entry, given back before it runs on. */
struct host_saved {
	u16 fs, gs, ds, es, ldt;
	struct desc_ptr idt;
	u64 fs_base; /* the thread's own */
	/* The next four count only from an entry to its exit. */
	u64 debugctl;
	u64 pebs;			       /* IA32_PEBS_ENABLE */
	const struct spec_ctrl_pair *switched; /* &.spec or NULL */
	struct spec_ctrl_pair spec;
	bool valid;
	u32 how;    /* VMX_ENTER_VERW or 0, from host_prepare_entry() on */
	bool flush; /* the L1 data cache, before each entry */
};

/*
 * Write host-state fields: those that never change, those that are the CPU's own, and those that may
 * change at each entry.
 */
void host_write_constant(struct vmcs *vmcs);
void host_write_cpu(struct vmcs *vmcs);
void host_write_entry(struct vmcs *vmcs, const struct host_saved *saved); /* interrupts off */

/* Notes, and gives back, what VM exits do not restore. Context: preemption off. */
void host_save(struct host_saved *saved);
void host_restore(struct host_saved *saved);

/* Is the L1 data cache flushed at each entry? Then a guest hypervisor need not do so. */
bool host_flushes_l1d(void);

/* Keeps vCPU @number, never reused, from another's branch predictions. Preemption off. */
void host_note_vcpu(u64 number);

/*
 * Does the processor have counters that a VMCS can stop? If so vmcs01 and vmcs02 stop all of them
 * while a guest runs, by the controls that load IA32_PERF_GLOBAL_CTRL.
 */
bool host_has_counters(void);

/* Stop and restart the host's PEBS around an entry. Interrupts off in between; RCU watches. */
void host_quiet(struct host_saved *saved);
void host_loud(const struct host_saved *saved);

/*
 * Finds which mitigations the next entries need, and whether IA32_SPEC_CTRL is switched around them:
 * .how and .switched. Called once with interrupts off: until they are on again neither the host's
 * value changes nor the guest's. @spec_ctrl: the guest's; NULL: it has none.
 */
void host_prepare_entry(struct host_saved *saved, const u64 *spec_ctrl);
void host_flush_l1d(void);
void host_load_debugctl(u64 debugctl);

/* Around an entry. Interrupts off, RCU may not watch. Return of the first: VMX_ENTER_VERW or 0. */
static __always_inline u32 host_before_entry(const struct host_saved *saved)
{
	if (unlikely(saved->flush))
		host_flush_l1d();
	return saved->how;
}

static __always_inline void host_after_exit(const struct host_saved *saved)
{
	/* The exit has cleared DEBUGCTL, by which the host's perf takes branch records. */
	if (unlikely(saved->debugctl))
		host_load_debugctl(saved->debugctl);
}

/* IBPB, on this CPU alone. If the thread moves to another CPU it needs one there, too. */
void host_forget_branches(void);

/* Called at the module's load: finds which mitigations are needed. Return: 0, -ENOMEM. */
int host_setup(void);
void host_teardown(void);

#endif
