// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl, from one table: on the wrong kind of file and with another size
 * it does not exist; with a pointer that is not the caller's it is EFAULT; with
 * an unaligned one it works; what only takes is content with memory that only can
 * be read; with random contents it is done or refused by an errno, and the VM
 * lives on.
 */
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

#define PAGE 4096
#define ROUNDS 40
#define KERNEL_ADDRESS 0xffff888000000000ul
#define NOT_CANONICAL 0x0100000000000000ul

enum kind { DEVICE = 1, VM = 2, VCPU = 4 };

enum flag {
	POINTER = 1,   /* the argument is a pointer to a struct */
	NULL_FINE = 2, /* NULL has a meaning */
	NO_FUZZ = 4,   /* random contents take away what the test stands on */
};

struct row {
	unsigned long cmd;
	const char *name;
	int kinds, flags;
};

#define ROW(cmd, kinds, flags)          \
	{                               \
		cmd, #cmd, kinds, flags \
	}

static const struct row rows[] = {
	ROW(KVM_GET_API_VERSION, DEVICE, 0),
	ROW(KVM_CREATE_VM, DEVICE, 0),
	ROW(KVM_CHECK_EXTENSION, DEVICE | VM, 0),
	ROW(KVM_GET_VCPU_MMAP_SIZE, DEVICE, 0),
	ROW(KVM_GET_SUPPORTED_CPUID, DEVICE, POINTER),
	ROW(KVM_GET_SUPPORTED_HV_CPUID, DEVICE | VCPU, POINTER),
	ROW(KVM_GET_EMULATED_CPUID, DEVICE, POINTER),
	ROW(KVM_GET_MSR_INDEX_LIST, DEVICE, POINTER),
	ROW(KVM_GET_MSR_FEATURE_INDEX_LIST, DEVICE, POINTER),
	ROW(KVM_X86_GET_MCE_CAP_SUPPORTED, DEVICE, POINTER),
	ROW(KVM_CREATE_VCPU, VM, 0),
	ROW(KVM_SET_BOOT_CPU_ID, VM, 0),
	ROW(KVM_ENABLE_CAP, VM | VCPU, POINTER),
	ROW(KVM_GET_STATS_FD, VM | VCPU, 0),
	ROW(KVM_SET_USER_MEMORY_REGION, VM, POINTER | NO_FUZZ),
	ROW(KVM_GET_DIRTY_LOG, VM, POINTER),
	ROW(KVM_CLEAR_DIRTY_LOG, VM, POINTER),
	ROW(KVM_SET_TSS_ADDR, VM, 0),
	ROW(KVM_SET_IDENTITY_MAP_ADDR, VM, POINTER),
	ROW(KVM_CREATE_IRQCHIP, VM, 0),
	ROW(KVM_GET_IRQCHIP, VM, POINTER),
	ROW(KVM_SET_IRQCHIP, VM, POINTER),
	ROW(KVM_CREATE_PIT2, VM, POINTER),
	ROW(KVM_GET_PIT2, VM, POINTER),
	ROW(KVM_SET_PIT2, VM, POINTER),
	ROW(KVM_REINJECT_CONTROL, VM, POINTER),
	ROW(KVM_IRQ_LINE, VM, POINTER),
	ROW(KVM_IRQ_LINE_STATUS, VM, POINTER),
	ROW(KVM_SET_GSI_ROUTING, VM, POINTER),
	ROW(KVM_SIGNAL_MSI, VM, POINTER),
	ROW(KVM_IRQFD, VM, POINTER),
	ROW(KVM_IOEVENTFD, VM, POINTER),
	ROW(KVM_REGISTER_COALESCED_MMIO, VM, POINTER),
	ROW(KVM_UNREGISTER_COALESCED_MMIO, VM, POINTER),
	ROW(KVM_X86_SET_MSR_FILTER, VM, POINTER),
	ROW(KVM_GET_CLOCK, VM, POINTER),
	ROW(KVM_SET_CLOCK, VM, POINTER),
	ROW(KVM_RUN, VCPU, 0),
	ROW(KVM_SET_SIGNAL_MASK, VCPU, POINTER | NULL_FINE | NO_FUZZ),
	ROW(KVM_GET_NESTED_STATE, VCPU, POINTER),
	ROW(KVM_SET_NESTED_STATE, VCPU, POINTER),
	ROW(KVM_GET_REGS, VCPU, POINTER),
	ROW(KVM_SET_REGS, VCPU, POINTER),
	ROW(KVM_GET_SREGS, VCPU, POINTER),
	ROW(KVM_SET_SREGS, VCPU, POINTER),
	ROW(KVM_GET_SREGS2, VCPU, POINTER),
	ROW(KVM_SET_SREGS2, VCPU, POINTER),
	ROW(KVM_GET_FPU, VCPU, POINTER),
	ROW(KVM_SET_FPU, VCPU, POINTER),
	ROW(KVM_GET_XSAVE, VCPU, POINTER),
	ROW(KVM_GET_XSAVE2, VCPU, POINTER),
	ROW(KVM_SET_XSAVE, VCPU, POINTER),
	ROW(KVM_GET_XCRS, VCPU, POINTER),
	ROW(KVM_SET_XCRS, VCPU, POINTER),
	ROW(KVM_GET_MSRS, DEVICE | VCPU, POINTER),
	ROW(KVM_SET_MSRS, VCPU, POINTER),
	ROW(KVM_GET_CPUID2, VCPU, POINTER),
	ROW(KVM_SET_CPUID2, VCPU, POINTER),
	ROW(KVM_GET_VCPU_EVENTS, VCPU, POINTER),
	ROW(KVM_SET_VCPU_EVENTS, VCPU, POINTER),
	ROW(KVM_GET_DEBUGREGS, VCPU, POINTER),
	ROW(KVM_SET_DEBUGREGS, VCPU, POINTER),
	ROW(KVM_SET_GUEST_DEBUG, VCPU, POINTER),
	ROW(KVM_GET_MP_STATE, VCPU, POINTER),
	ROW(KVM_SET_MP_STATE, VCPU, POINTER),
	ROW(KVM_TRANSLATE, VCPU, POINTER),
	ROW(KVM_X86_SETUP_MCE, VCPU, POINTER),
	ROW(KVM_X86_SET_MCE, VCPU, POINTER),
	ROW(KVM_SET_TSC_KHZ, VCPU, 0),
	ROW(KVM_GET_TSC_KHZ, VCPU, 0),
	ROW(KVM_KVMCLOCK_CTRL, VCPU, 0),
	ROW(KVM_GET_LAPIC, VCPU, POINTER),
	ROW(KVM_SET_LAPIC, VCPU, POINTER),
	ROW(KVM_SET_VAPIC_ADDR, VCPU, POINTER),
	ROW(KVM_TPR_ACCESS_REPORTING, VCPU, POINTER),
	ROW(KVM_INTERRUPT, VCPU, POINTER),
	ROW(KVM_NMI, VCPU, 0),
};

static struct vm *vm;
static u8 *edge; /* the end of a mapping: what is at it and behind it is nobody's */

static int fd_of(enum kind kind)
{
	return kind == DEVICE ? vm->dev : kind == VM ? vm->fd : vm->cpu[0].fd;
}

static const char *name_of(enum kind kind)
{
	return kind == DEVICE ? "the device" : kind == VM ? "a VM" : "a vCPU";
}

static bool answers(int fd, unsigned long cmd, unsigned long arg, int want)
{
	long r;

	errno = 0;
	r = ioctl(fd, cmd, arg);
	if (r == -1 && errno == want)
		return true;
	tap_note("command %#lx, argument %#lx: answered %ld, errno %d", cmd, arg, r, errno);
	return false;
}

static void wrong_kind(const struct row *row)
{
	bool good = true;

	for (int kind = DEVICE; kind <= VCPU; kind <<= 1)
		if (!(row->kinds & kind) && !answers(fd_of(kind), row->cmd, 0, ENOTTY)) {
			tap_note("on %s", name_of(kind));
			good = false;
		}
	tap_ok(good, "%s: ENOTTY on the wrong kind of file", row->name);
}

static void wrong_size(const struct row *row)
{
	static const int deltas[] = { -4, -1, 1, 8 };
	unsigned int size = _IOC_SIZE(row->cmd);
	bool good = true;

	for (size_t i = 0; size && i < ARRAY_SIZE(deltas); i++) {
		unsigned long cmd =
			_IOC(_IOC_DIR(row->cmd), KVMIO, _IOC_NR(row->cmd), size + deltas[i]);

		for (int kind = DEVICE; kind <= VCPU; kind <<= 1)
			if (row->kinds & kind)
				good &= answers(fd_of(kind), cmd, 0, ENOTTY);
	}
	tap_ok(good, "%s: ENOTTY with another size", row->name);
}

static void bad_pointers(const struct row *row)
{
	const unsigned long bad[] = { 0,
				      8,
				      KERNEL_ADDRESS,
				      NOT_CANONICAL,
				      ~0ul - 7,
				      (unsigned long)edge,
				      (unsigned long)edge - 1 };
	bool good = true;

	for (int kind = DEVICE; kind <= VCPU; kind <<= 1) {
		if (!(row->kinds & kind))
			continue;
		for (size_t i = row->flags & NULL_FINE ? 1 : 0; i < ARRAY_SIZE(bad); i++)
			good &= answers(fd_of(kind), row->cmd, bad[i], EFAULT);
	}
	tap_ok(good, "%s: EFAULT for pointers that are not the caller's", row->name);
}

/* What is read to an odd address is what is read to an even one. */
static void unaligned(const struct row *row)
{
	static u8 even[3 * PAGE] __attribute__((aligned(64)));
	static u8 odd[3 * PAGE + 1] __attribute__((aligned(64)));
	long a, b;

	if (_IOC_DIR(row->cmd) != _IOC_READ || row->kinds != VCPU)
		return;
	memset(even, 0, sizeof(even));
	memset(odd, 0, sizeof(odd));
	a = ioctl(fd_of(VCPU), row->cmd, even);
	b = ioctl(fd_of(VCPU), row->cmd, odd + 1);
	tap_ok(a == b && !memcmp(even, odd + 1, sizeof(even)), "%s: to an odd address", row->name);
}

/* What the command's number says of the direction is not always so. */
static void read_only(void)
{
	struct kvm_irqchip *chip =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_irqchip *level = chip + 1;
	struct kvm_clear_dirty_log *log = (void *)(chip + 2);

	chip->chip_id = KVM_IRQCHIP_IOAPIC;
	ioctl(vm->fd, KVM_GET_IRQCHIP, chip);
	log->slot = 5;
	log->num_pages = 1;
	log->dirty_bitmap = level; /* which has no bit set */
	mprotect(chip, PAGE, PROT_READ);
	tap_ok(!ioctl(vm->fd, KVM_SET_IRQCHIP, chip), "KVM_SET_IRQCHIP only takes");
	tap_ok(answers(vm->fd, KVM_GET_IRQCHIP, (unsigned long)chip, EFAULT),
	       "KVM_GET_IRQCHIP gives");
	tap_ok(!ioctl(vm->fd, KVM_IRQ_LINE, level), "KVM_IRQ_LINE only takes");
	tap_ok(answers(vm->fd, KVM_IRQ_LINE_STATUS, (unsigned long)level, EFAULT),
	       "KVM_IRQ_LINE_STATUS gives");
	tap_ok(!vm_set_region(vm->fd, log->slot, KVM_MEM_LOG_DIRTY_PAGES, 1 << 30, PAGE, chip) &&
		       !ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, log),
	       "KVM_CLEAR_DIRTY_LOG only takes");
	vm_set_region(vm->fd, log->slot, 0, 1 << 30, 0, chip);
	munmap(chip, PAGE);
}

static u64 seed = 88172645463325252ull;

static u64 next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* Mostly small numbers: they get further than others. */
static void fill(u8 *data, size_t size)
{
	for (size_t i = 0; i < size; i += 4) {
		u64 r = next_random();
		u32 value = r & 1 ? r >> 32 & 7 : r & 2 ? (u32)(r >> 32) : 0;

		memcpy(data + i, &value, 4);
	}
}

static bool documented(int error)
{
	return error == EINVAL || error == EFAULT || error == E2BIG || error == ENXIO ||
	       error == EEXIST || error == ENOENT || error == EBUSY || error == EBADF ||
	       error == ENOSPC || error == ENOMEM;
}

static void random_contents(const struct row *row)
{
	static u8 data[4 * PAGE];
	bool good = true;

	if (row->flags & NO_FUZZ)
		return;
	for (int round = 0; round < ROUNDS; round++) {
		for (int kind = DEVICE; kind <= VCPU; kind <<= 1) {
			if (!(row->kinds & kind))
				continue;
			fill(data, sizeof(data));
			errno = 0;
			if (ioctl(fd_of(kind), row->cmd, data) < 0 && !documented(errno)) {
				tap_note("on %s: errno %d", name_of(kind), errno);
				good = false;
			}
		}
	}
	tap_ok(good, "%s: random contents are done, or refused by a documented errno", row->name);
}

/* Without an irqchip, so that HLT comes back. */
static void alive(void)
{
	struct vm *other = vm_new(1 << 20);

	vm_add_cpu(other);
	vm_set_cpuid(other, 0, false);
	vm_real_mode(other, 0, 0x500);
	other->ram[0x500] = 0xf4;
	tap_ok(answers(other->cpu[0].fd, KVM_GET_LAPIC, 8, EINVAL) &&
		       answers(other->cpu[0].fd, KVM_SET_LAPIC, 8, EINVAL) &&
		       answers(other->cpu[0].fd, KVM_SET_VAPIC_ADDR, 8, EINVAL),
	       "without a LAPIC that is what is wrong, not the pointer");
	tap_ok(!ioctl(other->cpu[0].fd, KVM_RUN, 0) &&
		       other->cpu[0].run->exit_reason == KVM_EXIT_HLT,
	       "after all that another VM runs");
	vm_free(other);
}

int main(void)
{
	struct kvm_run *run;

	vm = vm_new(1 << 20);
	vm_irqchip(vm);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true);
	run = vm->cpu[0].run;
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	edge += PAGE;
	munmap(edge, PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		wrong_kind(&rows[i]);
		wrong_size(&rows[i]);
		if (!(rows[i].flags & POINTER))
			continue;
		bad_pointers(&rows[i]);
		unaligned(&rows[i]);
	}
	read_only();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].flags & POINTER)
			random_contents(&rows[i]);
	/* Whatever state that made: the run ends, at once. */
	run->immediate_exit = 1;
	tap_ok(ioctl(vm->cpu[0].fd, KVM_RUN, 0) <= 0, "the vCPU's run ends");
	vm_free(vm);
	alive();
	return tap_done();
}
