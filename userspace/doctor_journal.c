// SPDX-License-Identifier: GPL-2.0-only
/*
 * What doctor --fix changed, a line each: kind, the boot it was made in, subject,
 * before, after, with tabs between. A last line without its newline was being
 * written when the machine stopped, so its change was never begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor_change.h"
#include "err.h"

#define LINE_SIZE 512
#define BOOT_SIZE 40

static const char *const kind_words[NR_CHANGES] = {
	[CHANGE_NONE] = "none",	  [CHANGE_LOAD] = "load", [CHANGE_UNLOAD] = "unload",
	[CHANGE_WRITE] = "write", [CHANGE_RULE] = "rule", [CHANGE_OWN] = "own",
	[CHANGE_JOIN] = "join",
};

/* A name that no other boot of the machine has; "-" unknown. */
static void boot_id(char id[BOOT_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	strcpy(id, "-");
	if (!file)
		return;
	if (fgets(id, BOOT_SIZE, file))
		id[strcspn(id, "\n")] = '\0';
	fclose(file);
}

static int cant(const char *path, const char *what)
{
	return fail("%s can't be %s: %s.", path, what, strerror(errno));
}

static int open_to_add(const char *path)
{
	char dir[256];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	if (slash && mkdir(dir, 0700) && errno != EEXIST)
		return -1;
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/*
 * The journal's whole text, without a torn last line. Return: the text, to be
 * freed; NULL: there is none, or after fail() and with *@failed set.
 */
static char *read_all(const char *path, bool *failed)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	char *text;
	ssize_t n;

	*failed = false;
	if (fd < 0 && errno == ENOENT)
		return NULL;
	*failed = true;
	if (fd < 0 || fstat(fd, &st)) {
		cant(path, "read");
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	text = calloc(1, st.st_size + 1);
	n = text ? read(fd, text, st.st_size) : -1;
	close(fd);
	if (n < 0) {
		cant(path, "read");
		free(text);
		return NULL;
	}
	*failed = false;
	text[n] = '\0';
	while (n && text[n - 1] != '\n')
		text[--n] = '\0';
	return text;
}

/*
 * Adds @line after the first @whole bytes: all of it, or nothing. What follows those is a line
 * that was torn, which would spoil ours.
 */
static bool add_line(int fd, off_t whole, const char *line, ssize_t len)
{
	int error;

	if (ftruncate(fd, whole))
		return false;
	errno = ENOSPC; /* if less is written than we gave */
	if (write(fd, line, len) == len && !fsync(fd))
		return true;
	error = errno;
	if (ftruncate(fd, whole))
		error = errno;
	errno = error;
	return false;
}

int journal_add(const char *path, const struct change *change)
{
	char line[LINE_SIZE], boot[BOOT_SIZE];
	int fd = open_to_add(path), len;
	bool failed, written;
	char *text;

	if (fd < 0)
		return cant(path, "opened");
	text = read_all(path, &failed);
	boot_id(boot);
	len = snprintf(line, sizeof(line), "%s\t%s\t%s\t%s\t%s\n", kind_words[change->kind], boot,
		       change->subject, change->before, change->after);
	errno = ENAMETOOLONG;
	written = text && len < (int)sizeof(line) && add_line(fd, strlen(text), line, len);
	if (!written)
		cant(path, "written"); /* what read_all() said stays */
	close(fd);
	free(text);
	return written ? 0 : -1;
}

/* Where the last line of @text begins; @text ends with a newline, or is empty. */
static char *last_line(char *text)
{
	size_t len = strlen(text);
	char *at = text + len;

	if (!len)
		return NULL;
	for (at--; at > text && at[-1] != '\n'; at--)
		;
	return at;
}

static enum change_kind kind_named(const char *word)
{
	for (int i = CHANGE_LOAD; i < NR_CHANGES; i++)
		if (!strcmp(word, kind_words[i]))
			return i;
	return CHANGE_NONE;
}

/* @line loses its tabs. Return: whether it is one of ours. */
static bool parse_line(char *line, struct change *change, char *boot)
{
	char *word[5];
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < 5 && (word[n] = strsep(&line, "\t")))
		n++;
	if (n < 5 || line)
		return false;
	*change = (struct change){ .kind = kind_named(word[0]) };
	snprintf(boot, BOOT_SIZE, "%s", word[1]);
	if (strlen(word[2]) >= sizeof(change->subject) ||
	    strlen(word[3]) >= sizeof(change->before) || strlen(word[4]) >= sizeof(change->after))
		return false;
	strcpy(change->subject, word[2]);
	strcpy(change->before, word[3]);
	strcpy(change->after, word[4]);
	return change->kind != CHANGE_NONE;
}

int journal_last(const char *path, struct change *change, bool *gone)
{
	char boot[BOOT_SIZE], now[BOOT_SIZE];
	bool failed, ours;
	char *text = read_all(path, &failed);
	char *line = text ? last_line(text) : NULL;

	if (!line) {
		free(text);
		return failed ? -1 : 0;
	}
	ours = parse_line(line, change, boot);
	free(text);
	if (!ours)
		return fail("the last line of %s is not what abyme doctor writes; look at it, and "
			    "take it out.",
			    path);
	boot_id(now);
	*gone = change_is_volatile(change->kind) && strcmp(boot, now);
	return 1;
}

int journal_drop_last(const char *path)
{
	bool failed;
	char *text = read_all(path, &failed);
	char *line = text ? last_line(text) : NULL;
	int r = 0;

	if (line && line > text)
		r = truncate(path, line - text);
	else if (!failed)
		r = unlink(path) && errno != ENOENT;
	free(text);
	return failed || r ? cant(path, "shortened") : 0;
}
