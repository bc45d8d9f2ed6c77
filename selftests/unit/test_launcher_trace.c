// SPDX-License-Identifier: GPL-2.0-only
/* The trace of nested exits: its sums, its tables and its JSON. */
/* sources: userspace/trace_summary.c userspace/trace_text.c userspace/trace_json.c userspace/json.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <vmx/exits.h>
#include <vmx/vmcs.h>

#include "trace_text.h"

#define START 1000

static struct trace_summary summary;
static char text[65536];
static FILE *to;

static int setup(void **state)
{
	(void)state;
	memset(&summary, 0, sizeof(summary));
	to = fmemopen(text, sizeof(text), "w");
	return !to;
}

static const char *written(void)
{
	fclose(to);
	to = NULL;
	return text;
}

static int teardown(void **state)
{
	(void)state;
	if (to)
		fclose(to);
	return 0;
}

static struct abyme_nested_exit nested_exit(uint32_t reason, uint32_t flags, uint64_t l0,
					    uint64_t l1)
{
	return (struct abyme_nested_exit){
		.sequence = 7,
		.tsc = START + 44,
		.vmcs12 = 0x5000,
		.l2_rip = 0x401000,
		.qualification = 0x181,
		.detail = 0x2a000,
		.spent = { [ABYME_SPENT_L2] = 50, [ABYME_SPENT_L0] = l0, [ABYME_SPENT_L1] = l1 },
		.reason = reason,
		.flags = flags,
		.l1_exits = 3,
	};
}

static void add(uint32_t reason, uint32_t flags, uint64_t l0, uint64_t l1)
{
	struct abyme_nested_exit x = nested_exit(reason, flags, l0, l1);

	trace_summary_exit(&summary, &x);
}

/* Two vCPUs' worth: GUEST_RIP is shadowed both ways, EXIT_REASON to read, VPID not at all. */
static void add_counts(void)
{
	struct abyme_nested_counts counts = {
		.fault[ABYME_FAULT_FILLED] = 20,
		.fault[ABYME_FAULT_VIOLATION] = 2,
		.flush[ABYME_FLUSH_INVVPID] = 6,
		.fields = 3,
		.field = { { VMCS_GUEST_RIP, ABYME_READ_SHADOWED | ABYME_WRITE_SHADOWED, 5, 4 },
			   { VMCS_EXIT_REASON, ABYME_READ_SHADOWED, 9, 0 },
			   { VMCS_VPID, 0, 1, 2 } },
	};

	trace_summary_counts(&summary, &counts);
	trace_summary_counts(&summary, &counts);
}

static void sums_are_by_reason_and_owner(void **state)
{
	const struct exit_sum *rows[2 * TRACE_REASONS];

	(void)state;
	add(EXIT_CPUID, ABYME_EXIT_TO_L1, 10, 20);
	add(EXIT_CPUID, 0, 100, 0);
	add(EXIT_CPUID, ABYME_EXIT_TO_L1, 30, 40);
	assert_int_equal(trace_summary_exits(&summary, rows), 2);
	assert_int_equal(rows[0]->count, 2); /* equal cost: the more frequent first */
	assert_true(rows[0]->to_l1);
	assert_int_equal(rows[0]->least, 30);
	assert_int_equal(rows[0]->spent[ABYME_SPENT_L1], 60);
	assert_int_equal(rows[0]->l1_exits, 6);
	assert_int_equal(rows[1]->count, 1);
	assert_false(rows[1]->to_l1);
	assert_int_equal(trace_summary_total(&summary).count, 3);
	assert_int_equal(trace_summary_total(&summary).least, 30);
}

static void the_last_exit_counts_but_its_time_does_not(void **state)
{
	struct exit_sum total;

	(void)state;
	add(EXIT_VMCALL, ABYME_EXIT_TO_L1, 10, 20);
	add(EXIT_VMCALL, ABYME_EXIT_TO_L1 | ABYME_EXIT_UNFINISHED, 1, 99999);
	total = trace_summary_total(&summary);
	assert_int_equal(total.count, 2);
	assert_int_equal(total.measured, 1);
	assert_int_equal(total.spent[ABYME_SPENT_L1], 20);
	assert_int_equal(total.least, 30);
}

static void an_unknown_reason_is_counted(void **state)
{
	(void)state;
	add(0xfffe, 0, 1, 0);
	trace_as_text.summary(to, &summary);
	assert_non_null(strstr(written(), "unknown exit                         L0          1"));
}

static void a_line_says_all_of_an_exit(void **state)
{
	struct abyme_nested_exit x = nested_exit(EXIT_EPT_VIOLATION, ABYME_EXIT_TO_L1, 300, 400);

	(void)state;
	trace_as_text.exit(to, 2, START, &x);
	assert_string_equal(
		written(),
		"   2             44 0x0000000000401000 EPT violation                     "
		"   L1 0x181              gpa 0x2a000               300        400         "
		" 0          0        3\n");
}

static void a_line_says_what_is_odd(void **state)
{
	struct abyme_nested_exit x = nested_exit(EXIT_EXCEPTION_NMI, ABYME_EXIT_MADE_UP, 1, 1);

	(void)state;
	x.detail = 0x80000b0e;
	trace_as_text.exit(to, 0, START, &x);
	x.reason = EXIT_WRMSR;
	x.detail = 0x174;
	x.flags |= ABYME_EXIT_UNFINISHED;
	trace_as_text.exit(to, 0, START, &x);
	x.reason = EXIT_EXT_INT;
	x.detail = 0x30;
	trace_as_text.exit(to, 0, START, &x);
	written();
	assert_non_null(strstr(text, " vector 14 "));
	assert_non_null(strstr(text, " made up by L0\n"));
	assert_non_null(strstr(text, " MSR 0x174 "));
	assert_non_null(strstr(text, " the last\n"));
	assert_null(strstr(text, "vector 48")); /* not acknowledged: there is none */
}

static void the_tables_say_what_one_tunes_by(void **state)
{
	(void)state;
	add(EXIT_VMCALL, ABYME_EXIT_TO_L1, 300, 100);
	add(EXIT_HLT, 0, 100, 0);
	summary.lost = 12;
	add_counts();
	trace_as_text.summary(to, &summary);
	written();
	assert_non_null(
		strstr(text, "\nVMCALL                               L1          1   80.0 "
			     "       400        300        100          0          0      3.0\n"));
	assert_non_null(strstr(text, "\n12 more came too fast to be told\n"));
	assert_non_null(strstr(text, "\nOf 600 ticks: L2 16.7 %, L0 66.7 %, L1 16.7 %, "));
	assert_non_null(strstr(text, "\nVPID                                      2            0 "
				     "           4            0\n"));
	assert_non_null(strstr(text, "\nGUEST_RIP                                 0           10 "
				     "           0            8\n"));
	assert_true(strstr(text, "\nVPID ") < strstr(text, "\nGUEST_RIP "));
	assert_non_null(strstr(text, "\n        40 filled: EPT12 allows it"));
	assert_non_null(strstr(text, "\n        12 VPID02 flushed: INVVPID\n"));
	assert_null(strstr(text, "root dropped")); /* there was none */
}

/* --- JSON --------------------------------------------------------------- */

/* Past one value and the space after it, or NULL: no JSON. */
static const char *value(const char *p);

static const char *space(const char *p)
{
	while (p && isspace((unsigned char)*p))
		p++;
	return p;
}

static const char *expect(const char *p, char c)
{
	return p && *p == c ? space(p + 1) : NULL;
}

static const char *string(const char *p)
{
	p = p && *p == '"' ? p + 1 : NULL;
	while (p && *p && *p != '"')
		p += *p == '\\' ? 2 : 1;
	return expect(p, '"');
}

static const char *list(const char *p, char end, bool keys)
{
	p = space(p + 1);
	if (*p == end)
		return space(p + 1);
	for (;;) {
		if (keys)
			p = expect(string(p), ':');
		p = p ? value(p) : NULL;
		if (!p || *p == end)
			return expect(p, end);
		p = expect(p, ',');
	}
}

static const char *value(const char *p)
{
	char *end;

	if (*p == '{')
		return list(p, '}', true);
	if (*p == '[')
		return list(p, ']', false);
	if (*p == '"')
		return string(p);
	if (!strncmp(p, "true", 4) || !strncmp(p, "null", 4))
		return space(p + 4);
	if (!strncmp(p, "false", 5))
		return space(p + 5);
	strtod(p, &end);
	return end == p ? NULL : space(end);
}

/* A line is one object. */
static void assert_json_line(const char *line)
{
	const char *end = value(line);

	assert_int_equal(*line, '{');
	assert_non_null(end);
	assert_int_equal(*end, '\0');
}

static void the_checker_of_json_can_say_no(void **state)
{
	(void)state;
	assert_null(value("{\"a\": }"));
	assert_null(value("{\"a\" 1}"));
	assert_null(value("[1, ]"));
	assert_null(value("{\"a\": [1}"));
	assert_non_null(value("{\"a\": [1, {}, [], \"b\\\"\"]}"));
}

static void an_exit_is_an_object(void **state)
{
	struct abyme_nested_exit x = nested_exit(EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE,
						 ABYME_EXIT_TO_L1 | ABYME_EXIT_MADE_UP, 300, 400);

	(void)state;
	trace_as_json.head(to);
	trace_as_json.exit(to, 2, START, &x);
	assert_json_line(written());
	assert_non_null(
		strstr(text, "\"type\": \"exit\", \"vcpu\": 2, \"sequence\": 7, \"tick\": 44"));
	assert_non_null(
		strstr(text, "\"reason\": 33, \"exit\": \"entry failure: invalid guest state\""));
	assert_non_null(strstr(text,
			       "\"taken_by\": \"L1\", \"entry_failed\": true, \"made_up\": true, "
			       "\"unfinished\": false"));
	assert_non_null(strstr(text, "\"l2_rip\": \"0x401000\", \"qualification\": \"0x181\""));
	assert_non_null(strstr(text, "\"l0\": 300, \"l1\": 400"));
	assert_non_null(strstr(text, "\"l1_exits\": 3}"));
}

static void what_was_lost_is_an_object(void **state)
{
	(void)state;
	trace_as_json.lost(to, 1, 5);
	assert_json_line(written());
	assert_non_null(strstr(text, "\"type\": \"lost\", \"vcpu\": 1, \"count\": 5"));
}

static void the_summary_is_an_object(void **state)
{
	(void)state;
	add(EXIT_VMCALL, ABYME_EXIT_TO_L1, 300, 100);
	add(EXIT_HLT, 0, 100, 0);
	add_counts();
	trace_as_json.summary(to, &summary);
	assert_json_line(written());
	assert_non_null(
		strstr(text, "{\"type\": \"summary\", \"lost\": 0, \"exits\": [{\"reason\": 18"));
	assert_non_null(strstr(text, "{\"field\": \"VPID\", \"encoding\": \"0x0\", \"reads\": "
				     "{\"exit\": 2, \"no_exit\": 0}, \"writes\": "
				     "{\"exit\": 4, \"no_exit\": 0}}"));
	assert_non_null(strstr(text, "{\"cause\": \"FILLED\", \"text\": "));
	assert_non_null(strstr(text, "{\"cause\": \"INVEPT_ALL\", \"text\": "));
}

static void an_empty_summary_is_one_too(void **state)
{
	(void)state;
	trace_as_json.summary(to, &summary);
	assert_json_line(written());
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sums_are_by_reason_and_owner),   T(the_last_exit_counts_but_its_time_does_not),
		T(an_unknown_reason_is_counted),   T(a_line_says_all_of_an_exit),
		T(a_line_says_what_is_odd),	   T(the_tables_say_what_one_tunes_by),
		T(the_checker_of_json_can_say_no), T(an_exit_is_an_object),
		T(what_was_lost_is_an_object),	   T(the_summary_is_an_object),
		T(an_empty_summary_is_one_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
