// SPDX-License-Identifier: GPL-2.0-only
/*
 * saved [-e N] [-o ORDER] [-t SECONDS] [IMAGE...]: whenever the image writes port 0x80, and at each Nth of
 * its exits, all that the API has of its machine is saved, set in a new VM on the same
 * memory, and read again, which must give the same. The image goes on there, must say what
 * it says when it is left in peace, and end in the same state.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "machine.h"

#define RAM (32u << 20)
#define IMAGES "/lib/abyme/guests/"
#define LIMIT 15 /* seconds for one run of an image, if -t says no other */

/*
 * And at which of its exits an image is moved besides: each one takes minutes, which
 * `scripts/check saved` has. None that steps through memory which
 * the new VM has not mapped yet: see docs/RIG.md for what Bochs does then.
 */
static const struct {
	const char *name;
	unsigned int every;
} standard[] = {
	{ "l1-saved", 19 },
	{ "l2-crossing", 40 },
};

static const enum part nothing_more[] = { PART_END };

static const struct {
	const char *name;
	const enum part *gets, *sets;
} orders[] = {
	{ "QEMU's", nothing_more, qemu_sets },
	{ "Cloud Hypervisor's", cloud_hypervisor_gets, cloud_hypervisor_sets },
};

static u32 moves, differences;
static int first_order, last_order = ARRAY_SIZE(orders) - 1;
static unsigned int limit = LIMIT;
static volatile sig_atomic_t too_long;

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

static void compare_all(struct machine *was, struct machine *is)
{
	machine_forget(was, is);
#define SAME(member) compare(#member, &was->member, &is->member, sizeof(was->member))
	SAME(msrs);
	SAME(nested);
	SAME(sregs2);
	SAME(regs);
	SAME(xsave);
	SAME(xcrs);
	SAME(ssp);
	SAME(events);
	SAME(mp_state);
	SAME(debugregs);
	SAME(lapic);
	SAME(chip);
	SAME(pit);
#undef SAME
}

/* One vCPU as if it were the only one. */
static struct vm only(const struct vm *vm, int cpu)
{
	struct vm view = *vm;

	view.cpu[0] = vm->cpu[cpu];
	return view;
}

/*
 * All of it as QEMU does, and then what @more has beside that. What is not the vCPU's own
 * is in the first one's, and set with it.
 */
static void save(const struct vm *vm, int cpu, struct machine *m, const enum part *more)
{
	struct vm view = only(vm, cpu);

	memset(m, 0, sizeof(*m));
	if (machine_get(&view, m, PART_CPUID))
		tap_bail("CPUID");
	machine_get_all(&view, m, qemu_gets);
	machine_get_all(&view, m, more);
}

static bool of_vm(enum part part)
{
	return part == PART_CLOCK || part == PART_PIT || part == PART_IRQCHIP;
}

static u64 clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* As QEMU has it, who takes the PIT from one machine's clock to the other's. */
static void shift_pit(struct machine *m, u64 ns)
{
	for (int i = 0; i < 3; i++)
		m->pit.channels[i].count_load_time += ns;
}

/* @since: when the PIT was saved. */
static void restore(const struct vm *vm, int cpu, struct machine *m, const enum part *sets,
		    u64 since)
{
	struct vm view = only(vm, cpu);

	for (; *sets != PART_END; sets++) {
		if (!cpu && *sets == PART_PIT)
			shift_pit(m, clock_ns() - since);
		if ((!cpu || !of_vm(*sets)) && machine_set(&view, m, *sets))
			tap_bail(part_name(*sets));
	}
}

static struct vm *move(struct vm *vm, int order)
{
	static const enum part left_out[] = { PART_PIT, PART_IRQCHIP, PART_DEBUGREGS, PART_END };
	static struct machine was[MAX_TEST_CPUS], is;
	int cpus = vm->cpu_count, cpu;
	u64 since;

	for (cpu = cpus - 1; cpu >= 0; cpu--)
		save(vm, cpu, &was[cpu], orders[order].gets);
	if (machine_get(vm, &was[0], PART_PIT))
		tap_bail("KVM_GET_PIT2");
	since = clock_ns();
	vm = vm_inherit(vm);
	for (cpu = 0; cpu < cpus; cpu++) {
		restore(vm, cpu, &was[cpu], orders[order].sets, since);
		/* Cloud Hypervisor has its own PIT and PIC, and forgets the debug registers. */
		if (orders[order].sets != qemu_sets)
			restore(vm, cpu, &was[cpu], left_out, since);
	}
	for (cpu = 0; cpu < cpus; cpu++) {
		save(vm, cpu, &is, nothing_more);
		compare_all(&was[cpu], &is);
	}
	moves++;
	return vm;
}

static void on_alarm(__attribute__((unused)) int sig)
{
	too_long = 1;
}

/* Of an image that came to no end. */
static void note_place(const struct vm *vm)
{
	struct kvm_regs regs;
	struct kvm_mp_state mp;

	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs) ||
	    ioctl(vm->cpu[0].fd, KVM_GET_MP_STATE, &mp))
		tap_bail("KVM_GET_REGS");
	tap_note("no end after %u s: RIP %#llx, RFLAGS %#llx, MP state %u, %u moves", limit,
		 regs.rip, regs.rflags, mp.mp_state, moves);
}

/* What the image says, without its notes; @order < 0: it stays where it is. */
static char *run_image(const char *path, int order, struct machine *last)
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
	too_long = 0;
	alarm(limit);
	while ((end = image_run(vm, "", &status)) == IMAGE_MARK && !too_long)
		if (order >= 0)
			vm = move(vm, order);
	alarm(0);
	if (too_long)
		note_place(vm);
	fprintf(image_console, "end %d, status %u\n", end, status);
	save(vm, 0, last, nothing_more);
	fclose(image_console);
	image_console = NULL;
	vm_free(vm);
	return said;
}

/* The next line that is no note; NULL: no more. */
static char *next_line(char **text)
{
	char *line;

	while ((line = strsep(text, "\n")) && *line == '#')
		tap_note("%s", line + 1);
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

/*
 * An exception that is neither pending nor being injected says nothing: it is the last one that L0
 * injected, as it does with one whose delivery an access to memory cut short.
 */
static void forget_delivered(struct kvm_vcpu_events *events)
{
	if (!events->exception.injected && !events->exception.pending)
		memset(&events->exception, 0, sizeof(events->exception));
}

/* Of what no clock and no address of a moment is in. */
static void compare_end(struct machine *was, struct machine *is)
{
	machine_forget(was, is);
	forget_delivered(&was->events);
	forget_delivered(&is->events);
	compare("sregs2 at the end", &was->sregs2, &is->sregs2, sizeof(was->sregs2));
	compare("debugregs at the end", &was->debugregs, &is->debugregs, sizeof(was->debugregs));
	compare("ssp at the end", &was->ssp, &is->ssp, sizeof(was->ssp));
	compare("xcrs at the end", &was->xcrs, &is->xcrs, sizeof(was->xcrs));
	compare("events at the end", &was->events, &is->events, sizeof(was->events));
}

static void check_image(const char *image)
{
	static struct machine end_alone, end_moved;
	char path[256], *alone, *moved;
	bool same;

	snprintf(path, sizeof(path), IMAGES "%s.elf", image);
	for (int order = first_order; order <= last_order; order++) {
		alone = run_image(path, -1, &end_alone);
		moves = differences = 0;
		moved = run_image(path, order, &end_moved);
		same = says_the_same(alone, moved);
		compare_end(&end_alone, &end_moved);
		tap_ok(same && moves && !differences,
		       "%s says the same when it is moved %u times in %s order", image, moves,
		       orders[order].name);
		free(alone);
		free(moved);
	}
}

/* --- INIT and SIPI, latched by a vCPU that has not run yet ------------------ */

#define BSP_CODE 0x1000
#define AP_CODE 0x2000
#define PORT_AP 0x81

/* ICR: to APIC ID 1, INIT, then SIPI with vector AP_CODE / 4096; port 0x80 after each. */
static const u8 bsp_code[] = {
	0xc7, 0x05, 0x10, 0x03, 0xe0, 0xfe, 0x00, 0x00, 0x00, 0x01, /* movl $1 << 24, ICR_HIGH */
	0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x00, 0x45, 0x00, 0x00, /* movl $0x4500, ICR */
	0xe6, 0x80,						    /* out %al, $0x80 */
	0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x02, 0x46, 0x00, 0x00, /* movl $0x4602, ICR */
	0xe6, 0x80, 0xf4,
};
/* In real mode: CS tells the vector. */
static const u8 ap_code[] = { 0x8c, 0xc8, 0xe7, PORT_AP, 0xf4 }; /* mov %cs, %ax; out; hlt */

static void second_cpu(int order)
{
	struct vm *vm = vm_new(RAM);
	u16 cs = 0;
	bool good;

	vm_irqchip(vm);
	for (int cpu = 0; cpu < 2; cpu++)
		vm_set_cpuid(vm, vm_add_cpu(vm), false);
	memcpy(vm->ram + BSP_CODE, bsp_code, sizeof(bsp_code));
	memcpy(vm->ram + AP_CODE, ap_code, sizeof(ap_code));
	vm_flat_mode(vm, 0, BSP_CODE);
	moves = differences = 0;
	for (int i = 0; i < 2; i++) {
		good = vm_run(vm, 0) == KVM_EXIT_IO && vm->cpu[0].run->io.port == 0x80;
		tap_ok(good, "the first CPU has sent %s", i ? "SIPI" : "INIT");
		vm->cpu[0].run->immediate_exit = 1;
		ioctl(vm->cpu[0].fd, KVM_RUN, 0);
		vm = move(vm, order);
	}
	good = vm_run(vm, 1) == KVM_EXIT_IO && vm->cpu[1].run->io.port == PORT_AP;
	memcpy(&cs, (u8 *)vm->cpu[1].run + vm->cpu[1].run->io.data_offset, sizeof(cs));
	tap_ok(good && cs == AP_CODE / 16 && !differences,
	       "both are moved with the second, which starts, in %s order", orders[order].name);
	vm_free(vm);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int opt;

	sigaction(SIGALRM, &action, NULL);
	while ((opt = getopt(argc, argv, "e:o:t:")) != -1) {
		switch (opt) {
		case 'e': image_every = atoi(optarg); break;
		case 'o': first_order = last_order = atoi(optarg); break;
		case 't': limit = atoi(optarg); break;
		default: tap_bail("usage: saved [-e N] [-o ORDER] [-t SECONDS] [IMAGE...]");
		}
	}
	if (first_order < 0 || last_order >= (int)ARRAY_SIZE(orders))
		tap_bail("orders");
	if (optind == argc)
		for (int order = first_order; order <= last_order; order++)
			second_cpu(order);
	for (int i = optind; i < argc; i++)
		check_image(argv[i]);
	for (u32 i = 0; optind == argc && i < ARRAY_SIZE(standard); i++) {
		image_every = standard[i].every;
		check_image(standard[i].name);
	}
	return tap_done();
}
