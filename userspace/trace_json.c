// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace of nested exits, for programs: JSON, an object a line. What is an
 * address or a bit field is a string, as it may need all 64 bits.
 */
#include <inttypes.h>
#include <vmx/exits.h>

#include "json.h"
#include "trace_text.h"

static const char *const spender[ABYME_NR_SPENT] = {
	[ABYME_SPENT_L2] = "l2",     [ABYME_SPENT_L0] = "l0",	  [ABYME_SPENT_L1] = "l1",
	[ABYME_SPENT_USER] = "user", [ABYME_SPENT_IDLE] = "idle", [ABYME_SPENT_TRACE] = "trace",
};

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

/* "L0" or "L1" */
static void exit_and_owner(FILE *to, uint32_t reason, bool to_l1)
{
	fprintf(to, "\"reason\": %u, \"exit\": ", reason & EXIT_BASIC_MASK);
	json_string(to, exit_name(reason));
	fprintf(to, ", \"taken_by\": \"L%d\"", to_l1);
}

static void ticks(FILE *to, const uint64_t *spent)
{
	fprintf(to, "\"ticks\": {");
	for (int i = 0; i < ABYME_NR_SPENT; i++)
		fprintf(to, "%s\"%s\": %" PRIu64, i ? ", " : "", spender[i], spent[i]);
	fprintf(to, "}");
}

static void head(FILE *to)
{
	(void)to;
}

static void line(FILE *to, unsigned int vcpu, uint64_t start, const struct abyme_nested_exit *x)
{
	uint64_t spent[ABYME_NR_SPENT];

	for (int i = 0; i < ABYME_NR_SPENT; i++)
		spent[i] = x->spent[i];
	fprintf(to,
		"{\"type\": \"exit\", \"vcpu\": %u, \"sequence\": %llu, \"tick\": %" PRIu64 ", ",
		vcpu, x->sequence, (uint64_t)x->tsc - start);
	exit_and_owner(to, x->reason, x->flags & ABYME_EXIT_TO_L1);
	fprintf(to,
		", \"entry_failed\": %s, \"made_up\": %s, \"unfinished\": %s, "
		"\"vmcs12\": \"0x%llx\", \"l2_rip\": \"0x%llx\", \"qualification\": \"0x%llx\", "
		"\"detail\": \"0x%llx\", ",
		boolean(x->reason & EXIT_ENTRY_FAILED), boolean(x->flags & ABYME_EXIT_MADE_UP),
		boolean(x->flags & ABYME_EXIT_UNFINISHED), x->vmcs12, x->l2_rip, x->qualification,
		x->detail);
	ticks(to, spent);
	fprintf(to, ", \"l1_exits\": %u}\n", x->l1_exits);
}

static void lost(FILE *to, unsigned int vcpu, uint64_t count)
{
	fprintf(to, "{\"type\": \"lost\", \"vcpu\": %u, \"count\": %" PRIu64 "}\n", vcpu, count);
}

static void exits(FILE *to, const struct trace_summary *s)
{
	const struct exit_sum *rows[2 * TRACE_REASONS];
	size_t n = trace_summary_exits(s, rows);

	fprintf(to, "\"exits\": [");
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s{", i ? ", " : "");
		exit_and_owner(to, rows[i]->reason, rows[i]->to_l1);
		fprintf(to, ", \"count\": %" PRIu64 ", \"measured\": %" PRIu64 ", ", rows[i]->count,
			rows[i]->measured);
		ticks(to, rows[i]->spent);
		fprintf(to, ", \"l1_exits\": %" PRIu64 "}", rows[i]->l1_exits);
	}
	fprintf(to, "]");
}

static void access(FILE *to, const char *name, struct access_count c)
{
	fprintf(to, ", \"%s\": {\"exit\": %" PRIu64 ", \"no_exit\": %" PRIu64 "}", name, c.exits,
		c.shadowed);
}

static void fields(FILE *to, const struct trace_summary *s)
{
	const struct abyme_field_count *rows[ABYME_FIELD_COUNTS];
	size_t n = trace_summary_fields(s, rows);

	fprintf(to, "\"vmcs12\": [");
	for (size_t i = 0; i < n; i++) {
		fprintf(to, "%s{\"field\": \"%s\", \"encoding\": \"0x%x\"", i ? ", " : "",
			field_name(rows[i]->field), rows[i]->field);
		access(to, "reads", field_reads(rows[i]));
		access(to, "writes", field_writes(rows[i]));
		fprintf(to, "}");
	}
	fprintf(to, "]");
}

static void causes(FILE *to, const char *key, const __u64 *count, const char *const *name,
		   const char *const *text, int n)
{
	fprintf(to, "\"%s\": [", key);
	for (int i = 0; i < n; i++) {
		fprintf(to, "%s{\"cause\": \"%s\", \"text\": ", i ? ", " : "", name[i]);
		json_string(to, text[i]);
		fprintf(to, ", \"count\": %llu}", count[i]);
	}
	fprintf(to, "]");
}

static void summary(FILE *to, const struct trace_summary *s)
{
	fprintf(to, "{\"type\": \"summary\", \"lost\": %" PRIu64 ", ", s->lost);
	exits(to, s);
	fprintf(to, ", ");
	fields(to, s);
	fprintf(to, ", ");
	causes(to, "ept02_faults", s->counts.fault, ept02_fault_name, ept02_fault_text,
	       ABYME_NR_FAULTS);
	fprintf(to, ", ");
	causes(to, "flushes", s->counts.flush, flush_name, flush_text, ABYME_NR_FLUSHES);
	fprintf(to, "}\n");
}

const struct trace_format trace_as_json = { head, line, lost, summary };
