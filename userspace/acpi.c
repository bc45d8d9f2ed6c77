// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables (ACPI specification: "ACPI Software Programming Model"): as
 * little as stock kernels need to find processors and interrupts, to power
 * off and to reset.
 */
#include <string.h>

#include "acpi.h"
#include "memory.h"
#include "ports.h"

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t whole_checksum, reserved[3];
} __attribute__((packed));

struct address {
	uint8_t space, bits, offset, access;
	uint64_t address;
} __attribute__((packed));

#define IO_ADDRESS(port, bytes)                               \
	{                                                     \
		1, (bytes)*8, 0, (bytes) == 1 ? 1 : 2, (port) \
	}

struct fadt {
	struct header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci_irq;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	uint32_t pm2_control, pm_timer, gpe0, gpe1;
	uint8_t pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cstate_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct address reset_register;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_revision;
	uint64_t x_facs, x_dsdt;
	struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1;
	struct address sleep_control, sleep_status;
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 268, "the FADT of ACPI 5.0");

#define FADT_WBINVD (1u << 0)
#define FADT_C1 (1u << 2)
#define FADT_NO_POWER_BUTTON (1u << 4) /* no fixed one */
#define FADT_NO_SLEEP_BUTTON (1u << 5)
#define FADT_NO_FIXED_RTC (1u << 6)
#define FADT_RESET_REGISTER (1u << 10)

#define BOOT_LEGACY_DEVICES (1u << 0)
#define BOOT_NO_VGA (1u << 2)

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));

struct madt {
	struct header header;
	uint32_t lapic, flags;
} __attribute__((packed));

#define MADT_8259 1 /* there is a pair of PICs too */

struct madt_lapic {
	uint8_t type, length, processor, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));

struct madt_override {
	uint8_t type, length, bus, irq;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));

struct madt_nmi {
	uint8_t type, length, processor;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));

enum { MADT_LAPIC, MADT_IOAPIC, MADT_OVERRIDE, MADT_LAPIC_NMI = 4 };

#define LEVEL_HIGH 0x000d

/* Where the next table goes. Tables that don't fit are counted, not written. */
struct place {
	uint8_t *to;
	uint32_t gpa;
	size_t used, max;
};

static uint8_t checksum(const void *from, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += ((const uint8_t *)from)[i];
	return -sum;
}

/* Return: the guest address of the copy. */
static uint32_t place_bytes(struct place *p, const void *from, size_t len, size_t alignment)
{
	size_t at = align_up(p->used, alignment);

	if (at + len <= p->max)
		memcpy(p->to + at, from, len);
	p->used = at + len;
	return p->gpa + at;
}

static void fill_header(void *table, const char *signature, uint8_t revision, size_t len)
{
	struct header *h = table;

	memcpy(h->signature, signature, 4);
	h->length = len;
	h->revision = revision;
	memcpy(h->oem_id, "ABYME ", 6);
	memcpy(h->oem_table_id, "ABYMEPC ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "ABYM", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(table, len);
}

static uint32_t place_dsdt(struct place *p)
{
	uint8_t table[512] = { 0 };
	struct aml aml = { table + sizeof(struct header), 0,
			   sizeof(table) - sizeof(struct header) };
	size_t len;

	dsdt_build(&aml);
	len = sizeof(struct header) + aml.len;
	if (aml.len > aml.max) {
		p->used = p->max + 1;
		return 0;
	}
	fill_header(table, "DSDT", 2, len);
	return place_bytes(p, table, len, 8);
}

static uint32_t place_facs(struct place *p)
{
	struct facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };

	return place_bytes(p, &facs, sizeof(facs), 64);
}

static uint32_t place_fadt(struct place *p)
{
	struct fadt fadt = {
		.sci_irq = ACPI_IRQ,
		.pm1a_event = PORT_PM1_EVENT,
		.pm1_event_len = 4,
		.pm1a_control = PORT_PM1_CONTROL,
		.pm1_control_len = 2,
		.c2_latency = 0x0fff, /* that long means there is none */
		.c3_latency = 0x0fff,
		.century = 0x32,
		.boot_flags = BOOT_LEGACY_DEVICES | BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON |
			 FADT_NO_FIXED_RTC | FADT_RESET_REGISTER,
		.reset_register = IO_ADDRESS(PORT_RESET, 1),
		.reset_value = RESET_VALUE,
		.x_pm1a_event = IO_ADDRESS(PORT_PM1_EVENT, 4),
		.x_pm1a_control = IO_ADDRESS(PORT_PM1_CONTROL, 2),
	};

	fadt.dsdt = place_dsdt(p);
	fadt.x_dsdt = fadt.dsdt;
	fadt.facs = place_facs(p);
	fill_header(&fadt, "FACP", 5, sizeof(fadt));
	return place_bytes(p, &fadt, sizeof(fadt), 8);
}

static void place_processors(struct place *p, unsigned int cpus)
{
	for (unsigned int i = 0; i < cpus; i++) {
		struct madt_lapic lapic = { MADT_LAPIC, sizeof(lapic), i, i, 1 };

		place_bytes(p, &lapic, sizeof(lapic), 1);
	}
}

/* ISA interrupts are wired to the I/O APIC's pins of the same number. */
static uint32_t place_madt(struct place *p, unsigned int cpus)
{
	struct madt madt = { .lapic = LAPIC_ADDR, .flags = MADT_8259 };
	struct madt_ioapic ioapic = { MADT_IOAPIC, sizeof(ioapic), cpus, 0, IOAPIC_ADDR, 0 };
	struct madt_override sci = { MADT_OVERRIDE, sizeof(sci), 0, ACPI_IRQ, ACPI_IRQ, LEVEL_HIGH };
	struct madt_nmi nmi = { MADT_LAPIC_NMI, sizeof(nmi), 0xff, 0, 1 };
	uint32_t gpa = place_bytes(p, &madt, sizeof(madt), 8);
	size_t start = gpa - p->gpa;

	place_processors(p, cpus);
	place_bytes(p, &ioapic, sizeof(ioapic), 1);
	place_bytes(p, &sci, sizeof(sci), 1);
	place_bytes(p, &nmi, sizeof(nmi), 1);
	if (p->used <= p->max) {
		memcpy(p->to + start, &madt, sizeof(madt));
		fill_header(p->to + start, "APIC", 4, p->used - start);
	}
	return gpa;
}

static uint32_t place_rsdt(struct place *p, uint32_t fadt, uint32_t madt)
{
	struct {
		struct header header;
		uint32_t table[2];
	} __attribute__((packed)) rsdt = { .table = { fadt, madt } };

	fill_header(&rsdt, "RSDT", 1, sizeof(rsdt));
	return place_bytes(p, &rsdt, sizeof(rsdt), 8);
}

static uint32_t place_xsdt(struct place *p, uint32_t fadt, uint32_t madt)
{
	struct {
		struct header header;
		uint64_t table[2];
	} __attribute__((packed)) xsdt = { .table = { fadt, madt } };

	fill_header(&xsdt, "XSDT", 1, sizeof(xsdt));
	return place_bytes(p, &xsdt, sizeof(xsdt), 8);
}

size_t acpi_build(uint8_t *to, uint32_t gpa, size_t max, unsigned int cpus)
{
	struct rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'A', 'B', 'Y', 'M', 'E', ' ' },
		.revision = 2,
		.length = sizeof(rsdp),
	};
	struct place p = { to, gpa, align_up(sizeof(rsdp), 64), max };
	uint32_t fadt = place_fadt(&p), madt = place_madt(&p, cpus);

	rsdp.rsdt = place_rsdt(&p, fadt, madt);
	rsdp.xsdt = place_xsdt(&p, fadt, madt);
	rsdp.checksum = checksum(&rsdp, 20); /* what ACPI 1.0 knows of it */
	rsdp.whole_checksum = checksum(&rsdp, sizeof(rsdp));
	if (p.used > max)
		return 0;
	memcpy(to, &rsdp, sizeof(rsdp));
	return p.used;
}
