// SPDX-License-Identifier: GPL-2.0-only
/* Event injection: exceptions as software raises them, and the VMCS' side. */

#include <vmx/controls.h>
#include <vmx/info.h>

#include "guest/regs.h"
#include "guest/vcpu.h"
#include "irqchip/inject.h"

/* SDM: "Interrupt 8—Double Fault Exception (#DF)": which pairs make one. */
enum exc_class { EXC_BENIGN, EXC_CONTRIBUTORY, EXC_PAGE_FAULT };

static enum exc_class class_of(u8 vector)
{
	switch (vector) {
	case VEC_PF:
	case VEC_VE: return EXC_PAGE_FAULT;
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP: return EXC_CONTRIBUTORY;
	default: return EXC_BENIGN;
	}
}

static bool makes_double_fault(u8 first, u8 second)
{
	enum exc_class a = class_of(first), b = class_of(second);

	return (a == EXC_CONTRIBUTORY && b == EXC_CONTRIBUTORY) ||
	       (a == EXC_PAGE_FAULT && b != EXC_BENIGN);
}

#define VECTORS_WITH_ERROR                                                                   \
	(BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) | BIT(VEC_PF) | \
	 BIT(VEC_AC))

u32 inject_exception_type(u8 vector)
{
	return vector == VEC_BP || vector == VEC_OF ? INTR_TYPE_SOFT_EXC : INTR_TYPE_HARD_EXC;
}

/*
 * SDM: "Resume Flag (RF)": the image of RFLAGS has it after a fault, but for #DB, which may be
 * either; also in the VMCS, if the fault exits instead.
 */
static void set_resume_flag(struct vcpu *vcpu, u8 vector)
{
	const u32 no_faults = BIT(VEC_DB) | BIT(VEC_BP) | BIT(VEC_OF) | BIT(VEC_DF) | BIT(VEC_MC);

	if (!(no_faults & BIT(vector)))
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
}

static void raise(struct vcpu *vcpu, u8 vector, bool has_error, u32 error, bool has_payload,
		  u64 payload)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (in->exception.pending || in->exception.injected) {
		u8 first = in->exception.vector;

		if (first == VEC_DF) {
			in->exception.pending = false;
			in->exception.injected = false;
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
			return;
		}
		if (makes_double_fault(first, vector)) {
			vector = VEC_DF;
			has_error = true;
			error = 0;
			has_payload = false;
		}
		/* Otherwise the second replaces the first, which the instruction raises again. */
	}
	in->exception.injected = false;
	in->exception.pending = true;
	in->exception.vector = vector;
	in->exception.has_error = has_error;
	in->exception.error = error;
	in->exception.has_payload = has_payload;
	in->exception.payload = payload;
	in->exception.type = inject_exception_type(vector);
	set_resume_flag(vcpu, vector);
	vcpu_request(vcpu, REQ_EVENT);
}

void inject_exception(struct vcpu *vcpu, u8 vector)
{
	raise(vcpu, vector, false, 0, false, 0);
}

void inject_exception_err(struct vcpu *vcpu, u8 vector, u32 error)
{
	raise(vcpu, vector, true, error, false, 0);
}

void inject_pf(struct vcpu *vcpu, u32 error, u64 cr2)
{
	raise(vcpu, VEC_PF, true, error, true, cr2);
}

void inject_db(struct vcpu *vcpu, unsigned long dr6)
{
	raise(vcpu, VEC_DB, false, 0, true, dr6);
}

void inject_nmi(struct vcpu *vcpu)
{
	vcpu_request(vcpu, REQ_NMI);
	vcpu_request(vcpu, REQ_EVENT);
	vcpu_kick(vcpu);
}

int inject_irq_vector(const struct vcpu *vcpu, bool elsewhere)
{
	const struct vcpu_inject *in = &vcpu->inject;

	if (!elsewhere && in->irq.injected && !in->irq.soft)
		return in->irq.vector;
	return in->user_irq & USER_IRQ_VALID ? (u8)in->user_irq : -1;
}

void inject_set_irq_vector(struct vcpu *vcpu, int vector, bool soft, bool elsewhere)
{
	struct vcpu_inject *in = &vcpu->inject;

	/*
	 * Which of the two it was is not said: queued, it is not lost if IF is clear.
	 * With a LAPIC it may be one of the LAPIC's, which LINT0 need not let through.
	 */
	bool queue = vector >= 0 && !soft && !vcpu->vm->kernel_pic &&
		     (!vcpu->lapic || !inject_irq_allowed(vcpu));

	in->user_irq = queue ? USER_IRQ_VALID | vector : 0;
	if (elsewhere)
		return;
	in->irq.injected = vector >= 0 && !queue;
	in->irq.soft = soft;
	in->irq.vector = max(vector, 0);
}

void inject_write(struct vcpu *vcpu, u32 info, u32 error, u32 insn_len)
{
	if (info & INTR_HAS_ERROR) {
		/* In real mode no exception pushes an error code. */
		if (vcpu_cr0(vcpu) & X86_CR0_PE)
			vmwrite(VMCS_ENTRY_ERROR_CODE, (u16)error);
		else
			info &= ~INTR_HAS_ERROR;
	}
	if (intr_type_software(info))
		vmwrite(VMCS_ENTRY_INSN_LEN, insn_len);
	vcpu_end_hlt(vcpu);
	vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_VALID);
}

void inject_cancel(struct vcpu *vcpu)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
}

bool inject_irq_allowed(struct vcpu *vcpu)
{
	return (vcpu_rflags(vcpu) & X86_EFLAGS_IF) && !debug_blocks_irq(vcpu) &&
	       !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (IRQBLK_STI | IRQBLK_MOV_SS));
}

bool inject_nmi_masked(struct vcpu *vcpu)
{
	return vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_NMI;
}

bool inject_nmi_allowed(struct vcpu *vcpu)
{
	return !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (IRQBLK_STI | IRQBLK_MOV_SS | IRQBLK_NMI));
}

void inject_set_nmi_masked(struct vcpu *vcpu, bool masked)
{
	u32 block = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	if (masked)
		block |= IRQBLK_NMI;
	else
		block &= ~IRQBLK_NMI;
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, block);
}

/*
 * While one is blocked, or on its way, the processor remembers one more; else the first
 * is delivered before it can see a second. Context: the vCPU's VMCS is current.
 */
static u8 most_nmis(struct vcpu *vcpu)
{
	return vcpu->inject.nmi.injected || inject_nmi_masked(vcpu) ? 1 : 2;
}

void inject_take_nmi(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (vcpu_take_request(vcpu, REQ_NMI) && in->nmi.pending < most_nmis(vcpu))
		in->nmi.pending++;
}

void inject_set_nmis(struct vcpu *vcpu, u8 pending)
{
	vcpu->inject.nmi.pending = min(pending, most_nmis(vcpu));
}

bool inject_has_error(u8 vector)
{
	return vector < 32 && BIT(vector) & VECTORS_WITH_ERROR;
}

static void set_window(struct vcpu *vcpu, u32 bit, bool on)
{
	u32 proc = vcpu->vmcs->ctl[CTL_PROC1];

	vmcs_ctl_set(vcpu->vmcs, CTL_PROC1, on ? proc | bit : proc & ~bit);
}

void inject_irq_window(struct vcpu *vcpu, bool on)
{
	set_window(vcpu, PROC_INT_WINDOW, on);
}

/*
 * In STI's shadow a processor may open the NMI window at once, again and again,
 * while no NMI is to be injected there: the interrupt window opens after it.
 */
void inject_nmi_window(struct vcpu *vcpu, bool on)
{
	if (on && (vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_STI))
		inject_irq_window(vcpu, true);
	else
		set_window(vcpu, PROC_NMI_WINDOW, on);
}

/*
 * After each exit: an event whose delivery the exit cut short is to be
 * injected again; one that was delivered is forgotten.
 */
static void recover_exception(struct vcpu *vcpu, u32 info)
{
	struct vcpu_inject *in = &vcpu->inject;

	in->exception.injected = true;
	in->exception.pending = false;
	in->exception.vector = info & INTR_VECTOR;
	in->exception.has_payload = false;
	in->exception.type = info & INTR_TYPE_MASK;
	in->exception.has_error = info & INTR_HAS_ERROR;
	in->exception.error = in->exception.has_error ? vmread(VMCS_IDT_VECTORING_ERROR) : 0;
	if (intr_type_software(info))
		in->insn_len = vmread(VMCS_EXIT_INSN_LEN);
}

void inject_recover(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;
	u32 info = vcpu->idt_vectoring;

	in->exception.injected = false;
	in->irq.injected = false;
	in->nmi.injected = false;
	if (likely(!(info & INTR_VALID)))
		return;
	vcpu_request(vcpu, REQ_EVENT);
	switch (info & INTR_TYPE_MASK) {
	case INTR_TYPE_NMI:
		in->nmi.injected = true;
		/* It is delivered anew, and only then are NMIs blocked. */
		inject_set_nmi_masked(vcpu, false);
		break;
	case INTR_TYPE_HARD_EXC:
	case INTR_TYPE_SOFT_EXC:
	case INTR_TYPE_PRIV_SW_EXC: recover_exception(vcpu, info); break;
	case INTR_TYPE_SOFT_INT: in->insn_len = vmread(VMCS_EXIT_INSN_LEN); fallthrough;
	case INTR_TYPE_EXT:
		in->irq.injected = true;
		in->irq.vector = info & INTR_VECTOR;
		in->irq.soft = (info & INTR_TYPE_MASK) == INTR_TYPE_SOFT_INT;
		break;
	}
}
