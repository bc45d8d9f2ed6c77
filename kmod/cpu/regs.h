/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control registers and EFER of the guest that runs, L1 or L2; their owned
 * bits, masks and shadows; reset. vcpu_cr0() and its kin are here too. Context:
 * vCPU loaded.
 *
 * An owned bit is one that the guest changes without an exit: its value is in
 * the VMCS, and in .cr0 or .cr4 only after regs_sync_owned().
 */
#ifndef CPU_REGS_H
#define CPU_REGS_H

#include <vmx/types.h>

#include "cpu/cr_checks.h"

struct vcpu;

/*
 * Bits that a guest may change without an exit. L0 keeps PE and PG (mode
 * changes move EFER.LMA), NE (VMX needs it to be 1), CD and NW (the real caches
 * stay on), and in CR4 what CPUID reflects, what VMX or the host needs, and
 * what the guest's CPUID does not offer.
 */
#define CR0_OWNABLE (CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM)
#define CR4_OWNABLE                                                                        \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PGE | CR4_PCE | CR4_OSFXSR | \
	 CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP)

/* Resets the registers as power-up does, or with @init as INIT does. */
void regs_reset(struct vcpu *vcpu, bool init);
/*
 * Ends HLT in the current VMCS, which holds that state if HLT does not exit: called when an event
 * is injected, or userspace sets registers.
 */
void vcpu_end_hlt(struct vcpu *vcpu);

/*
 * What MOV to the register, or WRMSR, does. Bits that L1 intercepts of L2 stay
 * as they are.
 * Return: 0; 1: #GP; or what regs_load_pdptes() answers. May sleep.
 */
int regs_write_cr0(struct vcpu *vcpu, unsigned long cr0);
int regs_write_cr3(struct vcpu *vcpu, unsigned long cr3);
int regs_write_cr4(struct vcpu *vcpu, unsigned long cr4);
/* @host: userspace may set any supported value. */
int regs_write_efer(struct vcpu *vcpu, u64 efer, bool host);

/* Set the register without any check, for a state that is known to be good. */
void regs_set_cr0(struct vcpu *vcpu, unsigned long cr0);
void regs_set_cr4(struct vcpu *vcpu, unsigned long cr4);
void regs_set_efer(struct vcpu *vcpu, u64 efer);

/*
 * Writes masks, shadows and real values of CR0 and CR4 into the current VMCS,
 * from .cr0, .cr4, the guest's CPUID and what L1 intercepts (.cr0_l1, .cr4_l1).
 * The owned bits must have been read back before (regs_sync_owned()).
 */
void regs_update_masks(struct vcpu *vcpu);
/* Reads the owned bits of the current VMCS back into .cr0 and .cr4. */
void regs_sync_owned(struct vcpu *vcpu);

/* Fills in @s, on which the checks of cr_checks.h work. */
void regs_cr_state(struct vcpu *vcpu, struct cr_state *s);

/*
 * For PAE paging: reads the PDPTEs from memory at @cr3 into the VMCS. @access:
 * GPA_PEEK or 0. Return: 0; 1: #GP; or as vcpu->gpa_translate. May sleep.
 */
int regs_load_pdptes(struct vcpu *vcpu, unsigned long cr3, u32 access);

/* After an #AC: is it the host's detection of split locks, which the guest does not know of? */
bool regs_split_lock(struct vcpu *vcpu);

#endif
