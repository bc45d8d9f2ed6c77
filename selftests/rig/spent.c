// SPDX-License-Identifier: GPL-2.0-only
/*
 * spent IMAGE: runs a multiboot image with VMX, and says after each pair of its marks
 * (selftests/lib/bench.h) what was spent between them:
 *
 *	spent ROUNDS exits N [VMX instruction N]...
 *
 * Exits of the processor while this guest ran, but for the host's interrupts, as
 * KVM_GET_STATS_FD has them, so of KVM as well (ABYME_DEV); and the VMX instructions of L0,
 * where the module counts them (make module COUNTS=1). The marks themselves are in it: the
 * first pairs, which have nothing in between, tell how much they are.
 * Exit status: the guest's; 1 after anything else.
 */
#include <stdio.h>
#include <unistd.h>
#include "machine.h"

#define RAM (128u << 20)
#define INSNS "/sys/module/abyme/parameters/vmx_insns"
#define MAX_INSNS 8

struct insn {
	char name[16];
	u64 count;
};

struct sample {
	u64 exits;
	u32 insns;
	struct insn insn[MAX_INSNS];
};

static int stats;

static void take(struct sample *s)
{
	FILE *file = fopen(INSNS, "r");

	s->exits = stat_value(stats, "exits") - stat_value(stats, "irq_exits");
	s->insns = 0;
	if (!file)
		return;
	while (s->insns < MAX_INSNS &&
	       fscanf(file, "%15s %lu", s->insn[s->insns].name, &s->insn[s->insns].count) == 2)
		s->insns++;
	fclose(file);
}

static void tell(u64 rounds, const struct sample *before, const struct sample *after)
{
	printf("spent %lu exits %lu", rounds, after->exits - before->exits);
	for (u32 i = 0; i < after->insns; i++)
		printf(" %s %lu", after->insn[i].name,
		       after->insn[i].count - before->insn[i].count);
	putchar('\n');
}

static void at_mark(struct vm *vm)
{
	static struct sample before;
	struct sample now;
	struct kvm_regs regs;

	take(&now);
	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	if (regs.rbx)
		tell(regs.rbx, &before, &now);
	take(&before);
}

int main(int argc, char **argv)
{
	enum image_end end;
	struct vm *vm;
	u8 status = 1;
	u32 entry;

	if (argc != 2)
		tap_bail("usage: spent IMAGE");
	vm = vm_new_huge(RAM);
	vm_irqchip(vm);
	entry = image_load(vm, argv[1]);
	if (!entry)
		tap_bail("the image cannot be loaded");
	image_start(vm, entry, true);
	stats = ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0);
	if (stats < 0 || stat_value(stats, "exits") == ~0ull)
		tap_bail("KVM_GET_STATS_FD");
	while ((end = image_run(vm, "", &status)) == IMAGE_MARK)
		at_mark(vm);
	return end == IMAGE_DONE ? status : 1;
}
