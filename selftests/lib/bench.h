/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one operation costs, in TSC ticks (instructions, on Bochs). A write to port 0x80
 * before and after lets whoever runs the image read its own counters there: selftests/rig/spent
 * prints what has happened in between, for as many operations as RBX says.
 */
#ifndef LIB_BENCH_H
#define LIB_BENCH_H

#include "guest.h"

static inline void bench_mark(u64 rounds)
{
	asm volatile("out %%al, $0x80" : : "a"(0), "b"(rounds) : "memory");
}

/* Value: for bench_end(). */
static inline u64 bench_begin(void)
{
	bench_mark(0);
	return rdtsc();
}

/* Prints "count NAME NUMBER", which is for scripts. */
static inline void bench_end(const char *name, u64 start, u64 rounds)
{
	u64 spent = rdtsc() - start;

	bench_mark(rounds);
	printf("count %s %lu\n", name, (unsigned long)(spent / rounds));
}

/* The first claim of an image: what two marks cost with nothing in between. */
static inline void bench_nothing(void)
{
	for (int i = 0; i < 2; i++) { /* the first time is another */
		bench_mark(0);
		bench_mark(1);
	}
}

#endif
