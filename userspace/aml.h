/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_AML_H
#define ABYME_AML_H

#include <stddef.h>
#include <stdint.h>

/*
 * A writer of AML, ACPI's byte code. Terms that hold others are opened and
 * closed; their length is filled in when they are closed.
 */
struct aml {
	uint8_t *bytes;
	size_t len, max;
};

size_t aml_scope(struct aml *aml, const char *name); /* "\\_SB_": 4 characters each */
size_t aml_device(struct aml *aml, const char *name);
size_t aml_name_package(struct aml *aml, const char *name, uint8_t elements);
size_t aml_name_buffer(struct aml *aml, const char *name, uint8_t size);
void aml_close(struct aml *aml, size_t opened);

void aml_integer(struct aml *aml, uint8_t value);
void aml_name_integer(struct aml *aml, const char *name, uint8_t value);
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id); /* "PNP0501" */

/* Resource descriptors, for the bytes of a _CRS buffer. */
void aml_io_ports(struct aml *aml, uint16_t base, uint8_t count);
void aml_irq(struct aml *aml, uint8_t irq);
void aml_end_tag(struct aml *aml);

#define AML_IO_PORTS_SIZE 8
#define AML_IRQ_SIZE 3
#define AML_END_TAG_SIZE 2

#endif
