// SPDX-License-Identifier: GPL-2.0-only
/*
 * A slot's deletion waits for a vCPU that waits for a page of it. What the
 * process takes away meanwhile, another vCPU must not see any more.
 *
 * A guest is two instructions long: a load, and an OUT.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "vm.h"

#define MIB (1ull << 20)
#define PAGE 4096ull
#define LOAD 0x1000 /* mov (%eax),%ebx; out %al,$0x10 */
#define AREA (16 * MIB)
#define AWAITED (8 * PAGE) /* in the area: comes when the test says so */
#define SECRET 0x5ec2e700u

static struct vm *vm;
static u8 *area;
static int uffd;

static u32 load(int cpu, u32 gpa)
{
	struct kvm_regs regs = { .rip = LOAD, .rax = gpa, .rflags = 2 };
	struct kvm_run *run = vm->cpu[cpu].run;

	ioctl(vm->cpu[cpu].fd, KVM_SET_REGS, &regs);
	if (ioctl(vm->cpu[cpu].fd, KVM_RUN, 0) < 0)
		tap_note("KVM_RUN: errno %d", errno);
	if (run->exit_reason == KVM_EXIT_MMIO) {
		memset(run->mmio.data, 0xee, 8);
		ioctl(vm->cpu[cpu].fd, KVM_RUN, 0);
	}
	ioctl(vm->cpu[cpu].fd, KVM_GET_REGS, &regs);
	run->immediate_exit = 1;
	ioctl(vm->cpu[cpu].fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	return regs.rbx;
}

static void *wait_for_page(void *arg)
{
	*(u32 *)arg = load(1, AREA + AWAITED);
	return NULL;
}

static void *delete_slot(void *arg)
{
	vm_set_region(vm->fd, 1, 0, AREA, 0, area);
	*(volatile bool *)arg = true;
	return NULL;
}

/* Return: whether the kernel has userfaultfd. */
static bool make_area(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	area = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(area, 16 * PAGE, MADV_NOHUGEPAGE);
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		return false;
	reg.range.start = (unsigned long)area + AWAITED;
	reg.range.len = PAGE;
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		tap_bail("UFFDIO_REGISTER");
	return true;
}

static void give_page(void)
{
	static u8 page[PAGE] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (unsigned long)area + AWAITED,
		.src = (unsigned long)page,
		.len = PAGE,
	};

	if (ioctl(uffd, UFFDIO_COPY, &copy))
		tap_note("UFFDIO_COPY: errno %d", errno);
}

static void test(void)
{
	struct pollfd fault = { .fd = uffd, .events = POLLIN };
	volatile bool deleted = false;
	pthread_t waiter, deleter;
	u32 got = 1, late;

	*(volatile u32 *)area = SECRET;
	tap_ok(load(0, AREA) == SECRET, "a load from the slot");
	pthread_create(&waiter, NULL, wait_for_page, &got);
	tap_ok(poll(&fault, 1, 10000) == 1, "another vCPU waits for a page of it");
	pthread_create(&deleter, NULL, delete_slot, (void *)&deleted);
	usleep(200000);
	tap_ok(!deleted, "and the slot's deletion for that vCPU");
	madvise(area, PAGE, MADV_DONTNEED);
	late = load(0, AREA);
	tap_ok(late != SECRET, "a page that goes meanwhile is not seen any more");
	tap_note("%#x", late);
	give_page();
	pthread_join(waiter, NULL);
	pthread_join(deleter, NULL);
	tap_ok(deleted, "with the page the deletion comes to its end");
	tap_ok(load(0, AREA) == 0xeeeeeeee, "and there is no memory left");
}

int main(void)
{
	static const u8 code[] = { 0x8b, 0x18, 0xe6, 0x10 };

	if (!make_area()) {
		tap_skip("no userfaultfd", "a slot that leaves");
		return tap_done();
	}
	vm = vm_new(MIB);
	for (int i = 0; i < 2; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, false);
		vm_flat_mode(vm, i, LOAD);
	}
	memcpy(vm->ram + LOAD, code, sizeof(code));
	if (vm_set_region(vm->fd, 1, 0, AREA, 16 * PAGE, area))
		tap_bail("a slot");
	test();
	vm_free(vm);
	return tap_done();
}
