// SPDX-License-Identifier: GPL-2.0-only
/*
 * growth [IMAGE]: how what a VM costs grows with what there is, in lines
 *
 *	grow SERIES X NUMBER
 *
 * Numbers are ticks of the processor's time stamp counter (instructions, on Bochs), or bytes.
 * ABYME_DEV says of what. IMAGE is grow-l2.elf; without it no L2s. For scripts/bench --growth.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>
#include "machine.h"

#define MIB (1ull << 20)
#define PAGE 4096ull
#define CODE 0x1000 /* what the vCPUs execute */
#define SMALL_RAM (2 * MIB)
#define CPUIDS 2000 /* in one KVM_RUN */
#define PORT_DONE 0x10
#define IDLE_MOST 64
#define TOUCH_STEP (64 * 1024)
#define DIRTY 512 /* pages that are dirty when the log is read */
#define VMS 16	  /* of which one's memory is the average */
#define VCPUS 8
#define IMAGE_RAM (128 * MIB)

static void say(const char *series, u64 x, u64 number)
{
	printf("grow %s %lu %lu\n", series, x, number);
	fflush(stdout);
}

/* --- what a vCPU executes: protected mode, flat, without paging -------------- */

static u8 *put(u8 *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static u8 *put_mov(u8 *at, u8 opcode, u32 value)
{
	*at++ = opcode;
	return put(at, &value, sizeof(value));
}

/* out %al, $PORT_DONE, and from the start again */
static void put_end(u8 *at, const u8 *code)
{
	static const u8 out[] = { 0xe6, PORT_DONE };

	at = put(at, out, sizeof(out));
	put_mov(at, 0xe9, code - at - 5);
}

static void code_cpuid(struct vm *vm)
{
	/* 1: xor %eax, %eax; cpuid; dec %esi; jnz 1b */
	static const u8 loop[] = { 0x31, 0xc0, 0x0f, 0xa2, 0x4e, 0x75, 0xf9 };
	u8 *code = vm->ram + CODE;

	put_end(put(put_mov(code, 0xbe, CPUIDS), loop, sizeof(loop)), code);
}

/* Writes a byte each @step bytes, @count of them from @from on. */
static void code_touch(struct vm *vm, u32 from, u32 step, u32 count)
{
	/* 1: movb $1, (%edi); add %edx, %edi; dec %esi; jnz 1b */
	static const u8 loop[] = { 0xc6, 0x07, 0x01, 0x01, 0xd7, 0x4e, 0x75, 0xf8 };
	u8 *code = vm->ram + CODE, *at = put_mov(code, 0xbf, from);

	at = put_mov(put_mov(at, 0xba, step), 0xbe, count);
	put_end(put(at, loop, sizeof(loop)), code);
}

static void code_halt(struct vm *vm)
{
	static const u8 halt[] = { 0xf4, 0xeb, 0xfd }; /* 1: hlt; jmp 1b */

	put(vm->ram + CODE, halt, sizeof(halt));
}

/* From the start of the code, which has changed; it stands after the OUT of the old one. */
static void restart(struct vm *vm, int cpu)
{
	struct kvm_regs regs;

	vm->cpu[cpu].run->immediate_exit = 1;
	ioctl(vm->cpu[cpu].fd, KVM_RUN, 0);
	vm->cpu[cpu].run->immediate_exit = 0;
	if (ioctl(vm->cpu[cpu].fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	regs.rip = CODE;
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}

/* To the end of the code once. Value: ticks. */
static u64 run_once(struct vm *vm, int cpu)
{
	const struct kvm_run *run = vm->cpu[cpu].run;
	u64 start = __rdtsc();

	do {
		if (ioctl(vm->cpu[cpu].fd, KVM_RUN, 0) && errno != EINTR && errno != EAGAIN)
			tap_bail("KVM_RUN");
	} while (run->exit_reason != KVM_EXIT_IO);
	return __rdtsc() - start;
}

/* --- by vCPUs ------------------------------------------------------------------ */

static struct vm *vm_with_cpus(u64 ram, int cpus)
{
	struct vm *vm = vm_new(ram);

	for (int i = 0; i < cpus; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, true);
		vm_flat_mode(vm, i, CODE);
	}
	return vm;
}

struct worker {
	struct vm *vm;
	int cpu;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	run_once(w->vm, w->cpu);
	return NULL;
}

/* All vCPUs at once, each its CPUIDs. Value: ticks for one. */
static u64 all_at_once(struct vm *vm)
{
	struct worker workers[MAX_TEST_CPUS];
	pthread_t threads[MAX_TEST_CPUS];
	u64 start = __rdtsc();

	for (int i = 0; i < vm->cpu_count; i++) {
		workers[i] = (struct worker){ vm, i };
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < vm->cpu_count; i++)
		pthread_join(threads[i], NULL);
	return (__rdtsc() - start) / (vm->cpu_count * CPUIDS);
}

static void by_vcpus(int cpus)
{
	struct vm *vm = vm_with_cpus(SMALL_RAM + DIRTY * PAGE, cpus);

	code_cpuid(vm);
	for (int i = 0; i < cpus; i++)
		run_once(vm, i);
	say("exit-by-vcpus", cpus, run_once(vm, 0) / CPUIDS);
	say("exit-of-all-by-vcpus", cpus, all_at_once(vm));
	memset(vm->ram + SMALL_RAM, 0, DIRTY * PAGE); /* the process has these pages */
	code_touch(vm, SMALL_RAM, PAGE, DIRTY);
	restart(vm, 0);
	say("fault-by-vcpus", cpus, run_once(vm, 0) / DIRTY);
	vm_free(vm);
}

/* --- by idle VMs ---------------------------------------------------------------- */

static void ignore(int signal)
{
	(void)signal;
}

static void *idle(void *arg)
{
	struct vm *vm = arg;

	ioctl(vm->cpu[0].fd, KVM_RUN, 0); /* until a signal comes */
	return NULL;
}

static pthread_t idlers[IDLE_MOST];
static struct vm *idle_vms[IDLE_MOST];

static void start_idle(int i)
{
	struct vm *vm = vm_new(SMALL_RAM);

	vm_irqchip(vm);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true);
	vm_flat_mode(vm, 0, CODE);
	code_halt(vm);
	idle_vms[i] = vm;
	pthread_create(&idlers[i], NULL, idle, vm);
}

static void by_idle_vms(void)
{
	static const int numbers[] = { 1, 16, 64 };
	struct vm *vm = vm_with_cpus(SMALL_RAM, 1);
	u64 start, begun = 0;

	signal(SIGUSR1, ignore);
	code_cpuid(vm);
	for (u32 n = 0; n < ARRAY_SIZE(numbers); n++) {
		int more = numbers[n] - begun;

		start = __rdtsc();
		for (int i = 0; i < more; i++)
			start_idle(begun++);
		say("start-by-idle-vms", numbers[n], (__rdtsc() - start) / more);
		usleep(100000); /* all of them halt */
		run_once(vm, 0);
		say("exit-by-idle-vms", numbers[n], run_once(vm, 0) / CPUIDS);
	}
	for (u64 i = 0; i < begun; i++) {
		idle_vms[i]->cpu[0].run->immediate_exit = 1;
		pthread_kill(idlers[i], SIGUSR1);
		pthread_join(idlers[i], NULL);
		vm_free(idle_vms[i]);
	}
	vm_free(vm);
}

/* --- by memory ------------------------------------------------------------------ */

static u64 read_log(struct vm *vm, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };
	u64 start = __rdtsc();

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		tap_bail("KVM_GET_DIRTY_LOG");
	return __rdtsc() - start;
}

/* One page of each 64 KiB is there, of the process and of the guest. */
static void by_memory(u64 mib)
{
	u32 pages = mib * MIB / TOUCH_STEP - 1;
	struct vm *vm = vm_with_cpus(mib * MIB, 1);
	u8 *bitmap = calloc(1, mib * MIB / PAGE / 8);
	u64 start;

	for (u32 i = 1; i <= pages; i++)
		vm->ram[i * TOUCH_STEP] = 1;
	code_touch(vm, TOUCH_STEP, TOUCH_STEP, pages);
	say("fault-by-memory", mib, run_once(vm, 0) / pages);
	start = __rdtsc();
	vm_set_region(vm->fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, mib * MIB, vm->ram);
	say("log-start-by-memory", mib, __rdtsc() - start);
	read_log(vm, bitmap);
	say("log-read-nothing-by-memory", mib, read_log(vm, bitmap));
	code_touch(vm, TOUCH_STEP, (pages / DIRTY) * TOUCH_STEP, DIRTY);
	restart(vm, 0);
	say("dirty-fault-by-memory", mib, run_once(vm, 0) / DIRTY);
	say("log-read-512-by-memory", mib, read_log(vm, bitmap));
	start = __rdtsc();
	vm_free(vm);
	say("end-by-memory", mib, __rdtsc() - start);
	free(bitmap);
}

/* --- bytes ---------------------------------------------------------------------- */

/* What is free, with what each CPU keeps aside. */
static u64 free_bytes(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long pages = 0, n;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %lu", &n) == 1 ||
		    sscanf(line, " count: %lu", &n) == 1)
			pages += n;
	if (file)
		fclose(file);
	return pages * PAGE;
}

/* The same once what waits for RCU is free as well. */
static u64 settled_bytes(void)
{
	usleep(300000);
	return free_bytes();
}

static void bytes_of_vms(void)
{
	static struct vm *vms[VMS];
	u64 before, after;

	for (int i = 0; i < VMS; i++)
		vms[i] = vm_with_cpus(MIB, 0);
	before = settled_bytes();
	for (int i = 0; i < VMS; i++)
		vm_irqchip(vms[i]);
	after = free_bytes();
	say("bytes-of-irqchip", 1, (before - after) / VMS);
	for (int i = 0; i < VMS; i++)
		vm_free(vms[i]);
	before = settled_bytes();
	for (int i = 0; i < VMS; i++)
		vms[i] = vm_with_cpus(MIB, 0);
	say("bytes-of-vm", 1, (before - free_bytes()) / VMS);
	for (int i = 0; i < VMS; i++)
		vm_free(vms[i]);
}

/* Of a vCPU that has run, so that its code is mapped as well. */
static void bytes_of_vcpus(void)
{
	struct vm *vm = vm_with_cpus(SMALL_RAM, 0);
	u64 before;

	code_cpuid(vm);
	before = settled_bytes();
	for (int i = 0; i < VCPUS; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, true);
		vm_flat_mode(vm, i, CODE);
		run_once(vm, i);
	}
	say("bytes-of-vcpu", 1, (before - free_bytes()) / VCPUS);
	vm_free(vm);
}

/* --- by L2s --------------------------------------------------------------------- */

/* The image says "count turns by L2s: X NUMBER"; at its marks it has X of them. */
static void by_l2s(const char *path)
{
	struct vm *vm = vm_new_huge(IMAGE_RAM);
	enum image_end end;
	u64 before = 0;
	u8 status = 1;
	u32 entry;

	memset(vm->ram, 0, IMAGE_RAM); /* all there, so that what goes is the hypervisor's */
	vm_irqchip(vm);
	entry = image_load(vm, path);
	if (!entry)
		tap_bail("the image cannot be loaded");
	image_start(vm, entry, true);
	while ((end = image_run(vm, "", &status)) == IMAGE_MARK) {
		struct kvm_regs regs;

		if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs))
			tap_bail("KVM_GET_REGS");
		if (!before)
			before = free_bytes();
		if (regs.rbx)
			printf("bytes since the first L2: %ld\n", (long)(before - free_bytes()));
	}
	if (end != IMAGE_DONE || status)
		tap_bail("the image failed");
	vm_free(vm);
}

int main(int argc, char **argv)
{
	bytes_of_vms();
	bytes_of_vcpus();
	for (int cpus = 1; cpus <= 4; cpus *= 2)
		by_vcpus(cpus);
	by_idle_vms();
	by_memory(256);
	by_memory(1024);
	by_memory(3072);
	if (argc > 1)
		by_l2s(argv[1]);
	return 0;
}
