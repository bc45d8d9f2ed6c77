// SPDX-License-Identifier: GPL-2.0-only
/*
 * A thread that changes a guest's memory without end, in turn by each of its
 * ways. Anything goes here but what a process may do to its own memory.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "churn.h"

#define PAUSE_US 500
#define PAGE 4096
#define OTHER_SLOT 30
#define OTHER_GPA 0x100000000ull

enum { LOW_SLOT, HIGH_SLOT = 29 };

static struct {
	struct vm *vm;
	size_t keep; /* bytes from 0 that are left alone by the ways that lose */
} churn;

/* The pages stay in the file; every mapping of them goes. */
static void drop_all(void)
{
	madvise(churn.vm->ram, churn.vm->ram_size, MADV_DONTNEED);
}

static void drop_some(void)
{
	size_t at = rand() % (churn.vm->ram_size / PAGE) * PAGE;

	madvise(churn.vm->ram + at, PAGE, MADV_DONTNEED);
}

static void log_low(u32 flags)
{
	vm_set_region(churn.vm->fd, LOW_SLOT, flags, 0, churn.keep, churn.vm->ram);
}

static void log_on(void)
{
	log_low(KVM_MEM_LOG_DIRTY_PAGES);
}

static void log_off(void)
{
	log_low(0);
}

static void other_add(void)
{
	vm_set_region(churn.vm->fd, OTHER_SLOT, 0, OTHER_GPA, PAGE, churn.vm->ram);
}

static void other_delete(void)
{
	vm_set_region(churn.vm->fd, OTHER_SLOT, 0, OTHER_GPA, 0, churn.vm->ram);
}

/* While the child has them too, a page that is written to becomes another page. */
static void share(void)
{
	pid_t child = fork();

	if (child == 0) {
		usleep(8 * PAUSE_US);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

static void punch(void)
{
	size_t pages = (churn.vm->ram_size - churn.keep) / PAGE;

	madvise(churn.vm->ram + churn.keep + rand() % pages % 512 * PAGE, PAGE, MADV_REMOVE);
}

static void protect(void)
{
	u8 *high = churn.vm->ram + churn.keep;
	size_t size = churn.vm->ram_size - churn.keep;

	mprotect(high, size, rand() & 1 ? PROT_READ : PROT_NONE);
	usleep(PAUSE_US);
	mprotect(high, size, PROT_READ | PROT_WRITE);
}

static void set_high(size_t size)
{
	vm_set_region(churn.vm->fd, HIGH_SLOT, 0, churn.keep, size, churn.vm->ram + churn.keep);
}

static void take_high(void)
{
	set_high(0);
	usleep(PAUSE_US);
	set_high(churn.vm->ram_size - churn.keep);
}

#define MAX_WAYS 8

static const struct kind {
	const char *name;
	bool file, lose;
	void (*ways[MAX_WAYS + 1])(void);
} kinds[] = {
	{ "drop", true, false, { drop_all, log_on, other_add, drop_some, log_off, other_delete } },
	{ "share", false, false, { share, log_on, other_add, share, log_off, other_delete } },
	{ "lose",
	  true,
	  true,
	  { drop_all, punch, other_add, punch, take_high, punch, protect, other_delete } },
};
static const struct kind *kind;

static void *go(void *unused)
{
	(void)unused;
	for (;;) {
		for (int i = 0; kind->ways[i]; i++) {
			kind->ways[i]();
			usleep(PAUSE_US);
		}
	}
	return NULL;
}

static void map_file(struct vm *vm)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, vm->ram_size) ||
	    mmap(vm->ram, vm->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
		tap_bail("the guest's memory as a file");
	close(fd);
}

bool churn_prepare(struct vm *vm, const char *how, size_t keep)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, how))
			kind = &kinds[i];
	if (!kind)
		return false;
	if (kind->file)
		map_file(vm);
	churn.vm = vm;
	churn.keep = keep;
	vm_set_region(vm->fd, LOW_SLOT, 0, 0, 0, vm->ram);
	log_off();
	set_high(vm->ram_size - keep);
	return true;
}

bool churn_loses(void)
{
	return kind && kind->lose;
}

void churn_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, go, NULL))
		tap_bail("pthread_create");
}
