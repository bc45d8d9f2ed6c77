// SPDX-License-Identifier: GPL-2.0-only
/* abyme run's options. */
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "err.h"
#include "run_opts.h"
#include "units.h"
#include "vm.h"

static int set_memory(void *into, const char *value)
{
	struct run_opts *opts = into;

	if (parse_size(value, "--memory", &opts->memory))
		return -1;
	if (opts->memory < MEM_MIN)
		return fail(
			"--memory %s is too little for any guest; give at least 2M, for Linux 64M.",
			value);
	if (opts->memory % GUEST_PAGE)
		return fail("--memory %s is no multiple of 4K; write for example --memory 512M.",
			    value);
	return 0;
}

static int set_cpus(void *into, const char *value)
{
	struct run_opts *opts = into;

	return parse_count(value, "--cpus", 1, VM_CPUS_MAX, &opts->cpus);
}

static int set_nested(void *into, const char *value)
{
	struct run_opts *opts = into;

	(void)value;
	opts->nested = true;
	return 0;
}

static int set_explain(void *into, const char *value)
{
	struct run_opts *opts = into;

	(void)value;
	opts->explain = true;
	return 0;
}

static int set_trace_nested(void *into, const char *value)
{
	struct run_opts *opts = into;

	if (value && !*value)
		return fail("--trace-nested= needs a file's name; without = it goes to standard "
			    "error.");
	opts->trace_nested = true;
	opts->trace_file = value;
	return 0;
}

static int set_json(void *into, const char *value)
{
	struct run_opts *opts = into;

	(void)value;
	opts->json = true;
	return 0;
}

static int set_initrd(void *into, const char *value)
{
	struct run_opts *opts = into;

	opts->initrd = value;
	return 0;
}

static int set_append(void *into, const char *value)
{
	struct run_opts *opts = into;

	opts->append = value;
	return 0;
}

static int set_device(void *into, const char *value)
{
	struct run_opts *opts = into;

	opts->device = value;
	return 0;
}

static int add_module(void *into, const char *value)
{
	struct run_opts *opts = into;
	const char *comma = strchr(value, ',');
	struct module_opt *module = &opts->module[opts->modules];

	if (opts->modules == MODULES_MAX)
		return fail("--module is given more than %d times; leave some out.", MODULES_MAX);
	module->args = comma ? comma + 1 : "";
	module->path = comma ? strndup(value, comma - value) : value;
	if (!module->path)
		return fail("no memory for --module %s.", value);
	opts->modules++;
	return 0;
}

static int set_image(void *into, const char *value)
{
	struct run_opts *opts = into;

	if (opts->image)
		return fail(
			"there are two images, '%s' and '%s'; give one, and the guest's arguments "
			"with --append '...'.",
			opts->image, value);
	opts->image = value;
	return 0;
}

static const struct option_row run_options[] = {
	{ "memory", "SIZE", "guest memory, for example 512M or 2G (default 512M)", "m mem ram",
	  false, set_memory },
	{ "cpus", "N", "virtual processors (default 1)", "smp vcpus cpu c", false, set_cpus },
	{ "nested", NULL, "let the guest use VT-x: it can be a hypervisor itself",
	  "nest nesting vmx", false, set_nested },
	{ "explain", NULL,
	  "say on standard error why a VMX instruction or VM entry of the\nguest fails; with --nested",
	  "why", false, set_explain },
	{ "trace-nested", "[=FILE]",
	  "write each exit of the guest's own guests to FILE, or to standard\nerror, and in the end "
	  "what they cost and why; with --nested",
	  "trace profile", false, set_trace_nested },
	{ "json", NULL, "the same as JSON, an object a line; with --trace-nested", "j", false,
	  set_json },
	{ "append", "STRING",
	  "the kernel's command line\n(Linux' default: " LINUX_DEFAULT_CMDLINE ")",
	  "cmdline params args p", false, set_append },
	{ "initrd", "FILE", "initial RAM disk; a multiboot image's first module",
	  "i initramfs ramdisk", false, set_initrd },
	{ "module", "FILE[,ARGS]", "a module for a multiboot image; may be repeated", "mod modules",
	  true, add_module },
	{ "device", "NODE", "who runs it: " DEVICE_DEFAULT " (default), /dev/kvm", "dev accel kvm",
	  false, set_device },
	{ "kernel", "IMAGE", "another way to name the image", "k image bzimage", false, set_image },
	{ 0 },
};

const struct command run_command = {
	.name = "run",
	.usage = "abyme run [OPTION]... IMAGE",
	.about =
		"Start a virtual machine from IMAGE, a Linux bzImage or a multiboot 1 kernel, with\n"
		"its serial port on standard input and output.",
	.after = "In a terminal: Ctrl-a x quits, Ctrl-a h helps, Ctrl-a Ctrl-a sends Ctrl-a.\n\n"
		 "Exit status:\n"
		 "    0  the guest powered itself off\n"
		 "    2  wrong usage\n"
		 "    4  the guest was not started: image, memory, device\n"
		 "    6  the guest reset itself\n"
		 "    8  triple fault\n"
		 "   10  the processor refused to enter the guest; the reason is shown\n"
		 "   12  the hypervisor gave up (internal error); the reason is shown\n"
		 "   14  quit, by Ctrl-a x\n"
		 "   16  standard output, or the trace, can't be written\n"
		 "  odd  debug exit: (V << 1) | 1, where the guest wrote V to port 0xf4",
	.options = run_options,
	.operand = set_image,
};

int run_opts_parse(struct run_opts *opts, int argc, char **argv)
{
	int result;

	*opts = (struct run_opts){ .device = DEVICE_DEFAULT, .cpus = 1, .memory = 512 * MIB };
	result = options_parse(&run_command, opts, argc, argv);
	if (result != OPTIONS_OK)
		return result;
	if (opts->explain && !opts->nested)
		return fail("--explain is about a guest that uses VT-x; give it --nested as well.");
	if (opts->trace_nested && !opts->nested)
		return fail("--trace-nested is about a guest that uses VT-x; give it --nested as "
			    "well.");
	if (opts->json && !opts->trace_nested)
		return fail("--json is about what --trace-nested writes; give it --trace-nested as "
			    "well.");
	if (!opts->image)
		return fail(
			"no image to run; name a bzImage or a multiboot kernel, for example abyme "
			"run /boot/vmlinuz.");
	return OPTIONS_OK;
}
