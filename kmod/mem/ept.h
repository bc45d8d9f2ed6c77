/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extended page tables that the processor walks: L1's own (one for each VM),
 * and the roots of EPT02, which nested/ept02.c builds with the same functions.
 *
 * All functions want vm->mem.lock held, but those of struct ept_cache,
 * ept_init(), ept_destroy() and ept_trash_free(). ept.c is pure: the unit tests
 * run it in userspace.
 */
#ifndef MEM_EPT_H
#define MEM_EPT_H

#include <vmx/types.h>

struct vm;
struct vcpu;

#define EPT_READ BIT_ULL(0)
#define EPT_WRITE BIT_ULL(1)
#define EPT_EXEC BIT_ULL(2)
#define EPT_RWX (EPT_READ | EPT_WRITE | EPT_EXEC)
#define EPT_MT_SHIFT 3
#define EPT_MT_WB (6ULL << EPT_MT_SHIFT)
#define EPT_IGNORE_PAT BIT_ULL(6)
#define EPT_LARGE BIT_ULL(7)
#define EPT_ACCESSED BIT_ULL(8)
#define EPT_DIRTY BIT_ULL(9)
#define EPT_EXEC_USER BIT_ULL(10) /* ignored without mode-based execute control */
#define EPT_ADDR_MASK GENMASK_ULL(51, 12)

/* Level 1 maps 4 KiB, level 2 maps 2 MiB; the root is level 4. */
#define EPT_ROOT_LEVEL 4
#define EPT_LEVEL_BITS 9
#define EPT_ENTRIES (1 << EPT_LEVEL_BITS)
/* Guest-physical addresses are 48 bits wide, frame numbers 36. */
#define EPT_GFN_BITS (EPT_ROOT_LEVEL * EPT_LEVEL_BITS)
#define EPT_GFN_END BIT_ULL(EPT_GFN_BITS)

/*
 * Tables that were taken out and are not freed yet, as a processor may still have
 * their addresses in its paging-structure caches. A tree of tables is taken out in
 * one step, however large it is. All zeroes is an empty one.
 */
struct ept_trash {
	void *first;
};

/* What all EPTs of a VM share. All zeroes is an empty one. */
struct ept_pool {
	struct ept_trash trash;
	u64 pages; /* table pages of all EPTs, those in any trash included; atomic */
	u64 steps; /* entries looked at since the lock was taken */
	u64 most_steps;
};

struct ept {
	u64 *root; /* NULL: there are no tables */
	u64 eptp;  /* for VMCS_EPT_POINTER */
	struct ept_pool *pool;
};

#define EPT_CACHE_PAGES 8

/*
 * Table pages taken in advance, where sleeping is allowed, so that mapping
 * under the spinlock does not fail. Embedded in the vCPU; all zeroes is an
 * empty one. ept_map() takes at most EPT_ROOT_LEVEL - 1 of them, so a full
 * cache is enough for two.
 */
struct ept_cache {
	int count;
	void *page[EPT_CACHE_PAGES];
};

int ept_cache_fill(struct ept_cache *cache); /* 0 or -ENOMEM; may sleep */
void ept_cache_free(struct ept_cache *cache);

/*
 * An empty root; 0 or -ENOMEM. A root may lie where another one lay before:
 * the vCPU flushes its translations (INVEPT) before it first enters with it.
 */
int ept_init(struct ept *ept, struct ept_pool *pool);
/* Moves all tables to the trash, with the root, in one step however many they are. */
void ept_drop(struct ept *ept);
/* Frees the tables at once: no CPU may walk them, or have them cached, any more. May sleep. */
void ept_destroy(struct ept *ept);
/* Takes the pool's trash, to be freed after all processors have flushed what they cached of it. */
struct ept_trash ept_trash_take(struct ept_pool *pool);
/* Frees what ept_trash_take() gave. Context: vm->mem.lock not held; may sleep. */
void ept_trash_free(struct ept_pool *pool, struct ept_trash trash);

/*
 * Maps @gpa to @hpa at @level (1 or 2) with the rights @prot: of EPT_RWX,
 * EPT_EXEC_USER, and EPT_ACCESSED and EPT_DIRTY if they are to be set from the
 * start. The memory type is added here. What was mapped there is replaced,
 * unless it is the same page with these rights and perhaps more, which another
 * vCPU may use.
 * Return: whether a processor may have cached what was replaced (then flush).
 */
bool ept_map(struct ept *ept, struct ept_cache *cache, u64 gpa, u64 hpa, int level, u64 prot);
/*
 * Maps @count pages of 4 KiB from @gpa on, where nothing is mapped yet and the
 * table that would hold the entry exists already: neighbours of a page that was
 * just mapped. Allocates nothing. A page frame of 0 leaves one out.
 */
void ept_map_absent(struct ept *ept, u64 gpa, const u64 *pfn, int count, u64 prot);
/*
 * Which of @count pages from @gpa on, in one table, ept_map_absent() would map: bit 0 for @gpa.
 * @count: at most 64.
 */
unsigned long ept_absent(struct ept *ept, u64 gpa, int count);
/* Drops [start_gfn, end_gfn). Return: whether anything was mapped (then flush). */
bool ept_unmap(struct ept *ept, u64 start_gfn, u64 end_gfn);
/*
 * Takes the write right away, for the dirty log. A large page is not split but
 * dropped.
 * Return: whether anything changed (then flush).
 */
bool ept_write_protect(struct ept *ept, u64 start_gfn, u64 end_gfn);
/* Has the processor used any of it since the flag was last cleared? */
bool ept_young(struct ept *ept, u64 start_gfn, u64 end_gfn, bool clear);
/* The leaf entry for @gpa and its level, or 0. */
u64 ept_lookup(struct ept *ept, u64 gpa, int *level);

/*
 * L1 touched @gpa, and the processor found no right to do so in its EPT.
 * Return: 1: it is mapped, or another attempt is due: go on; 0: there is no
 * RAM, or it is read-only and this is a write: MMIO; <0: errno for the ioctl.
 * Context: the vCPU's thread, may sleep.
 */
int ept_violation_l1(struct vcpu *vcpu, u64 gpa, bool write);

/*
 * Every vCPU flushes what it cached of any EPT of the VM before its next
 * entry, and none runs with older translations when this returns.
 */
void ept_flush_vm(struct vm *vm);

#endif
