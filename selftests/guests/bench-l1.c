// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exit of L1 costs, in TSC ticks (instructions, on Bochs) for each
 * round trip. Lines "count NAME NUMBER" are for scripts.
 */
#include "irqchip.h"
#include "vmx.h"

#define ROUNDS 200

static void report(const char *name, u64 start, u64 rounds)
{
	printf("count %s %lu\n", name, (unsigned long)((rdtsc() - start) / rounds));
}

static void cpuid_exit(void)
{
	u64 start;

	cpuid(0);
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++)
		cpuid(0);
	report("L1: CPUID", start, ROUNDS);
}

static void vmcall_exit(void)
{
	u64 start;

	if (TRY("vmcall", : : "a"(0x100) : "memory") != NO_TRAP)
		claim_skip("no hypervisor takes VMCALL");
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++) {
		u64 rax = 0x100; /* no such hypercall */

		asm volatile("vmcall" : "+a"(rax) : : "memory");
	}
	report("L1: VMCALL", start, ROUNDS);
}

static void port_kernel(void)
{
	u64 start;

	inb(0x21);
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++)
		inb(0x21);
	report("L1: IN, answered by the kernel", start, ROUNDS);
}

static void port_user(void)
{
	u64 start;

	inb(0x3fd);
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++)
		inb(0x3fd);
	report("L1: IN, answered by userspace", start, ROUNDS);
}

static volatile u32 taken;

static void on_ipi(struct trap_frame *frame)
{
	taken++;
	apic_eoi();
}

static void self_ipis(const char *name)
{
	u64 start;

	on_trap(0x51, on_ipi);
	taken = 0;
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++) {
		apic_write(APIC_ICR, 0x51 | ICR_SELF | ICR_ASSERT);
		asm volatile("sti; nop; cli");
	}
	report(name, start, ROUNDS);
	GUEST_EXPECT(taken, ROUNDS);
}

static void self_ipi(void)
{
	apic_enable();
	self_ipis("L1: self-IPI, xAPIC");
}

static void self_ipi_x2(void)
{
	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	self_ipis("L1: self-IPI, x2APIC");
}

static void mmio(void)
{
	volatile u32 *select = (volatile u32 *)(u64)IOAPIC_PAGE;
	u64 start;

	*select = 0;
	start = rdtsc();
	for (int i = 0; i < ROUNDS; i++)
		(void)*select;
	report("L1: read of the IOAPIC", start, ROUNDS);
}

static void first_touch(void)
{
	u8 *memory = (u8 *)0x2000000;
	u64 start = rdtsc();

	for (u64 i = 0; i < 1024; i++)
		*(volatile u8 *)(memory + i * 4096) = 1;
	report("L1: first touch of memory, per 4 KiB", start, 1024);
}

CLAIMS = { { cpuid_exit, "CPUID" },
	   { vmcall_exit, "VMCALL" },
	   { port_kernel, "IN from a port of L0's kernel" },
	   { port_user, "IN from a port of L0's userspace" },
	   { self_ipi, "self-IPI, xAPIC" },
	   { self_ipi_x2, "self-IPI, x2APIC" },
	   { mmio, "read of a device in memory" },
	   { first_touch, "first touch of memory, each 4 KiB" },
	   END_OF_CLAIMS };
