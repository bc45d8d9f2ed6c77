// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder of instructions that touch device memory. Pure logic: mmio.c
 * gives it bytes and gets a struct insn; emulate.c executes that. The tables
 * follow the SDM's opcode maps (volume 2, appendix A). Tour, stop 7.
 *
 * What a reader must know: an instruction is a row, of one_byte[], two_byte[]
 * or sse[], or of a group that ModRM's bits 5:3 select. What is not there is
 * refused with a phrase that says why. Adding an instruction is adding a row,
 * and a case to selftests/unit/test_decode.c.
 */
#include "emulate/alu.h"
#include "emulate/decode.h"

/* Where a row's operands are encoded. */
enum encoding {
	ENC_NONE,
	ENC_M,	     /* ModRM memory alone */
	ENC_MR,	     /* ModRM memory, ModRM register */
	ENC_RM,	     /* ModRM register, ModRM memory */
	ENC_MI,	     /* ModRM memory, immediate of the operand size (at most 4 bytes) */
	ENC_MIB,     /* ModRM memory, sign-extended byte */
	ENC_M1,	     /* ModRM memory, and 1 */
	ENC_MCL,     /* ModRM memory, CL */
	ENC_MRIB,    /* ModRM memory, ModRM register, byte */
	ENC_MRCL,    /* ModRM memory, ModRM register, CL */
	ENC_RMI,     /* ModRM register, ModRM memory, immediate of the operand size */
	ENC_RMIB,    /* ModRM register, ModRM memory, sign-extended byte */
	ENC_MOFFS_A, /* AL..RAX from an absolute address */
	ENC_A_MOFFS, /* AL..RAX to an absolute address */
	ENC_STRING,
	ENC_GROUP, /* ModRM bits 5:3 select a row of the table in "group" */
};

/* Flags of a row. */
#define BYTE_OP BIT(0)	 /* 8-bit operands; without it 16, 32 or 64 */
#define SRC_BYTE BIT(1)	 /* memory is 8 bits wide, the register is not */
#define SRC_WORD BIT(2)	 /* memory is 16 bits wide */
#define SRC_DWORD BIT(3) /* memory is 32 bits wide, or 16 with operand size 16 */
#define LOCKABLE BIT(4)
#define ONLY_64 BIT(5) /* outside 64-bit mode the opcode is another instruction */
#define NO_16 BIT(6)   /* operand size 16 is another instruction, or none */
#define ALIGNED BIT(7)
#define ONLY_F3 BIT(8) /* without that prefix the opcode is another instruction */
#define STACK BIT(9)   /* 64 bits in 64-bit mode, or 16 */
#define NEAR BIT(10)   /* 64 bits in 64-bit mode, and prefix 66 means nothing there */

/* A row of an opcode table. OP_NONE with ENC_NONE, that is zeroes, is no instruction. */
struct row {
	u8 op;
	u8 enc;
	u16 flags;
	const struct row *group;
};

#define ROW(o, e, f)                                       \
	{                                                  \
		.op = OP_##o, .enc = ENC_##e, .flags = (f) \
	}
#define GROUP(t, f)                                          \
	{                                                    \
		.enc = ENC_GROUP, .flags = (f), .group = (t) \
	}

/* clang-format off */
#define ALU_GROUP(e) {								\
	ROW(ADD, e, LOCKABLE), ROW(OR, e, LOCKABLE), ROW(ADC, e, LOCKABLE),	\
	ROW(SBB, e, LOCKABLE), ROW(AND, e, LOCKABLE), ROW(SUB, e, LOCKABLE),	\
	ROW(XOR, e, LOCKABLE), ROW(CMP, e, 0),					\
}

#define ALU_ROWS(base, o, lk)							\
	[(base) + 0] = ROW(o, MR, BYTE_OP | (lk)),				\
	[(base) + 1] = ROW(o, MR, lk),						\
	[(base) + 2] = ROW(o, RM, BYTE_OP),					\
	[(base) + 3] = ROW(o, RM, 0)
/* clang-format on */

static const struct row group1[8] = ALU_GROUP(MI);
static const struct row group1_byte[8] = ALU_GROUP(MIB);

/* clang-format off */
#define SHIFT_GROUP(e) {							\
	ROW(ROL, e, 0), ROW(ROR, e, 0), ROW(RCL, e, 0), ROW(RCR, e, 0),	\
	ROW(SHL, e, 0), ROW(SHR, e, 0), ROW(SHL, e, 0), ROW(SAR, e, 0),	\
}
/* clang-format on */

static const struct row group2_imm[8] = SHIFT_GROUP(MIB);
static const struct row group2_one[8] = SHIFT_GROUP(M1);
static const struct row group2_cl[8] = SHIFT_GROUP(MCL);

static const struct row group3[8] = {
	[0] = ROW(TEST, MI, 0),	     [1] = ROW(TEST, MI, 0), /* undocumented alias */
	[2] = ROW(NOT, M, LOCKABLE), [3] = ROW(NEG, M, LOCKABLE), [4] = ROW(MUL, M, 0),
	[5] = ROW(IMUL_WIDE, M, 0),  [6] = ROW(DIV, M, 0),	  [7] = ROW(IDIV, M, 0),
};

static const struct row group4[8] = {
	[0] = ROW(INC, M, LOCKABLE),
	[1] = ROW(DEC, M, LOCKABLE),
};

/* Far calls and jumps, /3 and /5, are not emulated: they load CS, with all its checks. */
static const struct row group5[8] = {
	[0] = ROW(INC, M, LOCKABLE), [1] = ROW(DEC, M, LOCKABLE), [2] = ROW(CALL, M, NEAR),
	[4] = ROW(JMP, M, NEAR),     [6] = ROW(PUSH, M, STACK),
};

static const struct row group1a[8] = {
	[0] = ROW(POP, M, STACK),
};

static const struct row group8[8] = {
	[4] = ROW(BT, MIB, 0),
	[5] = ROW(BTS, MIB, LOCKABLE),
	[6] = ROW(BTR, MIB, LOCKABLE),
	[7] = ROW(BTC, MIB, LOCKABLE),
};

static const struct row group9[8] = {
	[1] = ROW(CMPXCHG_PAIR, M, LOCKABLE),
};

static const struct row group11[8] = {
	[0] = ROW(MOV, MI, 0),
};

/* CLWB, and CLFLUSH or CLFLUSHOPT. check_flush() refuses these opcodes with other prefixes. */
static const struct row group15[8] = {
	[6] = ROW(FLUSH, M, BYTE_OP),
	[7] = ROW(FLUSH, M, BYTE_OP),
};

static const struct row one_byte[256] = {
	ALU_ROWS(0x00, ADD, LOCKABLE),
	ALU_ROWS(0x08, OR, LOCKABLE),
	ALU_ROWS(0x10, ADC, LOCKABLE),
	ALU_ROWS(0x18, SBB, LOCKABLE),
	ALU_ROWS(0x20, AND, LOCKABLE),
	ALU_ROWS(0x28, SUB, LOCKABLE),
	ALU_ROWS(0x30, XOR, LOCKABLE),
	ALU_ROWS(0x38, CMP, 0),
	[0x63] = ROW(MOVSX, RM, SRC_DWORD | ONLY_64), /* MOVSXD */
	[0x69] = ROW(IMUL, RMI, 0),
	[0x6b] = ROW(IMUL, RMIB, 0),
	[0x80] = GROUP(group1_byte, BYTE_OP),
	[0x81] = GROUP(group1, 0),
	[0x83] = GROUP(group1_byte, 0),
	[0x84] = ROW(TEST, MR, BYTE_OP),
	[0x85] = ROW(TEST, MR, 0),
	[0x86] = ROW(XCHG, MR, BYTE_OP | LOCKABLE),
	[0x87] = ROW(XCHG, MR, LOCKABLE),
	[0x88] = ROW(MOV, MR, BYTE_OP),
	[0x89] = ROW(MOV, MR, 0),
	[0x8a] = ROW(MOV, RM, BYTE_OP),
	[0x8b] = ROW(MOV, RM, 0),
	[0x8f] = GROUP(group1a, 0),
	[0xa0] = ROW(MOV, MOFFS_A, BYTE_OP),
	[0xa1] = ROW(MOV, MOFFS_A, 0),
	[0xa2] = ROW(MOV, A_MOFFS, BYTE_OP),
	[0xa3] = ROW(MOV, A_MOFFS, 0),
	[0xa4] = ROW(MOVS, STRING, BYTE_OP),
	[0xa5] = ROW(MOVS, STRING, 0),
	[0xa6] = ROW(CMPS, STRING, BYTE_OP),
	[0xa7] = ROW(CMPS, STRING, 0),
	[0xaa] = ROW(STOS, STRING, BYTE_OP),
	[0xab] = ROW(STOS, STRING, 0),
	[0xac] = ROW(LODS, STRING, BYTE_OP),
	[0xad] = ROW(LODS, STRING, 0),
	[0xae] = ROW(SCAS, STRING, BYTE_OP),
	[0xaf] = ROW(SCAS, STRING, 0),
	[0xc0] = GROUP(group2_imm, BYTE_OP),
	[0xc1] = GROUP(group2_imm, 0),
	[0xc6] = GROUP(group11, BYTE_OP),
	[0xc7] = GROUP(group11, 0),
	[0xd0] = GROUP(group2_one, BYTE_OP),
	[0xd1] = GROUP(group2_one, 0),
	[0xd2] = GROUP(group2_cl, BYTE_OP),
	[0xd3] = GROUP(group2_cl, 0),
	[0xf6] = GROUP(group3, BYTE_OP),
	[0xf7] = GROUP(group3, 0),
	[0xfe] = GROUP(group4, BYTE_OP),
	[0xff] = GROUP(group5, 0),
};

static const struct row two_byte[256] = {
	[0x40 ... 0x4f] = ROW(CMOV, RM, 0),
	[0x90 ... 0x9f] = ROW(SET, M, BYTE_OP),
	[0xa3] = ROW(BT, MR, 0),
	[0xa4] = ROW(SHLD, MRIB, 0),
	[0xa5] = ROW(SHLD, MRCL, 0),
	[0xab] = ROW(BTS, MR, LOCKABLE),
	[0xac] = ROW(SHRD, MRIB, 0),
	[0xad] = ROW(SHRD, MRCL, 0),
	[0xae] = GROUP(group15, 0),
	[0xaf] = ROW(IMUL, RM, 0),
	[0xb0] = ROW(CMPXCHG, MR, BYTE_OP | LOCKABLE),
	[0xb1] = ROW(CMPXCHG, MR, LOCKABLE),
	[0xb3] = ROW(BTR, MR, LOCKABLE),
	[0xb6] = ROW(MOVZX, RM, SRC_BYTE),
	[0xb7] = ROW(MOVZX, RM, SRC_WORD),
	[0xb8] = ROW(POPCNT, RM, ONLY_F3),
	[0xba] = GROUP(group8, 0),
	[0xbb] = ROW(BTC, MR, LOCKABLE),
	[0xbc] = ROW(BSF, RM, 0),
	[0xbd] = ROW(BSR, RM, 0),
	[0xbe] = ROW(MOVSX, RM, SRC_BYTE),
	[0xbf] = ROW(MOVSX, RM, SRC_WORD),
	[0xc0] = ROW(XADD, MR, BYTE_OP | LOCKABLE),
	[0xc1] = ROW(XADD, MR, LOCKABLE),
	[0xc3] = ROW(MOV, MR, NO_16), /* MOVNTI */
	[0xc7] = GROUP(group9, 0),
};

/*
 * Moves of XMM registers. Here a prefix is part of the opcode: the last of F2
 * and F3 wins, and both win over 66. A load without KEEP clears the rest of the
 * register.
 */
enum mandatory { P_NONE, P_66, P_F3, P_F2 };

#define KEEP BIT(0)   /* a load leaves the register's other bytes */
#define HIGH BIT(1)   /* the upper half of the register is moved */
#define AS_GPR BIT(2) /* 8 bytes with REX.W, else 4 */
#define ALIGNED_16 BIT(3)

static const struct sse_row {
	u16 opcode;
	u8 prefix; /* enum mandatory */
	u8 enc;
	u8 size;
	u8 flags;
} sse[] = {
	{ 0x0f10, P_NONE, ENC_RM, 16 }, /* MOVUPS */
	{ 0x0f11, P_NONE, ENC_MR, 16 },
	{ 0x0f10, P_66, ENC_RM, 16 }, /* MOVUPD */
	{ 0x0f11, P_66, ENC_MR, 16 },
	{ 0x0f10, P_F3, ENC_RM, 4 }, /* MOVSS */
	{ 0x0f11, P_F3, ENC_MR, 4 },
	{ 0x0f10, P_F2, ENC_RM, 8 }, /* MOVSD */
	{ 0x0f11, P_F2, ENC_MR, 8 },
	{ 0x0f12, P_NONE, ENC_RM, 8, KEEP }, /* MOVLPS */
	{ 0x0f13, P_NONE, ENC_MR, 8 },
	{ 0x0f12, P_66, ENC_RM, 8, KEEP }, /* MOVLPD */
	{ 0x0f13, P_66, ENC_MR, 8 },
	{ 0x0f16, P_NONE, ENC_RM, 8, KEEP | HIGH }, /* MOVHPS */
	{ 0x0f17, P_NONE, ENC_MR, 8, HIGH },
	{ 0x0f16, P_66, ENC_RM, 8, KEEP | HIGH }, /* MOVHPD */
	{ 0x0f17, P_66, ENC_MR, 8, HIGH },
	{ 0x0f28, P_NONE, ENC_RM, 16, ALIGNED_16 }, /* MOVAPS */
	{ 0x0f29, P_NONE, ENC_MR, 16, ALIGNED_16 },
	{ 0x0f28, P_66, ENC_RM, 16, ALIGNED_16 }, /* MOVAPD */
	{ 0x0f29, P_66, ENC_MR, 16, ALIGNED_16 },
	{ 0x0f2b, P_NONE, ENC_MR, 16, ALIGNED_16 }, /* MOVNTPS */
	{ 0x0f2b, P_66, ENC_MR, 16, ALIGNED_16 },   /* MOVNTPD */
	{ 0x0f6e, P_66, ENC_RM, 4, AS_GPR },	    /* MOVD, MOVQ */
	{ 0x0f7e, P_66, ENC_MR, 4, AS_GPR },
	{ 0x0f7e, P_F3, ENC_RM, 8 }, /* MOVQ */
	{ 0x0fd6, P_66, ENC_MR, 8 },
	{ 0x0f6f, P_66, ENC_RM, 16, ALIGNED_16 }, /* MOVDQA */
	{ 0x0f7f, P_66, ENC_MR, 16, ALIGNED_16 },
	{ 0x0f6f, P_F3, ENC_RM, 16 }, /* MOVDQU */
	{ 0x0f7f, P_F3, ENC_MR, 16 },
	{ 0x0fe7, P_66, ENC_MR, 16, ALIGNED_16 }, /* MOVNTDQ */
	{ 0x0ff0, P_F2, ENC_RM, 16 },		  /* LDDQU */
	{ 0x382a, P_66, ENC_RM, 16, ALIGNED_16 }, /* MOVNTDQA */
};

/* These share their opcode with another instruction, and a prefix tells which is meant. */
static const struct row movbe_load = ROW(MOVBE, RM, 0);
static const struct row movbe_store = ROW(MOVBE, MR, 0);
static const struct row crc32_byte = ROW(CRC32, RM, SRC_BYTE);
static const struct row crc32 = ROW(CRC32, RM, 0);
static const struct row movdiri = ROW(MOV, MR, NO_16);
static const struct row tzcnt = ROW(TZCNT, RM, 0);
static const struct row lzcnt = ROW(LZCNT, RM, 0);

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* A decoding in progress: where it is in the bytes, and what the prefixes were. */
struct cursor {
	const u8 *bytes;
	size_t len;
	size_t pos;
	enum insn_mode mode;
	bool opsize_prefix;   /* 66 */
	bool addrsize_prefix; /* 67 */
	u8 rep;		      /* the last of F2 and F3 */
	u8 seg;		      /* override, or NR_SEGS */
	u8 rex;		      /* 0 if there is none */
	u16 opcode;
	u8 modrm;
	u8 opsize;
	bool truncated;
};

/* @reason: a phrase for the user, who may read it in the error that KVM_RUN gives. */
static int decode_refuse(struct insn *insn, const char *reason)
{
	insn->reason = reason;
	return -EINVAL;
}

/* The next byte. After the end it is 0, and .truncated tells the caller to try with more. */
static u8 decode_next_byte(struct cursor *c)
{
	if (c->pos >= c->len) {
		c->truncated = true;
		return 0;
	}
	return c->bytes[c->pos++];
}

static u64 next_le(struct cursor *c, unsigned int size)
{
	u64 v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (u64)decode_next_byte(c) << (8 * i);
	return v;
}

static s64 next_signed(struct cursor *c, unsigned int size)
{
	return sign_extend_bytes(next_le(c, size), size);
}

/* The segment that an override prefix names, or NR_SEGS if @byte is none. */
static u8 override_segment(u8 byte)
{
	switch (byte) {
	case 0x26: return SEG_ES;
	case 0x2e: return SEG_CS;
	case 0x36: return SEG_SS;
	case 0x3e: return SEG_DS;
	case 0x64: return SEG_FS;
	case 0x65: return SEG_GS;
	default: return NR_SEGS;
	}
}

/* Takes @byte as a legacy prefix. Return: false: it is none. */
static bool take_prefix(struct cursor *c, struct insn *insn, u8 byte)
{
	u8 seg = override_segment(byte);

	if (seg != NR_SEGS) {
		/* 64-bit mode ignores all but FS and GS. */
		if (c->mode != MODE_64 || seg >= SEG_FS)
			c->seg = seg;
		return true;
	}
	switch (byte) {
	case 0x66: c->opsize_prefix = true; return true;
	case 0x67: c->addrsize_prefix = true; return true;
	case 0xf0: insn->lock = true; return true;
	case 0xf2: c->rep = REP_NE; return true;
	case 0xf3: c->rep = REP_E; return true;
	default: return false;
	}
}

/* Return: the first byte that is no prefix, with which the opcode begins. */
static u8 take_prefixes(struct cursor *c, struct insn *insn)
{
	u8 byte;

	for (;;) {
		byte = decode_next_byte(c);
		if (c->truncated)
			return 0;
		if (take_prefix(c, insn, byte)) {
			c->rex = 0; /* REX counts only right before the opcode */
			continue;
		}
		if (c->mode != MODE_64 || (byte & 0xf0) != 0x40)
			return byte;
		c->rex = byte;
	}
}

/* SDM: "Operand-Size and Address-Size Attributes". */
static void set_sizes(struct cursor *c, struct insn *insn)
{
	switch (c->mode) {
	case MODE_16:
		c->opsize = c->opsize_prefix ? 4 : 2;
		insn->addr_size = c->addrsize_prefix ? 4 : 2;
		break;
	case MODE_32:
		c->opsize = c->opsize_prefix ? 2 : 4;
		insn->addr_size = c->addrsize_prefix ? 2 : 4;
		break;
	case MODE_64:
		c->opsize = c->rex & REX_W ? 8 : c->opsize_prefix ? 2 : 4;
		insn->addr_size = c->addrsize_prefix ? 4 : 8;
		break;
	}
}

/* An opcode is one byte, or 0x0f00 and the second, or 0x3800 and the third after 0F 38. */
static void take_opcode(struct cursor *c, u8 byte)
{
	c->opcode = byte;
	if (byte != 0x0f)
		return;
	c->opcode = 0x0f00 | decode_next_byte(c);
	if (c->opcode == 0x0f38)
		c->opcode = 0x3800 | decode_next_byte(c);
}

/* 0F 38 F0 and F1: MOVBE, or CRC32 with prefix F2; F9: MOVDIRI. */
static const struct row *find_three_byte(const struct cursor *c)
{
	bool first = c->opcode == 0x38f0;

	if (c->opcode == 0x38f9)
		return &movdiri;
	if ((!first && c->opcode != 0x38f1) || c->rep == REP_E)
		return NULL;
	if (c->rep == REP_NE)
		return first ? &crc32_byte : &crc32;
	return first ? &movbe_load : &movbe_store;
}

static const struct row *find_two_byte(const struct cursor *c)
{
	if (c->rep == REP_E && c->opcode == 0x0fbc)
		return &tzcnt;
	if (c->rep == REP_E && c->opcode == 0x0fbd)
		return &lzcnt;
	return &two_byte[c->opcode & 0xff];
}

/* NULL: the opcode is in none of the tables, or only in sse[]. */
static const struct row *decode_find_row(const struct cursor *c)
{
	const struct row *row;

	switch (c->opcode >> 8) {
	case 0: row = &one_byte[c->opcode]; break;
	case 0x0f: row = find_two_byte(c); break;
	default: row = find_three_byte(c);
	}
	return !row || row->enc == ENC_NONE ? NULL : row;
}

static enum mandatory mandatory_prefix(const struct cursor *c)
{
	if (c->rep)
		return c->rep == REP_E ? P_F3 : P_F2;
	return c->opsize_prefix ? P_66 : P_NONE;
}

/* *@opcode_known: there is a row with another prefix, so that the refusal can say so. */
static const struct sse_row *find_sse(const struct cursor *c, bool *opcode_known)
{
	enum mandatory prefix = mandatory_prefix(c);
	size_t i;

	*opcode_known = false;
	for (i = 0; i < ARRAY_SIZE(sse); i++) {
		if (sse[i].opcode != c->opcode)
			continue;
		if (sse[i].prefix == prefix)
			return &sse[i];
		*opcode_known = true;
	}
	return NULL;
}

/* MMX moves have the opcodes of XMM moves, and no prefix. */
static bool is_mmx(const struct cursor *c)
{
	if (mandatory_prefix(c) != P_NONE)
		return false;
	switch (c->opcode) {
	case 0x0f6e:
	case 0x0f6f:
	case 0x0f7e:
	case 0x0f7f:
	case 0x0fe7: return true;
	default: return false;
	}
}

/*
 * Says why there is no row. The first byte of VEX and EVEX, C4, C5 or 62, is that of LDS, LES or
 * BOUND, which 64-bit mode lacks.
 */
static const char *why_unknown(const struct cursor *c, bool opcode_known)
{
	u16 byte = c->opcode;

	if (is_mmx(c))
		return "MMX moves on device memory are not emulated";
	if (opcode_known)
		return "no such prefix and opcode in the emulator's table";
	if (byte >= 0x6c && byte <= 0x6f)
		return "INS and OUTS on device memory are not emulated";
	if (byte == 0x0fae || byte == 0x0fc7)
		return "saving and loading state on device memory is not emulated";
	if (byte == 0x62 || byte == 0xc4 || byte == 0xc5)
		return "AVX instructions on device memory are not emulated";
	if (byte == 0xd8 || (byte > 0xd8 && byte <= 0xdf))
		return "x87 instructions on device memory are not emulated";
	if (c->opcode >= 0x0f00)
		return "no such two-byte opcode in the emulator's table";
	return "no such opcode in the emulator's table";
}

/* 16-bit ModRM addressing. SDM: "Addressing-Mode Encoding of ModR/M and SIB Bytes". */
static void take_mem_16(struct cursor *c, struct insn *insn)
{
	static const u8 base[8] = { GPR_RBX, GPR_RBX, GPR_RBP, GPR_RBP,
				    GPR_RSI, GPR_RDI, GPR_RBP, GPR_RBX };
	static const u8 index[8] = { GPR_RSI, GPR_RDI, GPR_RSI, GPR_RDI,
				     NO_GPR,  NO_GPR,  NO_GPR,	NO_GPR };
	u8 mod = c->modrm >> 6, rm = c->modrm & 7;

	if (mod == 0 && rm == 6) {
		insn->mem.disp = next_signed(c, 2);
		return;
	}
	insn->mem.base = base[rm];
	insn->mem.index = index[rm];
	if (insn->mem.base == GPR_RBP)
		insn->mem.seg = SEG_SS;
	if (mod)
		insn->mem.disp = next_signed(c, mod);
}

/* Index 4 means none, base 5 with mod 0 too. Return: does a 32-bit displacement follow so? */
static bool take_sib(struct cursor *c, struct insn *insn)
{
	u8 sib = decode_next_byte(c);
	u8 base = sib & 7, index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);

	if (index != GPR_RSP) {
		insn->mem.index = index;
		insn->mem.shift = sib >> 6;
	}
	if (base == GPR_RBP && c->modrm >> 6 == 0)
		return true;
	insn->mem.base = base | (c->rex & REX_B ? 8 : 0);
	return false;
}

/* 32- and 64-bit ModRM addressing. Stack and frame pointer as a base imply SS. */
static void take_mem_32(struct cursor *c, struct insn *insn)
{
	u8 mod = c->modrm >> 6, rm = c->modrm & 7;
	bool disp32 = mod == 2;

	if (rm == 4) {
		disp32 |= take_sib(c, insn);
	} else if (mod == 0 && rm == 5) {
		disp32 = true;
		insn->mem.rip_relative = c->mode == MODE_64;
	} else {
		insn->mem.base = rm | (c->rex & REX_B ? 8 : 0);
	}
	if (insn->mem.base == GPR_RSP || insn->mem.base == GPR_RBP)
		insn->mem.seg = SEG_SS;
	if (disp32)
		insn->mem.disp = next_signed(c, 4);
	else if (mod == 1)
		insn->mem.disp = next_signed(c, 1);
}

static int take_mem(struct cursor *c, struct insn *insn)
{
	if (c->modrm >> 6 == 3)
		return decode_refuse(insn, "its operands are registers only");
	if (insn->addr_size == 2)
		take_mem_16(c, insn);
	else
		take_mem_32(c, insn);
	return 0;
}

/* Without a REX prefix the byte registers 4 to 7 are AH, CH, DH and BH. */
static void decode_set_reg(struct cursor *c, struct insn *insn)
{
	u8 reg = (c->modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0);

	insn->high_byte = insn->reg_size == 1 && !c->rex && reg >= 4;
	insn->reg = insn->high_byte ? reg - 4 : reg;
}

/* 0F AE /6 is CLWB with prefix 66 only: it is XSAVEOPT without, and CLRSSBSY with F3. */
static int check_flush(struct cursor *c, struct insn *insn)
{
	bool clwb = (c->modrm >> 3 & 7) == 6;

	if (c->rep || (clwb && !c->opsize_prefix))
		return decode_refuse(insn, "no such prefix and opcode in the emulator's table");
	return 0;
}

/* Memory and register have the same size, but with MOVZX, MOVSX and CRC32. */
static void set_operand_sizes(const struct cursor *c, struct insn *insn, u16 flags)
{
	insn->size = flags & BYTE_OP ? 1 : c->opsize;
	if (c->mode == MODE_64 && (flags & NEAR || (flags & STACK && c->opsize == 4)))
		insn->size = 8;
	insn->reg_size = insn->size;
	if (insn->op == OP_CRC32) /* its sum has 32 bits always */
		insn->reg_size = max_t(u8, insn->size, 4);
	if (flags & SRC_BYTE)
		insn->size = 1;
	else if (flags & SRC_WORD)
		insn->size = 2;
	else if (flags & SRC_DWORD)
		insn->size = min_t(u8, c->opsize, 4);
	if (insn->op == OP_CMPXCHG_PAIR)
		insn->size = c->opsize == 8 ? 16 : 8;
	insn->aligned = flags & ALIGNED || insn->size == 16;
}

/* May the row be used in this mode and with these prefixes? If so, sets the operands' sizes. */
static int check_row(struct cursor *c, struct insn *insn, u16 flags)
{
	if (flags & ONLY_64 && c->mode != MODE_64)
		return decode_refuse(insn,
				     "no such opcode outside 64-bit mode in the emulator's table");
	if ((flags & NO_16 && (c->opsize_prefix || c->rep)) || (flags & ONLY_F3 && c->rep != REP_E))
		return decode_refuse(insn, "no such prefix and opcode in the emulator's table");
	if (insn->lock && !(flags & LOCKABLE))
		return decode_refuse(insn, "LOCK with an instruction that does not allow it");
	if (insn->lock && insn->form == FORM_REG_MEM)
		return decode_refuse(insn, "LOCK with a register destination");
	set_operand_sizes(c, insn, flags);
	return insn->op == OP_FLUSH ? check_flush(c, insn) : 0;
}

/* Makes of where the operands are encoded, what they are, which is all that emulate.c asks. */
static const u8 form_of[] = {
	[ENC_M] = FORM_MEM,	      [ENC_MR] = FORM_MEM_REG,	  [ENC_RM] = FORM_REG_MEM,
	[ENC_MI] = FORM_MEM_IMM,      [ENC_MIB] = FORM_MEM_IMM,	  [ENC_MOFFS_A] = FORM_REG_MEM,
	[ENC_A_MOFFS] = FORM_MEM_REG, [ENC_STRING] = FORM_STRING, [ENC_M1] = FORM_MEM_IMM,
	[ENC_MCL] = FORM_MEM_IMM,     [ENC_MRIB] = FORM_MEM_REG,  [ENC_MRCL] = FORM_MEM_REG,
	[ENC_RMI] = FORM_REG_MEM,     [ENC_RMIB] = FORM_REG_MEM,
};

static void take_immediate(struct cursor *c, struct insn *insn, u8 enc)
{
	switch (enc) {
	case ENC_RMI: insn->has_imm = true; fallthrough;
	case ENC_MI: insn->imm = next_signed(c, min_t(u8, insn->size, 4)); break;
	case ENC_RMIB:
	case ENC_MRIB: insn->has_imm = true; fallthrough;
	case ENC_MIB: insn->imm = next_signed(c, 1); break;
	case ENC_M1: insn->imm = 1; break;
	case ENC_MCL:
	case ENC_MRCL: insn->count_cl = true; break;
	}
}

/* The displacement comes before the immediate, so it must be taken first. */
static int take_operands(struct cursor *c, struct insn *insn, u8 enc)
{
	int err;

	switch (enc) {
	case ENC_STRING: insn->rep = c->rep; return 0;
	case ENC_MOFFS_A:
	case ENC_A_MOFFS:
		insn->reg = GPR_RAX;
		insn->mem.disp = next_le(c, insn->addr_size);
		return 0;
	}
	if (insn->form == FORM_MEM_REG || insn->form == FORM_REG_MEM)
		decode_set_reg(c, insn);
	err = take_mem(c, insn);
	if (!err)
		take_immediate(c, insn, enc);
	return err;
}

static bool has_modrm(const struct row *row)
{
	return row->enc != ENC_STRING && row->enc != ENC_MOFFS_A && row->enc != ENC_A_MOFFS;
}

/* @row: what decode_find_row() found. A group's member is known once ModRM was read. */
static int decode_row(struct cursor *c, struct insn *insn, const struct row *row)
{
	u16 flags = row->flags;
	int err;

	if (has_modrm(row))
		c->modrm = decode_next_byte(c);
	if (row->enc == ENC_GROUP) {
		row = &row->group[c->modrm >> 3 & 7];
		if (row->enc == ENC_NONE)
			return decode_refuse(insn,
					     "no such opcode group member in the emulator's table");
		flags |= row->flags;
	}
	insn->op = row->op;
	insn->form = form_of[row->enc];
	insn->cc = c->opcode & 0xf;
	err = check_row(c, insn, flags);
	return err ? err : take_operands(c, insn, row->enc);
}

static int decode_sse(struct cursor *c, struct insn *insn, const struct sse_row *row)
{
	c->modrm = decode_next_byte(c);
	if (insn->lock)
		return decode_refuse(insn, "LOCK with an instruction that does not allow it");
	insn->op = OP_MOVX;
	insn->form = form_of[row->enc];
	insn->reg_size = 16;
	insn->size = row->flags & AS_GPR && c->rex & REX_W ? 8 : row->size;
	insn->aligned = row->flags & ALIGNED_16;
	insn->xmm_keep = row->flags & KEEP;
	insn->xmm_at = row->flags & HIGH ? 8 : 0;
	return take_operands(c, insn, row->enc);
}

/* Return: 0 or -EINVAL. insn_decode() looks afterwards whether the bytes ended too early. */
static int decode_at(struct cursor *c, struct insn *insn)
{
	u8 byte = take_prefixes(c, insn);
	const struct sse_row *sse_row;
	const struct row *row;
	bool known;
	int err;

	if (c->truncated)
		return 0;
	set_sizes(c, insn);
	take_opcode(c, byte);
	if (c->truncated)
		return 0;
	row = decode_find_row(c);
	sse_row = find_sse(c, &known);
	if (!row && !sse_row)
		return decode_refuse(insn, why_unknown(c, known));
	err = sse_row ? decode_sse(c, insn, sse_row) : decode_row(c, insn, row);
	if (err)
		return err;
	if (c->seg != NR_SEGS)
		insn->mem.seg = c->seg;
	insn->len = c->pos;
	return 0;
}

int insn_decode(struct insn *insn, const u8 *bytes, size_t len, enum insn_mode mode)
{
	struct cursor c = {
		.bytes = bytes,
		.len = min_t(size_t, len, INSN_MAX_LEN),
		.mode = mode,
		.seg = NR_SEGS,
	};
	int err;

	memset(insn, 0, sizeof(*insn));
	insn->mode = mode;
	insn->mem.seg = SEG_DS;
	insn->mem.base = NO_GPR;
	insn->mem.index = NO_GPR;
	err = decode_at(&c, insn);
	if (!c.truncated)
		return err;
	if (len >= INSN_MAX_LEN)
		return decode_refuse(insn, "longer than 15 bytes");
	insn->reason = "the instruction's bytes end too early";
	return -ENODATA;
}
