// SPDX-License-Identifier: GPL-2.0-only
/* abyme: a launcher for virtual machines whose guests can be hypervisors. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "err.h"
#include "optparse.h"

#define ABYME_VERSION "0.1"

static const struct {
	const char *name, *about;
	int (*main)(int argc, char **argv);
} commands[] = {
	{ "run", "start a virtual machine", run_main },
	{ "doctor", "can this machine run abyme, can it nest, and what holds it back",
	  doctor_main },
	{ "plan", "how much memory a guest hypervisor and its guests take of this host",
	  plan_main },
	{ "stat", "how often and why running virtual machines exit", stat_main },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void help(FILE *to)
{
	fprintf(to, "Usage: abyme COMMAND [OPTION]...\n\n"
		    "A minimal hypervisor for Intel VT-x whose guests can be hypervisors.\n\n"
		    "Commands:\n");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].about);
	fprintf(to,
		"\nabyme COMMAND --help tells more of each; abyme --version says which this is.\n");
}

static int unknown(const char *word)
{
	const char *names[NR_COMMANDS + 1] = { NULL }, *meant;

	for (size_t i = 0; i < NR_COMMANDS; i++)
		names[i] = commands[i].name;
	meant = nearest_word(word + strspn(word, "-"), names);
	if (meant)
		say("there is no command '%s'; did you mean abyme %s?", word, meant);
	else
		say("there is no command '%s'; abyme --help lists the commands there are.", word);
	return EXIT_USAGE;
}

/*
 * Where one of them is closed, a device that we open must not take its place. Who writes to
 * standard output learns that it was, as reading is all that is open in its place.
 */
static void open_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd)
			_exit(EXIT_SETUP);
}

/* A full disk is no success. */
static int finish(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	say("standard output can't be written: %s.", strerror(errno));
	return EXIT_OUTPUT;
}

static int dispatch(int argc, char **argv)
{
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].main(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("abyme %s\n", ABYME_VERSION);
		return 0;
	}
	return unknown(argv[1]);
}

int main(int argc, char **argv)
{
	open_standard_files();
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	return finish(dispatch(argc, argv));
}
