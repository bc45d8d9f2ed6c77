// SPDX-License-Identifier: GPL-2.0-only
/*
 * saved [IMAGE...]: whenever the image writes port 0x80 all that the API has of its machine
 * is saved, set in a new VM on the same memory, and read again, which must give the
 * same. The image goes on there, and must say what it says when it is left in peace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine.h"

#define RAM (32u << 20)
#define IMAGES "/lib/abyme/guests/"
#define TRANSCRIPT (64u << 10)

static const char *const standard[] = {
	"l1-saved", "l1-debug",	 "l2-crossing", "l2-exits", "l2-meanwhile", "l2-order",
	"l2-pae",   "l2-shadow", "l2-shadows",	"l2-tpr",   "l2-registers", "l2-debug",
};

static const struct {
	const char *name;
	const enum part *gets, *sets;
} orders[] = {
	{ "QEMU's", qemu_gets, qemu_sets },
	{ "Cloud Hypervisor's", cloud_hypervisor_gets, cloud_hypervisor_sets },
};

static u32 moves, differences;

/* A VM with the memory of @old, which is none after this. */
static struct vm *inherit(struct vm *old)
{
	struct vm *vm = vm_new(RAM);
	u8 *own = vm->ram;

	vm_irqchip(vm);
	if (vm_set_region(vm->fd, 0, 0, 0, 0, NULL) ||
	    vm_set_region(vm->fd, 0, 0, 0, RAM, old->ram))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	vm->ram = old->ram;
	old->ram = own;
	vm_free(old);
	vm_add_cpu(vm);
	return vm;
}

static void compare(const char *name, const void *a, const void *b, size_t size)
{
	const u8 *x = a, *y = b;
	size_t i = 0;

	while (i < size && x[i] == y[i])
		i++;
	if (i == size)
		return;
	if (differences++ < 6)
		tap_note("%s differs at byte 0x%zx: 0x%x, was 0x%x", name, i, y[i], x[i]);
}

/* MSRs that are clocks: IA32_TSC, Hyper-V's run time and reference time. */
static void forget_clocks(struct machine *m)
{
	static const u32 clocks[] = { 0x10, 0x40000010, 0x40000020 };

	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++)
		if (machine_msr(m, clocks[i]))
			machine_msr(m, clocks[i])->data = 0;
}

/* What an unusable segment has beside that is nothing. */
static void forget_unusable(struct kvm_sregs2 *s)
{
	struct kvm_segment *all[] = { &s->cs, &s->ds, &s->es, &s->fs,
				      &s->gs, &s->ss, &s->tr, &s->ldt };

	for (u32 i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->unusable)
			*all[i] = (struct kvm_segment){ .base = all[i]->base, .unusable = 1 };
}

/* The current count of the LAPIC's timer, which runs. */
static void forget_count(struct machine *m)
{
	memset(m->lapic.regs + 0x390, 0, 4);
}

static void compare_all(struct machine *was, struct machine *is)
{
	forget_clocks(was);
	forget_clocks(is);
	forget_unusable(&was->sregs2);
	forget_unusable(&is->sregs2);
	forget_count(was);
	forget_count(is);
	/* Time has passed; and when counting began is asked for by a count that is read. */
	for (int i = 0; i < 3; i++)
		was->pit.channels[i].count_load_time = is->pit.channels[i].count_load_time = 0;
	was->nested.state.hdr.vmx.preemption_timer_deadline = 0;
	is->nested.state.hdr.vmx.preemption_timer_deadline = 0;
#define SAME(member) compare(#member, &was->member, &is->member, sizeof(was->member))
	SAME(msrs);
	SAME(nested);
	SAME(sregs2);
	SAME(regs);
	SAME(xsave);
	SAME(xcrs);
	SAME(events);
	SAME(mp_state);
	SAME(debugregs);
	SAME(lapic);
	SAME(chip);
	SAME(pit);
#undef SAME
}

static struct vm *move(struct vm *vm, int order)
{
	static struct machine was, is;

	memset(&was, 0, sizeof(was));
	memset(&is, 0, sizeof(is));
	if (machine_get(vm, &was, PART_CPUID))
		tap_bail("CPUID");
	machine_get_all(vm, &was, orders[order].gets);
	machine_get_all(vm, &was, qemu_gets);
	vm = inherit(vm);
	machine_set_all(vm, &was, orders[order].sets);
	/* What the order leaves out is userspace's own there. */
	machine_set(vm, &was, PART_IRQCHIP);
	machine_set(vm, &was, PART_PIT);
	machine_get_all(vm, &is, qemu_gets);
	compare_all(&was, &is);
	moves++;
	return vm;
}

/* What the image says, without its notes; @order < 0: it stays where it is. */
static char *run_image(const char *path, int order)
{
	struct vm *vm = vm_new(RAM);
	enum image_end end;
	size_t size;
	char *said;
	u8 status = 0;
	u32 entry;

	vm_irqchip(vm);
	entry = image_load(vm, path);
	if (!entry)
		tap_bail(path);
	image_start(vm, entry, strstr(path, "/l2-"));
	image_console = open_memstream(&said, &size);
	while ((end = image_run(vm, "", &status)) == IMAGE_MARK)
		if (order >= 0)
			vm = move(vm, order);
	fprintf(image_console, "end %d, status %u\n", end, status);
	fclose(image_console);
	image_console = NULL;
	vm_free(vm);
	return said;
}

/* The next line that is no note; NULL: no more. */
static char *next_line(char **text)
{
	char *line;

	do
		line = strsep(text, "\n");
	while (line && *line == '#');
	return line;
}

static bool says_the_same(char *alone, char *moved)
{
	bool same = true;
	char *a, *b;

	do {
		a = next_line(&alone);
		b = next_line(&moved);
		if (a && b && !strcmp(a, b))
			continue;
		if (a || b)
			tap_note("\"%s\", was \"%s\"", b ? b : "", a ? a : "");
		same = same && !a && !b;
	} while (a && b);
	return same;
}

static void check_image(const char *image)
{
	char path[256], *alone, *moved;
	bool same;

	snprintf(path, sizeof(path), IMAGES "%s.elf", image);
	for (u32 order = 0; order < ARRAY_SIZE(orders); order++) {
		alone = run_image(path, -1);
		moves = differences = 0;
		moved = run_image(path, order);
		same = says_the_same(alone, moved);
		tap_ok(same && moves && !differences,
		       "%s says the same when it is moved %u times in %s order", image, moves,
		       orders[order].name);
		free(alone);
		free(moved);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		check_image(argv[i]);
	for (u32 i = 0; argc == 1 && i < ARRAY_SIZE(standard); i++)
		check_image(standard[i]);
	return tap_done();
}
