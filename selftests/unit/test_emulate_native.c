// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the processor under it: random instructions on random
 * registers and memory, run both ways, must leave the same behind.
 */
/* sources: kmod/emulate/decode.c kmod/emulate/alu.c kmod/emulate/emulate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "emulate/alu.h"
#include "emulate/emulate.h"
#include "op_names.h"

#ifdef __x86_64__

#define ROUNDS 300000
#define FIXED_FLAG 2

/* Registers and flags as the code below loads and stores them. */
struct state {
	u64 gpr[NR_GPRS]; /* RSP is not touched */
	u64 rflags;
};

/*
 * void native(struct state *s): load everything, run the bytes at
 * native_insn, store everything. The NOPs make room for the longest
 * instruction. Copied into memory that can be written and executed.
 */
extern const u8 native_begin[], native_insn[], native_end[];

asm(".pushsection .rodata\n"
    "native_begin:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; pushfq\n"
    "push %rdi\n"
    "mov %rdi, %r15\n"
    "pushq 128(%r15); popfq\n"
    "mov 0(%r15), %rax; mov 8(%r15), %rcx; mov 16(%r15), %rdx; mov 24(%r15), %rbx\n"
    "mov 40(%r15), %rbp; mov 48(%r15), %rsi; mov 56(%r15), %rdi\n"
    "mov 64(%r15), %r8; mov 72(%r15), %r9; mov 80(%r15), %r10; mov 88(%r15), %r11\n"
    "mov 96(%r15), %r12; mov 104(%r15), %r13; mov 112(%r15), %r14; mov 120(%r15), %r15\n"
    "native_insn:\n"
    ".fill 15, 1, 0x90\n"
    "push %r15\n"
    "mov 8(%rsp), %r15\n"
    "mov %rax, 0(%r15); mov %rcx, 8(%r15); mov %rdx, 16(%r15); mov %rbx, 24(%r15)\n"
    "mov %rbp, 40(%r15); mov %rsi, 48(%r15); mov %rdi, 56(%r15)\n"
    "mov %r8, 64(%r15); mov %r9, 72(%r15); mov %r10, 80(%r15); mov %r11, 88(%r15)\n"
    "mov %r12, 96(%r15); mov %r13, 104(%r15); mov %r14, 112(%r15)\n"
    "popq 120(%r15)\n"
    "pushfq; popq 128(%r15)\n"
    "pop %rdi; popfq; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    "native_end:\n"
    ".popsection\n");

static u8 *code;
/* Instructions act on the middle of this. */
static u8 memory[512] __aligned(64);
#define MIDDLE ((u64)(uintptr_t)memory + 256)

static struct state now;
static struct emu emu;

static u64 get_gpr(void *guest, u8 reg)
{
	(void)guest;
	return now.gpr[reg];
}

static void set_gpr(void *guest, u8 reg, u64 value)
{
	(void)guest;
	now.gpr[reg] = value;
}

static u64 get_rip(void *guest)
{
	(void)guest;
	return 0;
}

static u64 get_rflags(void *guest)
{
	(void)guest;
	return now.rflags;
}

static void set_rflags(void *guest, u64 rflags)
{
	(void)guest;
	now.rflags = rflags;
}

static int linear(void *guest, u8 seg, u64 offset, u8 size, bool write, u64 *out,
		  struct x86_fault *fault)
{
	(void)guest, (void)seg, (void)size, (void)write, (void)fault;
	*out = offset;
	return 0;
}

static int translate(void *guest, u64 at, bool write, u64 *gpa, struct x86_fault *fault)
{
	(void)guest, (void)write, (void)fault;
	*gpa = at;
	return 0;
}

static bool inside(u64 gpa, u8 len)
{
	return gpa - (u64)(uintptr_t)memory <= sizeof(memory) - len;
}

static int read_mem(void *guest, u64 gpa, void *data, u8 len)
{
	(void)guest;
	assert_true(inside(gpa, len));
	memcpy(data, (void *)(uintptr_t)gpa, len);
	return 0;
}

static int write_mem(void *guest, u64 gpa, const void *data, u8 len)
{
	(void)guest;
	assert_true(inside(gpa, len));
	memcpy((void *)(uintptr_t)gpa, data, len);
	return 0;
}

static const struct emu_ops ops = {
	.get_gpr = get_gpr,
	.set_gpr = set_gpr,
	.get_rip = get_rip,
	.get_rflags = get_rflags,
	.set_rflags = set_rflags,
	.linear = linear,
	.translate = translate,
	.read = read_mem,
	.write = write_mem,
};

static int make_code(void **state)
{
	size_t len = native_end - native_begin;

	(void)state;
	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	if (code == MAP_FAILED)
		return -1;
	memcpy(code, native_begin, len);
	return 0;
}

static u64 random_value(void)
{
	static const u64 special[] = { 0,
				       1,
				       0x7f,
				       0x80,
				       0x7fff,
				       0x8000,
				       0x7fffffff,
				       0x80000000,
				       0x7fffffffffffffff,
				       0x8000000000000000,
				       ~0ULL };
	u64 value = (u64)rand() << 42 ^ (u64)rand() << 21 ^ (u64)rand();

	return rand() % 3 ? value : special[rand() % ARRAY_SIZE(special)];
}

/* Prefixes, opcode and ModRM of (%rdi) or disp8(%rdi); the rest random, for immediates. */
static void random_insn(u8 *bytes)
{
	static const u8 prefixes[] = { 0x66, 0x66, 0xf2, 0xf3, 0xf0 };
	int n = 0, i;

	for (i = rand() % 3; i; i--)
		bytes[n++] = prefixes[rand() % ARRAY_SIZE(prefixes)];
	if (rand() % 2)
		bytes[n++] = 0x40 | (rand() & 0xc); /* not B, not X: the base stays RDI */
	if (rand() % 3 == 0)
		bytes[n++] = 0x0f;
	bytes[n++] = rand();
	if (bytes[n - 1] == 0x38)
		bytes[n++] = 0xf0 | (rand() & 1);
	bytes[n++] = (rand() & 0x78) | 7;
	while (n < INSN_MAX_LEN)
		bytes[n++] = rand();
}

static bool is_bit_test(const struct insn *insn)
{
	return insn->op >= OP_BT && insn->op <= OP_BTC;
}

static bool processor_has(u8 op)
{
	switch (op) {
	case OP_POPCNT: return __builtin_cpu_supports("popcnt");
	case OP_MOVBE: return __builtin_cpu_supports("movbe");
	case OP_TZCNT: return __builtin_cpu_supports("bmi");
	case OP_LZCNT: return __builtin_cpu_supports("lzcnt");
	case OP_CRC32: return __builtin_cpu_supports("sse4.2");
	default: return true;
	}
}

/* Can it be run on our memory, without a fault, and does the processor have it? */
static bool suitable(const struct insn *insn)
{
	if (insn->op == OP_MOVX || insn->op == OP_FLUSH)
		return false; /* no general registers in it */
	if (insn->op >= OP_PUSH)
		return false; /* it goes elsewhere, or needs a stack */
	if (insn->addr_size != 8 || insn->mem.seg != SEG_DS)
		return false;
	if (!processor_has(insn->op))
		return false;
	if (insn->form == FORM_STRING)
		return true;
	if (insn->aligned && insn->mem.disp % insn->size)
		return false;
	if (is_bit_test(insn) && insn->form == FORM_MEM_REG && insn->reg == GPR_RDI)
		return false; /* an address is no good bit offset */
	if (insn->mem.base != GPR_RDI || insn->mem.index != NO_GPR || insn->mem.disp < -128 ||
	    insn->mem.disp > 127)
		return false;
	return insn->form == FORM_MEM || insn->form == FORM_MEM_IMM || insn->reg != GPR_RSP ||
	       insn->high_byte;
}

static void random_state(struct state *s, const struct insn *insn)
{
	size_t i;

	for (i = 0; i < NR_GPRS; i++)
		s->gpr[i] = random_value();
	for (i = 0; i < sizeof(memory); i++)
		memory[i] = rand() % 4 ? rand() : 0;
	s->gpr[GPR_RDI] = MIDDLE;
	s->rflags = FIXED_FLAG | (rand() & ALU_FLAGS);
	if (insn->form == FORM_STRING) {
		s->gpr[GPR_RSI] = MIDDLE + rand() % 64;
		s->gpr[GPR_RCX] = rand() % 16;
		s->rflags |= rand() & FLAG_DF;
	}
	/* A bit offset that stays in the memory. */
	if (is_bit_test(insn) && insn->form == FORM_MEM_REG)
		s->gpr[insn->reg] = (s64)(rand() % 512) - 256;
	/* Let half of the comparisons succeed. */
	if (insn->op == OP_CMPXCHG && rand() % 2)
		memcpy(&s->gpr[GPR_RAX], (void *)(uintptr_t)(MIDDLE + insn->mem.disp), 8);
	if (insn->op == OP_CMPXCHG_PAIR && rand() % 2) {
		memcpy(&s->gpr[GPR_RAX], (void *)(uintptr_t)(MIDDLE + insn->mem.disp), 8);
		memcpy(&s->gpr[GPR_RDX],
		       (void *)(uintptr_t)(MIDDLE + insn->mem.disp + insn->size / 2), 8);
	}
}

static bool is_shift(const struct insn *insn)
{
	return insn->op >= OP_ROL && insn->op <= OP_SHRD;
}

/* Of a shift in state @s, as the processor cuts it. */
static u8 shift_count(const struct insn *insn, const struct state *s)
{
	u8 count = insn->count_cl ? s->gpr[GPR_RCX] : insn->imm;

	return count & (insn->size == 8 ? 63 : 31);
}

/* SDM: "... undefined" of each. */
static u64 defined_flags_of_shift(const struct insn *insn, u8 count)
{
	u64 flags = insn->op <= OP_RCR ? ALU_FLAGS : ALU_FLAGS & ~FLAG_AF;

	if (!count)
		return ALU_FLAGS;
	if (count > 1)
		flags &= ~FLAG_OF;
	if (insn->op > OP_RCR && count >= 8 * insn->size)
		flags &= ~FLAG_CF;
	return flags;
}

/* Flags that the SDM defines after the instruction, which began in @s. */
static u64 defined_flags(const struct insn *insn, const struct state *s)
{
	if (is_shift(insn))
		return defined_flags_of_shift(insn, shift_count(insn, s));
	switch (insn->op) {
	case OP_MUL:
	case OP_IMUL:
	case OP_IMUL_WIDE: return FLAG_CF | FLAG_OF;
	case OP_BSF:
	case OP_BSR: return FLAG_ZF;
	case OP_TZCNT:
	case OP_LZCNT: return FLAG_CF | FLAG_ZF;
	case OP_DIV:
	case OP_IDIV: return 0;
	}
	if (is_bit_test(insn))
		return FLAG_CF | FLAG_ZF;
	if (insn->op == OP_AND || insn->op == OP_OR || insn->op == OP_XOR || insn->op == OP_TEST)
		return ALU_FLAGS & ~FLAG_AF;
	return ALU_FLAGS;
}

static void compare_one(const struct insn *insn, const u8 *bytes)
{
	void (*native)(struct state * s) = (void (*)(struct state *))(uintptr_t)code;
	u8 *slot = code + (native_insn - native_begin);
	struct state before, processor;
	u8 memory_before[sizeof(memory)], memory_emulated[sizeof(memory)];
	int ret;

	random_state(&before, insn);
	memcpy(memory_before, memory, sizeof(memory));
	/* More than there are bits: the result is undefined. */
	if ((insn->op == OP_SHLD || insn->op == OP_SHRD) &&
	    shift_count(insn, &before) > 8 * insn->size)
		return;
	now = before;
	emu.insn = *insn;
	emu_start(&emu);
	ret = emu_run(&emu, &ops, NULL);
	/* #DE would be this program's end. */
	if (ret == EMU_FAULT && (insn->op == OP_DIV || insn->op == OP_IDIV))
		return;
	assert_int_equal(ret, EMU_DONE);
	memcpy(memory_emulated, memory, sizeof(memory));

	memcpy(memory, memory_before, sizeof(memory));
	memset(slot, 0x90, INSN_MAX_LEN);
	memcpy(slot, bytes, insn->len);
	processor = before;
	native(&processor);
	processor.rflags &= defined_flags(insn, &before);
	now.rflags &= defined_flags(insn, &before);
	if (memcmp(&now, &processor, sizeof(now)) ||
	    memcmp(memory, memory_emulated, sizeof(memory)))
		fail_msg("%s, size %d, bytes %02x %02x %02x %02x %02x: flags %llx, processor %llx",
			 insn_op_name(insn->op), insn->size, bytes[0], bytes[1], bytes[2], bytes[3],
			 bytes[4], (unsigned long long)now.rflags,
			 (unsigned long long)processor.rflags);
}

static void test_same_as_processor(void **state)
{
	static u32 seen[OP_FLUSH + 1];
	u8 bytes[INSN_MAX_LEN];
	struct insn insn;
	int i, op;

	(void)state;
	srand(1);
	for (i = 0; i < ROUNDS; i++) {
		random_insn(bytes);
		if (insn_decode(&insn, bytes, sizeof(bytes), MODE_64) || !suitable(&insn))
			continue;
		compare_one(&insn, bytes);
		seen[insn.op]++;
	}
	for (op = OP_ADD; op <= OP_FLUSH; op++)
		if (!seen[op] && processor_has(op) && op != OP_MOVX && op != OP_FLUSH)
			fail_msg("no %s among the random instructions", insn_op_name(op));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_same_as_processor, make_code),
	};

	return cmocka_run_group_tests_name("emulate_native", tests, NULL, NULL);
}

#else
int main(void)
{
	return 0;
}
#endif
