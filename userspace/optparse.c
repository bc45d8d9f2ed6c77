// SPDX-License-Identifier: GPL-2.0-only
/* A table of options decides parsing, help and the hint after a wrong name. */
#include <stdint.h>
#include <string.h>

#include "err.h"
#include "optparse.h"

#define OPTIONS_MAX 32
#define WORD_MAX 24

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance of two short words. */
static unsigned int word_distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1], la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (unsigned int j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= lb; j++) {
			unsigned int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[lb];
}

static bool word_in(const char *word, size_t len, const char *list)
{
	for (const char *p = list; p && *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (n == len && !memcmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

/* 0: surely meant; up to WORD_MAX: less and less. */
static unsigned int likeness(const char *word, const char *name)
{
	size_t len = strlen(word);

	if (len >= 2 && !strncmp(word, name, len))
		return 0;
	return word_distance(word, name);
}

static unsigned int near_enough(const char *word)
{
	return strlen(word) <= 4 ? 1 : 2;
}

const char *nearest_word(const char *word, const char *const *words)
{
	unsigned int least = near_enough(word) + 1;
	const char *found = NULL;

	for (; *words; words++) {
		unsigned int far = likeness(word, *words);

		if (far < least) {
			least = far;
			found = *words;
		}
	}
	return found;
}

static const struct option_row *row_named(const struct option_row *row, const char *name,
					  size_t len)
{
	for (; row->name; row++)
		if (strlen(row->name) == len && !memcmp(row->name, name, len))
			return row;
	return NULL;
}

static const char *row_meant(const struct option_row *rows, const char *name, size_t len)
{
	const char *names[OPTIONS_MAX + 2] = { NULL };
	char word[WORD_MAX + 1];
	size_t n = 0;

	for (const struct option_row *row = rows; row->name; row++) {
		if (word_in(name, len, row->known_as))
			return row->name;
		if (n < OPTIONS_MAX)
			names[n++] = row->name;
	}
	names[n] = "help";
	if (len > WORD_MAX)
		return NULL;
	memcpy(word, name, len);
	word[len] = '\0';
	return nearest_word(word, names);
}

static int unknown_option(const struct command *command, const char *arg)
{
	const char *name = arg + strspn(arg, "-");
	const char *meant = row_meant(command->options, name, strcspn(name, "="));

	if (meant)
		return fail("unknown option %s; did you mean --%s? See abyme %s --help.", arg,
			    meant, command->name);
	return fail("unknown option %s; abyme %s --help lists the options there are.", arg,
		    command->name);
}

struct parser {
	const struct command *command;
	void *into;
	char **next;	/* the argument after the current one */
	uint64_t given; /* a bit for each row that was given */
};

static bool value_optional(const struct option_row *row)
{
	return row->value && row->value[0] == '[';
}

static int parse_option(struct parser *p, const char *arg)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *row = row_named(p->command->options, name, len);
	uint64_t bit;
	const char *value;

	if (!row)
		return unknown_option(p->command, arg);
	bit = 1ull << (row - p->command->options);
	if ((p->given & bit) && !row->many)
		return fail("--%s is given twice; keep one of them.", row->name);
	p->given |= bit;
	if (value_optional(row))
		return row->set(p->into, equals ? equals + 1 : NULL);
	if (!row->value) {
		if (equals)
			return fail("--%s takes no value; leave out '%s'.", row->name, equals);
		return row->set(p->into, NULL);
	}
	value = equals ? equals + 1 : *p->next;
	if (!value)
		return fail("--%s needs a value: --%s %s.", row->name, row->name, row->value);
	if (!equals)
		p->next++;
	return row->set(p->into, value);
}

static int parse_operand(struct parser *p, const char *arg)
{
	if (!p->command->operand)
		return fail("abyme %s takes no argument '%s'; see abyme %s --help.",
			    p->command->name, arg, p->command->name);
	return p->command->operand(p->into, arg);
}

int options_parse(const struct command *command, void *into, int argc, char **argv)
{
	struct parser p = { command, into, argv + 1, 0 };
	bool only_operands = false;

	(void)argc;
	while (*p.next) {
		const char *arg = *p.next++;
		int err;

		if (only_operands || arg[0] != '-' || !arg[1])
			err = parse_operand(&p, arg);
		else if (!strcmp(arg, "--"))
			err = 0, only_operands = true;
		else if (!strcmp(arg, "--help") || !strcmp(arg, "-h"))
			return OPTIONS_HELP;
		else if (arg[1] == '-')
			err = parse_option(&p, arg);
		else
			err = unknown_option(command, arg);
		if (err)
			return err;
	}
	return OPTIONS_OK;
}

static void help_row(FILE *to, const struct option_row *row)
{
	const char *help = row->help;
	char left[40];

	snprintf(left, sizeof(left), "--%s%s%s", row->name,
		 row->value && !value_optional(row) ? " " : "", row->value ? row->value : "");
	fprintf(to, "  %-20s ", left);
	for (; *help; help++) {
		fputc(*help, to);
		if (*help == '\n')
			fprintf(to, "%23s", "");
	}
	fputc('\n', to);
}

void options_help(const struct command *command, FILE *to)
{
	fprintf(to, "Usage: %s\n\n%s\n\nOptions:\n", command->usage, command->about);
	for (const struct option_row *row = command->options; row->name; row++)
		help_row(to, row);
	help_row(to, &(struct option_row){ .name = "help", .help = "show this and leave" });
	if (command->after)
		fprintf(to, "\n%s\n", command->after);
}
