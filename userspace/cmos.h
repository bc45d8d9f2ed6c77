/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_CMOS_H
#define ABYME_CMOS_H

#include <stdint.h>
#include <time.h>

/* A PC's clock and its 128 bytes of memory. The clock shows UTC and can't be set. */
struct cmos {
	uint8_t index;
	uint8_t bytes[128];
};

/* @low, @high: memory below and above 4 GiB, for guests that ask here. */
void cmos_init(struct cmos *cmos, uint64_t low, uint64_t high);
uint8_t cmos_in(struct cmos *cmos, uint16_t reg, time_t now);
void cmos_out(struct cmos *cmos, uint16_t reg, uint8_t value);

#endif
