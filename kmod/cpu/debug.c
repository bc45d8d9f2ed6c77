// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers, and the debugger's wishes (KVM_SET_GUEST_DEBUG).
 *
 * The handlers of MOV DR, #DB and #BP come here, the emulator for breakpoints
 * on what it accesses, the run loop before and after each entry, and ioctls.
 *
 * What a reader must know: the guest's registers (.db, .dr7, .ctl) and what is
 * effective (.eff_db, the VMCS' DR7) differ while a debugger has taken the
 * breakpoints for itself. A debugger that steps sets RFLAGS.TF, which the guest
 * must not see: debug_visible_rflags().
 */
#include <linux/percpu.h>
#include <asm/processor.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <vmx/info.h>

#include "cpu/cr_checks.h"
#include "cpu/debug.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"

static bool debugger_owns_breakpoints(const struct vcpu_debug *d)
{
	return d->control & KVM_GUESTDBG_USE_HW_BP;
}

static unsigned long effective_dr7(const struct vcpu_debug *d)
{
	return debugger_owns_breakpoints(d) ? d->host_dr7 : d->dr7;
}

/* LBR never reaches the processor: the branch records would be the host's. */
static u64 effective_ctl(const struct vcpu_debug *d)
{
	return d->control & KVM_GUESTDBG_SINGLESTEP ? 0 : d->ctl & DEBUGCTL_BTF;
}

/* Context: vCPU loaded; the VMCS of the guest that runs is current. */
void debug_update(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;
	unsigned long dr7 = effective_dr7(d);

	memcpy(d->eff_db, debugger_owns_breakpoints(d) ? d->host_db : d->db, sizeof(d->eff_db));
	d->active = dr7 & DEBUG_DR7_ENABLES;
	vmwrite(VMCS_GUEST_DR7, dr7);
	vmwrite(VMCS_GUEST_DEBUGCTL, effective_ctl(d));
	if (unlikely(d->ctl_exits != !!d->ctl))
		vcpu_request(vcpu, REQ_MSR_BITMAP);
}

void debug_reset(struct vcpu *vcpu)
{
	struct vcpu_debug *d = &vcpu->debug;

	memset(d->db, 0, sizeof(d->db));
	d->dr6 = DR6_RESERVED;
	d->dr7 = DEBUG_DR7_INIT;
	d->ctl = 0;
	debug_update(vcpu);
}

static void load_breakpoints(struct vcpu_debug *d)
{
	set_debugreg(0, 7);
	set_debugreg(d->eff_db[0], 0);
	set_debugreg(d->eff_db[1], 1);
	set_debugreg(d->eff_db[2], 2);
	set_debugreg(d->eff_db[3], 3);
}

/*
 * Called when the debugger has got the trap after STI or MOV SS. If the shadow stayed while TF is
 * set, the entry would demand that the trap is still pending.
 */
static void end_shadow(void)
{
	if (vcpu_end_shadow())
		vmwrite(VMCS_GUEST_PENDING_DBG, 0);
}

/* Reads the host's breakpoints from the processor. Interrupts stay off until the exit. */
static void save_host_breakpoints(struct vcpu_debug *d)
{
	get_debugreg(d->own_db[0], 0);
	get_debugreg(d->own_db[1], 1);
	get_debugreg(d->own_db[2], 2);
	get_debugreg(d->own_db[3], 3);
	get_debugreg(d->own_dr7, 7);
}

static void restore_host_breakpoints(const struct vcpu_debug *d)
{
	set_debugreg(d->own_db[0], 0);
	set_debugreg(d->own_db[1], 1);
	set_debugreg(d->own_db[2], 2);
	set_debugreg(d->own_db[3], 3);
	set_debugreg(DR6_RESERVED, 6);
	set_debugreg(d->own_dr7, 7);
}

/*
 * Does nothing unless the guest, its debugger or the host has a breakpoint. The host's own are off
 * from here on, as they must not hit in the entry code.
 */
void debug_enter(struct vcpu *vcpu)
{
	if (unlikely(hw_breakpoint_active()))
		save_host_breakpoints(&vcpu->debug);
	if (unlikely(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		end_shadow();
	if (unlikely(vcpu->debug.active))
		load_breakpoints(&vcpu->debug);
	else if (unlikely(hw_breakpoint_active()))
		set_debugreg(0, 7);
}

void debug_exit(struct vcpu *vcpu)
{
	if (unlikely(hw_breakpoint_active()))
		restore_host_breakpoints(&vcpu->debug);
}

unsigned long debug_get_dr(struct vcpu *vcpu, int dr)
{
	if (dr < 4)
		return vcpu->debug.db[dr];
	return dr & 1 ? vcpu->debug.dr7 : vcpu->debug.dr6;
}

int debug_set_dr(struct vcpu *vcpu, int dr, unsigned long value)
{
	struct vcpu_debug *d = &vcpu->debug;

	if (dr >= 4 && value >> 32)
		return 1;
	if (dr < 4)
		d->db[dr] = value;
	else if (dr & 1)
		d->dr7 = (value & DEBUG_DR7_WRITABLE) | DEBUG_DR7_INIT;
	else
		d->dr6 = (value & DEBUG_DR6_WRITABLE) | DR6_RESERVED;
	debug_update(vcpu);
	return 0;
}

/*
 * In a shadow of STI or MOV SS the processor takes TF for a mistake unless BS
 * is pending, and with BTF it takes BS for one (SDM: "Checks on Guest
 * Non-Register State"). So no shadow outlives a change of BTF. WRMSR itself
 * ends it; an MSR list, or userspace, may write the MSR in one.
 */
int debug_set_ctl(struct vcpu *vcpu, u64 value)
{
	struct vcpu_debug *d = &vcpu->debug;
	u64 changed = d->ctl ^ value;

	if (value & ~DEBUGCTL_OFFERED)
		return 1;
	d->ctl = value;
	debug_update(vcpu);
	if (changed & DEBUGCTL_BTF)
		vcpu_end_shadow();
	return 0;
}

bool debug_steps(struct vcpu *vcpu)
{
	return unlikely(vcpu_rflags(vcpu) & X86_EFLAGS_TF) &&
	       !(effective_ctl(&vcpu->debug) & DEBUGCTL_BTF);
}

/* Debuggers are told linear addresses, as KVM does it. */
static unsigned long linear_rip(struct vcpu *vcpu)
{
	if (vcpu_64bit(vcpu))
		return vcpu_rip(vcpu);
	return (u32)(vmread(VMCS_GUEST_CS_BASE) + vcpu_rip(vcpu));
}

bool debug_blocks_irq(struct vcpu *vcpu)
{
	return unlikely(vcpu->debug.control & KVM_GUESTDBG_BLOCKIRQ);
}

void debug_set_guest_debug(struct vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	struct vcpu_debug *d = &vcpu->debug;
	unsigned long rflags = debug_visible_rflags(vcpu);

	d->control = dbg->control & KVM_GUESTDBG_ENABLE ? dbg->control & DEBUG_CONTROL_VALID : 0;
	if (debugger_owns_breakpoints(d)) {
		memcpy(d->host_db, dbg->arch.debugreg, sizeof(d->host_db));
		d->host_dr7 = (dbg->arch.debugreg[7] & DEBUG_DR7_WRITABLE) | DEBUG_DR7_INIT;
	}
	if (d->control & KVM_GUESTDBG_SINGLESTEP)
		d->singlestep_rip = linear_rip(vcpu);
	debug_set_rflags(vcpu, rflags);
	debug_update(vcpu);
	nested_debug_changed(vcpu);
	/* The debugger's INT3 must not reach the guest. L2's controls follow by the merge. */
	vmcs01_update_ctls(vcpu);
	vcpu_request(vcpu, REQ_EVENT);
}

static int tell_debugger(struct vcpu *vcpu, u32 vector, unsigned long dr6)
{
	struct kvm_debug_exit_arch *out = &vcpu->run->debug.arch;

	out->exception = vector;
	out->pad = 0;
	out->pc = linear_rip(vcpu);
	out->dr6 = vector == VEC_DB ? dr6 | DR6_RESERVED : 0;
	out->dr7 = vector == VEC_DB ? effective_dr7(&vcpu->debug) : 0;
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	return 0;
}

/* While a debugger steps or has breakpoints every #DB is the debugger's, as in KVM. */
int debug_handle_db(struct vcpu *vcpu, unsigned long *dr6)
{
	*dr6 = vcpu_exit_qual(vcpu) & (DBG_BPT_MASK | DBG_BD | DBG_BS);
	if (!(vcpu->debug.control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP)))
		return 1;
	return tell_debugger(vcpu, VEC_DB, *dr6);
}

int debug_handle_bp(struct vcpu *vcpu)
{
	if (!(vcpu->debug.control & KVM_GUESTDBG_USE_SW_BP))
		return 1;
	return tell_debugger(vcpu, VEC_BP, 0);
}

/* Kinds of access by DR7's R/W field. */
#define DR7_RW_WRITE BIT(1)
#define DR7_RW_IO BIT(2)
#define DR7_RW_ACCESS BIT(3)

static bool breakpoint_hit(const struct vcpu_debug *d, unsigned long dr7, int n, u64 addr, int size,
			   unsigned int kinds)
{
	static const u8 lengths[] = { 1, 2, 8, 4 };
	unsigned long rw = dr7 >> (16 + 4 * n) & 3, len = lengths[dr7 >> (18 + 4 * n) & 3];
	unsigned long start = d->eff_db[n] & ~(len - 1);

	return (dr7 >> (2 * n) & 3) && (BIT(rw) & kinds) && addr < start + len &&
	       addr + size > start;
}

/*
 * Makes breakpoints pending that an emulated access hits: the instruction
 * exited before the processor looked at them. @kinds: of DR7_RW_*.
 */
static void debug_note_access(struct vcpu *vcpu, u64 addr, int size, unsigned int kinds)
{
	const struct vcpu_debug *d = &vcpu->debug;
	unsigned long hits = 0, dr7 = effective_dr7(d);
	int n;

	for (n = 0; n < 4; n++)
		if (breakpoint_hit(d, dr7, n, addr, size, kinds))
			hits |= BIT(n);
	if (hits)
		vmwrite(VMCS_GUEST_PENDING_DBG,
			vmread(VMCS_GUEST_PENDING_DBG) | hits | DBG_ENABLED_BPT);
}

void debug_note_io(struct vcpu *vcpu, u16 port, int size)
{
	if (vcpu_cr4(vcpu) & CR4_DE)
		debug_note_access(vcpu, port, size, DR7_RW_IO);
}

void debug_note_data(struct vcpu *vcpu, u64 linear, int size, bool write)
{
	if (unlikely(vcpu->debug.active))
		debug_note_access(vcpu, linear, size, DR7_RW_ACCESS | (write ? DR7_RW_WRITE : 0));
}

/* Delivery of #DB clears GD and DEBUGCTL, or the handler would be trapped itself. */
void debug_deliver_payload(struct vcpu *vcpu, unsigned long payload)
{
	struct vcpu_debug *d = &vcpu->debug;

	d->dr6 &= ~DBG_BPT_MASK;
	d->dr6 |= payload & DEBUG_DR6_WRITABLE;
	/* SDM: "Monitoring Branches, Exceptions, and Interrupts", "Single-Stepping on Branches". */
	if ((d->dr7 & DEBUG_DR7_GD) || d->ctl) {
		d->dr7 &= ~DEBUG_DR7_GD;
		d->ctl = 0;
		debug_update(vcpu);
	}
}

unsigned long debug_visible_rflags(struct vcpu *vcpu)
{
	unsigned long rflags = vcpu_rflags(vcpu);

	if (vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP)
		rflags &= ~X86_EFLAGS_TF;
	return rflags;
}

void debug_set_rflags(struct vcpu *vcpu, unsigned long rflags)
{
	struct vcpu_debug *d = &vcpu->debug;

	/* If an exception was delivered RIP has moved: its handler is not stepped through. */
	if ((d->control & KVM_GUESTDBG_SINGLESTEP) && linear_rip(vcpu) == d->singlestep_rip)
		rflags |= X86_EFLAGS_TF;
	vcpu_set_rflags(vcpu, rflags);
}

void debug_end_step(struct vcpu *vcpu)
{
	if (!(vcpu->debug.control & KVM_GUESTDBG_SINGLESTEP))
		return;
	vcpu_set_rflags(vcpu, debug_visible_rflags(vcpu));
	vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) & ~(unsigned long)DBG_BS);
}
