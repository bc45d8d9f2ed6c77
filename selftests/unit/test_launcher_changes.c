// SPDX-License-Identifier: GPL-2.0-only
/* What abyme doctor --fix changes, records and takes back. */
/* sources: userspace/doctor_change.c userspace/doctor_journal.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#undef fail /* cmocka's; err.h has its own */

#include "doctor_change.h"
#include "err.h"

static char dir[64], path[128], other[128];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/abyme-changes-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/journal/undo", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	fail_clear();
	return 0;
}

static int teardown(void **state)
{
	char sub[128];

	(void)state;
	snprintf(sub, sizeof(sub), "%s/journal", dir);
	unlink(path);
	unlink(other);
	rmdir(sub);
	return rmdir(dir);
}

static void put(const char *file, const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void expect(const char *file, const char *text)
{
	char got[256] = "";
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static struct change change(enum change_kind kind, const char *before, const char *after)
{
	struct change c = { .kind = kind };

	snprintf(c.subject, sizeof(c.subject), "%s", other);
	snprintf(c.before, sizeof(c.before), "%s", before);
	snprintf(c.after, sizeof(c.after), "%s", after);
	return c;
}

static void the_journal_gives_back_the_last_first(void **state)
{
	struct change a = change(CHANGE_RULE, "", ""), b = change(CHANGE_WRITE, "never", "madvise");
	struct change got;
	bool gone;

	(void)state;
	assert_int_equal(journal_last(path, &got, &gone), 0); /* no file, no change */
	assert_int_equal(journal_add(path, &a), 0);
	assert_int_equal(journal_add(path, &b), 0);
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_memory_equal(&got, &b, sizeof(got));
	assert_false(gone);
	assert_int_equal(journal_drop_last(path), 0);
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_memory_equal(&got, &a, sizeof(got));
	assert_int_equal(journal_drop_last(path), 0);
	assert_int_equal(journal_last(path, &got, &gone), 0);
	assert_int_equal(access(path, F_OK), -1); /* the file goes with its last line */
	assert_int_equal(journal_drop_last(path), 0);
}

/* The machine stopped while the line was written: that change was not begun. */
static void a_torn_line_counts_for_nothing(void **state)
{
	struct change a = change(CHANGE_RULE, "", ""), b = change(CHANGE_WRITE, "never", "madvise");
	struct change got;
	bool gone;
	FILE *f;

	(void)state;
	assert_int_equal(journal_add(path, &a), 0);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs("write\tboot\t/sys/ker", f);
	fclose(f);
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_int_equal(got.kind, CHANGE_RULE);
	/* Nor does it spoil the next. */
	assert_int_equal(journal_add(path, &b), 0);
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_memory_equal(&got, &b, sizeof(got));
	assert_int_equal(journal_drop_last(path), 0);
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_int_equal(got.kind, CHANGE_RULE);
	assert_int_equal(journal_drop_last(path), 0);
	assert_int_equal(journal_last(path, &got, &gone), 0);
}

/* The disk is full: that change is not made, so no part of its line stays. */
static void a_line_that_does_not_fit_leaves_nothing(void **state)
{
	struct change a = change(CHANGE_RULE, "", ""), b = change(CHANGE_WRITE, "never", "madvise");
	struct rlimit all, little;
	struct stat before, after;

	(void)state;
	assert_int_equal(journal_add(path, &a), 0);
	assert_int_equal(stat(path, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &all);
	little = (struct rlimit){ before.st_size + 10, all.rlim_max };
	setrlimit(RLIMIT_FSIZE, &little);
	assert_int_equal(journal_add(path, &b), -1);
	setrlimit(RLIMIT_FSIZE, &all);
	assert_non_null(strstr(fail_text(), "can't be written: No space left"));
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_size, before.st_size);
}

static void what_is_not_ours_is_refused(void **state)
{
	static const char *const lines[] = { "rm -rf /\n", "fly\tb\ts\t\t\n", "load\tb\tabyme\t\n",
					     "load\tb\tabyme\t\t\tmore\n", "none\tb\ts\t\t\n" };
	struct change a = change(CHANGE_RULE, "", ""), got;
	bool gone;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(journal_add(path, &a), 0);
		put(path, lines[i]);
		assert_int_equal(journal_last(path, &got, &gone), -1);
		assert_non_null(strstr(fail_text(), "not what abyme doctor writes"));
		fail_clear();
	}
}

static void another_boot_has_forgotten_what_is_volatile(void **state)
{
	struct change a = change(CHANGE_RULE, "", ""), got;
	bool gone;

	(void)state;
	assert_int_equal(journal_add(path, &a), 0);
	put(path, "load\tanother-boot\tabyme\t\t\n");
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_true(gone);
	put(path, "join\tanother-boot\tada\t\tkvm\n");
	assert_int_equal(journal_last(path, &got, &gone), 1);
	assert_false(gone);
}

static void a_journal_elsewhere_is_not_followed(void **state)
{
	struct change a = change(CHANGE_RULE, "", ""), got;
	bool gone;

	(void)state;
	assert_int_equal(journal_add(path, &a), 0);
	assert_int_equal(unlink(path), 0);
	put(other, "precious");
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(journal_add(path, &a), -1);
	assert_int_equal(journal_last(path, &got, &gone), -1);
	expect(other, "precious");
}

static void a_value_comes_back_unless_others_changed_it(void **state)
{
	struct change c = change(CHANGE_WRITE, "never", "madvise");

	(void)state;
	put(other, "never\n");
	assert_int_equal(change_make(&c), 0);
	expect(other, "madvise");
	assert_int_equal(change_revert(&c), REVERT_DONE);
	expect(other, "never");
	assert_int_equal(change_revert(&c), REVERT_NOTHING);
	put(other, "[always] madvise never\n");
	assert_int_equal(change_revert(&c), REVERT_OTHERS);
	unlink(other);
	assert_int_equal(change_make(&c), 0 - 1);
	assert_non_null(strstr(fail_text(), "can't be written: No such file"));
}

static void the_rule_is_written_and_removed_if_it_is_ours(void **state)
{
	struct change c = change(CHANGE_RULE, "", "");

	(void)state;
	assert_int_equal(change_make(&c), 0);
	assert_int_equal(change_make(&c), -1); /* never over another one */
	assert_int_equal(change_revert(&c), REVERT_DONE);
	assert_int_equal(access(other, F_OK), -1);
	assert_int_equal(change_revert(&c), REVERT_NOTHING);
	put(other, "KERNEL==\"abyme\", MODE=\"0600\"\n");
	assert_int_equal(change_revert(&c), REVERT_OTHERS);
	assert_int_equal(access(other, F_OK), 0);
}

static void a_mode_comes_back(void **state)
{
	char before[32], after[32];
	struct change c;
	struct stat st;

	(void)state;
	put(other, "");
	chmod(other, 0600);
	snprintf(before, sizeof(before), "%u:%u:600", getuid(), getgid());
	snprintf(after, sizeof(after), "%u:%u:660", getuid(), getgid());
	c = change(CHANGE_OWN, before, after);
	assert_int_equal(change_make(&c), 0);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	chmod(other, 0640);
	assert_int_equal(change_revert(&c), REVERT_OTHERS);
	chmod(other, 0660);
	assert_int_equal(change_revert(&c), REVERT_DONE);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(change_revert(&c), REVERT_NOTHING);
}

static void the_chosen_word_is_found(void **state)
{
	char word[16];

	(void)state;
	chosen_word("always madvise [never]\n", word, sizeof(word));
	assert_string_equal(word, "never");
	chosen_word("madvise\n", word, sizeof(word));
	assert_string_equal(word, "madvise");
	chosen_word("", word, sizeof(word));
	assert_string_equal(word, "");
}

static void each_change_is_told_in_both_directions(void **state)
{
	struct change c = { CHANGE_LOAD, "abyme", "1:2:3", "4:5:6" };
	char text[300];

	(void)state;
	change_text(&c, false, text, sizeof(text));
	assert_string_equal(text, "load the module abyme (modprobe abyme)");
	change_text(&c, true, text, sizeof(text));
	assert_string_equal(text, "remove the module abyme (modprobe -r abyme)");
	for (c.kind = CHANGE_LOAD; c.kind < NR_CHANGES; c.kind++) {
		char back[300];

		change_text(&c, false, text, sizeof(text));
		change_text(&c, true, back, sizeof(back));
		assert_string_not_equal(text, back);
		assert_true(strlen(change_instead(&c)) > 0);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_journal_gives_back_the_last_first),
		T(a_torn_line_counts_for_nothing),
		T(a_line_that_does_not_fit_leaves_nothing),
		T(what_is_not_ours_is_refused),
		T(another_boot_has_forgotten_what_is_volatile),
		T(a_journal_elsewhere_is_not_followed),
		T(a_value_comes_back_unless_others_changed_it),
		T(the_rule_is_written_and_removed_if_it_is_ours),
		T(a_mode_comes_back),
		T(the_chosen_word_is_found),
		T(each_change_is_told_in_both_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
