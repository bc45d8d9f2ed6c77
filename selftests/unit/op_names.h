/* SPDX-License-Identifier: GPL-2.0-only */
/* The stem of each operation's mnemonic, for messages. */
#ifndef SELFTESTS_UNIT_OP_NAMES_H
#define SELFTESTS_UNIT_OP_NAMES_H

#include "emulate/decode.h"

static inline const char *insn_op_name(enum insn_op op)
{
	static const char *const names[] = {
		[OP_NONE] = "?",
		[OP_ADD] = "add",
		[OP_OR] = "or",
		[OP_ADC] = "adc",
		[OP_SBB] = "sbb",
		[OP_AND] = "and",
		[OP_SUB] = "sub",
		[OP_XOR] = "xor",
		[OP_CMP] = "cmp",
		[OP_TEST] = "test",
		[OP_NOT] = "not",
		[OP_NEG] = "neg",
		[OP_INC] = "inc",
		[OP_DEC] = "dec",
		[OP_BT] = "bt",
		[OP_BTS] = "bts",
		[OP_BTR] = "btr",
		[OP_BTC] = "btc",
		[OP_ROL] = "rol",
		[OP_ROR] = "ror",
		[OP_RCL] = "rcl",
		[OP_RCR] = "rcr",
		[OP_SHL] = "shl",
		[OP_SHR] = "shr",
		[OP_SAR] = "sar",
		[OP_SHLD] = "shld",
		[OP_SHRD] = "shrd",
		[OP_IMUL] = "imul",
		[OP_CMOV] = "cmov",
		[OP_BSF] = "bsf",
		[OP_BSR] = "bsr",
		[OP_POPCNT] = "popcnt",
		[OP_TZCNT] = "tzcnt",
		[OP_LZCNT] = "lzcnt",
		[OP_CRC32] = "crc32",
		[OP_PUSH] = "push",
		[OP_POP] = "pop",
		[OP_CALL] = "call",
		[OP_JMP] = "jmp",
		[OP_MUL] = "mul",
		[OP_IMUL_WIDE] = "imul",
		[OP_DIV] = "div",
		[OP_IDIV] = "idiv",
		[OP_SET] = "set",
		[OP_MOV] = "mov",
		[OP_MOVZX] = "movzx",
		[OP_MOVSX] = "movsx",
		[OP_MOVBE] = "movbe",
		[OP_MOVX] = "movx",
		[OP_XCHG] = "xchg",
		[OP_XADD] = "xadd",
		[OP_CMPXCHG] = "cmpxchg",
		[OP_CMPXCHG_PAIR] = "cmpxchg8b",
		[OP_MOVS] = "movs",
		[OP_CMPS] = "cmps",
		[OP_STOS] = "stos",
		[OP_LODS] = "lods",
		[OP_SCAS] = "scas",
		[OP_FLUSH] = "clflush",
	};

	return op < ARRAY_SIZE(names) ? names[op] : names[OP_NONE];
}

#endif
