// SPDX-License-Identifier: GPL-2.0-only
/* The changes that doctor --fix makes and --undo takes back, a row for each kind. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor_change.h"
#include "err.h"

/* The rule that make install puts in place, whole: udev and doctor agree on one file. */
__asm__(".pushsection .rodata\n"
	"udev_rule_text: .incbin \"scripts/60-abyme.rules\"\n"
	".byte 0\n"
	".popsection\n");
extern const char udev_rule_text[];

/* --- tools --------------------------------------------------------------- */

#define WORDS_MAX 6

static void exec_tool(const char *const *words, int said)
{
	/* Not the caller's PATH: these run as root, and sbin is often not in it. */
	static const char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char *const environment[] = { (char *)path, "LC_ALL=C", NULL };
	static const char *const dirs[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
	int null = open("/dev/null", O_RDWR);
	char file[64];

	dup2(null, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", dirs[i], words[0]);
		execve(file, (char *const *)words, environment);
	}
	dprintf(said, "there is no %s here", words[0]);
	_exit(127);
}

/* What @fd says until its end; its first line stays in @text. */
static void read_said(int fd, char *text, size_t size)
{
	char rest[256];
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += n;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

/* Run a program of the system. Return: 0, or -1 after fail() with what it said. */
static int run_tool(const char *const words[WORDS_MAX])
{
	int ends[2], status = -1;
	char said[300];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return fail("no pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (!pid)
		exec_tool(words, ends[1]);
	close(ends[1]);
	said[0] = '\0';
	if (pid > 0) {
		read_said(ends[0], said, sizeof(said));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(ends[0]);
	if (!status)
		return 0;
	return fail("%s", said[0] ? said : "it failed without a word");
}

/* --- modules ------------------------------------------------------------- */

static bool loaded(const char *module)
{
	char path[192];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static int load(const char *module)
{
	return run_tool((const char *const[WORDS_MAX]){ "modprobe", module });
}

static int unload(const char *module)
{
	return run_tool((const char *const[WORDS_MAX]){ "modprobe", "-r", module });
}

static int load_make(const struct change *c)
{
	return load(c->subject);
}

static int unload_make(const struct change *c)
{
	return unload(c->subject);
}

static enum revert load_revert(const struct change *c)
{
	if (!loaded(c->subject))
		return REVERT_NOTHING;
	return !unload(c->subject) ? REVERT_DONE : REVERT_FAILED;
}

static enum revert unload_revert(const struct change *c)
{
	if (loaded(c->subject))
		return REVERT_NOTHING;
	return !load(c->subject) ? REVERT_DONE : REVERT_FAILED;
}

static void load_text(const struct change *c, bool undo, char *text, size_t size)
{
	snprintf(text, size,
		 undo ? "remove the module %s (modprobe -r %s)"
		      : "load the module %s (modprobe %s)",
		 c->subject, c->subject);
}

static void unload_text(const struct change *c, bool undo, char *text, size_t size)
{
	load_text(c, !undo, text, size);
}

/* --- a value in /sys ------------------------------------------------------ */

void chosen_word(const char *line, char *word, size_t size)
{
	const char *open = strchr(line, '['), *from = open ? open + 1 : line;

	snprintf(word, size, "%.*s", (int)strcspn(from, open ? "]" : "\n"), from);
}

static int read_value(const char *path, char *value, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[128] = "";

	if (!file)
		return -1;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	chosen_word(line, value, size);
	return 0;
}

static int write_value(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t len = strlen(value), n = fd < 0 ? -1 : write(fd, value, len);
	int error = errno;

	if (fd >= 0)
		close(fd);
	return n == len ? 0 : fail("%s can't be written: %s", path, strerror(error));
}

static int write_make(const struct change *c)
{
	return write_value(c->subject, c->after);
}

static enum revert write_revert(const struct change *c)
{
	char now[64];

	if (read_value(c->subject, now, sizeof(now)) || !strcmp(now, c->before))
		return REVERT_NOTHING;
	if (strcmp(now, c->after))
		return REVERT_OTHERS;
	return !write_value(c->subject, c->before) ? REVERT_DONE : REVERT_FAILED;
}

static void write_text(const struct change *c, bool undo, char *text, size_t size)
{
	snprintf(text, size, "write %s to %s (it has %s)", undo ? c->before : c->after, c->subject,
		 undo ? c->after : c->before);
}

/* --- the udev rule -------------------------------------------------------- */

static int rule_make(const struct change *c)
{
	int fd = open(c->subject, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ssize_t len = strlen(udev_rule_text), n = fd < 0 ? -1 : write(fd, udev_rule_text, len);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (n == len)
		return 0;
	if (fd >= 0)
		unlink(c->subject);
	return fail("%s can't be written: %s", c->subject, strerror(error));
}

/* Is what lies there what we would write? What we were stopped in the middle of is, too. */
static bool is_our_rule(int fd)
{
	char text[1024];
	ssize_t n = read(fd, text, sizeof(text));

	return n >= 0 && (size_t)n <= strlen(udev_rule_text) && !memcmp(text, udev_rule_text, n);
}

static enum revert rule_revert(const struct change *c)
{
	int fd = open(c->subject, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool ours;

	if (fd < 0)
		return errno == ENOENT ? REVERT_NOTHING : REVERT_OTHERS;
	ours = is_our_rule(fd);
	close(fd);
	if (!ours)
		return REVERT_OTHERS;
	if (!unlink(c->subject))
		return REVERT_DONE;
	fail("%s can't be removed: %s", c->subject, strerror(errno));
	return REVERT_FAILED;
}

static void rule_text(const struct change *c, bool undo, char *text, size_t size)
{
	snprintf(text, size,
		 undo ? "remove the udev rule %s"
		      : "write the udev rule %s, which gives the device to its group",
		 c->subject);
}

/* --- a node's owner and mode ---------------------------------------------- */

static void own_now(const struct stat *st, char *text, size_t size)
{
	snprintf(text, size, "%u:%u:%o", st->st_uid, st->st_gid, st->st_mode & 07777);
}

static int own_set(const char *path, const char *owner)
{
	unsigned int uid, gid, mode;

	if (sscanf(owner, "%u:%u:%o", &uid, &gid, &mode) != 3)
		return fail("'%s' is no owner", owner);
	if (lchown(path, uid, gid) || chmod(path, mode))
		return fail("%s can't be given away: %s", path, strerror(errno));
	return 0;
}

static int own_make(const struct change *c)
{
	return own_set(c->subject, c->after);
}

static enum revert own_revert(const struct change *c)
{
	struct stat st;
	char now[64];

	if (lstat(c->subject, &st))
		return REVERT_NOTHING;
	own_now(&st, now, sizeof(now));
	if (!strcmp(now, c->before))
		return REVERT_NOTHING;
	if (strcmp(now, c->after))
		return REVERT_OTHERS;
	return !own_set(c->subject, c->before) ? REVERT_DONE : REVERT_FAILED;
}

static void own_text(const struct change *c, bool undo, char *text, size_t size)
{
	snprintf(text, size, "give %s owner, group and mode %s (it has %s)", c->subject,
		 undo ? c->before : c->after, undo ? c->after : c->before);
}

/* --- a user's groups ------------------------------------------------------ */

static bool is_member(const char *user, const char *name)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *group;
	bool found = false;

	while (file && !found && (group = fgetgrent(file)))
		for (char **m = group->gr_mem; !strcmp(group->gr_name, name) && *m; m++)
			found |= !strcmp(*m, user);
	if (file)
		fclose(file);
	return found;
}

static int join_make(const struct change *c)
{
	return run_tool((const char *const[WORDS_MAX]){ "usermod", "-aG", c->after, c->subject });
}

static enum revert join_revert(const struct change *c)
{
	if (!is_member(c->subject, c->after))
		return REVERT_NOTHING;
	if (!run_tool((const char *const[WORDS_MAX]){ "gpasswd", "-d", c->subject, c->after }))
		return REVERT_DONE;
	return REVERT_FAILED;
}

static void join_text(const struct change *c, bool undo, char *text, size_t size)
{
	if (undo)
		snprintf(text, size, "take %s out of the group %s (gpasswd -d %s %s)", c->subject,
			 c->after, c->subject, c->after);
	else
		snprintf(text, size,
			 "add %s to the group %s (usermod -aG %s %s), which counts from the next "
			 "login on",
			 c->subject, c->after, c->after, c->subject);
}

/* --- the table ------------------------------------------------------------ */

static const struct {
	bool is_volatile;
	void (*text)(const struct change *change, bool undo, char *text, size_t size);
	int (*make)(const struct change *change);
	enum revert (*revert)(const struct change *change);
	const char *instead;
} kinds[NR_CHANGES] = {
	[CHANGE_LOAD] = { true, load_text, load_make, load_revert,
			  "sudo dmesg | tail says more; a module that isn't there comes with make "
			  "install; where the kernel is locked down (Secure Boot) sign it with a "
			  "key that is enrolled (mokutil)" },
	[CHANGE_UNLOAD] = { true, unload_text, unload_make, unload_revert,
			    "stop the virtual machines that use it, then sudo modprobe -r it" },
	[CHANGE_WRITE] = { true, write_text, write_make, write_revert,
			   "set it on the kernel's command line: transparent_hugepage=madvise" },
	[CHANGE_RULE] = { false, rule_text, rule_make, rule_revert,
			  "make install puts it in place" },
	[CHANGE_OWN] = { true, own_text, own_make, own_revert,
			 "sudo udevadm trigger --action=add /dev/abyme applies the udev rule" },
	[CHANGE_JOIN] = { false, join_text, join_make, join_revert,
			  "add the user to the group where this system keeps its groups" },
};

void change_text(const struct change *change, bool undo, char *text, size_t size)
{
	kinds[change->kind].text(change, undo, text, size);
}

int change_make(const struct change *change)
{
	return kinds[change->kind].make(change);
}

const char *change_instead(const struct change *change)
{
	return kinds[change->kind].instead;
}

enum revert change_revert(const struct change *change)
{
	return kinds[change->kind].revert(change);
}

bool change_is_volatile(enum change_kind kind)
{
	return kinds[kind].is_volatile;
}
