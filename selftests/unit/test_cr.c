// SPDX-License-Identifier: GPL-2.0-only
/* What control registers, EFER, XCR0, PAT and the MTRRs may hold. */
/* sources: kmod/cpu/cr_checks.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/cr_checks.h"

#define PROTECTED (CR0_PE | CR0_ET)
#define PAGING (CR0_PE | CR0_PG | CR0_ET)

static struct cr_state real_mode(void)
{
	return (struct cr_state){
		.cr0 = CR0_ET,
		.cr4_reserved = ~(CR4_BASE | CR4_PCIDE | CR4_SMEP),
		.efer_reserved = ~(EFER_BIT_SCE | EFER_BIT_LME | EFER_BIT_LMA | EFER_BIT_NX),
		.maxphyaddr = 40,
	};
}

static struct cr_state long_mode(void)
{
	struct cr_state s = real_mode();

	s.cr0 = PAGING;
	s.cr4 = CR4_PAE;
	s.efer = EFER_BIT_LME | EFER_BIT_LMA;
	s.cs_l = true;
	return s;
}

static void alignment_is_checked_in_user_mode(void **state)
{
	u64 ac = 1u << 18;

	(void)state;
	assert_true(alignment_checked(CR0_AM | CR0_PE, ac, 3));
	assert_false(alignment_checked(CR0_AM | CR0_PE, ac, 0));
	assert_false(alignment_checked(CR0_AM | CR0_PE, 0, 3));
	assert_false(alignment_checked(CR0_PE, ac, 3));
}

static void paging_needs_protection(void **state)
{
	struct cr_state s = real_mode();

	(void)state;
	assert_false(cr0_write_ok(&s, CR0_PG));
	assert_true(cr0_write_ok(&s, PAGING));
}

static void nw_needs_cd(void **state)
{
	struct cr_state s = real_mode();

	(void)state;
	assert_false(cr0_write_ok(&s, CR0_NW));
	assert_true(cr0_write_ok(&s, CR0_NW | CR0_CD));
	assert_true(cr0_write_ok(&s, CR0_CD));
}

static void upper_half_of_cr0_faults(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_false(cr0_write_ok(&s, PAGING | BIT_ULL(32)));
	assert_true(cr0_write_ok(&s, PAGING | BIT_ULL(6))); /* ignored, not reserved */
}

static void long_mode_needs_pae(void **state)
{
	struct cr_state s = real_mode();

	(void)state;
	s.cr0 = PROTECTED;
	s.efer = EFER_BIT_LME;
	assert_false(cr0_write_ok(&s, PAGING));
	s.cr4 = CR4_PAE;
	assert_true(cr0_write_ok(&s, PAGING));
	s.cs_l = true; /* a descriptor that means something else before */
	assert_false(cr0_write_ok(&s, PAGING));
}

static void paging_stays_on_in_64_bit_code(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_false(cr0_write_ok(&s, PROTECTED));
	s.cs_l = false;
	assert_true(cr0_write_ok(&s, PROTECTED));
	s.cr4 |= CR4_PCIDE;
	assert_false(cr0_write_ok(&s, PROTECTED));
}

static void pae_stays_on_in_long_mode(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_false(cr4_write_ok(&s, 0));
	assert_true(cr4_write_ok(&s, CR4_PAE | CR4_PGE));
}

static void reserved_bits_of_cr4_fault(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_true(cr4_write_ok(&s, CR4_PAE | CR4_SMEP));
	assert_false(cr4_write_ok(&s, CR4_PAE | CR4_SMAP));
	assert_false(cr4_write_ok(&s, CR4_PAE | CR4_VMXE));
}

static void pcide_needs_long_mode_and_pcid_0(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_true(cr4_write_ok(&s, CR4_PAE | CR4_PCIDE));
	s.cr3 = 0x1001;
	assert_false(cr4_write_ok(&s, CR4_PAE | CR4_PCIDE));
	s.cr4 |= CR4_PCIDE; /* already on: no matter */
	assert_true(cr4_write_ok(&s, CR4_PAE | CR4_PCIDE));
	s = real_mode();
	assert_false(cr4_write_ok(&s, CR4_PCIDE));
}

static void cet_needs_write_protection(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	s.cr4_reserved &= ~CR4_CET;
	assert_true(s.cr0 & CR0_PG);
	s.cr0 |= CR0_WP;
	assert_true(cr4_write_ok(&s, CR4_PAE | CR4_CET));
	s.cr0 &= ~CR0_WP;
	assert_false(cr4_write_ok(&s, CR4_PAE | CR4_CET));
	assert_true(cr0_write_ok(&s, s.cr0));
	s.cr4 |= CR4_CET;
	assert_true(cr0_write_ok(&s, s.cr0 | CR0_WP));
	assert_false(cr0_write_ok(&s, s.cr0));
	assert_false(cr_state_ok(&s));
	s.cr0 |= CR0_WP;
	assert_true(cr_state_ok(&s));
}

static void cr3_beyond_the_physical_width_faults(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_true(cr3_write_ok(&s, BIT_ULL(39)));
	assert_false(cr3_write_ok(&s, BIT_ULL(40)));
	assert_false(cr3_write_ok(&s, CR3_NO_FLUSH));
	s.cr4 |= CR4_PCIDE;
	assert_true(cr3_write_ok(&s, CR3_NO_FLUSH | 0x1000));
}

static void lme_is_fixed_while_paging(void **state)
{
	struct cr_state s = real_mode();

	(void)state;
	assert_true(efer_write_ok(&s, EFER_BIT_LME));
	s.cr0 = PAGING;
	assert_false(efer_write_ok(&s, EFER_BIT_LME));
	assert_true(efer_write_ok(&s, EFER_BIT_NX));
	assert_false(efer_write_ok(&s, BIT_ULL(12)));
}

static void a_state_is_checked_as_a_whole(void **state)
{
	struct cr_state s = long_mode();

	(void)state;
	assert_true(cr_state_ok(&s));
	s.efer &= ~EFER_BIT_LMA;
	assert_false(cr_state_ok(&s));
	s = long_mode();
	s.cr4 = 0;
	assert_false(cr_state_ok(&s));
	s = long_mode();
	s.cr3 = BIT_ULL(40);
	assert_false(cr_state_ok(&s));
	s = real_mode();
	assert_true(cr_state_ok(&s));
	s.cs_l = true;
	assert_false(cr_state_ok(&s));
}

static void xcr0_components_depend_on_each_other(void **state)
{
	u64 all = XCR0_X87 | XCR0_SSE | XCR0_YMM | XCR0_AVX512;

	(void)state;
	assert_true(xcr0_ok(XCR0_X87, all));
	assert_false(xcr0_ok(XCR0_SSE, all));
	assert_false(xcr0_ok(XCR0_X87 | XCR0_YMM, all));
	assert_true(xcr0_ok(XCR0_X87 | XCR0_SSE | XCR0_YMM, all));
	assert_false(xcr0_ok(XCR0_X87 | XCR0_SSE | XCR0_AVX512, all));
	assert_false(xcr0_ok(XCR0_X87 | XCR0_SSE | XCR0_YMM | BIT_ULL(5), all));
	assert_true(xcr0_ok(all, all));
	assert_false(xcr0_ok(all | XCR0_PKRU, all));
}

static void pat_has_six_types(void **state)
{
	(void)state;
	assert_true(pat_ok(0x0007040600070406ull));
	assert_false(pat_ok(0x0007040600070402ull));
	assert_false(pat_ok(0x0807040600070406ull));
}

static void mtrrs_keep_to_their_fields(void **state)
{
	(void)state;
	assert_true(mtrr_ok(0x2ff, 0xc06, 40));
	assert_false(mtrr_ok(0x2ff, 0x1c06, 40));
	assert_false(mtrr_ok(0x2ff, 0xc07, 40)); /* UC-: in the PAT only */
	assert_true(mtrr_ok(0x200, 0x80000006, 40));
	assert_false(mtrr_ok(0x200, BIT_ULL(40), 40));
	assert_true(mtrr_ok(0x201, 0xff80000800ull, 40));
	assert_false(mtrr_ok(0x201, 0xff80000001ull, 40));
	assert_true(mtrr_ok(0x250, 0x0606060606060606ull, 40));
	assert_false(mtrr_ok(0x26f, 0x0306060606060606ull, 40));
}

static void pdptes_keep_their_reserved_bits_clear(void **state)
{
	(void)state;
	assert_true(pdpte_ok(0, 40));
	assert_true(pdpte_ok(0x1001, 40));
	assert_true(pdpte_ok(~1ull, 40)); /* not present: anything */
	assert_false(pdpte_ok(0x1003, 40));
	assert_false(pdpte_ok(0x1001 | BIT_ULL(40), 40));
	assert_true(pdpte_ok(0x1001 | BIT_ULL(39), 40));
}

static void canonical_addresses_repeat_their_top_bit(void **state)
{
	(void)state;
	assert_true(address_canonical(0x00007fffffffffffull, false));
	assert_false(address_canonical(0x0000800000000000ull, false));
	assert_true(address_canonical(0xffff800000000000ull, false));
	assert_true(address_canonical(0x0000800000000000ull, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alignment_is_checked_in_user_mode),
		cmocka_unit_test(paging_needs_protection),
		cmocka_unit_test(nw_needs_cd),
		cmocka_unit_test(upper_half_of_cr0_faults),
		cmocka_unit_test(long_mode_needs_pae),
		cmocka_unit_test(paging_stays_on_in_64_bit_code),
		cmocka_unit_test(pae_stays_on_in_long_mode),
		cmocka_unit_test(reserved_bits_of_cr4_fault),
		cmocka_unit_test(pcide_needs_long_mode_and_pcid_0),
		cmocka_unit_test(cet_needs_write_protection),
		cmocka_unit_test(cr3_beyond_the_physical_width_faults),
		cmocka_unit_test(lme_is_fixed_while_paging),
		cmocka_unit_test(a_state_is_checked_as_a_whole),
		cmocka_unit_test(xcr0_components_depend_on_each_other),
		cmocka_unit_test(pat_has_six_types),
		cmocka_unit_test(mtrrs_keep_to_their_fields),
		cmocka_unit_test(pdptes_keep_their_reserved_bits_clear),
		cmocka_unit_test(canonical_addresses_repeat_their_top_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
