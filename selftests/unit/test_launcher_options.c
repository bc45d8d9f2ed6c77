// SPDX-License-Identifier: GPL-2.0-only
/* The command line: what is taken, and what each mistake is told. */
/* sources: userspace/run_opts.c userspace/optparse.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "run_opts.h"
#include "units.h"

static struct run_opts opts;

/* Parse "run" and the given words. */
#define PARSE(...)                                                             \
	({                                                                     \
		char *argv[] = { "run", __VA_ARGS__, NULL };                   \
		fail_clear();                                                  \
		run_opts_parse(&opts, sizeof(argv) / sizeof(*argv) - 1, argv); \
	})

#define REFUSED(text, ...)                                                   \
	do {                                                                 \
		assert_int_equal(PARSE(__VA_ARGS__), -1);                    \
		assert_non_null(strstr(fail_text(), text));                  \
		assert_int_equal(fail_text()[strlen(fail_text()) - 1], '.'); \
	} while (0)

static void defaults_are_small(void **state)
{
	(void)state;
	assert_int_equal(PARSE("bzImage"), OPTIONS_OK);
	assert_string_equal(opts.image, "bzImage");
	assert_string_equal(opts.device, "/dev/abyme");
	assert_int_equal(opts.cpus, 1);
	assert_int_equal(opts.memory, 512 * MIB);
	assert_false(opts.nested);
}

static void all_options_are_taken(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--memory", "2G", "--cpus=4", "--nested", "--append", "a b",
			       "--initrd=i", "--module", "m,x y", "--module", "n", "--device",
			       "/dev/kvm", "image"),
			 OPTIONS_OK);
	assert_int_equal(opts.memory, 2 * GIB);
	assert_int_equal(opts.cpus, 4);
	assert_true(opts.nested);
	assert_string_equal(opts.append, "a b");
	assert_string_equal(opts.initrd, "i");
	assert_int_equal(opts.modules, 2);
	assert_string_equal(opts.module[0].path, "m");
	assert_string_equal(opts.module[0].args, "x y");
	assert_string_equal(opts.module[1].args, "");
	assert_string_equal(opts.image, "image");
	free((char *)opts.module[0].path);
}

static void what_is_told_of_nested_guests(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--nested", "--explain", "--trace-nested", "k"), OPTIONS_OK);
	assert_true(opts.explain && opts.trace_nested && !opts.json);
	assert_null(opts.trace_file);
	assert_string_equal(opts.image, "k");
	assert_int_equal(PARSE("--json", "--trace-nested=a file", "--nested", "k"), OPTIONS_OK);
	assert_true(opts.trace_nested && opts.json);
	assert_string_equal(opts.trace_file, "a file");
	REFUSED("--explain is about a guest that uses VT-x; give it --nested", "--explain", "k");
	REFUSED("--trace-nested is about a guest that uses VT-x; give it --nested",
		"--trace-nested=f", "k");
	REFUSED("--json is about what --trace-nested writes", "--nested", "--json", "k");
	REFUSED("--trace-nested= needs a file's name", "--nested", "--trace-nested=", "k");
	REFUSED("--trace-nested is given twice", "--trace-nested", "--trace-nested=f", "k");
}

/* What the documentation promises to scripts. */
static void the_kernel_may_be_named_by_an_option(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--kernel", "k", "--initrd", "i", "--append", "a", "--memory", "96",
			       "--cpus", "2", "--nested", "--device", "/dev/kvm"),
			 OPTIONS_OK);
	assert_string_equal(opts.image, "k");
	assert_int_equal(opts.memory, 96 * MIB);
}

static void help_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help"), OPTIONS_HELP);
	assert_int_equal(PARSE("--memory", "1G", "-h"), OPTIONS_HELP);
}

/* One entry per way to end; a status that is added and not told of does not pass. */
static const int statuses[] = { EXIT_POWER_OFF, EXIT_USAGE,	   EXIT_SETUP,
				EXIT_RESET,	EXIT_TRIPLE_FAULT, EXIT_FAILED_ENTRY,
				EXIT_INTERNAL,	EXIT_QUIT,	   EXIT_OUTPUT };

/* Skips the line of a status in @table, and wants it to be that of @status. */
static const char *next_status(const char *table, int status)
{
	char *rest;

	assert_int_equal(strtol(table, &rest, 10), status);
	assert_int_equal(strspn(rest, " "), 2);
	return strchr(rest, '\n') + 1;
}

static void help_tells_each_exit_status(void **state)
{
	const char *table = strstr(run_command.after, "Exit status:\n");
	size_t i;

	(void)state;
	assert_non_null(table);
	table = strchr(table, '\n') + 1;
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		table = next_status(table, statuses[i]);
	assert_memory_equal(table, "  odd  debug exit", strlen("  odd  debug exit"));
}

static void wrong_memory_is_refused(void **state)
{
	(void)state;
	REFUSED("at least 2M", "--memory", "0", "k");
	REFUSED("at least 2M", "--memory", "1M", "k");
	REFUSED("not a size", "--memory", "much", "k");
	REFUSED("not a size", "--memory", "-5", "k");
	REFUSED("not a size", "--memory", "+5", "k");
	REFUSED("not a size", "--memory", " 5", "k");
	REFUSED("unknown unit '.5G'", "--memory", "1.5G", "k");
	REFUSED("unknown unit ' M'", "--memory", "512 M", "k");
	REFUSED("unknown unit 'x200'", "--memory", "0x200", "k");
	REFUSED("no multiple of 4K", "--memory", "4097K", "k");
	REFUSED("not a size", "--memory", "", "k");
	REFUSED("unknown unit 'Q'", "--memory", "5Q", "k");
	REFUSED("more than any machine", "--memory", "99999999999999999G", "k");
	REFUSED("more than any machine", "--memory", "18446744073709551615", "k");
	REFUSED("more than any machine", "--memory", "18446744073709551616", "k");
	REFUSED("more than any machine", "--memory", "99999999999999999999999K", "k");
	REFUSED("needs a value", "--memory");
}

static void wrong_cpus_are_refused(void **state)
{
	(void)state;
	REFUSED("1 to 254", "--cpus", "0", "k");
	REFUSED("1 to 254", "--cpus", "255", "k");
	REFUSED("1 to 254", "--cpus", "4294967297", "k");
	REFUSED("1 to 254", "--cpus", "99999999999999999999999", "k");
	REFUSED("not a whole number", "--cpus", "two", "k");
	REFUSED("not a whole number", "--cpus", "1.5", "k");
	REFUSED("not a whole number", "--cpus", "-1", "k");
}

static void unknown_options_name_the_right_one(void **state)
{
	(void)state;
	REFUSED("did you mean --memory?", "--mem", "1G", "k");
	REFUSED("did you mean --memory?", "--memroy=1G", "k");
	REFUSED("did you mean --memory?", "-m", "1G", "k");
	REFUSED("did you mean --cpus?", "-smp", "2", "k");
	REFUSED("did you mean --nested?", "--nest", "k");
	REFUSED("did you mean --append?", "--cmdline", "x", "k");
	REFUSED("did you mean --append?", "-append", "x", "k");
	REFUSED("did you mean --device?", "--accel=kvm", "k");
	REFUSED("abyme run --help", "--frobnicate", "k");
	REFUSED("abyme run --help", "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "k");
}

static void contradictions_are_refused(void **state)
{
	(void)state;
	REFUSED("two images, 'a' and 'b'", "a", "b");
	REFUSED("two images", "--kernel", "a", "b");
	REFUSED("--memory is given twice", "--memory", "1G", "--memory=2G", "k");
	REFUSED("--nested takes no value", "--nested=yes", "k");
	REFUSED("no image to run", "--memory", "1G");
}

static void too_many_modules_are_refused(void **state)
{
	char *argv[2 * MODULES_MAX + 5] = { "run" };
	int n = 1;

	(void)state;
	for (int i = 0; i <= MODULES_MAX; i++) {
		argv[n++] = "--module";
		argv[n++] = "m";
	}
	argv[n++] = "k";
	fail_clear();
	assert_int_equal(run_opts_parse(&opts, n, argv), -1);
	assert_non_null(strstr(fail_text(), "more than 16 times"));
}

static void sizes_have_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "512", 512 * MIB }, { "512M", 512 * MIB }, { "512m", 512 * MIB }, { "1G", GIB },
		{ "3GiB", 3 * GIB },  { "64MB", 64 * MIB },  { "4096K", 4 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t bytes = 0;

		assert_int_equal(parse_size(sizes[i].text, "--memory", &bytes), 0);
		assert_int_equal(bytes, sizes[i].bytes);
	}
}

static void sizes_are_shown_in_words(void **state)
{
	(void)state;
	assert_string_equal(size_text(2 * GIB).text, "2 GiB");
	assert_string_equal(size_text(1536 * MIB).text, "1536 MiB");
	assert_string_equal(size_text(12 * KIB).text, "12 KiB");
	assert_string_equal(size_text(7).text, "7 bytes");
}

static void the_first_cause_is_kept(void **state)
{
	(void)state;
	fail_clear();
	assert_int_equal(fail("first %d.", 1), -1);
	assert_int_equal(fail("second."), -1);
	assert_string_equal(fail_text(), "first 1.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_small),
		cmocka_unit_test(all_options_are_taken),
		cmocka_unit_test(what_is_told_of_nested_guests),
		cmocka_unit_test(the_kernel_may_be_named_by_an_option),
		cmocka_unit_test(help_is_asked_for),
		cmocka_unit_test(help_tells_each_exit_status),
		cmocka_unit_test(wrong_memory_is_refused),
		cmocka_unit_test(wrong_cpus_are_refused),
		cmocka_unit_test(unknown_options_name_the_right_one),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(too_many_modules_are_refused),
		cmocka_unit_test(sizes_have_units),
		cmocka_unit_test(sizes_are_shown_in_words),
		cmocka_unit_test(the_first_cause_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
