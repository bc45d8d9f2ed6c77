/* SPDX-License-Identifier: GPL-2.0-only */
/* Dirty rings (KVM_CAP_DIRTY_LOG_RING), as their user sees them. */
#ifndef RIG_RING_H
#define RIG_RING_H

#include "vm.h"

struct ring {
	struct kvm_dirty_gfn *gfns;
	u32 entries;
	u32 next; /* the entry that is pushed next; it may be any number, and counts on */
};

/* For all vCPUs that are made later. 0, or -1 and errno. */
int rings_enable(struct vm *vm, u64 bytes);
/* Of vCPU @cpu; the ring's mapping. Ends the test when it fails. */
struct ring ring_map(struct vm *vm, int cpu, u64 bytes);
void ring_unmap(struct ring *ring);
/* The oldest entry that was not taken yet. False: there is none. It counts as seen. */
bool ring_take(struct ring *ring, u32 *slot, u64 *offset);
/* KVM_RESET_DIRTY_RINGS: how many were reset, or -1 and errno. */
int rings_reset(struct vm *vm);

#endif
