// SPDX-License-Identifier: GPL-2.0-only
/*
 * mini [-n] [-s] [-c CPUS] IMAGE: run a multiboot image of selftests/guests with
 * nothing but the API: a console at 0x3f8, the debug exit at 0xf4. It shares
 * no code with the launcher, so the two prove each other. With -s it takes the
 * nested state and sets it again whenever a guest writes port 0x80.
 * Exit status: the guest's, 100 after a triple fault, 101 after anything else.
 */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "vm.h"

#define RAM (64u << 20)
#define BOOT_INFO 0x1000
#define STATUS_TRIPLE_FAULT 100
#define STATUS_BROKEN 101

#define PORT_SAVE 0x80

static struct vm *vm;
static bool save;
static int saved, saved_size; /* how often, and the largest */

static void __attribute__((noreturn)) die(const char *why)
{
	fprintf(stderr, "mini: %s\n", why);
	exit(STATUS_BROKEN);
}

static u8 *read_image(const char *path, size_t *size)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	u8 *data;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open the image");
	data = malloc(st.st_size);
	*size = read(fd, data, st.st_size);
	close(fd);
	return data;
}

static u32 load_image(const char *path)
{
	size_t size;
	u8 *data = read_image(path, &size);
	Elf32_Ehdr *eh = (void *)data;
	Elf32_Phdr *ph = (void *)(data + eh->e_phoff);

	if (size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, 4))
		die("not an ELF image");
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if ((u64)ph[i].p_paddr + ph[i].p_memsz > RAM)
			die("the image does not fit");
		memcpy(vm->ram + ph[i].p_paddr, data + ph[i].p_offset, ph[i].p_filesz);
	}
	return eh->e_entry;
}

static void out(u16 port, const u8 *data, int size, u32 count)
{
	static bool divisor_latch;

	if (port == 0x3fb) {
		divisor_latch = data[0] & 0x80;
	} else if (port == 0x3f8) {
		if (!divisor_latch)
			fwrite(data, size, count, stdout);
	} else if (port == 0xf4) {
		fflush(stdout);
		if (save)
			fprintf(stderr, "mini: %d states, up to %d bytes\n", saved, saved_size);
		_exit(data[0]);
	}
}

static void in(u16 port, u8 *data, int size, u32 count)
{
	memset(data, port == 0x3fd || port == 0x2fd ? 0x60 : 0xff, size * count);
}

static void handle_io(struct kvm_run *run)
{
	u8 *data = (u8 *)run + run->io.data_offset;

	if (run->io.direction == KVM_EXIT_IO_OUT)
		out(run->io.port, data, run->io.size, run->io.count);
	else
		in(run->io.port, data, run->io.size, run->io.count);
}

static void unexpected(struct kvm_run *run, int cpu)
{
	struct kvm_regs regs;

	fflush(stdout);
	ioctl(vm->cpu[cpu].fd, KVM_GET_REGS, &regs);
	fprintf(stderr, "mini: vCPU %d: exit %u, rip %#llx", cpu, run->exit_reason, regs.rip);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		fprintf(stderr, ", suberror %u, data %llx %llx %llx", run->internal.suberror,
			run->internal.data[0], run->internal.data[1], run->internal.data[2]);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		fprintf(stderr, ", reason %#llx", run->fail_entry.hardware_entry_failure_reason);
	fprintf(stderr, "\n");
	_exit(STATUS_BROKEN);
}

/* The nested state out and in again, once the OUT is over. */
static void save_and_restore(struct kvm_run *run, int fd)
{
	static union {
		struct kvm_nested_state state;
		u8 room[sizeof(struct kvm_nested_state) + 2 * KVM_STATE_NESTED_VMX_VMCS_SIZE];
	} s;

	run->immediate_exit = 1;
	ioctl(fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	memset(&s, 0, sizeof(s));
	s.state.size = sizeof(s);
	if (ioctl(fd, KVM_GET_NESTED_STATE, &s) || ioctl(fd, KVM_SET_NESTED_STATE, &s))
		die("the nested state cannot be taken or set");
	saved++;
	if ((int)s.state.size > saved_size)
		saved_size = s.state.size;
}

static void handle(struct kvm_run *run, int cpu)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(run);
		if (save && run->io.port == PORT_SAVE)
			save_and_restore(run, vm->cpu[cpu].fd);
		break;
	case KVM_EXIT_MMIO:
		if (!run->mmio.is_write)
			memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		break;
	case KVM_EXIT_SHUTDOWN:
		fflush(stdout);
		fprintf(stderr, "mini: triple fault\n");
		_exit(STATUS_TRIPLE_FAULT);
	default: unexpected(run, cpu);
	}
}

static void *cpu_thread(void *arg)
{
	int cpu = (long)arg;

	for (;;) {
		if (ioctl(vm->cpu[cpu].fd, KVM_RUN, 0) == 0)
			handle(vm->cpu[cpu].run, cpu);
		else if (errno != EINTR && errno != EAGAIN)
			unexpected(vm->cpu[cpu].run, cpu);
	}
	return NULL;
}

static void start(int cpus, bool nested, u32 entry)
{
	struct kvm_regs regs;
	pthread_t thread;

	for (int i = 0; i < cpus; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, nested);
	}
	vm_flat_mode(vm, 0, entry);
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	regs.rax = 0x2badb002;
	regs.rbx = BOOT_INFO;
	ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs);
	for (long i = 1; i < cpus; i++)
		pthread_create(&thread, NULL, cpu_thread, (void *)i);
	cpu_thread((void *)0);
}

int main(int argc, char **argv)
{
	bool nested = false;
	int cpus = 1, opt;

	while ((opt = getopt(argc, argv, "nsc:")) != -1) {
		if (opt == 'n')
			nested = true;
		else if (opt == 's')
			save = true;
		else if (opt == 'c')
			cpus = atoi(optarg);
		else
			die("usage: mini [-n] [-s] [-c CPUS] IMAGE");
	}
	if (optind + 1 != argc || cpus < 1 || cpus > MAX_TEST_CPUS)
		die("usage: mini [-n] [-s] [-c CPUS] IMAGE");
	setvbuf(stdout, NULL, _IOLBF, 4096);
	vm = vm_new(RAM);
	vm_irqchip(vm);
	start(cpus, nested, load_image(argv[optind]));
	return 0;
}
