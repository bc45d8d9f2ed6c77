/* SPDX-License-Identifier: GPL-2.0-only */
/* A report of <abyme.h> as one line: for the launcher and the tracepoint alike. */
#ifndef VMX_REPORT_TEXT_H
#define VMX_REPORT_TEXT_H

#include <abyme.h>
#include <vmx/types.h>

#ifndef __KERNEL__
#include <stdio.h>
#endif

#define REPORT_LINE 512

static inline const char *report_exit_text(u32 basic)
{
	switch (basic) {
#define X(number, name, text) \
	case number:          \
		return text;
#include <vmx/exits.def>
#undef X
	}
	return "unknown exit";
}

/* "VMLAUNCH failed: error 7", by the outcome. */
static inline int report_text_head(char *to, size_t size, const struct abyme_entry_report *r)
{
	const char *insn = report_exit_text(r->instruction);

	switch (r->outcome) {
	case ABYME_VMFAIL_INVALID: return snprintf(to, size, "%s failed: VMfailInvalid", insn);
	case ABYME_VMFAIL_VALID: return snprintf(to, size, "%s failed: error %u", insn, r->error);
	case ABYME_ENTRY_FAILED:
		return snprintf(to, size, "%s failed: exit %u, qualification %llu", insn, r->error,
				(unsigned long long)r->qualification);
	case ABYME_ENTRY_REFUSED:
		return snprintf(to, size, "%s refused by the processor: %u, qualification %llu",
				insn, r->error, (unsigned long long)r->qualification);
	case ABYME_ABORT: return snprintf(to, size, "VMX abort %u after %s of L2", r->error, insn);
	case ABYME_L2_TRIPLE_FAULT: return snprintf(to, size, "L2 ended in a triple fault");
	default: return snprintf(to, size, "KVM_SET_NESTED_STATE refused");
	}
}

/* The whole line, without an end of line. */
static inline void report_text(char *to, size_t size, const struct abyme_entry_report *r)
{
	size_t n = snprintf(to, size, "L1 rip 0x%llx ", (unsigned long long)r->l1_rip);

	n += report_text_head(to + n, size - n, r);
	if (n < size && r->operand[0])
		n += snprintf(to + n, size - n, ", %s=0x%llx", r->operand,
			      (unsigned long long)r->value);
	if (n < size)
		n += snprintf(to + n, size - n, ": %s", r->sentence);
	if (n < size && r->section[0])
		snprintf(to + n, size - n, " [SDM: %s]", r->section);
}

#endif
