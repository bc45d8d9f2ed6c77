// SPDX-License-Identifier: GPL-2.0-only
/* C starts here; memory, and the CPUs that INIT-SIPI brings up. */
#include "boot.h"
#include "irqchip.h"

static u64 pool_next = POOL_BASE;

static u8 ap_stacks[MAX_CPUS - 1][STACK_SIZE] __aligned(STACK_SIZE);
static struct {
	void (*volatile fn)(void *);
	void *arg;
	volatile u32 up;
} work[MAX_CPUS];

void *pages_alloc(unsigned int count)
{
	void *p = (void *)pool_next;

	if (pool_next + 4096ULL * count > POOL_END)
		claim_fail("out of pages");
	pool_next += 4096ULL * count;
	return memset(p, 0, 4096ULL * count);
}

void *page_alloc(void)
{
	return pages_alloc(1);
}

u64 mem_mark(void)
{
	return pool_next;
}

void mem_reset(u64 mark)
{
	pool_next = mark;
}

/* Page tables outlive the claim that wanted them, hence not page_alloc(). */
static u64 *split_large_page(u64 *entry)
{
	static u64 tables[32][512] __aligned(4096);
	static unsigned int used;
	u64 *table = tables[used++];

	if (used > ARRAY_SIZE(tables))
		claim_fail("too many split pages");

	for (u64 i = 0; i < 512; i++)
		table[i] = (*entry & ~0x80ULL) + (i << 12);
	*entry = (u64)table | 7;
	return table;
}

u64 *page_entry(u64 va)
{
	u64 *pdpt = (u64 *)(page_pml4[va >> 39 & 511] & GENMASK_ULL(51, 12));
	u64 *pd = (u64 *)(pdpt[va >> 30 & 511] & GENMASK_ULL(51, 12));
	u64 *entry = &pd[va >> 21 & 511];
	u64 *table;

	if (*entry & 0x80)
		table = split_large_page(entry);
	else
		table = (u64 *)(*entry & GENMASK_ULL(51, 12));
	write_cr3(read_cr3());
	return &table[va >> 12 & 511];
}

u64 *pae_tables_marked(u64 mark)
{
	u64 *pdpt = page_alloc(), *low = page_alloc(), *high = page_alloc();
	u64 *table = page_alloc(), *page = page_alloc();

	for (u64 i = 0; i < 16; i++)
		low[i] = i << 21 | 0x87;
	page[0] = mark;
	table[0] = (u64)page | 7;
	high[0] = (u64)table | 7;
	pdpt[0] = (u64)low | 1;
	pdpt[1] = (u64)high | 1;
	return pdpt;
}

void spin(u64 ticks)
{
	u64 start = rdtsc();

	while (rdtsc() - start < ticks)
		cpu_pause();
}

bool wait_for(volatile u32 *flag, u32 value, u64 ticks)
{
	u64 start = rdtsc();

	while (*flag < value) {
		if (rdtsc() - start > ticks)
			return false;
		cpu_pause();
	}
	return true;
}

static void cpu_loop(struct cpu *cpu)
{
	work[cpu->index].up = 1;
	for (;;) {
		while (!work[cpu->index].fn)
			cpu_pause();
		work[cpu->index].fn(work[cpu->index].arg);
		__atomic_store_n(&work[cpu->index].fn, NULL, __ATOMIC_RELEASE);
	}
}

void cpu_run(unsigned int index, void (*fn)(void *), void *arg)
{
	cpu_wait(index);
	work[index].arg = arg;
	__atomic_store_n(&work[index].fn, fn, __ATOMIC_RELEASE);
}

void cpu_wait(unsigned int index)
{
	while (__atomic_load_n(&work[index].fn, __ATOMIC_ACQUIRE))
		cpu_pause();
}

/* Entered from start.S on each CPU with the base of its stack. */
void cpu_main(struct cpu *cpu);
void cpu_main(struct cpu *cpu)
{
	bool first = (u8 *)cpu == boot_stack;
	u32 index = first ? 0 : cpu->index;

	memset(cpu, 0, sizeof(*cpu));
	cpu->index = index;
	cpu->apic_id = cpuid(1).ebx >> 24;
	cpu->trap_vector = NO_TRAP;
	traps_init();
	tss_init(cpu);
	if (!first)
		cpu_loop(cpu);
	console_init();
	pic_mask_all();
	claims_run();
}

static bool start_one(unsigned int index)
{
	struct cpu *cpu = (struct cpu *)ap_stacks[index - 1];

	cpu->index = index;
	ap_stack = (u32)(u64)cpu;
	memcpy((void *)TRAMPOLINE, trampoline, trampoline_end - trampoline);
	apic_start_cpu(index, TRAMPOLINE);
	return wait_for(&work[index].up, 1, 200000000);
}

unsigned int cpus_start(unsigned int want)
{
	unsigned int n = 1;

	while (n < want && n < MAX_CPUS && (work[n].up || start_one(n)))
		n++;
	return n;
}

bool cpu_restart(unsigned int index)
{
	work[index].up = 0;
	work[index].fn = NULL;
	return start_one(index);
}
