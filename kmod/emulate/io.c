// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O: IN, OUT, INS and OUTS. Devices in the kernel are asked first, then
 * userspace, by KVM_EXIT_IO with the data in the second page of the vCPU's
 * mapping. Tour, stop 7.
 *
 * What a reader must know: an instruction that waits for userspace is kept in
 * vcpu->mmio->pio and ended by vcpu->complete at the next KVM_RUN, unless
 * userspace has moved RIP meanwhile. A REP is done in batches, between which
 * the guest may take interrupts.
 */
#include <linux/mm.h>
#include <asm/processor-flags.h>
#include <vmx/info.h>

#include "cpu/cr_checks.h"
#include "cpu/debug.h"
#include "cpu/inject.h"
#include "cpu/trace.h"
#include "cpu/vcpu.h"
#include "emulate/alu.h"
#include "emulate/device.h"
#include "emulate/gva.h"
#include "emulate/mmio.h"

/* Offset of the data in the vCPU's mapping, in pages. */
#define PIO_PAGE 1

/*
 * Ends the instruction, of @len bytes, or with 0 a batch of its iterations. Breakpoints on the
 * port and on INS's and OUTS's memory become due.
 */
static int io_done(struct vcpu *vcpu, const struct pio *pio, u32 len)
{
	if (unlikely(vcpu->debug.active)) {
		debug_note_io(vcpu, pio->port, pio->size);
		if (pio->string)
			debug_note_data(vcpu, pio->linear, pio->size, pio->in);
	}
	return vcpu_skip_bytes(vcpu, len);
}

static int pio_exit_to_userspace(struct vcpu *vcpu, u32 count, int (*complete)(struct vcpu *vcpu))
{
	struct pio *pio = &vcpu->mmio->pio;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = pio->in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = pio->size;
	run->io.port = pio->port;
	run->io.count = count;
	run->io.data_offset = PIO_PAGE * PAGE_SIZE;
	pio->count = count;
	pio->rip = vcpu_rip(vcpu);
	vcpu->complete = complete;
	return 0;
}

/* Did userspace leave the guest at the instruction? */
static bool still_there(struct vcpu *vcpu)
{
	return vcpu_rip(vcpu) == vcpu->mmio->pio.rip;
}

/* Return: 0: a device in the kernel or a coalesced zone took it; -EOPNOTSUPP: none did. */
static int write_port(struct vcpu *vcpu, const struct pio *pio, const void *data)
{
	if (!bus_write(vcpu, BUS_PIO, pio->port, pio->size, data))
		return 0;
	return coalesced_write(vcpu->vm, true, pio->port, data, pio->size) ? 0 : -EOPNOTSUPP;
}

/* ---- IN and OUT ---- */

static int finish_in(struct vcpu *vcpu, u32 value)
{
	const struct pio *pio = &vcpu->mmio->pio;
	unsigned long rax = vcpu_gpr(vcpu, GPR_RAX);

	trace_abyme_pio(false, pio->port, pio->size, 1, value);
	/* A 32-bit result clears the upper half of RAX. */
	if (pio->size == 4)
		rax = value;
	else
		rax = (rax & ~size_mask(pio->size)) | (value & size_mask(pio->size));
	vcpu_set_gpr(vcpu, GPR_RAX, rax);
	return io_done(vcpu, pio, pio->insn_len);
}

static int complete_in(struct vcpu *vcpu)
{
	u32 value = 0;

	if (!still_there(vcpu))
		return 1;
	memcpy(&value, vcpu->pio_data, vcpu->mmio->pio.size);
	return finish_in(vcpu, value);
}

static int complete_out(struct vcpu *vcpu)
{
	if (!still_there(vcpu))
		return 1;
	return io_done(vcpu, &vcpu->mmio->pio, vcpu->mmio->pio.insn_len);
}

static int do_in(struct vcpu *vcpu, const struct pio *pio)
{
	u32 value = 0;

	if (!bus_read(vcpu, BUS_PIO, pio->port, pio->size, &value))
		return finish_in(vcpu, value);
	return pio_exit_to_userspace(vcpu, 1, complete_in);
}

static int do_out(struct vcpu *vcpu, const struct pio *pio)
{
	u32 value = vcpu_gpr(vcpu, GPR_RAX);

	trace_abyme_pio(true, pio->port, pio->size, 1, value & size_mask(pio->size));
	if (!write_port(vcpu, pio, &value))
		return io_done(vcpu, pio, pio->insn_len);
	memcpy(vcpu->pio_data, &value, pio->size);
	return pio_exit_to_userspace(vcpu, 1, complete_out);
}

/* ---- INS and OUTS ---- */

static u64 get_masked(struct vcpu *vcpu, const struct pio *pio, enum gpr reg)
{
	return vcpu_gpr(vcpu, reg) & size_mask(pio->addr_size);
}

/*
 * 32-bit registers clear the upper half when they are written; 16-bit ones keep
 * the rest.
 */
static void set_masked(struct vcpu *vcpu, const struct pio *pio, enum gpr reg, u64 value)
{
	u64 mask = size_mask(pio->addr_size);

	value &= mask;
	if (pio->addr_size == 2)
		value |= vcpu_gpr(vcpu, reg) & ~mask;
	vcpu_set_gpr(vcpu, reg, value);
}

static bool pio_backwards(struct vcpu *vcpu)
{
	return vcpu_rflags(vcpu) & X86_EFLAGS_DF;
}

/* After @done elements: moves rSI or rDI and rCX on, and ends the instruction after the last. */
static int pio_advance(struct vcpu *vcpu, const struct pio *pio, u32 done)
{
	enum gpr reg = pio->in ? GPR_RDI : GPR_RSI;
	u64 step = (u64)done * pio->size, left = 0;

	if (pio_backwards(vcpu))
		step = -step;
	set_masked(vcpu, pio, reg, get_masked(vcpu, pio, reg) + step);
	if (pio->rep) {
		left = get_masked(vcpu, pio, GPR_RCX) - done;
		set_masked(vcpu, pio, GPR_RCX, left);
	}
	trace_abyme_pio(!pio->in, pio->port, pio->size, done, *(u8 *)vcpu->pio_data);
	/* Between batches the guest may take an interrupt. */
	return io_done(vcpu, pio, left ? 0 : pio->insn_len);
}

static int fault_or_give_up(struct vcpu *vcpu, int ret, const struct x86_fault *fault)
{
	if (ret == -EFAULT)
		return fault_inject(vcpu, fault);
	if (ret == -EAGAIN || ret == -EINTR)
		return 1;
	return mmio_give_up(vcpu, NULL, 0, "string I/O with an operand that is not memory");
}

/*
 * How many elements make a batch: those in the same page as the first, which always fit into
 * the data page. Only one, if it crosses into the next page, if DF is set, or if a trap may be
 * due after each iteration.
 */
static u32 batch_size(struct vcpu *vcpu, const struct pio *pio, u64 linear)
{
	u32 fit = (PAGE_SIZE - offset_in_page(linear)) / pio->size;

	if (!pio->rep || !fit || pio_backwards(vcpu) || vcpu->debug.active ||
	    vcpu_rflags(vcpu) & X86_EFLAGS_TF)
		return 1;
	return min_t(u64, fit, get_masked(vcpu, pio, GPR_RCX));
}

static int store_ins(struct vcpu *vcpu, const struct pio *pio, u32 count)
{
	struct x86_fault fault;
	int ret;

	ret = gva_write(vcpu, pio->linear, vcpu->pio_data, count * pio->size, &fault);
	return ret ? fault_or_give_up(vcpu, ret, &fault) : pio_advance(vcpu, pio, count);
}

/* How many elements of the batch RCX still asks for: userspace may have set it meanwhile. */
static u32 still_wanted(struct vcpu *vcpu, const struct pio *pio)
{
	return pio->rep ? min_t(u64, pio->count, get_masked(vcpu, pio, GPR_RCX)) : pio->count;
}

static int complete_ins(struct vcpu *vcpu)
{
	const struct pio *pio = &vcpu->mmio->pio;

	return still_there(vcpu) ? store_ins(vcpu, pio, still_wanted(vcpu, pio)) : 1;
}

static int complete_outs(struct vcpu *vcpu)
{
	const struct pio *pio = &vcpu->mmio->pio;

	return still_there(vcpu) ? pio_advance(vcpu, pio, still_wanted(vcpu, pio)) : 1;
}

/*
 * Return: how many elements, from the first on, a device in the kernel took; fewer than it would
 * where the thread is wanted elsewhere.
 */
static u32 bus_batch(struct vcpu *vcpu, const struct pio *pio, u32 count)
{
	void *data = vcpu->pio_data;
	u32 i;
	int ret;

	for (i = 0; i < count; i++, data += pio->size) {
		if (pio->in)
			ret = bus_read(vcpu, BUS_PIO, pio->port, pio->size, data);
		else
			ret = write_port(vcpu, pio, data);
		if (ret)
			break;
		if (need_resched() || signal_pending(current))
			return i + 1;
	}
	return i;
}

/* A destination that faults must do so before the device is read. */
static int do_ins(struct vcpu *vcpu, const struct pio *pio, u32 count)
{
	struct x86_fault fault;
	u32 done;
	int ret;

	ret = gva_probe_write(vcpu, pio->linear, count * pio->size, &fault);
	if (ret)
		return fault_or_give_up(vcpu, ret, &fault);
	done = bus_batch(vcpu, pio, count);
	if (done)
		return store_ins(vcpu, pio, done);
	return pio_exit_to_userspace(vcpu, count, complete_ins);
}

static int do_outs(struct vcpu *vcpu, const struct pio *pio, u32 count)
{
	struct x86_fault fault;
	u32 done;
	int ret;

	ret = gva_read(vcpu, pio->linear, vcpu->pio_data, count * pio->size, &fault);
	if (ret)
		return fault_or_give_up(vcpu, ret, &fault);
	done = bus_batch(vcpu, pio, count);
	if (done)
		return pio_advance(vcpu, pio, done);
	return pio_exit_to_userspace(vcpu, count, complete_outs);
}

static int do_string(struct vcpu *vcpu, struct pio *pio)
{
	u32 info = vmread(VMCS_EXIT_INSN_INFO), count;
	struct x86_fault fault;
	u64 offset;
	int ret;

	pio->addr_size = 2 << min_t(u32, INSN_ADDR_SIZE(info), 2);
	pio->seg = pio->in ? SEG_ES : min_t(u32, INSN_SEG(info), SEG_GS);
	if (pio->rep && !get_masked(vcpu, pio, GPR_RCX))
		return vcpu_skip_bytes(vcpu, pio->insn_len);
	offset = get_masked(vcpu, pio, pio->in ? GPR_RDI : GPR_RSI);
	ret = gva_linear(vcpu, pio->seg, offset, pio->size, pio->in, &pio->linear, &fault);
	if (ret)
		return fault_or_give_up(vcpu, ret, &fault);
	/* SDM: an exit goes before an alignment check, so that the check is L0's. */
	if (pio->linear % pio->size &&
	    alignment_checked(vcpu_cr0(vcpu), vcpu_rflags(vcpu), vcpu_cpl(vcpu)))
		return inject_exception_err(vcpu, VEC_AC, 0);
	count = batch_size(vcpu, pio, pio->linear);
	/* The whole batch must be within the segment; if not, the element that is not faults alone. */
	if (count > 1 &&
	    gva_linear(vcpu, pio->seg, offset, count * pio->size, pio->in, &pio->linear, &fault))
		count = 1;
	return pio->in ? do_ins(vcpu, pio, count) : do_outs(vcpu, pio, count);
}

/*
 * SDM: "Exit Qualification for I/O Instructions". For strings the instruction
 * information says more.
 */
int exit_io(struct vcpu *vcpu)
{
	struct mmio_op *op = mmio_op_get(vcpu);
	u64 qual = vcpu_exit_qual(vcpu);
	struct pio *pio;

	if (!op)
		return -ENOMEM;
	vcpu->stats.io_exits++;
	pio = &op->pio;
	pio->port = IOQ_PORT(qual);
	pio->size = IOQ_SIZE(qual);
	pio->in = qual & IOQ_IN;
	pio->string = qual & IOQ_STRING;
	pio->rep = qual & IOQ_REP;
	pio->insn_len = vmread(VMCS_EXIT_INSN_LEN);
	if (pio->string)
		return do_string(vcpu, pio);
	return pio->in ? do_in(vcpu, pio) : do_out(vcpu, pio);
}
