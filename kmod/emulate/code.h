/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction at the guest's RIP, fetched and decoded. For files of emulate/ only.
 *
 * What was read on the way to an instruction is kept with it (struct code_line). When the guest
 * comes to it again all of that is read anew; if nothing has changed, neither has what follows
 * from it.
 */
#ifndef EMULATE_CODE_H
#define EMULATE_CODE_H

#include "emulate/decode.h"
#include "emulate/fault.h"
#include "mem/trail.h"

struct vcpu;

#define CODE_WORDS 3 /* they hold 15 bytes at any place */

/* What was read of L1's memory: the way to the page, and words, each at an aligned address. */
struct code_words {
	struct mem_trail way;
	u8 count;
	struct code_word {
		u64 gpa;
		u64 value;
		u64 mask; /* which bits of it matter */
	} word[CODE_WORDS];
};

/* What of the registers a fetch and its decoding depend on, in 64-bit or compatibility mode. */
struct code_key {
	u64 linear; /* of the instruction's first byte */
	u64 cr3;
	u64 efer;
	u8 mode; /* enum insn_mode */
	bool user;
	bool smep;
};

/* An instruction that was decoded lately. One that lies in two pages is not kept, nor is a jump. */
struct code_line {
	struct code_key key;
	struct code_words words; /* .count 0: the line is empty */
	struct insn insn;
};

#define CODE_LINES 8

/* The bytes of an instruction that was fetched, for who has to tell of it. */
struct code_bytes {
	u8 byte[INSN_MAX_LEN];
	u8 len;
};

/*
 * Takes the instruction at RIP from @lines, if it is there and nothing has changed.
 * Context: any of the vCPU's thread, interrupts may be off. Return: whether it did.
 */
bool code_at_hand(struct vcpu *vcpu, const struct code_line *lines, struct insn *insn);

/*
 * Fetches and decodes it, and keeps it in @lines.
 * Return: 0; -EINVAL: it is not known, insn->reason says why; or as gva.h's functions.
 */
int code_fetch(struct vcpu *vcpu, struct code_line *lines, struct insn *insn,
	       struct code_bytes *bytes, struct x86_fault *fault);

static inline bool insn_is_jump(const struct insn *insn)
{
	return insn->op == OP_CALL || insn->op == OP_JMP;
}

#endif
