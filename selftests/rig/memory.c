// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory: what slots refuse, and that a guest sees what the process
 * sees, whatever the process and its kernel do to the memory meanwhile.
 *
 * The guest is two instructions long: one load or store, and an OUT.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vm.h"

#define MIB (1ull << 20)
#define PAGE 4096ull
#define RAM (1 * MIB)
#define LOAD 0x1000	/* mov (%eax),%ebx; out %al,$0x10 */
#define STORE 0x1010	/* mov %ebx,(%eax); out %al,$0x10 */
#define COUNT 0x1020	/* 1: incl (%eax); loop 1b; out %al,$0x10 */
#define AREA (16 * MIB) /* where the tests put slots */
#define FILL 0x11111111u

static struct vm *vm;
static struct kvm_run *run;
static struct {
	u64 gpa;
	u32 len;
	u32 value;
	bool write;
} mmio; /* the guest's last */

/* --- the guest ---------------------------------------------------------- */

enum outcome { DONE, MMIO, FAULT, OTHER };

static const u8 code_load[] = { 0x8b, 0x18, 0xe6, 0x10 };
static const u8 code_store[] = { 0x89, 0x18, 0xe6, 0x10 };
static const u8 code_count[] = { 0xff, 0x00, 0xe2, 0xfc, 0xe6, 0x10 };

static void finish_io(void)
{
	run->immediate_exit = 1;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	run->immediate_exit = 0;
}

static enum outcome guest_go(void)
{
	if (ioctl(vm->cpu[0].fd, KVM_RUN, 0) < 0)
		return errno == EFAULT ? FAULT : OTHER;
	if (run->exit_reason == KVM_EXIT_MMIO)
		return MMIO;
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0x10)
		return OTHER;
	finish_io();
	return DONE;
}

/* Note what it was; a load gets 0xeeeeeeee. */
static void take_mmio(void)
{
	mmio.gpa = run->mmio.phys_addr;
	mmio.len = run->mmio.len;
	mmio.write = run->mmio.is_write;
	memcpy(&mmio.value, run->mmio.data, 4);
	if (!mmio.write)
		memset(run->mmio.data, 0xee, 8);
}

static enum outcome guest_run(u32 rip, u32 gpa, u32 value, u32 *result)
{
	struct kvm_regs regs = { .rip = rip, .rax = gpa, .rbx = value, .rcx = value, .rflags = 2 };
	enum outcome outcome;

	ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs);
	outcome = guest_go();
	if (outcome == MMIO) {
		take_mmio();
		guest_go();
	}
	if (outcome == OTHER)
		tap_note("exit %u, errno %d", run->exit_reason, errno);
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	if (result)
		*result = regs.rbx;
	return outcome;
}

static bool reads(u32 gpa, u32 want)
{
	u32 got = 0;
	enum outcome outcome = guest_run(LOAD, gpa, 0, &got);

	if (outcome != DONE || got != want)
		tap_note("load of %#x: outcome %d, %#x", gpa, outcome, got);
	return outcome == DONE && got == want;
}

static bool writes(u32 gpa, u32 value)
{
	return guest_run(STORE, gpa, value, NULL) == DONE;
}

static void make_guest(void)
{
	vm = vm_new(RAM);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	vm_flat_mode(vm, 0, LOAD);
	run = vm->cpu[0].run;
	memcpy(vm->ram + LOAD, code_load, sizeof(code_load));
	memcpy(vm->ram + STORE, code_store, sizeof(code_store));
	memcpy(vm->ram + COUNT, code_count, sizeof(code_count));
}

/* --- memory of the process ---------------------------------------------- */

/* 2 MiB aligned, as slots at AREA are, so that large pages are possible. */
static u8 *area_new(size_t size)
{
	u8 *p = mmap(NULL, size + 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	u8 *start = (u8 *)(((u64)p + 2 * MIB - 1) & ~(2 * MIB - 1));

	if (p == MAP_FAILED)
		tap_bail("mmap");
	munmap(p, start - p);
	munmap(start + size, p + 2 * MIB - start);
	madvise(start, size, MADV_HUGEPAGE);
	return start;
}

static u32 *word(u8 *area, u64 offset)
{
	return (u32 *)(area + offset);
}

static void fill(u8 *area, size_t size, u32 value)
{
	for (u64 i = 0; i < size; i += PAGE)
		*word(area, i) = value;
}

static int slot(u32 id, u32 flags, u64 gpa, u64 size, void *host)
{
	return vm_set_region(vm->fd, id, flags, gpa, size, host);
}

static void slot_drop(u32 id)
{
	slot(id, 0, 0, 0, NULL);
}

/* --- refusals ----------------------------------------------------------- */

static void test_refusals(void)
{
	int slots = vm_cap(vm->fd, KVM_CAP_NR_MEMSLOTS);
	u8 *a = area_new(4 * MIB);

	tap_ok(slots >= 32, "at least 32 slots");
	EXPECT_ERRNO(slot(slots, 0, AREA, MIB, a), EINVAL, "slot number too high");
	EXPECT_ERRNO(slot(2 << 16 | 1, 0, AREA, MIB, a), EINVAL, "address space of no kind");
	EXPECT_ERRNO(slot(1, 4, AREA, MIB, a), EINVAL, "unknown flag");
	EXPECT_ERRNO(slot(1, 0, AREA + 512, MIB, a), EINVAL, "unaligned guest address");
	EXPECT_ERRNO(slot(1, 0, AREA, MIB + 1, a), EINVAL, "unaligned size");
	EXPECT_ERRNO(slot(1, 0, AREA, MIB, a + 1), EINVAL, "unaligned process address");
	EXPECT_ERRNO(slot(1, 0, AREA, MIB, (void *)~0xfffull), EINVAL, "kernel's memory");
	EXPECT_ERRNO(slot(1, 0, ~0xfffull, 2 * PAGE, a), EINVAL, "wraps around");
	EXPECT_ERRNO(slot(1, 0, 1ull << 52, PAGE, a), EINVAL, "beyond the address width");
	EXPECT_ERRNO(slot(1, 0, AREA, 1ull << 43, a), EINVAL, "2^31 pages");
	EXPECT_ERRNO(slot(1, 0, AREA, 0, a), EINVAL, "deletion of no slot");
	EXPECT_ERRNO(slot(1, 0, 0, PAGE, a), EEXIST, "overlap with the start of slot 0");
	EXPECT_ERRNO(slot(1, 0, RAM - PAGE, 2 * PAGE, a), EEXIST, "overlap with its end");

	EXPECT_OK(slot(1, 0, AREA, MIB, a), "a slot");
	EXPECT_OK(slot(1, 0, AREA, MIB, a), "the same again");
	EXPECT_ERRNO(slot(1, 0, AREA, 2 * MIB, a), EINVAL, "another size");
	EXPECT_ERRNO(slot(1, 0, AREA, MIB, a + MIB), EINVAL, "other memory");
	EXPECT_ERRNO(slot(1, KVM_MEM_READONLY, AREA, MIB, a), EINVAL, "read-only later");
	EXPECT_ERRNO(slot(1, 0, PAGE, MIB, a), EEXIST, "move onto slot 0");
	EXPECT_OK(slot(1, 0, AREA + PAGE, MIB, a), "move onto itself");
	EXPECT_OK(slot(2, 0, AREA + PAGE + MIB, MIB, a), "a neighbour, with the same memory");
	slot_drop(2);
	slot_drop(1);
	munmap(a, 4 * MIB);
}

static void test_log_refusals(void)
{
	u8 *a = area_new(2 * MIB);
	u64 bits[8];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 64, .dirty_bitmap = bits };

	memset(bits, 0, sizeof(bits));
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT, "log of no slot");
	log.slot = 0xffff;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EINVAL, "log of an impossible slot");
	slot(1, 0, AREA, 100 * PAGE, a);
	log.slot = 1;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT, "log that is not kept");
	slot(1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 100 * PAGE, a);
	log.dirty_bitmap = (void *)8;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EFAULT, "bitmap at a bad address");
	if (vm_cap(vm->fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) <= 0)
		goto out;
	clear.first_page = 1;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), EINVAL, "clear: not a whole word");
	clear.first_page = 128;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), EINVAL, "clear: beyond the slot");
	clear.first_page = 0;
	clear.num_pages = 65;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), EINVAL, "clear: half a word");
	clear.num_pages = 100;
	EXPECT_OK(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), "clear: up to the slot's end");
out:
	slot_drop(1);
	munmap(a, 2 * MIB);
}

/* --- slots and the guest ------------------------------------------------ */

static void test_slots_live(void)
{
	u8 *a = area_new(2 * MIB);
	u32 got;

	fill(a, 2 * MIB, FILL);
	tap_ok(guest_run(LOAD, AREA, 0, &got) == MMIO && got == 0xeeeeeeee, "no slot: MMIO");
	slot(1, 0, AREA, 2 * MIB, a);
	tap_ok(reads(AREA, FILL), "a new slot is memory");
	tap_ok(writes(AREA + 4, 5) && *word(a, 4) == 5, "a store shows in the process");
	*word(a, 4) = 6;
	tap_ok(reads(AREA + 4, 6), "and the other way");
	slot_drop(1);
	tap_ok(guest_run(LOAD, AREA, 0, NULL) == MMIO, "a deleted slot is MMIO again");
	slot(1, 0, AREA, 2 * MIB, a);
	tap_ok(reads(AREA + 4, 6), "its memory has kept what it had");
	slot(1, 0, AREA + 8 * MIB, 2 * MIB, a);
	tap_ok(guest_run(LOAD, AREA, 0, NULL) == MMIO, "a moved slot is gone from the old place");
	tap_ok(reads(AREA + 8 * MIB + 4, 6), "and is at the new one");
	slot_drop(1);

	slot(1, KVM_MEM_READONLY, AREA, 2 * MIB, a);
	tap_ok(reads(AREA + 4, 6), "a read-only slot can be read");
	tap_ok(guest_run(STORE, AREA + 4, 7, NULL) == MMIO, "a store to it is MMIO");
	tap_ok(mmio.write && mmio.gpa == AREA + 4 && mmio.len == 4 && mmio.value == 7,
	       "with its address, length and value");
	tap_ok(*word(a, 4) == 6, "and changes nothing");
	slot_drop(1);
	munmap(a, 2 * MIB);
}

/* --- the host's memory manager ------------------------------------------ */

static void test_discard(void)
{
	u8 *a = area_new(4 * MIB);

	slot(1, 0, AREA, 4 * MIB, a);
	fill(a, 4 * MIB, FILL);
	tap_ok(reads(AREA, FILL) && reads(AREA + 3 * MIB, FILL), "large pages are read");
	madvise(a + 3 * MIB, PAGE, MADV_DONTNEED);
	tap_ok(reads(AREA + 3 * MIB, 0), "a discarded page reads as zero");
	tap_ok(reads(AREA + 3 * MIB + PAGE, FILL) && reads(AREA + 2 * MIB, FILL),
	       "its neighbours are as they were");
	tap_ok(writes(AREA + 3 * MIB, 9) && *word(a, 3 * MIB) == 9, "and it can be written again");
	madvise(a, 4 * MIB, MADV_DONTNEED);
	tap_ok(reads(AREA + PAGE, 0), "all discarded: zero");
	tap_ok(writes(AREA + PAGE, 8) && *word(a, PAGE) == 8,
	       "the shared zero page isn't what is written");
	tap_ok(reads(AREA + 2 * PAGE, 0), "nor does it change");
	slot_drop(1);
	munmap(a, 4 * MIB);
}

static void test_replace(void)
{
	u8 *a = area_new(2 * MIB), *b = area_new(2 * MIB);

	slot(1, 0, AREA, 2 * MIB, a);
	fill(a, 2 * MIB, FILL);
	fill(b, 2 * MIB, 2);
	tap_ok(reads(AREA + PAGE, FILL), "before");
	mremap(b, 2 * MIB, 2 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED, a);
	tap_ok(reads(AREA + PAGE, 2), "memory moved under a slot shows");
	munmap(a, 2 * MIB);
	tap_ok(guest_run(LOAD, AREA + PAGE, 0, NULL) == FAULT, "nothing there: EFAULT");
	mmap(a, 2 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	tap_ok(reads(AREA + PAGE, 0), "new memory there: zero");
	tap_ok(guest_run(STORE, AREA + PAGE, 1, NULL) == FAULT, "a store to PROT_READ: EFAULT");
	mprotect(a, 2 * MIB, PROT_READ | PROT_WRITE);
	tap_ok(writes(AREA + PAGE, 3) && *word(a, PAGE) == 3, "after mprotect it works");
	mprotect(a, 2 * MIB, PROT_READ);
	tap_ok(guest_run(STORE, AREA + PAGE, 4, NULL) == FAULT && *word(a, PAGE) == 3,
	       "and doesn't after another");
	slot_drop(1);
	munmap(a, 2 * MIB);
}

/* The child's copy is not what the guest writes. */
static void test_fork(void)
{
	u8 *a = area_new(2 * MIB);
	int go[2], status;
	char c = 0;
	pid_t pid;

	slot(1, 0, AREA, 2 * MIB, a);
	fill(a, 2 * MIB, FILL);
	reads(AREA, FILL);
	writes(AREA, 1);
	if (pipe(go))
		tap_bail("pipe");
	pid = fork();
	if (!pid) {
		(void)!read(go[0], &c, 1);
		_exit(*word(a, 0) == 1 && *word(a, PAGE) == FILL ? 0 : 1);
	}
	tap_ok(reads(AREA + PAGE, FILL), "after fork: loads");
	tap_ok(writes(AREA, 2) && *word(a, 0) == 2, "stores reach this process");
	tap_ok(writes(AREA + PAGE, 3) && *word(a, PAGE) == 3, "also of a page read before");
	(void)!write(go[1], &c, 1);
	waitpid(pid, &status, 0);
	tap_ok(status == 0, "and not the child");
	close(go[0]);
	close(go[1]);
	slot_drop(1);
	munmap(a, 2 * MIB);
}

static void test_shared_file(void)
{
	u8 *a = area_new(2 * MIB);
	int fd = memfd_create("memory", 0);
	u32 value = FILL;

	if (fd < 0 || ftruncate(fd, 2 * MIB))
		tap_bail("memfd");
	(void)!pwrite(fd, &value, 4, PAGE);
	mmap(a, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	slot(1, 0, AREA, 2 * MIB, a);
	tap_ok(reads(AREA + PAGE, FILL), "a file behind a slot is read");
	tap_ok(writes(AREA + PAGE, 5), "and written");
	slot_drop(1);
	munmap(a, 2 * MIB);
	(void)!pread(fd, &value, 4, PAGE);
	tap_ok(value == 5, "the file has it");
	close(fd);
}

/* Every increment counts while pages are made copy-on-write under the guest. */
static volatile bool stop;
static int forks;

static void *fork_again_and_again(void *unused)
{
	while (!stop) {
		pid_t pid = fork();

		if (!pid) {
			usleep(2000);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		forks++;
	}
	return unused;
}

static void test_no_store_is_lost(void)
{
	u8 *a = area_new(2 * MIB);
	pthread_t thread;
	u32 total = 0;

	slot(1, 0, AREA, 2 * MIB, a);
	stop = false;
	pthread_create(&thread, NULL, fork_again_and_again, NULL);
	for (int i = 0; i < 50 || forks < 20; i++) {
		enum outcome outcome;

		outcome = guest_run(COUNT, AREA + PAGE, 20000, NULL);
		while (outcome == OTHER && errno == EINTR)
			outcome = guest_go();
		if (outcome != DONE)
			break;
		total += 20000;
	}
	stop = true;
	pthread_join(thread, NULL);
	tap_ok(total && *word(a, PAGE) == total, "no store is lost while the process forks");
	tap_note("%u stores, %u counted, %d forks", total, *word(a, PAGE), forks);
	slot_drop(1);
	munmap(a, 2 * MIB);
}

/* --- the dirty log ------------------------------------------------------ */

static u64 dirty_word(u32 id, int index)
{
	static u64 bits[64];
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bits };

	memset(bits, 0, sizeof(bits));
	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		tap_note("KVM_GET_DIRTY_LOG: errno %d", errno);
	return bits[index];
}

static void test_dirty_log(void)
{
	u8 *a = area_new(4 * MIB);

	fill(a, 4 * MIB, FILL);
	slot(1, 0, AREA, 4 * MIB, a);
	writes(AREA + 3 * PAGE, 1); /* by a large page, if the host has one */
	slot(1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 4 * MIB, a);
	tap_ok(dirty_word(1, 0) == 0, "a new log is empty");
	reads(AREA + 5 * PAGE, FILL);
	if (dev_is_kvm()) /* foresees a store */
		dirty_word(1, 0);
	else
		tap_ok(dirty_word(1, 0) == 0, "a load is not in it");
	writes(AREA + 3 * PAGE, 2);
	writes(AREA + 63 * PAGE, 2);
	writes(AREA + 64 * PAGE, 2);
	tap_ok(dirty_word(1, 0) == (1ull << 3 | 1ull << 63), "stores are");
	tap_ok(dirty_word(1, 1) == 0, "reading the log empties it");
	writes(AREA + 3 * PAGE, 3);
	writes(AREA + 3 * PAGE, 4);
	tap_ok(dirty_word(1, 0) == 1ull << 3, "the next store is seen again");
	writes(AREA + 5 * PAGE, 4);
	tap_ok(dirty_word(1, 0) == 1ull << 5, "a store after a load too");
	slot(1, 0, AREA, 4 * MIB, a);
	tap_ok(writes(AREA + 3 * PAGE, 5) && *word(a, 3 * PAGE) == 5, "stores after the log's end");
	slot_drop(1);
	munmap(a, 4 * MIB);
}

static int clear_log(u32 id, u64 first, u32 count, u64 *bits)
{
	struct kvm_clear_dirty_log clear = {
		.slot = id,
		.first_page = first,
		.num_pages = count,
		.dirty_bitmap = bits,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear);
}

static int enable_manual(u64 flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = flags,
	};

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

/* A VM of its own: the capability is for life. */
static void test_manual_log(void)
{
	u8 *a = area_new(2 * MIB);
	u64 bits[2] = { 1ull << 3, 0 }, all[2] = { ~0ull, ~0ull };

	EXPECT_ERRNO(enable_manual(KVM_DIRTY_LOG_INITIALLY_SET), EINVAL, "initially set alone");
	EXPECT_ERRNO(enable_manual(8), EINVAL, "unknown flag of the capability");
	EXPECT_OK(enable_manual(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE), "manual clearing");
	fill(a, 2 * MIB, FILL);
	slot(1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 2 * MIB, a);
	writes(AREA + 3 * PAGE, 1);
	writes(AREA + 4 * PAGE, 1);
	dirty_word(1, 0);
	tap_ok(dirty_word(1, 0) == (1ull << 3 | 1ull << 4), "reading the log leaves it");
	EXPECT_OK(clear_log(1, 0, 128, bits), "KVM_CLEAR_DIRTY_LOG");
	tap_ok(dirty_word(1, 0) == 1ull << 4, "clears what it names");
	writes(AREA + 3 * PAGE, 2);
	tap_ok(dirty_word(1, 0) == (1ull << 3 | 1ull << 4), "and the next store is seen");
	slot_drop(1);

	EXPECT_OK(enable_manual(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET),
		  "initially set");
	slot(1, 0, AREA, 2 * MIB, a);
	writes(AREA + 3 * PAGE, 3);
	slot(1, KVM_MEM_LOG_DIRTY_PAGES, AREA, 2 * MIB, a);
	tap_ok(dirty_word(1, 7) == ~0ull, "all pages are dirty at first");
	EXPECT_OK(clear_log(1, 0, 128, all), "two words cleared");
	tap_ok(dirty_word(1, 0) == 0 && dirty_word(1, 2) == ~0ull, "and no others");
	writes(AREA + 3 * PAGE, 4);
	tap_ok(dirty_word(1, 0) == 1ull << 3, "a store after that is seen");
	slot_drop(1);
	munmap(a, 2 * MIB);
}

/* The firmware's memory, which has no struct page that we could hold. */
static void test_no_page(void)
{
	int fd = open("/dev/mem", O_RDONLY);
	u8 *a = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0xf0000);

	if (fd < 0 || a == MAP_FAILED) {
		tap_skip("no /dev/mem", "memory without a page behind it");
		return;
	}
	slot(1, 0, AREA, PAGE, a);
	tap_ok(guest_run(LOAD, AREA, 0, NULL) == FAULT, "memory without a page is EFAULT");
	slot_drop(1);
	munmap(a, PAGE);
	close(fd);
}

/* --- above 4 GiB -------------------------------------------------------- */

#define GIB (1ull << 30)
#define TABLES 0x80000 /* PML4, PDPT, page directories */
#define STORE64 0x1040 /* mov %rbx,(%rax); mov (%rax),%rbx; out %al,$0x10 */

/* 64-bit mode, with all of the 16 GiB that hold a slot or a hole mapped as they are. */
static void enter_long_mode(void)
{
	static const u8 code[] = { 0x48, 0x89, 0x18, 0x48, 0x8b, 0x18, 0xe6, 0x10 };
	u64 *pml4 = (u64 *)(vm->ram + TABLES), *pdpt = pml4 + 512;
	struct kvm_sregs s;

	pml4[0] = (TABLES + PAGE) | 3;
	for (u64 gib = 0; gib < 16; gib++) {
		u64 *directory = pml4 + (2 + gib) * 512;

		pdpt[gib] = (TABLES + (2 + gib) * PAGE) | 3;
		for (u64 i = 0; i < 512; i++)
			directory[i] = (gib * GIB + i * 2 * MIB) | 0x83;
	}
	memcpy(vm->ram + STORE64, code, sizeof(code));
	ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s);
	s.cs.l = 1;
	s.cs.db = 0;
	s.cr3 = TABLES;
	s.cr4 |= 0x20;
	s.efer = 0x500;
	s.cr0 |= 0x80000001;
	if (ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s))
		tap_bail("long mode");
}

static enum outcome store64(u64 gpa, u64 value, u64 *read_back)
{
	struct kvm_regs regs = { .rip = STORE64, .rax = gpa, .rbx = value, .rflags = 2 };
	enum outcome outcome;

	ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs);
	outcome = guest_go();
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	*read_back = regs.rbx;
	return outcome;
}

static bool last_is_dirty(u32 id, u64 pages)
{
	u64 *bits = calloc(pages / 64, sizeof(*bits));
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bits };
	bool dirty = !ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log) && bits[pages / 64 - 1] >> 63;

	free(bits);
	return dirty;
}

/* 8 GiB of memory from 4 GiB on, of which next to nothing exists. */
static void test_above_4gib(void)
{
	static const u64 at[] = { 4 * GIB, 5 * GIB + 0x1234560, 8 * GIB - 8, 8 * GIB,
				  12 * GIB - 8 };
	u8 *a = mmap(NULL, 8 * GIB, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 got;

	if (a == MAP_FAILED)
		tap_bail("mmap of 8 GiB");
	enter_long_mode();
	slot(1, 0, 4 * GIB, 8 * GIB, a);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		u64 value = 0x1122334455667700 + i;
		enum outcome outcome = store64(at[i], value, &got);

		tap_ok(outcome == DONE && got == value && *(u64 *)(a + at[i] - 4 * GIB) == value,
		       "a store at %#llx is where it belongs", (unsigned long long)at[i]);
	}
	tap_ok(*(u64 *)vm->ram == 0 && *(u64 *)a == 0x1122334455667700, "and not 4 GiB below");
	tap_ok(store64(12 * GIB, 1, &got) == MMIO && run->mmio.phys_addr == 12 * GIB,
	       "what is behind the slot is userspace's");
	finish_io();
	slot(1, KVM_MEM_LOG_DIRTY_PAGES, 4 * GIB, 8 * GIB, a);
	store64(12 * GIB - 8, 2, &got);
	tap_ok(last_is_dirty(1, 8 * GIB / PAGE), "a store to its last page is in the dirty log");
	slot_drop(1);
	tap_ok(store64(4 * GIB, 1, &got) == MMIO && run->mmio.phys_addr == 4 * GIB,
	       "without the slot its place is userspace's");
	finish_io();
	munmap(a, 8 * GIB);
}

int main(void)
{
	make_guest();
	test_refusals();
	test_log_refusals();
	test_slots_live();
	test_discard();
	test_replace();
	test_fork();
	test_shared_file();
	test_no_store_is_lost();
	test_dirty_log();
	test_no_page();
	vm_free(vm);
	make_guest();
	test_manual_log();
	vm_free(vm);
	make_guest();
	test_above_4gib();
	vm_free(vm);
	return tap_done();
}
