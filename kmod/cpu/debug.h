/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Debug registers of a vCPU, the guest's own and those of KVM_SET_GUEST_DEBUG.
 *
 * MOV DR always exits: guests that use breakpoints are rare, and so nothing
 * depends on what a VM exit saves of DR7. DR0 to DR3 are loaded around an entry
 * only while some breakpoint is on. #DB is always intercepted, so the
 * processor's DR6 is L0's.
 */
#ifndef CPU_DEBUG_H
#define CPU_DEBUG_H

#include <linux/kvm.h>
#include <vmx/types.h>

struct vcpu;

#define DEBUG_DR7_INIT 0x400ul
#define DEBUG_DR7_GD BIT_ULL(13)
/* Read-only: bits 31:16 and 11:4 of DR6 are 1 (RTM and BUS LOCK are not offered). */
#define DEBUG_DR6_WRITABLE 0xe00ful
#define DEBUG_DR7_WRITABLE 0xffff23fful
#define DEBUG_DR7_ENABLES 0xfful

struct vcpu_debug {
	unsigned long db[4]; /* the guest's DR0 to DR3 */
	unsigned long dr6, dr7;
	u64 ctl;		  /* IA32_DEBUGCTL */
	unsigned long eff_db[4];  /* what the processor gets: the guest's or the debugger's */
	u32 control;		  /* KVM_GUESTDBG_*, 0: no debugger */
	unsigned long host_db[4]; /* the debugger's */
	unsigned long host_dr7;
	unsigned long singlestep_rip;
	unsigned long own_db[4], own_dr7; /* the host's own, from an entry to its exit */
	bool active;			  /* breakpoints are on: load eff_db around the entry */
	bool ctl_exits;			  /* by vcpu->msr_bitmap RDMSR of IA32_DEBUGCTL exits */
};

/* What KVM_SET_GUEST_DEBUG knows. */
#define DEBUG_CONTROL_VALID                                                         \
	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP |   \
	 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB | \
	 KVM_GUESTDBG_BLOCKIRQ)

void debug_reset(struct vcpu *vcpu);
/* Around the entry, interrupts off; after it the host's breakpoints are back. */
void debug_enter(struct vcpu *vcpu);
void debug_exit(struct vcpu *vcpu);

/* MOV to and from DR0 to DR7 (4 and 5 mean 6 and 7). Set: 0, or 1: #GP. vCPU loaded. */
unsigned long debug_get_dr(struct vcpu *vcpu, int dr);
int debug_set_dr(struct vcpu *vcpu, int dr, unsigned long value);
/* Write IA32_DEBUGCTL. 0, or 1: #GP. vCPU loaded. */
int debug_set_ctl(struct vcpu *vcpu, u64 value);
/* After any change to .db, .dr7, .ctl or .control: DR7 and DEBUGCTL into the current VMCS. */
void debug_update(struct vcpu *vcpu);

/* KVM_GUESTDBG_BLOCKIRQ: a debugger that steps wants no interrupt handler in between. */
bool debug_blocks_irq(struct vcpu *vcpu);

/* KVM_SET_GUEST_DEBUG, except for exceptions to inject. vCPU loaded. */
void debug_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *dbg);

/*
 * For #DB and #BP that were intercepted. Return: 0: the debugger gets it, by kvm_run: go to
 * userspace; 1: it is the guest's own: inject it, #DB with *@dr6 as its payload.
 */
int debug_handle_db(struct vcpu *vcpu, unsigned long *dr6);
int debug_handle_bp(struct vcpu *vcpu);
/* An I/O instruction is emulated: breakpoints on its port are due after it. */
void debug_note_io(struct vcpu *vcpu, u16 port, int size);
/* L0 made a data access for an instruction of the guest's: breakpoints on it are due. */
void debug_note_data(struct vcpu *vcpu, u64 linear, int size, bool write);
/* A #DB is being delivered: its payload goes into DR6; DR7.GD and DEBUGCTL are cleared. */
void debug_deliver_payload(struct vcpu *vcpu, unsigned long payload);

/* Is there a single-step trap after each instruction: TF is set, and BTF is not? */
bool debug_steps(struct vcpu *vcpu);

/* RFLAGS as the guest and userspace see it, without the debugger's TF; and back. */
unsigned long debug_visible_rflags(struct vcpu *vcpu);
void debug_set_rflags(struct vcpu *vcpu, unsigned long rflags);
/* Takes the debugger's TF out of the current VMCS, and a trap of it that is due: L2 has an exit. */
void debug_end_step(struct vcpu *vcpu);

#endif
