/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_MULTIBOOT_H
#define ABYME_MULTIBOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "image.h"
#include "memory.h"

#define MULTIBOOT_MODULES_MAX 17 /* --initrd, and as many --module as there may be */

/* A piece of the image: file bytes, and zeros after them. */
struct multiboot_segment {
	uint32_t offset, file_size; /* in the file */
	uint32_t address, size;	    /* in the guest; size >= file_size */
};

#define MULTIBOOT_SEGMENTS_MAX 16

struct multiboot {
	uint32_t flags, entry;
	unsigned int segments;
	struct multiboot_segment segment[MULTIBOOT_SEGMENTS_MAX];
};

struct multiboot_module {
	struct image image;
	const char *args; /* what follows the file's name in its string; "" */
};

bool multiboot_recognize(const uint8_t *data, size_t size);

/* Return: 0, or -1 after fail(). */
int multiboot_parse(const struct image *image, struct multiboot *out);

/*
 * Place the image, the modules and the multiboot information.
 * Return: 0 and how to enter it, or -1 after fail().
 */
int multiboot_load(const struct guest_memory *memory, const struct image *image,
		   const struct multiboot_module *modules, unsigned int count, const char *cmdline,
		   struct boot_entry *entry);

#endif
