// SPDX-License-Identifier: GPL-2.0-only
/*
 * While L1 and L2 work, the process replaces all of their memory by other pages with the same
 * contents, again and again, and fills the old ones with ones before they go. Whoever still
 * reads an old page, by an address that was found before, reads nonsense.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "machine.h"

#define IMAGE "/lib/abyme/guests/l2-moves.elf"
#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define THERE (3ull << 62) /* of an entry of pagemap: present, or swapped */
#define ENOUGH 10	   /* moves, that the test has tested something */

static struct vm *vm;

static void nothing(__attribute__((unused)) int sig)
{
}

/* Once: what is done at its end may take longer than the guest was given. */
static void set_timer(long us)
{
	struct itimerval it = { .it_value.tv_usec = us };

	setitimer(ITIMER_REAL, &it, NULL);
}

static u8 *reserve(void)
{
	u8 *p = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	madvise(p, RAM, MADV_NOHUGEPAGE);
	return p;
}

/* The contents to other pages. The old ones stay the process's until all is done. */
static void replace_memory(void)
{
	static u64 map[PAGES];
	u8 *fresh = reserve(), *old = reserve();
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, map, sizeof(map), (u64)vm->ram / PAGE * sizeof(u64)) != sizeof(map))
		tap_bail("pagemap");
	close(fd);
	for (u32 i = 0; i < PAGES; i++)
		if (map[i] & THERE)
			memcpy(fresh + i * PAGE, vm->ram + i * PAGE, PAGE);
	if (mremap(vm->ram, RAM, RAM, MREMAP_MAYMOVE | MREMAP_FIXED, old) != old ||
	    mremap(fresh, RAM, RAM, MREMAP_MAYMOVE | MREMAP_FIXED, vm->ram) != vm->ram)
		tap_bail("mremap");
	for (u32 i = 0; i < PAGES; i++)
		if (map[i] & THERE)
			memset(old + i * PAGE, 0xff, PAGE);
	munmap(old, RAM);
}

int main(void)
{
	struct sigaction action = { .sa_handler = nothing };
	enum image_end end;
	u8 status = 0xff;
	int moves = 0;
	u32 entry;

	vm = vm_new(RAM);
	madvise(vm->ram, RAM, MADV_NOHUGEPAGE);
	vm_irqchip(vm);
	entry = image_load(vm, IMAGE);
	if (!entry)
		tap_bail(IMAGE);
	image_start(vm, entry, true);
	sigaction(SIGALRM, &action, NULL);
	set_timer(5000);
	while ((end = image_run(vm, "# ", &status)) <= IMAGE_SIGNAL) {
		if (end == IMAGE_MARK) { /* it asks to be left alone: see nested-move */
			set_timer(0);
			continue;
		}
		replace_memory();
		moves++;
		set_timer(5000);
	}
	tap_note("%d moves", moves);
	tap_ok(end == IMAGE_DONE && !status, "L1 and L2 do not notice that their pages change");
	tap_ok(moves >= ENOUGH, "the pages changed often enough");
	return tap_done();
}
