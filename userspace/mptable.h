/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_MPTABLE_H
#define ABYME_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Write the MP floating pointer and the configuration table behind it, for
 * guests that don't read ACPI.
 * @gpa: @to's guest address, 16-byte-aligned, in 0xf0000-0xfffff.
 * @signature: CPUID.1:EAX, what the processors are.
 * Return: bytes used, or 0 when they don't fit in @max.
 */
size_t mptable_build(uint8_t *to, uint32_t gpa, size_t max, unsigned int cpus, uint32_t signature);

#endif
