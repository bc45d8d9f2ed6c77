// SPDX-License-Identifier: GPL-2.0-only
/* abyme run: from a command line to a running guest, and out again. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "acpi.h"
#include "bzimage.h"
#include "commands.h"
#include "console.h"
#include "err.h"
#include "multiboot.h"
#include "mptable.h"
#include "report.h"
#include "run_opts.h"
#include "term.h"
#include "trace.h"

static struct trace trace;

/* The files of a guest. */
struct files {
	enum image_kind kind;
	struct image image, initrd;
	struct multiboot_module module[MULTIBOOT_MODULES_MAX];
	unsigned int modules;
};

_Static_assert(MULTIBOOT_MODULES_MAX == MODULES_MAX + 1, "no room for the modules");

static int open_modules(struct files *files, const struct run_opts *opts)
{
	struct multiboot_module *next = files->module;

	if (opts->initrd) {
		next->image = files->initrd;
		next++->args = "";
	}
	for (unsigned int i = 0; i < opts->modules; i++, next++) {
		next->args = opts->module[i].args;
		if (image_open(&next->image, opts->module[i].path, "module"))
			return -1;
	}
	files->modules = next - files->module;
	return 0;
}

static int open_files(struct files *files, const struct run_opts *opts)
{
	if (image_open(&files->image, opts->image, "kernel image"))
		return -1;
	files->kind = image_kind(&files->image);
	if (files->kind == IMAGE_UNKNOWN)
		return image_refuse(&files->image);
	if (files->kind == IMAGE_BZIMAGE && opts->modules)
		return fail(
			"--module is for multiboot images, and %s is a Linux bzImage; give it an "
			"initramfs with --initrd.",
			opts->image);
	if (opts->initrd && image_open(&files->initrd, opts->initrd, "initrd"))
		return -1;
	return open_modules(files, opts);
}

/* The guest has its own copy now. */
static void close_files(struct files *files)
{
	image_close(&files->image);
	if (files->kind == IMAGE_BZIMAGE)
		image_close(&files->initrd);
	for (unsigned int i = 0; i < files->modules; i++)
		image_close(&files->module[i].image);
}

static int load_files(const struct vm *vm, const struct files *files, const struct run_opts *opts,
		      struct boot_entry *entry)
{
	const char *append = opts->append;

	if (files->kind == IMAGE_MULTIBOOT)
		return multiboot_load(&vm->memory, &files->image, files->module, files->modules,
				      append ? append : "", entry);
	return bzimage_load(&vm->memory, &files->image, files->initrd.data ? &files->initrd : NULL,
			    append ? append : LINUX_DEFAULT_CMDLINE, entry);
}

static int write_tables(struct vm *vm)
{
	struct kvm_cpuid_entry2 *leaf1 = cpuid_find(&vm->device.supported, 1, 0);
	size_t acpi_room = MP_TABLES - ACPI_TABLES, mp_room = BIOS_END - MP_TABLES;

	if (!acpi_build(memory_at(&vm->memory, ACPI_TABLES, acpi_room), ACPI_TABLES, acpi_room,
			vm->cpus) ||
	    !mptable_build(memory_at(&vm->memory, MP_TABLES, mp_room), MP_TABLES, mp_room, vm->cpus,
			   leaf1 ? leaf1->eax : 0))
		return fail("the tables for %u vCPUs don't fit; ask for fewer --cpus.", vm->cpus);
	return 0;
}

static int open_device(struct vm *vm, const struct run_opts *opts)
{
	if (device_open(&vm->device, opts->device))
		return -1;
	if (opts->cpus > vm->device.max_cpus)
		return fail("--cpus %u is more than %s takes; ask for %u or fewer.", opts->cpus,
			    opts->device, vm->device.max_cpus);
	vm->cpus = opts->cpus;
	vm->nested = opts->nested;
	vm->explain = opts->explain;
	vm->trace = opts->trace_nested ? &trace : NULL;
	return opts->nested ? device_check_nested(&vm->device) : 0;
}

static int prepare(struct vm *vm, const struct run_opts *opts)
{
	struct files files = { 0 };
	struct boot_entry entry;

	images_guard(true);
	if (open_device(vm, opts) || open_files(&files, opts) ||
	    memory_create(&vm->memory, opts->memory) || load_files(vm, &files, opts, &entry))
		return -1;
	close_files(&files);
	images_guard(false);
	boot_write_tables(&vm->memory, entry.long_mode);
	if (write_tables(vm) || vm_create(vm))
		return -1;
	if (vcpus_create(vm, &entry))
		return -1;
	return vm->trace ? trace_open(vm->trace, opts->trace_file, opts->json, vm->give_up) : 0;
}

static int run(struct vm *vm)
{
	static struct console console;

	if (console_init(&console, vm))
		return -1;
	pc_init(&vm->pc, &console_ops, &console, memory_low_size(&vm->memory),
		memory_high_size(&vm->memory));
	if (vcpus_start(vm))
		return -1;
	console_run(&console);
	/* Nobody reads keys any more, and what is left may wait for its reader: Ctrl-c ends that. */
	term_restore();
	vcpus_stop(vm);
	console_flush(&console);
	console_close();
	return 0;
}

/* Dies of the signal that was caught, so that our parent sees it in our status. */
static void die_of(int signal_number)
{
	sigset_t set;

	signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int complain(int status)
{
	say("%s", fail_text());
	return status;
}

int run_main(int argc, char **argv)
{
	static struct vm vm;
	struct run_opts opts;
	bool trace_failed;
	int result = run_opts_parse(&opts, argc, argv);

	if (result == OPTIONS_HELP) {
		options_help(&run_command, stdout);
		return 0;
	}
	if (result)
		return complain(EXIT_USAGE);
	if (prepare(&vm, &opts) || run(&vm))
		return complain(EXIT_SETUP);
	trace_failed = vm.trace && trace_close(vm.trace);
	result = report_ending(&vm, stderr);
	if (trace_failed)
		result = complain(EXIT_OUTPUT);
	if (vm.ending == ENDING_SIGNAL)
		die_of(vm.ending_value);
	if (vm.output_error == EPIPE)
		die_of(SIGPIPE);
	return result;
}
