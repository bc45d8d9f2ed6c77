// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model behind abyme plan: constants counted from the module's sources, and
 * the arithmetic of tables. selftests/rig/plan.sh compares it with what is measured.
 */
#include <bounds.h>
#include "plan.h"
#include "units.h"

#define PAGE (4 * KIB)
#define SPAN_PT (2 * MIB) /* what one table of 4 KiB entries maps */
#define SPAN_PD GIB
#define SPAN_PDPT (512 * GIB)

const struct plan_cost plan_vcpu_costs[] = {
	{ "struct vcpu", "cpu/vcpu.h: more than 4 KiB, so kmalloc's 8 KiB", 2 },
	{ "kvm_run, port data, MSR bitmap, virtual-APIC page", "cpu/vcpu.c: alloc_pages_of()", 4 },
	{ "vmcs01", "hw/vmcs.c: vmcs_region_alloc()", 1 },
	{ "FPU state", "cpu/fpu.c: fpu_init_vcpu(), without AMX", 1 },
	{ "pages for tables, taken in advance", "mem/ept.h: struct ept_cache", 8 },
	{ "LAPIC, CPUID", "pc/lapic.c, cpu/cpuid.c: copy_entries()", 1 },
	{ "struct nested", "nested/nested.c: nested_alloc(): kmalloc's 8 KiB", 2 },
	{ "vmcs12 twice, MSR bitmap", "nested/nested.c: nested_prepare()", 3 },
	{ "vmcs02", "nested/held.c: held_complete()", 1 },
	{ "the shadow VMCS, its copy, bitmaps", "nested/shadow.c: shadow_init()", 4 },
	{ "L1's own shadow VMCS", "nested/held.c: held_init()", 1 },
	{ "the thread's kernel stack", "Linux: THREAD_SIZE", 4 },
	{ "struct task_struct and what hangs from it", "Linux: measured", 2 },
	{ "the page table of the thread's stack", "Linux", 1 },
	{ 0 },
};

const struct plan_cost plan_vm_costs[] = {
	{ "struct vm, slots, buses, coalesced ring", "cpu/vm.c: vm_create()", 4 },
	{ "interrupt controllers, timer, routes", "pc/irqchip.c, pit_dev.c", 3 },
	{ "the launcher's first thread", "Linux: THREAD_SIZE, task_struct, measured", 6 },
	{ "the launcher's page tables but for guest memory", "Linux: measured", 11 },
	{ "the launcher's own data", "userspace: measured, by the kernel 26 to 46", 36 },
	{ 0 },
};

const char *const plan_part_names[PLAN_PARTS] = {
	[PLAN_MEMORY] = "guest memory",
	[PLAN_EPT] = "its EPT",
	[PLAN_EPT02] = "EPT02, for its guests",
	[PLAN_PAGING] = "the launcher's page tables",
	[PLAN_VCPUS] = "vCPUs",
	[PLAN_VM] = "VM and launcher",
};

const char *const plan_part_keys[PLAN_PARTS] = {
	[PLAN_MEMORY] = "memory", [PLAN_EPT] = "ept",	  [PLAN_EPT02] = "ept02",
	[PLAN_PAGING] = "paging", [PLAN_VCPUS] = "vcpus", [PLAN_VM] = "vm",
};

static uint64_t tables(uint64_t size, uint64_t span)
{
	return (size + span - 1) / span;
}

/*
 * Bytes of 4-level tables that map [0, @size), root included. What lies over
 * 3 GiB moves to 4 GiB, which is a page of directory entries at most.
 */
static uint64_t table_bytes(uint64_t size, bool large)
{
	uint64_t pages = 1 + tables(size, SPAN_PDPT) + tables(size, SPAN_PD);

	if (!large)
		pages += tables(size, SPAN_PT);
	return size ? pages * PAGE : 0;
}

static uint64_t sum_pages(const struct plan_cost *cost)
{
	uint64_t pages = 0;

	for (; cost->what; cost++)
		pages += cost->pages;
	return pages * PAGE;
}

/* The @n-th largest of L2's sizes, from 0; 0 when there are fewer. */
static uint64_t nth_largest(const struct plan_wish *wish, unsigned int n)
{
	bool taken[PLAN_L2_MAX] = { false };
	unsigned int best = 0;

	for (unsigned int i = 0; i <= n; i++) {
		best = wish->l2s;
		for (unsigned int j = 0; j < wish->l2s; j++)
			if (!taken[j] && (best == wish->l2s || wish->l2[j] > wish->l2[best]))
				best = j;
		if (best == wish->l2s)
			return 0;
		taken[best] = true;
	}
	return wish->l2[best];
}

/* mem/fault.c: mem_table_limit(), of which each vCPU has so much. */
static uint64_t ept02_limit(const struct plan_wish *wish)
{
	return (wish->l1 / PAGE / 511 + SPARE_TABLES) * PAGE;
}

/* One vCPU's roots: one for each guest, as far as it has roots; or all filled. */
static uint64_t ept02_bytes(const struct plan_wish *wish, enum plan_case c)
{
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < EPT02_ROOTS; i++) {
		uint64_t size = nth_largest(wish, i);

		/* A hypervisor that builds its EPT anew leaves the old root filled. */
		if (!size && c == PLAN_WORST)
			size = nth_largest(wish, 0);
		bytes += table_bytes(size, c == PLAN_LARGE);
	}
	return bytes < ept02_limit(wish) ? bytes : ept02_limit(wish);
}

/*
 * What L1 needs for a guest besides that guest's memory: the tables of
 * this very model once more, by 4 KiB pages.
 */
static uint64_t l2_tables(uint64_t size)
{
	return 2 * table_bytes(size, false);
}

/* A Linux with few programs, which boots in 64 MiB, and its page structs: 64 bytes for each page. */
#define L1_OWN (64 * MIB)
#define L1_PAGE_STRUCTS 64
/* A process that runs a guest: abyme's has less, QEMU's more. */
#define L1_PER_GUEST (16 * MIB)

static uint64_t l1_needs(const struct plan_wish *wish)
{
	uint64_t bytes = L1_OWN + wish->l1 / L1_PAGE_STRUCTS;

	for (unsigned int i = 0; i < wish->l2s; i++)
		bytes += wish->l2[i] + l2_tables(wish->l2[i]) + L1_PER_GUEST;
	return bytes;
}

void plan_compute(struct plan *plan, const struct plan_wish *wish)
{
	uint64_t vcpu = sum_pages(plan_vcpu_costs), vm = sum_pages(plan_vm_costs);

	*plan = (struct plan){ .l1_needs = l1_needs(wish) };
	for (int c = 0; c < PLAN_CASES; c++) {
		plan->part[PLAN_MEMORY][c] = wish->l1;
		plan->part[PLAN_EPT][c] = table_bytes(wish->l1, c == PLAN_LARGE);
		plan->part[PLAN_EPT02][c] = wish->vcpus * ept02_bytes(wish, c);
		/* The kernel keeps a table in reserve for each 2 MiB page, to split it. */
		plan->part[PLAN_PAGING][c] = tables(wish->l1, SPAN_PT) * PAGE;
		plan->part[PLAN_VCPUS][c] = wish->vcpus * vcpu;
		if (c == PLAN_WORST)
			plan->part[PLAN_VCPUS][c] += wish->vcpus * PLAN_HELD_PAGES * PAGE;
		plan->part[PLAN_VM][c] = vm;
		for (int p = 0; p < PLAN_PARTS; p++)
			plan->total[c] += plan->part[p][c];
	}
}
