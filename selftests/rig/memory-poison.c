// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page whose memory went bad: the vCPU that touches it gets the signal that the program would
 * get, and goes on when there is other memory. The guest is two instructions long: a load, and an
 * OUT.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include "vm.h"

#define MIB (1ull << 20)
#define PAGE 4096ull
#define LOAD 0x1000 /* mov (%eax),%ebx; out %al,$0x10 */
#define AREA (16 * MIB)
#define SECRET 0x5ec2e700u

static struct vm *vm;
static volatile sig_atomic_t signals;
static siginfo_t last;

static void on_bus(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	last = *info;
	signals++;
}

static int load(u32 gpa, struct kvm_regs *regs)
{
	int r;

	*regs = (struct kvm_regs){ .rip = LOAD, .rax = gpa, .rflags = 2 };
	ioctl(vm->cpu[0].fd, KVM_SET_REGS, regs);
	r = ioctl(vm->cpu[0].fd, KVM_RUN, 0) < 0 ? errno : 0;
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, regs);
	return r;
}

static void test(u8 *area)
{
	struct kvm_regs regs;
	u8 *bad = area + PAGE;
	int r;

	r = load(AREA + PAGE, &regs);
	tap_ok(r == EINTR, "KVM_RUN ends for a signal (errno %d)", r);
	tap_ok(regs.rip == LOAD, "before the instruction");
	tap_ok(signals == 1 && last.si_code == BUS_MCEERR_AR && last.si_addr == bad,
	       "which is SIGBUS for a memory error, with the page's address");
	tap_note("%d signals, code %d, at %p of %p", (int)signals, last.si_code, last.si_addr, bad);
	r = load(AREA, &regs);
	tap_ok(!r && (u32)regs.rbx == SECRET, "the page beside it is as it was");
	mmap(bad, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*(volatile u32 *)bad = SECRET + 1;
	r = load(AREA + PAGE, &regs);
	tap_ok(!r && (u32)regs.rbx == SECRET + 1, "and with other memory the guest goes on");
}

int main(void)
{
	static const u8 code[] = { 0x8b, 0x18, 0xe6, 0x10 };
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	u8 *area =
		mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(area, 16 * PAGE, MADV_NOHUGEPAGE);
	*(volatile u32 *)area = SECRET;
	*(volatile u32 *)(area + PAGE) = SECRET;
	sigaction(SIGBUS, &action, NULL); /* that call sends one, too */
	if (madvise(area + PAGE, PAGE, MADV_HWPOISON)) {
		tap_skip("the kernel poisons no memory", "a page whose memory went bad");
		return tap_done();
	}
	signals = 0;
	vm = vm_new(MIB);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	vm_flat_mode(vm, 0, LOAD);
	memcpy(vm->ram + LOAD, code, sizeof(code));
	if (vm_set_region(vm->fd, 1, 0, AREA, 16 * PAGE, area))
		tap_bail("a slot");
	test(area);
	vm_free(vm);
	return tap_done();
}
