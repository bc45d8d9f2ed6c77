// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest may leave long mode: protected mode with and without paging, PAE
 * and 32-bit paging, real mode. SDM: "Operating Modes", "Paging",
 * "Real-Address Mode Operation".
 */
#include "modes.h"

void read_cr0_32(void), store_and_load(void), cpuid_32(void), io_32(void), peek_high(void);
extern const u8 real_add[], real_add_end[], real_segments[], real_segments_end[];
extern const u8 real_int[], real_int_end[], real_cpuid[], real_cpuid_end[];
extern const u8 real_string[], real_string_end[], real_loop[], real_loop_end[];

#define FLAT 0x11u /* ET, PE */
#define PAGED 0x80010011u

static void flat(void)
{
	GUEST_EXPECT(mode_trip(FLAT, 0, 0, read_cr0_32), FLAT);
	GUEST_EXPECT(mode_trip(FLAT, 0, 0, store_and_load), 0x12345678);
	GUEST_EXPECT(mode_trip(FLAT, 0, 0, cpuid_32), 0x756e6547);
	GUEST_EXPECT(mode_trip(FLAT, 0, 0, io_32), 0xff);
}

/* The first 4 MiB in two pages tables, or one large page; 1 GiB is @page. */
static u32 *tables_32(bool large, u32 page)
{
	u32 *dir = page_alloc(), *low = page_alloc(), *high = page_alloc();

	for (u32 i = 0; i < 1024; i++)
		low[i] = i << 12 | 7;
	high[0] = page | 7;
	dir[0] = large ? 0x87 : (u32)(u64)low | 7;
	dir[0x40000000 >> 22] = (u32)(u64)high | 7;
	return dir;
}

static void paging_32(void)
{
	u32 *page = page_alloc();
	u32 *dir = tables_32(false, (u32)(u64)page);

	page[0] = 0x5eed0032;
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)dir, 0, store_and_load), 0x12345678);
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)dir, 0, peek_high), 0x5eed0032);
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)dir, 0, cpuid_32), 0x756e6547);
}

static void paging_32_large(void)
{
	u32 *page = page_alloc();
	u32 *dir = tables_32(true, (u32)(u64)page);

	page[0] = 0x5eed0004;
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)dir, CR4_PSE, peek_high), 0x5eed0004);
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)dir, CR4_PSE, io_32), 0xff);
}

static void paging_pae(void)
{
	u64 *page = page_alloc(), *pdpt = page_alloc(), *low = page_alloc();
	u64 *high = page_alloc(), *table = page_alloc();

	page[0] = 0x5eed0fae;
	table[0] = (u64)page | 7;
	high[0] = (u64)table | 7;
	for (u64 i = 0; i < 16; i++)
		low[i] = i << 21 | 0x87;
	pdpt[0] = (u64)low | 1;
	pdpt[1] = (u64)high | 1;
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)pdpt, CR4_PAE, store_and_load), 0x12345678);
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)pdpt, CR4_PAE, peek_high), 0x5eed0fae);
	GUEST_EXPECT(mode_trip(PAGED, (u32)(u64)pdpt, CR4_PAE, cpuid_32), 0x756e6547);
}

#define REAL(code) real_trip(code, code##_end - code)

static void real_mode(void)
{
	GUEST_EXPECT(REAL(real_add), 0x2345);
	GUEST_EXPECT(REAL(real_loop), 1000);
}

static void real_segment_bases(void)
{
	GUEST_EXPECT(REAL(real_segments), 0xbeef);
}

static void real_interrupt(void)
{
	GUEST_EXPECT(REAL(real_int), 0x42);
}

static void real_exits(void)
{
	GUEST_EXPECT(REAL(real_cpuid), 0x756e6547);
	GUEST_EXPECT(REAL(real_string), 0xffffffff);
}

CLAIMS = { { flat, "32-bit code without paging" },
	   { paging_32, "32-bit paging with 4 KiB pages" },
	   { paging_32_large, "32-bit paging with a 4 MiB page" },
	   { paging_pae, "PAE paging" },
	   { real_mode, "real mode runs 16-bit code" },
	   { real_segment_bases, "real-mode segments have their bases" },
	   { real_interrupt, "INT n and IRET through the real-mode vector table" },
	   { real_exits, "CPUID and REP INSB in real mode" },
	   END_OF_CLAIMS };
