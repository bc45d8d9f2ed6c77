// SPDX-License-Identifier: GPL-2.0-only
/* The walk of a guest's page tables, and segmentation before it. */
/* sources: kmod/emulate/pagewalk.c kmod/emulate/segaddr.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "emulate/pagewalk.h"
#include "emulate/segaddr.h"

#define P BIT_ULL(0)
#define W BIT_ULL(1)
#define U BIT_ULL(2)
#define A BIT_ULL(5)
#define D BIT_ULL(6)
#define PS BIT_ULL(7)
#define NX BIT_ULL(63)

/* Tables of the guest, at these physical addresses. */
#define PML4 0x1000
#define PDPT 0x2000
#define PD 0x3000
#define PT 0x4000
#define MEMORY 0x8000

static u8 memory[MEMORY] __aligned(8);
static struct pagewalk w;
static int reads, updates;
static int races;     /* updates that are to find the entry changed */
static int fail_read; /* errno for reads */

static int read_entry(void *ctx, u64 gpa, u64 *entry, u8 size)
{
	(void)ctx;
	assert_true(gpa % size == 0);
	assert_true(gpa + size <= MEMORY);
	reads++;
	if (fail_read)
		return fail_read;
	*entry = 0;
	memcpy(entry, memory + gpa, size);
	return 0;
}

static int update_entry(void *ctx, u64 gpa, u64 old, u64 new, u8 size)
{
	u64 now = 0;

	(void)ctx;
	assert_true(gpa % size == 0);
	memcpy(&now, memory + gpa, size);
	updates++;
	if (races) {
		races--;
		memory[gpa + 1] ^= 2; /* an ignored bit: software's own */
		return -ESTALE;
	}
	assert_true(now == old);
	memcpy(memory + gpa, &new, size);
	return 0;
}

static const struct pagewalk_ops ops = { .read = read_entry, .update = update_entry };

static void put(u64 table, unsigned int index, u64 entry)
{
	u8 size = w.paging == PAGING_32 ? 4 : 8;

	memcpy(memory + table + index * size, &entry, size);
}

static u64 get(u64 table, unsigned int index)
{
	u8 size = w.paging == PAGING_32 ? 4 : 8;
	u64 entry = 0;

	memcpy(&entry, memory + table + index * size, size);
	return entry;
}

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(&w, 0, sizeof(w));
	w.ops = &ops;
	w.maxphyaddr = 39;
	w.wp = true;
	w.nxe = true;
	w.gbpages = true;
	w.cr3 = PML4 | 0x18; /* PCD, PWT */
	reads = updates = races = fail_read = 0;
	return 0;
}

#define LINEAR 0x00007f8040201abcULL /* indexes 255, 1, 1, 1 */

static void setup_4level(u64 rights)
{
	w.paging = PAGING_4LEVEL;
	put(PML4, 255, PDPT | P | W | U);
	put(PDPT, 1, PD | P | W | U);
	put(PD, 1, PT | P | W | U);
	put(PT, 1, 0x7654321000 | P | rights);
}

static const struct access kernel_read,
	kernel_write = { .write = true }, kernel_fetch = { .fetch = true },
	system_read = { .implicit = true }, user_read = { .user = true },
	user_write = { .user = true, .write = true }, user_fetch = { .user = true, .fetch = true };

static void expect(u64 linear, struct access access, u64 gpa)
{
	struct x86_fault fault;
	struct page_found found;

	assert_int_equal(pagewalk(&w, linear, &access, &found, &fault), 0);
	assert_true(found.gpa == gpa);
}

static void expect_fault(u64 linear, struct access access, u32 error)
{
	struct x86_fault fault;
	struct page_found found;

	assert_int_equal(pagewalk(&w, linear, &access, &found, &fault), -EFAULT);
	assert_int_equal(fault.vector, VEC_PF);
	assert_true(fault.has_error);
	assert_int_equal(fault.error, error);
	assert_true(fault.cr2 == linear);
}

static void test_no_paging(void **state)
{
	(void)state;
	w.paging = PAGING_NONE;
	expect(0xfedcba98, user_write, 0xfedcba98);
	assert_int_equal(reads, 0);
}

static void test_4level(void **state)
{
	(void)state;
	setup_4level(W | U);
	expect(LINEAR, user_read, 0x7654321abc);
	assert_true(get(PML4, 255) & A && get(PDPT, 1) & A && get(PD, 1) & A && get(PT, 1) & A);
	assert_false(get(PT, 1) & D);
	assert_int_equal(updates, 4);
	expect(LINEAR, user_write, 0x7654321abc);
	assert_true(get(PT, 1) & D);
	assert_false(get(PD, 1) & D);
	assert_int_equal(updates, 5);
	expect(LINEAR, kernel_fetch, 0x7654321abc);
	assert_int_equal(updates, 5);
}

static void test_large_pages(void **state)
{
	(void)state;
	setup_4level(W | U);
	put(PD, 1, 0x40200000 | P | W | PS);
	expect(LINEAR, kernel_write, 0x40201abc);
	assert_true(get(PD, 1) & D);
	put(PDPT, 1, 0x1c0000000 | P | W | PS);
	expect(LINEAR, kernel_read, 0x1c0201abc);
	put(PD, 1, 0x40200000 | P | W | PS | BIT_ULL(12)); /* PAT: not reserved */
	put(PDPT, 1, PD | P | W);
	expect(LINEAR, kernel_read, 0x40201abc);
}

static void test_not_present(void **state)
{
	(void)state;
	setup_4level(W | U);
	put(PT, 1, 0x1000);
	expect_fault(LINEAR, user_write, PF_USER | PF_WRITE);
	put(PD, 1, PT | NX | PS); /* nothing else counts if it is not present */
	expect_fault(LINEAR, kernel_read, 0);
	put(PML4, 255, 0);
	expect_fault(LINEAR, kernel_fetch, PF_FETCH);
	w.nxe = false;
	expect_fault(LINEAR, kernel_fetch, 0);
	assert_int_equal(updates, 0); /* a faulting walk marks nothing */
}

static void test_rights_of_all_levels(void **state)
{
	(void)state;
	setup_4level(W | U);
	put(PDPT, 1, PD | P | W);
	expect_fault(LINEAR, user_read, PF_PRESENT | PF_USER);
	put(PDPT, 1, PD | P | U);
	expect(LINEAR, user_read, 0x7654321abc);
	expect_fault(LINEAR, user_write, PF_PRESENT | PF_USER | PF_WRITE);
	expect_fault(LINEAR, kernel_write, PF_PRESENT | PF_WRITE);
	w.wp = false;
	expect(LINEAR, kernel_write, 0x7654321abc);
	expect_fault(LINEAR, user_write, PF_PRESENT | PF_USER | PF_WRITE);
	put(PDPT, 1, PD | P | W | U | NX);
	expect_fault(LINEAR, user_fetch, PF_PRESENT | PF_USER | PF_FETCH);
	expect_fault(LINEAR, kernel_fetch, PF_PRESENT | PF_FETCH);
	expect(LINEAR, user_write, 0x7654321abc);
}

static void test_smep(void **state)
{
	(void)state;
	setup_4level(W | U);
	w.smep = true;
	expect_fault(LINEAR, kernel_fetch, PF_PRESENT | PF_FETCH);
	expect(LINEAR, user_fetch, 0x7654321abc);
	put(PT, 1, 0x5000 | P);
	expect(LINEAR, kernel_fetch, 0x5abc);
	w.nxe = false; /* SMEP alone lets the error code tell fetches */
	put(PT, 1, 0x5000 | P | U);
	expect_fault(LINEAR, kernel_fetch, PF_PRESENT | PF_FETCH);
}

static void test_smap(void **state)
{
	(void)state;
	setup_4level(W | U);
	w.smap = true;
	expect_fault(LINEAR, kernel_read, PF_PRESENT);
	expect_fault(LINEAR, kernel_write, PF_PRESENT | PF_WRITE);
	expect(LINEAR, kernel_fetch, 0x7654321abc);
	w.ac = true;
	expect(LINEAR, kernel_write, 0x7654321abc);
	expect_fault(LINEAR, system_read, PF_PRESENT); /* AC does not help it */
	w.ac = false;
	w.wp = false;
	expect_fault(LINEAR, kernel_write, PF_PRESENT | PF_WRITE);
	put(PT, 1, 0x5000 | P);
	expect(LINEAR, system_read, 0x5abc);
}

/* Keys are of user pages and of data. With CR0.WP clear a supervisor writes all the same. */
static void test_protection_keys(void **state)
{
	const u64 key = 13;

	(void)state;
	setup_4level(W | U);
	put(PT, 1, 0x5000 | P | W | U | key << 59);
	w.pkru = 1u << 2 * key;
	expect(LINEAR, user_write, 0x5abc);
	w.pke = true;
	expect_fault(LINEAR, user_read, PF_PRESENT | PF_USER | PF_PK);
	expect_fault(LINEAR, user_write, PF_PRESENT | PF_USER | PF_WRITE | PF_PK);
	expect_fault(LINEAR, kernel_read, PF_PRESENT | PF_PK);
	expect_fault(LINEAR, system_read, PF_PRESENT | PF_PK);
	expect(LINEAR, user_fetch, 0x5abc);
	w.pkru = 2u << 2 * key;
	expect(LINEAR, user_read, 0x5abc);
	expect_fault(LINEAR, user_write, PF_PRESENT | PF_USER | PF_WRITE | PF_PK);
	expect_fault(LINEAR, kernel_write, PF_PRESENT | PF_WRITE | PF_PK);
	w.wp = false;
	expect(LINEAR, kernel_write, 0x5abc);
	w.pkru = ~(3u << 2 * key);
	expect(LINEAR, user_write, 0x5abc);
	w.pkru = ~0u;
	put(PT, 1, 0x5000 | P | W | key << 59);
	expect(LINEAR, kernel_write, 0x5abc);
	expect_fault(LINEAR, user_read, PF_PRESENT | PF_USER);
}

static void test_reserved_bits(void **state)
{
	const u32 error = PF_PRESENT | PF_RSVD;

	(void)state;
	setup_4level(W | U);
	put(PT, 1, BIT_ULL(39) | P | W | U);
	expect_fault(LINEAR, kernel_read, error);
	w.maxphyaddr = 40;
	expect(LINEAR, kernel_read, BIT_ULL(39) | 0xabc);
	put(PT, 1, 0x5000 | P | BIT_ULL(55)); /* ignored */
	expect(LINEAR, kernel_read, 0x5abc);
	put(PT, 1, 0x5000 | P | NX);
	w.nxe = false;
	expect_fault(LINEAR, user_write, error | PF_USER | PF_WRITE);
	w.nxe = true;
	put(PD, 1, 0x40200000 | P | PS | BIT_ULL(13));
	expect_fault(LINEAR, kernel_read, error);
	put(PDPT, 1, 0x40000000 | P | PS | BIT_ULL(29));
	expect_fault(LINEAR, kernel_read, error);
	put(PDPT, 1, 0x40000000 | P | PS);
	w.gbpages = false;
	expect_fault(LINEAR, kernel_read, error);
	put(PML4, 255, PDPT | P | W | U | PS);
	expect_fault(LINEAR, kernel_read, error);
}

static void test_pae(void **state)
{
	const u64 linear = 0xc0201abc; /* PDPTE 3, indexes 1, 1 */

	(void)state;
	w.paging = PAGING_PAE;
	w.cr3 = 0x123456789000; /* not looked at: the registers are */
	w.pdpte[3] = PD | P;
	put(PD, 1, PT | P | W | U);
	put(PT, 1, 0x5000 | P | W | U);
	expect(linear, user_write, 0x5abc);
	assert_int_equal(reads, 2);
	expect_fault(0x40201abc, user_read, PF_USER);
	put(PD, 1, 0x200000 | P | W | U | PS | NX);
	expect(linear, user_write, 0x201abc);
	expect_fault(linear, user_fetch, PF_PRESENT | PF_USER | PF_FETCH);
	put(PD, 1, PT | P | BIT_ULL(52)); /* ignored in 4-level paging, reserved here */
	expect_fault(linear, kernel_read, PF_PRESENT | PF_RSVD);
}

static void test_32bit(void **state)
{
	const u64 linear = 0x00c01abc; /* indexes 3, 1 */

	(void)state;
	w.paging = PAGING_32;
	w.cr3 = 0x100000000 | PD | 0xfff; /* bits past 31 and the low ones do not count */
	w.smep = true;
	put(PD, 3, PT | P | W | U);
	put(PT, 1, 0xfffff000 | P | W | U);
	expect(linear, user_write, 0xfffffabc);
	assert_true(get(PT, 1) == (0xfffff000 | P | W | U | A | D));
	assert_int_equal(get(PT, 2), 0);
	expect_fault(linear, kernel_fetch, PF_PRESENT | PF_FETCH);
	w.smep = false;
	put(PD, 3, 0);
	expect_fault(linear, kernel_fetch, 0);
}

/* PSE-36; and PS without CR4.PSE points at a table. */
static void test_4m_pages(void **state)
{
	const u64 linear = 0x00c01abc;

	(void)state;
	w.paging = PAGING_32;
	w.cr3 = PD;
	put(PD, 3, PT | P | W | U | PS);
	put(PT, 1, 0x5000 | P | U);
	expect(linear, user_read, 0x5abc);
	w.pse = true;
	put(PD, 3, 0x12c00000 | 5 << 13 | P | W | U | PS);
	expect(linear, user_write, 0x512c01abc);
	put(PD, 3, 0x12c00000 | BIT_ULL(21) | P | PS);
	expect_fault(linear, kernel_read, PF_PRESENT | PF_RSVD);
	w.maxphyaddr = 36;
	put(PD, 3, 0x12c00000 | BIT_ULL(17) | P | PS);
	expect_fault(linear, kernel_read, PF_PRESENT | PF_RSVD);
	put(PD, 3, 0x12c00000 | BIT_ULL(16) | P | PS);
	expect(linear, kernel_read, 0x812c01abc);
}

static void test_lost_races(void **state)
{
	struct x86_fault fault;
	struct page_found found;

	(void)state;
	setup_4level(W | U);
	races = 5;
	expect(LINEAR, user_write, 0x7654321abc);
	assert_true(get(PT, 1) & D);
	setup_4level(W | U);
	races = 1000000;
	assert_int_equal(pagewalk(&w, LINEAR, &user_write, &found, &fault), -EAGAIN);
}

static void expect_page(u64 linear, struct access access, bool user, bool writable, bool nx)
{
	struct mem_trail trail = {};
	struct page_found found;
	struct x86_fault fault;

	access.trail = &trail;
	assert_int_equal(pagewalk(&w, linear, &access, &found, &fault), 0);
	assert_int_equal(found.user, user);
	assert_int_equal(found.writable, writable);
	assert_int_equal(found.nx, nx);
	if (!trail.count) /* without paging there is none */
		return;
	assert_int_equal(trail.user, user);
	assert_int_equal(trail.writable, writable);
}

/* What the exit qualification of an EPT violation tells of the page. */
static void test_tells_of_the_page(void **state)
{
	(void)state;
	setup_4level(W | U);
	expect_page(LINEAR, kernel_fetch, true, true, false);
	setup_4level(U | NX);
	expect_page(LINEAR, user_read, true, false, true);
	setup_4level(W);
	expect_page(LINEAR, kernel_write, false, true, false);
	w.nxe = false;
	setup_4level(W | U);
	put(PDPT, 1, PD | P | U);
	expect_page(LINEAR, user_read, true, false, false);
	w.paging = PAGING_NONE;
	expect_page(0x1234, kernel_read, true, true, false);
}

static void test_read_errors_pass(void **state)
{
	struct x86_fault fault;
	struct page_found found;

	(void)state;
	setup_4level(W | U);
	fail_read = -EXDEV;
	assert_int_equal(pagewalk(&w, LINEAR, &user_write, &found, &fault), -EXDEV);
}

/* ---- segmentation ---- */

static int linear_of(struct segaddr s, u64 offset, u32 size, bool write, u64 *linear)
{
	struct x86_fault fault = { .vector = 0xff };
	int ret = segaddr_linear(&s, offset, size, write, false, linear, &fault);

	if (!ret)
		return 0;
	assert_int_equal(ret, -EFAULT);
	assert_true(fault.has_error && !fault.error);
	return fault.vector;
}

#define DATA 3 /* read, write, accessed */
#define DATA_DOWN 7
#define DATA_RO 1
#define CODE_READ 11
#define CODE_ONLY 9

static void test_limits(void **state)
{
	struct segaddr s = { .seg = SEG_DS, .base = 0x10000, .limit = 0xffff, .type = DATA };
	u64 linear;

	(void)state;
	assert_int_equal(linear_of(s, 0xfffc, 4, true, &linear), 0);
	assert_true(linear == 0x1fffc);
	assert_int_equal(linear_of(s, 0xfffd, 4, true, &linear), VEC_GP);
	s.seg = SEG_SS;
	assert_int_equal(linear_of(s, 0x10000, 1, true, &linear), VEC_SS);
	s.limit = 0xffffffff;
	s.base = 0xfffff000;
	assert_int_equal(linear_of(s, 0x2000, 4, true, &linear), 0);
	assert_true(linear == 0x1000); /* wraps at 4 GiB */
	assert_int_equal(linear_of(s, 0xfffffffe, 4, true, &linear), VEC_SS);
}

static void test_expand_down(void **state)
{
	struct segaddr s = { .seg = SEG_DS, .limit = 0xfff, .type = DATA_DOWN };
	u64 linear;

	(void)state;
	assert_int_equal(linear_of(s, 0xfff, 1, false, &linear), VEC_GP);
	assert_int_equal(linear_of(s, 0x1000, 4, false, &linear), 0);
	assert_int_equal(linear_of(s, 0xfffd, 4, false, &linear), VEC_GP);
	s.big = true;
	assert_int_equal(linear_of(s, 0xfffd, 4, false, &linear), 0);
	assert_int_equal(linear_of(s, 0xfffffffe, 4, false, &linear), VEC_GP);
}

static void test_types(void **state)
{
	struct segaddr s = { .seg = SEG_DS,
			     .limit = 0xffff,
			     .type = DATA_RO,
			     .protected_mode = true };
	u64 linear;

	(void)state;
	assert_int_equal(linear_of(s, 0, 4, false, &linear), 0);
	assert_int_equal(linear_of(s, 0, 4, true, &linear), VEC_GP);
	s.type = CODE_READ;
	assert_int_equal(linear_of(s, 0, 4, false, &linear), 0);
	assert_int_equal(linear_of(s, 0, 4, true, &linear), VEC_GP);
	s.type = CODE_ONLY;
	assert_int_equal(linear_of(s, 0, 4, false, &linear), VEC_GP);
	s.protected_mode = false; /* real mode does not look at types */
	assert_int_equal(linear_of(s, 0, 4, true, &linear), 0);
	s.unusable = true;
	assert_int_equal(linear_of(s, 0, 4, false, &linear), VEC_GP);
}

static void test_64bit(void **state)
{
	struct segaddr s = { .seg = SEG_DS, .base = 0x1000, .mode_64 = true, .unusable = true };
	u64 linear;

	(void)state;
	assert_int_equal(linear_of(s, 0xffff800000000000, 8, true, &linear), 0);
	assert_true(linear == 0xffff800000000000);
	assert_int_equal(linear_of(s, 0x00007ffffffffff9, 8, false, &linear), VEC_GP);
	assert_int_equal(linear_of(s, 0x0000800000000000, 1, false, &linear), VEC_GP);
	s.seg = SEG_SS;
	assert_int_equal(linear_of(s, 0xffff7fffffffffff, 1, false, &linear), VEC_SS);
	s.seg = SEG_GS;
	s.base = 0xffff888000000000;
	assert_int_equal(linear_of(s, 0x10, 8, false, &linear), 0);
	assert_true(linear == 0xffff888000000010);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_no_paging, setup),
		cmocka_unit_test_setup(test_4level, setup),
		cmocka_unit_test_setup(test_large_pages, setup),
		cmocka_unit_test_setup(test_not_present, setup),
		cmocka_unit_test_setup(test_rights_of_all_levels, setup),
		cmocka_unit_test_setup(test_smep, setup),
		cmocka_unit_test_setup(test_smap, setup),
		cmocka_unit_test_setup(test_protection_keys, setup),
		cmocka_unit_test_setup(test_reserved_bits, setup),
		cmocka_unit_test_setup(test_pae, setup),
		cmocka_unit_test_setup(test_32bit, setup),
		cmocka_unit_test_setup(test_4m_pages, setup),
		cmocka_unit_test_setup(test_lost_races, setup),
		cmocka_unit_test_setup(test_read_errors_pass, setup),
		cmocka_unit_test_setup(test_tells_of_the_page, setup),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_expand_down),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_64bit),
	};

	return cmocka_run_group_tests_name("gva", tests, NULL, NULL);
}
