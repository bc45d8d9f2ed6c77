// SPDX-License-Identifier: GPL-2.0-only
/* The decoder of instructions that touch device memory. */
/* sources: kmod/emulate/decode.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "emulate/decode.h"
#include "op_names.h"

/*
 * What the decoder says, as text: prefixes, operation, operands with the
 * destination first, address size. Memory is "size@segment:base+index*scale+disp",
 * a register "number.size" ("h" for AH to BH), an immediate "$value".
 */
struct sample {
	enum insn_mode mode;
	const char *bytes;
	const char *text;
};

static const struct sample samples[] = {
	/* MOV */
	{ MODE_64, "89 07", "mov 4@ds:7, 0.4 a8" },
	{ MODE_64, "8b 07", "mov 0.4, 4@ds:7 a8" },
	{ MODE_64, "4d 89 4c 24 30", "mov 8@ds:12+0x30, 9.8 a8" },
	{ MODE_64, "88 23", "mov 1@ds:3, 0.h a8" },
	{ MODE_64, "40 88 23", "mov 1@ds:3, 4.1 a8" },
	{ MODE_64, "8a 1c 24", "mov 3.1, 1@ss:4 a8" },
	{ MODE_64, "8b 0d 10 00 00 00", "mov 1.4, 4@ds:rip+0x10 a8" },
	{ MODE_64, "67 8b 0d 10 00 00 00", "mov 1.4, 4@ds:rip+0x10 a4" },
	{ MODE_64, "8b 04 25 f0 ff ff ff", "mov 0.4, 4@ds:-0x10 a8" },
	{ MODE_64, "89 0c 25 00 b0 5f ff", "mov 4@ds:-0xa05000, 1.4 a8" },
	{ MODE_64, "4b 8b 44 e5 00", "mov 0.8, 8@ds:13+12*8 a8" },
	{ MODE_64, "8b 04 6d 00 00 00 00", "mov 0.4, 4@ds:5*2 a8" },
	{ MODE_64, "66 8b 45 fc", "mov 0.2, 2@ss:5-0x4 a8" },
	{ MODE_64, "41 8b 45 00", "mov 0.4, 4@ds:13 a8" },
	{ MODE_64, "41 8b 04 24", "mov 0.4, 4@ds:12 a8" },
	{ MODE_64, "65 67 8b 10", "mov 2.4, 4@gs:0 a4" },
	{ MODE_64, "26 8b 10", "mov 2.4, 4@ds:0 a8" },
	{ MODE_64, "64 2e 8b 10", "mov 2.4, 4@fs:0 a8" },
	{ MODE_64, "48 66 8b 10", "mov 2.2, 2@ds:0 a8" }, /* REX not before the opcode */
	{ MODE_64, "66 48 8b 10", "mov 2.8, 8@ds:0 a8" },
	{ MODE_64, "f3 8b 10", "mov 2.4, 4@ds:0 a8" },
	{ MODE_64, "a0 88 77 66 55 44 33 22 11", "mov 0.1, 1@ds:0x1122334455667788 a8" },
	{ MODE_64, "48 a3 11 22 33 44 55 66 77 08", "mov 8@ds:0x877665544332211, 0.8 a8" },
	{ MODE_64, "67 a1 44 33 22 11", "mov 0.4, 4@ds:0x11223344 a4" },
	{ MODE_32, "a3 b0 00 e0 fe", "mov 4@ds:0xfee000b0, 0.4 a4" },
	{ MODE_16, "a1 34 12", "mov 0.2, 2@ds:0x1234 a2" },
	{ MODE_64, "c6 06 7f", "mov 1@ds:6, $0x7f a8" },
	{ MODE_64, "48 c7 46 08 ff ff ff ff", "mov 8@ds:6+0x8, $-0x1 a8" },
	{ MODE_64, "66 c7 06 34 12", "mov 2@ds:6, $0x1234 a8" },
	{ MODE_64, "c7 05 10 00 00 00 01 00 00 00", "mov 4@ds:rip+0x10, $0x1 a8" },
	{ MODE_64, "48 0f c3 17", "mov 8@ds:7, 2.8 a8" },
	{ MODE_64, "48 0f 38 f0 07", "movbe 0.8, 8@ds:7 a8" },
	{ MODE_64, "66 0f 38 f1 07", "movbe 2@ds:7, 0.2 a8" },
	{ MODE_64, "48 0f 38 f9 17", "mov 8@ds:7, 2.8 a8" }, /* MOVDIRI */
	{ MODE_32, "0f 38 f9 0f", "mov 4@ds:7, 1.4 a4" },
	{ MODE_64, "0f b6 08", "movzx 1.4, 1@ds:0 a8" },
	{ MODE_64, "44 0f b7 00", "movzx 8.4, 2@ds:0 a8" },
	{ MODE_64, "48 0f be 30", "movsx 6.8, 1@ds:0 a8" },
	{ MODE_32, "0f bf 18", "movsx 3.4, 2@ds:0 a4" },
	{ MODE_64, "48 63 18", "movsx 3.8, 4@ds:0 a8" },
	{ MODE_64, "63 18", "movsx 3.4, 4@ds:0 a8" },
	/* Arithmetic */
	{ MODE_64, "f0 83 0c 24 00", "lock or 4@ss:4, $0x0 a8" },
	{ MODE_64, "81 20 ff ff fe ff", "and 4@ds:0, $-0x10001 a8" },
	{ MODE_64, "80 38 80", "cmp 1@ds:0, $-0x80 a8" },
	{ MODE_64, "48 83 28 01", "sub 8@ds:0, $0x1 a8" },
	{ MODE_64, "01 08", "add 4@ds:0, 1.4 a8" },
	{ MODE_64, "32 08", "xor 1.1, 1@ds:0 a8" },
	{ MODE_64, "48 1b 08", "sbb 1.8, 8@ds:0 a8" },
	{ MODE_64, "10 20", "adc 1@ds:0, 0.h a8" },
	{ MODE_64, "85 08", "test 4@ds:0, 1.4 a8" },
	{ MODE_64, "f7 00 00 00 00 80", "test 4@ds:0, $-0x80000000 a8" },
	{ MODE_64, "f6 08 01", "test 1@ds:0, $0x1 a8" },
	{ MODE_64, "f7 10", "not 4@ds:0 a8" },
	{ MODE_64, "f7 18", "neg 4@ds:0 a8" },
	{ MODE_64, "f0 48 ff 00", "lock inc 8@ds:0 a8" },
	{ MODE_64, "fe 08", "dec 1@ds:0 a8" },
	{ MODE_64, "0f ba 2f 1f", "bts 4@ds:7, $0x1f a8" },
	{ MODE_64, "48 0f b3 07", "btr 8@ds:7, 0.8 a8" },
	{ MODE_64, "f0 0f bb 07", "lock btc 4@ds:7, 0.4 a8" },
	{ MODE_64, "66 0f a3 07", "bt 2@ds:7, 0.2 a8" },
	{ MODE_64, "c0 27 05", "shl 1@ds:7, $0x5 a8" },
	{ MODE_64, "48 d1 3f", "sar 8@ds:7, $0x1 a8" },
	{ MODE_64, "66 d3 07", "rol 2@ds:7, $0x0 a8" },
	{ MODE_64, "0f a4 1f 04", "shld 4@ds:7, 3.4 a8" },
	{ MODE_64, "48 0f ad 1f", "shrd 8@ds:7, 3.8 a8" },
	{ MODE_64, "0f af 1f", "imul 3.4, 4@ds:7 a8" },
	{ MODE_64, "69 1f 00 01 00 00", "imul 3.4, 4@ds:7 a8" },
	{ MODE_64, "f6 27", "mul 1@ds:7 a8" },
	{ MODE_64, "48 f7 3f", "idiv 8@ds:7 a8" },
	{ MODE_64, "0f 94 07", "set 1@ds:7 a8" },
	{ MODE_64, "48 0f 4f 1f", "cmov 3.8, 8@ds:7 a8" },
	{ MODE_64, "0f bc 1f", "bsf 3.4, 4@ds:7 a8" },
	{ MODE_64, "f3 48 0f b8 1f", "popcnt 3.8, 8@ds:7 a8" },
	/* Exchanges */
	{ MODE_64, "87 07", "xchg 4@ds:7, 0.4 a8" },
	{ MODE_64, "f0 0f c1 07", "lock xadd 4@ds:7, 0.4 a8" },
	{ MODE_64, "f0 0f b0 17", "lock cmpxchg 1@ds:7, 2.1 a8" },
	{ MODE_64, "0f c7 0f", "cmpxchg8b 8@ds:7 a8" },
	{ MODE_64, "48 0f c7 0f", "cmpxchg8b 16@ds:7 a8" },
	/* Strings */
	{ MODE_64, "f3 ab", "rep stos 4 ds a8" },
	{ MODE_32, "64 f3 66 a5", "rep movs 2 fs a4" },
	{ MODE_32, "f2 ae", "repne scas 1 ds a4" },
	{ MODE_64, "48 ad", "lods 8 ds a8" },
	{ MODE_16, "67 a6", "cmps 1 ds a4" },
	/* SSE moves and cache lines */
	{ MODE_64, "66 44 0f 6f 08", "movx 9.16, 16@ds:0 a8" },
	{ MODE_64, "f3 0f 10 08", "movx 1.16, 4@ds:0 a8" },
	{ MODE_64, "f2 0f 11 08", "movx 8@ds:0, 1.16 a8" },
	{ MODE_64, "0f 11 08", "movx 16@ds:0, 1.16 a8" },
	{ MODE_64, "66 0f e7 08", "movx 16@ds:0, 1.16 a8" },
	{ MODE_64, "0f 12 08", "movx 1.16, 8@ds:0 a8" },
	{ MODE_64, "66 0f 17 08", "movx 8@ds:0, 1.16 a8" },
	{ MODE_64, "66 0f 6e 08", "movx 1.16, 4@ds:0 a8" },
	{ MODE_64, "66 48 0f 7e 08", "movx 8@ds:0, 1.16 a8" },
	{ MODE_64, "f3 0f 7e 08", "movx 1.16, 8@ds:0 a8" },
	{ MODE_64, "66 0f d6 08", "movx 8@ds:0, 1.16 a8" },
	{ MODE_64, "66 0f 38 2a 08", "movx 1.16, 16@ds:0 a8" },
	{ MODE_64, "f2 0f f0 08", "movx 1.16, 16@ds:0 a8" },
	{ MODE_64, "0f ae 38", "clflush 1@ds:0 a8" },
	/* Addressing in 16 bits and in 32 */
	{ MODE_16, "8b 00", "mov 0.2, 2@ds:3+6*1 a2" },
	{ MODE_16, "88 43 ff", "mov 1@ss:5+7*1-0x1, 0.1 a2" },
	{ MODE_16, "8b 86 00 80", "mov 0.2, 2@ss:5-0x8000 a2" },
	{ MODE_16, "8b 07", "mov 0.2, 2@ds:3 a2" },
	{ MODE_16, "3e 8b 46 02", "mov 0.2, 2@ds:5+0x2 a2" },
	{ MODE_16, "8b 0e f0 ff", "mov 1.2, 2@ds:-0x10 a2" },
	{ MODE_16, "26 66 67 89 07", "mov 4@es:7, 0.4 a4" },
	{ MODE_32, "8b 05 10 00 00 00", "mov 0.4, 4@ds:0x10 a4" },
	{ MODE_32, "66 c7 44 8e 04 05 00", "mov 2@ds:6+1*4+0x4, $0x5 a4" },
	{ MODE_32, "67 8b 14", "mov 2.4, 4@ds:6 a2" },
	/* The stack's and near jumps: 64 bits in 64-bit mode */
	{ MODE_64, "ff 30", "push 8@ds:0 a8" },
	{ MODE_64, "66 ff 30", "push 2@ds:0 a8" },
	{ MODE_64, "48 ff 30", "push 8@ds:0 a8" },
	{ MODE_64, "8f 44 24 08", "pop 8@ss:4+0x8 a8" },
	{ MODE_64, "66 8f 00", "pop 2@ds:0 a8" },
	{ MODE_64, "66 41 ff 17", "call 8@ds:15 a8" },
	{ MODE_64, "ff 25 10 00 00 00", "jmp 8@ds:rip+0x10 a8" },
	{ MODE_32, "ff 10", "call 4@ds:0 a4" },
	{ MODE_32, "66 ff 20", "jmp 2@ds:0 a4" },
	{ MODE_32, "66 ff 30", "push 2@ds:0 a4" },
	{ MODE_16, "8f 07", "pop 2@ds:3 a2" },
	{ MODE_16, "66 ff 37", "push 4@ds:3 a2" },
	/* Prefixes that are part of the opcode */
	{ MODE_64, "f3 0f bc 1f", "tzcnt 3.4, 4@ds:7 a8" },
	{ MODE_64, "66 f3 0f bd 1f", "lzcnt 3.2, 2@ds:7 a8" },
	{ MODE_64, "f2 0f bc 1f", "bsf 3.4, 4@ds:7 a8" },
	{ MODE_64, "f2 0f 38 f0 07", "crc32 0.4, 1@ds:7 a8" },
	{ MODE_64, "66 f2 0f 38 f1 07", "crc32 0.4, 2@ds:7 a8" },
	{ MODE_64, "f2 48 0f 38 f0 07", "crc32 0.8, 1@ds:7 a8" },
	{ MODE_64, "f2 4c 0f 38 f1 0f", "crc32 9.8, 8@ds:7 a8" },
};

/* What it must not take, and words that the reason must contain. */
static const struct sample refused[] = {
	{ MODE_64, "89 c0", "registers only" },
	{ MODE_64, "0f b6 c1", "registers only" },
	{ MODE_64, "f0 89 07", "LOCK" },
	{ MODE_64, "f0 03 07", "LOCK" },
	{ MODE_64, "f0 83 38 00", "LOCK" },
	{ MODE_64, "f0 f3 a4", "LOCK" },
	{ MODE_32, "63 18", "64-bit" },
	{ MODE_64, "c5 fa 10 00", "AVX" },
	{ MODE_64, "dd 00", "x87" },
	{ MODE_64, "0f 6f 00", "MMX" },
	{ MODE_64, "ff 18", "group" }, /* far CALL and JMP */
	{ MODE_64, "ff 28", "group" },
	{ MODE_64, "ff 38", "group" },
	{ MODE_64, "8f 48 00", "group" },
	{ MODE_64, "f0 ff 30", "LOCK" },
	{ MODE_64, "ff d0", "registers only" },
	{ MODE_64, "6e", "OUTS" },
	{ MODE_64, "f0 d1 27", "LOCK" },
	{ MODE_64, "0f 7f 00", "MMX" },
	{ MODE_64, "f3 0f 12 00", "prefix" },
	{ MODE_64, "0f c7 30", "group" },
	{ MODE_64, "66 0f c3 07", "prefix" },
	{ MODE_64, "66 0f 38 f9 17", "prefix" },
	{ MODE_64, "f2 0f 6f 00", "prefix" },
	{ MODE_64, "f3 0f 38 f0 07", "two-byte" },
	{ MODE_64, "f0 f2 0f 38 f0 07", "LOCK" },
	{ MODE_64, "f2 0f 38 f2 07", "two-byte" },
	{ MODE_64, "0f 01 00", "two-byte" },
	{ MODE_64, "90", "opcode" },
	{ MODE_64, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 89 07", "longer than 15" },
};

static size_t parse_bytes(const char *text, u8 *bytes)
{
	size_t n = 0;
	char *end;

	for (; *text; text = end + (*end == ' '))
		bytes[n++] = strtoul(text, &end, 16);
	return n;
}

static const char *const seg_names[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static int put_signed(char *buf, const char *plus, s64 v)
{
	return sprintf(buf, "%s0x%llx", v < 0 ? "-" : plus, (unsigned long long)(v < 0 ? -v : v));
}

static void put_mem(char *buf, const struct insn *insn)
{
	const struct insn_mem *m = &insn->mem;
	bool any = m->rip_relative || m->base != NO_GPR || m->index != NO_GPR;

	buf += sprintf(buf, "%d@%s:", insn->size, seg_names[m->seg]);
	if (m->rip_relative)
		buf += sprintf(buf, "rip");
	if (m->base != NO_GPR)
		buf += sprintf(buf, "%d", m->base);
	if (m->index != NO_GPR)
		buf += sprintf(buf, "%s%d*%d", m->base != NO_GPR ? "+" : "", m->index,
			       1 << m->shift);
	if (m->disp || !any)
		put_signed(buf, any ? "+" : "", m->disp);
}

static void put_reg(char *buf, const struct insn *insn)
{
	if (insn->high_byte)
		sprintf(buf, "%d.h", insn->reg);
	else
		sprintf(buf, "%d.%d", insn->reg, insn->reg_size);
}

static void describe(char *buf, const struct insn *insn)
{
	static const char *const reps[] = { "", "repne ", "rep " };
	char mem[80], other[40];

	put_mem(mem, insn);
	put_reg(other, insn);
	if (insn->form == FORM_MEM_IMM)
		other[put_signed(other + 1, "", insn->imm) + 1] = 0, other[0] = '$';
	buf += sprintf(buf, "%s%s%s ", insn->lock ? "lock " : "", reps[insn->rep],
		       insn_op_name(insn->op));
	if (insn->form == FORM_STRING)
		buf += sprintf(buf, "%d %s", insn->size, seg_names[insn->mem.seg]);
	else if (insn->form == FORM_MEM)
		buf += sprintf(buf, "%s", mem);
	else if (insn->form == FORM_REG_MEM)
		buf += sprintf(buf, "%s, %s", other, mem);
	else
		buf += sprintf(buf, "%s, %s", mem, other);
	sprintf(buf, " a%d", insn->addr_size);
}

/* Decode a copy that ends where the bytes end, so that ASan sees a read past them. */
static int decode_exact(struct insn *insn, const u8 *bytes, size_t len, enum insn_mode mode)
{
	u8 *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, bytes, len);
	ret = insn_decode(insn, copy, len, mode);
	free(copy);
	return ret;
}

static void test_samples(void **state)
{
	size_t i, n;
	struct insn insn;
	char text[200];
	u8 bytes[32];

	(void)state;
	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		n = parse_bytes(samples[i].bytes, bytes);
		if (decode_exact(&insn, bytes, n, samples[i].mode))
			fail_msg("%s: %s", samples[i].bytes, insn.reason);
		describe(text, &insn);
		assert_string_equal(text, samples[i].text);
		assert_int_equal(insn.len, n);
	}
}

/* Every proper prefix of an instruction asks for more; more bytes change nothing. */
static void test_truncation(void **state)
{
	size_t i, n, cut;
	struct insn insn, longer;
	u8 bytes[32];

	(void)state;
	for (i = 0; i < ARRAY_SIZE(samples); i++) {
		memset(bytes, 0xcc, sizeof(bytes));
		n = parse_bytes(samples[i].bytes, bytes);
		for (cut = 0; cut < n; cut++) {
			assert_int_equal(decode_exact(&insn, bytes, cut, samples[i].mode),
					 -ENODATA);
			assert_non_null(insn.reason);
		}
		assert_int_equal(decode_exact(&insn, bytes, n, samples[i].mode), 0);
		assert_int_equal(decode_exact(&longer, bytes, 15, samples[i].mode), 0);
		assert_memory_equal(&insn, &longer, sizeof(insn));
	}
}

static void test_refusals(void **state)
{
	size_t i, n;
	struct insn insn;
	u8 bytes[32];

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		n = parse_bytes(refused[i].bytes, bytes);
		assert_int_equal(decode_exact(&insn, bytes, n, refused[i].mode), -EINVAL);
		if (!strstr(insn.reason, refused[i].text))
			fail_msg("%s: '%s' lacks '%s'", refused[i].bytes, insn.reason,
				 refused[i].text);
	}
}

static void check_invariants(const struct insn *insn, size_t len)
{
	assert_in_range(insn->len, 1, len);
	assert_true(insn->size && insn->size <= 16 && !(insn->size & (insn->size - 1)));
	assert_true(insn->op > OP_NONE && insn->op <= OP_JMP);
	assert_true(insn->reg < 16 && insn->mem.seg <= SEG_GS && insn->mem.shift <= 3);
	assert_true(insn->mem.base < 16 || insn->mem.base == NO_GPR);
	assert_true(insn->mem.index < 16 || insn->mem.index == NO_GPR);
}

/* Random bytes: no read past the end (ASan), a sane answer, and the same with the exact length. */
static void test_random_bytes(void **state)
{
	struct insn insn, again;
	u8 bytes[16];
	size_t i, j, len;
	int ret, taken = 0;

	(void)state;
	srand(1);
	for (i = 0; i < 300000; i++) {
		len = rand() % 16;
		for (j = 0; j < len; j++)
			bytes[j] = rand();
		ret = decode_exact(&insn, bytes, len, rand() % 3);
		if (ret) {
			assert_true(ret == -EINVAL || ret == -ENODATA);
			assert_non_null(insn.reason);
			continue;
		}
		taken++;
		check_invariants(&insn, len);
		assert_int_equal(decode_exact(&again, bytes, insn.len, insn.mode), 0);
		assert_memory_equal(&insn, &again, sizeof(insn));
		assert_int_equal(decode_exact(&again, bytes, insn.len - 1, insn.mode), -ENODATA);
	}
	assert_true(taken > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
