// SPDX-License-Identifier: GPL-2.0-only
/* Files that go into the guest: mapped, and told apart. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bzimage.h"
#include "err.h"
#include "image.h"
#include "multiboot.h"

static int open_failed(const char *path, const char *what, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR: return fail("%s %s: there is no such file; check the path.", what, path);
	case EACCES:
	case EPERM:
		return fail("%s %s: you may not read it; ask its owner, or copy it (sudo cp) to a "
			    "place where you may.",
			    what, path);
	default: return fail("%s %s can't be opened: %s.", what, path, strerror(error));
	}
}

static int map_file(struct image *image, int fd, const char *what)
{
	struct stat st;
	void *data;

	if (fstat(fd, &st))
		return open_failed(image->path, what, errno);
	if (S_ISDIR(st.st_mode))
		return fail("%s %s is a directory; name a file in it.", what, image->path);
	if (!S_ISREG(st.st_mode))
		return fail("%s %s is not a regular file; save it to one first.", what,
			    image->path);
	if (!st.st_size)
		return fail("%s %s is empty; build or copy it again.", what, image->path);
	data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return fail("%s %s can't be mapped: %s.", what, image->path, strerror(errno));
	image->data = data;
	image->size = st.st_size;
	return 0;
}

static void on_bus_error(int signal)
{
	static const char text[] =
		"abyme: an image can't be read to its end: its disk fails, or it was "
		"cut off just now; copy it again.\n";

	(void)signal;
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(EXIT_INTERNAL);
	_exit(EXIT_SETUP);
}

void images_guard(bool on)
{
	signal(SIGBUS, on ? on_bus_error : SIG_DFL);
}

int image_open(struct image *image, const char *path, const char *what)
{
	int fd, err;

	*image = (struct image){ .path = path };
	/* O_NONBLOCK: a FIFO without a writer must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return open_failed(path, what, errno);
	err = map_file(image, fd, what);
	close(fd);
	return err;
}

void image_close(struct image *image)
{
	if (image->data)
		munmap((void *)image->data, image->size);
	image->data = NULL;
}

enum image_kind image_kind(const struct image *image)
{
	if (bzimage_recognize(image->data, image->size))
		return IMAGE_BZIMAGE;
	if (multiboot_recognize(image->data, image->size))
		return IMAGE_MULTIBOOT;
	return IMAGE_UNKNOWN;
}

static const struct {
	const char *magic;
	size_t len;
	const char *advice;
} known_files[] = {
	{ "\177ELF", 4,
	  "an ELF file without a multiboot 1 header; for Linux give arch/x86/boot/bzImage or "
	  "/boot/vmlinuz" },
	{ "\x1f\x8b", 2, "compressed with gzip; unpack it with gunzip" },
	{ "\xfd"
	  "7zXZ",
	  5, "compressed with xz; unpack it with unxz" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed with zstd; unpack it with unzstd" },
	{ "070701", 6, "a cpio archive; give it with --initrd" },
	{ "#!", 2, "a script; abyme starts kernels, not programs" },
	{ "MZ", 2,
	  "an EFI program but no Linux kernel, or one cut off within its header; copy it again" },
};

int image_refuse(const struct image *image)
{
	for (size_t i = 0; i < sizeof(known_files) / sizeof(known_files[0]); i++)
		if (image->size >= known_files[i].len &&
		    !memcmp(image->data, known_files[i].magic, known_files[i].len))
			return fail("kernel image %s is %s.", image->path, known_files[i].advice);
	return fail("kernel image %s is neither a Linux bzImage nor a multiboot 1 image, or it is "
		    "cut off; build or copy it again.",
		    image->path);
}
