/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decoder for the instructions with which guests touch device memory.
 *
 * Every instruction it accepts has exactly one memory operand, the stack not counted, or
 * is a string instruction with one or two. It works on bytes alone: what registers and
 * segments hold is the emulator's business (emulate.h).
 */
#ifndef EMULATE_DECODE_H
#define EMULATE_DECODE_H

#include <vmx/types.h>
#include <vmx/gpr.h>

#define INSN_MAX_LEN 15

enum insn_op {
	OP_NONE, /* not in the table */
	/* The first eight are in the order of opcode bits 5:3 and of the group 80 to 83. */
	OP_ADD,
	OP_OR,
	OP_ADC,
	OP_SBB,
	OP_AND,
	OP_SUB,
	OP_XOR,
	OP_CMP,
	OP_TEST,
	OP_NOT,
	OP_NEG,
	OP_INC,
	OP_DEC,
	/* The bit tests are in the order of the group 0F BA. */
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	/* Shifts are in the order of the group D0, whose seventh is SHL once more. */
	OP_ROL,
	OP_ROR,
	OP_RCL,
	OP_RCR,
	OP_SHL,
	OP_SHR,
	OP_SAR,
	OP_SHLD,
	OP_SHRD,
	/* These read memory and write a register. */
	OP_IMUL,
	OP_CMOV,
	OP_BSF,
	OP_BSR,
	OP_TZCNT,
	OP_LZCNT,
	OP_POPCNT,
	OP_CRC32,
	/* These read memory and write rAX and rDX. */
	OP_MUL,
	OP_IMUL_WIDE,
	OP_DIV,
	OP_IDIV,
	OP_SET, /* SETcc */
	OP_MOV,
	OP_MOVZX,
	OP_MOVSX,
	OP_MOVBE,
	OP_MOVX, /* between memory and an XMM register */
	OP_XCHG,
	OP_XADD,
	OP_CMPXCHG,
	OP_CMPXCHG_PAIR, /* CMPXCHG8B, CMPXCHG16B */
	OP_MOVS,
	OP_CMPS,
	OP_STOS,
	OP_LODS,
	OP_SCAS,
	OP_FLUSH, /* CLFLUSH, CLFLUSHOPT, CLWB: no data */
	/* Memory holds what PUSH pushes, takes what POP pops, and has the target of near jumps. */
	OP_PUSH,
	OP_POP,
	OP_CALL,
	OP_JMP,
};

/* What the other operand is, and which of the two comes first: the first is written, if any. */
enum insn_form {
	FORM_MEM,     /* memory alone, or with registers that the op implies */
	FORM_MEM_REG, /* memory first: "op mem, reg" */
	FORM_REG_MEM, /* register first: "op reg, mem" */
	FORM_MEM_IMM,
	FORM_STRING, /* at ES:rDI and/or seg:rSI */
};

enum insn_rep {
	REP_NONE,
	REP_NE, /* F2 */
	REP_E,	/* F3; plain REP where the distinction means nothing */
};

/* Default operand and address size of the code segment. */
enum insn_mode {
	MODE_16,
	MODE_32,
	MODE_64,
};

#define NO_GPR 0xff

struct insn_mem {
	u8 seg;		   /* enum segreg */
	u8 base;	   /* GPR or NO_GPR */
	u8 index;	   /* GPR or NO_GPR */
	u8 shift;	   /* of the index */
	bool rip_relative; /* to the address of the next instruction */
	s64 disp;
};

struct insn {
	u8 op;		/* enum insn_op */
	u8 form;	/* enum insn_form */
	u8 mode;	/* enum insn_mode */
	u8 len;		/* of the whole instruction, bytes */
	u8 size;	/* of an access to memory, bytes: 1, 2, 4, 8 or 16 */
	u8 reg_size;	/* of the register operand; differs for MOVZX, MOVSX, CRC32 */
	u8 addr_size;	/* bytes: 2, 4 or 8 */
	u8 reg;		/* GPR, or XMM register for OP_MOVX */
	bool high_byte; /* reg is AH, CH, DH or BH, of RAX, RCX, RDX or RBX */
	bool lock;
	bool aligned;	     /* #GP unless the operand is aligned to its size */
	u8 rep;		     /* enum insn_rep; string instructions only */
	struct insn_mem mem; /* string instructions: only seg, rSI's */
	u64 imm;	     /* sign-extended to 64 bits */
	bool has_imm;	     /* FORM_REG_MEM and FORM_MEM_REG: .imm is a third operand */
	bool count_cl;	     /* shifts: the count is in CL, else .imm */
	u8 cc;		     /* condition of CMOVcc and SETcc */
	u8 xmm_at;	     /* OP_MOVX: the first byte of the register that is moved */
	bool xmm_keep;	     /* OP_MOVX: a load keeps the register's other bytes, else they are 0 */
	const char *reason;  /* why it was refused, a phrase */
};

/*
 * Decodes the instruction at @bytes.
 * @len: how many bytes may be read.
 * Return: 0; -ENODATA if the instruction goes on after @len bytes; -EINVAL if
 * it is not one that the emulator knows. With both errors insn->reason is set.
 */
int insn_decode(struct insn *insn, const u8 *bytes, size_t len, enum insn_mode mode);

#endif
