// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's instructions. They are emitted for the mode that L2 is meant to be in;
 * where another change makes of it something else they are decoded otherwise,
 * on each side alike.
 */
#include "oracle.h"

/* What decides whether L2's instruction exits: bits of a control, whose enum field is above. */
#define BY(f, bits) ((u64)(f) << 32 | (bits))
#define BY_PROC(bit) BY(F_PROC_CTLS, PROC_##bit)
#define BY_PROC2(bit) BY(F_PROC2_CTLS, PROC2_##bit)
#define BY_CR0 BY(F_CR0_MASK, CR0_PE | CR0_MP | CR0_EM | CR0_TS)
#define NOTHING 0

struct insn {
	const char *name;
	u64 by;
	u8 length;
	u8 bytes[6];
};

#define INSN_BY(name, by, ...)                                 \
	{                                                      \
		name, by, sizeof((const u8[]){ __VA_ARGS__ }), \
		{                                              \
			__VA_ARGS__                            \
		}                                              \
	}
#define INSN(name, ...) INSN_BY(name, NOTHING, __VA_ARGS__)

/* An instruction's registers, as rows below want them. */
static const u64 cr0_values[] = {
	CR0_PE | CR0_ET | CR0_NE | CR0_PG,
	CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG,
	CR0_PE | CR0_ET | CR0_NE | CR0_PG | CR0_TS,
	CR0_ET | CR0_NE,
	CR0_PE | CR0_ET | CR0_NE,
	CR0_PE | CR0_ET | CR0_PG,
	CR0_PE | CR0_ET | CR0_NE | CR0_PG | CR0_NW,
	CR0_PE | CR0_ET | CR0_NE | CR0_PG | CR0_CD,
	CR0_PG | CR0_ET | CR0_NE,
	0xffffffff,
	0,
	CR0_PE | CR0_ET | CR0_NE | CR0_PG | 1ULL << 32,
	CR0_PE | CR0_ET | CR0_NE | CR0_PG | 0x40,
};
static const u64 cr3_values[] = {
	ARENA_PAGE(A_PML4),
	ARENA_PAGE(A_PD32),
	ARENA_PAGE(A_PDPT_PAE),
	ARENA_PAGE(A_PML4) | 0x18,
	ARENA_PAGE(A_PML4) | 1ULL << 63,
	ARENA_PAGE(A_PML4) | 1ULL << MAXPHYADDR,
	ARENA_PAGE(A_PML4) | 0x800,
};
static const u64 cr4_values[] = {
	CR4_PAE | CR4_VMXE | CR4_OSFXSR,
	CR4_PAE | CR4_VMXE | CR4_OSFXSR | CR4_DE,
	CR4_PAE | CR4_VMXE | CR4_PGE,
	CR4_PAE | CR4_VMXE | CR4_TSD | CR4_PSE,
	CR4_PAE | CR4_VMXE | CR4_OSXSAVE,
	CR4_VMXE,
	CR4_PAE,
	CR4_PAE | CR4_VMXE | CR4_VME,
	CR4_PAE | CR4_VMXE | 0x8000,
	CR4_PAE | CR4_VMXE | CR4_PCIDE,
	CR4_PAE | CR4_VMXE | CR4_FSGSBASE,
	CR4_PAE | CR4_VMXE | 1ULL << 32,
	0,
};
static const u32 msrs[] = {
	MSR_FS_BASE, MSR_GS_BASE,     MSR_KERNEL_GS_BASE, MSR_STAR,	    MSR_LSTAR, MSR_CSTAR,
	MSR_FMASK,   MSR_SYSENTER_CS, MSR_SYSENTER_ESP,	  MSR_SYSENTER_EIP, MSR_EFER,  MSR_PAT,
};
/* No bitmap has a bit for them. */
static const u32 outside[] = { 0x2000, 0xbfffffff, 0xc0002000, 0xffffffff };
static const u64 dr_values[] = { 0, 0x400, 0x4ff, 0xffff0ff0, 0x2400, 0x100000000, 0x600, L2_CODE };

static void named(struct trial *t, const char *name)
{
	if (t->explain)
		printf("#   at 0x%lx: %s\n", (unsigned long)t->code, name);
}

static void maybe_intercept(struct trial *t, struct rng *r, u64 by)
{
	u32 bits = by & rng_next(r);

	if (bits)
		flip(t, by >> 32, bits);
}

static void put(struct trial *t, struct rng *r, const struct insn *i)
{
	named(t, i->name);
	maybe_intercept(t, r, i->by);
	emit(t, i->bytes, i->length);
}

/* --- without operands ------------------------------------------------------------------ */

static const struct insn plain[] = {
	INSN("CPUID", 0x0f, 0xa2),
	INSN_BY("HLT", BY_PROC(HLT), 0xf4),
	INSN_BY("PAUSE", BY_PROC(PAUSE), 0xf3, 0x90),
	INSN("INVD", 0x0f, 0x08),
	INSN_BY("WBINVD", BY_PROC2(WBINVD), 0x0f, 0x09),
	INSN_BY("CLTS", BY_CR0, 0x0f, 0x06),
	INSN("STI", 0xfb),
	INSN("STI; NOP", 0xfb, 0x90),
	INSN("CLI", 0xfa),
	INSN("PUSHF", 0x9c),
	INSN("INT3", 0xcc),
	INSN("INTO", 0xce),
	INSN("INT1", 0xf1),
	INSN("UD2", 0x0f, 0x0b),
	INSN("IRET", 0xcf),
	INSN("SYSCALL", 0x0f, 0x05),
	INSN("SYSRET", 0x0f, 0x07),
	INSN("SYSENTER", 0x0f, 0x34),
	INSN("SYSEXIT", 0x0f, 0x35),
	INSN("SWAPGS", 0x0f, 0x01, 0xf8),
	INSN("VMCALL", 0x0f, 0x01, 0xc1),
	INSN("VMLAUNCH", 0x0f, 0x01, 0xc2),
	INSN("VMRESUME", 0x0f, 0x01, 0xc3),
	INSN("VMXOFF", 0x0f, 0x01, 0xc4),
	INSN("GETSEC", 0x0f, 0x37),
	INSN("RSM", 0x0f, 0xaa),
	INSN("XGETBV", 0x0f, 0x01, 0xd0),
	INSN("XSETBV", 0x0f, 0x01, 0xd1),
	INSN("FNOP", 0xd9, 0xd0),
	INSN("RETF", 0xcb),
	INSN("STI; HLT", 0xfb, 0xf4),
	INSN("LOCK NOP", 0xf0, 0x90),
	INSN("VMFUNC", 0x0f, 0x01, 0xd4),
	INSN("NOP", 0x90),
	INSN("INT 0x21", 0xcd, 0x21),
	INSN("INT 0x80", 0xcd, 0x80),
	INSN("INT 3, long", 0xcd, 0x03),
	INSN("DIV by 0", 0x31, 0xc9, 0xf7, 0xf1),
	INSN("POP SS", 0x17),
	INSN("PUSH ES", 0x06),
	INSN("LEAVE", 0xc9),
};
static const struct insn timed[] = {
	INSN_BY("RDTSC", BY_PROC(RDTSC), 0x0f, 0x31),
	INSN_BY("RDTSCP", BY_PROC2(RDTSCP), 0x0f, 0x01, 0xf9),
	INSN("RDPMC", 0x0f, 0x33),
};

static void insn_plain(struct trial *t, struct rng *r)
{
	const struct insn *i = &RNG_PICK(r, plain);

	t->msrs = true;						/* SWAPGS */
	t->steps |= i->bytes[0] == 0x0f && i->bytes[1] == 0x07; /* SYSRET loads R11's TF */
	put(t, r, i);
}

static void insn_timed(struct trial *t, struct rng *r)
{
	put(t, r, &RNG_PICK(r, timed));
	t->timed = true;
	emit_mov(t, GPR_RAX, 0); /* no other instruction is to see the time */
	emit_mov(t, GPR_RDX, 0);
	emit_mov(t, GPR_RCX, 0);
}

/* --- flags ------------------------------------------------------------------------------ */

static void insn_popf(struct trial *t, struct rng *r)
{
	static const u32 flags[] = { 0x2,    0x202,   0x102, 0x4002, 0x3002,
				     0x3202, 0x40002, 0x302, 0x8d7 };
	u32 v = RNG_PICK(r, flags);

	note(t, "POPF", v);
	t->steps |= v & RFLAGS_TF;
	emit_mov(t, GPR_RAX, v);
	EMIT(t, 0x50, 0x9d);
}

static void insn_sreg(struct trial *t, struct rng *r)
{
	static const u16 selectors[] = {
		0,
		3,
		L2_FLAT,
		L2_UFLAT,
		L2_CODE64,
		L2_CODE32,
		L2_LDT,
		L2_TSS,
		L2_ABSENT,
		L2_EXPAND_DOWN,
		L2_READ_ONLY,
		L2_READ_ONLY | 3,
		L2_CONFORMING,
		0xa8,
		0xffff,
		4,
		L2_DATA16,
	};
	u32 seg = rng_below(r, 6);
	u16 sel = RNG_PICK(r, selectors);

	note(t, "MOV to segment register", seg);
	note(t, "its selector", sel);
	emit_mov(t, GPR_RAX, sel);
	EMIT(t, 0x8e, 0xc0 | seg << 3);
}

static void insn_int(struct trial *t, struct rng *r)
{
	u8 vector = rng_below(r, 0x48);

	note(t, "INT", vector);
	EMIT(t, 0xcd, vector);
}

static const struct insn sleepy[] = {
	INSN("MONITOR", 0x0f, 0x01, 0xc8),
	INSN("MWAIT", 0x0f, 0x01, 0xc9),
};

static void insn_sleepy(struct trial *t, struct rng *r)
{
	t->sleeps = true;
	put(t, r, &RNG_PICK(r, sleepy));
}

/* Without an exit for L1: L0 itself, or what runs the VM, gets to do while L2 runs. */
static void insn_userspace(struct trial *t, struct rng *r)
{
	u8 *byte = l1_pages.io + PORT_OF_USERSPACE / 8;

	set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_IO_BITMAPS);
	poke(t, "I/O bitmap", byte, 1, *byte & ~BIT(PORT_OF_USERSPACE % 8));
	note(t, "OUT to port", PORT_OF_USERSPACE);
	EMIT(t, 0xe6, PORT_OF_USERSPACE);
}

void change_insn(struct trial *t, struct rng *r)
{
	static void (*const kinds[])(struct trial *, struct rng *) = {
		insn_plain, insn_plain, insn_plain,  insn_plain, insn_plain,	 insn_timed,
		insn_popf,  insn_sreg,	insn_sleepy, insn_int,	 insn_userspace,
	};

	RNG_PICK(r, kinds)(t, r);
}

/* --- system registers ---------------------------------------------------------------------- */

static void intercept_cr(struct trial *t, struct rng *r, u8 cr, bool load, u64 v)
{
	u32 target = rng_below(r, 4);

	switch (cr) {
	case 0: flip(t, F_CR0_MASK, rng_one_in(r, 3) ? ~0u : 1u << rng_below(r, 32)); break;
	case 4: flip(t, F_CR4_MASK, rng_one_in(r, 3) ? ~0u : 1u << rng_below(r, 22)); break;
	case 8: flip(t, F_PROC_CTLS, load ? PROC_CR8_LOAD : PROC_CR8_STORE); break;
	case 3:
		flip(t, F_PROC_CTLS, load ? PROC_CR3_LOAD : PROC_CR3_STORE);
		set(t, F_CR3_TARGET_COUNT, rng_below(r, 5));
		set(t, F_CR3_TARGET0 + target, v);
	}
}

static void insn_cr(struct trial *t, struct rng *r)
{
	static const u8 numbers[] = { 0, 0, 3, 4, 4, 8, 2, 5 };
	u8 cr = RNG_PICK(r, numbers), reg = rng_below(r, 8);
	bool load = !rng_one_in(r, 3);
	u64 v = cr == 0	  ? RNG_PICK(r, cr0_values)
		: cr == 3 ? RNG_PICK(r, cr3_values)
		: cr == 4 ? RNG_PICK(r, cr4_values)
			  : rng_below(r, 17);

	if (reg == GPR_RSP && load)
		reg = GPR_RAX;
	note(t, load ? "MOV to CR" : "MOV from CR", cr);
	if (rng_one_in(r, 2))
		intercept_cr(t, r, cr, load, v);
	t->loads_cr0 |= load && cr == 0;
	t->unpages |= load && cr == 0 && (v & (CR0_PE | CR0_PG)) != (CR0_PE | CR0_PG);
	if (load)
		emit_mov(t, reg, v);
	if (cr == 8)
		EMIT(t, 0x44);
	EMIT(t, 0x0f, load ? 0x22 : 0x20, 0xc0 | (cr & 7) << 3 | reg);
}

static void insn_dr(struct trial *t, struct rng *r)
{
	u8 dr = rng_below(r, 8), reg = rng_below(r, 4);
	bool load = rng_one_in(r, 2);

	note(t, load ? "MOV to DR" : "MOV from DR", dr);
	t->debug = true;
	if (rng_one_in(r, 3))
		flip(t, F_PROC_CTLS, PROC_MOV_DR);
	if (rng_one_in(r, 5))
		set(t, F_GUEST_DR7, 0x2400);
	if (load)
		emit_mov(t, reg, RNG_PICK(r, dr_values));
	EMIT(t, 0x0f, load ? 0x23 : 0x21, 0xc0 | dr << 3 | reg);
}

/* Where @msr has its bit in the MSR bitmap. */
static u8 *bitmap_byte(u32 msr, bool write)
{
	return l1_pages.msr + (write ? 0x800 : 0) + (msr >> 31 ? 0x400 : 0) + (msr & 0x1fff) / 8;
}

static void insn_msr(struct trial *t, struct rng *r)
{
	u32 msr = RNG_PICK(r, msrs);
	bool write = rng_one_in(r, 2);
	u8 *byte = bitmap_byte(msr, write);
	u64 v = rng_edge(r);

	t->msrs = true;
	t->fmask_high |= write && msr == MSR_FMASK && v >> 32;
	if (!rng_one_in(r, 3))
		poke(t, "MSR bitmap", byte, 1, *byte & ~BIT(msr % 8));
	if (rng_one_in(r, 16))
		msr = RNG_PICK(r, outside);
	note(t, write ? "WRMSR" : "RDMSR", msr);
	emit_mov(t, GPR_RCX, msr);
	if (write) {
		emit_mov(t, GPR_RAX, (u32)v);
		emit_mov(t, GPR_RDX, v >> 32);
	}
	EMIT(t, 0x0f, write ? 0x30 : 0x32);
}

/* No device is at these ports: what is read is not looked at. */
static void insn_io(struct trial *t, struct rng *r)
{
	static const u8 opcodes[] = { 0xec, 0xed, 0xee, 0xef, 0xe4, 0xe5, 0xe6, 0xe7 };
	static const u8 strings[] = { 0x6c, 0x6d, 0x6e, 0x6f };
	u16 port = rng_one_in(r, 4) ? 0xffff - rng_below(r, 4) : 0xe0 + rng_below(r, 16);
	u8 op = RNG_PICK(r, opcodes);

	note(t, "I/O at port", port);
	if (port >> 12 && rng_one_in(r, 2)) {
		set(t, F_PROC_CTLS, t->want[F_PROC_CTLS] | PROC_IO_BITMAPS);
		poke(t, "I/O bitmap B", l1_pages.io + 0x1fff, 1, rng_next(r));
	}
	emit_mov(t, GPR_RDX, port);
	if (rng_one_in(r, 3)) {
		emit_mov(t, GPR_RCX, rng_below(r, 3));
		if (rng_one_in(r, 2))
			EMIT(t, 0xf3);
		if (rng_one_in(r, 3))
			EMIT(t, t->bits == 64 ? 0x67 : 0x66);
		EMIT(t, RNG_PICK(r, strings));
		t->l0_walks = true;
	} else if (op & 8) {
		EMIT(t, op);
	} else {
		EMIT(t, op, 0xe0 + rng_below(r, 16));
	}
}

void change_system(struct trial *t, struct rng *r)
{
	static void (*const kinds[])(struct trial *, struct rng *) = {
		insn_cr, insn_cr, insn_cr, insn_dr, insn_msr, insn_msr, insn_io, insn_io,
	};

	RNG_PICK(r, kinds)(t, r);
}

/* --- instructions with a memory operand ------------------------------------------------------ */

struct modrm_insn {
	const char *name;
	u64 by;
	u8 length;
	u8 bytes[4];
	s8 extension; /* of the opcode, in ModRM.reg; -1: a register */
	bool memory;  /* with a register it is another instruction */
};

#define M_ROW(name, by, ext, memory, ...)                                                   \
	{                                                                                   \
		name, by, sizeof((const u8[]){ __VA_ARGS__ }), { __VA_ARGS__ }, ext, memory \
	}
#define M(name, by, ext, ...) M_ROW(name, by, ext, false, __VA_ARGS__)
#define M_MEMORY(name, by, ext, ...) M_ROW(name, by, ext, true, __VA_ARGS__)

static const struct modrm_insn operand_insns[] = {
	M_MEMORY("SGDT", BY_PROC2(DESC_TABLE), 0, 0x0f, 0x01),
	M_MEMORY("SIDT", BY_PROC2(DESC_TABLE), 1, 0x0f, 0x01),
	M_MEMORY("LGDT", BY_PROC2(DESC_TABLE), 2, 0x0f, 0x01),
	M_MEMORY("LIDT", BY_PROC2(DESC_TABLE), 3, 0x0f, 0x01),
	M("SMSW", NOTHING, 4, 0x0f, 0x01),
	M("LMSW", BY_CR0, 6, 0x0f, 0x01),
	M_MEMORY("INVLPG", BY_PROC(INVLPG), 7, 0x0f, 0x01),
	M("SLDT", BY_PROC2(DESC_TABLE), 0, 0x0f, 0x00),
	M("STR", BY_PROC2(DESC_TABLE), 1, 0x0f, 0x00),
	M("LLDT", BY_PROC2(DESC_TABLE), 2, 0x0f, 0x00),
	M("LTR", BY_PROC2(DESC_TABLE), 3, 0x0f, 0x00),
	M("VERR", NOTHING, 4, 0x0f, 0x00),
	M_MEMORY("VMPTRLD", NOTHING, 6, 0x0f, 0xc7),
	M_MEMORY("VMPTRST", NOTHING, 7, 0x0f, 0xc7),
	M_MEMORY("VMCLEAR", NOTHING, 6, 0x66, 0x0f, 0xc7),
	M_MEMORY("VMXON", NOTHING, 6, 0xf3, 0x0f, 0xc7),
	M("VMREAD", NOTHING, -1, 0x0f, 0x78),
	M("VMWRITE", NOTHING, -1, 0x0f, 0x79),
	M("INVEPT", NOTHING, -1, 0x66, 0x0f, 0x38, 0x80),
	M("INVVPID", NOTHING, -1, 0x66, 0x0f, 0x38, 0x81),
	M("INVPCID", BY_PROC(INVLPG), -1, 0x66, 0x0f, 0x38, 0x82),
	M("MOV from memory", NOTHING, -1, 0x8b),
	M("MOV to memory", NOTHING, -1, 0x89),
	M("XCHG", NOTHING, -1, 0x87),
	M("LAR", NOTHING, -1, 0x0f, 0x02),
	M("LSL", NOTHING, -1, 0x0f, 0x03),
	M("PUSH", NOTHING, 6, 0xff),
	M("far JMP", NOTHING, 5, 0xff),
	M("far CALL", NOTHING, 3, 0xff),
};

/* ModRM and what follows: forms of [RBX + RSI or a displacement], or a register. */
static void emit_operand(struct trial *t, struct rng *r, u32 reg, bool memory)
{
	u8 form = rng_below(r, memory ? 5 : 6), field = reg << 3;

	if (form == 5) {
		EMIT(t, 0xc0 | field | 1); /* ECX */
		return;
	}
	if (t->bits == 16) {
		switch (form) {
		case 0: EMIT(t, 0x07 | field); return;		    /* [bx] */
		case 1: EMIT(t, 0x47 | field, 0x10); return;	    /* [bx+0x10] */
		case 2: EMIT(t, 0x06 | field, 0x00, 0x0f); return;  /* [0xf00] */
		case 3: EMIT(t, 0x04 | field); return;		    /* [si] */
		default: EMIT(t, 0x87 | field, 0xff, 0x0f); return; /* [bx+0xfff] */
		}
	}
	switch (form) {
	case 0: EMIT(t, 0x03 | field); return;				     /* [rbx] */
	case 1: EMIT(t, 0x43 | field, 0x10); return;			     /* [rbx+0x10] */
	case 2: EMIT(t, 0x04 | field, 0x13); return;			     /* [rbx+rdx] */
	case 3: EMIT(t, 0x04 | field, 0x25, 0x08, 0x20, 0x01, 0x00); return; /* [0x12008] */
	default: EMIT(t, 0x83 | field, 0xff, 0x0f, 0x00, 0x00);		     /* [rbx+0xfff] */
	}
}

/* What the operand holds: a pointer that means something, or a value. */
static void put_operand(struct trial *t, struct rng *r)
{
	static const u64 values[] = { 0,      L2_FLAT,	 L2_TSS_FREE, L2_LDT,	    L2_GATE,
				      0xffff, L2_CODE64, L2_TSS,      L2_CONFORMING };
	u64 v = RNG_PICK(r, values);

	if (rng_one_in(r, 2))
		v = v << 32 | (L2_STUBS + 4);
	poke(t, "operand", (void *)L2_DATA, 8, v);
	poke(t, "operand", (void *)(L2_DATA + 8), 8, rng_edge(r));
}

void change_operand(struct trial *t, struct rng *r)
{
	const struct modrm_insn *i = &RNG_PICK(r, operand_insns);

	named(t, i->name);
	maybe_intercept(t, r, i->by);
	if (rng_one_in(r, 2))
		put_operand(t, r);
	if (rng_one_in(r, 4))
		emit_mov(t, GPR_RCX, rng_one_in(r, 2) ? L2_LDT : rng_edge(r));
	if (rng_one_in(r, 5))
		EMIT(t, 0x64); /* FS */
	if (rng_one_in(r, 6))
		EMIT(t, 0x66);
	emit(t, i->bytes, i->length);
	emit_operand(t, r, i->extension < 0 ? rng_below(r, 8) : (u32)i->extension, i->memory);
}

/* --- accesses to memory ------------------------------------------------------------------------ */

static const u64 places[] = {
	L2_DATA,
	L2_DATA + 0xffc,
	L2_DATA + 0xffe,
	ARENA_PAGE(A_DATA2),
	ARENA_PAGE(A_DATA2) + 0xffe,
	ARENA_PAGE(A_APIC) + 0x80,
	ARENA_PAGE(A_APIC),
	ARENA_PAGE(A_APIC) + 0x300,
	ARENA_PAGE(A_APIC) + 0xb0,
	ARENA_PAGE(A_APIC) + 0x81,
	ARENA_PAGE(A_PT),
	ARENA_PAGE(NR_ARENA + 1),
	L2_LARGE,
	L2_LARGE + 0x80,
	L2_LARGE + 0xffe,
	L2_CODE,
	ARENA_PAGE(A_STACK),
	0x7fffffffffff,
	0x800000000000,
	0xffffffff,
	0,
	L2_GDT + 8,
};

static const struct insn accesses[] = {
	INSN("MOV EAX, [RBX]", 0x8b, 0x03),
	INSN("MOV [RBX], EAX", 0x89, 0x03),
	INSN("ADD [RBX], EAX", 0x01, 0x03),
	INSN("MOV [RBX], AL", 0x88, 0x03),
	INSN_BY("INVLPG [RBX]", BY_PROC(INVLPG), 0x0f, 0x01, 0x3b),
	INSN("XCHG [RBX], EAX", 0x87, 0x03),
	INSN("MOV RSP, RBX; PUSH RAX", 0x89, 0xdc, 0x50),
	INSN("JMP RBX", 0xff, 0xe3),
	INSN("CALL RBX", 0xff, 0xd3),
};
#define NR_JUMPS 2 /* at the end, CALL as the last */
static const struct insn accesses16[] = {
	INSN("MOV AX, [BX]", 0x8b, 0x07), INSN("MOV [BX], AX", 0x89, 0x07),
	INSN("ADD [BX], AX", 0x01, 0x07), INSN("MOV SP, BX; PUSH AX", 0x89, 0xdc, 0x50),
	INSN("JMP BX", 0xff, 0xe3),	  INSN("CALL BX", 0xff, 0xd3),
};

/*
 * Those that are left out, from the last: both to the APIC-access page, since code there is what
 * the emulated processor ends with, where L2 writes to L1's local APIC, and without paging, where
 * nothing stops it before long. No CALL to where L2 begins: if an instruction of that loop is slow
 * on abyme, the timer is faster than the stack's end.
 */
static u32 jumps_out(const struct trial *t, u64 place)
{
	if (t->writes_apic || !(t->want[F_GUEST_CR0] & CR0_PG) ||
	    (place & ~0xfffULL) == ARENA_PAGE(A_APIC))
		return NR_JUMPS;
	return place == L2_CODE || (t->bits == 16 && !(place & 0xffff));
}

void change_access(struct trial *t, struct rng *r)
{
	u64 place = RNG_PICK(r, places);
	u32 out = jumps_out(t, place);

	t->may_jump |= out < NR_JUMPS;
	t->moves_cs |= (place & ~7) == L2_GDT + 8;
	if (t->bits == 16) {
		emit_mov(t, GPR_RBX, place & 0xffff);
		put(t, r, &accesses16[rng_below(r, ARRAY_SIZE(accesses16) - out)]);
		return;
	}
	emit_mov(t, GPR_RBX, place);
	put(t, r, &accesses[rng_below(r, ARRAY_SIZE(accesses) - out)]);
}
