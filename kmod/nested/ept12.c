// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk of EPT12, L1's page tables from L2's physical addresses to L1's. Pure
 * logic: ept02.c gives it two functions for L1's memory, unit tests a table in
 * userspace. Tour, stop 12.
 *
 * What a reader must know: L1's other vCPUs may change the entries at any time.
 * Each is read once, judged as it was read, and its flags are set by compare
 * and exchange: if that fails the walk begins again.
 *
 * SDM: "The Extended Page Table Mechanism (EPT)".
 */
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/info.h>

#include "nested/ept12.h"

#define LEVELS 4
#define ENTRY_ADDR GENMASK_ULL(51, 12)
#define TABLE_RESERVED GENMASK_ULL(7, 3) /* of an entry that names a table */
/* How often the walk begins again, if L1 changes entries under it, before it gives up. */
#define MAX_RESTARTS 8

struct walk {
	const struct ept12 *ept;
	const struct ept12_mem *mem;
	struct ept12_result *out;
	u64 gpa;
	u32 access;
	u64 entry[LEVELS + 1]; /* by level, as read */
	u64 common;	       /* the bits that are set in all of them */
};

static u64 level_size(int level)
{
	return 1ull << (12 + 9 * (level - 1));
}

static u64 table_index(u64 gpa, int level)
{
	return gpa >> (12 + 9 * (level - 1)) & 511;
}

/* Where the entry of @level lies: in the table that the one above names. */
static l1_gpa_t entry_at(const struct walk *w, int level)
{
	u64 above = level == LEVELS ? w->ept->eptp : w->entry[level + 1];

	return l1_gpa((above & ENTRY_ADDR) + table_index(w->gpa, level) * 8);
}

static bool ept12_is_leaf(u64 entry, int level)
{
	return level == 1 || (level <= 3 && (entry & EPTE_LARGE));
}

/*
 * With mode-based execute control there is a fourth right: to execute at
 * user-mode addresses.
 */
static u32 all_rights(const struct ept12 *ept)
{
	return EPTE_RWX | (ept->mode_exec ? EPTE_XU : 0);
}

static bool ept12_present(const struct ept12 *ept, u64 entry)
{
	return entry & all_rights(ept);
}

static bool memtype_valid(u64 entry)
{
	u64 type = (entry & EPTE_MEMTYPE) >> EPTE_MEMTYPE_SHIFT;

	return type != 2 && type != 3 && type != 7;
}

static bool ept12_leaf_misconfigured(const struct ept12 *ept, u64 entry, int level)
{
	if (level == 3 && !(ept->ept_caps & EPTCAP_1G))
		return true;
	if (level == 2 && !(ept->ept_caps & EPTCAP_2M))
		return true;
	return !memtype_valid(entry) || (entry & (level_size(level) - 1) & ENTRY_ADDR);
}

/* The address bits of an entry that lie beyond L1's MAXPHYADDR. */
static u64 ept12_beyond(const struct ept12 *ept)
{
	return ENTRY_ADDR & (~0ull << ept->maxphyaddr);
}

/* @beyond: ept12_beyond(). SDM: "EPT Misconfigurations". */
static bool ept12_misconfigured(const struct ept12 *ept, u64 beyond, u64 entry, int level)
{
	if (!(entry & EPTE_R) && ((entry & EPTE_W) || !(ept->ept_caps & EPTCAP_EXEC_ONLY)))
		return true;
	if (entry & beyond)
		return true;
	if (ept12_is_leaf(entry, level))
		return ept12_leaf_misconfigured(ept, entry, level);
	return entry & TABLE_RESERVED;
}

/*
 * Bits 6:0: the access and the rights that there are. The access is called a fetch whichever of
 * the two rights to execute it lacks. SDM: "Exit Qualification for EPT Violations".
 */
static u64 ept12_qualification(u32 access, u32 rights)
{
	u64 qual = (access & EPTE_RWX) | (u64)(rights & EPTE_RWX) << EPTQ_CAN_SHIFT;

	if (access & EPTE_XU)
		qual |= EPTQ_FETCH;
	if (rights & EPTE_XU)
		qual |= EPTQ_CAN_EXEC_USER;
	return qual;
}

static enum ept12_outcome ept12_violation(struct walk *w, u32 rights)
{
	w->out->qual = ept12_qualification(w->access, rights);
	w->out->suppress_ve = w->entry[w->out->level] & EPTE_SUPPRESS_VE;
	w->out->rights = rights;
	return EPT12_VIOLATION;
}

static void ept12_found(struct walk *w, int level, u32 rights)
{
	u64 entry = w->entry[level], offset = level_size(level) - 1;

	w->out->leaf_at = entry_at(w, level);
	w->out->gpa = l1_gpa((entry & ENTRY_ADDR & ~offset) | (w->gpa & offset));
	w->out->rights = rights;
	w->out->memtype = entry & (EPTE_MEMTYPE | EPTE_IGNORE_PAT);
	w->out->dirty = !(w->ept->eptp & EPTP_AD) || (entry & EPTE_D);
}

/*
 * Walks from the root to the leaf. The entries that were read stay in @w. What nearly each entry
 * above the leaf is, a readable one that names a table, is asked first: it is in order.
 */
static enum ept12_outcome walk_down(struct walk *w)
{
	u64 table = w->ept->eptp & ENTRY_ADDR;
	const u64 beyond = ept12_beyond(w->ept), no_table = beyond | TABLE_RESERVED;
	const u32 all = all_rights(w->ept);
	u32 rights = all;
	int level;

	w->common = ~0ull;
	for (level = LEVELS; level >= 1; level--) {
		l1_gpa_t at;
		bool plain;
		u64 entry;

		w->out->level = level;
		at = l1_gpa(table + table_index(w->gpa, level) * 8);
		if (w->mem->read(w->mem->ctx, at, &entry))
			return EPT12_NO_MEMORY;
		w->entry[level] = entry;
		plain = level > 1 && (entry & (EPTE_R | no_table)) == EPTE_R;
		if (unlikely(!plain)) {
			if (!(entry & all))
				return ept12_violation(w, 0);
			if (ept12_misconfigured(w->ept, beyond, entry, level))
				return EPT12_MISCONFIG;
		}
		w->common &= entry;
		if (!plain && ept12_is_leaf(entry, level)) {
			w->out->parent_rights = rights;
			rights &= entry;
			ept12_found(w, level, rights);
			return w->access & ~rights ? ept12_violation(w, rights) : EPT12_OK;
		}
		rights &= entry;
		table = entry & ENTRY_ADDR;
	}
	return EPT12_NO_MEMORY; /* not reached: level 1 is a leaf */
}

static bool sets_dirty(const struct walk *w)
{
	return (w->access & EPTE_W) && !(w->entry[w->out->level] & EPTE_D);
}

/* The entry of @level with the flags that the access sets. */
static u64 with_flags(const struct walk *w, int level)
{
	return w->entry[level] | EPTE_A | (level == w->out->level && sets_dirty(w) ? EPTE_D : 0);
}

static bool sets_flags(const struct walk *w)
{
	return !(w->common & EPTE_A) || sets_dirty(w);
}

/*
 * Sets the accessed flag in all entries that lack it, and for a write the dirty flag in the leaf.
 * Return: 0; -EAGAIN: L1 has changed an entry; -EFAULT: there is no memory at one.
 */
static int ept12_set_flags(struct walk *w)
{
	int level, r;

	for (level = LEVELS; level >= w->out->level; level--) {
		u64 want = with_flags(w, level);

		if (want == w->entry[level])
			continue;
		r = w->mem->update(w->mem->ctx, entry_at(w, level), w->entry[level], want);
		if (r)
			return r;
		if (want & ~w->entry[level] & EPTE_D)
			w->out->dirtied = true;
		w->entry[level] = want;
	}
	w->out->dirty = w->entry[w->out->level] & EPTE_D;
	return 0;
}

static enum ept12_outcome ept12_walk_once(struct walk *w, bool *again)
{
	enum ept12_outcome outcome = walk_down(w);
	int r;

	*again = false;
	if (outcome != EPT12_OK || !(w->ept->eptp & EPTP_AD) || !sets_flags(w))
		return outcome;
	if (w->ept->no_trace)
		return EPT12_TRACE;
	/* With a full log no flag is set at all. SDM: "Page-Modification Logging". */
	if (w->ept->log_full && sets_dirty(w))
		return EPT12_LOG_FULL;
	r = ept12_set_flags(w);
	*again = r == -EAGAIN;
	if (*again)
		return EPT12_AGAIN;
	return r ? EPT12_NO_MEMORY : EPT12_OK;
}

void ept12_walk(const struct ept12 *ept, const struct ept12_mem *mem, l2_gpa_t gpa, u32 access,
		struct ept12_result *out)
{
	struct walk w; /* its arrays are written as the walk goes */
	bool again;
	int i;

	w.ept = ept;
	w.mem = mem;
	w.out = out;
	w.gpa = l2_addr(gpa);
	w.access = access;
	*out = (struct ept12_result){};
	if (w.gpa >> 48) {
		/* Four levels translate 48 bits, and no entry can map an address beyond. */
		out->level = LEVELS;
		w.entry[LEVELS] = 0;
		out->outcome = ept12_violation(&w, 0);
		return;
	}
	for (i = 0; i < MAX_RESTARTS; i++) {
		out->outcome = ept12_walk_once(&w, &again);
		if (!again)
			return;
	}
}

/*
 * L1 must not see that a neighbour was mapped: one whose accessed flag, or dirty flag if it is to
 * be writable, is not set yet is left out.
 */
u32 ept12_neighbour(const struct ept12 *ept, const struct ept12_result *walked, u64 entry,
		    l1_gpa_t *gpa)
{
	u32 rights = entry & walked->parent_rights;

	if (!ept12_present(ept, entry) || ept12_misconfigured(ept, ept12_beyond(ept), entry, 1))
		return 0;
	if (ept->eptp & EPTP_AD) {
		if (!(entry & EPTE_A))
			return 0;
		if (!(entry & EPTE_D))
			rights &= ~(u32)EPTE_W;
	}
	*gpa = l1_gpa(entry & ENTRY_ADDR);
	return rights;
}
