// SPDX-License-Identifier: GPL-2.0-only
/* Prints docs/checks.md, from the tables of kmod/nested/check. */
#include <stdio.h>

#include <vmx/errors.h>

#include "nested/check/common.h"

static int count;

static void head(const char *title, const char *outcome, const char *what)
{
	printf("\n## %s\n\n%s\n\n| id | %s | broken when | section |\n| --- | --- | --- | --- |\n",
	       title, outcome, what);
}

static void row(const char *id, const char *what, const char *message, const char *section)
{
	printf("| `%s` | %s | %s | %s |\n", id, what, message, section);
	count++;
}

/* What follows from a row of an instruction; 0: VMfailInvalid. */
static void insn_row(const char *insn, const char *id, int error, const char *operand,
		     const char *message, const char *section)
{
	if (error)
		printf("| `%s` | %s | %d, %s | %s | %s | %s |\n", id, insn, error,
		       vmerr_text(error), operand, message, section);
	else
		printf("| `%s` | %s | VMfailInvalid | %s | %s | %s |\n", id, insn, operand, message,
		       section);
	count++;
}

#define VMERR_INVALID 0
#undef C
#define C(id, field, section, message, predicate) row(#id, #field, message, section);
#define M(id, section, message, predicate) row(#id, "MSR", message, section);
#define I(insn, id, error, operand, value, section, message, predicate) \
	insn_row(#insn, #id, VMERR_##error, operand, message, section);

static void instructions(void)
{
	printf("\n## VMX instructions\n\nIn this order for each instruction, after #UD and #GP. "
	       "An error number is VMfailValid,\nor VMfailInvalid where there is no current VMCS "
	       "that could hold it.\n\n"
	       "| id | instruction | outcome | operand | broken when | section |\n"
	       "| --- | --- | --- | --- | --- | --- |\n");
#include "nested/check/insns.def"
}

static void entry(void)
{
	head("Controls", "Outcome: VMfailValid(7).", "field");
#include "nested/check/controls.def"
	head("Host state", "Outcome: VMfailValid(8).", "field");
#include "nested/check/host.def"
	head("Guest state", "Outcome: exit 33 with qualification 0.", "field");
#include "nested/check/guest_regs.def"
#include "nested/check/guest_flow.def"
#include "nested/check/guest_segs.def"
#include "nested/check/guest_nonreg.def"
	head("NMI injection", "Outcome: exit 33 with qualification 3.", "field");
#include "nested/check/guest_nmi.def"
	head("VMCS link pointer", "Outcome: exit 33 with qualification 4.", "field");
#include "nested/check/guest_link.def"
	head("PDPTEs", "Outcome: exit 33 with qualification 2.", "field");
#include "nested/check/guest_pdptes.def"
}

static void msr_areas(void)
{
	head("MSR-load areas",
	     "Outcome at VM entry: exit 34, with the number of the entry from 1 as qualification.\n"
	     "At VM exit: VMX abort 4.",
	     "what");
#include "nested/check/msr_load.def"
	head("VM-exit MSR-store area", "Outcome: VMX abort 1.", "what");
#include "nested/check/msr_store.def"
}

int main(void)
{
	printf("# Every rule that L1 can break\n\n"
	       "<!-- Made by `make docs` from kmod/nested/check; do not edit. -->\n\n"
	       "In the order in which they are checked; the first that is broken decides. The id\n"
	       "and the sentence are what `abyme run --explain` prints. Sections are those of the\n"
	       "SDM. Rules about controls that L1 is not offered ([features.md](features.md)) are\n"
	       "not listed: such a control cannot be set. Nor is \"host address-space size 0 with an\n"
	       "IA-32e mode guest\", which never is the first: `host_size_long` or\n"
	       "`host_guest_legacy` is broken with it.\n");
	instructions();
	entry();
	msr_areas();
	printf("\n%d rules.\n", count);
	return 0;
}
