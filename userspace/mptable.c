// SPDX-License-Identifier: GPL-2.0-only
/* MP tables (Intel's MultiProcessor Specification 1.4). */
#include <stdbool.h>
#include <string.h>

#include "memory.h"
#include "mptable.h"

struct mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length16, revision, checksum, features[5];
} __attribute__((packed));

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t lapic, reserved;
} __attribute__((packed));

struct mp_processor {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

struct mp_interrupt {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, irq, apic, pin;
} __attribute__((packed));

enum { MP_PROCESSOR, MP_BUS, MP_IOAPIC, MP_INTERRUPT, MP_LOCAL_INTERRUPT };
enum { KIND_INT, KIND_NMI, KIND_EXTINT = 3 };

#define CPU_ENABLED 1
#define CPU_BOOT 2
#define CPU_FEATURES 0x201 /* FPU, APIC */
#define APIC_VERSION 0x14
#define IOAPIC_VERSION 0x11
#define ALL_APICS 0xff

struct writer {
	uint8_t *to;
	size_t used, max;
	uint16_t entries;
};

static void put(struct writer *w, const void *entry, size_t len)
{
	if (w->used + len <= w->max)
		memcpy(w->to + w->used, entry, len);
	w->used += len;
	w->entries++;
}

static uint8_t checksum(const void *from, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += ((const uint8_t *)from)[i];
	return -sum;
}

static void put_processors(struct writer *w, unsigned int cpus, uint32_t signature)
{
	for (unsigned int i = 0; i < cpus; i++) {
		struct mp_processor cpu = {
			.type = MP_PROCESSOR,
			.apic_id = i,
			.apic_version = APIC_VERSION,
			.flags = CPU_ENABLED | (i ? 0 : CPU_BOOT),
			.signature = signature,
			.features = CPU_FEATURES,
		};

		put(w, &cpu, sizeof(cpu));
	}
}

/* ISA interrupts are wired to the I/O APIC's pins of the same number. */
static void put_interrupts(struct writer *w, uint8_t ioapic)
{
	struct mp_interrupt extint = { MP_LOCAL_INTERRUPT, KIND_EXTINT, 0, 0, 0, 0, 0 };
	struct mp_interrupt nmi = { MP_LOCAL_INTERRUPT, KIND_NMI, 0, 0, 0, ALL_APICS, 1 };

	for (uint8_t irq = 0; irq < 16; irq++) {
		struct mp_interrupt isa = { MP_INTERRUPT, KIND_INT, 0, 0, irq, ioapic, irq };

		put(w, &isa, sizeof(isa));
	}
	put(w, &extint, sizeof(extint));
	put(w, &nmi, sizeof(nmi));
}

size_t mptable_build(uint8_t *to, uint32_t gpa, size_t max, unsigned int cpus, uint32_t signature)
{
	struct mp_pointer pointer = {
		.signature = { '_', 'M', 'P', '_' },
		.table = gpa + sizeof(pointer),
		.length16 = 1,
		.revision = 4,
	};
	struct mp_header header = {
		.signature = { 'P', 'C', 'M', 'P' },
		.revision = 4,
		.lapic = LAPIC_ADDR,
		.oem = { 'A', 'B', 'Y', 'M', 'E', ' ', ' ', ' ' },
		.product = { 'P', 'C', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ', ' ' },
	};
	struct mp_bus isa = { MP_BUS, 0, { 'I', 'S', 'A', ' ', ' ', ' ' } };
	struct mp_ioapic ioapic = { MP_IOAPIC, cpus, IOAPIC_VERSION, 1, IOAPIC_ADDR };
	size_t start = sizeof(pointer);
	struct writer w = { to, start + sizeof(header), max, 0 };

	put_processors(&w, cpus, signature);
	put(&w, &isa, sizeof(isa));
	put(&w, &ioapic, sizeof(ioapic));
	put_interrupts(&w, ioapic.id);
	if (w.used > max)
		return 0;
	header.length = w.used - start;
	header.entries = w.entries;
	memcpy(to + start, &header, sizeof(header));
	to[start + offsetof(struct mp_header, checksum)] = checksum(to + start, header.length);
	pointer.checksum = checksum(&pointer, sizeof(pointer));
	memcpy(to, &pointer, sizeof(pointer));
	return w.used;
}
