// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec [-p] KERNEL INITRAMFS ARGUMENTS: the kernel that follows this one, at once
 * and without asking anybody, or with -p after a crash, which happens now. What
 * kexec-tools does too, but in one static file. Returns only when it failed.
 */
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed(const char *what)
{
	fprintf(stderr, "kexec: %s: %m\n", what);
	return 1;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		failed(path);
}

int main(int argc, char **argv)
{
	bool crash = argc > 1 && !strcmp(argv[1], "-p");
	int kernel, initramfs;

	argv += crash;
	if (argc - crash != 4) {
		fprintf(stderr, "usage: kexec [-p] KERNEL INITRAMFS ARGUMENTS\n");
		return 2;
	}
	kernel = open(argv[1], O_RDONLY);
	initramfs = open(argv[2], O_RDONLY);
	if (kernel < 0 || initramfs < 0)
		return failed("open");
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(argv[3]) + 1, argv[3],
		    crash ? KEXEC_FILE_ON_CRASH : 0))
		return failed("kexec_file_load");
	if (!crash) {
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			LINUX_REBOOT_CMD_KEXEC, NULL);
		return failed("reboot");
	}
	/* No word of the panic: to the rig it would be the end of the machine. */
	put("/proc/sys/kernel/printk", "0");
	put("/proc/sysrq-trigger", "c");
	return failed("no crash");
}
