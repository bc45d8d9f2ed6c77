/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_BZIMAGE_H
#define ABYME_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "image.h"
#include "memory.h"

/* What a bzImage's setup header says. All sizes in bytes. */
struct bzimage {
	uint32_t payload_offset; /* of the protected-mode kernel in the file */
	uint32_t payload_size;
	uint32_t init_size; /* memory it needs before it reads the memory map */
	uint32_t alignment;
	uint64_t preferred;  /* where it decompresses itself to */
	uint64_t initrd_max; /* the initrd's last byte may be at most here */
	uint32_t cmdline_max;
	bool relocatable;
};

bool bzimage_recognize(const uint8_t *data, size_t size);

/* Return: 0, or -1 after fail(). */
int bzimage_parse(const struct image *image, struct bzimage *out);

/*
 * Place kernel, initrd (NULL: none) and command line, and fill boot_params.
 * Return: 0 and how to enter it, or -1 after fail().
 */
int bzimage_load(const struct guest_memory *memory, const struct image *image,
		 const struct image *initrd, const char *cmdline, struct boot_entry *entry);

#endif
