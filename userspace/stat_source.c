// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where abyme stat has its counters from. abyme's VMs: each is a file descriptor of
 * some process, which whoever may debug that process can take (pidfd_getfd) and ask for
 * counters. KVM's VMs answer nobody but their own process; theirs are in debugfs,
 * which takes root.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devname.h"
#include "err.h"
#include "stat.h"

#define IMAGE_MAX (64 << 10) /* what a statistics fd may have; abyme's has some 13 KiB */
#define MODULE "/sys/module/abyme"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct counter *)a)->name, ((const struct counter *)b)->name);
}

static void sort(struct counters *counters)
{
	qsort(counters->counter, counters->count, sizeof(struct counter), by_name);
}

/* --- a statistics fd --------------------------------------------------------------- */

/* The part of the image at @offset, or NULL if it reaches past the end. */
static const void *part(const void *image, size_t size, uint64_t offset, uint64_t length)
{
	return offset <= size && length <= size - offset ? (const char *)image + offset : NULL;
}

/* Adds what a descriptor describes. Histograms, of which abyme has none, are left out. */
static int add_counter(struct counters *counters, const void *image, size_t size,
		       const struct kvm_stats_header *head, uint64_t index)
{
	uint64_t stride = sizeof(struct kvm_stats_desc) + head->name_size;
	const char *at = part(image, size, head->desc_offset + index * stride, stride);
	struct counter *c = &counters->counter[counters->count];
	struct kvm_stats_desc desc;
	const void *value;

	if (!at)
		return -1;
	memcpy(&desc, at, sizeof(desc));
	at += sizeof(desc);
	value = part(image, size, (uint64_t)head->data_offset + desc.offset, sizeof(c->value));
	if (!value || !memchr(at, '\0', head->name_size))
		return -1;
	if (desc.size != 1 || strlen(at) >= sizeof(c->name) || counters->count == COUNTERS_MAX)
		return 0;
	strcpy(c->name, at);
	memcpy(&c->value, value, sizeof(c->value));
	counters->count++;
	return 0;
}

int counters_parse(struct counters *counters, const void *image, size_t size)
{
	struct kvm_stats_header head;

	counters->count = 0;
	if (!part(image, size, 0, sizeof(head)))
		return -1;
	memcpy(&head, image, sizeof(head));
	for (uint64_t i = 0; i < head.num_desc; i++)
		if (add_counter(counters, image, size, &head, i))
			return -1;
	sort(counters);
	return 0;
}

/* Return: 0; -1: see errno. */
static int read_stats(struct counters *counters, int stats)
{
	static char image[IMAGE_MAX];
	ssize_t got = read(stats, image, sizeof(image));

	if (got < 0)
		return -1;
	errno = EPROTO;
	return counters_parse(counters, image, got);
}

/* @fd: a VM's, of process @pid. Return: 0; -1: see errno. */
static int read_vm(struct counters *counters, unsigned int pid, int fd)
{
	int process = syscall(SYS_pidfd_open, pid, 0), vm, stats, result, error;

	if (process < 0)
		return -1;
	vm = syscall(SYS_pidfd_getfd, process, fd, 0);
	stats = vm < 0 ? -1 : ioctl(vm, KVM_GET_STATS_FD, 0);
	result = stats < 0 ? -1 : read_stats(counters, stats);
	error = errno;
	if (stats >= 0)
		close(stats);
	if (vm >= 0)
		close(vm);
	close(process);
	errno = error;
	return result;
}

/* --- processes -------------------------------------------------------------------- */

/* Sets errno to EACCES when that is not for us to know. */
static bool is_vm(int dir, const char *name)
{
	char target[64];
	ssize_t got;

	errno = 0;
	got = readlinkat(dir, name, target, sizeof(target) - 1);
	target[got < 0 ? 0 : got] = '\0';
	return !strcmp(target, "anon_inode:abyme-vm");
}

/* It is there, and it is not for us: whose is it? */
static int fail_hidden(unsigned int pid)
{
	char path[32];
	struct stat info;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	if (stat(path, &info) || info.st_uid == geteuid())
		return fail("you may not look into process %u (it has other groups, or more "
			    "rights, than you); run sudo abyme stat --pid %u.",
			    pid, pid);
	return fail("process %u is not yours but user %u's, so its counters are not for you; run "
		    "sudo abyme stat --pid %u.",
		    pid, (unsigned int)info.st_uid, pid);
}

/* Return: how many of the process' descriptors are VMs; -1 after fail(). */
static int each_of_process(unsigned int pid, stat_shower *show, const void *context, bool *hidden)
{
	static struct counters counters;
	struct dirent *e;
	char path[32];
	int vms = 0, fd;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (!d) {
		*hidden |= errno == EACCES;
		return 0;
	}
	while (vms >= 0 && (e = readdir(d))) {
		if (!is_vm(dirfd(d), e->d_name)) {
			*hidden |= errno == EACCES;
			continue;
		}
		fd = atoi(e->d_name);
		if (!read_vm(&counters, pid, fd)) {
			snprintf(path, sizeof(path), "%u-%d", pid, fd);
			show(path, &counters, context);
			vms++;
		} else if (errno != ESRCH && errno != EBADF) { /* those: it ended meanwhile */
			vms = fail(
				"process %u has a VM whose counters can't be taken: %s. Root may "
				"(sudo abyme stat); others as far as "
				"/proc/sys/kernel/yama/ptrace_scope lets them.",
				pid, strerror(errno));
		}
	}
	closedir(d);
	return vms;
}

static int each_process(struct stat_source *source, stat_shower *show, const void *context)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int vms = 0, more = 0;

	if (!d)
		return fail("/proc can't be read: %s. Mount it (mount -t proc proc /proc).",
			    strerror(errno));
	while (more >= 0 && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		more = each_of_process(strtoul(e->d_name, NULL, 10), show, context,
				       &source->hidden);
		vms += more;
	}
	closedir(d);
	return more < 0 ? -1 : vms;
}

/* --- debugfs ------------------------------------------------------------------------ */

/* Return: 0; -1: see errno, 0 when the file has no number. */
static int read_counter(const char *dir, const char *name, uint64_t *value)
{
	char path[512];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	got = fscanf(file, "%" SCNu64, value);
	fclose(file);
	errno = 0;
	return got == 1 ? 0 : -1;
}

int counters_read(struct counters *counters, const char *dir)
{
	DIR *d = opendir(dir);
	bool refused = false;
	struct dirent *e;

	counters->count = 0;
	if (!d)
		return -1;
	while (!refused && (e = readdir(d)) && counters->count < COUNTERS_MAX) {
		struct counter *c = &counters->counter[counters->count];

		if (e->d_type == DT_DIR || strlen(e->d_name) >= sizeof(c->name))
			continue;
		strcpy(c->name, e->d_name);
		if (!read_counter(dir, e->d_name, &c->value))
			counters->count++;
		else
			refused = errno == EPERM;
	}
	closedir(d);
	sort(counters);
	errno = EPERM;
	return refused ? -1 : 0;
}

unsigned int stat_dir_pid(const char *name)
{
	char *end;
	unsigned long pid;

	if (!isdigit((unsigned char)*name))
		return 0;
	pid = strtoul(name, &end, 10);
	return *end == '-' && isdigit((unsigned char)end[1]) ? pid : 0;
}

static int each_directory(const struct stat_source *source, stat_shower *show, const void *context)
{
	static struct counters counters;
	DIR *d = opendir(source->debugfs);
	struct dirent *e;
	char dir[512];
	int vms = 0;

	if (!d)
		return fail("%s is gone: the module was unloaded; load it again (sudo modprobe "
			    "kvm_intel).",
			    source->debugfs);
	while (vms >= 0 && (e = readdir(d))) {
		unsigned int pid = stat_dir_pid(e->d_name);

		if (!pid || (source->pid && pid != source->pid))
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", source->debugfs, e->d_name);
		if (!counters_read(&counters, dir)) {
			show(e->d_name, &counters, context);
			vms++;
		} else if (errno == EPERM) { /* else it ended meanwhile */
			vms = fail("this kernel is locked down (Secure Boot): it does not show "
				   "KVM's counters. Turn Secure Boot off to see them.");
		}
	}
	closedir(d);
	return vms;
}

static int find_debugfs(struct stat_source *source)
{
	snprintf(source->debugfs, sizeof(source->debugfs), "/sys/kernel/debug/kvm");
	if (!access(source->debugfs, R_OK | X_OK))
		return 0;
	if (access("/sys/kernel/debug", R_OK | X_OK) && errno == EACCES)
		return fail("KVM's counters are in debugfs, and you may not read "
			    "/sys/kernel/debug; run sudo abyme stat.");
	if (access("/sys/kernel/debug/sched", F_OK) && access("/sys/kernel/debug/tracing", F_OK) &&
	    access("/sys/kernel/debug/bdi", F_OK))
		return fail("debugfs is not mounted; run sudo mount -t debugfs debugfs "
			    "/sys/kernel/debug.");
	return fail("there is no %s; load the module (sudo modprobe kvm_intel).", source->debugfs);
}

/* --- which of the two --------------------------------------------------------------- */

int stat_source_find(struct stat_source *source, const char *device, unsigned int pid)
{
	const char *name = devname_of(device);

	*source = (struct stat_source){ .device = device, .pid = pid };
	if (devname_is_abymes(name))
		return 0;
	if (!strcmp(name, "kvm"))
		return find_debugfs(source);
	return fail("%s is neither abyme's device nor KVM's; give --device /dev/abyme or /dev/kvm.",
		    device);
}

int stat_source_each(struct stat_source *source, stat_shower *show, const void *context)
{
	int vms;

	source->hidden = false;
	if (source->debugfs[0])
		return each_directory(source, show, context);
	if (access(MODULE, F_OK))
		return fail("the module abyme is not loaded; load it (sudo modprobe abyme).");
	if (!source->pid)
		return each_process(source, show, context);
	vms = each_of_process(source->pid, show, context, &source->hidden);
	return !vms && source->hidden ? fail_hidden(source->pid) : vms;
}
