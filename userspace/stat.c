// SPDX-License-Identifier: GPL-2.0-only
/* abyme stat: the counters that the module publishes for each VM, as a live table. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "device.h"
#include "err.h"
#include "optparse.h"
#include "stat.h"
#include "units.h"

struct stat_opts {
	const char *device;
	bool once, all, interval_given;
	unsigned int interval, pid;
};

static int set_once(void *into, const char *value)
{
	(void)value;
	((struct stat_opts *)into)->once = true;
	return 0;
}

static int set_all(void *into, const char *value)
{
	(void)value;
	((struct stat_opts *)into)->all = true;
	return 0;
}

static int set_interval(void *into, const char *value)
{
	struct stat_opts *opts = into;

	opts->interval_given = true;
	return parse_count(value, "--interval", 1, 3600, &opts->interval);
}

static int set_pid(void *into, const char *value)
{
	return parse_count(value, "--pid", 1, 1 << 30, &((struct stat_opts *)into)->pid);
}

static int set_device(void *into, const char *value)
{
	((struct stat_opts *)into)->device = value;
	return 0;
}

static const struct option_row stat_options[] = {
	{ "once", NULL, "print one table and leave", "1 batch", false, set_once },
	{ "interval", "SECONDS", "between two tables (default 1)", "i d delay", false,
	  set_interval },
	{ "pid", "PID", "only this launcher's VM", "p vm", false, set_pid },
	{ "all", NULL, "counters that are 0, too", "a zero", false, set_all },
	{ "device", "NODE", "whose VMs: " DEVICE_DEFAULT " (default), /dev/kvm", "dev kvm", false,
	  set_device },
	{ 0 },
};

static const struct command stat_command = {
	.name = "stat",
	.usage = "abyme stat [OPTION]...",
	.about = "Show how often and why running virtual machines exit, as the module counts it.\n"
		 "Ctrl-C leaves.",
	.after = "It reads debugfs, which takes root.\n"
		 "Exit status: 0 shown; 2 wrong usage; 4 the counters can't be read;\n"
		 "16 standard output can't be written.",
	.options = stat_options,
};

static int read_counter(const char *dir, const char *name, uint64_t *value)
{
	char path[512];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	got = fscanf(file, "%" SCNu64, value);
	fclose(file);
	return got == 1 ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

int counters_read(struct counters *counters, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	counters->count = 0;
	if (!d)
		return -1;
	while ((e = readdir(d)) && counters->count < COUNTERS_MAX) {
		struct counter *c = &counters->counter[counters->count];

		if (e->d_type == DT_DIR || strlen(e->d_name) >= sizeof(c->name))
			continue;
		strcpy(c->name, e->d_name);
		counters->count += !read_counter(dir, e->d_name, &c->value);
	}
	closedir(d);
	qsort(counters->counter, counters->count, sizeof(struct counter), by_name);
	return 0;
}

int64_t counters_delta(const struct counters *before, const struct counter *now)
{
	for (unsigned int i = 0; i < before->count; i++)
		if (!strcmp(before->counter[i].name, now->name))
			return (int64_t)(now->value - before->counter[i].value);
	return 0;
}

/* "PID-FD", the name of a VM's directory. Return: the pid, or 0. */
unsigned int stat_dir_pid(const char *name)
{
	char *end;
	unsigned long pid;

	if (!isdigit((unsigned char)*name))
		return 0;
	pid = strtoul(name, &end, 10);
	return *end == '-' && isdigit((unsigned char)end[1]) ? pid : 0;
}

/* One VM that is shown, and its counters at the table before. */
struct shown {
	char name[32];
	struct counters before;
	bool seen;
};

#define VMS_MAX 64

static struct shown shown[VMS_MAX];

static struct shown *find_shown(const char *name)
{
	struct shown *free_one = NULL;

	for (unsigned int i = 0; i < VMS_MAX; i++) {
		if (!strcmp(shown[i].name, name))
			return &shown[i];
		if (!shown[i].name[0] && !free_one)
			free_one = &shown[i];
	}
	if (free_one && strlen(name) < sizeof(free_one->name))
		strcpy(free_one->name, name);
	return free_one;
}

static void print_vm(struct shown *vm, const struct counters *now, const struct stat_opts *opts)
{
	bool rates = vm->before.count;

	printf("VM %s (pid-fd)\n%-28s %16s", vm->name, "counter", "total");
	printf(rates ? " %12s\n" : "\n", "per second");
	for (unsigned int i = 0; i < now->count; i++) {
		const struct counter *c = &now->counter[i];

		if (!c->value && !opts->all)
			continue;
		printf("%-28s %16" PRIu64, c->name, c->value);
		if (rates)
			printf(" %12" PRId64, counters_delta(&vm->before, c) / opts->interval);
		putchar('\n');
	}
	putchar('\n');
	vm->before = *now;
}

static void show_vm(const char *top, const char *name, const struct stat_opts *opts)
{
	static struct counters now;
	static struct shown spare; /* no place left: it has no rates */
	struct shown *vm = find_shown(name);
	char dir[512];

	snprintf(dir, sizeof(dir), "%s/%s", top, name);
	if (counters_read(&now, dir))
		return; /* it ended meanwhile */
	if (!vm) {
		vm = &spare;
		vm->before.count = 0;
		snprintf(vm->name, sizeof(vm->name), "%.31s", name);
	}
	vm->seen = true;
	print_vm(vm, &now, opts);
}

static void forget_ended(void)
{
	for (unsigned int i = 0; i < VMS_MAX; i++) {
		if (!shown[i].seen)
			shown[i].name[0] = '\0', shown[i].before.count = 0;
		shown[i].seen = false;
	}
}

/* Return: how many VMs there are, or -1 after fail(). */
static int show_all(const char *top, const struct stat_opts *opts)
{
	DIR *d = opendir(top);
	struct dirent *e;
	int vms = 0;

	if (!d)
		return fail(
			"%s is gone: the module was unloaded; load it again (sudo modprobe abyme).",
			top);
	while ((e = readdir(d))) {
		unsigned int pid = stat_dir_pid(e->d_name);

		if (!pid || (opts->pid && pid != opts->pid))
			continue;
		show_vm(top, e->d_name, opts);
		vms++;
	}
	closedir(d);
	forget_ended();
	return vms;
}

static int find_top(const struct stat_opts *opts, char *top, size_t size)
{
	const char *slash = strrchr(opts->device, '/'), *name = slash ? slash + 1 : opts->device;

	snprintf(top, size, "/sys/kernel/debug/%s", name);
	if (!access(top, R_OK | X_OK))
		return 0;
	if (access("/sys/kernel/debug", R_OK | X_OK) && errno == EACCES)
		return fail("you may not read /sys/kernel/debug; run sudo abyme stat.");
	if (access("/sys/kernel/debug/sched", F_OK) && access("/sys/kernel/debug/tracing", F_OK) &&
	    access("/sys/kernel/debug/bdi", F_OK))
		return fail("debugfs is not mounted; run sudo mount -t debugfs debugfs "
			    "/sys/kernel/debug.");
	return fail("there is no %s; load the module (sudo modprobe %s).", top,
		    strcmp(name, "kvm") ? name : "kvm_intel");
}

static int show(const char *top, const struct stat_opts *opts)
{
	bool terminal = isatty(STDOUT_FILENO) && !opts->once;
	int vms;

	if (terminal)
		printf("\033[H\033[2J"); /* home, clear */
	vms = show_all(top, opts);
	if (!vms && opts->pid)
		printf("no VM of process %u runs on %s\n", opts->pid, opts->device);
	else if (!vms)
		printf("no VM runs on %s\n", opts->device);
	fflush(stdout);
	return vms < 0 || ferror(stdout) ? -1 : 0;
}

static int parse(struct stat_opts *opts, int argc, char **argv)
{
	int result = options_parse(&stat_command, opts, argc, argv);

	if (!result && opts->once && opts->interval_given)
		return fail(
			"--once prints one table, so --interval has nothing to space; keep one of "
			"them.");
	return result;
}

int stat_main(int argc, char **argv)
{
	struct stat_opts opts = { .device = DEVICE_DEFAULT, .interval = 1 };
	int result = parse(&opts, argc, argv);
	char top[256];

	if (result == OPTIONS_HELP) {
		options_help(&stat_command, stdout);
		return 0;
	}
	if (result) {
		say("%s", fail_text());
		return EXIT_USAGE;
	}
	if (!find_top(&opts, top, sizeof(top))) {
		while (!show(top, &opts)) {
			if (opts.once)
				return 0;
			sleep(opts.interval);
		}
	}
	if (fail_text()[0])
		say("%s", fail_text());
	return EXIT_SETUP;
}
