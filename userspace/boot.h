/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_BOOT_H
#define ABYME_BOOT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/*
 * The last 63 KiB of low RAM hold what the first vCPU starts with; nothing
 * of an image may be loaded there.
 */
#define BOOT_AREA 0x90000
#define BOOT_GDT 0x90000
#define BOOT_PAGE_TABLES 0x91000 /* PML4, PDPT, PD: the first GiB, one to one */
#define BOOT_PARAMS 0x94000	 /* Linux' boot_params or multiboot's info */
#define BOOT_STRINGS 0x96000	 /* command lines */
#define BOOT_AREA_END LOW_RAM_END

/* How the first vCPU enters the image. */
struct boot_entry {
	bool long_mode; /* 64-bit with paging, or 32-bit protected mode */
	uint64_t rip, rax, rbx, rsi;
};

/* Does [gpa, gpa + size) meet what abyme itself puts below 1 MiB? */
bool boot_area_hit(uint64_t gpa, uint64_t size);

/* Write the GDT and, for long mode, page tables. Guest memory must be fresh (zero). */
void boot_write_tables(const struct guest_memory *memory, bool long_mode);

/* @sregs: as the hypervisor reset them; changed to how @entry wants them. */
void boot_set_sregs(const struct boot_entry *entry, struct kvm_sregs *sregs);
void boot_set_regs(const struct boot_entry *entry, struct kvm_regs *regs);

#endif
