// SPDX-License-Identifier: GPL-2.0-only
/* sources: kmod/nested/caps.c kmod/nested/vmcs12.c */
/* Prints docs/features.md, from <vmx/offer.def> and caps_offer(). */
#include <stdio.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

struct model {
	const char *name;
	struct vmx_caps cpu, l1;
	struct vmcs12_fieldset fields;
};

static struct model models[] = {
#define M(name_, basic_, pin_, proc_, proc2_, proc3_, exit_, exit2_, entry_, misc_, ept_vpid_, \
	  vmfunc_)                                                                             \
	{                                                                                   \
		.name = (name_),                                                            \
		.cpu = {                                                                    \
			.basic = (basic_),                                                  \
			.pin = { (u32)(pin_), (pin_) >> 32 },                               \
			.proc = { (u32)(proc_), (proc_) >> 32 },                            \
			.proc2 = { (u32)(proc2_), (proc2_) >> 32 },                         \
			.proc3 = (proc3_),                                                  \
			.exit = { (u32)(exit_), (exit_) >> 32 },                            \
			.exit2 = (exit2_),                                                  \
			.entry = { (u32)(entry_), (entry_) >> 32 },                         \
			.misc = (misc_),                                                    \
			.ept_vpid = (ept_vpid_),                                            \
			.vmfunc = (vmfunc_),                                                \
		},                                                                          \
	},
#include "models.def"
#undef M
};

static const struct offer {
	enum offer_word word;
	enum offer_how how;
	u64 bits;
	const char *title, *note;
} offers[] = {
#define O(word, bits, title, how, note) { OFFER_##word, OFFER_##how, bits, title, note },
#include <vmx/offer.def>
#undef O
};

static const char *const word_title[NR_OFFER_WORDS] = {
	[OFFER_BASIC] = "Basic information (IA32_VMX_BASIC)",
	[OFFER_PIN] = "Pin-based VM-execution controls",
	[OFFER_PROC] = "Primary processor-based VM-execution controls",
	[OFFER_PROC2] = "Secondary processor-based VM-execution controls",
	[OFFER_PROC3] = "Tertiary processor-based VM-execution controls",
	[OFFER_EXIT] = "VM-exit controls",
	[OFFER_EXIT2] = "Secondary VM-exit controls",
	[OFFER_ENTRY] = "VM-entry controls",
	[OFFER_MISC] = "Miscellaneous data (IA32_VMX_MISC)",
	[OFFER_EPT_VPID] = "EPT and VPID (IA32_VMX_EPT_VPID_CAP)",
	[OFFER_VMFUNC] = "VM functions (IA32_VMX_VMFUNC)",
};

static u64 word_of(const struct vmx_caps *caps, enum offer_word word)
{
	switch (word) {
	case OFFER_BASIC: return caps->basic;
	case OFFER_PIN: return caps->pin.may;
	case OFFER_PROC: return caps->proc.may;
	case OFFER_PROC2: return caps->proc2.may;
	case OFFER_PROC3: return caps->proc3;
	case OFFER_EXIT: return caps->exit.may;
	case OFFER_EXIT2: return caps->exit2;
	case OFFER_ENTRY: return caps->entry.may;
	case OFFER_MISC: return caps->misc;
	case OFFER_EPT_VPID: return caps->ept_vpid;
	default: return caps->vmfunc;
	}
}

static void print_bits(u64 bits)
{
	int low = __builtin_ctzll(bits), high = 63 - __builtin_clzll(bits);

	if (low == high)
		printf("| %d ", low);
	else
		printf("| %d:%d ", high, low);
}

/* A number for what has several bits. */
static void print_cell(const struct model *m, const struct offer *o)
{
	u64 l1 = word_of(&m->l1, o->word) & o->bits, cpu = word_of(&m->cpu, o->word) & o->bits;

	if (o->bits & (o->bits - 1))
		printf("| %llu ", (unsigned long long)(l1 >> __builtin_ctzll(o->bits)));
	else
		printf("| %s ", l1 ? "yes" : cpu ? "no" : "—");
}

static void print_row(const struct offer *o)
{
	size_t i;

	print_bits(o->bits);
	printf("| %s ", o->title);
	for (i = 0; i < ARRAY_SIZE(models); i++)
		print_cell(&models[i], o);
	printf("| %s |\n", o->note);
}

static void print_head(void)
{
	size_t i;

	printf("| bit | what ");
	for (i = 0; i < ARRAY_SIZE(models); i++)
		printf("| %s ", models[i].name);
	printf("| remark |\n| --- | --- ");
	for (i = 0; i < ARRAY_SIZE(models); i++)
		printf("| --- ");
	printf("| --- |\n");
}

static void print_word(enum offer_word word)
{
	size_t i;

	printf("\n## %s\n\n", word_title[word]);
	print_head();
	for (i = 0; i < ARRAY_SIZE(offers); i++)
		if (offers[i].word == word)
			print_row(&offers[i]);
}

static void print_fields(const struct model *m)
{
	const char *separator = "";
	int i;

	printf("| %s | ", m->name);
	for (i = 0; i < NR_FIELDS; i++) {
		if (vmcs12_has(&m->fields, i))
			continue;
		printf("%s%s", separator, vmcs12_fields[i].name);
		separator = ", ";
	}
	printf(" |\n");
}

/* What a word says that is no feature: reserved bits that are 1, and numbers. */
static u64 no_feature(const struct vmx_caps *cpu, enum offer_word word)
{
	switch (word) {
	case OFFER_BASIC: return BASIC_REVISION | BASIC_SIZE | BASIC_MEMTYPE | BASIC_TRUE_CTLS;
	case OFFER_PIN: return cpu->pin.must;
	case OFFER_PROC: return cpu->proc.must;
	case OFFER_EXIT: return cpu->exit.must;
	case OFFER_ENTRY: return cpu->entry.must;
	case OFFER_MISC: return MISC_MSR_LIST;
	default: return 0;
	}
}

/* Whether each bit that a model has stands in a row, and so has its reason. */
static bool explained(const struct model *m)
{
	bool all = true;
	u64 left;
	size_t i;
	enum offer_word word;

	for (word = 0; word < NR_OFFER_WORDS; word++) {
		left = word_of(&m->cpu, word) & ~no_feature(&m->cpu, word);
		for (i = 0; i < ARRAY_SIZE(offers); i++)
			if (offers[i].word == word)
				left &= ~offers[i].bits;
		if (left)
			fprintf(stderr, "%s: %s: no row for the bits 0x%llx\n", m->name,
				word_title[word], (unsigned long long)left);
		all &= !left;
	}
	return all;
}

int main(void)
{
	bool complete = true;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(models); i++) {
		caps_offer(&models[i].cpu, &models[i].l1);
		vmcs12_fields_of(&models[i].l1, &models[i].fields);
		complete &= explained(&models[i]);
	}
	printf("# What L1 is offered of VMX\n\n"
	       "<!-- Made by `make docs` from include/vmx/offer.def; do not edit. -->\n\n"
	       "A column for each processor model of the rig. *yes*: L1 has it. *no*: the\n"
	       "processor has it, and L1 does not; the remark says why. *—*: the processor has\n"
	       "none. A number is what L1 is told. What L1 is offered the capability MSRs say;\n"
	       "on any processor it is `caps_offer()` of what that processor has.\n");
	for (i = 0; i < NR_OFFER_WORDS; i++)
		print_word(i);
	printf("\n## Fields of the VMCS\n\n"
	       "L1 has all fields of `include/vmx/vmcs_fields.def` but these, which go with a\n"
	       "control that it does not have. VMREAD and VMWRITE of them fail with error 12.\n\n"
	       "| model | L1 lacks |\n| --- | --- |\n");
	for (i = 0; i < ARRAY_SIZE(models); i++)
		print_fields(&models[i]);
	return !complete;
}
