/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages for tables, and changes of entries that the processor changes as well:
 * the only part of ept.c that differs between the kernel and the unit tests.
 */
#ifndef MEM_EPT_PAGE_H
#define MEM_EPT_PAGE_H

#include <vmx/types.h>

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched.h>

/* Table pages show as SecPageTables in /proc/meminfo and in the cgroup's memory.stat. */
static inline void *ept_page_alloc(void)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	if (!page)
		return NULL;
	mod_lruvec_page_state(page, NR_SECONDARY_PAGETABLE, 1);
	return page_address(page);
}

static inline void ept_page_free(void *page)
{
	mod_lruvec_page_state(virt_to_page(page), NR_SECONDARY_PAGETABLE, -1);
	free_page((unsigned long)page);
}

static inline void ept_count_add(u64 *count, int n)
{
	atomic64_add(n, (atomic64_t *)count);
}

/* Called between the steps of long work that holds no lock. */
static inline void ept_breathe(void)
{
	cond_resched();
}

static inline u64 ept_page_pa(const void *page)
{
	return __pa(page);
}

static inline u64 *ept_page_va(u64 pa)
{
	return __va(pa);
}

/* A word for the trash's link. It is beside the page, as the processor may still walk the page. */
static inline unsigned long ept_page_link(void *page)
{
	return page_private(virt_to_page(page));
}

static inline void ept_page_set_link(void *page, unsigned long link)
{
	set_page_private(virt_to_page(page), link);
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

static inline unsigned long ept_page_link(void *page)
{
	return *(unsigned long *)((char *)page + EPT_PAGE_SIZE);
}

static inline void ept_page_set_link(void *page, unsigned long link)
{
	*(unsigned long *)((char *)page + EPT_PAGE_SIZE) = link;
}

static inline void ept_count_add(u64 *count, int n)
{
	__atomic_fetch_add(count, n, __ATOMIC_SEQ_CST);
}

static inline void ept_breathe(void)
{
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
