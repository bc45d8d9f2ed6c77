// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux' bzImage, entered by the 64-bit boot protocol
 * (the kernel's Documentation/x86/boot.rst).
 */
#include <asm/bootparam.h>
#include <string.h>

#include "bzimage.h"
#include "err.h"

#define SETUP_HEADER 0x1f1 /* struct setup_header's place in the file */
#define BOOT_FLAG 0xaa55
#define VERSION_64BIT 0x020c /* the first protocol with xloadflags */
#define LOADER_UNDEFINED 0xff
#define ENTRY_64 0x200 /* of the loaded kernel */
#define MAPPED_END GIB /* the boot page tables' reach */

static bool read_header(const uint8_t *data, size_t size, struct setup_header *header)
{
	if (size < SETUP_HEADER + sizeof(*header))
		return false;
	memcpy(header, data + SETUP_HEADER, sizeof(*header));
	return true;
}

bool bzimage_recognize(const uint8_t *data, size_t size)
{
	struct setup_header header;

	return read_header(data, size, &header) && header.boot_flag == BOOT_FLAG &&
	       !memcmp(&header.header, "HdrS", 4);
}

static int check_header(const struct image *image, const struct setup_header *header)
{
	if (header->version < VERSION_64BIT || !(header->xloadflags & XLF_KERNEL_64))
		return fail(
			"kernel image %s has no 64-bit entry; give a 64-bit kernel of Linux 3.8 "
			"or later.",
			image->path);
	if (!(header->loadflags & LOADED_HIGH))
		return fail("kernel image %s is a zImage; build a bzImage.", image->path);
	if (header->kernel_alignment & (header->kernel_alignment - 1))
		return fail("kernel image %s has a damaged header (alignment 0x%x); build or copy "
			    "it again.",
			    image->path, header->kernel_alignment);
	return 0;
}

int bzimage_parse(const struct image *image, struct bzimage *out)
{
	struct setup_header header;
	uint64_t setup, payload;

	if (!read_header(image->data, image->size, &header))
		return fail("kernel image %s is cut off within its header; copy it again.",
			    image->path);
	if (check_header(image, &header))
		return -1;
	/* 0 stands for 4 since the first boot protocol. */
	setup = ((header.setup_sects ? header.setup_sects : 4) + 1) * 512ull;
	payload = header.syssize * 16ull;
	if (setup + payload > align_up(image->size, 16) || !payload)
		return fail("kernel image %s is cut off: its header promises %llu bytes, the file "
			    "has %zu; copy it again.",
			    image->path, (unsigned long long)(setup + payload), image->size);
	if (payload > UINT32_MAX)
		return fail("kernel image %s has a damaged header (%s of code); build or copy it "
			    "again.",
			    image->path, size_text(payload).text);
	if (setup + payload > image->size)
		payload = image->size - setup;
	*out = (struct bzimage){
		.payload_offset = setup,
		.payload_size = payload,
		.init_size = header.init_size,
		.alignment = header.kernel_alignment,
		.preferred = header.pref_address,
		.initrd_max = header.initrd_addr_max,
		.cmdline_max = header.cmdline_size,
		.relocatable = header.relocatable_kernel,
	};
	return 0;
}

static bool fits(uint64_t start, uint64_t need, uint64_t limit)
{
	return start >= BIOS_END && start < limit && need <= limit - start;
}

/* Return: where the kernel goes, or 0 after fail(). */
static uint64_t kernel_place(const struct guest_memory *memory, const struct image *image,
			     const struct bzimage *bz)
{
	uint64_t limit = memory_low_size(memory), lowest;
	uint64_t need = bz->init_size > bz->payload_size ? bz->init_size : bz->payload_size;

	if (limit > MAPPED_END)
		limit = MAPPED_END;
	if (fits(bz->preferred, need, limit))
		return bz->preferred;
	lowest = align_up(BIOS_END, bz->alignment ? bz->alignment : MIB);
	if (bz->relocatable && fits(lowest, need, limit))
		return lowest;
	if (fits(bz->preferred, need, MAPPED_END) ||
	    (bz->relocatable && fits(lowest, need, MAPPED_END)))
		fail("kernel image %s needs %s of memory from %s on, more than --memory %s has; "
		     "give more.",
		     image->path, size_text(need).text, size_text(bz->preferred).text,
		     size_text(memory->size).text);
	else
		fail("kernel image %s needs %s of memory from %s on, and begins in the first %s "
		     "only; build a smaller one.",
		     image->path, size_text(need).text, size_text(bz->preferred).text,
		     size_text(MAPPED_END).text);
	return 0;
}

/* 0 where there is none. */
static uint64_t highest_start(const struct image *initrd, uint64_t end)
{
	return initrd->size < end ? align_down(end - initrd->size, 4096) : 0;
}

/*
 * The initrd goes as high as the kernel reaches it, away from where the
 * kernel unpacks itself.
 */
static int load_initrd(const struct guest_memory *memory, const struct bzimage *bz,
		       const struct image *initrd, uint64_t kernel_end, struct setup_header *header)
{
	uint64_t highest = MEM_LOW_MAX, end = memory_low_size(memory), start;

	if (!initrd)
		return 0;
	if (bz->initrd_max && highest > bz->initrd_max + 1)
		highest = bz->initrd_max + 1;
	if (highest_start(initrd, highest) < kernel_end)
		return fail("initrd %s (%s) doesn't fit beside the kernel, which takes it below "
			    "%s; give a smaller one.",
			    initrd->path, size_text(initrd->size).text, size_text(highest).text);
	if (end > highest)
		end = highest;
	start = highest_start(initrd, end);
	if (start < kernel_end)
		return fail(
			"initrd %s (%s) doesn't fit beside the kernel in --memory %s; give more.",
			initrd->path, size_text(initrd->size).text, size_text(memory->size).text);
	header->ramdisk_image = start;
	header->ramdisk_size = initrd->size;
	return memory_load(memory, start, initrd->data, initrd->size);
}

static int load_cmdline(const struct guest_memory *memory, const struct bzimage *bz,
			const char *cmdline, struct setup_header *header)
{
	size_t len = strlen(cmdline), max = BOOT_AREA_END - BOOT_STRINGS - 1;

	if (bz->cmdline_max && bz->cmdline_max < max)
		max = bz->cmdline_max;
	if (len > max)
		return fail("--append is %zu bytes long, this kernel takes %zu; shorten it.", len,
			    max);
	header->cmd_line_ptr = BOOT_STRINGS;
	return memory_load(memory, BOOT_STRINGS, cmdline, len + 1);
}

static void fill_memory_map(const struct guest_memory *memory, struct boot_params *params)
{
	struct memory_range map[MEMORY_MAP_MAX];
	unsigned int n = memory_map(memory, map);

	for (unsigned int i = 0; i < n; i++)
		params->e820_table[i] = (struct boot_e820_entry){
			.addr = map[i].start,
			.size = map[i].size,
			.type = map[i].type,
		};
	params->e820_entries = n;
}

/* The part of the setup header that the file really has goes into boot_params. */
static void copy_header(const struct image *image, struct setup_header *header)
{
	/* The byte after the jump's opcode says how far the header reaches. */
	size_t len = 0x202 + image->data[0x201] - SETUP_HEADER;

	if (len > sizeof(*header))
		len = sizeof(*header);
	memcpy(header, image->data + SETUP_HEADER, len);
	/* These are the boot loader's, whatever the file has in their place. */
	header->ramdisk_image = header->ramdisk_size = 0;
	header->setup_data = 0;
	header->type_of_loader = LOADER_UNDEFINED;
}

int bzimage_load(const struct guest_memory *memory, const struct image *image,
		 const struct image *initrd, const char *cmdline, struct boot_entry *entry)
{
	struct boot_params *params = memory_at(memory, BOOT_PARAMS, sizeof(*params));
	struct bzimage bz;
	uint64_t at;

	if (bzimage_parse(image, &bz))
		return -1;
	at = kernel_place(memory, image, &bz);
	if (!at)
		return -1;
	copy_header(image, &params->hdr);
	if (load_initrd(memory, &bz, initrd,
			at + (bz.init_size > bz.payload_size ? bz.init_size : bz.payload_size),
			&params->hdr) ||
	    load_cmdline(memory, &bz, cmdline, &params->hdr) ||
	    memory_load(memory, at, image->data + bz.payload_offset, bz.payload_size))
		return -1;
	params->hdr.code32_start = at;
	fill_memory_map(memory, params);
	params->acpi_rsdp_addr = ACPI_TABLES;
	*entry = (struct boot_entry){
		.long_mode = true,
		.rip = at + ENTRY_64,
		.rsi = BOOT_PARAMS,
	};
	return 0;
}
