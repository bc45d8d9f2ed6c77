// SPDX-License-Identifier: GPL-2.0-only
/*
 * While L1 and L2 work, the process replaces all of their memory by other pages with the same
 * contents, again and again, and fills the old ones with ones before they go. Whoever still
 * reads an old page, by an address that was found before, reads nonsense.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include "machine.h"

#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define ENOUGH 10 /* moves, that the test has tested something */

static struct vm *vm;

static u8 *reserve(void)
{
	u8 *p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	return p;
}

/* The contents to other pages. The old ones stay the process's until all is done. */
static void replace_memory(void)
{
	static bool there[PAGES];
	u8 *fresh = reserve(), *old = reserve();

	vm_touched(vm, there);
	for (u32 i = 0; i < PAGES; i++)
		if (there[i])
			memcpy(fresh + i * PAGE, vm->ram + i * PAGE, PAGE);
	if (mremap(vm->ram, RAM, RAM, MREMAP_MAYMOVE | MREMAP_FIXED, old) != old ||
	    mremap(fresh, RAM, RAM, MREMAP_MAYMOVE | MREMAP_FIXED, vm->ram) != vm->ram)
		tap_bail("mremap");
	for (u32 i = 0; i < PAGES; i++)
		if (there[i])
			memset(old + i * PAGE, 0xff, PAGE);
	munmap(old, RAM);
}

int main(void)
{
	enum image_end end;
	u8 status = 0xff;
	int moves = 0;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	vm = image_vm("l2-moves", RAM);
	/* Once: what is done at its end may take longer than the guest was given. */
	vm_alarm_once(5000);
	while ((end = image_run(vm, "# ", &status)) <= IMAGE_SIGNAL) {
		if (end == IMAGE_MARK) { /* it asks to be left alone: see nested-move */
			vm_alarm_once(0);
			continue;
		}
		replace_memory();
		moves++;
		vm_alarm_once(5000);
	}
	tap_note("%d moves", moves);
	tap_ok(end == IMAGE_DONE && !status, "L1 and L2 do not notice that their pages change");
	tap_ok(moves >= ENOUGH, "the pages changed often enough");
	return tap_done();
}
