// SPDX-License-Identifier: GPL-2.0-only
/*
 * A triple fault ends the guest, not the host: no plan is fulfilled here, the
 * one that runs this image expects the machine's end by it.
 * SDM: "Interrupt 8—Double Fault Exception (#DF)".
 */
#include "guest.h"

static void triple(void)
{
	struct table_pointer none = { 0, 0 };

	puts_raw("# now\n");
	asm volatile("lidt %0; ud2" : : "m"(none));
}

CLAIMS = { { triple, "the guest ends before this line" }, END_OF_CLAIMS };
