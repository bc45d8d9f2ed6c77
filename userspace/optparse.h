/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_OPTPARSE_H
#define ABYME_OPTPARSE_H

#include <stdbool.h>
#include <stdio.h>

/* One option of a subcommand; a table of them ends with a NULL name. */
struct option_row {
	const char *name;     /* "memory", given as --memory VALUE or --memory=VALUE */
	const char *value;    /* what the help calls its value; NULL: a flag; "[=FILE]": either */
	const char *help;     /* may hold newlines */
	const char *known_as; /* what other programs call it: "m mem ram" */
	bool many;	      /* may be given more than once */
	int (*set)(void *into, const char *value);
};

struct command {
	const char *name;  /* "run" */
	const char *usage; /* "abyme run [OPTION]... IMAGE" */
	const char *about; /* a paragraph */
	const char *after; /* the help's last paragraph, or NULL */
	const struct option_row *options;
	int (*operand)(void *into, const char *value); /* NULL: takes none */
};

enum { OPTIONS_OK, OPTIONS_HELP };

/*
 * Parse argv[1...] into *into.
 * Return: OPTIONS_OK, OPTIONS_HELP when --help is asked, or -1 after fail().
 */
int options_parse(const struct command *command, void *into, int argc, char **argv);

void options_help(const struct command *command, FILE *to);

/* Which of the names (NULL-terminated by stride's table) is meant by @word; NULL: none near. */
const char *nearest_word(const char *word, const char *const *words);

#endif
