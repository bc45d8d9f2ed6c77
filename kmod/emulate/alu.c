// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic with x86's flags, one operation at a time. Pure logic:
 * emulate.c calls it with the operands, and unit tests run the same instruction
 * natively beside it.
 *
 * What a reader must know: values are 64 bits wide in struct alu and mean .size
 * bytes of them, so everything goes through alu_cut(). Flags that the SDM leaves
 * undefined are whatever is simple.
 */
#include "emulate/alu.h"

static u64 sign_bit(const struct alu *alu)
{
	return BIT_ULL(8 * alu->size - 1);
}

static u64 alu_cut(const struct alu *alu, u64 value)
{
	return value & size_mask(alu->size);
}

/* Replaces the flags @which by those of @set, and leaves the others. */
static void put_flags(struct alu *alu, u64 which, u64 set)
{
	alu->flags = (alu->flags & ~which) | (set & which);
}

/* ZF, SF, PF. At any size PF is the parity of the lowest byte only. */
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

/*
 * Carry and overflow follow from the operands' and the result's top bits.
 * @which: the flags that this instruction changes; INC leaves CF alone.
 */
static void alu_add(struct alu *alu, u64 b, u64 carry, u64 which)
{
	u64 a = alu_cut(alu, alu->a), sign = sign_bit(alu), r, flags;

	b = alu_cut(alu, b);
	r = alu_cut(alu, a + b + carry);
	alu->result = r;
	flags = flags_of_result(alu) | ((a ^ b ^ r) & FLAG_AF);
	if (((a & b) | ((a | b) & ~r)) & sign)
		flags |= FLAG_CF;
	if ((a ^ r) & (b ^ r) & sign)
		flags |= FLAG_OF;
	put_flags(alu, which, flags);
}

/* @borrow: 0 or 1. @a is not always .a: NEG is a subtraction from 0. */
static void alu_sub(struct alu *alu, u64 a, u64 b, u64 borrow, u64 which)
{
	u64 sign = sign_bit(alu), r, flags;

	a = alu_cut(alu, a);
	b = alu_cut(alu, b);
	r = alu_cut(alu, a - b - borrow);
	alu->result = r;
	flags = flags_of_result(alu) | ((a ^ b ^ r) & FLAG_AF);
	if (((~a & b) | (~(a ^ b) & r)) & sign)
		flags |= FLAG_CF;
	if ((a ^ b) & (a ^ r) & sign)
		flags |= FLAG_OF;
	put_flags(alu, which, flags);
}

/* CF and OF become 0; so does AF, which the SDM leaves undefined. */
static void alu_logic(struct alu *alu, u64 result)
{
	alu->result = alu_cut(alu, result);
	put_flags(alu, ALU_FLAGS, flags_of_result(alu));
}

/* The bit offset is within the operand: emulate.c has moved the address by the rest. */
static void bit_test(struct alu *alu)
{
	unsigned int nr = alu->b & (8 * alu->size - 1);
	u64 a = alu_cut(alu, alu->a), bit = BIT_ULL(nr);

	put_flags(alu, FLAG_CF, a & bit ? FLAG_CF : 0);
	alu->result = a;
	if (alu->op == OP_BTS)
		alu->result |= bit;
	else if (alu->op == OP_BTR)
		alu->result &= ~bit;
	else if (alu->op == OP_BTC)
		alu->result ^= bit;
}

static s64 sign_extended(const struct alu *alu, u64 value)
{
	return sign_extend_bytes(value, alu->size);
}

static bool alu_rotates(u8 op)
{
	return op <= OP_RCR;
}

/*
 * Shifts or rotates *@value by one bit; *@b is the second operand of SHLD and
 * SHRD.
 * Return: the bit that went out, which is the new CF.
 */
static bool shift_once(const struct alu *alu, u64 *value, u64 *b, bool carry)
{
	u64 top = sign_bit(alu), v = *value;
	bool left = alu->op == OP_ROL || alu->op == OP_RCL || alu->op == OP_SHL ||
		    alu->op == OP_SHLD;
	bool out = v & (left ? top : 1), in = false;

	switch (alu->op) {
	case OP_ROL:
	case OP_ROR: in = out; break;
	case OP_RCL:
	case OP_RCR: in = carry; break;
	case OP_SAR: in = v & top; break;
	case OP_SHLD:
		in = *b & top;
		*b <<= 1;
		break;
	case OP_SHRD:
		in = *b & 1;
		*b >>= 1;
		break;
	}
	*value = left ? alu_cut(alu, v << 1) | in : v >> 1 | (in ? top : 0);
	return out;
}

/* OF is defined for shifts by one bit only; for more it is that of the last one. */
static void alu_shift(struct alu *alu)
{
	u8 count = alu->count & (alu->size == 8 ? 63 : 31), i;
	bool carry = alu->flags & FLAG_CF;
	u64 v = alu_cut(alu, alu->a), b = alu_cut(alu, alu->b), before = v, flags;

	/* The shift is done bit by bit, at most 63 times, so that no count is a special case. */
	for (i = 0; i < count; i++) {
		before = v;
		carry = shift_once(alu, &v, &b, carry);
	}
	alu->result = v;
	/* A shift by 0 changes no flag, not even ZF. */
	if (!count)
		return;
	flags = flags_of_result(alu) | (carry ? FLAG_CF : 0);
	if ((before ^ v) & sign_bit(alu))
		flags |= FLAG_OF;
	put_flags(alu, alu_rotates(alu->op) ? FLAG_CF | FLAG_OF : ALU_FLAGS, flags);
}

/*
 * For 8 bytes the compiler's overflow check, for fewer whether the product is
 * its own sign extension.
 */
void alu_imul(struct alu *alu)
{
	s64 product;
	bool too_large = __builtin_mul_overflow(sign_extended(alu, alu->a),
						sign_extended(alu, alu->b), &product);

	alu->result = alu_cut(alu, product);
	too_large |= sign_extended(alu, product) != product;
	put_flags(alu, FLAG_CF | FLAG_OF, too_large ? FLAG_CF | FLAG_OF : 0);
}

/* CF says that there is no bit, ZF that there are no zeros before it. */
static void count_zeros(struct alu *alu, u64 b)
{
	unsigned int bits = 8 * alu->size;

	if (!b)
		alu->result = bits;
	else if (alu->op == OP_TZCNT)
		alu->result = __builtin_ctzll(b);
	else
		alu->result = __builtin_clzll(b) - (64 - bits);
	put_flags(alu, FLAG_CF | FLAG_ZF, (b ? 0 : FLAG_CF) | (alu->result ? 0 : FLAG_ZF));
}

void alu_bits(struct alu *alu)
{
	u64 b = alu_cut(alu, alu->b);

	if (alu->op == OP_POPCNT) {
		put_flags(alu, ALU_FLAGS, b ? 0 : FLAG_ZF);
		for (alu->result = 0; b; b &= b - 1)
			alu->result++;
		return;
	}
	if (alu->op == OP_TZCNT || alu->op == OP_LZCNT) {
		count_zeros(alu, b);
		return;
	}
	put_flags(alu, FLAG_ZF, b ? 0 : FLAG_ZF);
	if (b)
		alu->result = alu->op == OP_BSF ? __builtin_ctzll(b) : 63 - __builtin_clzll(b);
}

#define CRC32_POLYNOMIAL 0x82f63b78 /* 0x11edc6f41 with its bits the other way round */

/* The sum has 32 bits at any size of the operand, and no flag changes. */
void alu_crc32(struct alu *alu)
{
	u32 sum = alu->a;
	int i, bit;

	for (i = 0; i < alu->size; i++) {
		sum ^= alu->b >> 8 * i & 0xff;
		for (bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? CRC32_POLYNOMIAL : 0);
	}
	alu->result = sum;
}

/* *@low: the accumulator, and then the product's low half. CF and OF: *@high says something new. */
static void alu_multiply(struct alu *alu, u64 *high, u64 *low)
{
	unsigned int bits = 8 * alu->size;
	bool is_signed = alu->op == OP_IMUL_WIDE, fits;
	unsigned __int128 product;

	if (is_signed)
		product = (__int128)sign_extended(alu, *low) * sign_extended(alu, alu->b);
	else
		product = (unsigned __int128)alu_cut(alu, *low) * alu_cut(alu, alu->b);
	*low = alu_cut(alu, product);
	*high = alu_cut(alu, product >> bits);
	fits = is_signed ? product == (unsigned __int128)(__int128)sign_extended(alu, *low)
			 : !*high;
	put_flags(alu, FLAG_CF | FLAG_OF, fits ? 0 : FLAG_CF | FLAG_OF);
}

/* Divides unsigned numbers. @high is below @by, so that the quotient fits. */
static u64 divide_wide(u64 high, u64 low, u64 by, u64 *rest)
{
	u64 quotient;

	asm("divq %4" : "=a"(quotient), "=d"(*rest) : "a"(low), "d"(high), "r"(by) : "cc");
	return quotient;
}

/*
 * Signs are taken off, the magnitudes divided, and signs put back: the
 * remainder has the dividend's. Return: false: #DE, as @by is 0 or the quotient
 * does not fit.
 */
static bool alu_divide(struct alu *alu, u64 *high, u64 *low)
{
	unsigned int bits = 8 * alu->size;
	bool is_signed = alu->op == OP_IDIV, minus, by_minus;
	unsigned __int128 n = (unsigned __int128)alu_cut(alu, *high) << bits | alu_cut(alu, *low);
	u64 by = alu_cut(alu, alu->b), quotient, rest, most;

	minus = is_signed && *high & sign_bit(alu);
	by_minus = is_signed && by & sign_bit(alu);
	if (minus) /* its absolute value, in twice as many bits */
		n = alu->size == 8 ? -n : -n & (((unsigned __int128)1 << 2 * bits) - 1);
	if (by_minus)
		by = alu_cut(alu, -by);
	/* The guest's #DE must not become one of L0's, in DIV. */
	if (!by || (u64)(n >> 64) >= by)
		return false;
	quotient = divide_wide(n >> 64, n, by, &rest);
	most = !is_signed ? alu_cut(alu, ~0ULL) : sign_bit(alu) - (minus == by_minus);
	if (quotient > most)
		return false;
	*low = alu_cut(alu, minus != by_minus ? -quotient : quotient);
	*high = alu_cut(alu, minus ? -rest : rest);
	return true;
}

bool alu_wide(struct alu *alu, u64 *high, u64 *low)
{
	if (alu->op == OP_DIV || alu->op == OP_IDIV)
		return alu_divide(alu, high, low);
	alu_multiply(alu, high, low);
	return true;
}

/* Odd conditions are the negations of the even ones before them. */
bool alu_condition(u64 flags, u8 cc)
{
	bool less = !(flags & FLAG_SF) != !(flags & FLAG_OF), holds;

	switch (cc >> 1) {
	case 0: holds = flags & FLAG_OF; break;
	case 1: holds = flags & FLAG_CF; break;
	case 2: holds = flags & FLAG_ZF; break;
	case 3: holds = flags & (FLAG_CF | FLAG_ZF); break;
	case 4: holds = flags & FLAG_SF; break;
	case 5: holds = flags & FLAG_PF; break;
	case 6: holds = less; break;
	default: holds = less || flags & FLAG_ZF; break;
	}
	return holds != (cc & 1);
}

void alu_compute(struct alu *alu)
{
	u64 a = alu->a, b = alu->b, carry = alu->flags & FLAG_CF;

	switch (alu->op) {
	case OP_ADD: alu_add(alu, b, 0, ALU_FLAGS); break;
	case OP_ADC: alu_add(alu, b, carry, ALU_FLAGS); break;
	case OP_INC: alu_add(alu, 1, 0, ALU_FLAGS & ~FLAG_CF); break;
	case OP_SUB:
	case OP_CMP: alu_sub(alu, a, b, 0, ALU_FLAGS); break;
	case OP_SBB: alu_sub(alu, a, b, carry, ALU_FLAGS); break;
	case OP_DEC: alu_sub(alu, a, 1, 0, ALU_FLAGS & ~FLAG_CF); break;
	case OP_NEG: alu_sub(alu, 0, a, 0, ALU_FLAGS); break;
	case OP_OR: alu_logic(alu, a | b); break;
	case OP_AND:
	case OP_TEST: alu_logic(alu, a & b); break;
	case OP_XOR: alu_logic(alu, a ^ b); break;
	case OP_NOT: alu->result = alu_cut(alu, ~a); break;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC: bit_test(alu); break;
	default: alu_shift(alu); break;
	}
}

/* These are there for their flags; their destination is not even written back. */
bool alu_has_result(enum insn_op op)
{
	return op != OP_CMP && op != OP_TEST && op != OP_BT;
}
