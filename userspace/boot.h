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
#define BOOT_PARAMS 0x94000	 /* Linux' boot_params */
#define BOOT_STRINGS 0x96000	 /* its command line */
#define BOOT_AREA_END LOW_RAM_END

/*
 * Multiboot's information is lower, as Xen puts its real-mode code at the end of
 * low RAM while it still reads this.
 */
#define MULTIBOOT_AREA 0x70000
#define MULTIBOOT_INFO 0x70000
#define MULTIBOOT_STRINGS 0x72000
#define MULTIBOOT_AREA_END 0x80000

/*
 * What real-mode code of an image finds at address 0: vectors and the BIOS data
 * area, of which the amount of low RAM counts.
 */
struct bios_data {
	struct {
		uint16_t offset, segment;
	} vector[256];
	uint16_t ports[7], extended_segment, equipment;
	uint8_t reserved;
	uint16_t low_ram_kib;
	uint8_t rest[0x100 - 0x15];
} __attribute__((packed));

#define BIOS_DATA_END sizeof(struct bios_data)

/*
 * And in the extended BIOS data area, at LOW_RAM_END: where all vectors point. It
 * answers as a BIOS without the function asked for, by the caller's carry flag.
 */
struct bios_extended_data {
	uint8_t kib; /* its size */
	uint8_t no_function[15];
};

/* How the first vCPU enters the image. */
struct boot_entry {
	bool long_mode; /* 64-bit with paging, or 32-bit protected mode */
	uint64_t rip, rax, rbx, rsi;
};

/* Does [gpa, gpa + size) meet what abyme itself puts below 1 MiB? */
bool boot_area_hit(uint64_t gpa, uint64_t size);

/*
 * Write the GDT and, for long mode, page tables; else what there is of a BIOS.
 * Guest memory must be fresh (zero).
 */
void boot_write_tables(const struct guest_memory *memory, bool long_mode);

/* @sregs: as the hypervisor reset them; changed to how @entry wants them. */
void boot_set_sregs(const struct boot_entry *entry, struct kvm_sregs *sregs);
void boot_set_regs(const struct boot_entry *entry, struct kvm_regs *regs);

#endif
