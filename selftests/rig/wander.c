// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that goes from processor to processor: between two KVM_RUNs, at each write of
 * l2-wander's to port 0x80, and at any time while it runs, sent by another thread. Needs two
 * processors.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "machine.h"

#define RAM (32u << 20)
#define IMAGE "/lib/abyme/guests/l2-wander.elf"
#define PAUSE_US 300
#define TIMES 4 /* the image is run */

static pid_t runner;
static atomic_bool done;

static void send(pid_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(thread, sizeof(set), &set))
		tap_bail("sched_setaffinity");
}

static void *chase(__attribute__((unused)) void *unused)
{
	for (int cpu = 0; !atomic_load(&done); cpu = !cpu) {
		send(runner, cpu);
		usleep(PAUSE_US);
	}
	return NULL;
}

/* @between: the thread goes to the other processor at each mark. */
static bool run_image(bool between)
{
	struct vm *vm = vm_new(RAM);
	u32 entry = image_load(vm, IMAGE);
	enum image_end end;
	u8 status = 0;
	int cpu = 0;

	if (!entry)
		tap_bail(IMAGE);
	vm_irqchip(vm);
	image_start(vm, entry, true);
	while ((end = image_run(vm, "# ", &status)) == IMAGE_MARK)
		if (between)
			send(0, cpu = !cpu);
	vm_free(vm);
	return end == IMAGE_DONE && !status;
}

int main(void)
{
	pthread_t chaser;
	bool good = true;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return EXIT_TAP_SKIP;
	tap_ok(run_image(true), "L1 finds its VMCS as it was on the other processor");
	runner = syscall(SYS_gettid);
	if (pthread_create(&chaser, NULL, chase, NULL))
		tap_bail("pthread_create");
	for (int i = 0; i < TIMES; i++)
		good = run_image(false) && good;
	atomic_store(&done, true);
	pthread_join(chaser, NULL);
	tap_ok(good, "and when it is sent there at any time");
	return tap_done();
}
