// SPDX-License-Identifier: GPL-2.0-only
/* Multiboot images: headers, ELF segments, modules, and which are refused. */
/* sources: userspace/multiboot.c userspace/multiboot_load.c userspace/boot.c userspace/memory.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "multiboot.h"

#define MAGIC 0x1badb002
#define CODE_OFFSET 0x1000
#define CODE_SIZE 0x800

static uint8_t file[CODE_OFFSET + CODE_SIZE] __attribute__((aligned(16)));
static Elf32_Ehdr *ehdr;
static Elf32_Phdr *phdr;
static uint32_t *mb;
static struct image image;
static struct multiboot parsed;
static struct guest_memory memory;
static struct boot_entry entry;

static void set_flags(uint32_t flags)
{
	mb[0] = MAGIC;
	mb[1] = flags;
	mb[2] = -(MAGIC + flags);
}

/* An ELF32 file of one segment at 1 MiB, its header within. */
static int setup(void **state)
{
	(void)state;
	fail_clear();
	memset(file, 0, sizeof(file));
	ehdr = (Elf32_Ehdr *)file;
	phdr = (Elf32_Phdr *)(file + sizeof(*ehdr));
	mb = (uint32_t *)(file + CODE_OFFSET);
	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS32;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_entry = 0x100010;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = 1;
	ehdr->e_phentsize = sizeof(*phdr);
	*phdr = (Elf32_Phdr){
		.p_type = PT_LOAD,
		.p_offset = CODE_OFFSET,
		.p_vaddr = 0x100000,
		.p_paddr = 0x100000,
		.p_filesz = CODE_SIZE,
		.p_memsz = 0x5000,
	};
	set_flags(3);
	image = (struct image){ "k.elf", file, sizeof(file) };
	return 0;
}

static void refused(int result, const char *text)
{
	assert_int_equal(result, -1);
	if (!strstr(fail_text(), text))
		print_error("'%s' is not in: %s\n", text, fail_text());
	assert_non_null(strstr(fail_text(), text));
	fail_clear();
}

static void an_elf_image_is_read(void **state)
{
	(void)state;
	assert_true(multiboot_recognize(file, sizeof(file)));
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.entry, 0x100010);
	assert_int_equal(parsed.segments, 1);
	assert_int_equal(parsed.segment[0].address, 0x100000);
	assert_int_equal(parsed.segment[0].size, 0x5000);
}

static void a_header_is_searched_in_8_kib_only(void **state)
{
	static uint8_t late[3 * 8192];

	(void)state;
	memcpy(late + 8192 - 12, mb, 12);
	assert_true(multiboot_recognize(late, sizeof(late)));
	memset(late, 0, sizeof(late));
	memcpy(late + 8192, mb, 12);
	assert_false(multiboot_recognize(late, sizeof(late)));
	memset(late, 0, sizeof(late));
	memcpy(late + 2, mb, 12); /* unaligned */
	assert_false(multiboot_recognize(late, sizeof(late)));
	mb[2]++;
	assert_false(multiboot_recognize(file, sizeof(file)));
}

static void addresses_in_the_header_win(void **state)
{
	(void)state;
	set_flags(0x10003);
	mb[3] = 0x200100;	   /* header */
	mb[4] = 0x200000;	   /* load: 0x100 bytes before the header */
	mb[5] = 0x200000 + 0x400;  /* load end */
	mb[6] = 0x200000 + 0x1000; /* bss end */
	mb[7] = 0x200110;	   /* entry */
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.segment[0].offset, CODE_OFFSET - 0x100);
	assert_int_equal(parsed.segment[0].file_size, 0x400);
	assert_int_equal(parsed.segment[0].size, 0x1000);
	assert_int_equal(parsed.entry, 0x200110);
	mb[5] = 0; /* to the file's end */
	mb[6] = 0;
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.segment[0].file_size, CODE_SIZE + 0x100);
}

static void wrong_addresses_are_refused(void **state)
{
	(void)state;
	set_flags(0x10003);
	mb[3] = 0x200000;
	mb[4] = 0x200100;
	refused(multiboot_parse(&image, &parsed), "load address is after the header");
	mb[4] = 0x100000; /* would begin before the file */
	refused(multiboot_parse(&image, &parsed), "load address is after the header");
	mb[4] = 0x200000;
	mb[5] = 0x1fffff;
	refused(multiboot_parse(&image, &parsed), "after its end");
	mb[5] = 0xf0000000;
	refused(multiboot_parse(&image, &parsed), "past the file's end");
}

/* No length of the file, and no number in its headers, leads outside it. */
static void cut_off_images_are_refused(void **state)
{
	(void)state;
	for (image.size = CODE_OFFSET + 12; image.size < sizeof(file); image.size += 7)
		refused(multiboot_parse(&image, &parsed), "damaged or cut off");
	image.size = 8;
	refused(multiboot_parse(&image, &parsed), "no multiboot header");
}

/* Its size would be taken modulo 4 GiB. */
static void huge_images_are_refused(void **state)
{
	(void)state;
	image.size = 4 * GIB + 64 * KIB;
	refused(multiboot_parse(&image, &parsed), "more than its 32-bit addresses reach");
}

static void damaged_elf_headers_are_refused(void **state)
{
	(void)state;
	ehdr->e_phoff = 0xfffffff0;
	refused(multiboot_parse(&image, &parsed), "program headers");
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phnum = 0xffff;
	refused(multiboot_parse(&image, &parsed), "program headers");
	ehdr->e_phnum = 1;
	ehdr->e_phentsize = 1;
	refused(multiboot_parse(&image, &parsed), "program headers");
	setup(state);
	phdr->p_offset = 0xffffff00;
	refused(multiboot_parse(&image, &parsed), "past the file's end");
	setup(state);
	phdr->p_memsz = 0x10;
	refused(multiboot_parse(&image, &parsed), "more bytes in the file");
	setup(state);
	phdr->p_paddr = 0xfffff000;
	refused(multiboot_parse(&image, &parsed), "past 4 GiB");
	setup(state);
	ehdr->e_entry = 0xc0100010;
	refused(multiboot_parse(&image, &parsed), "entry 0xc0100010 outside");
	setup(state);
	ehdr->e_phnum = 0;
	refused(multiboot_parse(&image, &parsed), "outside what it loads");
}

/* As GRUB does it: what is linked high is entered where it is loaded. */
static void a_virtual_entry_is_translated(void **state)
{
	(void)state;
	phdr->p_vaddr = 0xc0100000;
	ehdr->e_entry = 0xc0100010;
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.entry, 0x100010);
	/* The first segment that has it decides, also if it is where another is loaded. */
	phdr->p_vaddr = 0x300000;
	phdr[1] = *phdr;
	phdr[1].p_vaddr = 0xc0300000;
	phdr[1].p_paddr = 0x300000;
	ehdr->e_phnum = 2;
	ehdr->e_entry = 0x300010;
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.entry, 0x100010);
	/* And a physical one is taken as it is. */
	phdr->p_vaddr = 0xc0100000;
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
	assert_int_equal(parsed.entry, 0x300010);
	phdr->p_vaddr = 0xffffff00;
	ehdr->e_phnum = 1;
	ehdr->e_entry = 0x10;
	refused(multiboot_parse(&image, &parsed), "entry 0x10 outside");
}

static void other_elf_kinds_name_the_way_out(void **state)
{
	(void)state;
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	refused(multiboot_parse(&image, &parsed), "objcopy -O elf32-i386");
	ehdr->e_ident[0] = 0;
	refused(multiboot_parse(&image, &parsed), "no ELF file");
	setup(state);
	set_flags(4); /* video */
	refused(multiboot_parse(&image, &parsed), "flags 0x4");
}

static void our_own_tables_are_protected(void **state)
{
	(void)state;
	phdr->p_paddr = 0x7f000;
	refused(multiboot_parse(&image, &parsed), "1 MiB or above");
	phdr->p_paddr = 0xfff00;
	refused(multiboot_parse(&image, &parsed), "1 MiB or above");
	phdr->p_paddr = 0x4ff;
	refused(multiboot_parse(&image, &parsed), "1 MiB or above");
	phdr->p_paddr = 0x500;
	phdr->p_memsz = 0x6fb01;
	refused(multiboot_parse(&image, &parsed), "1 MiB or above");
	phdr->p_memsz = 0x6fb00;
	ehdr->e_entry = 0x510;
	assert_int_equal(multiboot_parse(&image, &parsed), 0);
}

/* Guest words at an address. */
static uint32_t word(uint32_t gpa)
{
	return *(uint32_t *)memory_at(&memory, gpa, 4);
}

static void the_information_is_complete(void **state)
{
	struct multiboot_module modules[2] = {
		{ { "initrd", file, 5000 }, "" },
		{ { "m", file, 10 }, "x y" },
	};
	uint32_t info, mods, map;

	(void)state;
	assert_int_equal(memory_create(&memory, 64 * MIB), 0);
	assert_int_equal(multiboot_load(&memory, &image, modules, 2, "a b", &entry), 0);
	assert_false(entry.long_mode);
	assert_int_equal(entry.rip, 0x100010);
	assert_int_equal(entry.rax, 0x2badb002);
	info = entry.rbx;
	assert_int_equal(word(info), 0x24d);
	assert_int_equal(word(info + 4), 639);
	assert_int_equal(word(info + 8), 63 * 1024);
	assert_string_equal(memory_at(&memory, word(info + 16), 10), "k.elf a b");
	assert_int_equal(word(info + 20), 2);
	mods = word(info + 24);
	assert_int_equal(word(mods), 0x105000);
	assert_int_equal(word(mods + 4), 0x105000 + 5000);
	assert_string_equal(memory_at(&memory, word(mods + 8), 7), "initrd");
	assert_int_equal(word(mods + 16), 0x107000);
	assert_string_equal(memory_at(&memory, word(mods + 24), 6), "m x y");
	assert_memory_equal(memory_at(&memory, 0x105000, 5000), file, 5000);
	assert_memory_equal(memory_at(&memory, 0x100000, CODE_SIZE), mb, CODE_SIZE);
	assert_int_equal(word(info + 44), 5 * 24);
	map = word(info + 48);
	assert_int_equal(word(map), 20);
	assert_int_equal(word(map + 4), 0);
	assert_int_equal(word(map + 12), 0x9fc00);
	assert_int_equal(word(map + 20), 1);
}

static void an_initrd_and_16_modules_are_taken(void **state)
{
	struct multiboot_module modules[18];
	uint32_t mods;

	(void)state;
	for (int i = 0; i < 18; i++)
		modules[i] = (struct multiboot_module){ { "m", file, 10 }, i == 16 ? "last" : "" };
	assert_int_equal(memory_create(&memory, 64 * MIB), 0);
	assert_int_equal(multiboot_load(&memory, &image, modules, 17, "", &entry), 0);
	assert_int_equal(word(entry.rbx + 20), 17);
	mods = word(entry.rbx + 24);
	assert_string_equal(memory_at(&memory, word(mods + 16 * 16 + 8), 7), "m last");
	refused(multiboot_load(&memory, &image, modules, 18, "", &entry), "abyme takes 17");
}

static void what_does_not_fit_is_refused(void **state)
{
	struct multiboot_module module = { { "m", file, 64 * MIB }, "" };
	static char args[0xf000];

	(void)state;
	assert_int_equal(memory_create(&memory, 64 * MIB), 0);
	refused(multiboot_load(&memory, &image, &module, 1, "", &entry), "module m (64 MiB)");
	memset(args, 'a', sizeof(args) - 1);
	refused(multiboot_load(&memory, &image, NULL, 0, args, &entry), "shorten");
	module.image.size = 1;
	module.args = args;
	refused(multiboot_load(&memory, &image, &module, 1, "", &entry), "shorten");
	phdr->p_paddr = 64 * MIB - 0x1000;
	ehdr->e_entry = phdr->p_paddr;
	refused(multiboot_load(&memory, &image, NULL, 0, "", &entry), "outside --memory 64 MiB");
	/* More memory would mend neither: above 3 GiB is none. */
	phdr->p_paddr = 0xc0100000;
	ehdr->e_entry = phdr->p_paddr;
	refused(multiboot_load(&memory, &image, NULL, 0, "", &entry), "link it lower");
	phdr->p_paddr = 0x100000;
	ehdr->e_entry = phdr->p_paddr;
	module.args = "";
	module.image.size = 3 * GIB;
	refused(multiboot_load(&memory, &image, &module, 1, "", &entry), "give a smaller file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_elf_image_is_read, setup),
		cmocka_unit_test_setup(a_header_is_searched_in_8_kib_only, setup),
		cmocka_unit_test_setup(addresses_in_the_header_win, setup),
		cmocka_unit_test_setup(wrong_addresses_are_refused, setup),
		cmocka_unit_test_setup(cut_off_images_are_refused, setup),
		cmocka_unit_test_setup(huge_images_are_refused, setup),
		cmocka_unit_test_setup(damaged_elf_headers_are_refused, setup),
		cmocka_unit_test_setup(a_virtual_entry_is_translated, setup),
		cmocka_unit_test_setup(other_elf_kinds_name_the_way_out, setup),
		cmocka_unit_test_setup(our_own_tables_are_protected, setup),
		cmocka_unit_test_setup(the_information_is_complete, setup),
		cmocka_unit_test_setup(an_initrd_and_16_modules_are_taken, setup),
		cmocka_unit_test_setup(what_does_not_fit_is_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
