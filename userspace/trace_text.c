// SPDX-License-Identifier: GPL-2.0-only
/* The trace of nested exits, for people. */
#include <inttypes.h>
#include <vmx/exits.h>
#include <vmx/info.h>

#include "trace_text.h"

/* --- a line for each exit ----------------------------------------------- */

static const char *owner(bool to_l1)
{
	return to_l1 ? "L1" : "L0";
}

static void head(FILE *to)
{
	fprintf(to, "%4s %14s %-18s %-36s %-2s %-18s %-18s %10s %10s %10s %10s %8s\n", "vCPU",
		"tick", "L2 rip", "exit", "by", "qualification", "of", "L0 ticks", "L1", "user",
		"idle", "L1 exits");
}

/* Says in words what the exit's qualification doesn't tell. */
static void detail(char *to, size_t size, const struct abyme_nested_exit *x)
{
	const char *name = NULL;

	switch (x->reason) {
	case EXIT_EXCEPTION_NMI:
	case EXIT_EXT_INT:
		if (x->detail & INTR_VALID)
			snprintf(to, size, "vector %u", (unsigned int)(x->detail & INTR_VECTOR));
		else
			snprintf(to, size, "-");
		return;
	case EXIT_EPT_VIOLATION:
	case EXIT_EPT_MISCONFIG: name = "gpa"; break;
	case EXIT_RDMSR:
	case EXIT_WRMSR: name = "MSR"; break;
	case EXIT_CPUID: name = "leaf"; break;
	case EXIT_VMCALL: name = "eax"; break;
	}
	if (name)
		snprintf(to, size, "%s 0x%llx", name, x->detail);
	else
		snprintf(to, size, "-");
}

static const char *note(const struct abyme_nested_exit *x)
{
	if (x->flags & ABYME_EXIT_UNFINISHED)
		return " the last";
	return x->flags & ABYME_EXIT_MADE_UP ? " made up by L0" : "";
}

static void line(FILE *to, unsigned int vcpu, uint64_t start, const struct abyme_nested_exit *x)
{
	const __u64 *spent = x->spent;
	char of[32];

	detail(of, sizeof(of), x);
	fprintf(to,
		"%4u %14" PRIu64 " 0x%016llx %-36s %s 0x%-16llx %-18s %10llu %10llu %10llu %10llu "
		"%8u%s\n",
		vcpu, (uint64_t)x->tsc - start, x->l2_rip, exit_name(x->reason),
		owner(x->flags & ABYME_EXIT_TO_L1), x->qualification, of, spent[ABYME_SPENT_L0],
		spent[ABYME_SPENT_L1], spent[ABYME_SPENT_USER], spent[ABYME_SPENT_IDLE],
		x->l1_exits, note(x));
}

static void lost(FILE *to, unsigned int vcpu, uint64_t count)
{
	fprintf(to, "%4u %" PRIu64 " exits were too fast to be told\n", vcpu, count);
}

/* --- the summary -------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static uint64_t each(uint64_t sum, const struct exit_sum *of)
{
	return of->measured ? (sum + of->measured / 2) / of->measured : 0;
}

static void exit_row(FILE *to, const struct exit_sum *row, const char *name, const char *by,
		     uint64_t whole)
{
	fprintf(to,
		"%-36s %-2s %10" PRIu64 " %6.1f %10" PRIu64 " %10" PRIu64 " %10" PRIu64
		" %10" PRIu64 " %10" PRIu64 " %8.1f\n",
		name, by, row->count, percent(exit_cost(row->spent), whole), row->least,
		each(row->spent[ABYME_SPENT_L0], row), each(row->spent[ABYME_SPENT_L1], row),
		each(row->spent[ABYME_SPENT_USER], row), each(row->spent[ABYME_SPENT_IDLE], row),
		row->measured ? (double)row->l1_exits / row->measured : 0);
}

static void exits(FILE *to, const struct trace_summary *s)
{
	const struct exit_sum *rows[2 * TRACE_REASONS];
	struct exit_sum total = trace_summary_total(s);
	size_t n = trace_summary_exits(s, rows);

	fprintf(to, "\nL2's exits: of all ticks, the least that one took, and on average\n");
	fprintf(to, "%-36s %-2s %10s %6s %10s %10s %10s %10s %10s %8s\n", "exit", "by", "count",
		"%", "least", "L0", "L1", "user", "idle", "L1 exits");
	for (size_t i = 0; i < n; i++)
		exit_row(to, rows[i], exit_name(rows[i]->reason), owner(rows[i]->to_l1),
			 exit_cost(total.spent));
	exit_row(to, &total, "all", "", exit_cost(total.spent));
	if (s->lost)
		fprintf(to, "%" PRIu64 " more came too fast to be told\n", s->lost);
}

static void where_time_went(FILE *to, const struct exit_sum *total)
{
	const uint64_t *spent = total->spent;
	uint64_t whole = exit_cost(total->spent) + spent[ABYME_SPENT_L2] + spent[ABYME_SPENT_IDLE];

	fprintf(to,
		"\nOf %" PRIu64
		" ticks: L2 %.1f %%, L0 %.1f %%, L1 %.1f %%, userspace %.1f %%, halted %.1f %%.\n"
		"Tracing took %" PRIu64 " more.\n",
		whole, percent(spent[ABYME_SPENT_L2], whole), percent(spent[ABYME_SPENT_L0], whole),
		percent(spent[ABYME_SPENT_L1], whole), percent(spent[ABYME_SPENT_USER], whole),
		percent(spent[ABYME_SPENT_IDLE], whole), spent[ABYME_SPENT_TRACE]);
}

static void fields(FILE *to, const struct trace_summary *s)
{
	const struct abyme_field_count *rows[ABYME_FIELD_COUNTS];
	size_t n = trace_summary_fields(s, rows);

	fprintf(to, "\nvmcs12, as L1 uses it: reads and writes, with an exit and without\n");
	fprintf(to, "%-30s %12s %12s %12s %12s\n", "field", "reads: exit", "no exit",
		"writes: exit", "no exit");
	for (size_t i = 0; i < n; i++) {
		struct access_count r = field_reads(rows[i]), w = field_writes(rows[i]);

		fprintf(to, "%-30s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n",
			field_name(rows[i]->field), r.exits, r.shadowed, w.exits, w.shadowed);
	}
	fprintf(to, "Those without: VMCS shadowing serves them. It was off, so that they could be "
		    "counted.\n");
}

static void causes(FILE *to, const char *title, const __u64 *count, const char *const *text, int n)
{
	bool any = false;

	fprintf(to, "\n%s\n", title);
	for (int i = 0; i < n; i++) {
		if (count[i])
			fprintf(to, "%10llu %s\n", count[i], text[i]);
		any |= count[i];
	}
	if (!any)
		fprintf(to, "         0\n");
}

static void summary(FILE *to, const struct trace_summary *s)
{
	struct exit_sum total = trace_summary_total(s);

	exits(to, s);
	where_time_went(to, &total);
	fields(to, s);
	causes(to, "EPT02 faults", s->counts.fault, ept02_fault_text, ABYME_NR_FAULTS);
	causes(to, "Flushes", s->counts.flush, flush_text, ABYME_NR_FLUSHES);
}

const struct trace_format trace_as_text = { head, line, lost, summary };
