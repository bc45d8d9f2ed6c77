// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fetches the instruction at RIP and has it decoded, for mmio.c. Tour, stop 7.
 *
 * A guest touches its devices by few instructions, again and again. So each that was fetched is
 * kept with all words of memory that led to it: the entries of paging structures, and its bytes.
 *
 * What a reader must know: a word that was read before is never trusted. The next time each word
 * is read again, and the instruction is taken only if all words, and all registers that matter,
 * are the same. So nothing is missed that a guest, another vCPU or userspace has changed in
 * between: only the walking and decoding between the reads is spared.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <vmx/cr.h>
#include <vmx/info.h>

#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "emulate/code.h"
#include "emulate/gva.h"

static enum insn_mode code_mode(struct vcpu *vcpu)
{
	u32 ar = vmread(VMCS_GUEST_CS_AR);

	if (vcpu_long_mode(vcpu) && ar & AR_L)
		return MODE_64;
	return ar & AR_DB ? MODE_32 : MODE_16;
}

/* The linear address of the byte that is @at bytes after RIP. */
static u64 code_linear(struct vcpu *vcpu, enum insn_mode mode, int at)
{
	u64 rip = vcpu_rip(vcpu) + at;

	return mode == MODE_64 ? rip : (u32)(vmread(VMCS_GUEST_CS_BASE) + rip);
}

static void make_key(struct vcpu *vcpu, struct code_key *key)
{
	enum insn_mode mode = code_mode(vcpu);

	*key = (struct code_key){
		.linear = code_linear(vcpu, mode, 0),
		.cr3 = vcpu_cr3(vcpu),
		.efer = vcpu->efer,
		.mode = mode,
		.user = vcpu_cpl(vcpu) == 3,
		.smep = vcpu_cr4(vcpu) & CR4_SMEP,
	};
}

static bool same_key(const struct code_key *a, const struct code_key *b)
{
	return a->linear == b->linear && a->cr3 == b->cr3 && a->efer == b->efer &&
	       a->mode == b->mode && a->user == b->user && a->smep == b->smep;
}

static unsigned int code_set(const struct code_key *key)
{
	return hash_64(key->linear, ilog2(CODE_SETS));
}

/* Reads the words again. A word that is not at hand counts as changed. */
static bool words_same(struct vcpu *vcpu, const struct code_words *words)
{
	const struct code_word *word = words->word;
	u64 value;
	int i;

	if (!mem_reads_at_hand(vcpu, &words->way))
		return false;
	for (i = 0; i < words->count; i++, word++)
		if (!mem_read_at_hand(vcpu, word->gpa, &value) ||
		    (value ^ word->value) & word->mask)
			return false;
	return i;
}

/*
 * Not for L2, as the entries of EPT12, on which its physical addresses depend, are not among the
 * words. Not without 4-level paging, as a walk then depends on registers that the key lacks.
 */
static bool may_keep(const struct vcpu *vcpu)
{
	return !vcpu->in_l2 && (vcpu->efer & EFER_BIT_LMA);
}

bool code_at_hand(struct vcpu *vcpu, const struct code_cache *cache, struct insn *insn)
{
	const struct code_line *line, *end;
	struct code_key key;

	if (!may_keep(vcpu))
		return false;
	make_key(vcpu, &key);
	line = cache->line[code_set(&key)];
	for (end = line + CODE_WAYS; line < end; line++)
		if (same_key(&line->key, &key) && words_same(vcpu, &line->words)) {
			*insn = line->insn;
			return true;
		}
	return false;
}

/*
 * Reads the bytes that follow those in @bytes, up to the end of the page, as there may be no
 * memory behind it. Whole words are read, since code_at_hand() compares words.
 */
static int read_page(struct vcpu *vcpu, u64 linear, struct code_bytes *bytes,
		     struct code_words *words, struct x86_fault *fault)
{
	struct access access = { .user = vcpu_cpl(vcpu) == 3, .fetch = true, .trail = &words->way };
	u64 gpa, word[3];
	int want = min_t(int, INSN_MAX_LEN - bytes->len, PAGE_SIZE - offset_in_page(linear));
	int ret, i, skip;

	ret = gva_translate(vcpu, linear, &access, &gpa, fault);
	if (ret)
		return ret;
	skip = gpa % sizeof(*word);
	gpa -= skip;
	for (i = 0; i * sizeof(*word) < skip + want; i++, gpa += sizeof(*word)) {
		if (mem_read_entry(vcpu, gpa, &word[i]))
			return -ENXIO;
		words->word[i] = (struct code_word){ gpa, word[i], ~0ULL };
	}
	memcpy(bytes->byte + bytes->len, (u8 *)word + skip, want);
	bytes->len += want;
	return 0;
}

/* Masks out what is no byte of the instruction, which begins at @skip and has @len bytes. */
static void mask_words(struct code_words *words, unsigned int skip, unsigned int len)
{
	unsigned int end = skip + len;

	/* More words may have been read, as for an instruction of 15 bytes. */
	words->count = DIV_ROUND_UP(end, sizeof(u64));
	words->word[0].mask &= ~0ULL << 8 * skip;
	if (end % sizeof(u64))
		words->word[words->count - 1].mask &= ~0ULL >>
						      8 * (sizeof(u64) - end % sizeof(u64));
}

/* A processor without TZCNT and LZCNT takes them for BSF and BSR: the prefix means nothing. */
static void insn_as_processor_has(struct insn *insn)
{
	if (insn->op == OP_TZCNT && !boot_cpu_has(X86_FEATURE_BMI1))
		insn->op = OP_BSF;
	if (insn->op == OP_LZCNT && !boot_cpu_has(X86_FEATURE_ABM))
		insn->op = OP_BSR;
}

/* The line that has @key, of which something has changed, or the next one. */
static struct code_line *code_line_for(struct code_cache *cache, const struct code_key *key)
{
	struct code_line *set = cache->line[code_set(key)];
	int i;

	for (i = 0; i < CODE_WAYS; i++)
		if (same_key(&set[i].key, key))
			return &set[i];
	return &set[cache->next++ % CODE_WAYS];
}

static void code_keep(struct vcpu *vcpu, struct code_cache *cache, struct code_words *words,
		      const struct insn *insn)
{
	struct code_line *line;
	struct code_key key;

	/* Jumps are not kept: whether CET forbids one must be looked at each time. */
	if (!may_keep(vcpu) || insn_is_jump(insn))
		return;
	make_key(vcpu, &key);
	/* Near a page's end fewer bytes than the longest instruction has were read. */
	if (offset_in_page(key.linear) > PAGE_SIZE - INSN_MAX_LEN)
		return;
	mask_words(words, key.linear % sizeof(u64), insn->len);
	line = code_line_for(cache, &key);
	line->key = key;
	line->words = *words;
	line->insn = *insn;
}

/* An instruction may cross into the next page, which is fetched only if it has to be. */
int code_fetch(struct vcpu *vcpu, struct code_cache *cache, struct insn *insn,
	       struct code_bytes *bytes, struct x86_fault *fault)
{
	struct code_words words = {};
	enum insn_mode mode = code_mode(vcpu);
	int ret;

	bytes->len = 0;
	do {
		ret = read_page(vcpu, code_linear(vcpu, mode, bytes->len), bytes, &words, fault);
		if (ret)
			return ret;
		ret = insn_decode(insn, bytes->byte, bytes->len, mode);
	} while (ret == -ENODATA);
	if (ret)
		return ret;
	insn_as_processor_has(insn);
	code_keep(vcpu, cache, &words, insn);
	return 0;
}
