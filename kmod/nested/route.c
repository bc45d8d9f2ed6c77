// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose exit of L2 is it? What L1 asked for is L1's; the rest is L0's. Tour,
 * stop 13. exit.c asks before it dispatches.
 *
 * What a reader must know: vmcs02 makes more exits than L1 asked for, so vmcs12
 * decides whose each is: by a control bit, or a bitmap in L1's memory. An exit
 * whose row is empty is always L0's.
 *
 * Context: right after the exit, vmcs02 current. Most rows do not sleep; those
 * with bitmaps may.
 * SDM: "Instructions That Cause VM Exits", "Other Causes of VM Exits".
 */
#include "cpu/host_event.h"
#include "cpu/regs.h"
#include "nested/bitmaps.h"
#include "nested/internal.h"

/* What makes an exit L1's: a function says so, or it always is, or L1 has set one of the bits. */
struct route {
	bool (*ask)(struct vcpu *vcpu, const struct vmcs12 *v);
	u32 proc, proc2; /* primary and secondary processor-based controls */
	bool always;
};

static bool route_timer(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return v->pin_ctls & PIN_PREEMPT_TIMER;
}

/* --- exceptions --------------------------------------------------------- */

/* Mask and match invert the exception bitmap's bit. SDM: "Exception Bitmap". */
static bool route_page_fault(const struct vmcs12 *v, u32 error)
{
	bool bit = v->exception_bitmap & BIT(VEC_PF);
	bool match = (error & v->pf_error_mask) == v->pf_error_match;

	return bit == match;
}

bool route_exception(const struct vmcs12 *v, u8 vector, u32 error)
{
	if (vector == VEC_PF)
		return route_page_fault(v, error);
	return v->exception_bitmap & BIT(vector);
}

/* Userspace's debugger gets a breakpoint before L1 does, since it has set that breakpoint. */
static bool debugger_wants(struct vcpu *vcpu, u8 vector)
{
	u32 control = vcpu->debug.control;

	return (vector == VEC_DB &&
		(control & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))) ||
	       (vector == VEC_BP && (control & KVM_GUESTDBG_USE_SW_BP));
}

static bool route_exception_nmi(struct vcpu *vcpu, const struct vmcs12 *v)
{
	u8 vector = vcpu->intr_info & INTR_VECTOR;
	u32 error = 0;

	if (host_event_of(vcpu->exit_reason, vcpu->intr_info) || debugger_wants(vcpu, vector) ||
	    (vector == VEC_AC && regs_split_lock(vcpu)))
		return false;
	if (vector == VEC_PF)
		error = vmread(VMCS_EXIT_INTR_ERROR);
	return route_exception(v, vector, error);
}

/* --- control registers -------------------------------------------------- */

/* Does the write change a bit that L1 owns? L2 sees the bits of @mask as @shadow has them. */
static bool cr_bits_intercepted(u64 mask, u64 shadow, u64 value)
{
	return mask & (shadow ^ value);
}

static bool is_cr3_target(const struct vmcs12 *v, u64 value)
{
	return (v->cr3_target_count >= 1 && value == v->cr3_target0) ||
	       (v->cr3_target_count >= 2 && value == v->cr3_target1) ||
	       (v->cr3_target_count >= 3 && value == v->cr3_target2) ||
	       (v->cr3_target_count >= 4 && value == v->cr3_target3);
}

static bool route_mov_to_cr(const struct vmcs12 *v, u32 cr, u64 value)
{
	switch (cr) {
	case 0: return cr_bits_intercepted(v->cr0_mask, v->cr0_shadow, value);
	case 3: return (v->proc_ctls & PROC_CR3_LOAD) && !is_cr3_target(v, value);
	case 4: return cr_bits_intercepted(v->cr4_mask, v->cr4_shadow, value);
	default: return v->proc_ctls & PROC_CR8_LOAD;
	}
}

static bool route_mov_from_cr(const struct vmcs12 *v, u32 cr)
{
	return v->proc_ctls & (cr == 3 ? PROC_CR3_STORE : PROC_CR8_STORE);
}

static bool route_clts(const struct vmcs12 *v)
{
	return (v->cr0_mask & CR0_TS) && (v->cr0_shadow & CR0_TS);
}

/* LMSW writes bits 3:0 and cannot clear PE. */
static bool route_lmsw(const struct vmcs12 *v, u64 data)
{
	u64 mask = v->cr0_mask & 0xf;

	if ((mask & CR0_PE) && (data & CR0_PE) && !(v->cr0_shadow & CR0_PE))
		return true;
	return cr_bits_intercepted(mask & ~CR0_PE, v->cr0_shadow, data);
}

static bool route_cr_access(struct vcpu *vcpu, const struct vmcs12 *v)
{
	u64 qual = vcpu_exit_qual(vcpu), value;

	switch (CRQ_TYPE(qual)) {
	case CRQ_TYPE_TO_CR:
		value = vcpu_gpr(vcpu, CRQ_GPR(qual));
		if (!vcpu_64bit(vcpu))
			value = (u32)value;
		return route_mov_to_cr(v, CRQ_NUM(qual), value);
	case CRQ_TYPE_FROM_CR: return route_mov_from_cr(v, CRQ_NUM(qual));
	case CRQ_TYPE_CLTS: return route_clts(v);
	default: return route_lmsw(v, CRQ_LMSW_DATA(qual));
	}
}

/* --- bitmaps ------------------------------------------------------------ */

/* Reads one byte of a bitmap of L1's. Where there is no memory it is all ones: exits. */
static u8 bitmap_byte(struct vcpu *vcpu, u64 addr)
{
	u8 byte;

	return mem_read(vcpu->vm, addr, &byte, 1) ? 0xff : byte;
}

static bool port_exits(struct vcpu *vcpu, const struct vmcs12 *v, u16 port)
{
	u64 base = port & 0x8000 ? v->io_bitmap_b : v->io_bitmap_a;

	port &= 0x7fff;
	return bitmap_byte(vcpu, base + port / 8) & BIT(port % 8);
}

/*
 * An access exits if any of its ports does, and always if it wraps around. SDM:
 * "I/O-Bitmap Addresses".
 */
static bool route_io(struct vcpu *vcpu, const struct vmcs12 *v)
{
	u64 qual = vcpu_exit_qual(vcpu);
	u32 port = IOQ_PORT(qual), end = port + IOQ_SIZE(qual);

	if (!(v->proc_ctls & PROC_IO_BITMAPS))
		return v->proc_ctls & PROC_UNCOND_IO;
	if (end > 0x10000)
		return true;
	for (; port < end; port++)
		if (port_exits(vcpu, v, port))
			return true;
	return false;
}

/*
 * Byte @at of L1's MSR bitmap. Right after the exit the bitmap's page is still the one that was
 * resolved for the entry, and can be read without a look-up.
 */
static u8 msr_bitmap_byte(struct vcpu *vcpu, const struct vmcs12 *v, u32 at)
{
	const struct mem_page *page = &vcpu->nested->cur->msr_bitmap12;

	if (vcpu->at_once && page->gpa == v->msr_bitmap)
		return READ_ONCE(((const u8 *)page->kva)[at]);
	return bitmap_byte(vcpu, v->msr_bitmap + at);
}

/* Asks L1's bitmap, as the merged one also has the exits that only L0 wants. */
static bool msr_exits(struct vcpu *vcpu, const struct vmcs12 *v, bool write)
{
	u32 msr = vcpu->gpr[GPR_RCX];
	int bit;

	if (!(v->proc_ctls & PROC_MSR_BITMAPS))
		return true;
	bit = msr_bitmap_bit(msr, write);
	return bit < 0 || (msr_bitmap_byte(vcpu, v, bit / 8) & BIT(bit % 8));
}

static bool route_rdmsr(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return msr_exits(vcpu, v, false);
}

static bool route_wrmsr(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return msr_exits(vcpu, v, true);
}

/* The encoding of VMREAD or VMWRITE is in a register, of 32 bits outside 64-bit mode. */
static u64 vmcs_access_encoding(struct vcpu *vcpu)
{
	u64 enc = vcpu_gpr(vcpu, INSN_REG2(vmread(VMCS_EXIT_INSN_INFO)));

	return vcpu_64bit(vcpu) ? enc : (u32)enc;
}

static bool route_vmread(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return shadow12_access_exits(vcpu, vmcs_access_encoding(vcpu), false);
}

static bool route_vmwrite(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return shadow12_access_exits(vcpu, vmcs_access_encoding(vcpu), true);
}

/* What faults by the privilege level does not exit. */
static bool route_cpuid(struct vcpu *vcpu, const struct vmcs12 *v)
{
	return !cpuid_faults(vcpu);
}

/* An empty row: always L0's. For EPT violations and VMFUNC, ept02.c and vmxinsn.c decide later. */
static const struct route routes[NR_EXITS] = {
	[EXIT_EXCEPTION_NMI] = { .ask = route_exception_nmi },
	[EXIT_TRIPLE_FAULT] = { .always = true },
	[EXIT_INT_WINDOW] = { .proc = PROC_INT_WINDOW },
	[EXIT_NMI_WINDOW] = { .proc = PROC_NMI_WINDOW },
	[EXIT_TASK_SWITCH] = { .always = true },
	[EXIT_CPUID] = { .ask = route_cpuid },
	[EXIT_GETSEC] = { .always = true },
	[EXIT_HLT] = { .proc = PROC_HLT },
	[EXIT_INVD] = { .always = true },
	[EXIT_INVLPG] = { .proc = PROC_INVLPG },
	[EXIT_RDPMC] = { .proc = PROC_RDPMC },
	[EXIT_RDTSC] = { .proc = PROC_RDTSC },
	[EXIT_VMCALL] = { .always = true },
	[EXIT_VMCLEAR] = { .always = true },
	[EXIT_VMLAUNCH] = { .always = true },
	[EXIT_VMPTRLD] = { .always = true },
	[EXIT_VMPTRST] = { .always = true },
	[EXIT_VMREAD] = { .ask = route_vmread },
	[EXIT_VMRESUME] = { .always = true },
	[EXIT_VMWRITE] = { .ask = route_vmwrite },
	[EXIT_VMXOFF] = { .always = true },
	[EXIT_VMXON] = { .always = true },
	[EXIT_CR_ACCESS] = { .ask = route_cr_access },
	[EXIT_DR_ACCESS] = { .proc = PROC_MOV_DR },
	[EXIT_IO] = { .ask = route_io },
	[EXIT_RDMSR] = { .ask = route_rdmsr },
	[EXIT_WRMSR] = { .ask = route_wrmsr },
	[EXIT_MWAIT] = { .proc = PROC_MWAIT },
	[EXIT_MTF] = { .proc = PROC_MTF },
	[EXIT_MONITOR] = { .proc = PROC_MONITOR },
	[EXIT_PAUSE] = { .proc = PROC_PAUSE, .proc2 = PROC2_PAUSE_LOOP },
	[EXIT_TPR_BELOW] = { .proc = PROC_TPR_SHADOW },
	[EXIT_APIC_ACCESS] = { .proc2 = PROC2_APIC_ACCESS },
	[EXIT_VIRT_EOI] = { .proc2 = PROC2_VIRT_INTR },
	[EXIT_GDTR_IDTR] = { .proc2 = PROC2_DESC_TABLE },
	[EXIT_LDTR_TR] = { .proc2 = PROC2_DESC_TABLE },
	[EXIT_INVEPT] = { .always = true },
	[EXIT_RDTSCP] = { .proc = PROC_RDTSC },
	[EXIT_PREEMPT_TIMER] = { .ask = route_timer },
	[EXIT_INVVPID] = { .always = true },
	[EXIT_WBINVD] = { .proc2 = PROC2_WBINVD },
	[EXIT_XSETBV] = { .always = true },
	[EXIT_APIC_WRITE] = { .proc2 = PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR },
	[EXIT_RDRAND] = { .proc2 = PROC2_RDRAND },
	[EXIT_INVPCID] = { .proc = PROC_INVLPG },
	[EXIT_RDSEED] = { .proc2 = PROC2_RDSEED },
	[EXIT_XSAVES] = { .proc2 = PROC2_XSAVES },
	[EXIT_XRSTORS] = { .proc2 = PROC2_XSAVES },
	[EXIT_UMWAIT] = { .proc = PROC_RDTSC },
	[EXIT_TPAUSE] = { .proc = PROC_RDTSC },
};

static bool has_route(u32 reason)
{
	const struct route *r = &routes[reason];

	return r->ask || r->always || r->proc || r->proc2;
}

/*
 * Can nested_wants_exit() decide with interrupts off, by controls or by a page that is resolved?
 * It cannot for events of the host, which L0 handles with interrupts on, nor for VMREAD and
 * VMWRITE, whose bitmaps are in L1's memory.
 */
static bool routed_at_once(const struct vcpu *vcpu, u32 reason)
{
	const struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;

	switch (reason) {
	case EXIT_EXCEPTION_NMI:
	case EXIT_TRIPLE_FAULT:
	case EXIT_VMREAD:
	case EXIT_VMWRITE: return false;
	case EXIT_RDMSR:
	case EXIT_WRMSR:
		return !(v->proc_ctls & PROC_MSR_BITMAPS) ||
		       n->cur->msr_bitmap12.gpa == v->msr_bitmap;
	case EXIT_IO: return !(v->proc_ctls & PROC_IO_BITMAPS);
	/* A virtualization exception is written to L1's memory, which may sleep. */
	case EXIT_EPT_VIOLATION:
		return n->current_root && l1_uses_ept(n) && !(vmcs12_proc2(v) & PROC2_EPT_VE);
	default: return reason < NR_EXITS && has_route(reason);
	}
}

/*
 * An exit is not given to L1 with interrupts off if it reads L1's memory, for a list of MSRs or for
 * PDPTEs, or has to cancel the hrtimer, as both may sleep.
 */
bool nested_reflects_at_once(const struct vcpu *vcpu, u32 reason)
{
	const struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;

	return routed_at_once(vcpu, reason) && !v->exit_msr_store_count &&
	       !v->exit_msr_load_count && (v->exit_ctls & EXITC_HOST_64) && !n->timer_armed &&
	       vmcs_is_here(&vcpu->vmcs01); /* and L2 has just left vmcs02 */
}

bool nested_wants_exit(struct vcpu *vcpu, u32 reason)
{
	const struct vmcs12 *v = vcpu->nested->v;
	const struct route *r;

	if (reason >= NR_EXITS)
		return false;
	r = &routes[reason];
	if (r->ask)
		return r->ask(vcpu, v);
	return r->always || (v->proc_ctls & r->proc) || (vmcs12_proc2(v) & r->proc2);
}
