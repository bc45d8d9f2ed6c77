// SPDX-License-Identifier: GPL-2.0-only
/* What a device offers, asked of it, and as lines of text. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"
#include "err.h"
#include "migrate.h"

#define FIRST_LINE "abyme migration facts 2"

#define CAP(cap, kind, now)                               \
	{                                                 \
		KVM_CAP_##cap, "KVM_CAP_" #cap, kind, now \
	}
#define NEWER "only a newer kernel or module here brings it"

const struct migrate_cap migrate_caps[] = {
	CAP(NESTED_STATE, MIGRATE_NUMBER,
	    "no machine with VMX can move; without: QEMU -cpu MODEL,-vmx"),
	CAP(XSAVE2, MIGRATE_NUMBER, "leave out what enlarges the state: QEMU -cpu MODEL,-amx-tile"),
	CAP(XSAVE, MIGRATE_THERE, NEWER),
	CAP(XCRS, MIGRATE_THERE, NEWER),
	CAP(VCPU_EVENTS, MIGRATE_THERE, NEWER),
	CAP(DEBUGREGS, MIGRATE_THERE, NEWER),
	CAP(MP_STATE, MIGRATE_THERE, NEWER),
	CAP(EXCEPTION_PAYLOAD, MIGRATE_THERE, NEWER),
	CAP(X86_TRIPLE_FAULT_EVENT, MIGRATE_THERE, NEWER),
	CAP(IRQCHIP, MIGRATE_THERE, "have userspace emulate it: QEMU -machine kernel-irqchip=off"),
	CAP(SPLIT_IRQCHIP, MIGRATE_THERE,
	    "use all of the kernel's: QEMU -machine kernel-irqchip=on"),
	CAP(IRQ_ROUTING, MIGRATE_THERE, NEWER),
	CAP(PIT_STATE2, MIGRATE_THERE, NEWER),
	CAP(ADJUST_CLOCK, MIGRATE_BITS,
	    "start the machine without kvmclock: QEMU -cpu MODEL,-kvmclock"),
	CAP(TSC_DEADLINE_TIMER, MIGRATE_THERE, "QEMU -cpu MODEL,-tsc-deadline"),
	CAP(TSC_CONTROL, MIGRATE_THERE,
	    "a machine with a TSC frequency of its own (QEMU -cpu MODEL,tsc-frequency=) can't move"),
	CAP(MCE, MIGRATE_NUMBER, "a machine with fewer banks: QEMU -cpu MODEL,-mce"),
	CAP(X86_SMM, MIGRATE_THERE, "start the machine without SMM: QEMU -machine smm=off"),
	CAP(X2APIC_API, MIGRATE_BITS, "keep to 255 CPUs"),
	CAP(MAX_VCPUS, MIGRATE_NUMBER, "keep to as many CPUs as this host has"),
	CAP(MAX_VCPU_ID, MIGRATE_NUMBER, "keep to CPUs with smaller APIC ids"),
	CAP(NR_MEMSLOTS, MIGRATE_NUMBER, "keep to fewer memory devices"),
	CAP(READONLY_MEM, MIGRATE_THERE, "keep firmware out of flash: QEMU -bios"),
	CAP(HYPERV, MIGRATE_THERE,
	    "start the machine without Hyper-V's interface: no hv-* in QEMU's -cpu"),
	CAP(HYPERV_TIME, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-time"),
	CAP(HYPERV_SYNIC2, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-synic"),
	CAP(HYPERV_VP_INDEX, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-vpindex"),
	CAP(HYPERV_TLBFLUSH, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-tlbflush"),
	CAP(HYPERV_SEND_IPI, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-ipi"),
	CAP(HYPERV_ENLIGHTENED_VMCS, MIGRATE_THERE, "QEMU -cpu MODEL,-hv-evmcs"),
	CAP(XEN_HVM, MIGRATE_BITS, "only guests that were started as Xen's need it"),
	CAP(STEAL_TIME, MIGRATE_THERE, "QEMU -cpu MODEL,-kvm-steal-time"),
	CAP(MSR_PLATFORM_INFO, MIGRATE_THERE, NEWER),
	{ 0 },
};

#define NR_CAPS (sizeof(migrate_caps) / sizeof(migrate_caps[0]) - 1)
_Static_assert(NR_CAPS <= MIGRATE_CAPS_MAX, "raise MIGRATE_CAPS_MAX");

/* --- asking --------------------------------------------------------------- */

static int read_msrs(struct migrate_facts *facts, int fd)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[MIGRATE_MSRS_MAX];
	} list = { .head.nmsrs = MIGRATE_MSRS_MAX };

	if (ioctl(fd, KVM_GET_MSR_FEATURE_INDEX_LIST, &list))
		return fail("%s doesn't say which feature MSRs it has: %s.", facts->device,
			    strerror(errno));
	/* One by one: one that can't be read ends the list. */
	for (uint32_t i = 0; i < list.head.nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} msr = { .head.nmsrs = 1, .entry.index = list.head.indices[i] };

		if (ioctl(fd, KVM_GET_MSRS, &msr) == 1)
			facts->msr[facts->msrs++] =
				(struct migrate_msr){ msr.entry.index, msr.entry.data };
	}
	return 0;
}

/* A vCPU's, which takes VT-x for a moment; 0 where that can't be had. */
static unsigned long read_tsc_khz(int fd)
{
	int vm = ioctl(fd, KVM_CREATE_VM, 0), cpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
	int khz = cpu < 0 ? 0 : ioctl(cpu, KVM_GET_TSC_KHZ, 0);

	if (cpu >= 0)
		close(cpu);
	if (vm >= 0)
		close(vm);
	return khz > 0 ? khz : 0;
}

int migrate_gather(struct migrate_facts *facts, const char *path)
{
	static struct device device;
	int r;

	memset(facts, 0, sizeof(*facts));
	snprintf(facts->device, sizeof(facts->device), "%s", path);
	if (device_open(&device, path))
		return -1;
	facts->cpuid = device.supported;
	for (size_t i = 0; i < NR_CAPS; i++) {
		int value = ioctl(device.fd, KVM_CHECK_EXTENSION, migrate_caps[i].cap);

		facts->cap[i] = value > 0 ? value : 0;
	}
	r = read_msrs(facts, device.fd);
	if (!r)
		facts->tsc_khz = read_tsc_khz(device.fd);
	close(device.fd);
	return r;
}

/* --- as text -------------------------------------------------------------- */

void migrate_write(const struct migrate_facts *facts, FILE *to)
{
	fprintf(to, "%s\ndevice %s\n", FIRST_LINE, facts->device);
	for (unsigned int i = 0; i < facts->msrs; i++)
		fprintf(to, "msr 0x%08" PRIx32 " 0x%016" PRIx64 "\n", facts->msr[i].index,
			facts->msr[i].value);
	for (uint32_t i = 0; i < facts->cpuid.head.nent; i++) {
		const struct kvm_cpuid_entry2 *e = &facts->cpuid.entry[i];

		fprintf(to, "cpuid 0x%08x %u %u 0x%08x 0x%08x 0x%08x 0x%08x\n", e->function,
			e->index, e->flags, e->eax, e->ebx, e->ecx, e->edx);
	}
	for (size_t i = 0; i < NR_CAPS; i++)
		fprintf(to, "cap %s %ld\n", migrate_caps[i].name, facts->cap[i]);
	/* How many lines there were before. */
	fprintf(to, "tsc_khz %lu\nlines %zu\nend\n", facts->tsc_khz,
		3 + facts->msrs + facts->cpuid.head.nent + NR_CAPS);
}

static bool take_msr(struct migrate_facts *facts, const char *line)
{
	struct migrate_msr m;
	int end;

	if (facts->msrs >= MIGRATE_MSRS_MAX ||
	    sscanf(line, "msr %" SCNx32 " %" SCNx64 "%n", &m.index, &m.value, &end) != 2 ||
	    line[end])
		return false;
	facts->msr[facts->msrs++] = m;
	return true;
}

static bool take_cpuid(struct migrate_facts *facts, const char *line)
{
	struct kvm_cpuid_entry2 e = { 0 };
	int end;

	if (facts->cpuid.head.nent >= CPUID_ENTRIES_MAX ||
	    sscanf(line, "cpuid %x %u %u %x %x %x %x%n", &e.function, &e.index, &e.flags, &e.eax,
		   &e.ebx, &e.ecx, &e.edx, &end) != 7 ||
	    line[end])
		return false;
	facts->cpuid.entry[facts->cpuid.head.nent++] = e;
	return true;
}

/* Another version of abyme may know more of them; those are left out on both sides. */
static bool take_cap(struct migrate_facts *facts, const char *line)
{
	char name[64];
	long value;
	int end;

	if (sscanf(line, "cap %63s %ld%n", name, &value, &end) != 2 || line[end] || value < 0)
		return false;
	for (size_t i = 0; i < NR_CAPS; i++)
		if (!strcmp(name, migrate_caps[i].name))
			facts->cap[i] = value;
	return true;
}

static bool take_device(struct migrate_facts *facts, const char *line)
{
	int end;

	if (sscanf(line, "device %63[^\n]%n", facts->device, &end) != 1 || line[end])
		return false;
	/* It is shown on a terminal. */
	for (char *c = facts->device; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return true;
}

static bool take_tsc(struct migrate_facts *facts, const char *line)
{
	int end;

	return sscanf(line, "tsc_khz %lu%n", &facts->tsc_khz, &end) == 1 && !line[end];
}

static const struct {
	const char *word;
	bool (*take)(struct migrate_facts *facts, const char *line);
} line_kinds[] = {
	{ "msr ", take_msr },	    { "cpuid ", take_cpuid }, { "cap ", take_cap },
	{ "device ", take_device }, { "tsc_khz ", take_tsc },
};

static bool take_line(struct migrate_facts *facts, const char *line)
{
	for (size_t i = 0; i < sizeof(line_kinds) / sizeof(line_kinds[0]); i++)
		if (!strncmp(line, line_kinds[i].word, strlen(line_kinds[i].word)))
			return line_kinds[i].take(facts, line);
	return false;
}

/* A line that was lost would be a difference that is not found. */
static bool is_count(const char *line, unsigned int lines)
{
	char want[32];

	snprintf(want, sizeof(want), "lines %u", lines);
	return !strcmp(line, want);
}

int migrate_read(struct migrate_facts *facts, FILE *from, const char *name)
{
	unsigned int number = 1;
	bool counted = false;
	char line[256] = "";

	memset(facts, 0, sizeof(*facts));
	if (!fgets(line, sizeof(line), from) && ferror(from))
		return fail("%s can't be read: %s.", name, strerror(errno));
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, FIRST_LINE))
		return fail("%s is not what abyme doctor --migration-facts of this version writes; "
			    "write it anew on the source.",
			    name);
	while (fgets(line, sizeof(line), from)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (counted && !strcmp(line, "end"))
			return 0;
		counted = is_count(line, number - 1);
		if (!counted && (!strcmp(line, "end") || !strncmp(line, "lines ", 6)))
			return fail("%s lacks lines before line %u; write it anew on the source.",
				    name, number);
		if (!counted && !take_line(facts, line))
			return fail("line %u of %s is not one of abyme doctor --migration-facts; "
				    "write it anew on the source.",
				    number, name);
	}
	return fail("%s ends too early, after line %u; write it anew on the source.", name, number);
}
