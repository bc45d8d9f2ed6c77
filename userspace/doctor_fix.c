// SPDX-License-Identifier: GPL-2.0-only
/* abyme doctor --fix and --undo: each step is said before it is made. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "err.h"

#define COULD_NOT 4 /* exit status: a step failed, or takes root */

static void row(const char *word, const char *id, const char *text, const char *then)
{
	printf("%-8s %-10s %s\n", word, id, text);
	if (then && *then)
		printf("%-8s %-10s -> %s\n", "", "", then);
	fflush(stdout); /* before the step, not after it */
}

static int need_root(const char *option)
{
	if (!geteuid())
		return 0;
	say("%s changes the machine, which takes root; run sudo abyme doctor %s, or add --dry-run.",
	    option, option);
	return COULD_NOT;
}

/* Make one change; the journal has it before it is begun. Return: 0, or -1. */
static int make(const struct finding *f)
{
	char text[300];

	change_text(&f->fix, false, text, sizeof(text));
	row("fix", f->id, text, NULL);
	fail_clear();
	if (journal_add(JOURNAL, &f->fix)) {
		row("failed", f->id, fail_text(),
		    "nothing was changed, as --undo would not know it");
		return -1;
	}
	if (!change_make(&f->fix))
		return 0;
	row("failed", f->id, fail_text(), change_instead(&f->fix));
	fail_clear();
	if (journal_drop_last(JOURNAL))
		row("failed", f->id, fail_text(), NULL);
	return -1;
}

static const struct finding *next_fix(const struct finding *findings, unsigned int count,
				      const bool tried[NR_CHANGES])
{
	for (unsigned int i = 0; i < count; i++)
		if (findings[i].fix.kind && !tried[findings[i].fix.kind])
			return &findings[i];
	return NULL;
}

/* Says what is wrong, or could be better, and no step of ours mends. */
static void say_left(const struct finding *findings, unsigned int count, bool dry)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct finding *f = &findings[i];

		if (f->verdict == VERDICT_BAD || (f->verdict == VERDICT_NOTE && f->mend[0]))
			if (!dry || !f->fix.kind)
				row("left", f->id, f->what, f->mend);
	}
}

static void say_steps(const struct finding *findings, unsigned int count)
{
	bool any = false;
	char text[300];

	for (unsigned int i = 0; i < count; i++) {
		if (!findings[i].fix.kind)
			continue;
		change_text(&findings[i].fix, false, text, sizeof(text));
		row("would", findings[i].id, text, NULL);
		any = true;
	}
	if (any)
		printf("What these steps leave, only they show; without them it is:\n");
}

int doctor_fix(const char *device, bool dry)
{
	static struct finding findings[FINDINGS_MAX];
	static struct facts facts;
	bool tried[NR_CHANGES] = { false }, failed = false;
	const struct finding *f;
	unsigned int count;
	int status;

	if (!dry && need_root("--fix"))
		return COULD_NOT;
	for (;;) {
		/* Asked anew after each step: a module that was loaded has brought its device. */
		facts_gather(&facts, device);
		count = doctor_judge(&facts, findings);
		f = dry ? NULL : next_fix(findings, count, tried);
		if (!f)
			break;
		tried[f->fix.kind] = true;
		failed |= make(f);
	}
	if (dry)
		say_steps(findings, count);
	say_left(findings, count, dry);
	status = doctor_status(findings, count);
	printf("\n%s\n", doctor_summaries[status]);
	return failed ? COULD_NOT : status;
}

/* Take back the last change of the journal. Return: 1: go on; 0: that was all; -1: stuck. */
static int undo_last(void)
{
	static const char *const comes_of_it[] = {
		[REVERT_NOTHING] = "it is so already",
		[REVERT_OTHERS] = "it was changed since, and stays as it is",
	};
	struct change change;
	enum revert how;
	char text[300];
	bool gone;
	int r = journal_last(JOURNAL, &change, &gone);

	if (r < 0)
		say("%s", fail_text());
	if (r <= 0)
		return r;
	change_text(&change, true, text, sizeof(text));
	row("undo", "", text, gone ? "a reboot has done that" : NULL);
	how = gone ? REVERT_DONE : change_revert(&change);
	if (how == REVERT_FAILED) {
		row("failed", "", fail_text(), "mend that, and run abyme doctor --undo again");
		return -1;
	}
	if (how != REVERT_DONE)
		row("", "", comes_of_it[how], NULL);
	if (!journal_drop_last(JOURNAL))
		return 1;
	say("%s", fail_text());
	return -1;
}

int doctor_undo(void)
{
	bool any = false;
	int r;

	if (need_root("--undo"))
		return COULD_NOT;
	fail_clear();
	while ((r = undo_last()) > 0)
		any = true;
	if (!r && !any)
		printf("There is nothing to take back.\n");
	return r ? COULD_NOT : 0;
}
