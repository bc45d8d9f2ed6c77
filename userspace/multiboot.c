// SPDX-License-Identifier: GPL-2.0-only
/* Multiboot 1 images: what their header and ELF segments say. */
#include <elf.h>
#include <string.h>

#include "err.h"
#include "multiboot.h"

#define HEADER_MAGIC 0x1badb002
#define HEADER_SEARCH 8192 /* the header lies, 4-aligned, in the first 8 KiB */

#define FLAG_ADDRESSES 0x10000 /* the header says where to load, ELF or not */
#define FLAGS_KNOWN 0x10003    /* page-aligned modules, memory information, addresses */
#define FLAGS_REQUIRED 0xffff  /* a bit here that we don't know means "don't boot me" */

struct mb_header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* Return: the header's offset, or -1. Its address fields read as 0 past the file's end. */
static int64_t find_header(const uint8_t *data, size_t size, struct mb_header *header)
{
	size_t end = size < HEADER_SEARCH ? size : HEADER_SEARCH;

	for (size_t at = 0; at + 12 <= end; at += 4) {
		size_t have = size - at < sizeof(*header) ? size - at : sizeof(*header);

		memset(header, 0, sizeof(*header));
		memcpy(header, data + at, have);
		if (header->magic == HEADER_MAGIC &&
		    !(uint32_t)(header->magic + header->flags + header->checksum))
			return at;
	}
	return -1;
}

bool multiboot_recognize(const uint8_t *data, size_t size)
{
	struct mb_header header;

	return find_header(data, size, &header) >= 0;
}

static int damaged(const struct image *image, const char *what)
{
	return fail("multiboot image %s is damaged or cut off: %s; build or copy it again.",
		    image->path, what);
}

/* One segment, once its numbers are known to make sense. */
static int add_segment(const struct image *image, struct multiboot *out,
		       struct multiboot_segment segment)
{
	if (segment.offset > image->size || segment.file_size > image->size - segment.offset)
		return damaged(image, "a segment lies past the file's end");
	if (segment.file_size > segment.size)
		return damaged(image, "a segment has more bytes in the file than in memory");
	if (segment.size > UINT32_MAX - segment.address)
		return damaged(image, "a segment reaches past 4 GiB");
	if (out->segments == MULTIBOOT_SEGMENTS_MAX)
		return fail("multiboot image %s has more than %d segments; link it with fewer.",
			    image->path, MULTIBOOT_SEGMENTS_MAX);
	if (boot_area_hit(segment.address, segment.size))
		return fail("multiboot image %s has a segment at 0x%x, where the boot information "
			    "and the ACPI tables are; link it at 1 MiB or above.",
			    image->path, segment.address);
	out->segment[out->segments++] = segment;
	return 0;
}

/* The header itself says which bytes go where ("a.out kludge"). */
static int parse_addresses(const struct image *image, const struct mb_header *h, uint32_t at,
			   struct multiboot *out)
{
	struct multiboot_segment s = { .address = h->load_addr };
	uint32_t before = h->header_addr - h->load_addr;

	if (h->header_addr < h->load_addr || before > at)
		return damaged(image, "its header's load address is after the header");
	s.offset = at - before;
	s.file_size = h->load_end_addr ? h->load_end_addr - h->load_addr : image->size - s.offset;
	if (h->load_end_addr && h->load_end_addr < h->load_addr)
		return damaged(image, "its load address is after its end");
	s.size = s.file_size;
	if (h->bss_end_addr > h->load_addr + s.file_size)
		s.size = h->bss_end_addr - h->load_addr;
	out->entry = h->entry_addr;
	return add_segment(image, out, s);
}

/*
 * ELF's entry is a virtual address, as GRUB has it: that of a segment that is linked high
 * is where the segment is loaded. Return: whether it lies in the segment.
 */
static bool translate_entry(const Elf32_Phdr *phdr, uint32_t entry, uint32_t *to)
{
	if (entry < phdr->p_vaddr || entry - phdr->p_vaddr >= phdr->p_memsz)
		return false;
	*to = entry - phdr->p_vaddr + phdr->p_paddr;
	return true;
}

static int parse_elf(const struct image *image, struct multiboot *out)
{
	bool found = false;
	Elf32_Ehdr ehdr;
	Elf32_Phdr phdr;

	if (image->size < sizeof(ehdr))
		return damaged(image, "it ends within the ELF header");
	memcpy(&ehdr, image->data, sizeof(ehdr));
	if (memcmp(ehdr.e_ident, ELFMAG, SELFMAG) || ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
		return fail(
			"multiboot image %s is no ELF file and its header has no load addresses; "
			"link it as elf32-i386.",
			image->path);
	if (ehdr.e_ident[EI_CLASS] != ELFCLASS32)
		return fail("multiboot image %s is a 64-bit ELF file; turn it into a 32-bit one: "
			    "objcopy -O elf32-i386.",
			    image->path);
	if (ehdr.e_phentsize != sizeof(phdr) || ehdr.e_phoff > image->size ||
	    ehdr.e_phnum * sizeof(phdr) > image->size - ehdr.e_phoff)
		return damaged(image, "its program headers lie past the file's end");
	out->entry = ehdr.e_entry;
	for (unsigned int i = 0; i < ehdr.e_phnum; i++) {
		memcpy(&phdr, image->data + ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));
		if (phdr.p_type != PT_LOAD || !phdr.p_memsz)
			continue;
		found = found || translate_entry(&phdr, ehdr.e_entry, &out->entry);
		if (add_segment(image, out,
				(struct multiboot_segment){ phdr.p_offset, phdr.p_filesz,
							    phdr.p_paddr, phdr.p_memsz }))
			return -1;
	}
	return 0;
}

/*
 * Where segments are linked high and loaded low, as kernels are, some linker scripts set
 * a physical entry; one outside all segments can only be a mistake.
 */
static int check_entry(const struct image *image, const struct multiboot *mb)
{
	for (unsigned int i = 0; i < mb->segments; i++)
		if (mb->entry >= mb->segment[i].address &&
		    mb->entry - mb->segment[i].address < mb->segment[i].size)
			return 0;
	return fail("multiboot image %s has its entry 0x%x outside what it loads; check its linker "
		    "script.",
		    image->path, mb->entry);
}

int multiboot_parse(const struct image *image, struct multiboot *out)
{
	struct mb_header header;
	int64_t at = find_header(image->data, image->size, &header);
	int err;

	*out = (struct multiboot){ 0 };
	if (at < 0)
		return damaged(image, "it has no multiboot header");
	if (image->size > UINT32_MAX)
		return fail("multiboot image %s has %s, more than its 32-bit addresses reach; give "
			    "a smaller one.",
			    image->path, size_text(image->size).text);
	out->flags = header.flags;
	if (header.flags & FLAGS_REQUIRED & ~FLAGS_KNOWN)
		return fail("multiboot image %s asks for more than memory information and aligned "
			    "modules (flags 0x%x); build it without.",
			    image->path, header.flags);
	err = header.flags & FLAG_ADDRESSES ? parse_addresses(image, &header, at, out)
					    : parse_elf(image, out);
	return err ? err : check_entry(image, out);
}
