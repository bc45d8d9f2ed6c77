/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_MEMORY_H
#define ABYME_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "units.h"

/*
 * Guest memory is one mapping of the launcher's. Its first 3 GiB are at guest
 * physical 0; what is more lies from 4 GiB on, so that the gigabyte below
 * 4 GiB is free for the APICs and other devices.
 */
#define MEM_LOW_MAX (3 * GIB)
#define MEM_HIGH_START (4 * GIB)
#define MEM_MIN (2 * MIB)
#define GUEST_PAGE (4 * KIB)

/* What lies in the first MiB, wherever the image goes. */
#define LOW_RAM_END 0x9fc00 /* where a PC's extended BIOS data area would begin */
#define ACPI_TABLES 0xe0000 /* in the BIOS area, where guests look for the RSDP */
#define MP_TABLES 0xf0000
#define BIOS_END 0x100000
#define TSS_ADDR 0xfffbd000 /* three pages that KVM may want without unrestricted guest */
#define IDENTITY_MAP_ADDR 0xfffbc000
#define IOAPIC_ADDR 0xfec00000
#define LAPIC_ADDR 0xfee00000

struct guest_memory {
	uint8_t *host; /* 2 MiB-aligned, so that guest and host huge pages coincide */
	uint64_t size;
};

/*
 * What this machine has, and how much of it is free without swapping (0: unknown);
 * and how much lies in free blocks of 2 MiB and more, which takes no compaction.
 */
struct host_memory {
	uint64_t total, available, in_large_blocks;
};

struct host_memory host_memory(void);

/* Transparent ones; not there in a kernel that is built without. */
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"

/* Does the kernel back guest memory by 2 MiB pages, where it has them free? */
bool host_has_huge_pages(void);

/* @size: at least MEM_MIN, whole pages. Return: 0, or -1 after fail(). */
int memory_create(struct guest_memory *memory, uint64_t size);

uint64_t memory_low_size(const struct guest_memory *memory);
uint64_t memory_high_size(const struct guest_memory *memory);

/* Host address of [gpa, gpa + len), or NULL when not all of it is RAM. */
void *memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t len);

/*
 * Copy file contents into the guest.
 * Return: 0, or -1 after fail() when [gpa, gpa + len) isn't all RAM.
 */
int memory_load(const struct guest_memory *memory, uint64_t gpa, const void *from, uint64_t len);

enum { MEMORY_RAM = 1, MEMORY_RESERVED = 2 }; /* as E820 has them */

struct memory_range {
	uint64_t start, size;
	uint32_t type;
};

#define MEMORY_MAP_MAX 8

/* The map that the guest is told, in ascending order. Returns how many ranges. */
unsigned int memory_map(const struct guest_memory *memory, struct memory_range map[MEMORY_MAP_MAX]);

#endif
