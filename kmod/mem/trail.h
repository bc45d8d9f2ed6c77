/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The entries of L1's paging structures by which a walk came to a page. Whoever keeps the walk's
 * result reads the entries again (mem_reads_at_hand()) before using it, and so learns whether a
 * walk would still give that result.
 */
#ifndef MEM_TRAIL_H
#define MEM_TRAIL_H

#include <vmx/types.h>

#define MEM_TRAIL_MAX 4

/* Entries from the top level down, with the accessed and dirty flags that the walk set. */
struct mem_trail {
	u8 count;	       /* 0: none were kept */
	u64 at[MEM_TRAIL_MAX]; /* L1's physical addresses, of 8 bytes each */
	u64 entry[MEM_TRAIL_MAX];
	bool user, writable; /* what all of them together make the page */
};

#endif
