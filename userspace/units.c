// SPDX-License-Identifier: GPL-2.0-only
/* Numbers and sizes as people write them. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "units.h"

static const struct {
	const char *name;
	uint64_t bytes;
} size_units[] = {
	{ "", MIB },  { "M", MIB },  { "MB", MIB },  { "MiB", MIB },
	{ "G", GIB }, { "GB", GIB }, { "GiB", GIB }, { "T", 1024 * GIB },
	{ "K", KIB }, { "KB", KIB }, { "KiB", KIB }, { "TiB", 1024 * GIB },
};

static uint64_t unit_bytes(const char *name)
{
	for (size_t i = 0; i < sizeof(size_units) / sizeof(size_units[0]); i++)
		if (!strcasecmp(name, size_units[i].name))
			return size_units[i].bytes;
	return 0;
}

/*
 * Decimal digits only: no sign, no space, no 0x. What is too big for 64 bits
 * becomes their biggest. Returns where they end, or NULL.
 */
static const char *parse_digits(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return NULL;
	*value = strtoull(text, &end, 10);
	return end;
}

int parse_size(const char *text, const char *what, uint64_t *bytes)
{
	uint64_t number, unit;
	const char *end = parse_digits(text, &number);

	if (!end)
		return fail("%s '%s' is not a size; write for example %s 512M or %s 2G.", what,
			    text, what, what);
	unit = unit_bytes(end);
	if (!unit)
		return fail("%s '%s' has an unknown unit '%s'; use M or G, for example %s 512M.",
			    what, text, end, what);
	if (number > UINT64_MAX / unit)
		return fail("%s '%s' is more than any machine has; write for example %s 2G.", what,
			    text, what);
	*bytes = number * unit;
	return 0;
}

int parse_count(const char *text, const char *what, unsigned int min, unsigned int max,
		unsigned int *count)
{
	uint64_t number;
	const char *end = parse_digits(text, &number);

	if (!end || *end)
		return fail("%s '%s' is not a whole number; write for example %s %u.", what, text,
			    what, min > 2 ? min : 2);
	if (number < min || number > max)
		return fail("%s %" PRIu64 " is out of range; it can be %u to %u.", what, number,
			    min, max);
	*count = number;
	return 0;
}

struct size_text size_text(uint64_t bytes)
{
	struct size_text out;

	if (bytes >= GIB && !(bytes % GIB))
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " GiB", (uint64_t)(bytes / GIB));
	else if (bytes >= MIB)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " MiB", (uint64_t)(bytes / MIB));
	else if (bytes >= KIB)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " KiB", (uint64_t)(bytes / KIB));
	else
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " bytes", bytes);
	return out;
}
