// SPDX-License-Identifier: GPL-2.0-only
/*
 * Touches all of its memory, a page after the other: as L1, then as L2. With "hold" on
 * its command line it waits for a byte on the first serial port before each step, so
 * that what the step took can be measured from outside.
 */
#include "irqchip.h"
#include "vmx.h"

#define SERIAL 0x3f8 /* its registers: data, interrupt enable, ... line status */
#define SERIAL_IER 1
#define SERIAL_LSR 5
#define LSR_READY 0x01
#define SERIAL_PIN 4
#define VECTOR 0x64
#define INFO_MEMORY BIT(0) /* words 1 and 2: KiB below and above 1 MiB */
#define INFO_COMMAND_LINE BIT(2)

static const u32 *info(void)
{
	extern u32 boot_info;

	return (const u32 *)(u64)boot_info;
}

/* The last word of the command line. */
static bool told_to_hold(void)
{
	static const char hold[] = " hold";
	const char *line = (const char *)(u64)info()[4];
	size_t len = 0, n = sizeof(hold) - 1;

	if (!(info()[0] & INFO_COMMAND_LINE))
		return false;
	while (line[len])
		len++;
	if (len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (line[len - n + i] != hold[i])
			return false;
	return true;
}

static volatile u32 told;

static void on_serial(struct trap_frame *frame)
{
	while (inb(SERIAL + SERIAL_LSR) & LSR_READY) {
		inb(SERIAL);
		told++;
	}
	apic_eoi();
}

/* Halted: a guest that polls would keep the machine from being idle. */
static void wait_for_host(const char *next)
{
	if (!told_to_hold())
		return;
	apic_enable();
	pic_mask_all();
	on_trap(VECTOR, on_serial);
	ioapic_route(SERIAL_PIN, VECTOR);
	outb(SERIAL + SERIAL_IER, 1);
	told = 0;
	printf("# next: %s\n", next);
	while (!told)
		irqs_on_and_halt();
	outb(SERIAL + SERIAL_IER, 0);
	ioapic_route(SERIAL_PIN, IOAPIC_MASKED);
}

static u64 memory_end(void)
{
	return info()[0] & INFO_MEMORY ? 0x100000 + ((u64)info()[2] << 10) : POOL_END;
}

/* Memory above 1 MiB: what lies there stays the same. */
static u64 touch(void)
{
	u64 pages = 0;

	for (u64 at = 0x100000; at < memory_end(); at += 4096, pages++)
		asm volatile("lock orq $0, (%0)" : : "r"(at) : "memory", "cc");
	return pages;
}

static void l2_touches(void)
{
	l2_vmcall(touch());
}

static void as_l1(void)
{
	wait_for_host("L1 touches its memory");
	GUEST_EXPECT(touch(), (memory_end() - 0x100000) / 4096);
}

/* On each CPU at once: EPT02 is a vCPU's own. */
static void run_l2(void *unused)
{
	l1_prepare(l2_touches);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], (memory_end() - 0x100000) / 4096);
}

static void as_l2(void)
{
	unsigned int cpus = cpus_start(MAX_CPUS);

	l1_prepare(l2_touches);
	l1_need_ept(0);
	wait_for_host("L2 touches its memory");
	run_l2(NULL);
	for (unsigned int i = 1; i < cpus; i++) {
		cpu_run(i, run_l2, NULL);
		cpu_wait(i);
	}
	wait_for_host("end");
}

CLAIMS = {
	{ as_l1, "L1 touches each page of its memory" },
	{ as_l2, "L2 touches each page of L1's memory, on each CPU" },
	END_OF_CLAIMS,
};
