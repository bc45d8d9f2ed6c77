// SPDX-License-Identifier: GPL-2.0-only
/* KVM_GET_STATS_FD: a file that describes itself, and counts what happens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "machine.h"

#define EXITS 5
#define POLL "/sys/module/abyme/parameters/halt_poll_ns"

static struct vm *vm;

static void description(int fd, const char *what)
{
	struct kvm_stats_header head = { 0 };
	size_t size;
	char id[64] = { 0 };
	bool good = true;

	pread(fd, &head, sizeof(head), 0);
	size = sizeof(struct kvm_stats_desc) + head.name_size;
	tap_ok(!head.flags && head.num_desc && head.desc_offset >= sizeof(head) &&
		       head.data_offset >= head.desc_offset + head.num_desc * size,
	       "%s: a header whose parts do not overlap", what);
	tap_ok(pread(fd, id, sizeof(id) - 1, head.id_offset) > 0 && !strncmp(id, "kvm-", 4),
	       "%s: an id like KVM's: %.40s", what, id);
	for (u32 i = 0; i < head.num_desc; i++) {
		char text[512] = { 0 };
		struct kvm_stats_desc *d = (void *)text;

		good &= size <= sizeof(text) &&
			pread(fd, text, size, head.desc_offset + i * size) == (ssize_t)size &&
			d->name[0] && memchr(d->name, 0, head.name_size) && d->size == 1 &&
			!(d->offset & 7);
	}
	tap_ok(good, "%s: every description has a name, and a place for one value", what);
	tap_ok(pread(fd, id, 8, 1 << 20) == 0, "%s: nothing behind the end", what);
	tap_ok(write(fd, id, 8) == -1, "%s: is not written to", what);
}

/* A forked child has another memory: it may see counters, and nothing else. */
static void another_process(void)
{
	char want[32], id[48] = { 0 };
	int status = 1, pid = fork();

	if (!pid) {
		int fd = ioctl(vm->fd, KVM_GET_STATS_FD, 0);

		snprintf(want, sizeof(want), "kvm-%d", getppid());
		pread(fd, id, sizeof(id) - 1, sizeof(struct kvm_stats_header));
		if (fd < 0 || strcmp(id, want))
			_exit(2);
		if (ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_HLT) != -1 || errno != EIO)
			_exit(3);
		if (ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0) != -1 || errno != EIO)
			_exit(4);
		if (ioctl(vm->fd, KVM_GET_STATS_FD + 0x55, 0) != -1 || errno != EIO)
			_exit(5);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	tap_ok(!status, "another process gets the VM's counters, under its maker's id, and EIO");
	if (status)
		tap_note("status %#x", status);
}

static void run_guest(void)
{
	for (int i = 0; i < EXITS; i++)
		ioctl(vm->cpu[0].fd, KVM_RUN, 0);
}

/* How many halts a busy wait of at most @limit ns ends, in a guest that sleeps again and again. */
static u64 polls(const char *limit)
{
	struct vm *sleeper = image_vm("l1-hlt", 16 << 20);
	int stats = ioctl(sleeper->cpu[0].fd, KVM_GET_STATS_FD, 0);
	FILE *file = fopen(POLL, "w");
	u64 count;
	u8 status;

	if (!file || fputs(limit, file) < 0 || fclose(file))
		tap_bail(POLL);
	while (image_run(sleeper, "# ", &status) != IMAGE_DONE)
		;
	count = stat_value(stats, "halt_poll_success");
	close(stats);
	vm_free(sleeper);
	return count;
}

static void busy_waits(void)
{
	u64 none = polls("0"), some = polls("1000000");

	polls("50000"); /* as it is by itself */
	tap_ok(!none, "with halt_poll_ns 0 no halt is a busy wait");
	tap_ok(some, "else some are: %llu", (unsigned long long)some);
}

int main(void)
{
	static const u8 code[] = { 0xe6, 0x10, 0xeb, 0xfc }; /* 1: out %al,$0x10; jmp 1b */
	int vm_stats, cpu_stats, other_stats;
	u64 before;

	vm = vm_new(1 << 20);
	for (int i = 0; i < 2; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, false);
	}
	vm_real_mode(vm, 0, 0x500);
	memcpy(vm->ram + 0x500, code, sizeof(code));
	vm_stats = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	cpu_stats = ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0);
	other_stats = ioctl(vm->cpu[1].fd, KVM_GET_STATS_FD, 0);
	tap_ok(vm_stats >= 0 && cpu_stats >= 0 && other_stats >= 0, "KVM_GET_STATS_FD");
	description(vm_stats, "the VM's");
	description(cpu_stats, "a vCPU's");
	if (!dev_is_kvm()) { /* which answers the VM's own process only, and is another module */
		another_process();
		busy_waits();
	}
	before = stat_value(cpu_stats, "io_exits");
	run_guest();
	tap_ok(stat_value(cpu_stats, "io_exits") == before + EXITS, "five OUTs are five io_exits");
	tap_ok(stat_value(other_stats, "io_exits") == 0, "and none of the other vCPU's");
	if (!dev_is_kvm()) /* whose VM has counters of its own */
		tap_ok(stat_value(vm_stats, "io_exits") == before + EXITS, "the VM's is their sum");
	tap_ok(stat_value(cpu_stats, "no such") == ~0ull, "an unknown counter is not found");
	before = stat_value(cpu_stats, "exits");
	close(vm->cpu[0].fd);
	vm->cpu[0].fd = -1;
	tap_ok(stat_value(cpu_stats, "exits") == before, "the file outlives the vCPU's descriptor");
	vm_free(vm);
	tap_ok(stat_value(cpu_stats, "exits") == before, "and the VM's");
	return tap_done();
}
