/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set of interrupt vectors that anybody may add to and take from at any time,
 * in any context. .sum says which words hold a vector, so that the highest is
 * found without looking at all of them. A bit of .sum may be set for an empty word. It is
 * never clear for long for a word that holds a vector: vecmap_remove() looks again.
 */
#ifndef PC_VECMAP_H
#define PC_VECMAP_H

#include <vmx/types.h>

#ifndef __KERNEL__
static inline bool test_and_set_bit(unsigned int n, unsigned long *map)
{
	unsigned long bit = 1UL << (n % 64);

	return __atomic_fetch_or(&map[n / 64], bit, __ATOMIC_SEQ_CST) & bit;
}

static inline void set_bit(unsigned int n, unsigned long *map)
{
	__atomic_fetch_or(&map[n / 64], 1UL << (n % 64), __ATOMIC_SEQ_CST);
}

static inline void clear_bit(unsigned int n, unsigned long *map)
{
	__atomic_fetch_and(&map[n / 64], ~(1UL << (n % 64)), __ATOMIC_SEQ_CST);
}

static inline bool test_bit(unsigned int n, const unsigned long *map)
{
	return READ_ONCE(map[n / 64]) >> (n % 64) & 1;
}
#endif

struct vecmap {
	unsigned long word[4];
	unsigned long sum; /* bit i: word i may hold something */
};

/* Return: whether @vector was not a member before. */
static inline bool vecmap_add(struct vecmap *map, u8 vector)
{
	if (test_and_set_bit(vector, map->word))
		return false;
	set_bit(vector / 64, &map->sum);
	return true;
}

static inline void vecmap_remove(struct vecmap *map, u8 vector)
{
	clear_bit(vector, map->word);
	if (READ_ONCE(map->word[vector / 64]))
		return;
	clear_bit(vector / 64, &map->sum);
	/* Locked instructions are full barriers: a vector added meanwhile is seen here. */
	if (READ_ONCE(map->word[vector / 64]))
		set_bit(vector / 64, &map->sum);
}

static inline bool vecmap_empty(const struct vecmap *map)
{
	return !READ_ONCE(map->sum);
}

/* The highest member, or -1. */
static inline int vecmap_highest(const struct vecmap *map)
{
	unsigned long sum = READ_ONCE(map->sum);

	while (sum) {
		int i = fls64(sum) - 1;
		unsigned long word = READ_ONCE(map->word[i]);

		if (word)
			return i * 64 + fls64(word) - 1;
		sum &= ~BIT(i);
	}
	return -1;
}

/* The 32 vectors from 32 * @i on, as registers and saved states have them. */
static inline u32 vecmap_get32(const struct vecmap *map, int i)
{
	return READ_ONCE(map->word[i / 2]) >> (i % 2 * 32);
}

/* Not atomic: for a vCPU that is being restored, whose map nobody uses meanwhile. */
static inline void vecmap_set32(struct vecmap *map, int i, u32 bits)
{
	unsigned long *word = &map->word[i / 2];
	int shift = i % 2 * 32;

	*word = (*word & ~(0xffffffffUL << shift)) | (unsigned long)bits << shift;
	map->sum = (map->sum & ~BIT(i / 2)) | (*word ? BIT(i / 2) : 0);
}

#endif
