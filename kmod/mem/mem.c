// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0's own accesses to guest memory: copies, atomic operations, and pages
 * resolved for longer than an access.
 *
 * Handlers, the irqchip and nested/ call it from the vCPU's thread, or an ioctl
 * of the VM's process: guest memory is that process's memory, reached by its
 * address there.
 *
 * What a reader must know: all of it may sleep, and memory may change between
 * two accesses, as other vCPUs write to it. Whoever checks a value copies it
 * first.
 */

#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "cpu/vm.h"
#include "mem/mem_internal.h"

/*
 * The address in the process of [gpa, gpa + *len), with *len cut at the slot's
 * end.
 * Return: NULL if there is no such memory. Context: under the srcu read lock.
 */
static void __user *range_user(struct vm *vm, u64 gpa, bool write, size_t *len,
			       struct mem_slot **slot)
{
	u64 gfn = gpa >> PAGE_SHIFT;
	u64 left;

	*slot = mem_slot_find(vm, gfn);
	if (!*slot || (write && !mem_slot_writable(*slot)))
		return NULL;
	left = (((*slot)->base_gfn + (*slot)->npages) << PAGE_SHIFT) - gpa;
	*len = min_t(u64, *len, left);
	return (void __user *)(mem_slot_hva(*slot, gfn) + offset_in_page(gpa));
}

int mem_read(struct vm *vm, u64 gpa, void *dst, size_t len)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slot *slot;
	int r = 0;

	while (len && !r) {
		size_t part = len;
		void __user *src = range_user(vm, gpa, false, &part, &slot);

		if (!src || copy_from_user(dst, src, part))
			r = -EFAULT;
		gpa += part;
		dst += part;
		len -= part;
	}
	mem_read_unlock(&vm->mem, idx);
	return r;
}

static void mark_range(struct vm *vm, const struct mem_slot *slot, u64 gpa, size_t len)
{
	u64 gfn;

	for (gfn = gpa >> PAGE_SHIFT; gfn <= (gpa + len - 1) >> PAGE_SHIFT; gfn++)
		slot_mark_dirty(vm, slot, gfn);
}

int mem_write(struct vm *vm, u64 gpa, const void *src, size_t len)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slot *slot;
	int r = 0;

	while (len && !r) {
		size_t part = len;
		void __user *dst = range_user(vm, gpa, true, &part, &slot);

		if (!dst) {
			r = -EFAULT;
			break;
		}
		if (copy_to_user(dst, src, part))
			r = -EFAULT;
		/* Even a copy that failed may have written some of it. */
		mark_range(vm, slot, gpa, part);
		gpa += part;
		src += part;
		len -= part;
	}
	mem_read_unlock(&vm->mem, idx);
	return r;
}

/*
 * The processor's own instruction on the process's memory: a guest that does
 * the same on another CPU sees one or the other.
 */
static int cmpxchg_user(void __user *p, u64 old, u64 new, int bytes)
{
	u32 old32 = old, new32 = new;
	int r;

	if (!access_ok(p, bytes))
		return -EFAULT;
	if (bytes == 4)
		r = __try_cmpxchg_user((u32 __user *)p, &old32, new32, fault32);
	else
		r = __try_cmpxchg_user((u64 __user *)p, &old, new, fault64);
	return r > 0 ? -EAGAIN : r;
}

int mem_cmpxchg(struct vm *vm, u64 gpa, u64 old, u64 new, int bytes)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slot *slot;
	size_t len = bytes;
	void __user *p;
	int r = -EFAULT;

	p = range_user(vm, gpa, true, &len, &slot);
	if (p && len == bytes && IS_ALIGNED(gpa, bytes)) {
		r = cmpxchg_user(p, old, new, bytes);
		slot_mark_dirty(vm, slot, gpa >> PAGE_SHIFT);
	}
	mem_read_unlock(&vm->mem, idx);
	return r;
}

int mem_read_entries(struct vm *vm, u64 gpa, u64 *entry, unsigned int count)
{
	int idx = mem_read_lock(&vm->mem), r = -EFAULT;
	size_t len = count * sizeof(*entry);
	struct mem_slot *slot;
	u64 __user *p;

	p = range_user(vm, gpa, false, &len, &slot);
	if (p && len == count * sizeof(*entry))
		for (r = 0; count-- && !r; entry++, p++)
			r = get_user(*entry, p);
	mem_read_unlock(&vm->mem, idx);
	return r;
}

/*
 * Runs @insn on *@p, with @value as its other operand. -EFAULT if the process
 * has no memory there: the exception table takes the fault.
 */
#define LOCKED_ON_USER(insn, p, value)                                              \
	({                                                                          \
		int r_ = 0;                                                         \
                                                                                    \
		asm volatile("1: " insn " %1, %2\n2:\n" EXTABLE_EFAULT_IN_OPERAND_0 \
			     : "+r"(r_), "+r"(value), "+m"(*(p))                    \
			     :                                                      \
			     : "memory", "cc");                                     \
		r_;                                                                 \
	})
/* clang-format off */
#define EXTABLE_EFAULT_IN_OPERAND_0 _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_EFAULT_REG, %0)
/* clang-format on */

/* Puts 0 into *@user; *@old receives what was there. */
static int take_user(u64 __user *user, u64 *old)
{
	u64 *p = (u64 __force *)user;
	int r;

	*old = 0;
	if (!user_access_begin(user, sizeof(*p)))
		return -EFAULT;
	r = LOCKED_ON_USER("xchgq", p, *old);
	user_access_end();
	return r;
}

static int and_user(u64 __user *user, u64 *mask)
{
	u64 *p = (u64 __force *)user;
	int r;

	if (!user_access_begin(user, sizeof(*p)))
		return -EFAULT;
	r = LOCKED_ON_USER("lock andq", p, *mask);
	user_access_end();
	return r;
}

/*
 * Runs @op on 8 aligned bytes, which lie in one page of the process. The page
 * is marked dirty even if it was not written: nobody can tell afterwards.
 */
static int mem_locked(struct vm *vm, u64 gpa, int (*op)(u64 __user *user, u64 *value), u64 *value)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slot *slot;
	int r = -EFAULT;
	size_t len = 8;
	u64 __user *p;

	p = range_user(vm, gpa, true, &len, &slot);
	if (p && IS_ALIGNED(gpa, 8)) {
		r = op(p, value);
		slot_mark_dirty(vm, slot, gpa >> PAGE_SHIFT);
	}
	mem_read_unlock(&vm->mem, idx);
	return r;
}

int mem_take(struct vm *vm, u64 gpa, u64 *old)
{
	return mem_locked(vm, gpa, take_user, old);
}

int mem_clear_bits(struct vm *vm, u64 gpa, u64 bits)
{
	u64 mask = ~bits;

	return mem_locked(vm, gpa, and_user, &mask);
}

bool mem_is_ram(struct vm *vm, u64 gpa, bool write)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slot *slot = mem_slot_find(vm, gpa >> PAGE_SHIFT);
	bool ram = slot && (!write || mem_slot_writable(slot));

	mem_read_unlock(&vm->mem, idx);
	return ram;
}

/* Context: under the srcu read lock. -EAGAIN: the page was taken away meanwhile. */
static int resolve_once(struct vm *vm, u64 gpa, bool write, struct mem_page *page)
{
	struct mem_fault fault = { .gfn = gpa >> PAGE_SHIFT, .write = write, .small = true };
	u64 epoch;
	int r;

	r = mem_fault_in(vm, &fault);
	if (r)
		return r;
	mem_lock(&vm->mem);
	if (mem_fault_stale(vm, &fault))
		r = -EAGAIN;
	epoch = vm->mem.epoch;
	mem_unlock(&vm->mem);
	*page = (struct mem_page){
		.gpa = gpa & PAGE_MASK,
		.hpa = fault.pfn << PAGE_SHIFT,
		.kva = pfn_to_kaddr(fault.pfn),
		.epoch = epoch,
		.writable = fault.writable,
	};
	return r;
}

/* Tries until the page was not taken away while it was looked up, or until a signal comes. */
int mem_page_resolve(struct vm *vm, u64 gpa, bool write, struct mem_page *page)
{
	int idx = mem_read_lock(&vm->mem);
	int r;

	while ((r = resolve_once(vm, gpa, write, page)) == -EAGAIN && !signal_pending(current))
		cond_resched();
	mem_read_unlock(&vm->mem, idx);
	if (!r)
		return 0;
	page->gpa = NO_GPA;
	return r == -EAGAIN || r == -EINTR ? -EINTR : -EFAULT;
}

/* See struct mem_page for what has to be done before. */
bool mem_page_valid(struct vm *vm, const struct mem_page *page)
{
	return page->gpa != NO_GPA && READ_ONCE(vm->mem.epoch) == page->epoch;
}
