/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a GSI to pins of interrupt controllers, or to a message: pure logic. A
 * table does not change once it is built.
 */
#ifndef PC_ROUTING_H
#define PC_ROUTING_H

#include <vmx/types.h>

#include "pc/ioapic_regs.h"
#include "pc/pic.h"

#define ROUTING_MAX_ENTRIES 4096
#define ROUTING_MAX_GSI 4096

enum route_chip { ROUTE_PIC, ROUTE_IOAPIC, ROUTE_MSI };
#define NR_ROUTE_CHIPS 2

struct route {
	u32 gsi;
	u8 chip; /* enum route_chip */
	u8 pin;	 /* 0 to 15 for the PIC, 8 and up in the slave */
	u64 msi_addr;
	u32 msi_data;
};

#define NO_GSI (-1)

struct routing {
	u32 count;
	s16 gsi_of[NR_ROUTE_CHIPS][IOAPIC_PINS]; /* which GSI leads to a pin, or NO_GSI */
	struct route route[];			 /* sorted by GSI */
};

/* Bytes for a table of @count entries. */
static inline size_t routing_size(u32 count)
{
	return sizeof(struct routing) + count * sizeof(struct route);
}

/*
 * @table: of routing_size(@count) bytes. Return: 0; -EINVAL: a pin or GSI too
 * high; a GSI that goes to one chip twice, or to a message and something else.
 */
int routing_build(struct routing *table, const struct route *routes, u32 count);
/* GSI 0 to 15 to the same pins of PIC and IOAPIC, 16 to 23 to the IOAPIC's. */
#define ROUTING_DEFAULT_COUNT (PIC_PINS + IOAPIC_PINS)
void routing_build_default(struct routing *table);
/* Finds the routes of @gsi. *count receives how many follow from the returned one on. */
const struct route *routing_find(const struct routing *table, u32 gsi, u32 *count);

#endif
