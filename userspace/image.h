/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_IMAGE_H
#define ABYME_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file that goes into the guest, mapped read-only: it is copied once, from here. */
struct image {
	const char *path;
	const uint8_t *data;
	size_t size;
};

enum image_kind { IMAGE_UNKNOWN, IMAGE_BZIMAGE, IMAGE_MULTIBOOT };

/*
 * @what: the file's role, "kernel image" or "initrd", for the message.
 * Return: 0, or -1 after fail().
 */
int image_open(struct image *image, const char *path, const char *what);
void image_close(struct image *image);

/*
 * What is mapped is read when it is touched, and may turn out not to be
 * readable: while this is on, that ends us with a sentence.
 */
void images_guard(bool on);

enum image_kind image_kind(const struct image *image);

/* For an image of no known kind: fail() with what it looks like. Returns -1. */
int image_refuse(const struct image *image);

#endif
