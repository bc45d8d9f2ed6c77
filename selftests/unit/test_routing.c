// SPDX-License-Identifier: GPL-2.0-only
/* The table of GSI routes. */
/* sources: kmod/pc/routing.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pc/routing.h"

#define TEST(name) static void name(void **state __maybe_unused)

static struct routing *table;

static int build(const struct route *routes, u32 count)
{
	free(table);
	table = malloc(routing_size(count));
	return routing_build(table, routes, count);
}

static int teardown(void **state __maybe_unused)
{
	free(table);
	table = NULL;
	return 0;
}

static struct route pin(u32 gsi, enum route_chip chip, u8 pin)
{
	return (struct route){ .gsi = gsi, .chip = chip, .pin = pin };
}

static u32 count_of(u32 gsi)
{
	u32 count;

	routing_find(table, gsi, &count);
	return count;
}

TEST(by_default_isa_irqs_go_to_both_chips)
{
	const struct route *route;
	u32 gsi, count;

	table = malloc(routing_size(ROUTING_DEFAULT_COUNT));
	routing_build_default(table);
	assert_int_equal(table->count, ROUTING_DEFAULT_COUNT);
	for (gsi = 0; gsi < 24; gsi++) {
		route = routing_find(table, gsi, &count);
		assert_int_equal(count, gsi < 16 ? 2 : 1);
		assert_int_equal(route[0].pin, gsi);
		assert_int_equal(route[count - 1].chip, ROUTE_IOAPIC);
		assert_int_equal(table->gsi_of[ROUTE_IOAPIC][gsi], gsi);
	}
	assert_int_equal(count_of(24), 0);
	assert_int_equal(table->gsi_of[ROUTE_PIC][3], 3);
	assert_int_equal(table->gsi_of[ROUTE_PIC][16], NO_GSI);
}

TEST(an_empty_table_routes_nothing)
{
	assert_int_equal(build(NULL, 0), 0);
	assert_int_equal(count_of(0), 0);
	assert_int_equal(count_of(~0U), 0);
	assert_int_equal(table->gsi_of[ROUTE_IOAPIC][0], NO_GSI);
}

TEST(the_timer_may_sit_at_ioapic_pin_2)
{
	const struct route routes[] = { pin(0, ROUTE_IOAPIC, 2), pin(0, ROUTE_PIC, 0) };

	assert_int_equal(build(routes, 2), 0);
	assert_int_equal(count_of(0), 2);
	assert_int_equal(table->gsi_of[ROUTE_IOAPIC][2], 0);
	assert_int_equal(table->gsi_of[ROUTE_IOAPIC][0], NO_GSI);
}

TEST(routes_are_found_whatever_their_order)
{
	struct route routes[64];
	u32 i, count;

	for (i = 0; i < 64; i++)
		routes[i] = (struct route){ .gsi = (i * 37) % 64 * 3,
					    .chip = ROUTE_MSI,
					    .msi_data = (i * 37) % 64 };
	assert_int_equal(build(routes, 64), 0);
	for (i = 0; i < 64; i++) {
		const struct route *route = routing_find(table, i * 3, &count);

		assert_int_equal(count, 1);
		assert_int_equal(route->msi_data, i);
		assert_int_equal(count_of(i * 3 + 1), 0);
	}
}

TEST(what_is_out_of_range_is_refused)
{
	struct route bad[] = {
		pin(0, ROUTE_PIC, 16),	   pin(0, ROUTE_IOAPIC, 24),
		pin(0, ROUTE_IOAPIC, 255), pin(ROUTING_MAX_GSI, ROUTE_IOAPIC, 0),
		pin(~0U, ROUTE_MSI, 0),	   pin(0, 3, 0),
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(build(&bad[i], 1), -EINVAL);
}

TEST(a_gsi_has_one_pin_of_a_chip_or_one_message)
{
	const struct route twice[] = { pin(5, ROUTE_IOAPIC, 1), pin(5, ROUTE_IOAPIC, 2) };
	const struct route mixed[] = { pin(5, ROUTE_IOAPIC, 1), pin(5, ROUTE_MSI, 0) };
	const struct route mixed2[] = { pin(5, ROUTE_MSI, 1), pin(5, ROUTE_PIC, 0) };
	const struct route messages[] = { pin(5, ROUTE_MSI, 0), pin(5, ROUTE_MSI, 0) };

	assert_int_equal(build(twice, 2), -EINVAL);
	assert_int_equal(build(mixed, 2), -EINVAL);
	assert_int_equal(build(mixed2, 2), -EINVAL);
	assert_int_equal(build(messages, 2), -EINVAL);
}

TEST(a_pin_may_have_many_gsis)
{
	const struct route routes[] = { pin(5, ROUTE_IOAPIC, 1), pin(9, ROUTE_IOAPIC, 1) };

	assert_int_equal(build(routes, 2), 0);
	assert_int_equal(table->gsi_of[ROUTE_IOAPIC][1], 9);
}

TEST(a_full_table_fits)
{
	struct route *routes = calloc(ROUTING_MAX_ENTRIES + 1, sizeof(*routes));
	u32 i;

	assert_non_null(routes);
	for (i = 0; i <= ROUTING_MAX_ENTRIES; i++)
		routes[i] = pin(ROUTING_MAX_GSI - 1 - i, ROUTE_MSI, 0);
	assert_int_equal(build(routes, ROUTING_MAX_ENTRIES), 0);
	assert_int_equal(count_of(0), 1);
	assert_int_equal(count_of(ROUTING_MAX_GSI - 1), 1);
	assert_int_equal(build(routes, ROUTING_MAX_ENTRIES + 1), -EINVAL);
	free(routes);
}

#define CASE(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(by_default_isa_irqs_go_to_both_chips),
		CASE(an_empty_table_routes_nothing),
		CASE(the_timer_may_sit_at_ioapic_pin_2),
		CASE(routes_are_found_whatever_their_order),
		CASE(what_is_out_of_range_is_refused),
		CASE(a_gsi_has_one_pin_of_a_chip_or_one_message),
		CASE(a_pin_may_have_many_gsis),
		CASE(a_full_table_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
