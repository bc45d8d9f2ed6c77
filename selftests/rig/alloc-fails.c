// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc-fails [NAME...]: memory runs out. Of each request that takes memory the first piece is
 * refused, then the second and so on, until one is answered without a refusal. A request that
 * was refused something has succeeded all the same, or it has answered ENOMEM, holds nothing,
 * and the next try does what it is for.
 *
 * Only with a module that was built for it (FAULTS=1): there a parameter of the module says
 * which piece, see selftests/faults/.
 */
#include <abyme.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmx/controls.h>
#include <vmx/vmcs.h>
#include "l1.h"
#include "machine.h"
#include "ring.h"

#define PARAMETER "/sys/module/abyme/parameters/fault"
#define MOST 64 /* pieces that a request may ask for */
#define KVM_VMX_HEADER 128

#define SLOT 1
#define SLOT_BASE 0x1000000
#define SLOT_SIZE 0x100000
#define GSI 5
#define RING_BYTES 16384

/* The guest. */
#define DONE 0x10 /* port */
#define STORED 0x180000
#define VALUE 0x600d
#define DEVICE 0x300000
#define EPT_TABLES 0x20000

static struct vm *vm;
static struct machine *machine;
static u8 *area;
static int event, resample;
static int made[8], made_count;

/* --- refusals --------------------------------------------------------------- */

struct state {
	int left;
	char place[64];
	int held;
};

static void refuse(int nth)
{
	int fd = open(PARAMETER, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || dprintf(fd, "%d", nth) < 0)
		tap_bail(PARAMETER);
	close(fd);
}

static struct state state_now(void)
{
	FILE *file = fopen(PARAMETER, "re");
	struct state s;

	if (!file || fscanf(file, "%d %63s %d", &s.left, s.place, &s.held) != 3)
		tap_bail(PARAMETER);
	fclose(file);
	return s;
}

/* Some of it is given back only when nobody can look any more. */
static bool holds(int want)
{
	for (int i = 0; i < 100 && state_now().held != want; i++)
		usleep(20000);
	return state_now().held == want;
}

/* --- machines ---------------------------------------------------------------- */

static void empty(void)
{
	vm = vm_new(L1_RAM);
}

static void with_chips(void)
{
	empty();
	vm_irqchip(vm);
}

static void with_rings(void)
{
	with_chips();
	if (rings_enable(vm, RING_BYTES))
		tap_bail("KVM_CAP_DIRTY_LOG_RING");
}

static void with_cpu(void)
{
	with_chips();
	vm_add_cpu(vm);
}

static void with_nested_cpu(void)
{
	with_cpu();
	vm_set_cpuid(vm, 0, true);
}

static void with_slot_flags(u32 flags)
{
	if (vm_set_region(vm->fd, SLOT, flags, SLOT_BASE, SLOT_SIZE, area))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
}

static void with_slot(void)
{
	empty();
	with_slot_flags(0);
}

static void with_log(void)
{
	empty();
	with_slot_flags(KVM_MEM_LOG_DIRTY_PAGES);
}

static int manual_log(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = 1 };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void with_manual_log(void)
{
	empty();
	manual_log();
	with_slot_flags(KVM_MEM_LOG_DIRTY_PAGES);
}

static void clean_up(void)
{
	while (made_count)
		close(made[--made_count]);
	if (vm)
		vm_free(vm);
	vm = NULL;
}

/* What a request has made goes with the machine. */
static int keep(int fd)
{
	if (fd >= 0)
		made[made_count++] = fd;
	return fd;
}

/* --- an L1 that runs an L2 ----------------------------------------------------- */

extern const u8 l1_code[], l1_exit[], l2_code[], code_end[];

/* 0x4402: exit reason; 0x300000: a device; 0x180000: memory, by EPT. */
asm(".pushsection .rodata\n"
    "l1_code:" L1_ENTERS "l1_exit: mov 0x300000, %ebx\n"
    "mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x10; hlt\n"
    "l2_code: movl $0x600d, 0x180000; vmcall; hlt\n"
    "code_end:\n"
    ".popsection\n");

static void put_ept(void)
{
	u64 *table = (u64 *)(vm->ram + EPT_TABLES);

	memset(table, 0, 4 * 0x1000);
	for (u64 i = 0; i < 3; i++)
		table[512 * i] = (EPT_TABLES + 0x1000 * (i + 1)) | EPTE_RWX;
	for (u64 i = 0; i < 512; i++)
		table[512 * 3 + i] = i << 12 | EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
}

static void with_l1(void)
{
	static const u64 more[][2] = {
		{ VMCS_PROC2_CTLS, PROC2_EPT },
		{ VMCS_EPT_POINTER, EPT_TABLES | EPTP_WALK_4 | EPTP_MEMTYPE_WB },
	};
	struct l1_setup setup = {
		.proc = PROC_SECONDARY,
		.exit_rip = L1_CODE + (l1_exit - l1_code),
		.l2_rip = L1_CODE + (l2_code - l1_code),
		.more = more,
		.more_count = ARRAY_SIZE(more),
	};

	with_nested_cpu();
	l1_put(vm, &setup, l1_code, code_end - l1_code);
	put_ept();
}

static int broken(void)
{
	tap_note("exit %u", vm->cpu[0].run->exit_reason);
	errno = EPROTO;
	return -1;
}

/* Until L1 has told the exit's reason. After an error it may be called again. */
static int run_l1(void)
{
	struct kvm_run *run = vm->cpu[0].run;

	for (;;) {
		if (ioctl(vm->cpu[0].fd, KVM_RUN, 0))
			return -1;
		if (run->exit_reason == KVM_EXIT_MMIO && run->mmio.phys_addr == DEVICE)
			continue;
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != DONE)
			return broken();
		if (*((u8 *)run + run->io.data_offset) != 18 || *(u32 *)(vm->ram + STORED) != VALUE)
			return broken();
		return 0;
	}
}

/* The part that is to be saved, or, later, restored. */
static const enum part *next_part;
static bool saved;

static void with_l2_run(void)
{
	with_l1();
	if (run_l1())
		tap_bail("the guest");
	next_part = qemu_gets;
	saved = false;
}

/* --- requests ------------------------------------------------------------------ */

static void node_only(void)
{
	vm = NULL;
	keep(dev_open());
}

static int create_vm(void)
{
	return keep(ioctl(made[0], KVM_CREATE_VM, 0));
}

static int create_irqchip(void)
{
	return ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
}

static int split_irqchip(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static int create_pit(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return ioctl(vm->fd, KVM_CREATE_PIT2, &pit);
}

static void with_irqchip(void)
{
	empty();
	create_irqchip();
}

static int create_vcpu(void)
{
	return keep(ioctl(vm->fd, KVM_CREATE_VCPU, 0));
}

static int set_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = 128 };

	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &c))
		return -1;
	return ioctl(vm->cpu[0].fd, KVM_SET_CPUID2, &c);
}

static int slot_made(void)
{
	return vm_set_region(vm->fd, SLOT, 0, SLOT_BASE, SLOT_SIZE, area);
}

static int slot_logged(void)
{
	return vm_set_region(vm->fd, SLOT, KVM_MEM_LOG_DIRTY_PAGES, SLOT_BASE, SLOT_SIZE, area);
}

static int slot_moved(void)
{
	return vm_set_region(vm->fd, SLOT, 0, 2 * SLOT_BASE, SLOT_SIZE, area);
}

static int slot_deleted(void)
{
	return vm_set_region(vm->fd, SLOT, 0, 0, 0, NULL);
}

static int get_log(void)
{
	u64 bits[SLOT_SIZE / 4096 / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };

	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int clear_log(void)
{
	u64 bits[SLOT_SIZE / 4096 / 64] = { ~0ull };
	struct kvm_clear_dirty_log log = {
		.slot = SLOT,
		.num_pages = SLOT_SIZE / 4096,
		.dirty_bitmap = bits,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static int set_routing(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} routing = {
		.head.nr = 2,
		.entry = { { .gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP },
			   { .gsi = 30, .type = KVM_IRQ_ROUTING_MSI } },
	};

	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing);
}

static int irqfd(u32 flags)
{
	struct kvm_irqfd args = { .fd = event, .gsi = GSI, .flags = flags, .resamplefd = resample };

	return ioctl(vm->fd, KVM_IRQFD, &args);
}

static int irqfd_made(void)
{
	return irqfd(0);
}

static int irqfd_resampled(void)
{
	return irqfd(KVM_IRQFD_FLAG_RESAMPLE);
}

static void with_irqfd(void)
{
	with_chips();
	irqfd_resampled();
}

static int irqfd_deleted(void)
{
	return irqfd(KVM_IRQFD_FLAG_DEASSIGN);
}

static int ioeventfd(u32 flags)
{
	/* Of any length: it has two places on buses. */
	struct kvm_ioeventfd args = { .addr = DEVICE, .fd = event, .flags = flags };

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

static int ioeventfd_made(void)
{
	return ioeventfd(0);
}

static void with_ioeventfd(void)
{
	empty();
	ioeventfd_made();
}

static int ioeventfd_deleted(void)
{
	return ioeventfd(KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static int coalesced(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = DEVICE, .size = 4 };

	return ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone);
}

static int set_msr_filter(void)
{
	static u8 bits[8];
	struct kvm_msr_filter filter = {
		.ranges = { { .flags = KVM_MSR_FILTER_READ, .nmsrs = 64, .bitmap = bits },
			    { .flags = KVM_MSR_FILTER_WRITE, .nmsrs = 64, .bitmap = bits } },
	};

	return ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static int vm_stats(void)
{
	return keep(ioctl(vm->fd, KVM_GET_STATS_FD, 0));
}

static int cpu_stats(void)
{
	return keep(ioctl(vm->cpu[0].fd, KVM_GET_STATS_FD, 0));
}

static void with_stats(void)
{
	with_cpu();
	vm_stats();
}

static int read_stats(void)
{
	u8 bytes[64];

	return pread(made[0], bytes, sizeof(bytes), 0) == sizeof(bytes) ? 0 : -1;
}

static int vmx_operation(void)
{
	struct {
		struct kvm_nested_state head;
		u8 room[KVM_STATE_NESTED_VMX_VMCS_SIZE];
	} s = {
		.head.size = KVM_VMX_HEADER,
		.head.format = KVM_STATE_NESTED_FORMAT_VMX,
		.head.hdr.vmx.vmxon_pa = 0x10000,
		.head.hdr.vmx.vmcs12_pa = ~0ull,
	};

	return ioctl(vm->cpu[0].fd, KVM_SET_NESTED_STATE, &s);
}

static int watch(void)
{
	struct abyme_watch watch = { .flags = ABYME_WATCH_EXITS };

	return ioctl(vm->cpu[0].fd, ABYME_SET_WATCH, &watch);
}

/*
 * One part after another, and all of it back but CPUID, which a vCPU that has run keeps. After an
 * error it may be called again.
 */
static int save_and_restore(void)
{
	for (;; next_part++) {
		if (*next_part == PART_END && saved)
			return 0;
		if (*next_part == PART_END) {
			next_part = qemu_sets;
			saved = true;
		}
		if (*next_part == PART_CPUID && saved)
			continue;
		if (saved ? machine_set(vm, machine, *next_part)
			  : machine_get(vm, machine, *next_part)) {
			if (errno != ENOMEM)
				tap_note("%s: errno %d", part_name(*next_part), errno);
			return -1;
		}
	}
}

static int supported_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = 128 };

	return ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &c);
}

/* --- all of them ----------------------------------------------------------------- */

static const struct trial {
	const char *name;
	void (*machine)(void);
	int (*request)(void);
} trials[] = {
	{ "KVM_CREATE_VM", node_only, create_vm },
	{ "KVM_GET_SUPPORTED_CPUID", empty, supported_cpuid },
	{ "KVM_CREATE_IRQCHIP", empty, create_irqchip },
	{ "a split irqchip", empty, split_irqchip },
	{ "KVM_CREATE_PIT2", with_irqchip, create_pit },
	{ "KVM_CREATE_VCPU", with_chips, create_vcpu },
	{ "KVM_CREATE_VCPU with a dirty ring", with_rings, create_vcpu },
	{ "KVM_SET_CPUID2", with_cpu, set_cpuid },
	{ "a new slot", empty, slot_made },
	{ "a slot's log", with_slot, slot_logged },
	{ "a slot that moves", with_slot, slot_moved },
	{ "a slot that goes", with_slot, slot_deleted },
	{ "KVM_GET_DIRTY_LOG", with_log, get_log },
	{ "KVM_CLEAR_DIRTY_LOG", with_manual_log, clear_log },
	{ "KVM_SET_GSI_ROUTING", with_chips, set_routing },
	{ "KVM_IRQFD", with_chips, irqfd_made },
	{ "KVM_IRQFD with resampling", with_chips, irqfd_resampled },
	{ "an irqfd that goes", with_irqfd, irqfd_deleted },
	{ "KVM_IOEVENTFD", empty, ioeventfd_made },
	{ "an ioeventfd that goes", with_ioeventfd, ioeventfd_deleted },
	{ "KVM_REGISTER_COALESCED_MMIO", empty, coalesced },
	{ "KVM_X86_SET_MSR_FILTER", with_cpu, set_msr_filter },
	{ "KVM_GET_STATS_FD of a VM", empty, vm_stats },
	{ "KVM_GET_STATS_FD of a vCPU", with_cpu, cpu_stats },
	{ "reading statistics", with_stats, read_stats },
	{ "KVM_SET_NESTED_STATE", with_nested_cpu, vmx_operation },
	{ "ABYME_SET_WATCH", with_nested_cpu, watch },
	{ "KVM_RUN, L1 and L2", with_l1, run_l1 },
	{ "a machine saved and restored", with_l2_run, save_and_restore },
};

/* Requests that take memory from nobody but those that must not fail. */
static bool cannot_fail(const struct trial *t)
{
	return t->request == irqfd_deleted || t->request == ioeventfd_deleted;
}

/* The @nth piece is refused. Return: whether there was one; *@bad rises. */
static bool try_nth(const struct trial *t, int nth, int *bad)
{
	int before = state_now().held, r, error;
	struct state s;

	t->machine();
	refuse(nth);
	errno = 0;
	r = t->request();
	error = errno;
	s = state_now();
	refuse(0);
	if (r < 0 && (s.left || error != ENOMEM)) {
		tap_note("%s: errno %d, %s", t->name, error, s.left ? "nothing refused" : s.place);
		++*bad;
	} else if (r < 0 && t->request() < 0) {
		tap_note("%s: errno %d at the second try, after %s", t->name, errno, s.place);
		++*bad;
	}
	if (!s.left)
		tap_note("%s: %s%s", t->name, s.place, r < 0 ? "" : ", and it succeeds");
	clean_up();
	if (!holds(before)) {
		tap_note("%s: %d pieces are held, %d were", t->name, state_now().held, before);
		++*bad;
	}
	return !s.left;
}

static void try_all(const struct trial *t)
{
	int nth = 1, bad = 0;

	while (nth < MOST && try_nth(t, nth, &bad))
		nth++;
	tap_ok(!bad && nth < MOST && (nth > 1 || cannot_fail(t)), "%s: memory refused %d times",
	       t->name, nth - 1);
}

static bool wanted(const struct trial *t, char **names)
{
	bool any = *names;

	for (; *names; names++)
		if (!strcmp(*names, t->name))
			return true;
	return !any;
}

/* At its end, where nothing was said meanwhile. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static void expect_silence(int log)
{
	char line[1024];
	ssize_t n = read(log, line, sizeof(line) - 1);

	if (n > 0) {
		line[n] = 0;
		tap_note("the kernel log: %s", line);
	}
	tap_ok(n < 0 && errno == EAGAIN, "nothing is said in the kernel log");
}

/* --- the module -------------------------------------------------------------------- */

static bool load(int nth)
{
	char command[80];

	snprintf(command, sizeof(command), "modprobe abyme fault=%d 2>/dev/null", nth);
	return !system(command);
}

static void module_loads(void)
{
	int nth = 1;

	if (system("rmmod abyme"))
		tap_bail("rmmod");
	while (nth < MOST && !load(nth))
		nth++;
	tap_ok(nth > 1 && nth < MOST && !access(dev_path(), F_OK),
	       "the module: memory refused %d times, then it is there", nth - 1);
}

int main(__attribute__((unused)) int argc, char **argv)
{
	int log;

	if (access(PARAMETER, F_OK)) {
		printf("1..0 # SKIP not a module that was built with FAULTS=1\n");
		return EXIT_TAP_SKIP;
	}
	area = mmap(NULL, SLOT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	machine = calloc(1, sizeof(*machine));
	event = eventfd(0, EFD_CLOEXEC);
	resample = eventfd(0, EFD_CLOEXEC);
	log = open_log();
	for (const struct trial *t = trials; t < trials + ARRAY_SIZE(trials); t++)
		if (wanted(t, argv + 1))
			try_all(t);
	expect_silence(log);
	if (!argv[1])
		module_loads();
	return tap_done();
}
