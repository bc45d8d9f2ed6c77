/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages for tables and entries that the processor changes too: the only part
 * of ept.c that differs between the kernel and the unit tests.
 */
#ifndef GUEST_EPT_PAGE_H
#define GUEST_EPT_PAGE_H

#include <vmx/types.h>

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/mm.h>

static inline void *ept_page_alloc(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static inline void ept_page_free(void *page)
{
	free_page((unsigned long)page);
}

static inline u64 ept_page_pa(const void *page)
{
	return __pa(page);
}

static inline u64 *ept_page_va(u64 pa)
{
	return __va(pa);
}

/* A link kept beside the page, as the processor may still walk its contents. */
static inline void *ept_page_next(void *page)
{
	return (void *)page_private(virt_to_page(page));
}

static inline void ept_page_set_next(void *page, void *next)
{
	set_page_private(virt_to_page(page), (unsigned long)next);
}

static inline u64 ept_entry_xchg(u64 *entry, u64 value)
{
	return xchg(entry, value);
}

/* Return: the entry as it was. */
static inline u64 ept_entry_clear(u64 *entry, u64 bits)
{
	return atomic64_fetch_andnot(bits, (atomic64_t *)entry);
}
#else
#include <assert.h>
#include <stdlib.h>

/* The link lies in a second page, behind the table. */
#define EPT_PAGE_SIZE 4096

static inline void *ept_page_alloc(void)
{
	void *page = aligned_alloc(EPT_PAGE_SIZE, 2 * EPT_PAGE_SIZE);

	return page ? memset(page, 0, 2 * EPT_PAGE_SIZE) : NULL;
}

static inline void ept_page_free(void *page)
{
	free(page);
}

static inline u64 ept_page_pa(const void *page)
{
	return (uintptr_t)page;
}

static inline u64 *ept_page_va(u64 pa)
{
	return (u64 *)(uintptr_t)pa;
}

static inline void **ept_page_link(void *page)
{
	return (void **)((char *)page + EPT_PAGE_SIZE);
}

static inline void *ept_page_next(void *page)
{
	return *ept_page_link(page);
}

static inline void ept_page_set_next(void *page, void *next)
{
	*ept_page_link(page) = next;
}

static inline u64 ept_entry_xchg(u64 *entry, u64 value)
{
	return __atomic_exchange_n(entry, value, __ATOMIC_SEQ_CST);
}

static inline u64 ept_entry_clear(u64 *entry, u64 bits)
{
	return __atomic_fetch_and(entry, ~bits, __ATOMIC_SEQ_CST);
}

#define WARN_ON_ONCE(condition)           \
	({                                \
		bool is_ = !!(condition); \
		assert(!is_);             \
		is_;                      \
	})
#endif

#endif
