// SPDX-License-Identifier: GPL-2.0-only
/* Opening the device, and what it must offer. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "err.h"

/* /etc/group only: a static program can't ask what else nsswitch.conf names. */
static bool group_name(gid_t gid, char *name, size_t size)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *group;
	bool found = false;

	while (file && !found && (group = fgetgrent(file))) {
		found = group->gr_gid == gid;
		if (found)
			snprintf(name, size, "%s", group->gr_name);
	}
	if (file)
		fclose(file);
	return found;
}

static int no_permission(const char *path)
{
	const mode_t group_may = S_IRGRP | S_IWGRP;
	struct stat st;
	char name[64];

	if (stat(path, &st))
		return fail("you may not look at %s: %s; run as root.", path, strerror(errno));
	if (!geteuid())
		return fail("%s is refused even to root: its file system is mounted nodev, or a "
			    "container's rules keep the device out; use a node in the host's /dev, "
			    "or start the container with it (--device=%s).",
			    path, path);
	if (st.st_gid && (st.st_mode & group_may) == group_may &&
	    group_name(st.st_gid, name, sizeof(name)))
		return fail(
			"you may not open %s; join its group %s (sudo usermod -aG %s $USER) and "
			"log in again.",
			path, name, name);
	return fail(
		"you may not open %s; give it to the group kvm (sudo chgrp kvm %s && sudo chmod "
		"660 %s), which you join with sudo usermod -aG kvm $USER.",
		path, path, path);
}

static int open_failed(const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		if (!strcmp(path, DEVICE_DEFAULT))
			return fail(
				"there is no %s; load the module (sudo modprobe abyme), or run on "
				"KVM with --device /dev/kvm.",
				path);
		if (!strcmp(path, "/dev/kvm"))
			return fail("there is no %s; load KVM's module (sudo modprobe kvm_intel).",
				    path);
		return fail("there is no %s; check --device.", path);
	case EACCES:
	case EPERM: return no_permission(path);
	case ENODEV:
	case ENXIO:
		return fail(
			"%s has no driver behind it; load its module, for example sudo modprobe "
			"abyme.",
			path);
	case EBUSY:
		return fail("%s is busy: another hypervisor holds VT-x; abyme doctor says which.",
			    path);
	default:
		return fail("%s can't be opened: %s; abyme doctor looks closer.", path,
			    strerror(error));
	}
}

static const struct {
	int cap;
	const char *name;
} required[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static int check_api(const struct device *device)
{
	int version = ioctl(device->fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return fail("%s doesn't speak the KVM API; use --device /dev/abyme or /dev/kvm.",
			    device->path);
	if (version != KVM_API_VERSION)
		return fail(
			"%s speaks version %d of the KVM API, abyme needs %d; update its module.",
			device->path, version, KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (ioctl(device->fd, KVM_CHECK_EXTENSION, required[i].cap) <= 0)
			return fail("%s lacks %s, which abyme needs; update its module.",
				    device->path, required[i].name);
	return 0;
}

static int get_supported_cpuid(struct device *device)
{
	device->supported.head.nent = CPUID_ENTRIES_MAX;
	if (ioctl(device->fd, KVM_GET_SUPPORTED_CPUID, &device->supported))
		return fail("%s doesn't say which CPUID it supports: %s.", device->path,
			    strerror(errno));
	return 0;
}

static unsigned int get_max_cpus(int fd)
{
	int max = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (max <= 0)
		max = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	return max > 0 ? max : 4; /* what the API says that silence means */
}

int device_open(struct device *device, const char *path)
{
	device->path = path;
	device->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device->fd < 0)
		return open_failed(path, errno);
	if (check_api(device) || get_supported_cpuid(device)) {
		close(device->fd);
		return -1;
	}
	device->max_cpus = get_max_cpus(device->fd);
	device->tsc_deadline = ioctl(device->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) >
			       0;
	device->run_size = ioctl(device->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	return 0;
}

int device_check_nested(struct device *device)
{
	char vendor[13];

	if (cpuid_has_vmx(&device->supported))
		return 0;
	cpuid_vendor(&device->supported, vendor);
	if (strcmp(vendor, "GenuineIntel"))
		return fail(
			"--nested needs VT-x, and this processor is a %s; run without --nested.",
			*vendor ? vendor : "processor of another kind");
	if (strstr(device->path, "kvm"))
		return fail("--nested: %s doesn't offer VMX to guests; load KVM with nesting (sudo "
			    "modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1).",
			    device->path);
	return fail("--nested: %s doesn't offer VMX to guests; abyme doctor says what is missing.",
		    device->path);
}
