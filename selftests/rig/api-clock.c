// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest is told of the time in its memory: kvmclock's page, the stolen time, and TSCs that
 * are in step or not.
 */
#include <linux/kvm_para.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define MIB (1u << 20)
#define CODE 0x500
#define CLOCK 0x2000 /* of vCPU 0; each further one's is a page behind */
#define STEAL 0x8000
#define MSR_TSC 0x10
#define FLAG_STABLE 1
#define MS 1000000ull

struct clock_page { /* "KVM-specific MSRs" in the kernel's documentation */
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	int8_t shift;
	u8 flags, pad2[2];
};

static struct vm *vm;

static void must(int r, const char *what)
{
	if (r < 0)
		tap_bail(what);
}

static void new_vm(int cpus)
{
	vm = vm_new(MIB);
	memset(vm->ram + CODE, 0xf4, 16); /* hlt */
	for (int i = 0; i < cpus; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, false);
		vm_real_mode(vm, i, CODE);
	}
}

static void set_msr(int cpu, u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	if (ioctl(vm->cpu[cpu].fd, KVM_SET_MSRS, &m) != 1)
		tap_bail("KVM_SET_MSRS");
}

/* A short run, after which the page is as the guest sees it. */
static struct clock_page clock_of(int cpu)
{
	struct clock_page page;

	vm_run(vm, cpu);
	memcpy(&page, vm->ram + CLOCK + cpu * 4096, sizeof(page));
	return page;
}

static void clock_on(int cpu)
{
	set_msr(cpu, MSR_KVM_SYSTEM_TIME_NEW, (CLOCK + cpu * 4096) | 1);
}

/* Close to the host's frequency a TSC is not scaled: the clock follows the one that it has. */
static void close_frequency(void)
{
	struct clock_page host, close;
	int khz;

	new_vm(1);
	clock_on(0);
	host = clock_of(0);
	khz = ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	vm_free(vm);
	new_vm(1);
	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_SET_TSC_KHZ, khz + khz / 5000),
		  "a TSC 200 ppm from the host's");
	clock_on(0);
	close = clock_of(0);
	tap_ok(host.mul && close.mul == host.mul && close.shift == host.shift,
	       "has the host's pace in kvmclock");
	vm_free(vm);
}

static bool all_stable(bool want)
{
	return !!(clock_of(0).flags & FLAG_STABLE) == want &&
	       !!(clock_of(1).flags & FLAG_STABLE) == want;
}

/* With the flag a guest reads the time by one page on all of its CPUs. */
static void two_tscs(void)
{
	new_vm(2);
	clock_on(0);
	clock_on(1);
	if (!(clock_of(0).flags & FLAG_STABLE)) {
		tap_skip("the host's TSC is unstable", "stable clocks");
		vm_free(vm);
		return;
	}
	tap_ok(all_stable(true), "two TSCs in step have a stable clock");
	set_msr(1, MSR_TSC, 1ull << 50);
	tap_ok(all_stable(false), "two that differ have none, on either");
	set_msr(0, MSR_TSC, 1ull << 50);
	tap_ok(all_stable(true), "in step again they have");
	vm_free(vm);
}

static u64 tsc_offset(int cpu)
{
	u64 value = 0;
	struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
					.attr = KVM_VCPU_TSC_OFFSET,
					.addr = (u64)(unsigned long)&value };

	must(ioctl(vm->cpu[cpu].fd, KVM_GET_DEVICE_ATTR, &attr), "KVM_VCPU_TSC_OFFSET");
	return value;
}

static void other_frequency(void)
{
	const char *what = "vCPUs that get another frequency one after the other stay in step";
	int dev = dev_open(), khz;

	if (!vm_cap(dev, KVM_CAP_TSC_CONTROL)) {
		tap_skip("no TSC scaling", "%s", what);
		return;
	}
	new_vm(2);
	khz = ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, 0);
	must(ioctl(vm->cpu[0].fd, KVM_SET_TSC_KHZ, khz / 2), "KVM_SET_TSC_KHZ");
	usleep(10000);
	must(ioctl(vm->cpu[1].fd, KVM_SET_TSC_KHZ, khz / 2), "KVM_SET_TSC_KHZ");
	tap_ok(tsc_offset(0) == tsc_offset(1), "%s", what);
	vm_free(vm);
}

static void *busy(void *until)
{
	while (!__atomic_load_n((int *)until, __ATOMIC_RELAXED))
		;
	return NULL;
}

static u64 waited_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (!file || fscanf(file, "%llu %llu", &ran, &waited) != 2)
		tap_bail("schedstat");
	fclose(file);
	return waited;
}

static void *run_once(void *unused)
{
	(void)unused;
	vm_run(vm, 0);
	return NULL;
}

/* A thread that has waited much for a processor restores the vCPU, and another runs it. */
static void stolen_time(void)
{
	struct kvm_steal_time *record;
	pthread_t others[8], runner;
	int end = 0;

	new_vm(1);
	for (int i = 0; i < 8; i++)
		must(-pthread_create(&others[i], NULL, busy, &end), "pthread_create");
	while (waited_ns() < 30 * MS)
		;
	__atomic_store_n(&end, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 8; i++)
		pthread_join(others[i], NULL);
	record = (struct kvm_steal_time *)(vm->ram + STEAL);
	record->steal = MS;
	set_msr(0, MSR_KVM_STEAL_TIME, STEAL | 1);
	must(-pthread_create(&runner, NULL, run_once, NULL), "pthread_create");
	pthread_join(runner, NULL);
	tap_ok(record->steal >= MS && record->steal < 20 * MS,
	       "what was stolen does not fall where another thread runs the vCPU: %llu ns",
	       (unsigned long long)record->steal);
	vm_free(vm);
}

int main(void)
{
	close_frequency();
	two_tscs();
	other_frequency();
	stolen_time();
	return tap_done();
}
