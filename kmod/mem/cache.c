// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to what a guest keeps in memory and L0 looks at again and again: entries
 * of page tables, L1's EPT12 among them, and operands of VMX instructions. A page
 * that is used often is used where the kernel has it mapped, which spares the
 * slot's search and the copy from or to the process. emulate/ and nested/ come
 * here, from the vCPU's thread.
 *
 * What a reader must know: nothing holds the page. It may be taken away at any
 * time, so the value counts only if the epoch, looked at after the read, is the
 * one in which the page was found. Until then the page may already be somebody
 * else's, and the kernel may even have no mapping of it any more: hence a read
 * that survives a fault. A write cannot be taken back, so it is only for who is
 * VCPU_IN_GUEST with interrupts off: whoever takes the page away waits for that.
 */

#include <linux/mm.h>
#include <asm/asm.h>

#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "mem/mem_internal.h"

/* In a line's .epoch: the page was used once, and is not at hand. No epoch is so high. */
#define USED_ONCE BIT_ULL(63)

static struct mem_cache_line *line_of(struct vcpu *vcpu, u64 gfn)
{
	return &vcpu->mem_cache.line[gfn % MEM_CACHE_LINES];
}

/*
 * Reads 8 aligned bytes of the kernel's. Return: false: nothing is mapped there. Also a memory error
 * ends here, and does not panic the host: whoever reads by the process's mapping then meets it as
 * the kernel has it.
 */
static __always_inline bool read_mapped(const u64 *p, u64 *value)
{
	bool done = false;

	/* clang-format off */
	asm volatile("1: movq %[p], %[value]\n movb $1, %[done]\n2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : [done] "+q"(done), [value] "=r"(*value)
		     : [p] "m"(*p));
	/* clang-format on */
	return done;
}

/* Compares a multiple of 8 bytes of the kernel's. Return: false also where nothing can be read. */
static bool same_mapped(const void *from, const void *with, size_t bytes)
{
	size_t count = bytes / 8;
	bool same = false;

	/* clang-format off */
	asm volatile("1: repe cmpsq\n sete %[same]\n2:\n"
		     _ASM_EXTABLE_TYPE(1b, 2b, EX_TYPE_DEFAULT_MCE_SAFE)
		     : [same] "+q"(same), "+c"(count), "+S"(from), "+D"(with)
		     : : "memory", "cc");
	/* clang-format on */
	return same;
}

static __always_inline u64 epoch_now(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->vm->mem.epoch);
}

static __always_inline bool line_holds(const struct mem_cache_line *line, u64 gpa, u64 epoch)
{
	return line->gfn == gpa >> PAGE_SHIFT && line->epoch == epoch;
}

/* Asked after reads that began in @epoch: were the pages still the guest's when they were read? */
static __always_inline bool epoch_held(struct vcpu *vcpu, u64 epoch)
{
	smp_rmb(); /* the reads come before the look at the epoch */
	return epoch_now(vcpu) == epoch;
}

static __always_inline bool read_in_epoch(struct vcpu *vcpu, u64 gpa, u64 epoch, u64 *value)
{
	const struct mem_cache_line *line = line_of(vcpu, gpa >> PAGE_SHIFT);

	return line_holds(line, gpa, epoch) && read_mapped(line->kva + offset_in_page(gpa), value);
}

static __always_inline bool read_at_hand(struct vcpu *vcpu, u64 gpa, u64 *value)
{
	u64 epoch = epoch_now(vcpu);

	return read_in_epoch(vcpu, gpa, epoch, value) && epoch_held(vcpu, epoch);
}

bool mem_read_at_hand(struct vcpu *vcpu, u64 gpa, u64 *value)
{
	return read_at_hand(vcpu, gpa, value);
}

bool mem_reads_at_hand(struct vcpu *vcpu, const struct mem_trail *trail)
{
	u64 value, epoch = epoch_now(vcpu);
	int i;

	for (i = 0; i < trail->count; i++)
		if (!read_in_epoch(vcpu, trail->at[i], epoch, &value) || value != trail->entry[i])
			return false;
	return epoch_held(vcpu, epoch);
}

bool mem_same_at_hand(struct vcpu *vcpu, u64 gpa, const void *with, size_t bytes)
{
	const struct mem_cache_line *line = line_of(vcpu, gpa >> PAGE_SHIFT);
	u64 epoch = epoch_now(vcpu);

	return line_holds(line, gpa, epoch) &&
	       same_mapped(line->kva + offset_in_page(gpa), with, bytes) && epoch_held(vcpu, epoch);
}

void *mem_at_hand(struct vcpu *vcpu, u64 gpa)
{
	const struct mem_cache_line *line = line_of(vcpu, gpa >> PAGE_SHIFT);
	bool there = line_holds(line, gpa, epoch_now(vcpu)) && line->writable;

	return there ? line->kva + offset_in_page(gpa) : NULL;
}

/*
 * A page is resolved when it is used for the second time in one epoch. If it is to be written it
 * is resolved once more, which marks it dirty. That suffices, as taking the log ends the epoch.
 */
void mem_note_use(struct vcpu *vcpu, u64 gpa, bool write)
{
	struct mem_cache_line *line = line_of(vcpu, gpa >> PAGE_SHIFT);
	u64 epoch = READ_ONCE(vcpu->vm->mem.epoch);
	struct mem_page page;

	if (line->gfn != gpa >> PAGE_SHIFT || (line->epoch & ~USED_ONCE) != epoch) {
		*line = (struct mem_cache_line){ gpa >> PAGE_SHIFT, epoch | USED_ONCE };
		return;
	}
	if (line->epoch == epoch && (line->writable || !write))
		return;
	if (mem_page_resolve(vcpu->vm, gpa & PAGE_MASK, write, &page))
		return;
	line->kva = page.kva;
	line->epoch = page.epoch;
	line->writable = write;
}

static noinline int read_missed(struct vcpu *vcpu, u64 gpa, u64 *entry)
{
	mem_note_use(vcpu, gpa, false);
	return mem_read_entries(vcpu->vm, gpa, entry, 1);
}

int mem_read_entry(struct vcpu *vcpu, u64 gpa, u64 *entry)
{
	return likely(read_at_hand(vcpu, gpa, entry)) ? 0 : read_missed(vcpu, gpa, entry);
}
