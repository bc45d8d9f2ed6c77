/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_ACPI_H
#define ABYME_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "aml.h"

/*
 * Write RSDP, RSDT, XSDT, FADT, FACS, MADT and DSDT.
 * @to: where they go, zeroed; @gpa: its guest address, 64-byte-aligned, below 4 GiB.
 * Return: bytes used, or 0 when they don't fit in @max.
 */
size_t acpi_build(uint8_t *to, uint32_t gpa, size_t max, unsigned int cpus);

/* The DSDT's AML, without the table's header. */
void dsdt_build(struct aml *aml);

#endif
