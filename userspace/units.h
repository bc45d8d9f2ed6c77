/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_UNITS_H
#define ABYME_UNITS_H

#include <stdint.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/*
 * "512M", "512MiB", "2G" or "512" (a bare number is MiB).
 * @what: the option's name, for the message.
 * Return: 0, or -1 with fail()'s sentence.
 */
int parse_size(const char *text, const char *what, uint64_t *bytes);

/* A whole decimal number in [min, max]. */
int parse_count(const char *text, const char *what, unsigned int min, unsigned int max,
		unsigned int *count);

/* "640 MiB", "2 GiB", "12 KiB": for messages. Returns buf. */
struct size_text {
	char text[32];
};
struct size_text size_text(uint64_t bytes);

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static inline uint64_t align_down(uint64_t value, uint64_t alignment)
{
	return value & ~(alignment - 1);
}

#endif
