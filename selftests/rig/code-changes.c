// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest reads a device in a loop, often enough that abyme may know the instruction. Then the
 * process changes what is behind the guest's RIP, by each way that it has: what is executed next
 * is a write to the device.
 */
#include <string.h>
#include <sys/mman.h>
#include "vm.h"

#define RAM (4u << 20)
#define CODE 0x100000
#define OTHER 0x200000 /* 2 MiB from linear 0, by other tables */
#define TABLES 0x380000
#define DEVICE 0x10000000
#define PAGE 4096
#define OFTEN 6 /* times, until an instruction is known */
#define SLOT 5
#define IF 0x200 /* without it Bochs was seen to let a loop go on until an NMI came */

static const u8 reads[] = { 0x8b, 0x07, 0xeb, 0xfc };  /* 1: mov (%rdi), %eax; jmp 1b */
static const u8 writes[] = { 0x89, 0x07, 0xeb, 0xfc }; /* 1: mov %eax, (%rdi); jmp 1b */

static struct vm *begin(void)
{
	struct vm *vm = vm_new(RAM);
	struct kvm_regs regs = { .rip = CODE, .rflags = IF | 2, .rdi = DEVICE };

	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true); /* vm_long_mode() sets CR4.VMXE */
	memcpy(vm->ram + CODE, reads, sizeof(reads));
	vm_long_mode(vm, 0, CODE);
	if (ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
	return vm;
}

/* Are the next accesses to the device all of that kind? */
static bool accesses(struct vm *vm, bool write)
{
	struct kvm_run *run = vm->cpu[0].run;

	for (int i = 0; i < OFTEN; i++)
		if (vm_run(vm, 0) != KVM_EXIT_MMIO || run->mmio.phys_addr != DEVICE ||
		    run->mmio.is_write != write)
			return false;
	return true;
}

static void *pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	return p;
}

/* The process' memory at @gpa is another page from now on, with @size bytes of @data. */
static void replace_page(struct vm *vm, u64 gpa, const void *data, size_t size)
{
	void *page = pages(PAGE);

	memcpy(page, vm->ram + gpa, PAGE);
	memcpy(page, data, size);
	if (mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, vm->ram + gpa) != vm->ram + gpa)
		tap_bail("mremap");
}

static void written(struct vm *vm)
{
	memcpy(vm->ram + CODE, writes, sizeof(writes));
}

static void moved(struct vm *vm)
{
	replace_page(vm, CODE, writes, sizeof(writes));
}

/* Memory that was there is given back. */
static void discarded(struct vm *vm)
{
	if (madvise(vm->ram + CODE, PAGE, MADV_DONTNEED))
		tap_bail("MADV_DONTNEED");
	memcpy(vm->ram + CODE, writes, sizeof(writes));
}

/* The slot goes, and another of other memory comes at the same place. */
static void new_slot(struct vm *vm)
{
	u8 *ram = pages(RAM);

	memcpy(ram, vm->ram, RAM);
	memcpy(ram + CODE, writes, sizeof(writes));
	if (vm_set_region(vm->fd, 0, 0, 0, 0, NULL) || vm_set_region(vm->fd, 0, 0, 0, RAM, ram))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
}

/* Page tables by which the first 2 MiB are those at OTHER. */
static void put_other_tables(u8 *ram)
{
	u64 *table = (u64 *)(ram + TABLES);

	memcpy(ram + OTHER + CODE, writes, sizeof(writes));
	memcpy(table, ram + LONG_TABLES, 3 * PAGE);
	table[0] = (TABLES + PAGE) | 3;
	table[512] = (TABLES + 2 * PAGE) | 3;
	table[1024] = OTHER | 0x83;
}

static void other_cr3(struct vm *vm)
{
	struct kvm_sregs s;

	put_other_tables(vm->ram);
	if (ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s))
		tap_bail("KVM_GET_SREGS");
	s.cr3 = TABLES;
	if (ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s))
		tap_bail("KVM_SET_SREGS");
}

/* The page directory's page is replaced. What the guest's TLB had goes by SREGS. */
static void other_directory(struct vm *vm)
{
	struct kvm_sregs s;
	u64 entry = OTHER | 0x83;

	memcpy(vm->ram + OTHER + CODE, writes, sizeof(writes));
	replace_page(vm, LONG_TABLES + 2 * PAGE, &entry, sizeof(entry));
	if (ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s) || ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s))
		tap_bail("KVM_SET_SREGS");
}

static void other_rip(struct vm *vm)
{
	struct kvm_regs regs;

	memcpy(vm->ram + CODE + PAGE, writes, sizeof(writes));
	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	regs.rip = CODE + PAGE;
	if (ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}

static void changed(const char *how, void (*change)(struct vm *vm))
{
	struct vm *vm = begin();

	tap_ok(accesses(vm, false), "%s: reads before", how);
	change(vm);
	tap_ok(accesses(vm, true), "%s: writes after", how);
	vm_free(vm);
}

/* The device's page becomes memory: the same instruction reads that, and nothing exits. */
static void device_gone(void)
{
	struct vm *vm = begin();
	u32 *memory = pages(PAGE);
	struct kvm_regs regs = {};

	*memory = 0x5a5a5a5a;
	tap_ok(accesses(vm, false), "a slot where the device was: reads before");
	if (vm_set_region(vm->fd, SLOT, 0, DEVICE, PAGE, memory))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	tap_ok(!vm_run(vm, 0) && !ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs) && regs.rax == *memory,
	       "a slot where the device was: memory is read");
	tap_ok(!vm_set_region(vm->fd, SLOT, 0, DEVICE, 0, NULL) && accesses(vm, false),
	       "a slot where the device was: and reads again when it is gone");
	vm_free(vm);
}

int main(void)
{
	changed("memory is written", written);
	changed("the page is moved", moved);
	changed("the page is discarded and written", discarded);
	changed("another slot", new_slot);
	changed("another CR3 by KVM_SET_SREGS", other_cr3);
	changed("another page with the page directory", other_directory);
	changed("another RIP by KVM_SET_REGS", other_rip);
	device_gone();
	return tap_done();
}
