// SPDX-License-Identifier: GPL-2.0-only
/* The state in which the first vCPU enters an image. */
#include <stddef.h>
#include <string.h>

#include "boot.h"

#define CR0_PE 0x1
#define CR0_ET 0x10
#define CR0_NE 0x20
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER_LME 0x100
#define EFER_LMA 0x400

#define PTE_PRESENT_WRITABLE 0x3
#define PTE_HUGE 0x80

/* Descriptors, present, DPL 0, accessed; flat where they have a limit of 4 GiB. */
#define GDT_CODE32 0x00cf9b000000ffffull
#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_DATA 0x00cf93000000ffffull
#define GDT_TSS 0x00008b0000000067ull

/* Linux' 64-bit entry wants code at 0x10 and data at 0x18. */
enum { SEL_CODE32 = 0x08, SEL_CODE64 = 0x10, SEL_DATA = 0x18, SEL_TSS = 0x20 };

static const uint64_t
	gdt[] = {
		[SEL_CODE32 / 8] = GDT_CODE32, [SEL_CODE64 / 8] = GDT_CODE64,
		[SEL_DATA / 8] = GDT_DATA,     [SEL_TSS / 8] = GDT_TSS,
		[SEL_TSS / 8 + 1] = 0, /* the upper half of a 64-bit TSS descriptor */
	};

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_end)
{
	return a < b_end && a_size && (a >= b || b - a < a_size);
}

bool boot_area_hit(uint64_t gpa, uint64_t size)
{
	return overlap(gpa, size, 0, BIOS_DATA_END) ||
	       overlap(gpa, size, MULTIBOOT_AREA, MULTIBOOT_AREA_END) ||
	       overlap(gpa, size, BOOT_AREA, BIOS_END);
}

static void write_page_tables(const struct guest_memory *memory)
{
	uint64_t *pml4 = memory_at(memory, BOOT_PAGE_TABLES, 3 * 4096);
	uint64_t *pdpt = pml4 + 512, *pd = pml4 + 1024;

	pml4[0] = (BOOT_PAGE_TABLES + 4096) | PTE_PRESENT_WRITABLE;
	pdpt[0] = (BOOT_PAGE_TABLES + 8192) | PTE_PRESENT_WRITABLE;
	for (uint64_t i = 0; i < 512; i++)
		pd[i] = i * 2 * MIB | PTE_HUGE | PTE_PRESENT_WRITABLE;
}

/* There is no BIOS, but this much of one. */
static void write_bios(const struct guest_memory *memory)
{
	struct bios_data *data = memory_at(memory, 0, sizeof(*data));
	struct bios_extended_data *more = memory_at(memory, LOW_RAM_END, sizeof(*more));

	for (int i = 0; i < 256; i++) {
		data->vector[i].segment = LOW_RAM_END >> 4;
		data->vector[i].offset = offsetof(struct bios_extended_data, no_function);
	}
	data->extended_segment = LOW_RAM_END >> 4;
	data->low_ram_kib = LOW_RAM_END / KIB;
	*more = (struct bios_extended_data){
		.kib = 1,
		.no_function = {
			0x55,			/* push %bp */
			0x89, 0xe5,		/* mov %sp, %bp */
			0x80, 0x4e, 0x06, 0x01, /* orb $CF, 6(%bp) */
			0x5d,			/* pop %bp */
			0xcf,			/* iret */
		},
	};
}

void boot_write_tables(const struct guest_memory *memory, bool long_mode)
{
	memcpy(memory_at(memory, BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
	if (long_mode)
		write_page_tables(memory);
	else
		write_bios(memory);
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.db = !long_mode,
		.l = long_mode,
	};
}

void boot_set_sregs(const struct boot_entry *entry, struct kvm_sregs *sregs)
{
	struct kvm_segment data = flat_segment(SEL_DATA, 0x3, false);

	sregs->cs = flat_segment(entry->long_mode ? SEL_CODE64 : SEL_CODE32, 0xb, entry->long_mode);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.limit = 0x67,
		.selector = SEL_TSS,
		.type = 0xb,
		.present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .unusable = 1 };
	sregs->gdt = (struct kvm_dtable){ .base = BOOT_GDT, .limit = sizeof(gdt) - 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE;
	sregs->cr3 = sregs->cr4 = sregs->efer = 0;
	if (!entry->long_mode)
		return;
	sregs->cr0 |= CR0_PG;
	sregs->cr3 = BOOT_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}

void boot_set_regs(const struct boot_entry *entry, struct kvm_regs *regs)
{
	*regs = (struct kvm_regs){
		.rip = entry->rip,
		.rax = entry->rax,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rflags = 0x2, /* the bit that is always set */
	};
}
