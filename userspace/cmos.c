// SPDX-License-Identifier: GPL-2.0-only
/* The MC146818's clock, and the memory behind it. */
#include <string.h>

#include "cmos.h"
#include "units.h"

#define SECONDS 0x00
#define MINUTES 0x02
#define HOURS 0x04
#define WEEKDAY 0x06
#define DAY 0x07
#define MONTH 0x08
#define YEAR 0x09
#define STATUS_A 0x0a
#define STATUS_B 0x0b
#define STATUS_C 0x0c
#define STATUS_D 0x0d
#define CENTURY 0x32

#define A_DIVIDER 0x26	/* 32768 Hz, no update in progress */
#define B_24_HOURS 0x02 /* and BCD */
#define D_VALID 0x80

/* A count of so many bytes, and the largest there is for one that is larger. */
static void put(struct cmos *cmos, uint8_t at, unsigned int size, uint64_t value)
{
	if (value >> 8 * size)
		value = UINT64_MAX;
	memcpy(&cmos->bytes[at], &value, size);
}

void cmos_init(struct cmos *cmos, uint64_t low, uint64_t high)
{
	memset(cmos, 0, sizeof(*cmos));
	cmos->bytes[STATUS_A] = A_DIVIDER;
	cmos->bytes[STATUS_B] = B_24_HOURS;
	put(cmos, 0x15, 2, 640);	       /* KiB below 1 MiB */
	put(cmos, 0x17, 2, (low - MIB) / KIB); /* KiB above, */
	put(cmos, 0x30, 2, (low - MIB) / KIB); /* twice */
	put(cmos, 0x34, 2, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0);
	put(cmos, 0x5b, 3, high / (64 * KIB));
}

static uint8_t bcd(unsigned int value)
{
	return value / 10 % 10 << 4 | value % 10;
}

uint8_t cmos_in(struct cmos *cmos, uint16_t reg, time_t now)
{
	struct tm tm;

	if (!reg)
		return 0xff; /* the index can't be read */
	gmtime_r(&now, &tm);
	switch (cmos->index) {
	case SECONDS: return bcd(tm.tm_sec);
	case MINUTES: return bcd(tm.tm_min);
	case HOURS: return bcd(tm.tm_hour);
	case WEEKDAY: return bcd(tm.tm_wday + 1);
	case DAY: return bcd(tm.tm_mday);
	case MONTH: return bcd(tm.tm_mon + 1);
	case YEAR: return bcd(tm.tm_year % 100);
	case CENTURY: return bcd(19 + tm.tm_year / 100);
	case STATUS_C: return 0; /* it never interrupts */
	case STATUS_D: return D_VALID;
	default: return cmos->bytes[cmos->index];
	}
}

void cmos_out(struct cmos *cmos, uint16_t reg, uint8_t value)
{
	if (!reg)
		cmos->index = value & 0x7f; /* bit 7 masks NMIs */
	else if (cmos->index == STATUS_B)
		cmos->bytes[STATUS_B] = value | B_24_HOURS;
	else if (cmos->index > STATUS_D)
		cmos->bytes[cmos->index] = value;
}
