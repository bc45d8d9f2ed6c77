// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-exact [MODE [IMAGE]]: is the dirty log exact? While an L1 and its L2 run, their
 * memory is copied as a live migration does: all of it once, then again and again what the log
 * names. At each stop the last of it is, and then the copy must be the memory, byte by byte. In
 * each of the three ways to take the log, and by a dirty ring that is often full.
 *
 * l2-writes stops whenever one page or two were written, each time in another way: by the
 * instruction of another level, by the processor, by L0; l2-many in the midst of many VMCSs,
 * which L0 has written to memory then. l2-moves works, and a timer stops it
 * anywhere, while another thread takes the log as well.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "machine.h"
#include "ring.h"

#define IMAGES "/lib/abyme/guests/"
#define RAM (32u << 20)
#define PAGE 4096u
#define PAGES (RAM / PAGE)
#define TPR_WORD 0x5000 /* no image has anything there */
#define LOG_BEGINS 2	/* at which stop */
#define MOST_TOLD 5
#define RING_BYTES (4 * PAGE) /* as small as may be */
#define FILL_SLOT 1
#define FILL_BASE (2 * RAM)
#define FILL_PAGES 376 /* of the 448 after which a ring counts as full */
#define MSR_WALL_CLOCK 0x4b564d00

static const struct mode {
	const char *name;
	u64 flags; /* of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 */
	bool ring;
} modes[] = {
	{ .name = "plain" },
	{ .name = "manual", .flags = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	{ .name = "all-set",
	  .flags = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET },
	{ .name = "ring", .ring = true },
};

static struct vm *vm;
static struct ring ring;
static bool filled; /* the ring is kept so, until its vCPU has written some 70 pages */
static const struct mode *mode;
static u8 *copy;
static u8 others[FILL_PAGES * PAGE] __attribute__((aligned(PAGE)));
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the log, copy, end */
static bool end;
static int stops, missed, rings_full;
static u64 copied;

/* --- a pass ----------------------------------------------------------------- */

/*
 * Pages that the process had when the log began, and those that it named since. The others are
 * zero, here and in the copy, or were missed, which shows at the end. To read them again and
 * again would cost more than all else.
 */
static bool known[PAGES];
static bool first; /* pass of this log, which may name all pages */

static void copy_page(u64 page)
{
	if (first && !known[page])
		return;
	known[page] = true;
	memcpy(copy + page * PAGE, vm->ram + page * PAGE, PAGE);
	copied++;
}

static void clear_log(u64 *bits)
{
	struct kvm_clear_dirty_log clear = { .num_pages = PAGES, .dirty_bitmap = bits };

	if (ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear))
		tap_bail("KVM_CLEAR_DIRTY_LOG");
}

/* What a ring names, as a bitmap. The pages are read after the reset, not before. */
static void take_ring(u64 *bits)
{
	int taken = 0;
	u64 page;
	u32 slot;

	memset(bits, 0, PAGES / 8);
	for (; ring_take(&ring, &slot, &page); taken++)
		if (!slot && page < PAGES)
			bits[page / 64] |= 1ull << page % 64;
	if (rings_reset(vm) != taken)
		tap_bail("KVM_RESET_DIRTY_RINGS");
}

static void take_bitmap(u64 *bits)
{
	struct kvm_dirty_log log = { .dirty_bitmap = bits };

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		tap_bail("KVM_GET_DIRTY_LOG");
	if (mode->flags)
		clear_log(bits);
}

/* Context: lock held. */
static void pass(void)
{
	static u64 bits[PAGES / 64];

	if (mode->ring)
		take_ring(bits);
	else
		take_bitmap(bits);
	for (u32 word = 0; word < PAGES / 64; word++) {
		for (u64 left = bits[word]; left; left &= left - 1)
			copy_page(word * 64ull + __builtin_ctzll(left));
	}
	first = false;
}

static void *pass_again_and_again(void *unused)
{
	bool go_on = true;

	while (go_on) {
		usleep(70000); /* each pass costs L2 all that EPT02 has */
		pthread_mutex_lock(&lock);
		go_on = !end;
		if (go_on)
			pass();
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

/* L0 writes to so many pages of a slot of their own that the ring is nearly full. */
static void fill_ring(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = MSR_WALL_CLOCK };

	for (u32 i = 0; i < FILL_PAGES; i++) {
		msrs.entry.data = FILL_BASE + i * PAGE;
		if (ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &msrs) != 1)
			tap_bail("KVM_SET_MSRS of the wall clock");
	}
}

/* The log begins; what was written before is the first pass. */
static void begin_log(void)
{
	if (vm_set_region(vm->fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM, vm->ram))
		tap_bail("KVM_MEM_LOG_DIRTY_PAGES");
	if (filled && vm_set_region(vm->fd, FILL_SLOT, KVM_MEM_LOG_DIRTY_PAGES, FILL_BASE,
				    FILL_PAGES * PAGE, others))
		tap_bail("a second slot");
	vm_touched(vm, known);
	first = true;
	for (u64 page = 0; page < PAGES; page++)
		if (!(mode->flags & KVM_DIRTY_LOG_INITIALLY_SET))
			copy_page(page);
}

/* --- the comparison ---------------------------------------------------------- */

static void tell(u32 page)
{
	u32 i = 0;

	while (copy[page * PAGE + i] == vm->ram[page * PAGE + i])
		i++;
	tap_note("page %#x, offset %#x: %#x was copied, it is %#x; stop %d", page, i,
		 copy[page * PAGE + i], vm->ram[page * PAGE + i], stops);
}

/* Context: no vCPU runs, lock held. @all: also pages that are not known. */
static void compare(bool all)
{
	for (u32 page = 0; page < PAGES; page++) {
		if (!all && !known[page])
			continue;
		if (!memcmp(copy + page * PAGE, vm->ram + page * PAGE, PAGE))
			continue;
		if (missed++ < MOST_TOLD)
			tell(page);
		/* It counts once. */
		memcpy(copy + page * PAGE, vm->ram + page * PAGE, PAGE);
	}
}

static void stop(void)
{
	pthread_mutex_lock(&lock);
	stops++;
	if (stops == LOG_BEGINS)
		begin_log();
	if (stops >= LOG_BEGINS) {
		pass();
		compare(false);
		if (filled)
			fill_ring();
	}
	pthread_mutex_unlock(&lock);
}

/* --- the guest ---------------------------------------------------------------- */

static void begin(const char *image, u64 flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = flags,
	};
	struct kvm_vapic_addr word = { .vapic_addr = TPR_WORD };
	u32 entry;

	vm = vm_new(RAM);
	madvise(vm->ram, RAM, MADV_NOHUGEPAGE);
	vm_irqchip(vm);
	if (flags && ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		tap_bail("KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	if (mode->ring && rings_enable(vm, RING_BYTES))
		tap_bail("KVM_CAP_DIRTY_LOG_RING");
	entry = image_load(vm, image);
	if (!entry)
		tap_bail(image);
	image_start(vm, entry, true);
	if (mode->ring)
		ring = ring_map(vm, 0, RING_BYTES);
	if (ioctl(vm->cpu[0].fd, KVM_SET_VAPIC_ADDR, &word))
		tap_bail("KVM_SET_VAPIC_ADDR");
	copy = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (copy == MAP_FAILED)
		tap_bail("mmap");
	stops = missed = rings_full = 0;
	copied = 0;
	end = false;
}

static void empty_ring(void)
{
	pthread_mutex_lock(&lock);
	pass();
	fill_ring();
	rings_full++;
	pthread_mutex_unlock(&lock);
}

/* Stops wherever @where says. Return: how it ended, otherwise. */
static enum image_end run(enum image_end where, u8 *status)
{
	enum image_end how;

	while ((how = image_run(vm, "# ", status)) == where || how == IMAGE_FULL) {
		if (how == where)
			stop();
		else
			empty_ring();
	}
	return how;
}

static void finish(const char *image, bool well, int enough)
{
	pthread_mutex_lock(&lock);
	pass();
	compare(true);
	end = true;
	pthread_mutex_unlock(&lock);
	tap_note("%d stops, %llu pages copied, a full ring %d times", stops,
		 (unsigned long long)copied, rings_full);
	tap_ok(well, "%s, %s log: nothing happens to the guest", image, mode->name);
	tap_ok(stops >= enough && !missed && (!filled || rings_full > 1),
	       "%s, %s log: each of many copies is the memory", image, mode->name);
}

static void clean_up(void)
{
	munmap(copy, RAM);
	if (mode->ring)
		ring_unmap(&ring);
	vm_free(vm);
}

/* @file: of the image; it is to stop so often. */
static void each_write(const char *image, const char *file, int enough)
{
	u8 status = 1;
	bool well;

	filled = false;
	begin(file, mode->flags);
	well = run(IMAGE_MARK, &status) == IMAGE_DONE && !status;
	finish(image, well, enough);
	clean_up();
}

/* The timer's signal is for the thread that runs the vCPU. */
static void start_thread(pthread_t *thread)
{
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	if (pthread_create(thread, NULL, pass_again_and_again, NULL))
		tap_bail("pthread_create");
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
}

/*
 * The image's mark is before its last claim. There L2's interrupts are virtual, and a log that is
 * taken is one more EPT violation in their delivery, which the emulated processor gets wrong.
 */
static void at_work(void)
{
	pthread_t thread;
	u8 status;
	bool well;

	filled = mode->ring;
	begin(IMAGES "l2-moves.elf", mode->flags);
	stops = LOG_BEGINS - 1;
	stop();
	vm_alarm_every(100000);
	if (!mode->ring) /* whose user has the vCPU's thread empty it */
		start_thread(&thread);
	well = run(IMAGE_SIGNAL, &status) == IMAGE_MARK;
	vm_alarm_every(0);
	finish("l2-moves", well, LOG_BEGINS);
	if (!mode->ring)
		pthread_join(thread, NULL);
	clean_up();
}

int main(int argc, char **argv)
{
	for (mode = modes; mode < modes + ARRAY_SIZE(modes); mode++) {
		if (argc > 1 && strcmp(argv[1], mode->name) != 0)
			continue;
		if (argc < 3 || !strcmp(argv[2], "l2-writes"))
			each_write("l2-writes", IMAGES "l2-writes.elf", 60);
		if (argc < 3 || !strcmp(argv[2], "l2-many"))
			each_write("l2-many", IMAGES "l2-many.elf", 42);
		if (argc < 3 || !strcmp(argv[2], "l2-moves"))
			at_work();
	}
	return tap_done();
}
