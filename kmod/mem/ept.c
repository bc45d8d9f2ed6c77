// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of extended page tables, for L1's EPT and for EPT02 alike.
 * Tour, stop 3.
 *
 * What a reader must know: tables are changed under vm->mem.lock while
 * processors walk them and set accessed and dirty flags in them. So an entry is
 * replaced as a whole, by an atomic operation. A table that is taken out, with
 * all that hangs from it, is freed later: after a flush, as processors may know
 * it, and without the lock, as it takes long.
 *
 * "Level" is counted from the leaves: a table of level 1 maps 4 KiB pages.
 */
#include "mem/ept.h"

#include <vmx/controls.h>

#include "mem/ept_page.h"

/* How many 4 KiB frames an entry of a table of @level spans. */
static inline u64 ept_span(int level)
{
	return 1ULL << ((level - 1) * EPT_LEVEL_BITS);
}

static inline u64 *entry_of(u64 *table, u64 gfn, int level)
{
	return &table[(gfn >> ((level - 1) * EPT_LEVEL_BITS)) & (EPT_ENTRIES - 1)];
}

static inline bool ept_is_leaf(u64 entry, int level)
{
	return level == 1 || (entry & EPT_LARGE);
}

static inline u64 *table_of(u64 entry)
{
	return ept_page_va(entry & EPT_ADDR_MASK);
}

/* A table in the trash has a link to the next; the low bits of the link are the table's level. */
#define LINK_LEVEL 7UL

/* Caches and trash */

int ept_cache_fill(struct ept_cache *cache)
{
	while (cache->count < EPT_CACHE_PAGES) {
		void *page = ept_page_alloc();

		if (!page)
			return -ENOMEM;
		cache->page[cache->count++] = page;
	}
	return 0;
}

void ept_cache_free(struct ept_cache *cache)
{
	while (cache->count)
		ept_page_free(cache->page[--cache->count]);
}

/* Adds @table, of @level, with all tables below it, which are not looked at now. */
static void trash_add(struct ept_pool *pool, u64 *table, int level)
{
	ept_page_set_link(table, (unsigned long)pool->trash.first | level);
	pool->trash.first = table;
}

struct ept_trash ept_trash_take(struct ept_pool *pool)
{
	struct ept_trash trash = pool->trash;

	pool->trash.first = NULL;
	return trash;
}

/* Recursion is as deep as the tables: 4. Context: no lock held. */
static void free_tree(struct ept_pool *pool, u64 *table, int level)
{
	int i;

	for (i = 0; level > 1 && i < EPT_ENTRIES; i++)
		if (table[i] && !ept_is_leaf(table[i], level))
			free_tree(pool, table_of(table[i]), level - 1);
	ept_page_free(table);
	ept_count_add(&pool->pages, -1);
	ept_breathe();
}

void ept_trash_free(struct ept_pool *pool, struct ept_trash trash)
{
	while (trash.first) {
		u64 *table = trash.first;
		unsigned long link = ept_page_link(table);

		ept_page_set_link(table, 0);
		trash.first = (void *)(link & ~LINK_LEVEL);
		free_tree(pool, table, link & LINK_LEVEL);
	}
}

/* Lifetime */

/* The EPTP turns accessed and dirty flags on, as the notifier asks for them (ept_young()). */
int ept_init(struct ept *ept, struct ept_pool *pool)
{
	ept->root = ept_page_alloc();
	if (!ept->root)
		return -ENOMEM;
	ept->eptp = ept_page_pa(ept->root) | EPTP_MEMTYPE_WB | EPTP_WALK_4 | EPTP_AD;
	ept->pool = pool;
	ept_count_add(&pool->pages, 1);
	return 0;
}

void ept_drop(struct ept *ept)
{
	ept->pool->steps++;
	trash_add(ept->pool, ept->root, EPT_ROOT_LEVEL);
	WRITE_ONCE(ept->root, NULL);
}

void ept_destroy(struct ept *ept)
{
	if (ept->root)
		free_tree(ept->pool, ept->root, EPT_ROOT_LEVEL);
	ept->root = NULL;
}

/* Taking out */

/* Puts @new into @entry of a table of @level; a table that hung there goes to the trash. */
static void ept_replace(struct ept *ept, u64 *entry, int level, u64 new)
{
	u64 old = ept_entry_xchg(entry, new);

	if (old && !ept_is_leaf(old, level))
		trash_add(ept->pool, table_of(old), level - 1);
}

/* Frame numbers [start, end), for a walk over the tables. */
struct gfn_range {
	u64 start;
	u64 end;
};

static inline struct gfn_range ept_whole(u64 gfn, int level)
{
	return (struct gfn_range){ gfn, gfn + ept_span(level) };
}

static inline bool ept_covers(const struct gfn_range *r, struct gfn_range part)
{
	return r->start <= part.start && part.end <= r->end;
}

static inline u64 next_gfn(u64 gfn, int level)
{
	return ALIGN_DOWN(gfn, ept_span(level)) + ept_span(level);
}

/* Drops what @table maps of @r, which lies within what the table spans. */
static bool unmap_table(struct ept *ept, u64 *table, int level, const struct gfn_range *r)
{
	bool changed = false;
	struct gfn_range part;
	u64 gfn, next;

	for (gfn = r->start; gfn < r->end; gfn = next) {
		u64 *entry = entry_of(table, gfn, level);

		ept->pool->steps++;
		next = next_gfn(gfn, level);
		if (!*entry)
			continue;
		part = (struct gfn_range){ gfn, min(next, r->end) };
		if (ept_is_leaf(*entry, level) ||
		    ept_covers(r, ept_whole(ALIGN_DOWN(gfn, ept_span(level)), level))) {
			ept_replace(ept, entry, level, 0);
			changed = true;
		} else {
			changed |= unmap_table(ept, table_of(*entry), level - 1, &part);
		}
	}
	return changed;
}

bool ept_unmap(struct ept *ept, u64 start_gfn, u64 end_gfn)
{
	struct gfn_range r = { start_gfn, min(end_gfn, EPT_GFN_END) };

	return unmap_table(ept, ept->root, EPT_ROOT_LEVEL, &r);
}

/* Putting in */

/*
 * Finds the table of @level that has an entry for @gfn, and makes it if need
 * be. The cache has pages enough, if the caller filled it.
 * @lost: becomes true if a large page gave way to the table.
 */
static u64 *make_table(struct ept *ept, struct ept_cache *cache, u64 gfn, int level, bool *lost)
{
	u64 *table = ept->root;
	u64 *entry;
	void *page;
	int l;

	for (l = EPT_ROOT_LEVEL; l > level; l--) {
		entry = entry_of(table, gfn, l);
		if (!*entry || ept_is_leaf(*entry, l)) {
			if (WARN_ON_ONCE(!cache->count))
				return NULL;
			page = cache->page[--cache->count];
			ept_count_add(&ept->pool->pages, 1);
			*lost |= *entry != 0;
			ept_entry_xchg(entry, ept_page_pa(page) | EPT_RWX | EPT_EXEC_USER);
		}
		table = table_of(*entry);
	}
	return table;
}

static inline u64 leaf_entry(u64 hpa, int level, u64 prot)
{
	return hpa | prot | EPT_MT_WB | EPT_IGNORE_PAT | (level > 1 ? EPT_LARGE : 0);
}

/* Is @entry, of a table of @level, a leaf of the same page as @other, with all its rights? */
static bool ept_allows(u64 entry, u64 other, int level)
{
	return entry && ept_is_leaf(entry, level) && !((entry ^ other) & EPT_ADDR_MASK) &&
	       !(other & ~entry & (EPT_RWX | EPT_EXEC_USER));
}

bool ept_map(struct ept *ept, struct ept_cache *cache, u64 gpa, u64 hpa, int level, u64 prot)
{
	u64 gfn = gpa >> 12, new = leaf_entry(ALIGN_DOWN(hpa, ept_span(level) << 12), level, prot);
	bool lost = false;
	u64 *table = make_table(ept, cache, gfn, level, &lost);
	u64 *entry;

	if (!table)
		return lost;
	entry = entry_of(table, gfn, level);
	if (ept_allows(*entry, new, level))
		return lost;
	lost |= *entry && !ept_allows(new, *entry, level);
	ept_replace(ept, entry, level, new);
	return lost;
}

/* The table of level 1 for @gfn, or NULL. */
static u64 *find_table(struct ept *ept, u64 gfn)
{
	u64 *table = ept->root;
	u64 entry;
	int level;

	for (level = EPT_ROOT_LEVEL; level > 1; level--) {
		entry = *entry_of(table, gfn, level);
		if (!entry || ept_is_leaf(entry, level))
			return NULL;
		table = table_of(entry);
	}
	return table;
}

void ept_map_absent(struct ept *ept, u64 gpa, const u64 *pfn, int count, u64 prot)
{
	u64 gfn = gpa >> 12;
	u64 *table = NULL;
	u64 *entry;
	int i;

	for (i = 0; i < count; i++, gfn++) {
		if (!table || !(gfn & (EPT_ENTRIES - 1)))
			table = find_table(ept, gfn);
		if (!table || !pfn[i])
			continue;
		entry = entry_of(table, gfn, 1);
		if (!*entry)
			WRITE_ONCE(*entry, leaf_entry(pfn[i] << 12, 1, prot));
	}
}

unsigned long ept_absent(struct ept *ept, u64 gpa, int count)
{
	u64 *table = find_table(ept, gpa >> 12);
	unsigned long absent = 0;
	u64 *entry;
	int i;

	if (!table)
		return 0;
	entry = entry_of(table, gpa >> 12, 1);
	for (i = 0; i < count; i++)
		if (!entry[i])
			absent |= 1UL << i;
	return absent;
}

/* Flags and rights */

typedef bool (*visit_fn)(struct ept *ept, u64 *entry, int level);

/* Calls @visit for each leaf that overlaps @r. Return: whether any call said true. */
static bool visit_leaves(struct ept *ept, u64 *table, int level, const struct gfn_range *r,
			 visit_fn visit)
{
	bool any = false;
	struct gfn_range part;
	u64 gfn, next;

	for (gfn = r->start; gfn < r->end; gfn = next) {
		u64 *entry = entry_of(table, gfn, level);

		ept->pool->steps++;
		next = next_gfn(gfn, level);
		if (!*entry)
			continue;
		part = (struct gfn_range){ gfn, min(next, r->end) };
		if (ept_is_leaf(*entry, level))
			any |= visit(ept, entry, level);
		else
			any |= visit_leaves(ept, table_of(*entry), level - 1, &part, visit);
	}
	return any;
}

static bool visit_range(struct ept *ept, u64 start_gfn, u64 end_gfn, visit_fn visit)
{
	struct gfn_range r = { start_gfn, min(end_gfn, EPT_GFN_END) };

	return visit_leaves(ept, ept->root, EPT_ROOT_LEVEL, &r, visit);
}

/* A large page is dropped: the guest's next accesses map its parts as small pages. */
static bool protect_leaf(struct ept *ept, u64 *entry, int level)
{
	if (!(*entry & EPT_WRITE))
		return false;
	if (level > 1)
		ept_replace(ept, entry, level, 0);
	else
		ept_entry_clear(entry, EPT_WRITE);
	return true;
}

bool ept_write_protect(struct ept *ept, u64 start_gfn, u64 end_gfn)
{
	return visit_range(ept, start_gfn, end_gfn, protect_leaf);
}

static bool young_leaf(struct ept *ept __maybe_unused, u64 *entry, int level __maybe_unused)
{
	return *entry & EPT_ACCESSED;
}

static bool age_leaf(struct ept *ept __maybe_unused, u64 *entry, int level __maybe_unused)
{
	if (!(*entry & EPT_ACCESSED))
		return false;
	ept_entry_clear(entry, EPT_ACCESSED);
	return true;
}

bool ept_young(struct ept *ept, u64 start_gfn, u64 end_gfn, bool clear)
{
	return visit_range(ept, start_gfn, end_gfn, clear ? age_leaf : young_leaf);
}

/* Context: vm->mem.lock held, or a unit test. */
u64 ept_lookup(struct ept *ept, u64 gpa, int *level)
{
	u64 *table = ept->root;
	u64 entry;

	for (*level = EPT_ROOT_LEVEL;; (*level)--) {
		entry = READ_ONCE(*entry_of(table, gpa >> 12, *level));
		if (!entry || ept_is_leaf(entry, *level))
			return entry;
		table = table_of(entry);
	}
}
