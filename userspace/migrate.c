// SPDX-License-Identifier: GPL-2.0-only
/* abyme doctor --migration-facts and --migrate-from. */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "json.h"
#include "migrate.h"

#define CANT_MOVE 1

int migrate_say_facts(const char *device)
{
	static struct migrate_facts facts;

	if (migrate_gather(&facts, device)) {
		say("%s", fail_text());
		return EXIT_SETUP;
	}
	migrate_write(&facts, stdout);
	return 0;
}

static int read_file(struct migrate_facts *facts, const char *file)
{
	FILE *from = strcmp(file, "-") ? fopen(file, "re") : stdin;
	int r;

	if (!from)
		return fail("%s can't be opened: %s; on the source abyme doctor --migration-facts "
			    "writes it.",
			    file, strerror(errno));
	r = migrate_read(facts, from, from == stdin ? "standard input" : file);
	if (from != stdin)
		fclose(from);
	return r;
}

static void tell_text(struct migrate_teller *teller, const char *what, const char *now)
{
	(void)teller;
	printf("%s\n  -> %s\n", what, now);
}

struct json_teller {
	struct migrate_teller teller;
	bool later;
};

static void tell_json(struct migrate_teller *teller, const char *what, const char *now)
{
	struct json_teller *json = (struct json_teller *)teller;

	printf("%s\n    { \"what\": ", json->later ? "," : "");
	json_string(stdout, what);
	printf(",\n      \"now\": ");
	json_string(stdout, now);
	printf(" }");
	json->later = true;
}

static unsigned int judge_json(const struct migrate_facts *from, const struct migrate_facts *to)
{
	struct json_teller json = { .teller.tell = tell_json };
	unsigned int found;

	printf("{\n  \"from\": ");
	json_string(stdout, from->device);
	printf(",\n  \"to\": ");
	json_string(stdout, to->device);
	printf(",\n  \"differences\": [");
	found = migrate_compare(from, to, &json.teller);
	printf("\n  ],\n  \"can_move\": %s\n}\n", found ? "false" : "true");
	return found;
}

static unsigned int judge_text(const struct migrate_facts *from, const struct migrate_facts *to)
{
	struct migrate_teller teller = { tell_text };
	unsigned int found = migrate_compare(from, to, &teller);

	if (!found)
		printf("Whatever %s offers there, %s offers here: a machine can move.\n",
		       from->device, to->device);
	else
		printf("\n%u %s: a machine that may use all that %s offers there can't move to %s "
		       "here.\n",
		       found, found == 1 ? "difference" : "differences", from->device, to->device);
	return found;
}

int migrate_judge(const char *device, const char *file, bool json)
{
	static struct migrate_facts from, to;

	if (read_file(&from, file) || migrate_gather(&to, device)) {
		say("%s", fail_text());
		return EXIT_SETUP;
	}
	return (json ? judge_json(&from, &to) : judge_text(&from, &to)) ? CANT_MOVE : 0;
}
