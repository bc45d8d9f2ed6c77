// SPDX-License-Identifier: GPL-2.0-only
/* Images of selftests/guests, run by nothing but the API. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../machine.h"

#define IMAGES "/lib/abyme/guests/"
#define BOOT_INFO 0x1000
#define MULTIBOOT_MAGIC 0x2badb002
#define PORT_CONSOLE 0x3f8
#define PORT_MARK 0x80
#define PORT_STATUS 0xf4

FILE *image_console;
unsigned int image_every;

static u8 *read_file(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	u8 *data = NULL;

	if (fd >= 0 && !fstat(fd, &st)) {
		data = malloc(st.st_size);
		*size = read(fd, data, st.st_size);
	}
	if (fd >= 0)
		close(fd);
	return data;
}

u32 image_load(struct vm *vm, const char *path)
{
	size_t size = 0;
	u8 *data = read_file(path, &size);
	Elf32_Ehdr *eh = (void *)data;
	u32 entry = 0;

	if (data && size >= sizeof(*eh) && !memcmp(eh->e_ident, ELFMAG, 4))
		entry = eh->e_entry;
	for (int i = 0; entry && i < eh->e_phnum; i++) {
		Elf32_Phdr *ph = (Elf32_Phdr *)(data + eh->e_phoff) + i;

		if (ph->p_type != PT_LOAD)
			continue;
		if ((u64)ph->p_paddr + ph->p_memsz > vm->ram_size)
			entry = 0;
		else
			memcpy(vm->ram + ph->p_paddr, data + ph->p_offset, ph->p_filesz);
	}
	free(data);
	return entry;
}

void image_start(struct vm *vm, u32 entry, bool nested)
{
	struct kvm_regs regs;
	int cpu = vm_add_cpu(vm);

	vm_set_cpuid(vm, cpu, nested);
	vm_flat_mode(vm, cpu, entry);
	if (ioctl(vm->cpu[cpu].fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	regs.rax = MULTIBOOT_MAGIC;
	regs.rbx = BOOT_INFO;
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}

struct vm *image_vm(const char *name, size_t ram_size)
{
	struct vm *vm = vm_new(ram_size);
	char path[256];
	u32 entry;

	vm_irqchip(vm);
	snprintf(path, sizeof(path), IMAGES "%s.elf", name);
	entry = image_load(vm, path);
	if (!entry)
		tap_bail(path);
	image_start(vm, entry, true);
	return vm;
}

static void put_char(const char *prefix, char c)
{
	static bool inside;
	FILE *console = image_console ? image_console : stdout;

	if (!inside)
		fputs(prefix, console);
	putc(c, console);
	inside = c != '\n';
}

/* The vCPU stands after the instruction. */
static void finish(struct vm *vm)
{
	vm->cpu[0].run->immediate_exit = 1;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	vm->cpu[0].run->immediate_exit = 0;
}

/* True: it is how image_run() ends. */
static bool handle_io(struct vm *vm, const char *prefix, enum image_end *end, u8 *status)
{
	struct kvm_run *run = vm->cpu[0].run;
	u8 *data = (u8 *)run + run->io.data_offset;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		memset(data, run->io.port == 0x3fd || run->io.port == 0x2fd ? 0x60 : 0xff,
		       run->io.size * run->io.count);
		return false;
	}
	switch (run->io.port) {
	case PORT_CONSOLE:
		for (u32 i = 0; i < run->io.count; i++)
			put_char(prefix, data[i]);
		return false;
	case PORT_MARK:
		finish(vm);
		*end = IMAGE_MARK;
		return true;
	case PORT_STATUS:
		*status = data[0];
		*end = IMAGE_DONE;
		return true;
	default: return false;
	}
}

static enum image_end broken(struct vm *vm)
{
	struct kvm_run *run = vm->cpu[0].run;
	struct kvm_regs regs = {};

	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	tap_note("exit %u, RIP %#llx, errno %d, suberror %u", run->exit_reason, regs.rip, errno,
		 run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run->internal.suberror : 0);
	return IMAGE_BROKEN;
}

enum image_end image_run(struct vm *vm, const char *prefix, u8 *status)
{
	struct kvm_run *run = vm->cpu[0].run;
	static unsigned int exits;
	enum image_end end;

	for (;;) {
		if (ioctl(vm->cpu[0].fd, KVM_RUN, 0)) {
			if (errno == EINTR)
				return IMAGE_SIGNAL;
			if (errno != EAGAIN)
				return broken(vm);
		} else if (run->exit_reason == KVM_EXIT_IO) {
			if (handle_io(vm, prefix, &end, status))
				return end;
		} else if (run->exit_reason == KVM_EXIT_MMIO) {
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		} else if (run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
			return IMAGE_FULL;
		} else {
			return broken(vm);
		}
		if (image_every && run->exit_reason != KVM_EXIT_INTR &&
		    ++exits % image_every == 0) {
			finish(vm);
			return IMAGE_MARK;
		}
	}
}
