/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction at the guest's RIP, fetched and decoded. For files of emulate/ only.
 *
 * A decoded instruction is kept together with all memory that was read to get it, page-table
 * entries and bytes (struct code_line). When the guest comes to it again that memory is read
 * again; if nothing in it has changed, the instruction has not either.
 */
#ifndef EMULATE_CODE_H
#define EMULATE_CODE_H

#include "emulate/decode.h"
#include "emulate/fault.h"
#include "mem/trail.h"

struct vcpu;

#define CODE_WORDS 3 /* they hold 15 bytes at any place */

/* Memory of L1's that was read: entries on the way to the page, and aligned words of the code. */
struct code_words {
	struct mem_trail way;
	u8 count;
	struct code_word {
		u64 gpa;
		u64 value;
		u64 mask; /* which bits of it matter */
	} word[CODE_WORDS];
};

/* The registers on which a fetch and its decoding depend, in 64-bit or compatibility mode. */
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

/* A guest's few instructions for devices: each has two lines that it may be in. */
#define CODE_SETS 8
#define CODE_WAYS 2

struct code_cache {
	struct code_line line[CODE_SETS][CODE_WAYS];
	u8 next; /* the way that the next one is put into */
};

/* The bytes of an instruction that was fetched: userspace is told them if it is not emulated. */
struct code_bytes {
	u8 byte[INSN_MAX_LEN];
	u8 len;
};

/*
 * Takes the instruction at RIP from @cache, if it is there and nothing has changed.
 * Context: any of the vCPU's thread, interrupts may be off. Return: whether it did.
 */
bool code_at_hand(struct vcpu *vcpu, const struct code_cache *cache, struct insn *insn);

/*
 * Fetches and decodes the instruction at RIP, and keeps it in @cache if that is possible.
 * Return: 0; -EINVAL: it is not emulated, and insn->reason says why; or as gva.h's functions.
 */
int code_fetch(struct vcpu *vcpu, struct code_cache *cache, struct insn *insn,
	       struct code_bytes *bytes, struct x86_fault *fault);

static inline bool insn_is_jump(const struct insn *insn)
{
	return insn->op == OP_CALL || insn->op == OP_JMP;
}

#endif
