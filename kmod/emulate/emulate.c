// SPDX-License-Identifier: GPL-2.0-only
/*
 * Executes a decoded instruction on a guest's behalf. Pure logic: mmio.c gives
 * it the vCPU as a table of functions (struct emu_ops), unit tests give it a
 * struct, and compare with the processor. Tour, stop 7.
 *
 * What a reader must know is that a run may stop in the middle, for userspace
 * to answer an access, and is then begun again from the start. So each operand
 * remembers how much of it was read and written (struct emu_mem), nothing is
 * read or written twice, and registers and flags change last.
 *
 * SDM volume 2 says what each instruction does.
 */
#include "emulate/alu.h"
#include "emulate/emulate.h"

#define PAGE_BYTES 4096

/* One instruction, or one iteration of a REP, being executed. */
struct exec {
	struct emu *emu;
	const struct insn *insn;
	const struct emu_ops *ops;
	void *guest;
};

/* ---- registers ---- */

static u64 get_gpr(struct exec *x, u8 reg, u8 size)
{
	return x->ops->get_gpr(x->guest, reg) & size_mask(size);
}

/* 32-bit writes clear the upper half of the register, smaller ones keep the rest of it. */
static void set_gpr(struct exec *x, u8 reg, u8 size, u64 value)
{
	u64 mask = size_mask(size);

	value &= mask;
	if (size < 4)
		value |= x->ops->get_gpr(x->guest, reg) & ~mask;
	x->ops->set_gpr(x->guest, reg, value);
}

/* Reads the register operand, which may be AH, CH, DH or BH. */
static u64 get_reg(struct exec *x)
{
	if (x->insn->high_byte)
		return get_gpr(x, x->insn->reg, 2) >> 8;
	return get_gpr(x, x->insn->reg, x->insn->reg_size);
}

/* AH, CH, DH and BH are bits 15:8 of a register whose other bits stay. */
static void emu_set_reg(struct exec *x, u64 value)
{
	u64 low;

	if (!x->insn->high_byte) {
		set_gpr(x, x->insn->reg, x->insn->reg_size, value);
		return;
	}
	low = get_gpr(x, x->insn->reg, 1);
	set_gpr(x, x->insn->reg, 2, (value & 0xff) << 8 | low);
}

/* ---- memory ---- */

/* The operand's offset in its segment, which wraps at the address size. */
static u64 effective_address(struct exec *x)
{
	const struct insn *insn = x->insn;
	const struct insn_mem *mem = &insn->mem;
	u64 ea = mem->disp;
	s64 bit;

	if (mem->base != NO_GPR)
		ea += x->ops->get_gpr(x->guest, mem->base);
	/* POP computes an address that rests on RSP after it has raised RSP. SDM: "POP". */
	if (insn->op == OP_POP && mem->base == GPR_RSP)
		ea += insn->size;
	if (mem->index != NO_GPR)
		ea += x->ops->get_gpr(x->guest, mem->index) << mem->shift;
	if (mem->rip_relative)
		ea += x->ops->get_rip(x->guest) + insn->len;
	/* A bit offset in a register may reach memory beyond the operand, in both directions. */
	if (insn->op >= OP_BT && insn->op <= OP_BTC && insn->form == FORM_MEM_REG) {
		bit = sign_extend_bytes(get_reg(x), insn->size);
		ea += (bit >> __ffs(8 * insn->size)) * insn->size;
	}
	return ea & size_mask(insn->addr_size);
}

/*
 * struct kvm_run has room for EMU_MAX_PIECE bytes, so that a longer access is
 * made in pieces.
 */
static void add_pieces(struct emu_mem *mem, u64 gpa, u8 at, u8 len)
{
	u8 n;

	for (; len; len -= n, gpa += n, at += n) {
		n = min_t(u8, len, EMU_MAX_PIECE);
		mem->piece[mem->pieces++] = (struct emu_piece){ .gpa = gpa, .at = at, .len = n };
	}
}

/* Translates all pages of the operand before one is accessed: a fault must come before effects. */
static int emu_translate(struct exec *x, struct emu_mem *mem, bool write)
{
	u8 size = x->insn->size, at, in_page;
	u64 gpa, linear;
	int ret;

	for (at = 0; at < size; at += in_page) {
		linear = mem->linear + at;
		if (x->insn->mode != MODE_64)
			linear = (u32)linear;
		in_page = min_t(u64, size - at, PAGE_BYTES - linear % PAGE_BYTES);
		ret = x->ops->translate(x->guest, linear, write, &gpa, &x->emu->fault);
		if (ret) {
			mem->pieces = 0;
			return ret;
		}
		add_pieces(mem, gpa, at, in_page);
	}
	return 0;
}

/*
 * Finds where the operand is, unless an earlier part of this run has. Faults come in the
 * processor's order: of the segment, of alignment, of paging.
 */
static int emu_locate(struct exec *x, struct emu_mem *mem, u8 seg, u64 offset, bool write)
{
	const struct insn *insn = x->insn;
	int ret;

	if (mem->pieces)
		return 0;
	ret = x->ops->linear(x->guest, seg, offset, insn->size, write, &mem->linear,
			     &x->emu->fault);
	if (ret)
		return ret;
	/* MOVAPS and its kin demand an aligned operand, whatever RFLAGS.AC says. */
	if (insn->aligned && mem->linear % insn->size) {
		fault_set(&x->emu->fault, VEC_GP, 0);
		return EMU_FAULT;
	}
	/* CLFLUSH of device memory has nothing to flush, so that its page does not matter. */
	return insn->op == OP_FLUSH ? 0 : emu_translate(x, mem, write);
}

/* Remembers the access for which the run stops: mmio.c tells userspace about it. */
static void set_pending(struct exec *x, struct emu_mem *mem, const struct emu_piece *piece,
			bool write)
{
	struct emu_access *pending = &x->emu->pending;

	memset(pending, 0, sizeof(*pending));
	pending->gpa = piece->gpa;
	pending->len = piece->len;
	pending->write = write;
	pending->mem = mem - x->emu->mem;
	if (write)
		memcpy(pending->data, mem->out + piece->at, piece->len);
}

/* Data breakpoints on the operand are due once all of it was accessed. */
static void emu_note_access(struct exec *x, const struct emu_mem *mem, bool write)
{
	if (x->ops->accessed)
		x->ops->accessed(x->guest, mem->linear, x->insn->size, write);
}

/* Reads the pieces that were not read yet. Return: 0, EMU_MMIO, or errno. */
static int read_mem(struct exec *x, struct emu_mem *mem)
{
	const struct emu_piece *piece;
	int ret;

	for (; mem->nr_read < mem->pieces; mem->nr_read++) {
		piece = &mem->piece[mem->nr_read];
		ret = x->ops->read(x->guest, piece->gpa, mem->in + piece->at, piece->len);
		if (ret == EMU_MMIO)
			set_pending(x, mem, piece, false);
		if (ret)
			return ret;
	}
	emu_note_access(x, mem, false);
	return 0;
}

/* Writes the pieces of mem->out that were not written yet. Return: 0, EMU_MMIO, or errno. */
static int write_mem(struct exec *x, struct emu_mem *mem)
{
	const struct emu_piece *piece;
	int ret;

	for (; mem->nr_written < mem->pieces; mem->nr_written++) {
		piece = &mem->piece[mem->nr_written];
		ret = x->ops->write(x->guest, piece->gpa, mem->out + piece->at, piece->len);
		if (ret == EMU_MMIO)
			set_pending(x, mem, piece, true);
		if (ret)
			return ret;
	}
	emu_note_access(x, mem, true);
	return 0;
}

static u64 mem_value(const struct emu_mem *mem, u8 size)
{
	u64 value = 0;

	memcpy(&value, mem->in, min_t(u8, size, 8));
	return value;
}

static int write_value(struct exec *x, struct emu_mem *mem, u64 value)
{
	memcpy(mem->out, &value, min_t(u8, x->insn->size, 8));
	return write_mem(x, mem);
}

/* Changes the arithmetic flags. DF, IF and all others stay. */
static void emu_set_flags(struct exec *x, u64 flags)
{
	u64 rflags = x->ops->get_rflags(x->guest);

	x->ops->set_rflags(x->guest, (rflags & ~ALU_FLAGS) | (flags & ALU_FLAGS));
}

/* ---- instructions: the operand is located, and read if reads_mem() says so ---- */

static u64 swap_bytes(u64 value, u8 size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

static int do_load(struct exec *x, struct emu_mem *mem)
{
	u64 value = mem_value(mem, x->insn->size);

	if (x->insn->op == OP_MOVSX)
		value = sign_extend_bytes(value, x->insn->size);
	else if (x->insn->op == OP_MOVBE)
		value = swap_bytes(value, x->insn->size);
	emu_set_reg(x, value);
	return 0;
}

static int do_store(struct exec *x, struct emu_mem *mem)
{
	u64 value = x->insn->form == FORM_MEM_IMM ? x->insn->imm : get_reg(x);

	if (x->insn->op == OP_MOVBE)
		value = swap_bytes(value, x->insn->size);
	return write_value(x, mem, value);
}

static int do_xmm_load(struct exec *x, struct emu_mem *mem)
{
	u8 value[16] = { 0 };

	if (!x->ops->set_xmm)
		return -EOPNOTSUPP;
	if (x->insn->xmm_keep)
		x->ops->get_xmm(x->guest, x->insn->reg, value);
	memcpy(value + x->insn->xmm_at, mem->in, x->insn->size);
	x->ops->set_xmm(x->guest, x->insn->reg, value);
	return 0;
}

static int do_xmm_store(struct exec *x, struct emu_mem *mem)
{
	u8 value[16];

	if (!x->ops->get_xmm)
		return -EOPNOTSUPP;
	/* Userspace may change the register during a stop: both pieces must be of one value. */
	if (!mem->nr_written) {
		x->ops->get_xmm(x->guest, x->insn->reg, value);
		memcpy(mem->out, value + x->insn->xmm_at, x->insn->size);
	}
	return write_mem(x, mem);
}

/*
 * ADD to DEC, shifts, and BT to BTC: the result, if it is stored at all, goes to the first
 * operand. Flags change only after that, since the store may stop the run and the instruction
 * is then computed once more from the same flags.
 */
static int do_alu(struct exec *x, struct emu_mem *mem)
{
	const struct insn *insn = x->insn;
	u64 value = mem_value(mem, insn->size);
	struct alu alu = { .op = insn->op, .size = insn->size, .a = value };
	int ret = 0;

	alu.flags = x->ops->get_rflags(x->guest);
	if (insn->form == FORM_REG_MEM) {
		alu.a = get_reg(x);
		alu.b = value;
	} else if (insn->form == FORM_MEM_REG) {
		alu.b = get_reg(x);
	} else if (insn->form == FORM_MEM_IMM) {
		alu.b = insn->imm;
	}
	alu.count = insn->count_cl ? get_gpr(x, GPR_RCX, 1) : insn->imm;
	alu_compute(&alu);
	if (alu_has_result(insn->op)) {
		if (insn->form == FORM_REG_MEM)
			emu_set_reg(x, alu.result);
		else
			ret = write_value(x, mem, alu.result);
	}
	if (!ret)
		emu_set_flags(x, alu.flags);
	return ret;
}

/* IMUL of two and three operands, BSF to POPCNT, and CRC32 read memory and write a register. */
static int do_to_reg(struct exec *x, struct emu_mem *mem)
{
	const struct insn *insn = x->insn;
	struct alu alu = { .op = insn->op, .size = insn->size };

	alu.flags = x->ops->get_rflags(x->guest);
	alu.b = mem_value(mem, insn->size);
	alu.a = insn->has_imm ? insn->imm : get_reg(x);
	if (insn->op == OP_IMUL)
		alu_imul(&alu);
	else if (insn->op == OP_CRC32)
		alu_crc32(&alu);
	else
		alu_bits(&alu);
	/* BSF and BSR of 0 leave all 64 bits of the register as they are. */
	if (alu.b || (insn->op != OP_BSF && insn->op != OP_BSR))
		emu_set_reg(x, alu.result);
	emu_set_flags(x, alu.flags);
	return 0;
}

/* MUL, DIV and their kin work on rDX:rAX, which for bytes is AX. */
static int do_wide(struct exec *x, struct emu_mem *mem)
{
	u8 size = x->insn->size;
	struct alu alu = { .op = x->insn->op, .size = size, .b = mem_value(mem, size) };
	u64 low = get_gpr(x, GPR_RAX, size), high;

	alu.flags = x->ops->get_rflags(x->guest);
	high = size == 1 ? get_gpr(x, GPR_RAX, 2) >> 8 : get_gpr(x, GPR_RDX, size);
	if (!alu_wide(&alu, &high, &low)) {
		x->emu->fault = (struct x86_fault){ .vector = VEC_DE };
		return EMU_FAULT;
	}
	if (size == 1) {
		set_gpr(x, GPR_RAX, 2, high << 8 | low);
	} else {
		set_gpr(x, GPR_RAX, size, low);
		set_gpr(x, GPR_RDX, size, high);
	}
	emu_set_flags(x, alu.flags);
	return 0;
}

static bool condition_holds(struct exec *x)
{
	return alu_condition(x->ops->get_rflags(x->guest), x->insn->cc);
}

/* Memory is read whether the condition holds or not, and 32 bits clear the upper half. */
static int do_cmov(struct exec *x, struct emu_mem *mem)
{
	emu_set_reg(x, condition_holds(x) ? mem_value(mem, x->insn->size) : get_reg(x));
	return 0;
}

static int do_setcc(struct exec *x, struct emu_mem *mem)
{
	return write_value(x, mem, condition_holds(x));
}

/* XCHG with memory is locked on a processor. Device memory does not care. */
static int do_xchg(struct exec *x, struct emu_mem *mem)
{
	int ret = write_value(x, mem, get_reg(x));

	if (!ret)
		emu_set_reg(x, mem_value(mem, x->insn->size));
	return ret;
}

static int do_xadd(struct exec *x, struct emu_mem *mem)
{
	u64 old = mem_value(mem, x->insn->size);
	struct alu alu = { .op = OP_ADD, .size = x->insn->size, .a = old, .b = get_reg(x) };
	int ret;

	alu_compute(&alu);
	ret = write_value(x, mem, alu.result);
	if (ret)
		return ret;
	emu_set_reg(x, old);
	emu_set_flags(x, alu.flags);
	return 0;
}

/*
 * A comparison that fails writes nothing here, where the processor writes the
 * old value back.
 */
static int do_cmpxchg(struct exec *x, struct emu_mem *mem)
{
	u8 size = x->insn->size;
	u64 old = mem_value(mem, size);
	struct alu alu = { .op = OP_CMP, .size = size, .b = old };
	int ret;

	alu.a = get_gpr(x, GPR_RAX, size);
	alu_compute(&alu);
	if (alu.flags & FLAG_ZF) {
		ret = write_value(x, mem, get_reg(x));
		if (ret)
			return ret;
	} else {
		set_gpr(x, GPR_RAX, size, old);
	}
	emu_set_flags(x, alu.flags);
	return 0;
}

/*
 * CMPXCHG8B and CMPXCHG16B compare rDX:rAX with memory. If they are equal rCX:rBX is stored, else
 * memory is loaded into rDX:rAX. Of the flags only ZF changes.
 */
static int do_cmpxchg_pair(struct exec *x, struct emu_mem *mem)
{
	u8 half = x->insn->size / 2;
	u64 low = 0, high = 0, value;
	u64 flags = x->ops->get_rflags(x->guest) & ~FLAG_ZF;
	int ret;

	memcpy(&low, mem->in, half);
	memcpy(&high, mem->in + half, half);
	if (low == get_gpr(x, GPR_RAX, half) && high == get_gpr(x, GPR_RDX, half)) {
		value = get_gpr(x, GPR_RBX, half);
		memcpy(mem->out, &value, half);
		value = get_gpr(x, GPR_RCX, half);
		memcpy(mem->out + half, &value, half);
		ret = write_mem(x, mem);
		if (ret)
			return ret;
		flags |= FLAG_ZF;
	} else {
		set_gpr(x, GPR_RAX, half, low);
		set_gpr(x, GPR_RDX, half, high);
	}
	emu_set_flags(x, flags);
	return 0;
}

static int do_nothing(struct exec *x __maybe_unused, struct emu_mem *mem __maybe_unused)
{
	return 0;
}

typedef int (*exec_fn)(struct exec *x, struct emu_mem *mem);

/* An instruction that is not listed is arithmetic. */
static exec_fn find_exec(const struct insn *insn)
{
	bool load = insn->form == FORM_REG_MEM;

	switch (insn->op) {
	case OP_MOV:
	case OP_MOVZX:
	case OP_MOVSX:
	case OP_MOVBE: return load ? do_load : do_store;
	case OP_IMUL:
	case OP_BSF:
	case OP_BSR:
	case OP_TZCNT:
	case OP_LZCNT:
	case OP_POPCNT:
	case OP_CRC32: return do_to_reg;
	case OP_CMOV: return do_cmov;
	case OP_SET: return do_setcc;
	case OP_MUL:
	case OP_IMUL_WIDE:
	case OP_DIV:
	case OP_IDIV: return do_wide;
	case OP_MOVX: return load ? do_xmm_load : do_xmm_store;
	case OP_XCHG: return do_xchg;
	case OP_XADD: return do_xadd;
	case OP_CMPXCHG: return do_cmpxchg;
	case OP_CMPXCHG_PAIR: return do_cmpxchg_pair;
	case OP_FLUSH: return do_nothing;
	default: return do_alu;
	}
}

/*
 * Must the operand be writable? Asked before it is located, since a write to a page that may
 * only be read faults before anything is read. CMPXCHG counts as a write even if it fails.
 */
static bool writes_mem(const struct insn *insn)
{
	if (insn->form == FORM_REG_MEM || (insn->op >= OP_MUL && insn->op <= OP_IDIV))
		return false;
	return insn->op != OP_CMP && insn->op != OP_TEST && insn->op != OP_BT &&
	       insn->op != OP_FLUSH;
}

/* Stores, SETcc and cache flushes do not look at what the operand was. */
static bool reads_mem(const struct insn *insn)
{
	bool move = insn->op == OP_MOV || insn->op == OP_MOVBE || insn->op == OP_MOVX;

	return !(move && insn->form != FORM_REG_MEM) && insn->op != OP_FLUSH && insn->op != OP_SET;
}

/* Runs an instruction that is not a string instruction. */
static int run_plain(struct exec *x)
{
	const struct insn *insn = x->insn;
	struct emu_mem *mem = &x->emu->mem[0];
	int ret;

	ret = emu_locate(x, mem, insn->mem.seg, effective_address(x), writes_mem(insn));
	if (!ret && reads_mem(insn))
		ret = read_mem(x, mem);
	return ret ? ret : find_exec(insn)(x, mem);
}

/* ---- the stack, and near jumps ---- */

/* How many bytes of RSP are the stack pointer: in 64-bit mode all, else SS.B decides. */
static u8 stack_size(struct exec *x)
{
	return x->insn->mode == MODE_64 ? 8 : x->ops->stack_size(x->guest);
}

/*
 * POP to memory: from the stack, mem[1], to mem[0]. Both are located before a device sees an
 * access, as either may fault.
 */
static int run_pop(struct exec *x)
{
	struct emu_mem *to = &x->emu->mem[0], *stack = &x->emu->mem[1];
	u8 size = stack_size(x);
	u64 sp = get_gpr(x, GPR_RSP, size);
	int ret;

	ret = emu_locate(x, stack, SEG_SS, sp, false);
	if (!ret)
		ret = emu_locate(x, to, x->insn->mem.seg, effective_address(x), true);
	if (!ret)
		ret = read_mem(x, stack);
	if (!ret)
		ret = write_value(x, to, mem_value(stack, x->insn->size));
	if (!ret)
		set_gpr(x, GPR_RSP, size, sp + x->insn->size);
	return ret;
}

/* Stores to the stack, which has been located as mem[1]. RSP changes last. */
static int emu_push(struct exec *x, u64 value)
{
	u8 size = stack_size(x);
	int ret = write_value(x, &x->emu->mem[1], value);

	if (!ret)
		set_gpr(x, GPR_RSP, size, get_gpr(x, GPR_RSP, size) - x->insn->size);
	return ret;
}

/*
 * Ends CALL and JMP, whose target has been read from mem[0]. A target outside CS's limit, or not
 * canonical, faults before CALL pushes. The caller of emu_run() moves RIP to emu->target.
 */
static int emu_jump(struct exec *x)
{
	const struct insn *insn = x->insn;
	u64 target = mem_value(&x->emu->mem[0], insn->size);
	int ret = x->ops->may_jump(x->guest, target, &x->emu->fault);

	if (!ret && insn->op == OP_CALL)
		ret = emu_push(x, x->ops->get_rip(x->guest) + insn->len);
	x->emu->target = target;
	return ret ? ret : EMU_JUMPED;
}

/* PUSH, CALL and JMP read mem[0]; PUSH and CALL push to mem[1]. Both are located first. */
static int run_from_mem(struct exec *x)
{
	const struct insn *insn = x->insn;
	struct emu_mem *mem = &x->emu->mem[0], *stack = &x->emu->mem[1];
	u8 size = stack_size(x);
	u64 below = (get_gpr(x, GPR_RSP, size) - insn->size) & size_mask(size);
	int ret;

	ret = emu_locate(x, mem, insn->mem.seg, effective_address(x), false);
	if (!ret && insn->op != OP_JMP)
		ret = emu_locate(x, stack, SEG_SS, below, true);
	if (!ret)
		ret = read_mem(x, mem);
	if (ret)
		return ret;
	return insn->op == OP_PUSH ? emu_push(x, mem_value(mem, insn->size)) : emu_jump(x);
}

/* ---- string instructions ---- */

static bool uses_rsi(u8 op)
{
	return op == OP_MOVS || op == OP_CMPS || op == OP_LODS;
}

static bool uses_rdi(u8 op)
{
	return op != OP_LODS;
}

/* Moves rSI or rDI by one element, backwards if DF is set. */
static void emu_advance(struct exec *x, u8 reg)
{
	u8 addr_size = x->insn->addr_size;
	u64 step = x->insn->size;

	if (x->ops->get_rflags(x->guest) & FLAG_DF)
		step = -step;
	set_gpr(x, reg, addr_size, get_gpr(x, reg, addr_size) + step);
}

static void emu_compare(struct exec *x, u64 a, u64 b)
{
	struct alu alu = { .op = OP_CMP, .size = x->insn->size, .a = a, .b = b };

	alu_compute(&alu);
	emu_set_flags(x, alu.flags);
}

static int string_data(struct exec *x, struct emu_mem *src, struct emu_mem *dst)
{
	u8 size = x->insn->size;

	switch (x->insn->op) {
	case OP_MOVS: return write_value(x, dst, mem_value(src, size));
	case OP_STOS: return write_value(x, dst, get_gpr(x, GPR_RAX, size));
	case OP_LODS: set_gpr(x, GPR_RAX, size, mem_value(src, size)); return 0;
	case OP_CMPS: emu_compare(x, mem_value(src, size), mem_value(dst, size)); return 0;
	default: /* OP_SCAS */
		emu_compare(x, get_gpr(x, GPR_RAX, size), mem_value(dst, size));
		return 0;
	}
}

/* Runs one iteration. Both operands are located before either is touched. */
static int run_string_once(struct exec *x)
{
	struct emu_mem *src = &x->emu->mem[0], *dst = &x->emu->mem[1];
	u8 op = x->insn->op, addr_size = x->insn->addr_size;
	bool write = op == OP_MOVS || op == OP_STOS;
	int ret = 0;

	if (uses_rsi(op))
		ret = emu_locate(x, src, x->insn->mem.seg, get_gpr(x, GPR_RSI, addr_size), false);
	if (!ret && uses_rdi(op))
		ret = emu_locate(x, dst, SEG_ES, get_gpr(x, GPR_RDI, addr_size), write);
	if (!ret && uses_rsi(op))
		ret = read_mem(x, src);
	if (!ret && uses_rdi(op) && !write)
		ret = read_mem(x, dst);
	if (!ret)
		ret = string_data(x, src, dst);
	if (ret)
		return ret;
	if (uses_rsi(op))
		emu_advance(x, GPR_RSI);
	if (uses_rdi(op))
		emu_advance(x, GPR_RDI);
	return 0;
}

/* Asked after an iteration. REPE and REPNE look at ZF only with CMPS and SCAS. */
static bool rep_ends(struct exec *x)
{
	const struct insn *insn = x->insn;
	bool zf = x->ops->get_rflags(x->guest) & FLAG_ZF;

	if (!get_gpr(x, GPR_RCX, insn->addr_size))
		return true;
	if (insn->op != OP_CMPS && insn->op != OP_SCAS)
		return false;
	return zf != (insn->rep == REP_E);
}

/*
 * A REP returns to the guest now and then with EMU_REPEAT, so that interrupts
 * are taken. RCX counts the iterations down, as the processor does it.
 */
static int run_string(struct exec *x)
{
	u8 addr_size = x->insn->addr_size;
	int n, ret;

	if (x->insn->rep == REP_NONE)
		return run_string_once(x);
	if (!get_gpr(x, GPR_RCX, addr_size))
		return EMU_DONE;
	for (n = 1;; n++) {
		ret = run_string_once(x);
		if (ret)
			return ret;
		set_gpr(x, GPR_RCX, addr_size, get_gpr(x, GPR_RCX, addr_size) - 1);
		emu_start(x->emu);
		if (rep_ends(x))
			return EMU_DONE;
		if (n >= EMU_MAX_ITERATIONS)
			return EMU_REPEAT;
		if (x->ops->must_pause && x->ops->must_pause(x->guest))
			return EMU_REPEAT;
	}
}

/* PUSH, POP, CALL and JMP, which stand together in enum insn_op. JMP is run as CALL is. */
static bool insn_is_stack(const struct insn *insn)
{
	return insn->op >= OP_PUSH && insn->op <= OP_JMP;
}

void emu_start(struct emu *emu)
{
	memset(emu->mem, 0, sizeof(emu->mem));
	memset(&emu->pending, 0, sizeof(emu->pending));
}

int emu_run(struct emu *emu, const struct emu_ops *ops, void *guest)
{
	struct exec x = { .emu = emu, .insn = &emu->insn, .ops = ops, .guest = guest };

	if (emu->insn.form == FORM_STRING)
		return run_string(&x);
	if (insn_is_stack(&emu->insn))
		return emu->insn.op == OP_POP ? run_pop(&x) : run_from_mem(&x);
	return run_plain(&x);
}

void emu_complete(struct emu *emu, const void *data)
{
	struct emu_access *pending = &emu->pending;
	struct emu_mem *mem = &emu->mem[pending->mem];

	if (!pending->len)
		return;
	if (pending->write) {
		mem->nr_written++;
	} else {
		memcpy(mem->in + mem->piece[mem->nr_read].at, data, pending->len);
		mem->nr_read++;
	}
	pending->len = 0;
}
