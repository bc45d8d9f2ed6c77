// SPDX-License-Identifier: GPL-2.0-only
/* See alu.h. */
#include "exits/alu.h"

static u64 sign_bit(const struct alu *alu)
{
	return BIT_ULL(8 * alu->size - 1);
}

static u64 cut(const struct alu *alu, u64 value)
{
	return alu->size == 8 ? value : value & (BIT_ULL(8 * alu->size) - 1);
}

static void put_flags(struct alu *alu, u64 which, u64 set)
{
	alu->flags = (alu->flags & ~which) | (set & which);
}

static u64 flags_of_result(const struct alu *alu)
{
	u64 flags = 0;

	if (!alu->result)
		flags |= FLAG_ZF;
	if (alu->result & sign_bit(alu))
		flags |= FLAG_SF;
	if (!__builtin_parity(alu->result & 0xff))
		flags |= FLAG_PF;
	return flags;
}

/* @which: the flags that this instruction changes. */
static void add(struct alu *alu, u64 b, u64 carry, u64 which)
{
	u64 a = cut(alu, alu->a), sign = sign_bit(alu), r, flags;

	b = cut(alu, b);
	r = cut(alu, a + b + carry);
	alu->result = r;
	flags = flags_of_result(alu) | ((a ^ b ^ r) & FLAG_AF);
	if (((a & b) | ((a | b) & ~r)) & sign)
		flags |= FLAG_CF;
	if ((a ^ r) & (b ^ r) & sign)
		flags |= FLAG_OF;
	put_flags(alu, which, flags);
}

static void sub(struct alu *alu, u64 a, u64 b, u64 borrow, u64 which)
{
	u64 sign = sign_bit(alu), r, flags;

	a = cut(alu, a);
	b = cut(alu, b);
	r = cut(alu, a - b - borrow);
	alu->result = r;
	flags = flags_of_result(alu) | ((a ^ b ^ r) & FLAG_AF);
	if (((~a & b) | (~(a ^ b) & r)) & sign)
		flags |= FLAG_CF;
	if ((a ^ b) & (a ^ r) & sign)
		flags |= FLAG_OF;
	put_flags(alu, which, flags);
}

static void logic(struct alu *alu, u64 result)
{
	alu->result = cut(alu, result);
	put_flags(alu, ALU_FLAGS, flags_of_result(alu));
}

static void bit_test(struct alu *alu)
{
	unsigned int nr = alu->b & (8 * alu->size - 1);
	u64 a = cut(alu, alu->a), bit = BIT_ULL(nr);

	put_flags(alu, FLAG_CF, a & bit ? FLAG_CF : 0);
	alu->result = a;
	if (alu->op == OP_BTS)
		alu->result |= bit;
	else if (alu->op == OP_BTR)
		alu->result &= ~bit;
	else if (alu->op == OP_BTC)
		alu->result ^= bit;
}

void alu_compute(struct alu *alu)
{
	u64 a = alu->a, b = alu->b, carry = alu->flags & FLAG_CF;

	switch (alu->op) {
	case OP_ADD: add(alu, b, 0, ALU_FLAGS); break;
	case OP_ADC: add(alu, b, carry, ALU_FLAGS); break;
	case OP_INC: add(alu, 1, 0, ALU_FLAGS & ~FLAG_CF); break;
	case OP_SUB:
	case OP_CMP: sub(alu, a, b, 0, ALU_FLAGS); break;
	case OP_SBB: sub(alu, a, b, carry, ALU_FLAGS); break;
	case OP_DEC: sub(alu, a, 1, 0, ALU_FLAGS & ~FLAG_CF); break;
	case OP_NEG: sub(alu, 0, a, 0, ALU_FLAGS); break;
	case OP_OR: logic(alu, a | b); break;
	case OP_AND:
	case OP_TEST: logic(alu, a & b); break;
	case OP_XOR: logic(alu, a ^ b); break;
	case OP_NOT: alu->result = cut(alu, ~a); break;
	default: bit_test(alu); break;
	}
}

bool alu_has_result(enum insn_op op)
{
	return op != OP_CMP && op != OP_TEST && op != OP_BT;
}
