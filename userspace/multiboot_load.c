// SPDX-License-Identifier: GPL-2.0-only
/* Multiboot 1 images: placing them, and the information they find in EBX. */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "multiboot.h"

#define BOOTLOADER_MAGIC 0x2badb002 /* in EAX at entry */

#define INFO_MEMORY 0x1
#define INFO_CMDLINE 0x4
#define INFO_MODULES 0x8
#define INFO_MEMORY_MAP 0x40
#define INFO_LOADER_NAME 0x200

struct mb_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
	uint32_t mods_count, mods_addr, syms[4];
	uint32_t mmap_length, mmap_addr, drives_length, drives_addr, config_table;
	uint32_t loader_name, apm_table;
};

struct mb_mmap {
	uint32_t size; /* of what follows */
	uint64_t start, length;
	uint32_t type;
} __attribute__((packed));

struct mb_module {
	uint32_t start, end, string, reserved;
};

/* All that is in one place, at MULTIBOOT_INFO. */
struct mb_page {
	struct mb_info info;
	struct mb_mmap map[MEMORY_MAP_MAX];
	struct mb_module module[MULTIBOOT_MODULES_MAX];
};

_Static_assert(MULTIBOOT_INFO + sizeof(struct mb_page) <= MULTIBOOT_STRINGS, "no room for strings");

/* Where the next string goes. */
struct strings {
	const struct guest_memory *memory;
	uint32_t next;
};

/* "FIRST REST": as GRUB has it, the file's name comes first. Returns its address, or 0. */
static uint32_t put_string(struct strings *s, const char *first, const char *rest)
{
	size_t room = MULTIBOOT_AREA_END - s->next;
	char *to = memory_at(s->memory, s->next, room);
	int len = snprintf(to, room, "%s%s%s", first, *rest ? " " : "", rest);
	uint32_t at = s->next;

	if (len < 0 || (size_t)len >= room) {
		fail("--append and the modules' arguments are longer than %d bytes together; shorten "
		     "them.",
		     MULTIBOOT_AREA_END - MULTIBOOT_STRINGS);
		return 0;
	}
	s->next += len + 1;
	return at;
}

static void put_memory_map(const struct guest_memory *memory, struct mb_page *page)
{
	struct memory_range map[MEMORY_MAP_MAX];
	unsigned int n = memory_map(memory, map);

	for (unsigned int i = 0; i < n; i++)
		page->map[i] = (struct mb_mmap){
			.size = sizeof(struct mb_mmap) - 4,
			.start = map[i].start,
			.length = map[i].size,
			.type = map[i].type,
		};
	page->info.flags |= INFO_MEMORY | INFO_MEMORY_MAP;
	page->info.mem_lower = LOW_RAM_END / KIB;
	page->info.mem_upper = (memory_low_size(memory) - BIOS_END) / KIB;
	page->info.mmap_addr = MULTIBOOT_INFO + offsetof(struct mb_page, map);
	page->info.mmap_length = n * sizeof(struct mb_mmap);
}

static int no_room(const struct guest_memory *memory, const struct image *image,
		   const struct multiboot_segment *s)
{
	/* As of a kernel for 0xc0000000 that doesn't say where it is to be loaded. */
	if (s->address + (uint64_t)s->size > MEM_LOW_MAX)
		return fail("multiboot image %s wants %s at 0x%x, and images go below %s, whatever "
			    "--memory is; link it lower.",
			    image->path, size_text(s->size).text, s->address,
			    size_text(MEM_LOW_MAX).text);
	return fail("multiboot image %s wants %s at 0x%x, outside --memory %s; give more.",
		    image->path, size_text(s->size).text, s->address, size_text(memory->size).text);
}

/* Return: the first address past the image, or 0 after fail(). */
static uint64_t load_segments(const struct guest_memory *memory, const struct image *image,
			      const struct multiboot *mb)
{
	uint64_t end = BIOS_END;

	for (unsigned int i = 0; i < mb->segments; i++) {
		const struct multiboot_segment *s = &mb->segment[i];

		if (!memory_at(memory, s->address, s->size)) {
			no_room(memory, image, s);
			return 0;
		}
		memory_load(memory, s->address, image->data + s->offset, s->file_size);
		if (s->address + (uint64_t)s->size > end)
			end = s->address + (uint64_t)s->size;
	}
	return end;
}

static int load_module(const struct guest_memory *memory, const struct multiboot_module *module,
		       uint64_t *next, struct mb_module *out)
{
	uint64_t start = align_up(*next, 4096), low = memory_low_size(memory);

	if (start > MEM_LOW_MAX || module->image.size > MEM_LOW_MAX - start)
		return fail("module %s (%s) doesn't fit below %s, where modules go; give a smaller "
			    "file.",
			    module->image.path, size_text(module->image.size).text,
			    size_text(MEM_LOW_MAX).text);
	if (start > low || module->image.size > low - start)
		return fail("module %s (%s) doesn't fit in --memory %s; give more.",
			    module->image.path, size_text(module->image.size).text,
			    size_text(memory->size).text);
	out->start = start;
	out->end = *next = start + module->image.size;
	return memory_load(memory, start, module->image.data, module->image.size);
}

static int load_modules(const struct guest_memory *memory, const struct multiboot_module *modules,
			unsigned int count, uint64_t next, struct strings *strings,
			struct mb_page *page)
{
	if (count > MULTIBOOT_MODULES_MAX)
		return fail("there are %u modules; abyme takes %d.", count, MULTIBOOT_MODULES_MAX);
	for (unsigned int i = 0; i < count; i++) {
		if (load_module(memory, &modules[i], &next, &page->module[i]))
			return -1;
		page->module[i].string =
			put_string(strings, modules[i].image.path, modules[i].args);
		if (!page->module[i].string)
			return -1;
	}
	page->info.mods_count = count;
	page->info.mods_addr = MULTIBOOT_INFO + offsetof(struct mb_page, module);
	page->info.flags |= INFO_MODULES;
	return 0;
}

int multiboot_load(const struct guest_memory *memory, const struct image *image,
		   const struct multiboot_module *modules, unsigned int count, const char *cmdline,
		   struct boot_entry *entry)
{
	struct mb_page *page = memory_at(memory, MULTIBOOT_INFO, sizeof(*page));
	struct strings strings = { memory, MULTIBOOT_STRINGS };
	struct multiboot mb;
	uint64_t end;

	if (multiboot_parse(image, &mb))
		return -1;
	end = load_segments(memory, image, &mb);
	if (!end)
		return -1;
	page->info.loader_name = put_string(&strings, "abyme", "");
	page->info.cmdline = put_string(&strings, image->path, cmdline);
	if (!page->info.cmdline)
		return -1;
	page->info.flags |= INFO_CMDLINE | INFO_LOADER_NAME;
	put_memory_map(memory, page);
	if (load_modules(memory, modules, count, end, &strings, page))
		return -1;
	*entry = (struct boot_entry){
		.rip = mb.entry,
		.rax = BOOTLOADER_MAGIC,
		.rbx = MULTIBOOT_INFO,
	};
	return 0;
}
