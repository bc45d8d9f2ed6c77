// SPDX-License-Identifier: GPL-2.0-only
/* abyme doctor: can this machine run abyme, can it nest, and what mends it. */
#include <stdio.h>

#include "commands.h"
#include "device.h"
#include "doctor.h"
#include "err.h"
#include "json.h"
#include "migrate.h"
#include "optparse.h"

struct doctor_opts {
	const char *device, *migrate_from;
	bool facts;
	bool json, fix, dry, undo;
};

static int set_json(void *into, const char *value)
{
	struct doctor_opts *opts = into;

	(void)value;
	opts->json = true;
	return 0;
}

static int set_fix(void *into, const char *value)
{
	(void)value;
	((struct doctor_opts *)into)->fix = true;
	return 0;
}

static int set_dry(void *into, const char *value)
{
	(void)value;
	((struct doctor_opts *)into)->dry = true;
	return 0;
}

static int set_undo(void *into, const char *value)
{
	(void)value;
	((struct doctor_opts *)into)->undo = true;
	return 0;
}

static int set_facts(void *into, const char *value)
{
	(void)value;
	((struct doctor_opts *)into)->facts = true;
	return 0;
}

static int set_migrate_from(void *into, const char *value)
{
	((struct doctor_opts *)into)->migrate_from = value;
	return 0;
}

static int set_device(void *into, const char *value)
{
	struct doctor_opts *opts = into;

	opts->device = value;
	return 0;
}

static const struct option_row doctor_options[] = {
	{ "json", NULL, "for programs", "j", false, set_json },
	{ "device", "NODE", "the device in question: " DEVICE_DEFAULT " (default), /dev/kvm",
	  "dev kvm", false, set_device },
	{ "fix", NULL, "mend what can be mended here, saying each step first; takes root",
	  "repair f", false, set_fix },
	{ "dry-run", NULL, "with --fix: say what it would do, and change nothing", "n simulate",
	  false, set_dry },
	{ "undo", NULL, "take back what --fix changed, the last change first; takes root",
	  "revert u", false, set_undo },
	{ "migration-facts", NULL, "print what a machine that moves to another host relies on",
	  "export facts", false, set_facts },
	{ "migrate-from", "FILE",
	  "can a machine move here from the host whose\n--migration-facts FILE has (- standard input)",
	  "migrate import", false, set_migrate_from },
	{ 0 },
};

static const struct command doctor_command = {
	.name = "doctor",
	.usage = "abyme doctor [OPTION]...",
	.about =
		"Say whether this machine, a host or a virtual one, can run abyme and can nest, what\n"
		"holds it back, and what mends it.",
	.after =
		"Exit status: 0 it can run guests and nest; 1 it can run guests but not nest;\n"
		"2 it can't run guests, or wrong usage; 4 a step of --fix or --undo failed, or takes\n"
		"root, or what --migrate-from needs can't be read; 16 standard output can't be written.\n"
		"With --migrate-from: 0 a machine can move; 1 it can't.",
	.options = doctor_options,
};

static const char *const verdict_words[] = {
	[VERDICT_OK] = "ok",	 [VERDICT_BAD] = "bad",	  [VERDICT_UNKNOWN] = "unknown",
	[VERDICT_NOTE] = "note", [VERDICT_SKIP] = "skip",
};

static const char *const blocks_words[] = {
	[BLOCKS_NOTHING] = "nothing",
	[BLOCKS_NEST] = "nesting",
	[BLOCKS_RUN] = "running",
};

const char *const doctor_summaries[] = {
	"This machine can run guests, and they can be hypervisors.",
	"This machine can run guests, but they can't be hypervisors.",
	"This machine can't run guests yet.",
};

static void print_text(const struct finding *findings, unsigned int count, int status)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct finding *f = &findings[i];

		printf("%-8s %-10s %s\n", verdict_words[f->verdict], f->id, f->what);
		if (f->mend[0])
			printf("%-8s %-10s -> %s\n", "", "", f->mend);
	}
	printf("\n%s\n", doctor_summaries[status]);
}

static void json_pair(const char *name, const char *value, const char *after)
{
	json_string(stdout, name);
	fputs(": ", stdout);
	json_string(stdout, value);
	fputs(after, stdout);
}

static void print_json(const char *device, const struct finding *findings, unsigned int count,
		       int status)
{
	printf("{\n  ");
	json_pair("device", device, ",\n");
	printf("  \"can_run\": %s,\n  \"can_nest\": %s,\n  \"findings\": [",
	       status < 2 ? "true" : "false", status < 1 ? "true" : "false");
	for (unsigned int i = 0; i < count; i++) {
		const struct finding *f = &findings[i];

		printf("%s\n    { ", i ? "," : "");
		json_pair("id", f->id, ", ");
		json_pair("verdict", verdict_words[f->verdict], ", ");
		json_pair("blocks", blocks_words[f->blocks], ",\n      ");
		json_pair("what", f->what, ",\n      ");
		json_pair("mend", f->mend, " }");
	}
	printf("\n  ]\n}\n");
}

static int parse(struct doctor_opts *opts, int argc, char **argv)
{
	int result = options_parse(&doctor_command, opts, argc, argv);

	if (result)
		return result;
	if (opts->fix && opts->undo)
		return fail("--fix and --undo are opposites; keep one of them.");
	if (opts->json && (opts->fix || opts->undo))
		return fail("--json tells what is the case; leave it out with --fix and --undo.");
	if (!!opts->migrate_from + opts->facts + opts->fix + opts->undo > 1)
		return fail(
			"--fix, --undo, --migration-facts and --migrate-from are a task each; keep one of "
			"them.");
	if (opts->json && opts->facts)
		return fail("--migration-facts has a form of its own; leave out --json.");
	if (opts->dry && !opts->fix)
		return fail("--dry-run goes with --fix only.");
	return 0;
}

static int report(const struct doctor_opts *opts)
{
	static struct finding findings[FINDINGS_MAX];
	static struct facts facts;
	unsigned int count;
	int status;

	facts_gather(&facts, opts->device);
	count = doctor_judge(&facts, findings);
	status = doctor_status(findings, count);
	if (opts->json)
		print_json(opts->device, findings, count, status);
	else
		print_text(findings, count, status);
	return status;
}

int doctor_main(int argc, char **argv)
{
	struct doctor_opts opts = { .device = DEVICE_DEFAULT };
	int result = parse(&opts, argc, argv);

	if (result == OPTIONS_HELP) {
		options_help(&doctor_command, stdout);
		return 0;
	}
	if (result) {
		say("%s", fail_text());
		return EXIT_USAGE;
	}
	if (opts.facts)
		return migrate_say_facts(opts.device);
	if (opts.migrate_from)
		return migrate_judge(opts.device, opts.migrate_from, opts.json);
	if (opts.undo)
		return doctor_undo();
	return opts.fix ? doctor_fix(opts.device, opts.dry) : report(&opts);
}
