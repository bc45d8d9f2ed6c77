// SPDX-License-Identifier: GPL-2.0-only
/* Summing up the exits of a guest's own guests, and the order of the tables. */
#include <stdlib.h>
#include <vmx/exits.h>

#include "trace_summary.h"

_Static_assert(NR_EXITS < TRACE_REASONS, "no room for a reason");

#define X(name, text) text,
const char *const ept02_fault_text[ABYME_NR_FAULTS] = { ABYME_EPT02_FAULTS(X) };
const char *const flush_text[ABYME_NR_FLUSHES] = { ABYME_FLUSHES(X) };
#undef X
#define X(name, text) #name,
const char *const ept02_fault_name[ABYME_NR_FAULTS] = { ABYME_EPT02_FAULTS(X) };
const char *const flush_name[ABYME_NR_FLUSHES] = { ABYME_FLUSHES(X) };
#undef X

const char *field_name(uint32_t encoding)
{
	switch (encoding) {
#define F(name, enc, width, member, offset, role, shadow) \
	case enc:                                         \
		return #name;
#include <vmx/vmcs_fields.def>
#undef F
	}
	return "?";
}

/* --- sums --------------------------------------------------------------- */

uint64_t exit_cost(const uint64_t *spent)
{
	return spent[ABYME_SPENT_L0] + spent[ABYME_SPENT_L1] + spent[ABYME_SPENT_USER];
}

static void add(struct exit_sum *to, const struct exit_sum *from)
{
	if (from->measured && (!to->measured || from->least < to->least))
		to->least = from->least;
	to->count += from->count;
	to->measured += from->measured;
	to->l1_exits += from->l1_exits;
	for (int i = 0; i < ABYME_NR_SPENT; i++)
		to->spent[i] += from->spent[i];
}

void trace_summary_exit(struct trace_summary *s, const struct abyme_nested_exit *x)
{
	uint32_t reason = x->reason & EXIT_BASIC_MASK;
	bool to_l1 = x->flags & ABYME_EXIT_TO_L1;
	struct exit_sum one = { .count = 1 }, *sum;

	if (reason >= TRACE_REASONS)
		reason = TRACE_REASONS - 1;
	sum = &s->exit[reason][to_l1];
	sum->reason = reason;
	sum->to_l1 = to_l1;
	/* The last exit of all is unfinished: the time after it was not spent on it. */
	if (!(x->flags & ABYME_EXIT_UNFINISHED)) {
		one.measured = 1;
		one.l1_exits = x->l1_exits;
		for (int i = 0; i < ABYME_NR_SPENT; i++)
			one.spent[i] = x->spent[i];
		one.least = exit_cost(one.spent);
	}
	add(sum, &one);
}

static struct abyme_field_count *field_in(struct abyme_nested_counts *counts, uint32_t encoding)
{
	for (uint32_t i = 0; i < counts->fields; i++)
		if (counts->field[i].field == encoding)
			return &counts->field[i];
	if (counts->fields == ABYME_FIELD_COUNTS)
		return NULL;
	counts->field[counts->fields] = (struct abyme_field_count){ .field = encoding };
	return &counts->field[counts->fields++];
}

static void add_field(struct abyme_nested_counts *counts, const struct abyme_field_count *more)
{
	struct abyme_field_count *f = field_in(counts, more->field);

	if (!f)
		return;
	f->flags = more->flags;
	f->reads += more->reads;
	f->writes += more->writes;
}

void trace_summary_counts(struct trace_summary *s, const struct abyme_nested_counts *counts)
{
	for (int i = 0; i < ABYME_NR_FAULTS; i++)
		s->counts.fault[i] += counts->fault[i];
	for (int i = 0; i < ABYME_NR_FLUSHES; i++)
		s->counts.flush[i] += counts->flush[i];
	for (uint32_t i = 0; i < counts->fields; i++)
		add_field(&s->counts, &counts->field[i]);
}

struct exit_sum trace_summary_total(const struct trace_summary *s)
{
	struct exit_sum total = { 0 };

	for (int i = 0; i < TRACE_REASONS; i++) {
		add(&total, &s->exit[i][false]);
		add(&total, &s->exit[i][true]);
	}
	return total;
}

/* --- order -------------------------------------------------------------- */

static int larger_first(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

static int by_cost(const void *a, const void *b)
{
	const struct exit_sum *x = *(const struct exit_sum *const *)a;
	const struct exit_sum *y = *(const struct exit_sum *const *)b;
	int order = larger_first(exit_cost(x->spent), exit_cost(y->spent));

	return order ? order : larger_first(x->count, y->count);
}

size_t trace_summary_exits(const struct trace_summary *s, const struct exit_sum **rows)
{
	size_t n = 0;

	for (int i = 0; i < TRACE_REASONS; i++)
		for (int to_l1 = 0; to_l1 <= 1; to_l1++)
			if (s->exit[i][to_l1].count)
				rows[n++] = &s->exit[i][to_l1];
	qsort(rows, n, sizeof(*rows), by_cost);
	return n;
}

static struct access_count accesses(uint64_t count, bool shadowed)
{
	struct access_count c = { 0 };

	if (shadowed)
		c.shadowed = count;
	else
		c.exits = count;
	return c;
}

struct access_count field_reads(const struct abyme_field_count *f)
{
	return accesses(f->reads, f->flags & ABYME_READ_SHADOWED);
}

struct access_count field_writes(const struct abyme_field_count *f)
{
	return accesses(f->writes, f->flags & ABYME_WRITE_SHADOWED);
}

static int by_exits(const void *a, const void *b)
{
	const struct abyme_field_count *x = *(const struct abyme_field_count *const *)a;
	const struct abyme_field_count *y = *(const struct abyme_field_count *const *)b;
	int order = larger_first(field_reads(x).exits + field_writes(x).exits,
				 field_reads(y).exits + field_writes(y).exits);

	return order ? order : larger_first(x->reads + x->writes, y->reads + y->writes);
}

size_t trace_summary_fields(const struct trace_summary *s, const struct abyme_field_count **rows)
{
	uint32_t n = s->counts.fields;

	for (uint32_t i = 0; i < n; i++)
		rows[i] = &s->counts.field[i];
	qsort(rows, n, sizeof(*rows), by_exits);
	return n;
}
