// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event injection: exceptions as handlers raise them, and the VMCS fields by
 * which an event gets into the guest.
 *
 * Everything here acts on the guest that runs, be it L1 or L2: on vcpu->inject
 * and on whichever VMCS is current. Raising an exception only notes it; run.c
 * writes it into the VMCS before the next entry, and nested/ may give it to L1
 * instead.
 *
 * What a reader must know: an event is *pending* until it is written into the
 * VMCS and *injected* afterwards. If an exit interrupts its delivery,
 * inject_recover() takes it back, and it is injected again.
 *
 * Context: the vCPU's thread with the vCPU loaded. Others ask for an NMI by
 * REQ_NMI, and for no other event.
 */

#include <vmx/controls.h>
#include <vmx/info.h>

#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "hw/caps.h"

/*
 * The classes of exceptions that decide which pairs of them make a double
 * fault.
 * SDM: "Interrupt 8—Double Fault Exception (#DF)".
 */
enum exc_class { EXC_BENIGN, EXC_CONTRIBUTORY, EXC_PAGE_FAULT };

static enum exc_class inject_class_of(u8 vector)
{
	switch (vector) {
	case VEC_PF:
	case VEC_VE: return EXC_PAGE_FAULT;
	case VEC_DE:
	case VEC_TS:
	case VEC_NP:
	case VEC_SS:
	case VEC_GP:
	case VEC_CP: return EXC_CONTRIBUTORY;
	default: return EXC_BENIGN;
	}
}

static bool makes_double_fault(u8 first, u8 second)
{
	enum exc_class a = inject_class_of(first), b = inject_class_of(second);

	return (a == EXC_CONTRIBUTORY && b == EXC_CONTRIBUTORY) ||
	       (a == EXC_PAGE_FAULT && b != EXC_BENIGN);
}

u32 inject_exception_type(u8 vector)
{
	return vector == VEC_BP || vector == VEC_OF ? INTR_TYPE_SOFT_EXC : INTR_TYPE_HARD_EXC;
}

/*
 * A fault pushes RFLAGS with RF set, so that the instruction, begun again, does
 * not hit the same breakpoint. #DB may be a fault or a trap: whoever raises it
 * decides. The flag must be in the VMCS even if the fault becomes an exit to L1
 * instead, as the saved RFLAGS has it then. SDM: "Resume Flag (RF)".
 */
void inject_set_resume_flag(struct vcpu *vcpu, u8 vector)
{
	const u32 no_faults = BIT(VEC_DB) | BIT(VEC_BP) | BIT(VEC_OF) | BIT(VEC_DF) | BIT(VEC_MC);

	if (!(no_faults & BIT(vector)))
		vcpu_set_rflags(vcpu, vcpu_rflags(vcpu) | X86_EFLAGS_RF);
}

/*
 * Notes an exception, and answers 1. A second one before the first is delivered combines with
 * it as on the processor: into a double fault or a triple fault, or else it takes its place.
 * @payload: CR2 of a page fault, DR6 of a debug exception. It is written to the
 * register only at delivery, since L1 may intercept the exception, and then the
 * register must not have changed.
 */
static int inject_raise(struct vcpu *vcpu, u8 vector, bool has_error, u32 error, bool has_payload,
			u64 payload)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (in->exception.pending || in->exception.injected) {
		u8 first = in->exception.vector;

		if (first == VEC_DF) {
			in->exception.pending = false;
			in->exception.injected = false;
			vcpu_request(vcpu, REQ_TRIPLE_FAULT);
			return 1;
		}
		if (makes_double_fault(first, vector)) {
			vector = VEC_DF;
			has_error = true;
			error = 0;
			has_payload = false;
		}
		/* Else the second replaces the first, which will be raised again. */
	}
	in->exception.injected = false;
	in->exception.pending = true;
	in->exception.vector = vector;
	in->exception.has_error = has_error;
	in->exception.error = error;
	in->exception.has_payload = has_payload;
	in->exception.payload = payload;
	in->exception.type = inject_exception_type(vector);
	inject_set_resume_flag(vcpu, vector);
	vcpu_request(vcpu, REQ_EVENT);
	return 1;
}

int inject_exception(struct vcpu *vcpu, u8 vector)
{
	return inject_raise(vcpu, vector, false, 0, false, 0);
}

int inject_exception_err(struct vcpu *vcpu, u8 vector, u32 error)
{
	return inject_raise(vcpu, vector, true, error, false, 0);
}

int inject_pf(struct vcpu *vcpu, u32 error, u64 cr2)
{
	return inject_raise(vcpu, VEC_PF, true, error, true, cr2);
}

int inject_db(struct vcpu *vcpu, unsigned long dr6)
{
	return inject_raise(vcpu, VEC_DB, false, 0, true, dr6);
}

void inject_as_int1(struct vcpu *vcpu, u8 insn_len)
{
	vcpu->inject.exception.type = INTR_TYPE_PRIV_SW_EXC;
	vcpu->inject.insn_len = insn_len;
}

int inject_irq_vector(const struct vcpu *vcpu, bool elsewhere)
{
	const struct vcpu_inject *in = &vcpu->inject;

	if (!elsewhere && in->irq.injected && !in->irq.soft)
		return in->irq.vector;
	return in->user_irq & USER_IRQ_VALID ? (u8)in->user_irq : -1;
}

/*
 * Restores what inject_irq_vector() gave. @soft: it is an INTn in delivery, which cannot be
 * queued. @elsewhere: the nested state has the injected interrupt, so this is the queued one.
 */
void inject_set_irq_vector(struct vcpu *vcpu, int vector, bool soft, bool elsewhere)
{
	struct vcpu_inject *in = &vcpu->inject;

	/*
	 * Userspace does not say whether the interrupt was injected or queued.
	 * Queued, it is not lost if IF is clear. With a LAPIC it may be one of
	 * the LAPIC's own, which LINT0 need not let through: it is queued only
	 * if it could not be injected.
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

/*
 * An event ends HLT, which the VMCS may hold as the activity state.
 * SDM: "VM-Entry Controls for Event Injection".
 * @insn_len: what RIP moves by when the event is delivered; only software
 * interrupts and exceptions have it.
 */
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
	/*
	 * A shadow ends with the delivery. The #DB of a step over STI was an exit that has nothing
	 * pending, and with TF the entry would want BS. SDM: "Checks on Guest Non-Register State".
	 */
	if ((info & (INTR_TYPE_MASK | INTR_VECTOR)) == (INTR_TYPE_HARD_EXC | VEC_DB))
		vcpu_end_shadow();
	vcpu_end_hlt(vcpu);
	vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_VALID);
}

void inject_cancel(struct vcpu *vcpu)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
}

/*
 * A VM entry that injects an external interrupt fails unless IF is set and
 * neither STI nor MOV SS blocks. SDM: "Checks on Guest Non-Register State".
 */
bool inject_irq_allowed(struct vcpu *vcpu)
{
	return (vcpu_rflags(vcpu) & X86_EFLAGS_IF) && !debug_blocks_irq(vcpu) &&
	       !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (IRQBLK_STI | IRQBLK_MOV_SS));
}

bool inject_nmi_masked(struct vcpu *vcpu)
{
	return vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_NMI;
}

/*
 * The processor need not refuse an NMI in STI's shadow at entry, but some do,
 * so it waits there too.
 */
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
 * How many NMIs can wait. While NMIs are blocked, or one is on its way, the
 * processor remembers one more. Otherwise the first is delivered before the
 * processor can see a second one, so that both count.
 * Context: the vCPU's VMCS is current.
 */
static u8 most_nmis(struct vcpu *vcpu)
{
	return vcpu->inject.nmi.injected || inject_nmi_masked(vcpu) ? 1 : 2;
}

void inject_take_nmi(struct vcpu *vcpu)
{
	struct vcpu_inject *in = &vcpu->inject;

	if (!vcpu_take_request(vcpu, REQ_NMI))
		return;
	if (in->nmi.pending < most_nmis(vcpu))
		in->nmi.pending++;
	/* Whoever looked for events before this found no NMI, and must look again. */
	vcpu_request(vcpu, REQ_EVENT);
}

void inject_set_nmis(struct vcpu *vcpu, u8 pending)
{
	vcpu->inject.nmi.pending = min(pending, most_nmis(vcpu));
}

/* #CP has its code only with CET, as processors without it refuse to inject one for that vector. */
bool inject_has_error(u8 vector)
{
	return vector == VEC_CP ? hw_has_cet() : vector_has_error(vector);
}

/* Userspace says whether it has one. Where the processor leaves no choice its vector decides. */
bool inject_error_wanted(u8 vector, bool wanted)
{
	return hw_caps.basic & BASIC_NO_ERROR_CODE ? wanted : inject_has_error(vector);
}

/*
 * A window is an exit as soon as the guest can take the event that waits.
 * vmcs_ctl_set() writes the VMCS only if the bit changes.
 */
static void set_window(struct vcpu *vcpu, u32 bit, bool on)
{
	u32 proc = vcpu->vmcs->ctl[CTL_PROC1];

	vmcs_ctl_set(vcpu->vmcs, CTL_PROC1, on ? proc | bit : proc & ~bit);
}

void inject_tpr_window(struct vcpu *vcpu, u8 class)
{
	if (vcpu->tpr_threshold == class)
		return;
	vcpu->tpr_threshold = class;
	vmwrite(VMCS_TPR_THRESHOLD, class);
}

void inject_irq_window(struct vcpu *vcpu, bool on)
{
	set_window(vcpu, PROC_INT_WINDOW, on);
}

/*
 * In STI's shadow the NMI window may open at once, and again after each entry,
 * because no NMI is injected there. So there it waits for the interrupt window,
 * which opens only after the shadow.
 */
void inject_nmi_window(struct vcpu *vcpu, bool on)
{
	if (on && (vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_STI))
		inject_irq_window(vcpu, true);
	else
		set_window(vcpu, PROC_NMI_WINDOW, on);
}

void inject_take(struct vcpu *vcpu, u32 info, u32 error, u32 insn_len)
{
	struct vcpu_inject *in = &vcpu->inject;
	u32 type = info & INTR_TYPE_MASK;

	in->insn_len = insn_len;
	switch (type) {
	case INTR_TYPE_NMI:
		in->nmi.injected = true;
		/* An entry that injects an NMI demands that NMIs are not blocked before. */
		inject_set_nmi_masked(vcpu, false);
		break;
	case INTR_TYPE_EXT:
	case INTR_TYPE_SOFT_INT:
		in->irq.injected = true;
		in->irq.vector = info & INTR_VECTOR;
		in->irq.soft = type == INTR_TYPE_SOFT_INT;
		break;
	default:
		in->exception.injected = true;
		in->exception.pending = false;
		in->exception.vector = info & INTR_VECTOR;
		in->exception.has_payload = false; /* it is in CR2 or DR6 already */
		in->exception.type = type;
		in->exception.has_error = info & INTR_HAS_ERROR;
		in->exception.error = info & INTR_HAS_ERROR ? error : 0;
	}
}

/*
 * Called after each exit. Whatever was injected has been delivered, unless the
 * IDT-vectoring information says that the exit came in the middle: then the
 * event is to be injected again. SDM: "Information for VM Exits That Occur
 * During Event Delivery".
 */
void inject_recover(struct vcpu *vcpu)
{
	u32 info = vcpu->idt_vectoring;

	inject_delivered(&vcpu->inject);
	if (likely(!(info & INTR_VALID)))
		return;
	vcpu_request(vcpu, REQ_EVENT);
	inject_take(vcpu, info, vmread(VMCS_IDT_VECTORING_ERROR), vmread(VMCS_EXIT_INSN_LEN));
}
