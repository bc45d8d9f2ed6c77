// SPDX-License-Identifier: GPL-2.0-only
/* What this machine says of itself: CPUID, /proc, /sys, an MSR, the device. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "devname.h"
#include "doctor.h"
#include "err.h"
#include "memory.h"

#define ECX_VMX (1u << 5)
#define ECX_HYPERVISOR (1u << 31)
#define HYPERVISOR_BASE 0x40000000
#define HYPERVISOR_BASES 4 /* one hypervisor may show several interfaces */
#define MSR_FEATURE_CONTROL 0x3a

static void put_words(char name[13], unsigned int a, unsigned int b, unsigned int c)
{
	const unsigned int words[3] = { a, b, c };

	memcpy(name, words, 12);
	name[12] = '\0';
}

/*
 * Hypervisors that also speak Hyper-V's interface show it first and their
 * own after it; so the last one that isn't Hyper-V's is the true one.
 */
static void gather_hypervisor(struct facts *f)
{
	for (unsigned int i = 0; i < HYPERVISOR_BASES; i++) {
		unsigned int a, b, c, d;
		char name[13];

		__cpuid(HYPERVISOR_BASE + i * 0x100, a, b, c, d);
		if (a < HYPERVISOR_BASE + i * 0x100 || a > HYPERVISOR_BASE + 0xffff)
			continue;
		put_words(name, b, c, d);
		if (!strcmp(name, CPUID_ABYME_SIGNATURE))
			f->in_abyme = true;
		else if (!f->signature[0] || !strcmp(f->signature, "Microsoft Hv"))
			strcpy(f->signature, name);
	}
}

static void gather_cpuid(struct facts *f)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	put_words(f->vendor, b, d, c);
	__cpuid(1, a, b, c, d);
	f->cpuid_vmx = c & ECX_VMX;
	f->hypervisor = c & ECX_HYPERVISOR;
	if (f->hypervisor)
		gather_hypervisor(f);
}

/* The values of a /proc/cpuinfo line, with a space before and after each. */
static bool cpuinfo_line(const char *key, char *to, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	size_t key_len = strlen(key), line_size = 0;
	char *line = NULL;
	bool found = false;

	while (file && !found && getline(&line, &line_size, file) > 0) {
		const char *colon = strchr(line, ':');

		found = colon && !strncmp(line, key, key_len) &&
			(line[key_len] == '\t' || line[key_len] == ' ' || line[key_len] == ':');
		if (found)
			snprintf(to, size, "%.*s ", (int)strcspn(colon + 1, "\n"), colon + 1);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static void gather_cpuinfo(struct facts *f)
{
	char flags[8192];

	if (cpuinfo_line("flags", flags, sizeof(flags)))
		f->cpuinfo_vmx = strstr(flags, " vmx ");
	cpuinfo_line("vmx flags", f->vmx_flags, sizeof(f->vmx_flags));
}

static void gather_feature_control(struct facts *f)
{
	int fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	f->feature_control_known = pread(fd, &f->feature_control, sizeof(f->feature_control),
					 MSR_FEATURE_CONTROL) == sizeof(f->feature_control);
	close(fd);
}

/* The first line of a small file, "" when it can't be read. */
static void read_line(const char *path, char *to, size_t size)
{
	FILE *file = fopen(path, "re");

	to[0] = '\0';
	if (!file)
		return;
	if (fgets(to, size, file))
		to[strcspn(to, "\n")] = '\0';
	fclose(file);
}

static bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	return !access(path, F_OK);
}

static char yes_or_no(const char *path)
{
	char text[16];

	read_line(path, text, sizeof(text));
	if (!text[0])
		return 0;
	return text[0] == 'Y' || text[0] == '1' ? 'Y' : 'N';
}

static void gather_modules(struct facts *f)
{
	static const char *const others[] = { "vboxdrv", "vmmon" };
	char text[128];

	f->abyme_loaded = module_loaded("abyme");
	f->kvm_loaded = module_loaded("kvm");
	f->kvm_intel_loaded = module_loaded("kvm_intel");
	f->kvm_nested = yes_or_no("/sys/module/kvm_intel/parameters/nested");
	f->kvm_keeps_vtx = f->kvm_intel_loaded &&
			   yes_or_no("/sys/module/kvm/parameters/enable_virt_at_load") == 'Y';
	read_line("/sys/module/kvm_intel/refcnt", text, sizeof(text));
	f->kvm_intel_users = text[0] ? atoi(text) : -1;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (module_loaded(others[i]))
			snprintf(f->other_module, sizeof(f->other_module), "%s", others[i]);
	read_line("/sys/kernel/security/lockdown", text, sizeof(text));
	f->signed_only = (text[0] && !strstr(text, "[none]")) ||
			 yes_or_no("/sys/module/module/parameters/sig_enforce") == 'Y';
}

/* Creating a VM is the only sure way to learn whether VT-x is free. */
static void try_vm(struct facts *f, const struct device *device)
{
	int fd = ioctl(device->fd, KVM_CREATE_VM, 0);

	f->vm_error = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
}

static void gather_device(struct facts *f)
{
	static struct device device;

	fail_clear();
	f->vm_error = -1;
	errno = 0;
	if (device_open(&device, f->device)) {
		f->device_error = errno ? errno : EIO;
		snprintf(f->device_text, sizeof(f->device_text), "%s", fail_text());
		fail_clear();
		return;
	}
	f->device_vmx = cpuid_has_vmx(&device.supported);
	try_vm(f, &device);
	close(device.fd);
}

static void gather_memory(struct facts *f)
{
	struct host_memory host = host_memory();

	f->memory_total = host.total;
	f->memory_free = host.available;
}

/* From /etc/passwd only: a static program can't ask what else nsswitch.conf names. */
static void gather_user(struct facts *f)
{
	const char *sudo = f->root ? getenv("SUDO_USER") : NULL;
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user;

	if (f->root && !sudo)
		sudo = getenv("DOAS_USER");
	while (file && !f->user[0] && (user = fgetpwent(file))) {
		bool is_it = f->root ? sudo && !strcmp(user->pw_name, sudo)
				     : user->pw_uid == getuid();

		if (!is_it || !user->pw_uid || strlen(user->pw_name) >= sizeof(f->user))
			continue;
		strcpy(f->user, user->pw_name);
		f->user_in_group = f->group_there && user->pw_gid == f->group;
	}
	if (file)
		fclose(file);
}

static void gather_group(struct facts *f)
{
	FILE *file = fopen("/etc/group", "re");
	const struct group *group;

	while (file && (group = fgetgrent(file))) {
		if (strcmp(group->gr_name, DEVICE_GROUP))
			continue;
		f->group_there = true;
		f->group = group->gr_gid;
	}
	if (file)
		rewind(file);
	gather_user(f);
	while (file && (group = fgetgrent(file)))
		for (char **m = group->gr_mem; f->user[0] && *m; m++)
			f->user_in_group |= !strcmp(group->gr_name, DEVICE_GROUP) &&
					    !strcmp(*m, f->user);
	if (file)
		fclose(file);
}

static void gather_access(struct facts *f)
{
	static const char *const rules[] = { UDEV_RULE, "/usr/lib/udev/rules.d/60-abyme.rules",
					     "/lib/udev/rules.d/60-abyme.rules" };
	struct stat st;

	f->root = !geteuid();
	gather_group(f);
	f->udev = !access(UDEV_RULES, F_OK);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		f->udev_rule |= !access(rules[i], F_OK);
	if (lstat(f->device, &st) || !S_ISCHR(st.st_mode))
		return;
	f->node_there = true;
	f->node_uid = st.st_uid;
	f->node_gid = st.st_gid;
	f->node_mode = st.st_mode & 07777;
}

static void gather_huge_pages(struct facts *f)
{
	char line[64];

	read_line(HUGE_PAGES, line, sizeof(line));
	chosen_word(line, f->huge_pages, sizeof(f->huge_pages));
}

void facts_gather(struct facts *f, const char *device)
{
	const char *name = devname_of(device);

	*f = (struct facts){ .device = device };
	f->device_is_kvm = !strcmp(name, "kvm") && !devname_is_abymes(name);
	gather_cpuid(f);
	gather_cpuinfo(f);
	gather_feature_control(f);
	gather_modules(f);
	gather_memory(f);
	gather_huge_pages(f);
	gather_access(f);
	gather_device(f);
}
