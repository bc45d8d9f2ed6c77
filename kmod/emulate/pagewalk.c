// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk of a guest's page tables, as its processor would do it. Pure logic:
 * gva.c gives it the registers and two functions for memory, unit tests give it
 * a table in userspace.
 *
 * What a reader must know: a walk sets accessed and dirty flags only after it
 * has found that the access is allowed, by compare and exchange, since other
 * vCPUs change the tables meanwhile. If an entry has changed the walk begins
 * again.
 *
 * SDM: "4-Level Paging and 5-Level Paging", "PAE Paging", "32-Bit Paging".
 */
#include "emulate/pagewalk.h"

#define PTE_P BIT_ULL(0)
#define PTE_W BIT_ULL(1)
#define PTE_U BIT_ULL(2)
#define PTE_A BIT_ULL(5)
#define PTE_D BIT_ULL(6)
#define PTE_PS BIT_ULL(7)
#define PTE_NX BIT_ULL(63)
#define PTE_KEY_SHIFT 59
#define PTE_ADDR GENMASK_ULL(51, 12)

/* What one walk has found so far. */
struct walk {
	const struct pagewalk *w;
	u64 linear;
	int level;		      /* of the entry last read: 1 is a PTE */
	int top;		      /* level of the first entry in memory */
	u64 entry[MEM_TRAIL_MAX + 1]; /* by level */
	u64 at[MEM_TRAIL_MAX + 1];    /* the entries' addresses */
	u64 rights;		      /* PTE_W, PTE_U: of all entries; PTE_NX: of any */
};

static u8 entry_size(const struct walk *walk)
{
	return walk->w->paging == PAGING_32 ? 4 : 8;
}

/* How many bits of the linear address choose an entry of one table. */
static unsigned int index_bits(const struct walk *walk)
{
	return walk->w->paging == PAGING_32 ? 10 : 9;
}

static unsigned int level_shift(const struct walk *walk, int level)
{
	return 12 + index_bits(walk) * (level - 1);
}

static u64 entry_at(const struct walk *walk, u64 table, int level)
{
	u64 index = walk->linear >> level_shift(walk, level);

	return table + (index & (BIT_ULL(index_bits(walk)) - 1)) * entry_size(walk);
}

/* Does the entry map a page, rather than point at a table? */
static bool pagewalk_is_leaf(const struct walk *walk, u64 entry, int level)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS) || level > 3)
		return false;
	if (level == 3)
		return walk->w->paging == PAGING_4LEVEL && walk->w->gbpages;
	return walk->w->paging != PAGING_32 || walk->w->pse;
}

/* The reserved bits of a 4 MiB page, where PSE-36 has address bits 39:32 in bits 20:13. */
static u64 reserved_bits_4m(const struct walk *walk)
{
	unsigned int bits = walk->w->maxphyaddr;

	if (bits >= 40)
		return BIT_ULL(21);
	return GENMASK_ULL(21, bits > 32 ? bits - 32 + 13 : 13);
}

/*
 * The bits of @entry that fault if they are set. Bits of the address beyond
 * MAXPHYADDR are among them.
 */
static u64 pagewalk_reserved_bits(const struct walk *walk, u64 entry, int level)
{
	const struct pagewalk *w = walk->w;
	bool leaf = pagewalk_is_leaf(walk, entry, level);
	u64 rsvd = 0;

	if (w->paging == PAGING_32)
		return leaf && level == 2 ? reserved_bits_4m(walk) : 0;
	if (w->maxphyaddr < 52)
		rsvd = GENMASK_ULL(51, w->maxphyaddr);
	if (w->paging == PAGING_PAE)
		rsvd |= GENMASK_ULL(62, 52);
	if (!w->nxe)
		rsvd |= PTE_NX;
	if (leaf && level > 1)
		rsvd |= GENMASK_ULL(level_shift(walk, level) - 1, 13);
	else if (!leaf && level >= 3)
		rsvd |= PTE_PS;
	return rsvd;
}

/*
 * @error: PF_PRESENT, PF_RSVD and PF_PK, as the walk found them; the access says the other bits.
 * The fetch bit is given only where paging tells fetches apart: with NX or SMEP.
 */
static int page_fault(const struct walk *walk, const struct access *access, u32 error,
		      struct x86_fault *fault)
{
	const struct pagewalk *w = walk->w;
	bool nx_known = w->nxe && w->paging != PAGING_32;

	if (access->write)
		error |= PF_WRITE;
	if (access->user)
		error |= PF_USER;
	if (access->fetch && (nx_known || w->smep))
		error |= PF_FETCH;
	fault_set_pf(fault, walk->linear, error);
	return -EFAULT;
}

/*
 * Rights combine over all levels: a page is writable, and open to user mode, if every
 * entry says so, and not executable if any says so. SDM: "Determination of Access
 * Rights".
 */
static bool pagewalk_allowed(const struct walk *walk, const struct access *access)
{
	const struct pagewalk *w = walk->w;
	bool user_page = walk->rights & PTE_U;

	if (access->fetch && walk->rights & PTE_NX)
		return false;
	if (access->user)
		return user_page && (!access->write || walk->rights & PTE_W);
	if (user_page) {
		if (access->fetch)
			return !w->smep;
		if (w->smap && (access->implicit || !w->ac))
			return false;
	}
	return !access->write || walk->rights & PTE_W || !w->wp;
}

/*
 * Does the key of the page, if that is open to user mode, keep this access to data out? It may say
 * no access, or no write, which holds of a supervisor only with CR0.WP. SDM: "Protection Keys".
 */
static bool key_denies(const struct walk *walk, const struct access *access)
{
	const struct pagewalk *w = walk->w;
	u32 bits;

	if (likely(!w->pke) || access->fetch || access->peek || !(walk->rights & PTE_U))
		return false;
	bits = w->pkru >> 2 * (walk->entry[walk->level] >> PTE_KEY_SHIFT & 15);
	return (bits & 1) || ((bits & 2) && access->write && (access->user || w->wp));
}

static void add_rights(struct walk *walk, u64 entry)
{
	walk->rights &= (entry & (PTE_W | PTE_U)) | PTE_NX;
	if (walk->w->nxe && walk->w->paging != PAGING_32)
		walk->rights |= entry & PTE_NX;
}

/*
 * Walks from the table at @table down to the leaf. At each level a missing entry faults before
 * a reserved bit in it does, and rights are judged at the end. SDM: "Page-Fault Exceptions".
 */
static int pagewalk_descend(struct walk *walk, u64 table, const struct access *access,
			    struct x86_fault *fault)
{
	int level, ret;
	u64 entry;

	walk->rights = PTE_W | PTE_U;
	for (level = walk->top;; level--) {
		walk->at[level] = entry_at(walk, table, level);
		ret = walk->w->ops->read(walk->w->ctx, walk->at[level], &entry, entry_size(walk));
		if (ret)
			return ret;
		if (!(entry & PTE_P))
			return page_fault(walk, access, 0, fault);
		if (entry & pagewalk_reserved_bits(walk, entry, level))
			return page_fault(walk, access, PF_PRESENT | PF_RSVD, fault);
		walk->entry[level] = entry;
		add_rights(walk, entry);
		if (pagewalk_is_leaf(walk, entry, level))
			break;
		table = entry & PTE_ADDR;
	}
	walk->level = level;
	if (key_denies(walk, access))
		return page_fault(walk, access, PF_PRESENT | PF_PK, fault);
	if (!pagewalk_allowed(walk, access))
		return page_fault(walk, access, PF_PRESENT, fault);
	return 0;
}

/* Sets accessed in all entries, dirty in the leaf. Return: -ESTALE: an entry has changed. */
static int pagewalk_mark(struct walk *walk, const struct access *access)
{
	const struct pagewalk *w = walk->w;
	u64 old, new;
	int level, ret;

	for (level = walk->top; level >= walk->level; level--) {
		old = walk->entry[level];
		new = old | PTE_A;
		if (level == walk->level && access->write)
			new |= PTE_D;
		if (new == old)
			continue;
		ret = w->ops->update(w->ctx, walk->at[level], old, new, entry_size(walk));
		if (ret)
			return ret;
		walk->entry[level] = new;
	}
	return 0;
}

/* Gives the caller the entries by which the walk came, as they are with their flags set. */
static void pagewalk_keep(const struct walk *walk, struct mem_trail *trail)
{
	int level;

	trail->count = 0;
	for (level = walk->top; level >= walk->level; level--) {
		trail->at[trail->count] = walk->at[level];
		trail->entry[trail->count++] = walk->entry[level];
	}
	trail->user = walk->rights & PTE_U;
	trail->writable = walk->rights & PTE_W;
}

static u64 final_address(const struct walk *walk)
{
	u64 entry = walk->entry[walk->level];
	u64 offset_mask = BIT_ULL(level_shift(walk, walk->level)) - 1;
	u64 base = entry & PTE_ADDR & ~offset_mask;

	/* A 4 MiB page has address bits 39:32 in bits 20:13 (PSE-36). */
	if (walk->w->paging == PAGING_32 && walk->level == 2)
		base = (entry & GENMASK_ULL(31, 22)) | (entry & GENMASK_ULL(20, 13)) << 19;
	return base | (walk->linear & offset_mask);
}

static int pagewalk_walk_once(struct walk *walk, const struct access *access,
			      struct page_found *found, struct x86_fault *fault)
{
	const struct pagewalk *w = walk->w;
	u64 table = w->cr3 & PTE_ADDR;
	u64 pdpte;
	int ret;

	if (w->paging == PAGING_PAE) {
		pdpte = w->pdpte[walk->linear >> 30 & 3];
		if (!(pdpte & PTE_P))
			return page_fault(walk, access, 0, fault);
		table = pdpte & PTE_ADDR;
	} else if (w->paging == PAGING_32) {
		table &= GENMASK_ULL(31, 12);
	}
	ret = pagewalk_descend(walk, table, access, fault);
	if (!ret)
		ret = pagewalk_mark(walk, access);
	if (ret)
		return ret;
	*found = (struct page_found){
		.gpa = final_address(walk),
		.user = walk->rights & PTE_U,
		.writable = walk->rights & PTE_W,
		.nx = walk->rights & PTE_NX,
	};
	if (access->trail)
		pagewalk_keep(walk, access->trail);
	return 0;
}

int pagewalk(const struct pagewalk *w, u64 linear, const struct access *access,
	     struct page_found *found, struct x86_fault *fault)
{
	struct walk walk = { .w = w, .linear = linear };
	int tries, ret = -ESTALE;

	if (w->paging == PAGING_NONE) {
		*found = (struct page_found){ .gpa = linear, .user = true, .writable = true };
		return 0;
	}
	walk.top = w->paging == PAGING_4LEVEL ? 4 : 2;
	for (tries = 0; ret == -ESTALE && tries < PAGEWALK_MAX_RETRIES; tries++)
		ret = pagewalk_walk_once(&walk, access, found, fault);
	return ret == -ESTALE ? -EAGAIN : ret;
}
