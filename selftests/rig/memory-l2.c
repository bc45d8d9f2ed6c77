// SPDX-License-Identifier: GPL-2.0-only
/*
 * While L2 works the process takes memory away that L2 does not use, and memory that was never
 * written is read before it is: what L2 has of its memory stays mapped, and no page is
 * replaced after it was first mapped.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "machine.h"

#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define STAYS 12

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

/* How many faults of EPT02 so many stays of L2 have. */
static u64 faults(int stats, bool giving)
{
	u64 before = stat_value(stats, "ept02_faults");

	for (int i = 0; i < STAYS; i++) {
		if (!run_to_l2())
			tap_bail("L2 has ended too early");
		if (giving && !give_back())
			tap_bail("nothing to give back");
	}
	return stat_value(stats, "ept02_faults") - before;
}

int main(void)
{
	u64 usual, giving;
	int tries = 0;
	int stats;

	machine = calloc(1, sizeof(*machine));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	vm = image_vm("l2-moves", RAM);
	stats = ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0);
	vm_alarm_every(2000);
	faults(stats, false); /* at first there is nothing in EPT02 */
	do { /* again: L1 may have begun with another L2 just then, whose EPT02 is empty */
		usual = faults(stats, false);
		giving = faults(stats, true);
		tap_note("%llu faults as usual, %llu while other memory goes",
			 (unsigned long long)usual, (unsigned long long)giving);
	} while (giving > usual + STAYS / 4 && ++tries < 3);
	tap_ok(giving <= usual + STAYS / 4, "memory that L2 does not use goes without its notice");
	return tap_done();
}
