// SPDX-License-Identifier: GPL-2.0-only
/* Guest memory: where it lies, and how the guest is told. */
#include <emmintrin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "err.h"
#include "memory.h"

#define HUGE_PAGE (2 * MIB)

/* A row of /proc/meminfo, in bytes; 0 when it isn't there. */
static uint64_t meminfo(const char *row)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0, number;
	char name[32];

	while (file && fscanf(file, "%31s %llu%*[^\n]", name, &number) == 2)
		if (!strcmp(name, row))
			kib = number;
	if (file)
		fclose(file);
	return kib * KIB;
}

#define ORDER_LARGE 9 /* of blocks of 2 MiB, in pages as a power of 2 */

/* "Node 0, zone Normal 12 7 ...": free blocks of each order, from 0 on. */
static uint64_t large_blocks(const char *line)
{
	unsigned long long blocks;
	uint64_t bytes = 0;
	int at = 0, used;

	if (sscanf(line, "Node %*d, zone %*s%n", &at) < 0 || !at)
		return 0;
	for (int order = 0; sscanf(line + at, "%llu%n", &blocks, &used) == 1; order++, at += used)
		if (order >= ORDER_LARGE)
			bytes += blocks * (GUEST_PAGE << order);
	return bytes;
}

static uint64_t free_in_large_blocks(void)
{
	FILE *file = fopen("/proc/buddyinfo", "re");
	uint64_t bytes = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		bytes += large_blocks(line);
	if (file)
		fclose(file);
	return bytes;
}

struct host_memory host_memory(void)
{
	return (struct host_memory){
		.total = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE),
		.available = meminfo("MemAvailable:"),
		.in_large_blocks = free_in_large_blocks(),
	};
}

/* We ask for huge pages by madvise(), so only "never" withholds them. */
bool host_has_huge_pages(void)
{
	FILE *file = fopen(HUGE_PAGES, "re");
	char line[64] = "[never]";

	if (!file)
		return false;
	if (!fgets(line, sizeof(line), file))
		strcpy(line, "[never]");
	fclose(file);
	return !strstr(line, "[never]");
}

static int check_host(uint64_t size)
{
	struct host_memory host = host_memory();

	if (size > host.total)
		return fail("--memory %s is more than this machine has (%s); ask for less.",
			    size_text(size).text, size_text(host.total).text);
	if (host.available && size > host.available)
		say("--memory %s is more than the %s that this machine has free; should the guest "
		    "use all of it, the machine runs out of memory.",
		    size_text(size).text, size_text(host.available).text);
	return 0;
}

int memory_create(struct guest_memory *memory, uint64_t size)
{
	uint8_t *map;

	if (check_host(size))
		return -1;
	map = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return fail("no address space for %s of guest memory: %s; ask for less.",
			    size_text(size).text, strerror(errno));
	memory->host = (uint8_t *)align_up((uintptr_t)map, HUGE_PAGE);
	memory->size = size;
	/* Without huge pages it's slower, nothing else. */
	madvise(memory->host, size, MADV_HUGEPAGE);
	return 0;
}

uint64_t memory_low_size(const struct guest_memory *memory)
{
	return memory->size < MEM_LOW_MAX ? memory->size : MEM_LOW_MAX;
}

uint64_t memory_high_size(const struct guest_memory *memory)
{
	return memory->size - memory_low_size(memory);
}

static void *within(uint8_t *host, uint64_t base, uint64_t size, uint64_t gpa, uint64_t len)
{
	if (gpa < base || len > size || gpa - base > size - len)
		return NULL;
	return host + (gpa - base);
}

void *memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t len)
{
	uint64_t low = memory_low_size(memory);

	if (gpa < MEM_HIGH_START)
		return within(memory->host, 0, low, gpa, len);
	return within(memory->host + low, MEM_HIGH_START, memory_high_size(memory), gpa, len);
}

/*
 * memcpy for megabytes in few instructions. glibc would use "rep movsb",
 * which an emulated processor counts byte by byte; nested, that is most of
 * the time that loading takes.
 */
static void copy_in_blocks(uint8_t *to, const uint8_t *from, uint64_t len)
{
	for (; len >= 64; to += 64, from += 64, len -= 64) {
		const __m128i *f = (const __m128i *)from;
		__m128i *t = (__m128i *)to;
		__m128i a = _mm_loadu_si128(f), b = _mm_loadu_si128(f + 1);
		__m128i c = _mm_loadu_si128(f + 2), d = _mm_loadu_si128(f + 3);

		_mm_storeu_si128(t, a);
		_mm_storeu_si128(t + 1, b);
		_mm_storeu_si128(t + 2, c);
		_mm_storeu_si128(t + 3, d);
	}
	memcpy(to, from, len);
}

int memory_load(const struct guest_memory *memory, uint64_t gpa, const void *from, uint64_t len)
{
	uint8_t *to = memory_at(memory, gpa, len);

	if (!to)
		return fail("%s at guest address 0x%llx don't fit in %s of guest memory; give more "
			    "with --memory.",
			    size_text(len).text, (unsigned long long)gpa,
			    size_text(memory->size).text);
	copy_in_blocks(to, from, len);
	return 0;
}

unsigned int memory_map(const struct guest_memory *memory, struct memory_range map[MEMORY_MAP_MAX])
{
	uint64_t low = memory_low_size(memory), high = memory_high_size(memory);
	unsigned int n = 0;

	map[n++] = (struct memory_range){ 0, LOW_RAM_END, MEMORY_RAM };
	map[n++] = (struct memory_range){ LOW_RAM_END, 0xa0000 - LOW_RAM_END, MEMORY_RESERVED };
	map[n++] = (struct memory_range){ ACPI_TABLES, BIOS_END - ACPI_TABLES, MEMORY_RESERVED };
	map[n++] = (struct memory_range){ BIOS_END, low - BIOS_END, MEMORY_RAM };
	map[n++] = (struct memory_range){ IDENTITY_MAP_ADDR, 4 * 4096, MEMORY_RESERVED };
	if (high)
		map[n++] = (struct memory_range){ MEM_HIGH_START, high, MEMORY_RAM };
	return n;
}
