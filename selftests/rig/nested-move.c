// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested-move [-m MICROSECONDS] [-o ORDER] [IMAGE...]: an L1 whose L2 is at work moves from
 * process to process, again and again, at whatever instruction a timer strikes: saved as QEMU
 * saves it, set in a new VM, with as much of the memory as was touched, in the order of a
 * client's. The image must not notice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "machine.h"

#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define IMAGES "/lib/abyme/guests/"
#define STAYED 64 /* a process' exit status, and how its stay ended */

/* What one process leaves to the next. */
static struct {
	struct machine m;
	bool touched[PAGES];
	u8 page[PAGES][PAGE];
	u8 status;
	u32 in_l2; /* moves with L2 at work */
} * luggage;

/* Everything else in whatever order, if only the nested state is first. */
static const enum part nested_first[] = {
	PART_CPUID, PART_NESTED,  PART_SREGS2, PART_DEBUGREGS, PART_XCRS,	  PART_XSAVE,
	PART_REGS,  PART_EVENTS,  PART_MSRS,   PART_LAPIC,     PART_TSC_DEADLINE, PART_MP_STATE,
	PART_PIT,   PART_IRQCHIP, PART_CLOCK,  PART_END,
};

static const struct {
	const char *name;
	const enum part *gets, *sets;
} orders[] = {
	{ "QEMU's", qemu_gets, qemu_sets },
	{ "Cloud Hypervisor's", cloud_hypervisor_gets, cloud_hypervisor_sets },
	{ "nested-first", qemu_gets, nested_first },
};

static unsigned int interval = 6000;
/*
 * Move an image also after it has asked to be left where it is. What it does then the emulated
 * processor gets wrong: in a new process all that L2 touches is an EPT violation at first, and
 * one that cuts the delivery of a virtual interrupt short it reports with an older event.
 */
static bool always;

/* Between half of the interval and one and a half, and then again and again. */
static void start_timer(void)
{
	unsigned int us = interval / 2 + rand() % interval;

	vm_alarm_every(us);
}

static void pack_memory(const struct vm *vm)
{
	vm_touched(vm, luggage->touched);
	for (u32 i = 0; i < PAGES; i++)
		if (luggage->touched[i])
			memcpy(luggage->page[i], vm->ram + i * PAGE, PAGE);
}

static void unpack_memory(struct vm *vm)
{
	for (u32 i = 0; i < PAGES; i++)
		if (luggage->touched[i])
			memcpy(vm->ram + i * PAGE, luggage->page[i], PAGE);
}

/* One process' part of the way. */
static enum image_end one_stay(const char *path, const char *prefix, int order, bool first)
{
	struct vm *vm = vm_new(RAM);
	enum image_end end;

	vm_irqchip(vm);
	if (first) {
		u32 entry = image_load(vm, path);

		if (!entry)
			tap_bail(path);
		image_start(vm, entry, true);
	} else {
		unpack_memory(vm);
		vm_add_cpu(vm);
		machine_set_all(vm, &luggage->m, orders[order].sets);
	}
	start_timer();
	do {
		end = image_run(vm, prefix, &luggage->status);
		if (end == IMAGE_MARK && !always)
			vm_alarm_every(0);
	} while (end == IMAGE_MARK);
	if (end != IMAGE_SIGNAL)
		return end;
	if (machine_get(vm, &luggage->m, PART_CPUID)) /* QEMU knows it without asking */
		tap_bail("CPUID");
	machine_get_all(vm, &luggage->m, orders[order].gets);
	luggage->in_l2 += !!(luggage->m.nested.state.flags & KVM_STATE_NESTED_GUEST_MODE);
	pack_memory(vm);
	return end;
}

static int run_stay(const char *path, const char *prefix, int order, int number)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		srand(number);
		status = one_stay(path, prefix, order, !number);
		fflush(stdout);
		_exit(STAYED + status);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) < STAYED)
		return IMAGE_BROKEN;
	return WEXITSTATUS(status) - STAYED;
}

static void travel(const char *image, int order)
{
	char path[256], prefix[64];
	int end, moves = 0;

	snprintf(path, sizeof(path), IMAGES "%s.elf", image);
	snprintf(prefix, sizeof(prefix), "# %s: ", image);
	memset(&luggage->m, 0, sizeof(luggage->m));
	luggage->in_l2 = 0;
	while ((end = run_stay(path, prefix, order, moves)) == IMAGE_SIGNAL)
		moves++;
	tap_ok(end == IMAGE_DONE && !luggage->status && luggage->in_l2,
	       "%s, set in %s order at any moment", image, orders[order].name);
	tap_note("%d moves, %u of them with L2 at work", moves, luggage->in_l2);
}

int main(int argc, char **argv)
{
	int opt, first = 0, end = ARRAY_SIZE(orders);

	while ((opt = getopt(argc, argv, "am:o:")) != -1) {
		switch (opt) {
		case 'a': always = true; break;
		case 'm': interval = atoi(optarg); break;
		case 'o':
			first = atoi(optarg);
			end = first + 1;
			break;
		default:
			tap_bail("usage: nested-move [-a] [-m MICROSECONDS] [-o ORDER] [IMAGE...]");
		}
	}
	if (!interval || first < 0 || end > (int)ARRAY_SIZE(orders))
		tap_bail("options");
	luggage = mmap(NULL, sizeof(*luggage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (luggage == MAP_FAILED)
		tap_bail("mmap");
	for (int order = first; order < end; order++) {
		if (optind == argc)
			travel("l2-moves", order);
		for (int i = optind; i < argc; i++)
			travel(argv[i], order);
	}
	return tap_done();
}
