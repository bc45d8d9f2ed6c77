/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extended page tables that the processor walks: L1's own (one per VM), and
 * the roots of EPT02, which nested/ept02 builds with the same functions.
 *
 * All functions but alloc and free want vm->mem.lock held.
 */
#ifndef GUEST_EPT_H
#define GUEST_EPT_H

#include <linux/list.h>
#include <vmx/controls.h>
#include <vmx/types.h>

struct vm;
struct vcpu;
struct mem_fault;

#define EPT_MT_WB ((u64)EPTP_MEMTYPE_WB << EPT_MEMTYPE_SHIFT)
#define EPT_ADDR_MASK GENMASK_ULL(51, 12)

/* Level 1 maps 4 KiB, level 2 maps 2 MiB; the root is level 4. */
#define EPT_ROOT_LEVEL 4

struct ept {
	u64 *root;
	u64 eptp; /* for VMCS_EPT_POINTER */
	u64 pages; /* table pages in use, root included */
};

/*
 * Table pages taken in advance, where sleeping is allowed, so that mapping
 * under the spinlock does not fail. Embedded in the vCPU.
 */
struct ept_cache {
	int count;
	void *page[8];
};

int ept_cache_fill(struct ept_cache *cache); /* 0 or -ENOMEM; may sleep */
void ept_cache_free(struct ept_cache *cache);

int ept_init(struct ept *ept);
void ept_destroy(struct ept *ept); /* no CPU may walk it any more */

/* @gpa to @hpa at @level, with rights @prot (EPT_RWX bits, memory type added here). */
void ept_map(struct ept *ept, struct ept_cache *cache, u64 gpa, u64 hpa, int level, u64 prot);
/* Drop [start_gfn, end_gfn). Return: whether anything was mapped (then flush). */
bool ept_unmap(struct ept *ept, u64 start_gfn, u64 end_gfn);
/* Drop all but the root. */
bool ept_unmap_all(struct ept *ept);
/* Take away the write right, for the dirty log; splits nothing: drops large pages. */
bool ept_write_protect(struct ept *ept, u64 start_gfn, u64 end_gfn);
/* The leaf entry for @gpa and its level, or 0. */
u64 ept_lookup(struct ept *ept, u64 gpa, int *level);

/*
 * L1 touched @gpa and the processor found no right to. Return: 1: mapped, go
 * on; 0: there's no RAM (or it's read-only and this is a write): MMIO;
 * <0: errno. Context: may sleep; vCPU loaded.
 */
int ept_violation_l1(struct vcpu *vcpu, u64 gpa, bool write);

/* Every vCPU flushes what it cached of any EPT of the VM before its next entry. */
void ept_flush_vm(struct vm *vm);

#endif
