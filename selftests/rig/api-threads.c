// SPDX-License-Identifier: GPL-2.0-only
/*
 * One VM, many threads: a guest runs while others change its memory, its
 * interrupts, its MSR filter and its vCPU's registers, all at once and as fast as they can.
 * Nothing hangs, each call answers with a documented errno, and each change of the
 * one thread that owns a thing is seen by that thread.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

#define MIB (1ull << 20)
#define ROUNDS 300
#define LOOP 0x500 /* incw 0x600; out %al,$0x10; jmp */
#define COUNTER 0x600
#define MSR_LSTAR 0xc0000082

static struct vm *vm;
static volatile bool stop;
static volatile int wrong;

static const u8 loop_code[] = { 0xff, 0x06, 0x00, 0x06, 0xe6, 0x10, 0xeb, 0xf8 };

static void expect(bool good, const char *what)
{
	if (!good && !__sync_fetch_and_add(&wrong, 1))
		tap_note("%s: errno %d", what, errno);
}

/* A thread that runs a vCPU; whoever sets registers meanwhile may send it anywhere. */
static void *run_guest(void *arg)
{
	int cpu = (long)arg;

	while (!stop) {
		int r = ioctl(vm->cpu[cpu].fd, KVM_RUN, 0);

		expect(!r || errno == EINTR || errno == EFAULT, "KVM_RUN");
	}
	return NULL;
}

static void *change_memory(void *arg)
{
	u8 *host = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u32 id = (long)arg;
	u64 at = 16 * MIB * id;

	for (int i = 0; i < ROUNDS; i++) {
		expect(!vm_set_region(vm->fd, id, 0, at, MIB, host), "a slot");
		expect(!vm_set_region(vm->fd, id, KVM_MEM_LOG_DIRTY_PAGES, at, MIB, host), "a log");
		expect(!vm_set_region(vm->fd, id, 0, at + MIB, MIB, host), "a move");
		madvise(host, MIB, MADV_DONTNEED);
		expect(!vm_set_region(vm->fd, id, 0, at, 0, host), "a deletion");
	}
	munmap(host, MIB);
	return NULL;
}

static void *change_routes(void *arg)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[1];
	} routes = { .head.nr = 1, .entry[0] = { .gsi = 24, .type = KVM_IRQ_ROUTING_MSI } };
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 24 };
	struct kvm_irq_level level = { .irq = 24 };

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		u64 one = 1;

		expect(!ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes), "routes");
		irqfd.flags = 0;
		expect(!ioctl(vm->fd, KVM_IRQFD, &irqfd), "an irqfd");
		expect(write(irqfd.fd, &one, 8) == 8, "an eventfd");
		level.level = i & 1;
		expect(!ioctl(vm->fd, KVM_IRQ_LINE, &level), "a line");
		irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
		expect(!ioctl(vm->fd, KVM_IRQFD, &irqfd), "an irqfd's end");
	}
	close(irqfd.fd);
	return NULL;
}

static void *change_filters(void *arg)
{
	u8 none = 0;
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = 3, .nmsrs = 8, .base = MSR_LSTAR, .bitmap = &none },
	};

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		filter.ranges[0].nmsrs = i & 7;
		expect(!ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter), "a filter");
	}
	return NULL;
}

/* Of the second vCPU, which nobody else sets. */
static void *change_registers(void *arg)
{
	int fd = vm->cpu[1].fd;
	struct kvm_debugregs d;
	struct kvm_sregs s;

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		expect(!ioctl(fd, KVM_GET_DEBUGREGS, &d), "debug registers");
		d.db[0] = i;
		expect(!ioctl(fd, KVM_SET_DEBUGREGS, &d), "debug registers");
		expect(!ioctl(fd, KVM_GET_DEBUGREGS, &d) && d.db[0] == (u64)i,
		       "the debug register is what was set");
		expect(!ioctl(fd, KVM_GET_SREGS, &s) && !ioctl(fd, KVM_SET_SREGS, &s), "SREGS");
	}
	return NULL;
}

static void *make_vcpus(void *arg)
{
	(void)arg;
	for (int i = 2; i < 32; i++) {
		int fd = ioctl(vm->fd, KVM_CREATE_VCPU, i);

		expect(fd >= 0, "a vCPU");
		close(fd);
	}
	return NULL;
}

static void *read_all(void *arg)
{
	struct kvm_clock_data clock;
	struct kvm_regs regs;
	char data[4096];
	int stats = ioctl(vm->fd, KVM_GET_STATS_FD, 0);

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		expect(!ioctl(vm->fd, KVM_GET_CLOCK, &clock), "the clock");
		expect(!ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs), "registers");
		expect(pread(stats, data, sizeof(data), 0) > 0, "statistics");
	}
	close(stats);
	return NULL;
}

static void *(*const workers[])(void *) = {
	change_memory, change_memory,	 change_routes, change_filters,
	read_all,      change_registers, make_vcpus,
};

static void work(void)
{
	pthread_t runner[2], worker[ARRAY_SIZE(workers)];

	for (long i = 0; i < 2; i++)
		pthread_create(&runner[i], NULL, run_guest, (void *)i);
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		pthread_create(&worker[i], NULL, workers[i], (void *)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(workers); i++)
		pthread_join(worker[i], NULL);
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(runner[i], NULL);
}

/* Two threads on one vCPU: one waits, and both get their turn. */
static void *get_while_running(void *arg)
{
	struct kvm_regs regs;

	*(bool *)arg = !ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	return NULL;
}

static void same_vcpu(void)
{
	bool done = false;
	pthread_t thread;

	pthread_create(&thread, NULL, get_while_running, &done);
	for (int i = 0; i < 100 && !done; i++)
		ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	pthread_join(thread, NULL);
	tap_ok(done, "an ioctl on a vCPU that runs gets its turn");
}

static void make_vm(void)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };

	vm = vm_new(MIB);
	vm_irqchip(vm);
	for (int i = 0; i < 2; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, false);
		vm_real_mode(vm, i, LOOP);
	}
	ioctl(vm->cpu[1].fd, KVM_SET_MP_STATE, &runnable);
	memcpy(vm->ram + LOOP, loop_code, sizeof(loop_code));
}

int main(void)
{
	u16 before;

	make_vm();
	work();
	tap_ok(!wrong, "whatever happened at once, each call answered as documented");
	tap_note("%d did not", wrong);
	before = *(volatile u16 *)(vm->ram + COUNTER);
	same_vcpu();
	for (int i = 0; i < 4; i++)
		ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	tap_ok(*(volatile u16 *)(vm->ram + COUNTER) != before, "and the guest still runs");
	vm_free(vm);
	return tap_done();
}
