/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_BOOT_H
#define ABYME_BOOT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/*
 * 64 KiB of low RAM hold what the first vCPU starts with; nothing of an image
 * may be loaded there. They are where neither small images are, from below,
 * nor Xen's real-mode code, which goes to the end of low RAM while Xen still
 * reads this.
 */
#define BOOT_AREA 0x70000
#define BOOT_GDT 0x70000
#define BOOT_PAGE_TABLES 0x71000 /* PML4, PDPT, PD: the first GiB, one to one */
#define BOOT_PARAMS 0x74000	 /* Linux' boot_params or multiboot's info */
#define BOOT_STRINGS 0x76000	 /* command lines */
#define BOOT_AREA_END 0x80000

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

/* Write the BIOS data, the GDT and, for long mode, page tables. Guest memory must be fresh (zero). */
void boot_write_tables(const struct guest_memory *memory, bool long_mode);

/* @sregs: as the hypervisor reset them; changed to how @entry wants them. */
void boot_set_sregs(const struct boot_entry *entry, struct kvm_sregs *sregs);
void boot_set_regs(const struct boot_entry *entry, struct kvm_regs *regs);

#endif
