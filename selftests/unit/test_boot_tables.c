// SPDX-License-Identifier: GPL-2.0-only
/* Memory map, ACPI and MP tables: what a guest's kernel finds in them. */
/* sources: userspace/acpi.c userspace/dsdt.c userspace/aml.c userspace/mptable.c userspace/memory.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include "acpi.h"
#include "err.h"
#include "memory.h"
#include "mptable.h"
#include "ports.h"

#define ROOM 0x10000

static uint8_t area[ROOM] __attribute__((aligned(64)));

static int setup(void **state)
{
	(void)state;
	memset(area, 0, sizeof(area));
	fail_clear();
	return 0;
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, 4);
	return value;
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, 8);
	return value;
}

static uint8_t sum(const uint8_t *from, size_t len)
{
	uint8_t total = 0;

	while (len--)
		total += *from++;
	return total;
}

static uint8_t *acpi_at(uint64_t gpa)
{
	assert_in_range(gpa, ACPI_TABLES, ACPI_TABLES + ROOM - 1);
	return area + (gpa - ACPI_TABLES);
}

/* A table whose checksum and signature are right. */
static uint8_t *checked(uint64_t gpa, const char *signature)
{
	uint8_t *table = acpi_at(gpa);

	assert_memory_equal(table, signature, 4);
	assert_int_equal(sum(table, get32(table + 4)), 0);
	return table;
}

static uint8_t *find_table(const char *signature)
{
	uint8_t *xsdt = checked(get64(acpi_at(ACPI_TABLES) + 24), "XSDT");

	for (uint32_t at = 36; at < get32(xsdt + 4); at += 8)
		if (!memcmp(acpi_at(get64(xsdt + at)), signature, 4))
			return checked(get64(xsdt + at), signature);
	return NULL;
}

static void the_rsdp_leads_to_all_tables(void **state)
{
	uint8_t *rsdp = area, *rsdt;

	(void)state;
	assert_int_not_equal(acpi_build(area, ACPI_TABLES, ROOM, 4), 0);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	rsdt = checked(get32(rsdp + 16), "RSDT");
	assert_int_equal(get32(rsdt + 36), ACPI_TABLES + (find_table("FACP") - area));
	assert_int_equal(get32(rsdt + 40), ACPI_TABLES + (find_table("APIC") - area));
}

static void the_fadt_can_power_off_and_reset(void **state)
{
	uint8_t *fadt;

	(void)state;
	acpi_build(area, ACPI_TABLES, ROOM, 1);
	fadt = find_table("FACP");
	assert_int_equal(get32(fadt + 4), 268);
	assert_int_equal(get32(fadt + 56), PORT_PM1_EVENT);
	assert_int_equal(get32(fadt + 64), PORT_PM1_CONTROL);
	assert_int_equal(fadt[88], 4);
	assert_int_equal(fadt[89], 2);
	assert_true(get32(fadt + 112) & 1 << 10);
	assert_int_equal(fadt[116], 1);
	assert_int_equal(get64(fadt + 120), PORT_RESET);
	assert_int_equal(fadt[128], RESET_VALUE);
	checked(get32(fadt + 40), "DSDT");
	assert_int_equal(get64(fadt + 140), get32(fadt + 40));
	assert_memory_equal(acpi_at(get32(fadt + 36)), "FACS", 4);
	assert_int_equal(get32(fadt + 36) % 64, 0);
}

static void the_madt_lists_processors_and_ioapic(void **state)
{
	unsigned int cpus = 0, ioapics = 0;
	uint8_t *madt;

	(void)state;
	acpi_build(area, ACPI_TABLES, ROOM, 4);
	madt = find_table("APIC");
	assert_int_equal(get32(madt + 36), 0xfee00000);
	for (uint8_t *e = madt + 44; e < madt + get32(madt + 4); e += e[1]) {
		if (e[0] == 0) {
			assert_int_equal(e[3], cpus);
			assert_int_equal(get32(e + 4), 1);
			cpus++;
		} else if (e[0] == 1) {
			assert_int_equal(e[2], 4);
			assert_int_equal(get32(e + 4), 0xfec00000);
			ioapics++;
		}
		assert_int_not_equal(e[1], 0);
	}
	assert_int_equal(cpus, 4);
	assert_int_equal(ioapics, 1);
}

static void tables_for_all_cpus_fit(void **state)
{
	(void)state;
	assert_int_not_equal(acpi_build(area, ACPI_TABLES, ROOM, 254), 0);
	assert_int_not_equal(mptable_build(area, MP_TABLES, ROOM, 254, 0), 0);
}

/* Never a byte past the room they are given. */
static void too_little_room_is_noticed(void **state)
{
	(void)state;
	for (size_t room = 0; room < 512; room += 3) {
		memset(area, 0xee, sizeof(area));
		assert_int_equal(acpi_build(area, ACPI_TABLES, room, 4), 0);
		assert_int_equal(area[room], 0xee);
		memset(area, 0xee, sizeof(area));
		assert_int_equal(mptable_build(area, MP_TABLES, room > 200 ? 200 : room, 4, 0), 0);
		assert_int_equal(area[room], 0xee);
	}
}

/* Walk AML just far enough to see that lengths nest. */
static void the_dsdt_is_well_formed(void **state)
{
	static const uint8_t s5[] = { 0x08, '_',  'S',	'5',  '_',  0x12, 0x49, 0x00,
				      0x04, 0x0a, 0x05, 0x0a, 0x05, 0x00, 0x00 };
	uint8_t bytes[512];
	struct aml aml = { bytes, 0, sizeof(bytes) };

	(void)state;
	dsdt_build(&aml);
	assert_in_range(aml.len, sizeof(s5), sizeof(bytes));
	assert_memory_equal(bytes, s5, sizeof(s5));
	/* Scope (\_SB_): its length reaches exactly to the end. */
	assert_int_equal(bytes[sizeof(s5)], 0x10);
	assert_int_equal((bytes[sizeof(s5) + 1] & 0xf) | bytes[sizeof(s5) + 2] << 4,
			 aml.len - sizeof(s5) - 1);
	assert_memory_equal(bytes + sizeof(s5) + 3, "\\_SB_", 5);
}

static void eisa_ids_are_packed(void **state)
{
	static const uint8_t expected[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	uint8_t bytes[16];
	struct aml aml = { bytes, 0, sizeof(bytes) };

	(void)state;
	aml_name_eisa_id(&aml, "_HID", "PNP0501");
	assert_int_equal(aml.len, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void aml_stops_at_its_end(void **state)
{
	uint8_t bytes[8] = { 0 };
	struct aml aml = { bytes, 0, 4 };

	(void)state;
	dsdt_build(&aml);
	assert_true(aml.len > 4);
	assert_int_equal(bytes[4], 0);
}

static void the_mp_table_lists_everything(void **state)
{
	unsigned int of_kind[5] = { 0 };
	const uint8_t *table, *e;
	size_t used = mptable_build(area, MP_TABLES, ROOM, 3, 0x306c3);

	(void)state;
	assert_memory_equal(area, "_MP_", 4);
	assert_int_equal(sum(area, 16), 0);
	assert_int_equal(get32(area + 4), MP_TABLES + 16);
	table = area + 16;
	assert_memory_equal(table, "PCMP", 4);
	assert_int_equal(table[4] | table[5] << 8, used - 16);
	assert_int_equal(sum(table, used - 16), 0);
	for (e = table + 44; e < area + used; e += e[0] ? 8 : 20) {
		assert_in_range(e[0], 0, 4);
		if (!e[0]) {
			assert_int_equal(e[1], of_kind[0]);
			assert_int_equal(e[3], of_kind[0] ? 1 : 3);
			assert_int_equal(get32(e + 4), 0x306c3);
		}
		of_kind[e[0]]++;
	}
	assert_ptr_equal(e, area + used);
	assert_int_equal(of_kind[0], 3);
	assert_int_equal(of_kind[1], 1);
	assert_int_equal(of_kind[2], 1);
	assert_int_equal(of_kind[3], 16);
	assert_int_equal(of_kind[4], 2);
	assert_int_equal(table[34] | table[35] << 8, 3 + 1 + 1 + 16 + 2);
}

static void the_map_has_a_hole_below_4_gib(void **state)
{
	struct guest_memory memory = { NULL, 5 * GIB };
	struct memory_range map[MEMORY_MAP_MAX];
	unsigned int n = memory_map(&memory, map);
	uint64_t ram = 0;

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		if (i)
			assert_true(map[i].start >= map[i - 1].start + map[i - 1].size);
		if (map[i].type == MEMORY_RAM)
			ram += map[i].size;
	}
	assert_int_equal(map[n - 1].start, 4 * GIB);
	assert_int_equal(map[n - 1].size, 2 * GIB);
	assert_int_equal(map[3].start + map[3].size, 3 * GIB);
	assert_int_equal(ram, 5 * GIB - (MIB - LOW_RAM_END));
}

static void addresses_are_checked(void **state)
{
	uint8_t host;
	struct guest_memory memory = { &host, 4 * GIB };

	(void)state;
	assert_ptr_equal(memory_at(&memory, 0, 1), &host);
	assert_ptr_equal(memory_at(&memory, 4 * GIB, GIB), &host + 3 * GIB);
	assert_null(memory_at(&memory, 3 * GIB - 1, 2));
	assert_null(memory_at(&memory, 3 * GIB, 1));
	assert_null(memory_at(&memory, 4 * GIB, GIB + 1));
	assert_null(memory_at(&memory, 5 * GIB, 1));
	assert_null(memory_at(&memory, 0, UINT64_MAX));
	assert_null(memory_at(&memory, UINT64_MAX, 2));
}

static void more_than_the_host_has_is_refused(void **state)
{
	struct host_memory host = host_memory();
	struct guest_memory memory;

	(void)state;
	assert_true(host.total >= 64 * MIB && host.total < 1ull << 50);
	assert_true(host.available > MIB && host.available <= host.total);
	assert_int_equal(memory_create(&memory, align_down(host.total, GUEST_PAGE) + GUEST_PAGE),
			 -1);
	assert_non_null(strstr(fail_text(), "more than this machine has"));
	fail_clear();
	assert_int_equal(memory_create(&memory, 1ull << 62), -1);
	assert_non_null(strstr(fail_text(), "more than this machine has"));
}

static void loading_copies_every_byte(void **state)
{
	struct guest_memory memory;
	uint8_t from[300];

	(void)state;
	assert_int_equal(memory_create(&memory, 4 * MIB), 0);
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = i * 7;
	for (size_t len = 0; len < sizeof(from); len += 13) {
		assert_int_equal(memory_load(&memory, 0x1001, from, len), 0);
		assert_memory_equal(memory.host + 0x1001, from, len);
		assert_int_equal(memory.host[0x1001 + len], 0);
	}
	assert_int_equal(memory_load(&memory, 4 * MIB - 1, from, 2), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_rsdp_leads_to_all_tables, setup),
		cmocka_unit_test_setup(the_fadt_can_power_off_and_reset, setup),
		cmocka_unit_test_setup(the_madt_lists_processors_and_ioapic, setup),
		cmocka_unit_test_setup(tables_for_all_cpus_fit, setup),
		cmocka_unit_test_setup(too_little_room_is_noticed, setup),
		cmocka_unit_test_setup(the_dsdt_is_well_formed, setup),
		cmocka_unit_test_setup(eisa_ids_are_packed, setup),
		cmocka_unit_test_setup(aml_stops_at_its_end, setup),
		cmocka_unit_test_setup(the_mp_table_lists_everything, setup),
		cmocka_unit_test_setup(the_map_has_a_hole_below_4_gib, setup),
		cmocka_unit_test_setup(addresses_are_checked, setup),
		cmocka_unit_test_setup(more_than_the_host_has_is_refused, setup),
		cmocka_unit_test_setup(loading_copies_every_byte, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
