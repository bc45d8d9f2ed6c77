/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What doctor --fix may change on a machine: each kind knows how it is said,
 * made and taken back.
 */
#ifndef ABYME_DOCTOR_CHANGE_H
#define ABYME_DOCTOR_CHANGE_H

#include <stdbool.h>
#include <stddef.h>

enum change_kind {
	CHANGE_NONE,
	CHANGE_LOAD,   /* subject: a module that was not loaded */
	CHANGE_UNLOAD, /* subject: a module that was loaded */
	CHANGE_WRITE,  /* subject: a file of /sys; before, after: its value */
	CHANGE_RULE,   /* subject: where abyme's udev rule goes */
	CHANGE_OWN,    /* subject: a node; before, after: "uid:gid:mode" */
	CHANGE_JOIN,   /* subject: a user; after: the group */
	NR_CHANGES,
};

struct change {
	enum change_kind kind;
	char subject[128];
	char before[64], after[64];
};

/* "load the module abyme (modprobe abyme)"; @undo: what takes it back. */
void change_text(const struct change *change, bool undo, char *text, size_t size);

/* Return: 0, or -1 after fail() that says why. */
int change_make(const struct change *change);

/* What to do when change_make() could not. */
const char *change_instead(const struct change *change);

enum revert {
	REVERT_DONE,
	REVERT_NOTHING, /* it isn't so any more: nothing to take back */
	REVERT_OTHERS,	/* somebody changed it since: theirs stays */
	REVERT_FAILED,	/* after fail() */
};

enum revert change_revert(const struct change *change);

/* Does a reboot take it back? */
bool change_is_volatile(enum change_kind kind);

/* The word of "always [madvise] never" that is chosen, or all of @line. */
void chosen_word(const char *line, char *word, size_t size);

/*
 * The journal: a line for each change, written before the change is made and
 * taken out when it was taken back, so that what ends --fix halfway leaves
 * all that --undo needs. It lies in /var/lib, as the udev rule and the
 * membership outlive a reboot; what doesn't carries the boot it was made in.
 */
#define JOURNAL "/var/lib/abyme/doctor.undo"

int journal_add(const char *path, const struct change *change); /* 0, or -1 after fail() */
/* The last change: 1; 0: there is none; -1 after fail(). *@gone: a reboot took it back. */
int journal_last(const char *path, struct change *change, bool *gone);
int journal_drop_last(const char *path); /* 0, or -1 after fail() */

#endif
