// SPDX-License-Identifier: GPL-2.0-only
/* Dirty rings, emptied as the API asks for it. */
#include <sys/mman.h>
#include "../ring.h"

#define PAGE 4096

int rings_enable(struct vm *vm, u64 bytes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args[0] = bytes };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

struct ring ring_map(struct vm *vm, int cpu, u64 bytes)
{
	struct ring ring = { .entries = bytes / sizeof(*ring.gfns) };

	ring.gfns = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vm->cpu[cpu].fd,
			 KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	if (ring.gfns == MAP_FAILED)
		tap_bail("mmap of a dirty ring");
	return ring;
}

void ring_unmap(struct ring *ring)
{
	munmap(ring->gfns, ring->entries * sizeof(*ring->gfns));
}

bool ring_take(struct ring *ring, u32 *slot, u64 *offset)
{
	struct kvm_dirty_gfn *gfn = &ring->gfns[ring->next % ring->entries];

	if (__atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
		return false;
	*slot = gfn->slot;
	*offset = gfn->offset;
	__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	ring->next++;
	return true;
}

int rings_reset(struct vm *vm)
{
	return ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0);
}
