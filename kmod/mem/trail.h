/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries of L1's paging structures, on the way to one page. Who keeps what follows from them
 * reads them again (mem_reads_at_hand()) before it takes that for true.
 */
#ifndef MEM_TRAIL_H
#define MEM_TRAIL_H

#include <vmx/types.h>

#define MEM_TRAIL_MAX 4

/* From the top, as the walk left them: with the flags that it set. */
struct mem_trail {
	u8 count;	       /* 0: none were kept */
	u64 at[MEM_TRAIL_MAX]; /* L1's physical addresses, of 8 bytes each */
	u64 entry[MEM_TRAIL_MAX];
	bool user, writable; /* what all of them together make the page */
};

#endif
