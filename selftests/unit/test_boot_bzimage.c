// SPDX-License-Identifier: GPL-2.0-only
/* bzImages: what their header says, where they go, and which are refused. */
/* sources: userspace/bzimage.c userspace/boot.c userspace/memory.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <asm/bootparam.h>
#include <stdlib.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include "bzimage.h"
#include "err.h"

#define SETUP_SECTS 3
#define PAYLOAD 0x8000
#define FILE_SIZE ((SETUP_SECTS + 1) * 512 + PAYLOAD)

static uint8_t file[FILE_SIZE];
static struct setup_header *header;
static struct image image;
static struct guest_memory memory;
static struct boot_entry entry;

static int setup(void **state)
{
	(void)state;
	fail_clear();
	memset(file, 0xcc, sizeof(file));
	memset(file, 0, (SETUP_SECTS + 1) * 512);
	header = (struct setup_header *)(file + 0x1f1);
	header->setup_sects = SETUP_SECTS;
	header->boot_flag = 0xaa55;
	memcpy(&header->header, "HdrS", 4);
	file[0x201] = 0x66; /* the header's end, counted from 0x202 */
	header->version = 0x020f;
	header->xloadflags = XLF_KERNEL_64;
	header->loadflags = LOADED_HIGH;
	header->syssize = PAYLOAD / 16;
	header->relocatable_kernel = 1;
	header->kernel_alignment = 2 * MIB;
	header->pref_address = 16 * MIB;
	header->init_size = 20 * MIB;
	header->initrd_addr_max = 0x7fffffff;
	header->cmdline_size = 2047;
	image = (struct image){ "vmlinuz", file, sizeof(file) };
	return 0;
}

/* Memory that load tests write to; only the pages touched cost anything. */
static void give_memory(uint64_t size)
{
	assert_int_equal(memory_create(&memory, size), 0);
}

static int load(uint64_t size, const struct image *initrd, const char *cmdline)
{
	give_memory(size);
	return bzimage_load(&memory, &image, initrd, cmdline, &entry);
}

static void refused(int result, const char *text)
{
	assert_int_equal(result, -1);
	assert_non_null(strstr(fail_text(), text));
}

static void the_header_is_read(void **state)
{
	struct bzimage bz;

	(void)state;
	assert_true(bzimage_recognize(file, sizeof(file)));
	assert_int_equal(bzimage_parse(&image, &bz), 0);
	assert_int_equal(bz.payload_offset, 2048);
	assert_int_equal(bz.payload_size, PAYLOAD);
	assert_int_equal(bz.init_size, 20 * MIB);
	assert_int_equal(bz.preferred, 16 * MIB);
	assert_true(bz.relocatable);
}

static void zero_setup_sectors_mean_four(void **state)
{
	struct bzimage bz;

	(void)state;
	header->setup_sects = 0;
	header->syssize -= 32;
	assert_int_equal(bzimage_parse(&image, &bz), 0);
	assert_int_equal(bz.payload_offset, 2560);
}

static void other_files_are_no_bzimage(void **state)
{
	(void)state;
	assert_false(bzimage_recognize(file, 100));
	assert_false(bzimage_recognize(file, 0x1f1 + 10));
	header->boot_flag = 0;
	assert_false(bzimage_recognize(file, sizeof(file)));
}

/* Every length of the file is either whole or refused. */
static void cut_off_files_are_refused(void **state)
{
	struct bzimage bz;

	(void)state;
	for (image.size = 0; image.size < FILE_SIZE - 15; image.size += 13) {
		fail_clear();
		refused(bzimage_parse(&image, &bz), "cut off");
	}
}

static void a_huge_promise_is_refused(void **state)
{
	struct bzimage bz;

	(void)state;
	header->syssize = 0xffffffff;
	refused(bzimage_parse(&image, &bz), "cut off");
	/* Nor is it kept modulo 4 GiB by a file that has as much. */
	fail_clear();
	header->syssize = 0x10000000 + PAYLOAD / 16;
	image.size = 8 * GIB;
	refused(bzimage_parse(&image, &bz), "damaged header (4096 MiB");
}

static void kernels_without_64_bit_entry_are_refused(void **state)
{
	struct bzimage bz;

	(void)state;
	header->xloadflags = 0;
	refused(bzimage_parse(&image, &bz), "no 64-bit entry");
	fail_clear();
	header->xloadflags = XLF_KERNEL_64;
	header->version = 0x020b;
	refused(bzimage_parse(&image, &bz), "no 64-bit entry");
	fail_clear();
	header->version = 0x020f;
	header->loadflags = 0;
	refused(bzimage_parse(&image, &bz), "zImage");
	fail_clear();
	header->loadflags = LOADED_HIGH;
	header->kernel_alignment = 3;
	refused(bzimage_parse(&image, &bz), "damaged");
}

static void the_kernel_goes_where_it_wants(void **state)
{
	struct boot_params *params;

	(void)state;
	assert_int_equal(load(64 * MIB, NULL, "console=ttyS0"), 0);
	assert_true(entry.long_mode);
	assert_int_equal(entry.rip, 16 * MIB + 0x200);
	assert_memory_equal(memory_at(&memory, 16 * MIB, PAYLOAD), file + 2048, PAYLOAD);
	params = memory_at(&memory, entry.rsi, sizeof(*params));
	assert_int_equal(params->hdr.type_of_loader, 0xff);
	assert_int_equal(params->hdr.code32_start, 16 * MIB);
	assert_string_equal(memory_at(&memory, params->hdr.cmd_line_ptr, 14), "console=ttyS0");
	assert_int_equal(params->acpi_rsdp_addr, ACPI_TABLES);
	assert_int_equal(params->e820_entries, 5);
	assert_int_equal(params->e820_table[3].addr, MIB);
	assert_int_equal(params->e820_table[3].size, 63 * MIB);
	assert_int_equal(params->hdr.ramdisk_size, 0);
}

static void little_memory_moves_a_relocatable_kernel_down(void **state)
{
	(void)state;
	assert_int_equal(load(24 * MIB, NULL, ""), 0);
	assert_int_equal(entry.rip, 2 * MIB + 0x200);
}

static void too_little_memory_is_refused(void **state)
{
	(void)state;
	refused(load(20 * MIB, NULL, ""), "needs 20 MiB of memory");
	fail_clear();
	header->relocatable_kernel = 0;
	refused(load(24 * MIB, NULL, ""), "needs 20 MiB of memory");
	fail_clear();
	refused(load(24 * MIB, NULL, ""), "more than --memory 24 MiB has; give more");
}

/* Memory is no help where the limit is another. */
static void what_more_memory_would_not_mend_is_not_told_so(void **state)
{
	struct image initrd = { "initrd", file, 13 * MIB };

	(void)state;
	header->init_size = 1280 * MIB;
	refused(load(64 * MIB, NULL, ""), "the first 1 GiB only; build a smaller one");
	fail_clear();
	header->init_size = 1020 * MIB; /* from 2 MiB on it would fit */
	refused(load(64 * MIB, NULL, ""), "give more");
	fail_clear();
	header->init_size = 20 * MIB;
	header->initrd_addr_max = 48 * MIB - 1;
	refused(load(64 * MIB, &initrd, ""), "takes it below 48 MiB; give a smaller one");
	fail_clear();
	header->initrd_addr_max = 0xffffffff;
	initrd.size = 3 * GIB;
	refused(load(64 * MIB, &initrd, ""), "takes it below 3 GiB; give a smaller one");
}

static void the_initrd_goes_to_the_top(void **state)
{
	struct image initrd = { "initrd", file, 5000 };
	struct boot_params *params;

	(void)state;
	assert_int_equal(load(64 * MIB, &initrd, ""), 0);
	params = memory_at(&memory, entry.rsi, sizeof(*params));
	assert_int_equal(params->hdr.ramdisk_size, 5000);
	assert_int_equal(params->hdr.ramdisk_image, 64 * MIB - 8192);
	assert_memory_equal(memory_at(&memory, 64 * MIB - 8192, 5000), file, 5000);
}

static void the_initrd_stays_in_reach(void **state)
{
	struct image initrd = { "initrd", file, 5000 };
	struct boot_params *params;

	(void)state;
	header->initrd_addr_max = 48 * MIB - 1;
	assert_int_equal(load(64 * MIB, &initrd, ""), 0);
	params = memory_at(&memory, entry.rsi, sizeof(*params));
	assert_int_equal(params->hdr.ramdisk_image, 48 * MIB - 8192);
}

static void a_big_initrd_is_refused(void **state)
{
	struct image initrd = { "initrd", file, 29 * MIB };

	(void)state;
	refused(load(64 * MIB, &initrd, ""), "doesn't fit beside the kernel");
	fail_clear();
	initrd.size = 1ull << 40;
	refused(load(64 * MIB, &initrd, ""), "doesn't fit beside the kernel");
}

static void what_the_file_says_of_the_initrd_is_not_taken(void **state)
{
	struct boot_params *params;

	(void)state;
	header->ramdisk_image = 0x12345678;
	header->ramdisk_size = 0x1000;
	header->setup_data = 0xdeadbeef000;
	assert_int_equal(load(64 * MIB, NULL, ""), 0);
	params = memory_at(&memory, entry.rsi, sizeof(*params));
	assert_int_equal(params->hdr.ramdisk_image, 0);
	assert_int_equal(params->hdr.ramdisk_size, 0);
	assert_int_equal(params->hdr.setup_data, 0);
}

static void a_long_command_line_is_refused(void **state)
{
	char cmdline[3000];

	(void)state;
	memset(cmdline, 'a', sizeof(cmdline));
	cmdline[2047] = '\0';
	assert_int_equal(load(64 * MIB, NULL, cmdline), 0);
	cmdline[2047] = 'a';
	cmdline[2048] = '\0';
	refused(load(64 * MIB, NULL, cmdline), "takes 2047; shorten it");
}

static void the_first_vcpu_enters_in_long_mode(void **state)
{
	struct boot_entry at = { .long_mode = true, .rip = 0x1000200, .rsi = BOOT_PARAMS };
	struct kvm_sregs sregs = { .apic_base = 0xfee00900 };
	struct kvm_regs regs;
	uint64_t *pml4;

	(void)state;
	give_memory(64 * MIB);
	boot_write_tables(&memory, true);
	boot_set_sregs(&at, &sregs);
	boot_set_regs(&at, &regs);
	assert_int_equal(sregs.cs.selector, 0x10);
	assert_true(sregs.cs.l && !sregs.cs.db);
	assert_int_equal(sregs.efer, 0x500);
	assert_int_equal(sregs.cr0 & 0x80000001, 0x80000001);
	assert_int_equal(sregs.apic_base, 0xfee00900);
	assert_int_equal(regs.rflags, 2);
	pml4 = memory_at(&memory, sregs.cr3, 8);
	assert_int_equal(*pml4 & ~0xfffull, sregs.cr3 + 4096);
	assert_int_equal(*(uint64_t *)memory_at(&memory, sregs.cr3 + 8192 + 8 * 8, 8),
			 16 * MIB | 0x83);
}

/* Real-mode code of an image looks there, and what it calls returns to it. */
static void there_is_as_much_of_a_bios_as_images_need(void **state)
{
	static const uint8_t return_with_carry[] = { 0x55, 0x89, 0xe5, 0x80, 0x4e,
						     0x06, 0x01, 0x5d, 0xcf };
	const struct bios_data *data;

	(void)state;
	give_memory(64 * MIB);
	boot_write_tables(&memory, false);
	data = memory_at(&memory, 0, sizeof(*data));
	assert_int_equal(sizeof(*data), 0x500);
	assert_int_equal(*(uint16_t *)memory_at(&memory, 0x40e, 2), 0x9fc0);
	assert_int_equal(data->low_ram_kib, 639);
	assert_int_equal(offsetof(struct bios_data, low_ram_kib), 0x413);
	assert_int_equal(*(uint8_t *)memory_at(&memory, 0x9fc00, 1), 1);
	for (int i = 0; i < 256; i++)
		assert_memory_equal(memory_at(&memory,
					      data->vector[i].segment * 16 + data->vector[i].offset,
					      sizeof(return_with_carry)),
				    return_with_carry, sizeof(return_with_carry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_header_is_read, setup),
		cmocka_unit_test_setup(zero_setup_sectors_mean_four, setup),
		cmocka_unit_test_setup(other_files_are_no_bzimage, setup),
		cmocka_unit_test_setup(cut_off_files_are_refused, setup),
		cmocka_unit_test_setup(a_huge_promise_is_refused, setup),
		cmocka_unit_test_setup(kernels_without_64_bit_entry_are_refused, setup),
		cmocka_unit_test_setup(the_kernel_goes_where_it_wants, setup),
		cmocka_unit_test_setup(little_memory_moves_a_relocatable_kernel_down, setup),
		cmocka_unit_test_setup(too_little_memory_is_refused, setup),
		cmocka_unit_test_setup(what_more_memory_would_not_mend_is_not_told_so, setup),
		cmocka_unit_test_setup(the_initrd_goes_to_the_top, setup),
		cmocka_unit_test_setup(the_initrd_stays_in_reach, setup),
		cmocka_unit_test_setup(a_big_initrd_is_refused, setup),
		cmocka_unit_test_setup(what_the_file_says_of_the_initrd_is_not_taken, setup),
		cmocka_unit_test_setup(a_long_command_line_is_refused, setup),
		cmocka_unit_test_setup(the_first_vcpu_enters_in_long_mode, setup),
		cmocka_unit_test_setup(there_is_as_much_of_a_bios_as_images_need, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
