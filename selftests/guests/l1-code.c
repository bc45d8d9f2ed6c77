// SPDX-License-Identifier: GPL-2.0-only
/*
 * One instruction that writes to a device, executed until whoever emulates it may know it, and
 * then something between RIP and its bytes changes: the next execution is of what is there now.
 * SDM: "Self-Modifying Code", "Caching Translation Information".
 */
#include "irqchip.h"

#define CODE 0x3fb00000ULL /* whose linear address leads to pages of the claim's own */
#define AT 5		   /* in the page: the instruction lies in two words of 8 bytes */
#define ADDRESS GENMASK_ULL(51, 12)

/* A register of which the highest byte reads back: the last one of an immediate. */
static volatile u32 *const device = (volatile u32 *)(u64)(APIC_PAGE + APIC_ICR_HIGH);

/* movl $value << 24, (%rdi); ret */
static void put_store(u8 *page, u8 value)
{
	const u8 code[] = { 0xc7, 0x07, 0, 0, 0, value, 0xc3 };

	memcpy(page + AT, code, sizeof(code));
}

static u8 *new_page(u8 value)
{
	u8 *page = page_alloc();

	put_store(page, value);
	return page;
}

/* What it writes, with 0x66 << 24 in EAX. */
static u8 execute(void)
{
	*device = 0;
	asm volatile("call *%1" : : "D"(device), "r"(CODE + AT), "a"(0x66u << 24) : "memory", "cc");
	return *device >> 24;
}

static void execute_often(u8 want)
{
	for (int i = 0; i < 6; i++)
		GUEST_EXPECT(execute(), want);
}

/* Maps a page with that instruction, and executes it. */
static u8 *begin(u8 value)
{
	u8 *page = new_page(value);

	apic_enable();
	*page_entry(CODE) = (u64)page | 3;
	invlpg(CODE);
	execute_often(value);
	return page;
}

static void end(void)
{
	*page_entry(CODE) = CODE | 7;
	invlpg(CODE);
}

/* On several pages: whoever remembers may have no room for just one of them. */
static void other_immediate(void)
{
	for (int i = 0; i < 4; i++) {
		put_store(begin(1), 2);
		execute_often(2);
	}
	end();
}

static void other_opcode(void)
{
	static const u8 mov_eax[] = { 0x89, 0x07, 0xc3 };

	memcpy(begin(3) + AT, mov_eax, sizeof(mov_eax));
	execute_often(0x66);
	end();
}

static void invlpg_alone(void)
{
	u64 *entry = page_entry(CODE);
	u8 *other = new_page(7);

	begin(6);
	*entry = (u64)other | 3;
	invlpg(CODE);
	execute_often(7);
	end();
}

static void cr3_reloaded(void)
{
	u64 *entry = page_entry(CODE);
	u8 *other = new_page(9);

	begin(8);
	*entry = (u64)other | 3;
	write_cr3(read_cr3());
	execute_often(9);
	end();
}

/* The table that @entry leads to, copied. */
static u64 *copy_table(u64 entry)
{
	return memcpy(page_alloc(), (void *)(entry & ADDRESS), 4096);
}

/* The entry of the page directory that leads to CODE, and a copy of the table with @page in it. */
static u64 *other_table(u8 *page, u64 **table)
{
	u64 *pdpt = (u64 *)(page_pml4[CODE >> 39 & 511] & ADDRESS);
	u64 *pd = (u64 *)(pdpt[CODE >> 30 & 511] & ADDRESS);

	*table = copy_table(pd[CODE >> 21 & 511]);
	(*table)[CODE >> 12 & 511] = (u64)page | 3;
	return &pd[CODE >> 21 & 511];
}

static void table_replaced(void)
{
	u64 *entry, *table, old;

	begin(10);
	entry = other_table(new_page(11), &table);
	old = *entry;
	*entry = (u64)table | (old & 0xfff);
	write_cr3(read_cr3());
	execute_often(11);
	*entry = old;
	write_cr3(read_cr3());
	execute_often(10);
	end();
}

/* All tables on the way are others, and those before stay as they are. */
static void other_cr3(void)
{
	u64 cr3 = read_cr3(), *pml4 = copy_table(cr3), *pdpt, *pd, *table;

	begin(12);
	other_table(new_page(13), &table);
	pdpt = copy_table(pml4[CODE >> 39 & 511]);
	pd = copy_table(pdpt[CODE >> 30 & 511]);
	pd[CODE >> 21 & 511] = (u64)table | 7;
	pdpt[CODE >> 30 & 511] = (u64)pd | 7;
	pml4[CODE >> 39 & 511] = (u64)pdpt | 7;
	write_cr3((u64)pml4);
	execute_often(13);
	write_cr3(cr3);
	execute_often(12);
	end();
}

static void other_device(void)
{
	volatile u32 *tpr = (volatile u32 *)(u64)(APIC_PAGE + APIC_TPR);
	u8 *page = begin(14);

	page[AT + 2] = 0x20;
	asm volatile("call *%1" : : "D"(tpr), "r"(CODE + AT) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x20);
	*tpr = 0;
	execute_often(14);
	end();
}

static void memory(void)
{
	volatile u32 *fresh = (volatile u32 *)0x2000000; /* nothing has touched it */

	for (int i = 0; i < 4; i++, fresh += 0x4000) {
		begin(15);
		asm volatile("call *%1" : : "D"(fresh), "r"(CODE + AT) : "memory", "cc");
		GUEST_EXPECT(*fresh, 15u << 24);
	}
	end();
}

CLAIMS = { { other_immediate, "another immediate" },
	   { other_opcode, "another instruction" },
	   { invlpg_alone, "another page, and INVLPG" },
	   { cr3_reloaded, "another page, and CR3 loaded with the same value" },
	   { table_replaced, "another table, and back" },
	   { other_cr3, "other tables by CR3, and back" },
	   { other_device, "another register of the device" },
	   { memory, "memory, for the first time" },
	   END_OF_CLAIMS };
