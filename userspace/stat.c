// SPDX-License-Identifier: GPL-2.0-only
/* abyme stat: the counters that the module publishes for each VM, as a live table. */
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
	.after =
		"You see your own machines, root sees all. KVM's take root, as they are in debugfs.\n"
		"Exit status: 0 shown; 2 wrong usage; 4 the counters can't be read;\n"
		"16 standard output can't be written.",
	.options = stat_options,
};

int64_t counters_delta(const struct counters *before, const struct counter *now)
{
	for (unsigned int i = 0; i < before->count; i++)
		if (!strcmp(before->counter[i].name, now->name))
			return (int64_t)(now->value - before->counter[i].value);
	return 0;
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

/* A stat_shower. */
static void show_vm(const char *name, const struct counters *now, const void *opts)
{
	static struct shown spare; /* no place left: it has no rates */
	struct shown *vm = find_shown(name);

	if (!vm) {
		vm = &spare;
		vm->before.count = 0;
		snprintf(vm->name, sizeof(vm->name), "%.31s", name);
	}
	vm->seen = true;
	print_vm(vm, now, opts);
}

static void forget_ended(void)
{
	for (unsigned int i = 0; i < VMS_MAX; i++) {
		if (!shown[i].seen)
			shown[i].name[0] = '\0', shown[i].before.count = 0;
		shown[i].seen = false;
	}
}

static int show(struct stat_source *source, const struct stat_opts *opts)
{
	bool terminal = isatty(STDOUT_FILENO) && !opts->once;
	int vms;

	if (terminal)
		printf("\033[H\033[2J"); /* home, clear */
	vms = stat_source_each(source, show_vm, opts);
	forget_ended();
	if (!vms && opts->pid)
		printf("no VM of process %u runs on %s\n", opts->pid, opts->device);
	else if (!vms && source->hidden)
		printf("no VM of yours runs on %s; root sees all (sudo abyme stat)\n",
		       opts->device);
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
	struct stat_source source;

	if (result == OPTIONS_HELP) {
		options_help(&stat_command, stdout);
		return 0;
	}
	if (result) {
		say("%s", fail_text());
		return EXIT_USAGE;
	}
	if (!stat_source_find(&source, opts.device, opts.pid)) {
		while (!show(&source, &opts)) {
			if (opts.once)
				return 0;
			sleep(opts.interval);
		}
	}
	if (fail_text()[0])
		say("%s", fail_text());
	return EXIT_SETUP;
}
