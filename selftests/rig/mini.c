// SPDX-License-Identifier: GPL-2.0-only
/*
 * mini [-nsbwrt] [-m HOW] [-c CPUS] [-a LINE] IMAGE: run a multiboot image of selftests/guests with
 * nothing but the API: a console at 0x3f8, the debug exit at 0xf4, and read-only
 * memory at 0xd8000000. It shares no code with the launcher, so the two prove each
 * other. Options: -n with VMX; -m changes what the guest's memory is made of without
 * end: drop, share or lose, see lib/churn.h; -a is its command line; -r in the end the first vCPU's reports
 * of failures; and whenever a guest writes port 0x80: -s takes the nested state and
 * sets it again; -b breaks it in between, which must be refused, prints the reports
 * and ends; -w begins or ends a watch of L2's exits; -t asks for the translation of
 * RBX and sets the system registers to what they are.
 * Exit status: the guest's, 100 after a triple fault, 101 after anything else.
 */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../lib/layout.h"
#include "lib/churn.h"
#include "nested.h"
#include "vm.h"

#define RAM (64u << 20)
#define BOOT_INFO 0x1000
#define BOOT_INFO_CMDLINE 4 /* flag, and index of its address */
#define COMMAND_LINE 0x1800
#define COMMAND_LINE_SIZE 0x800
#define READ_ONLY 0xd8000000 /* l2-pointers knows it */
#define READ_ONLY_SLOT 28
#define READ_ONLY_SIZE 4096
#define VMCS12_REVISION 0x11e57ed0 /* KVM's */
#define STATUS_TRIPLE_FAULT 100
#define STATUS_BROKEN 101

#define USAGE "usage: mini [-nsbwrt] [-m HOW] [-c CPUS] [-a LINE] IMAGE"

static struct vm *vm;
static bool opt_nested, opt_save, opt_break, opt_watch, opt_reports, opt_translate;
static int saved, watched; /* how often */
static int asked, answered;
static u32 saved_size; /* the largest */

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

/* Multiboot: the flag says that the fifth word is a string's address. */
static void set_command_line(const char *line)
{
	u32 *info = (u32 *)(vm->ram + BOOT_INFO);

	if (strlen(line) >= COMMAND_LINE_SIZE)
		die("the command line is too long");
	strcpy((char *)vm->ram + COMMAND_LINE, line);
	info[0] = BOOT_INFO_CMDLINE;
	info[BOOT_INFO_CMDLINE] = COMMAND_LINE;
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
		if (opt_save)
			fprintf(stderr, "mini: %d states, up to %u bytes\n", saved, saved_size);
		if (opt_watch)
			fprintf(stderr, "mini: watched %d times\n", watched / 2);
		if (opt_translate)
			fprintf(stderr, "mini: asked %d times, answered %d\n", asked, answered);
		if (opt_reports)
			nested_print_reports(vm->cpu[0].fd);
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

/* The vCPU stands after the OUT. */
static void finish_out(struct kvm_run *run, int fd)
{
	run->immediate_exit = 1;
	ioctl(fd, KVM_RUN, 0);
	run->immediate_exit = 0;
}

static void save_and_restore(int fd)
{
	u32 size = nested_take_state(fd);

	if (!size || nested_give_state(fd))
		die("the nested state cannot be taken or set");
	saved++;
	if (size > saved_size)
		saved_size = size;
}

static void break_state(int fd)
{
	if (!nested_take_state(fd))
		die("the nested state cannot be taken");
	nested_break_state();
	if (!nested_give_state(fd) || errno != EINVAL)
		die("a broken nested state was not refused with EINVAL");
	nested_print_reports(fd);
	_exit(0);
}

static void toggle_watch(int fd)
{
	if (nested_watch(fd, !(watched++ % 2)))
		die("the watch cannot be set");
}

static void translate(int fd)
{
	struct kvm_translation tr = {};
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(fd, KVM_GET_REGS, &regs))
		die("no registers");
	tr.linear_address = regs.rbx;
	if (ioctl(fd, KVM_TRANSLATE, &tr))
		die("no translation");
	asked++;
	answered += tr.valid && tr.physical_address == regs.rbx;
	if (ioctl(fd, KVM_GET_SREGS, &sregs) || ioctl(fd, KVM_SET_SREGS, &sregs))
		die("the system registers cannot be taken or set");
}

static void at_port_80(struct kvm_run *run, int fd)
{
	finish_out(run, fd);
	if (opt_save)
		save_and_restore(fd);
	if (opt_break)
		break_state(fd);
	if (opt_watch)
		toggle_watch(fd);
	if (opt_translate)
		translate(fd);
}

static void handle(struct kvm_run *run, int cpu)
{
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(run);
		if (run->io.port == 0x80 && run->io.direction == KVM_EXIT_IO_OUT)
			at_port_80(run, vm->cpu[cpu].fd);
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
		else if (errno != EINTR && errno != EAGAIN && !(churn_loses() && errno == EFAULT))
			unexpected(vm->cpu[cpu].run, cpu);
	}
	return NULL;
}

static void start(int cpus, u32 entry)
{
	struct kvm_regs regs;
	pthread_t thread;

	for (int i = 0; i < cpus; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, opt_nested);
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

/* Memory that the guest cannot write: zeros, but a VMCS revision could be there. */
static void add_read_only(void)
{
	u8 *page = mmap(NULL, READ_ONLY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	if (page == MAP_FAILED || vm_set_region(vm->fd, READ_ONLY_SLOT, KVM_MEM_READONLY, READ_ONLY,
						READ_ONLY_SIZE, page))
		die("no read-only memory");
	memcpy(page, &(u32){ VMCS12_REVISION }, sizeof(u32));
}

int main(int argc, char **argv)
{
	const char *churn = NULL, *line = NULL;
	int cpus = 1, opt;
	u32 entry;

	while ((opt = getopt(argc, argv, "nsbwrtm:c:a:")) != -1) {
		switch (opt) {
		case 'n': opt_nested = true; break;
		case 's': opt_save = true; break;
		case 'b': opt_break = true; break;
		case 'w': opt_watch = true; break;
		case 'r': opt_reports = true; break;
		case 't': opt_translate = true; break;
		case 'm': churn = optarg; break;
		case 'c': cpus = atoi(optarg); break;
		case 'a': line = optarg; break;
		default: die(USAGE);
		}
	}
	if (optind + 1 != argc || cpus < 1 || cpus > MAX_TEST_CPUS)
		die(USAGE);
	setvbuf(stdout, NULL, _IOLBF, 4096);
	vm = vm_new(RAM);
	vm_irqchip(vm);
	add_read_only();
	if (churn && !churn_prepare(vm, churn, POOL_BASE))
		die(USAGE);
	entry = load_image(argv[optind]);
	if (line)
		set_command_line(line);
	if (churn)
		churn_start();
	start(cpus, entry);
	return 0;
}
