// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: what the API promises and refuses, that each page that is written is named
 * once, and that a full ring loses nothing. That they are exact with an L1 and its L2 is
 * dirty-exact's claim.
 *
 * The guest writes one byte to each of so many pages, and says so by an OUT.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ring.h"

#define PAGE 4096u
#define RAM (1u << 20)
#define AREA (16u << 20)
#define PAGES 1024u
#define SLOT 3u
#define CODE 0x1000 /* 1: inc byte [eax]; add eax, 0x1000; loop 1b; out 0x10, al */
#define MAX_BYTES (65536u * 16)
#define BYTES (4 * PAGE) /* as small as may be: 1024 entries */
#define FORGED 40u	 /* entries of a ring that userspace makes up */

static const u8 code[] = { 0xfe, 0x00, 0x05, 0x00, 0x10, 0x00, 0x00, 0xe2, 0xf7, 0xe6, 0x10 };

static struct vm *vm;
static u8 *area;
static struct ring ring[2];
static int times[PAGES]; /* how often each page was named since seen_none() */
static int others;	 /* entries that name something else */

/* --- the guest ---------------------------------------------------------- */

static void area_slot(u32 flags)
{
	if (vm_set_region(vm->fd, SLOT, flags, AREA, PAGES * PAGE, area))
		tap_bail("a slot");
}

static void add_cpus(int cpus, u32 bytes)
{
	memcpy(vm->ram + CODE, code, sizeof(code));
	for (int i = 0; i < cpus; i++) {
		vm_add_cpu(vm);
		vm_set_cpuid(vm, i, false);
		vm_flat_mode(vm, i, CODE);
		if (bytes)
			ring[i] = ring_map(vm, i, bytes);
	}
}

/* A VM with @cpus vCPUs, whose rings have @bytes, and a logged slot. 0: no rings. */
static void make_vm(int cpus, u32 bytes)
{
	vm = vm_new(RAM);
	if (bytes && rings_enable(vm, bytes))
		tap_bail("KVM_CAP_DIRTY_LOG_RING");
	add_cpus(cpus, bytes);
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		tap_bail("mmap");
	memset(area, 1, PAGES * PAGE);
	area_slot(KVM_MEM_LOG_DIRTY_PAGES);
}

static void drop_vm(int cpus, u32 bytes)
{
	for (int i = 0; bytes && i < cpus; i++)
		ring_unmap(&ring[i]);
	vm_free(vm);
	munmap(area, PAGES * PAGE);
}

/* KVM_RUN. Return: the exit's reason, or -errno. */
static int run(int cpu)
{
	return ioctl(vm->cpu[cpu].fd, KVM_RUN, 0) ? -errno : (int)vm->cpu[cpu].run->exit_reason;
}

static void begin_at(int cpu, u64 gpa, u32 count)
{
	struct kvm_regs regs = {
		.rip = CODE,
		.rax = gpa,
		.rcx = count,
		.rflags = 2,
	};

	if (ioctl(vm->cpu[cpu].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}

/* Writes to the pages [page, page + count). Return: as run(). */
static int writes(int cpu, u32 page, u32 count)
{
	begin_at(cpu, AREA + page * PAGE, count);
	return run(cpu);
}

/* --- a ring's user ------------------------------------------------------ */

static void seen_none(void)
{
	memset(times, 0, sizeof(times));
	others = 0;
}

/* Return: how many entries there were. */
static int take(int cpu)
{
	int count = 0;
	u64 offset;
	u32 slot;

	for (; ring_take(&ring[cpu], &slot, &offset); count++) {
		if (slot == SLOT && offset < PAGES)
			times[offset]++;
		else
			others++;
	}
	return count;
}

/* Was each page of [page, page + count) named once, and nothing else? */
static bool named_once(u32 page, u32 count)
{
	for (u32 i = 0; i < PAGES; i++) {
		if (times[i] == (i >= page && i < page + count))
			continue;
		tap_note("page %u is named %d times", i, times[i]);
		return false;
	}
	if (others)
		tap_note("%d entries name no page of the slot", others);
	return !others;
}

/* --- claims ------------------------------------------------------------- */

static void test_enabling(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL, .args[0] = PAGE };

	vm = vm_new(RAM);
	tap_ok(vm_cap(vm->fd, KVM_CAP_DIRTY_LOG_RING) == MAX_BYTES &&
		       vm_cap(vm->fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) == MAX_BYTES,
	       "a ring may have 65536 entries");
	EXPECT_ERRNO(rings_enable(vm, 0), EINVAL, "rings of no size");
	EXPECT_ERRNO(rings_enable(vm, PAGE / 2), EINVAL, "less than a page");
	if (!dev_is_kvm()) /* where there is no page log it takes less */
		EXPECT_ERRNO(rings_enable(vm, BYTES / 2), EINVAL, "less than a page log may fill");
	EXPECT_ERRNO(rings_enable(vm, 3 * PAGE), EINVAL, "no power of two");
	EXPECT_ERRNO(rings_enable(vm, 2 * MAX_BYTES), E2BIG, "too large a ring");
	EXPECT_ERRNO(rings_reset(vm), EINVAL, "KVM_RESET_DIRTY_RINGS without rings");
	cap.args[0] = BYTES;
	EXPECT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "rings, by either capability");
	EXPECT_ERRNO(rings_enable(vm, BYTES), EINVAL, "a second time");
	EXPECT_OK(rings_reset(vm), "KVM_RESET_DIRTY_RINGS without vCPUs");
	vm_free(vm);

	vm = vm_new(RAM);
	vm_add_cpu(vm);
	EXPECT_ERRNO(rings_enable(vm, BYTES), EINVAL, "rings when there is a vCPU");
	vm_free(vm);
}

/* Can the process read there? */
static bool readable(const void *page)
{
	int fds[2];
	bool can;

	if (pipe(fds))
		tap_bail("pipe");
	can = write(fds[1], page, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return can;
}

static void *map(int protection, int flags, u64 page, u32 pages)
{
	return mmap(NULL, pages * PAGE, protection, flags, vm->cpu[0].fd, page * PAGE);
}

static void test_mapping(void)
{
	u8 *at;

	make_vm(1, BYTES);
	tap_ok(map(PROT_READ, MAP_PRIVATE, KVM_DIRTY_LOG_PAGE_OFFSET, 4) == MAP_FAILED &&
		       errno == EINVAL,
	       "a private mapping of a ring: EINVAL");
	tap_ok(map(PROT_READ | PROT_EXEC, MAP_SHARED, KVM_DIRTY_LOG_PAGE_OFFSET, 4) == MAP_FAILED &&
		       (errno == EINVAL || errno == EPERM),
	       "an executable one: EINVAL, or EPERM of a newer kernel");
	at = map(PROT_READ, MAP_SHARED, KVM_DIRTY_LOG_PAGE_OFFSET, 5);
	tap_ok(at != MAP_FAILED && readable(at) && readable(at + 3 * PAGE) && !readable(at + BYTES),
	       "behind the ring there is nothing");
	munmap(at, 5 * PAGE);
	drop_vm(1, BYTES);

	make_vm(1, 0);
	at = map(PROT_READ, MAP_PRIVATE, KVM_DIRTY_LOG_PAGE_OFFSET, 1);
	tap_ok(at != MAP_FAILED && !readable(at), "without rings there is none");
	munmap(at, PAGE);
	drop_vm(1, 0);
}

static void test_log(void)
{
	u64 bits[PAGES / 64] = {};
	struct kvm_dirty_log get = { .slot = SLOT, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT,
		.num_pages = PAGES,
		.dirty_bitmap = bits,
	};

	make_vm(1, BYTES);
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &get), ENXIO, "no bitmap to get");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), ENXIO, "none to clear");
	seen_none();
	writes(0, 7, 3);
	tap_ok(take(0) == 3 && named_once(7, 3), "each page that is written is in the ring");
	writes(0, 7, 3);
	tap_ok(!take(0), "once, until it is reset");
	tap_ok(rings_reset(vm) == 3, "the reset says how many");
	tap_ok(!rings_reset(vm), "and none the next time");
	tap_ok(!take(0), "no page is in the ring that was not written since");
	seen_none();
	writes(0, 8, 4);
	tap_ok(take(0) == 4 && named_once(8, 4), "a write after the reset is");

	area_slot(0);
	tap_ok(rings_reset(vm) == 4, "a reset of what is not logged any more");
	writes(0, 0, 9);
	tap_ok(!take(0), "without the slot's flag nothing is pushed");
	area_slot(KVM_MEM_LOG_DIRTY_PAGES);
	seen_none();
	writes(0, 0, 9);
	tap_ok(take(0) == 9 && named_once(0, 9), "a new log names all that is written");
	if (vm_set_region(vm->fd, SLOT, 0, 0, 0, NULL))
		tap_bail("a slot's end");
	tap_ok(rings_reset(vm) == 9, "a reset of a slot that is gone");
	drop_vm(1, BYTES);
}

/* Entries of a slot's log, its end and another one's with its number, all before the reset. */
static void test_slots(void)
{
	make_vm(1, BYTES);
	seen_none();
	writes(0, 0, 5);
	area_slot(0);
	area_slot(KVM_MEM_LOG_DIRTY_PAGES);
	writes(0, 3, 5);
	tap_ok(take(0) == 10 && times[0] == 1 && times[4] == 2 && times[7] == 1,
	       "a log that begins again names what is written in it");
	tap_ok(rings_reset(vm) == 10, "entries of both are reset");
	seen_none();
	writes(0, 0, 9);
	tap_ok(take(0) == 9 && named_once(0, 9), "and the next write of each is seen");
	if (vm_set_region(vm->fd, SLOT, KVM_MEM_LOG_DIRTY_PAGES, 2 * AREA, PAGES * PAGE, area))
		tap_bail("a slot that moves");
	tap_ok(rings_reset(vm) == 9, "a reset of a slot that has moved");
	begin_at(0, 2 * AREA, 2);
	seen_none();
	run(0);
	tap_ok(take(0) == 2 && named_once(0, 2), "there, too");
	drop_vm(1, BYTES);
}

/* A log that would begin full, were there no rings. */
static void test_initially_set(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
	};

	vm = vm_new(RAM);
	EXPECT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "all pages dirty at first");
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area_slot(KVM_MEM_LOG_DIRTY_PAGES);
	EXPECT_OK(rings_enable(vm, BYTES), "and rings");
	add_cpus(1, BYTES);
	seen_none();
	writes(0, 0, 3);
	tap_ok(take(0) == 3 && named_once(0, 3), "name what is written of a slot that was there");
	area_slot(0);
	area_slot(KVM_MEM_LOG_DIRTY_PAGES);
	rings_reset(vm);
	seen_none();
	writes(0, 2, 3);
	tap_ok(take(0) == 3 && named_once(2, 3), "and of a log that begins");
	drop_vm(1, BYTES);
}

/* Runs until the guest is done, emptying the ring when it is full. Return: how often it was. */
static int run_on(int cpu)
{
	int full = 0, why;

	while ((why = run(cpu)) == KVM_EXIT_DIRTY_RING_FULL) {
		full++;
		if (!take(cpu) || rings_reset(vm) <= 0)
			tap_bail("a full ring that cannot be emptied");
	}
	if (why != KVM_EXIT_IO)
		tap_note("exit %d", why);
	take(cpu);
	rings_reset(vm);
	return full;
}

static bool all_were_written(u8 value)
{
	for (u32 i = 0; i < PAGES; i++)
		if (area[i * PAGE] != value)
			return false;
	return true;
}

static void test_full(void)
{
	int full;

	make_vm(1, BYTES);
	tap_ok(writes(0, 0, PAGES) == KVM_EXIT_DIRTY_RING_FULL, "a full ring ends KVM_RUN");
	tap_ok(run(0) == KVM_EXIT_DIRTY_RING_FULL, "and again, at once");
	seen_none();
	full = run_on(0);
	/* A page whose write has not been done when the ring is emptied comes again. */
	for (u32 i = 0; i < PAGES; i++)
		times[i] = times[i] > 0;
	tap_ok(full > 0 && named_once(0, PAGES) && all_were_written(2),
	       "emptied, it loses no page and no write");
	tap_note("%d times", full);
	drop_vm(1, BYTES);
}

/* --- several at once ---------------------------------------------------- */

#define ROUNDS 40

static volatile int running;

static void *write_often(void *cpu)
{
	for (int i = 0; i < ROUNDS; i++) {
		begin_at((long)cpu, AREA, 64);
		while (run((long)cpu) == KVM_EXIT_DIRTY_RING_FULL)
			usleep(100);
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * Two vCPUs write to the same pages while this thread empties their rings, and copies what they
 * name. Each write is in a copy, or its page in a ring.
 */
static void test_at_once(void)
{
	static u8 copy[64];
	pthread_t thread[2];
	bool same = true;
	int passes = 0;

	make_vm(2, BYTES);
	running = 2;
	for (long i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, write_often, (void *)i))
			tap_bail("pthread_create");
	memset(copy, 1, sizeof(copy));
	for (bool last = false; !last; passes++) {
		last = !__atomic_load_n(&running, __ATOMIC_ACQUIRE);
		seen_none();
		take(0);
		take(1);
		if (rings_reset(vm) < 0)
			tap_bail("KVM_RESET_DIRTY_RINGS");
		for (u32 i = 0; i < 64; i++)
			if (times[i])
				copy[i] = *(volatile u8 *)(area + i * PAGE);
	}
	for (u32 i = 0; i < 64; i++)
		same = same && copy[i] == area[i * PAGE];
	tap_ok(same && area[0] > 1 && !others, "two vCPUs at once, and nothing is missed");
	tap_note("%d passes", passes);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	drop_vm(2, BYTES);
}

static void test_two(void)
{
	make_vm(2, BYTES);
	writes(0, 0, 5);
	writes(1, 3, 5);
	seen_none();
	tap_ok(take(0) == 5 && named_once(0, 5), "a vCPU's ring has what it wrote");
	tap_ok(take(1) == 3, "and not what another wrote before");
	tap_ok(rings_reset(vm) >= 8, "both are reset at once");
	seen_none();
	writes(1, 0, 5);
	tap_ok(!take(0) && take(1) == 5 && named_once(0, 5), "the next write may be the other's");
	drop_vm(2, BYTES);
}

/* What userspace may write into the entries does no harm. */
static void test_forged(void)
{
	static const struct {
		u32 slot;
		u64 offset;
	} lies[] = {
		{ SLOT, PAGES }, { SLOT, ~0ull },	 { SLOT + 1, 0 }, { 508, 0 },
		{ 509, 0 },	 { 1u << 16 | SLOT, 0 }, { ~0u, ~0ull },
	};

	make_vm(1, BYTES);
	for (u32 i = 0; i < ring[0].entries; i++)
		ring[0].gfns[i].flags = KVM_DIRTY_GFN_F_RESET;
	if (!dev_is_kvm())
		tap_ok(!rings_reset(vm), "nothing is reset that was not pushed");
	memset(ring[0].gfns, 0, BYTES);
	writes(0, 0, FORGED);
	for (u32 i = 0; i < FORGED; i++) {
		ring[0].gfns[i].slot = lies[i % ARRAY_SIZE(lies)].slot;
		ring[0].gfns[i].offset = lies[i % ARRAY_SIZE(lies)].offset;
		ring[0].gfns[i].flags = ~0u;
	}
	tap_ok(rings_reset(vm) == FORGED, "entries that name nothing are reset");
	ring[0].next = FORGED;
	seen_none();
	writes(0, FORGED, 20);
	tap_ok(take(0) == 20 && named_once(FORGED, 20), "and the ring works on");
	drop_vm(1, BYTES);
}

#define MSR_WALL_CLOCK 0x4b564d00

/* L0 writes the time to where the MSR says. */
static void wall_clock_of(u64 gpa)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = MSR_WALL_CLOCK, .data = gpa } };

	if (ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &msrs) != 1)
		tap_bail("KVM_SET_MSRS of the wall clock");
}

/* Return: was it written? */
static bool wall_clock_at(u32 page)
{
	memset(area + page * PAGE, 0x77, PAGE);
	wall_clock_of(AREA + page * PAGE);
	return area[page * PAGE + 8] != 0x77;
}

/* A client that makes L0 write, and never empties the ring, is told that its log is not whole. */
static void test_no_room(void)
{
	u32 page = 0;
	int taken;

	make_vm(1, BYTES);
	while (page < PAGES && wall_clock_at(page))
		page++;
	seen_none();
	taken = take(0);
	tap_ok(page == PAGES && taken == PAGES && named_once(0, PAGES) && rings_reset(vm) == taken,
	       "what L0 writes is in the ring, to its last entry");
	for (page = 0; page < PAGES; page++)
		wall_clock_at(page);
	if (vm_set_region(vm->fd, SLOT + 1, KVM_MEM_LOG_DIRTY_PAGES, 2 * AREA, PAGE, area))
		tap_bail("one more slot");
	begin_at(0, 2 * AREA, 1);
	wall_clock_of(2 * AREA);
	EXPECT_ERRNO(rings_reset(vm), ENOSPC, "one page more is lost");
	seen_none();
	tap_ok(take(0) == PAGES && rings_reset(vm) == PAGES, "said once");
	tap_ok(run(0) == KVM_EXIT_IO, "and the vCPU runs on");
	drop_vm(1, BYTES);
}

int main(void)
{
	test_enabling();
	test_mapping();
	test_log();
	test_slots();
	test_initially_set();
	test_full();
	test_two();
	test_at_once();
	test_forged();
	if (dev_is_kvm())
		tap_skip("KVM does not expect it", "a page that has no room is told of");
	else
		test_no_room();
	return tap_done();
}
