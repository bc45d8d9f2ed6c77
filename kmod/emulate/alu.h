/* SPDX-License-Identifier: GPL-2.0-only */
/* Integer arithmetic with x86's flags, for the instruction emulator. */
#ifndef EMULATE_ALU_H
#define EMULATE_ALU_H

#include "emulate/decode.h"

#define FLAG_CF BIT_ULL(0)
#define FLAG_PF BIT_ULL(2)
#define FLAG_AF BIT_ULL(4)
#define FLAG_ZF BIT_ULL(6)
#define FLAG_SF BIT_ULL(7)
#define FLAG_DF BIT_ULL(10)
#define FLAG_OF BIT_ULL(11)
#define ALU_FLAGS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* The bits that a value of @size bytes has. */
static inline u64 size_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : BIT_ULL(8 * size) - 1;
}

/* @value, of @size bytes, as a signed number. */
static inline s64 sign_extend_bytes(u64 value, unsigned int size)
{
	unsigned int unused_bits = size >= 8 ? 0 : 64 - 8 * size;

	return (s64)(value << unused_bits) >> unused_bits;
}

struct alu {
	u8 op;	   /* OP_ADD to OP_SHRD of enum insn_op */
	u8 size;   /* bytes: 1, 2, 4 or 8 */
	u64 a;	   /* the first operand, also destination; bits past size are ignored */
	u64 b;	   /* the second operand; of shifts only SHLD and SHRD have one */
	u8 count;  /* of shifts, as the instruction has it */
	u64 flags; /* in: RFLAGS before; out: after */
	u64 result;
};

/* Where the SDM leaves flags undefined AF is cleared, but BT's flags other than CF stay. */
void alu_compute(struct alu *alu);

/* IMUL of two operands: CF and OF say that the product did not fit. */
void alu_imul(struct alu *alu);
/* BSF, BSR, TZCNT, LZCNT, POPCNT of .b; if that is 0, BSF and BSR have no result. */
void alu_bits(struct alu *alu);
/* CRC32: .a and the bytes of .b, to .result. */
void alu_crc32(struct alu *alu);
/* rDX:rAX, in *@high and *@low, times or by .b; false: #DE. @op: OP_MUL to OP_IDIV. */
bool alu_wide(struct alu *alu, u64 *high, u64 *low);
/* Does condition @cc, 0 to 15, hold? SDM: "Instruction Format", tttn. */
bool alu_condition(u64 flags, u8 cc);

/* Is the result stored, or only the flags? */
bool alu_has_result(enum insn_op op);

#endif
