// SPDX-License-Identifier: GPL-2.0-only
/*
 * While L2 works the process takes memory away that L2 does not use, and memory that was never
 * written is read before it is: what L2 has of its memory stays mapped, and no page is
 * replaced after it was first mapped. And if another processor does so without a pause, L2 gets on.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "machine.h"

#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define STAYS 12
#define EXITS 400 /* of L2's, which L1 is to see */
#define LIMIT_S 60
#define ALONE 256 /* pages */

static struct vm *vm;
static struct machine *machine;

/* Whatever L1 and L2 have not touched is given back, page by page. Return: how many. */
static int give_back(void)
{
	static bool there[PAGES];
	int count = 0;

	vm_touched(vm, there);
	for (u32 i = 0; i < PAGES; i++)
		if (!there[i] && !madvise(vm->ram + i * PAGE, PAGE, MADV_DONTNEED))
			count++;
	return count;
}

/* Until a timer strikes while L2 is there. */
static bool run_to_l2(void)
{
	u8 status;

	for (int i = 0; i < 200; i++) {
		enum image_end end = image_run(vm, "# ", &status);

		if (end == IMAGE_MARK)
			continue;
		if (end != IMAGE_SIGNAL)
			return false;
		machine->nested.state.size = sizeof(machine->nested);
		if (!machine_get(vm, machine, PART_NESTED) &&
		    machine->nested.state.flags & KVM_STATE_NESTED_GUEST_MODE)
			return true;
	}
	return false;
}

/* *@count: how many faults of EPT02 so many stays of L2 have. Return: false: L2 ends before. */
static bool faults(int stats, bool giving, u64 *count)
{
	u64 before = stat_value(stats, "ept02_faults");

	for (int i = 0; i < STAYS; i++) {
		if (!run_to_l2())
			return false;
		if (giving && !give_back())
			tap_bail("nothing to give back");
	}
	*count = stat_value(stats, "ept02_faults") - before;
	return true;
}

/* @us: how often L2 is stopped. Return: false: it came to its end before it was stopped enough. */
static bool compare(unsigned int us, u64 *usual, u64 *giving)
{
	u64 first;
	bool done;
	int stats;

	vm = image_vm("l2-moves", RAM);
	stats = ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0);
	vm_alarm_every(us);
	done = faults(stats, false, &first) && /* at first there is nothing in EPT02 */
	       faults(stats, false, usual) && faults(stats, true, giving);
	vm_alarm_every(0);
	close(stats);
	vm_free(vm);
	return done;
}

/*
 * Pages that the image does not have are taken away as fast as can be: each of them is a mapping of
 * its own, so that the host tells of each, and one call is enough for all.
 */
static void *take_away(void *unused)
{
	u8 *from = vm->ram + RAM - ALONE * PAGE;

	(void)unused;
	for (int i = 0; i < ALONE; i += 2)
		mprotect(from + i * PAGE, PAGE, PROT_READ);
	for (;;)
		madvise(from, ALONE * PAGE, MADV_DONTNEED);
	return NULL;
}

/* Return: the ms until L2 has come to so many exits; 0: it has not within the limit. */
static long until_exits(int stats)
{
	u64 end = stat_value(stats, "nested_reflected") + EXITS;
	struct timespec before, now;
	u8 status;

	clock_gettime(CLOCK_MONOTONIC, &before);
	do {
		image_run(vm, "# ", &status);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - before.tv_sec > LIMIT_S)
			return 0;
	} while (stat_value(stats, "nested_reflected") < end);
	return (now.tv_sec - before.tv_sec) * 1000 + (now.tv_nsec - before.tv_nsec) / 1000000 + 1;
}

static void storm(void)
{
	const char *claim = "L2 gets on while other memory is taken away without a pause";
	long quiet, stormy, others = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	pthread_t thread;
	int stats;

	if (!others) {
		tap_skip("it takes two processors", "%s", claim);
		return;
	}
	vm = image_vm("l2-moves", RAM);
	stats = ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0);
	vm_alarm_every(10000);
	quiet = until_exits(stats);
	for (long i = 0; i < others; i++)
		if (pthread_create(&thread, NULL, take_away, NULL))
			tap_bail("pthread_create");
	stormy = until_exits(stats);
	vm_alarm_every(0);
	tap_note("%d exits of L2 take %ld ms, beside %ld such threads %ld", EXITS, quiet, others,
		 stormy);
	tap_ok(quiet && stormy, "%s", claim);
}

int main(void)
{
	unsigned int us = 2000;
	u64 usual, giving;
	int tries = 0;

	machine = calloc(1, sizeof(*machine));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	do { /* again: L1 may have begun with another L2 just then, whose EPT02 is empty */
		for (; !compare(us, &usual, &giving); us /= 2)
			if (us < 200)
				tap_bail("L2 has ended too early");
		tap_note("%llu faults as usual, %llu while other memory goes",
			 (unsigned long long)usual, (unsigned long long)giving);
	} while (giving > usual + STAYS / 4 && ++tries < 3);
	tap_ok(giving <= usual + STAYS / 4, "memory that L2 does not use goes without its notice");
	storm();
	return tap_done();
}
