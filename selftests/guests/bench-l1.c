// SPDX-License-Identifier: GPL-2.0-only
/* What an exit of L1 costs, for each round trip. */
#include "bench.h"
#include "irqchip.h"
#include "vmx.h"

#define ROUNDS 200

static void cpuid_exit(void)
{
	u64 start;

	cpuid(0);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		cpuid(0);
	bench_end("L1: CPUID", start, ROUNDS);
}

static void vmcall_exit(void)
{
	u64 start;

	if (TRY("vmcall", : : "a"(0x100) : "memory") != NO_TRAP)
		claim_skip("no hypervisor takes VMCALL");
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++) {
		u64 rax = 0x100; /* no such hypercall */

		asm volatile("vmcall" : "+a"(rax) : : "memory");
	}
	bench_end("L1: VMCALL", start, ROUNDS);
}

/* As Windows does at each change of its IRQL. */
static void cr8_moves(void)
{
	u64 start;

	apic_enable();
	write_cr8(2);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++) {
		write_cr8(2);
		write_cr8(0);
	}
	bench_end("L1: CR8 raised and lowered", start, ROUNDS);
}

static void port_kernel(void)
{
	u64 start;

	inb(0x21);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		inb(0x21);
	bench_end("L1: IN, answered by the kernel", start, ROUNDS);
}

static void port_user(void)
{
	u64 start;

	inb(0x3fd);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		inb(0x3fd);
	bench_end("L1: IN, answered by userspace", start, ROUNDS);
}

/*
 * What self-IPIs write, as registers and not by the library's functions, which ask the
 * processor first which mode it is in: by a read of an MSR, which exits.
 */
static volatile u32 taken;

static void xapic_write(u32 reg, u32 v)
{
	*(volatile u32 *)(u64)(APIC_PAGE + reg) = v;
}

static void x2apic_write(u32 reg, u32 v)
{
	wrmsr(0x800 + (reg >> 4), v);
}

static void on_ipi(struct trap_frame *frame)
{
	taken++;
	xapic_write(APIC_EOI, 0);
}

static void on_ipi_x2(struct trap_frame *frame)
{
	taken++;
	x2apic_write(APIC_EOI, 0);
}

#define SELF_IPI (0x51 | ICR_SELF | ICR_ASSERT)

static void self_ipi(void)
{
	u64 start;

	apic_enable();
	on_trap(0x51, on_ipi);
	taken = 0;
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++) {
		xapic_write(APIC_ICR, SELF_IPI);
		asm volatile("sti; nop; cli");
	}
	bench_end("L1: self-IPI and its EOI, xAPIC", start, ROUNDS);
	GUEST_EXPECT(taken, ROUNDS);
}

static void self_ipi_x2(void)
{
	u64 start;

	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	on_trap(0x51, on_ipi_x2);
	taken = 0;
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++) {
		x2apic_write(APIC_ICR, SELF_IPI);
		asm volatile("sti; nop; cli");
	}
	bench_end("L1: self-IPI and its EOI, x2APIC", start, ROUNDS);
	GUEST_EXPECT(taken, ROUNDS);
}

static void mmio(void)
{
	volatile u32 *select = (volatile u32 *)(u64)IOAPIC_PAGE;
	u64 start;

	*select = 0;
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		(void)*select;
	bench_end("L1: read of the IOAPIC", start, ROUNDS);
}

static void first_touch(void)
{
	u8 *memory = (u8 *)0x2000000;
	u64 start = bench_begin();

	for (u64 i = 0; i < 1024; i++)
		*(volatile u8 *)(memory + i * 4096) = 1;
	bench_end("L1: first touch of memory, per 4 KiB", start, 1024);
}

CLAIMS = { { bench_nothing, "two marks with nothing in between" },
	   { cpuid_exit, "CPUID" },
	   { vmcall_exit, "VMCALL" },
	   { cr8_moves, "CR8 up and down" },
	   { port_kernel, "IN from a port of L0's kernel" },
	   { port_user, "IN from a port of L0's userspace" },
	   { self_ipi, "self-IPI, xAPIC" },
	   { self_ipi_x2, "self-IPI, x2APIC" },
	   { mmio, "read of a device in memory" },
	   { first_touch, "first touch of memory, each 4 KiB" },
	   END_OF_CLAIMS };
