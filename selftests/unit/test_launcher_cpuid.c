// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: what the device offers becomes what each vCPU shows. */
/* sources: userspace/guest_cpuid.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "guest_cpuid.h"

static struct cpuid_table table;

static void add(uint32_t function, uint32_t index, uint32_t flags, uint32_t eax, uint32_t ebx,
		uint32_t ecx, uint32_t edx)
{
	table.entry[table.head.nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = flags,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* An Intel processor with VMX, PDCM, two caches and a stale topology. */
static int setup(void **state)
{
	const uint32_t indexed = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;

	(void)state;
	memset(&table, 0, sizeof(table));
	add(0, 0, 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69);
	add(1, 0, 0, 0x306c3, 0x07080800, 1u << 5 | 1u << 15, 0);
	add(4, 0, indexed, 0x121, 0, 0, 0);
	add(4, 1, indexed, 0x163, 0, 0, 0);
	add(4, 2, indexed, 0, 0, 0, 0);
	add(0xa, 0, 0, 0x07300403, 0, 0, 0x603);
	add(0xb, 0, indexed, 1, 2, 0x100, 7);
	add(0xb, 1, indexed, 4, 8, 0x201, 7);
	add(0x40000000, 0, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	return 0;
}

static struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(&table, function, index);

	assert_non_null(e);
	return e;
}

static void vmx_is_shown_only_when_nested(void **state)
{
	struct cpuid_wish wish = { .cpus = 1, .nested = true };

	(void)state;
	assert_true(cpuid_has_vmx(&table));
	cpuid_shape(&table, &wish, 0);
	assert_true(cpuid_has_vmx(&table));
	wish.nested = false;
	cpuid_shape(&table, &wish, 0);
	assert_false(cpuid_has_vmx(&table));
}

static void features_fit_what_abyme_emulates(void **state)
{
	struct cpuid_wish wish = { .cpus = 1, .tsc_deadline = true };

	(void)state;
	cpuid_shape(&table, &wish, 0);
	assert_int_equal(leaf(1, 0)->ecx, 1u << 21 | 1u << 24 | 1u << 31);
	assert_int_equal(leaf(1, 0)->edx & 1u << 28, 0);
	assert_int_equal(leaf(0xa, 0)->eax, 0);
}

static void each_vcpu_has_its_apic_id(void **state)
{
	struct cpuid_wish wish = { .cpus = 6 };

	(void)state;
	cpuid_shape(&table, &wish, 5);
	assert_int_equal(leaf(1, 0)->ebx, 5u << 24 | 8 << 16 | 0x0800);
	assert_int_equal(leaf(1, 0)->edx & 1u << 28, 1u << 28);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(leaf(0xb, i)->edx, 5);
	assert_int_equal(leaf(0xb, 0)->eax, 0);
	assert_int_equal(leaf(0xb, 0)->ebx, 1);
	assert_int_equal(leaf(0xb, 0)->ecx, 0x100);
	assert_int_equal(leaf(0xb, 1)->eax, 3);
	assert_int_equal(leaf(0xb, 1)->ebx, 6);
	assert_int_equal(leaf(0xb, 1)->ecx, 0x201);
	assert_int_equal(leaf(0xb, 2)->ecx, 2);
}

static void shared_caches_span_the_package(void **state)
{
	struct cpuid_wish wish = { .cpus = 4 };

	(void)state;
	cpuid_shape(&table, &wish, 0);
	assert_int_equal(leaf(4, 0)->eax, 0x121 | 3u << 26);
	assert_int_equal(leaf(4, 1)->eax, 0x163 | 3u << 14 | 3u << 26);
	assert_int_equal(leaf(4, 2)->eax, 0);
}

static void hypervisor_leaves_stay_and_abyme_signs(void **state)
{
	struct cpuid_wish wish = { .cpus = 1 };

	(void)state;
	cpuid_shape(&table, &wish, 0);
	assert_int_equal(leaf(0x40000000, 0)->ebx, 0x4b4d564b);
	assert_memory_equal(&leaf(0x40000100, 0)->ebx, "Abym", 4);
	assert_memory_equal(&leaf(0x40000100, 0)->ecx, "eAby", 4);
	assert_memory_equal(&leaf(0x40000100, 0)->edx, "me\0\0", 4);
}

static void shaping_twice_changes_nothing(void **state)
{
	struct cpuid_wish wish = { .cpus = 2 };
	struct cpuid_table once;

	(void)state;
	cpuid_shape(&table, &wish, 1);
	once = table;
	cpuid_shape(&table, &wish, 1);
	assert_int_equal(table.head.nent, once.head.nent);
}

static void a_full_table_stays_within_bounds(void **state)
{
	struct cpuid_wish wish = { .cpus = 254 };

	(void)state;
	while (table.head.nent < CPUID_ENTRIES_MAX)
		add(0x80000100 + table.head.nent, 0, 0, 0, 0, 0, 0);
	cpuid_shape(&table, &wish, 253);
	assert_int_equal(table.head.nent, CPUID_ENTRIES_MAX);
	assert_int_equal(leaf(1, 0)->ebx >> 24, 253);
}

static void the_vendor_is_a_name(void **state)
{
	char name[13];

	(void)state;
	cpuid_vendor(&table, name);
	assert_string_equal(name, "GenuineIntel");
	table.head.nent = 0;
	cpuid_vendor(&table, name);
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vmx_is_shown_only_when_nested, setup),
		cmocka_unit_test_setup(features_fit_what_abyme_emulates, setup),
		cmocka_unit_test_setup(each_vcpu_has_its_apic_id, setup),
		cmocka_unit_test_setup(shared_caches_span_the_package, setup),
		cmocka_unit_test_setup(hypervisor_leaves_stay_and_abyme_signs, setup),
		cmocka_unit_test_setup(shaping_twice_changes_nothing, setup),
		cmocka_unit_test_setup(a_full_table_stays_within_bounds, setup),
		cmocka_unit_test_setup(the_vendor_is_a_name, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
