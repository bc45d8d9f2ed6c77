// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device memory: fetches the instruction that touched it, has it decoded and
 * emulated, and asks the kernel's devices, then userspace (KVM_EXIT_MMIO). The
 * exit handler of EPT violations comes here, for L1 and for L2. decode.c knows
 * the instruction, emulate.c runs it; here is the vCPU behind it. Tour, stop 7.
 *
 * What a reader must know: an emulation that waits for userspace is kept in
 * vcpu->mmio and goes on in vcpu->complete at the next KVM_RUN, unless
 * userspace has moved RIP meanwhile.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <asm/processor-flags.h>
#include <vmx/info.h>

#include "cpu/debug.h"
#include "cpu/inject.h"
#include "cpu/trace.h"
#include "cpu/vcpu.h"
#include "emulate/device.h"
#include "emulate/gva.h"
#include "emulate/mmio.h"

struct mmio_op *mmio_op_get(struct vcpu *vcpu)
{
	if (!vcpu->mmio)
		vcpu->mmio = kzalloc(sizeof(*vcpu->mmio), GFP_KERNEL_ACCOUNT);
	return vcpu->mmio;
}

/* ---- the vCPU, as the emulator sees it ---- */

static u64 op_get_gpr(void *guest, u8 reg)
{
	return vcpu_gpr(guest, reg);
}

static void op_set_gpr(void *guest, u8 reg, u64 value)
{
	vcpu_set_gpr(guest, reg, value);
}

static u64 op_get_rip(void *guest)
{
	return vcpu_rip(guest);
}

static u64 op_get_rflags(void *guest)
{
	return vcpu_rflags(guest);
}

static void op_set_rflags(void *guest, u64 rflags)
{
	vcpu_set_rflags(guest, rflags);
}

static void op_get_xmm(void *guest, u8 reg, void *value)
{
	struct vcpu *vcpu = guest;

	compat_fpu_get_xmm(&vcpu->fpu.state, reg, value);
}

static void op_set_xmm(void *guest, u8 reg, const void *value)
{
	struct vcpu *vcpu = guest;

	compat_fpu_set_xmm(&vcpu->fpu.state, reg, value);
}

/* Of gva.h's answers -EFAULT comes with a fault: the emulator's word for that is EMU_FAULT. */
static int emu_result(int ret)
{
	return ret == -EFAULT ? EMU_FAULT : ret;
}

static int op_linear(void *guest, u8 seg, u64 offset, u8 size, bool write, u64 *linear,
		     struct x86_fault *fault)
{
	return emu_result(gva_linear(guest, seg, offset, size, write, linear, fault));
}

static int op_may_jump(void *guest, u64 target, struct x86_fault *fault)
{
	return emu_result(gva_may_jump(guest, target, fault));
}

static u8 op_stack_size(void *guest __maybe_unused)
{
	return vmread(VMCS_GUEST_SS_AR) & AR_DB ? 4 : 2;
}

/* Uses what the exit told about the page (set_hint()), which spares a walk. */
static int op_translate(void *guest, u64 linear, bool write, u64 *gpa, struct x86_fault *fault)
{
	struct vcpu *vcpu = guest;
	struct mmio_op *op = vcpu->mmio;
	struct access access = { .write = write };

	if (op->hint_valid && (linear & PAGE_MASK) == op->hint_linear &&
	    (!write || op->hint_write)) {
		*gpa = op->hint_gpa | offset_in_page(linear);
		return 0;
	}
	if (vcpu->at_once)
		return -EBUSY; /* a walk may sleep */
	access.user = vcpu_cpl(vcpu) == 3;
	return emu_result(gva_translate(vcpu, linear, &access, gpa, fault));
}

static void trace_mmio(bool write, u64 gpa, const void *data, u8 len)
{
	u64 value = 0;

	if (!trace_abyme_mmio_enabled())
		return;
	memcpy(&value, data, len);
	trace_abyme_mmio(write, len, gpa, value);
}

/*
 * An operand may be memory: MOVS has two, and one of them may be no device. With interrupts off
 * only devices are asked; mmio_at_once() has made sure that the operand is none of RAM.
 */
static int op_read(void *guest, u64 gpa, void *data, u8 len)
{
	struct vcpu *vcpu = guest;

	if (!vcpu->at_once && !mem_read(vcpu->vm, gpa, data, len))
		return 0;
	if (bus_read(vcpu, BUS_MMIO, gpa, len, data))
		return EMU_MMIO;
	trace_mmio(false, gpa, data, len);
	return 0;
}

/*
 * In this order: memory, devices in the kernel, ioeventfds of any length,
 * coalesced zones, userspace.
 */
static int op_write(void *guest, u64 gpa, const void *data, u8 len)
{
	struct vcpu *vcpu = guest;

	if (!vcpu->at_once && !mem_write(vcpu->vm, gpa, data, len))
		return 0;
	trace_mmio(true, gpa, data, len);
	if (!bus_write(vcpu, BUS_MMIO, gpa, len, data))
		return 0;
	if (!bus_write(vcpu, BUS_FAST_MMIO, gpa, 0, NULL))
		return 0;
	return coalesced_write(vcpu->vm, false, gpa, data, len) ? 0 : EMU_MMIO;
}

static void op_accessed(void *guest, u64 linear, u8 len, bool write)
{
	debug_note_data(guest, linear, len, write);
}

/* A REP must not keep requests, signals, the scheduler or single-step traps waiting. */
static bool op_must_pause(void *guest)
{
	struct vcpu *vcpu = guest;

	return READ_ONCE(vcpu->requests) || signal_pending(current) || need_resched() ||
	       vcpu->debug.active || vcpu_rflags(vcpu) & X86_EFLAGS_TF;
}

static const struct emu_ops vcpu_ops = {
	.get_gpr = op_get_gpr,
	.set_gpr = op_set_gpr,
	.get_rip = op_get_rip,
	.get_rflags = op_get_rflags,
	.set_rflags = op_set_rflags,
	.get_xmm = op_get_xmm,
	.set_xmm = op_set_xmm,
	.linear = op_linear,
	.translate = op_translate,
	.may_jump = op_may_jump,
	.stack_size = op_stack_size,
	.read = op_read,
	.write = op_write,
	.accessed = op_accessed,
	.must_pause = op_must_pause,
};

/* ---- ways out ---- */

int mmio_give_up(struct vcpu *vcpu, const u8 *bytes, size_t len, const char *reason)
{
	struct kvm_run *run = vcpu->run;
	char *text = (char *)&run->internal.data[3];
	size_t room = sizeof(run->internal.data) - 3 * sizeof(run->internal.data[0]);

	/* An exit to userspace would let a program of the guest's, or an L2, end the whole VM. */
	if (vcpu->in_l2 || vcpu_cpl(vcpu) != 0)
		return inject_ud(vcpu);
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->internal, 0, sizeof(run->internal));
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	if (bytes && len) {
		run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
		run->emulation_failure.insn_size = len;
		memcpy(run->emulation_failure.insn_bytes, bytes, len);
	}
	strscpy(text, reason, room);
	run->emulation_failure.ndata = ARRAY_SIZE(run->internal.data);
	return 0;
}

/*
 * The processor came to device memory while it delivered an event: its IDT or its stack is
 * there. Of L1 userspace is told. An L2 must not end L1's VM so: for it, delivery ends as with
 * memory that reads as ones and is no gate or stack, in a triple fault, which L1 gets as an exit.
 */
static int delivery_failed(struct vcpu *vcpu, u64 gpa)
{
	struct kvm_run *run = vcpu->run;

	if (vcpu->in_l2) {
		vcpu->idt_vectoring = 0; /* a triple fault is no exit during delivery */
		inject_recover(vcpu);
		vcpu_request(vcpu, REQ_TRIPLE_FAULT);
		return 1;
	}
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 4;
	run->internal.data[0] = vcpu->idt_vectoring;
	run->internal.data[1] = vcpu->exit_reason;
	run->internal.data[2] = vcpu_exit_qual(vcpu);
	run->internal.data[3] = gpa;
	return 0;
}

static int mmio_continue(struct vcpu *vcpu);

static int complete_mmio(struct vcpu *vcpu)
{
	struct mmio_op *op = vcpu->mmio;

	/* Userspace has put the guest elsewhere, perhaps by a reset: the instruction is void. */
	if (vcpu_rip(vcpu) != op->rip)
		return 1;
	if (!op->emu.pending.write)
		trace_mmio(false, op->emu.pending.gpa, vcpu->run->mmio.data, op->emu.pending.len);
	emu_complete(&op->emu, vcpu->run->mmio.data);
	/* Userspace may have changed the guest's page tables: what the exit told is old. */
	op->hint_valid = false;
	return mmio_continue(vcpu);
}

static int mmio_exit_to_userspace(struct vcpu *vcpu)
{
	const struct emu_access *access = &vcpu->mmio->emu.pending;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = access->gpa;
	run->mmio.len = access->len;
	run->mmio.is_write = access->write;
	if (access->write)
		memcpy(run->mmio.data, access->data, access->len);
	vcpu->mmio->rip = vcpu_rip(vcpu);
	vcpu->complete = complete_mmio;
	return 0;
}

static int mmio_continue(struct vcpu *vcpu)
{
	struct mmio_op *op = vcpu->mmio;
	int ret;

	ret = emu_run(&op->emu, &vcpu_ops, vcpu);
	switch (ret) {
	case EMU_DONE: return vcpu_skip_bytes(vcpu, op->emu.insn.len);
	case EMU_REPEAT: return vcpu_skip_bytes(vcpu, 0);
	case EMU_JUMPED: return vcpu_jump(vcpu, op->emu.target);
	case EMU_MMIO: return mmio_exit_to_userspace(vcpu);
	case EMU_FAULT: return fault_inject(vcpu, &op->emu.fault);
	}
	if (vcpu->at_once)
		return EXIT_LATER; /* the operand needs a walk; nothing was accessed yet */
	if (ret == -EAGAIN || ret == -EINTR)
		return 1; /* the guest repeats the access, or L1 is owed an exit */
	return mmio_give_up(vcpu, NULL, 0, "its memory operand could not be read or written");
}

/* ---- the way in ---- */

/*
 * The linear address is the exit's only if it is valid and the access was the
 * final one, not one of a walk. SDM: "Exit Qualification for EPT Violations".
 * And only if the guest's processor has so wide an address: bits that are
 * reserved there, and not in ours, are a fault that the walk finds.
 */
static void set_hint(struct vcpu *vcpu, struct mmio_op *op, u64 gpa)
{
	u64 qual = vcpu_exit_qual(vcpu);

	op->hint_valid = (qual & EPTQ_LINEAR_VALID) && (qual & EPTQ_FINAL) &&
			 !(gpa >> vcpu->cpuid.maxphyaddr);
	if (!op->hint_valid)
		return;
	op->hint_write = qual & EPTQ_WRITE;
	op->hint_linear = vmread(VMCS_GUEST_LINEAR_ADDR) & PAGE_MASK;
	op->hint_gpa = gpa & PAGE_MASK;
}

/* Return: 0: op->emu.insn can be emulated; else *@answer is what the handler answers. */
static int mmio_fetch(struct vcpu *vcpu, struct mmio_op *op, int *answer)
{
	struct insn *insn = &op->emu.insn;
	struct code_bytes bytes;
	struct x86_fault fault;
	int ret = code_fetch(vcpu, &op->code, insn, &bytes, &fault);

	*answer = 1;
	switch (ret) {
	case 0:
		if (!insn_is_jump(insn) || !cet_active(vcpu))
			return 0;
		*answer = mmio_give_up(vcpu, bytes.byte, bytes.len,
				       "a call or jump while CET watches them");
		return -EINVAL;
	case -EFAULT: fault_inject(vcpu, &fault); break;
	case -EAGAIN:
	case -EINTR: break;
	case -EINVAL:
		/*
		 * It may be L1's VMREAD or VMWRITE, which the processor executes with a shadow
		 * VMCS. Without one the instruction exits, and nested/ emulates it.
		 */
		if (!vcpu->nested || !nested_unshadow(vcpu))
			*answer = mmio_give_up(vcpu, bytes.byte, bytes.len, insn->reason);
		break;
	default: *answer = mmio_give_up(vcpu, NULL, 0, "the instruction is not in memory");
	}
	return ret;
}

int mmio_emulate(struct vcpu *vcpu, u64 gpa)
{
	struct mmio_op *op = mmio_op_get(vcpu);
	int answer;

	if (!op)
		return -ENOMEM;
	vcpu->stats.mmio_exits++;
	if (vcpu->idt_vectoring & INTR_VALID)
		return delivery_failed(vcpu, gpa);
	if (!code_at_hand(vcpu, &op->code, &op->emu.insn) && mmio_fetch(vcpu, op, &answer))
		return answer;
	set_hint(vcpu, op, gpa);
	emu_start(&op->emu);
	return mmio_continue(vcpu);
}

/*
 * String instructions may take long, and with interrupts off the guest's XMM registers are not
 * in memory. All others locate their operands before they access one, so that EXIT_LATER
 * leaves nothing half done.
 */
static bool insn_is_short(const struct insn *insn)
{
	return insn->form != FORM_STRING && insn->op != OP_MOVX;
}

/* An access of L1's, no event was being delivered, no NMI to be blocked again, and no RAM. */
static bool exit_is_plain(struct vcpu *vcpu, u64 gpa)
{
	return !vcpu->in_l2 && !(vcpu->idt_vectoring & INTR_VALID) &&
	       !(vcpu_exit_qual(vcpu) & EPTQ_NMI_UNBLOCK) && !mem_is_ram(vcpu->vm, gpa, false);
}

int mmio_at_once(struct vcpu *vcpu, u64 gpa)
{
	struct mmio_op *op = vcpu->mmio;
	struct insn *insn = &op->emu.insn;

	if (!op || !exit_is_plain(vcpu, gpa) || !code_at_hand(vcpu, &op->code, insn) ||
	    !insn_is_short(insn))
		return EXIT_LATER;
	vcpu->stats.mmio_exits++;
	set_hint(vcpu, op, gpa);
	emu_start(&op->emu);
	return mmio_continue(vcpu);
}
