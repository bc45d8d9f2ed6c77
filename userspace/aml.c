// SPDX-License-Identifier: GPL-2.0-only
/* A writer of AML (ACPI specification: "ACPI Machine Language"). */
#include <ctype.h>
#include <string.h>

#include "aml.h"

#define OP_ZERO 0x00
#define OP_ONE 0x01
#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_DWORD 0x0c
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_EXTENDED 0x5b
#define OP_EXTENDED_DEVICE 0x82

/* A length of two bytes reaches 4095, enough for all that we write. */
#define LENGTH_BYTES 2

static void put(struct aml *aml, uint8_t byte)
{
	if (aml->len < aml->max)
		aml->bytes[aml->len] = byte;
	aml->len++;
}

static void put_bytes(struct aml *aml, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		put(aml, ((const uint8_t *)from)[i]);
}

/* The length counts itself but not the opcode before it. Returns its place. */
static size_t open_length(struct aml *aml)
{
	size_t at = aml->len;

	for (int i = 0; i < LENGTH_BYTES; i++)
		put(aml, 0);
	return at;
}

void aml_close(struct aml *aml, size_t opened)
{
	size_t len = aml->len - opened;

	if (opened + LENGTH_BYTES > aml->max)
		return;
	/* Top two bits: how many more bytes; low nibble first, then eight bits. */
	aml->bytes[opened] = (LENGTH_BYTES - 1) << 6 | (len & 0xf);
	aml->bytes[opened + 1] = len >> 4;
}

size_t aml_scope(struct aml *aml, const char *name)
{
	size_t at;

	put(aml, OP_SCOPE);
	at = open_length(aml);
	put_bytes(aml, name, strlen(name));
	return at;
}

size_t aml_device(struct aml *aml, const char *name)
{
	size_t at;

	put(aml, OP_EXTENDED);
	put(aml, OP_EXTENDED_DEVICE);
	at = open_length(aml);
	put_bytes(aml, name, 4);
	return at;
}

static void put_name(struct aml *aml, const char *name)
{
	put(aml, OP_NAME);
	put_bytes(aml, name, 4);
}

size_t aml_name_package(struct aml *aml, const char *name, uint8_t elements)
{
	size_t at;

	put_name(aml, name);
	put(aml, OP_PACKAGE);
	at = open_length(aml);
	put(aml, elements);
	return at;
}

size_t aml_name_buffer(struct aml *aml, const char *name, uint8_t size)
{
	size_t at;

	put_name(aml, name);
	put(aml, OP_BUFFER);
	at = open_length(aml);
	aml_integer(aml, size);
	return at;
}

void aml_integer(struct aml *aml, uint8_t value)
{
	if (value <= 1) {
		put(aml, value ? OP_ONE : OP_ZERO);
		return;
	}
	put(aml, OP_BYTE);
	put(aml, value);
}

void aml_name_integer(struct aml *aml, const char *name, uint8_t value)
{
	put_name(aml, name);
	aml_integer(aml, value);
}

static unsigned int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10;
}

/* Three letters of five bits and four hex digits, most significant first. */
void aml_name_eisa_id(struct aml *aml, const char *name, const char *id)
{
	unsigned int letters = (id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@');

	put_name(aml, name);
	put(aml, OP_DWORD);
	put(aml, letters >> 8);
	put(aml, letters);
	put(aml, hex_digit(id[3]) << 4 | hex_digit(id[4]));
	put(aml, hex_digit(id[5]) << 4 | hex_digit(id[6]));
}

void aml_io_ports(struct aml *aml, uint16_t base, uint8_t count)
{
	const uint8_t descriptor[AML_IO_PORTS_SIZE] = {
		0x47,		 /* I/O ports, 7 bytes follow */
		0x01,		 /* all 16 address bits are decoded */
		base, base >> 8, /* lowest base */
		base, base >> 8, /* highest base */
		1,    count,	 /* alignment, ports */
	};

	put_bytes(aml, descriptor, sizeof(descriptor));
}

void aml_irq(struct aml *aml, uint8_t irq)
{
	const uint8_t descriptor[AML_IRQ_SIZE] = { 0x22, 1u << irq, (1u << irq) >> 8 };

	put_bytes(aml, descriptor, sizeof(descriptor));
}

void aml_end_tag(struct aml *aml)
{
	put(aml, 0x79);
	put(aml, 0); /* a checksum of 0 is taken as right */
}
