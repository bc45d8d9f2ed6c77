// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "vm.h"

#define HUGE_PAGE (2ull << 20)
#define PAGEMAP_THERE (3ull << 62) /* of an entry: present, or swapped */

static int tests, failures;

/* --- TAP ---------------------------------------------------------------- */

void tap_ok(bool good, const char *fmt, ...)
{
	va_list ap;

	failures += !good;
	printf("%sok %d - ", good ? "" : "not ", ++tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void tap_skip(const char *why, const char *fmt, ...)
{
	va_list ap;

	printf("ok %d - ", ++tests);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(" # SKIP %s\n", why);
	fflush(stdout);
}

void tap_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void tap_bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

int tap_done(void)
{
	printf("1..%d\n", tests);
	return failures ? 1 : 0;
}

/* --- VMs ---------------------------------------------------------------- */

const char *dev_path(void)
{
	const char *path = getenv("ABYME_DEV");

	return path ? path : "/dev/abyme";
}

bool dev_is_kvm(void)
{
	return !strcmp(dev_path(), "/dev/kvm");
}

int dev_open(void)
{
	int fd = open(dev_path(), O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		printf("1..0 # SKIP no %s\n", dev_path());
		exit(EXIT_TAP_SKIP);
	}
	if (fd < 0)
		tap_bail(dev_path());
	return fd;
}

int vm_cap(int fd, int cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

int vm_set_region(int fd, u32 slot, u32 flags, u64 gpa, u64 size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)host,
	};

	return ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region);
}

struct vm *vm_new(size_t ram_size)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	u64 identity = 0xfffbc000;

	vm->dev = dev_open();
	vm->fd = ioctl(vm->dev, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		tap_bail("KVM_CREATE_VM");
	vm->run_size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm->run_size < (int)sizeof(struct kvm_run))
		tap_bail("KVM_GET_VCPU_MMAP_SIZE");
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000) < 0)
		tap_bail("KVM_SET_TSS_ADDR");
	ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	vm->ram_size = ram_size;
	vm->ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->ram == MAP_FAILED)
		tap_bail("mmap");
	if (vm_set_region(vm->fd, 0, 0, 0, ram_size, vm->ram) < 0)
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	return vm;
}

struct vm *vm_new_huge(size_t ram_size)
{
	struct vm *vm = vm_new(ram_size);
	u8 *map = mmap(NULL, ram_size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		tap_bail("mmap");
	munmap(vm->ram, vm->ram_size);
	vm->ram = (u8 *)(((u64)map + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(vm->ram, ram_size, MADV_HUGEPAGE); /* without, it is slower and nothing else */
	if (vm_set_region(vm->fd, 0, 0, 0, 0, NULL) ||
	    vm_set_region(vm->fd, 0, 0, 0, ram_size, vm->ram))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	return vm;
}

void vm_irqchip(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		tap_bail("KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		tap_bail("KVM_CREATE_PIT2");
}

int vm_add_cpu(struct vm *vm)
{
	return vm_add_cpu_id(vm, vm->cpu_count);
}

int vm_add_cpu_id(struct vm *vm, u32 id)
{
	int n = vm->cpu_count++;

	vm->cpu[n].fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vm->cpu[n].fd < 0)
		tap_bail("KVM_CREATE_VCPU");
	vm->cpu[n].run =
		mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->cpu[n].fd, 0);
	if (vm->cpu[n].run == MAP_FAILED)
		tap_bail("mmap of a vCPU");
	return n;
}

static void adjust_leaf(struct vm *vm, struct kvm_cpuid_entry2 *e, int cpu, bool nested)
{
	if (e->function == 1) {
		e->ebx = (e->ebx & 0xffff) | cpu << 24 | 1 << 16;
		e->ecx |= 1u << 21; /* x2APIC */
		e->ecx |= 1u << 31; /* a hypervisor, which KVM leaves to its clients */
		if (vm_cap(vm->dev, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			e->ecx |= 1u << 24;
		if (!nested)
			e->ecx &= ~(1u << 5);
	} else if (e->function == 0xb || e->function == 0x1f) {
		e->edx = cpu;
	}
}

void vm_set_cpuid(struct vm *vm, int cpu, bool nested)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = 128 };

	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &c) < 0)
		tap_bail("KVM_GET_SUPPORTED_CPUID");
	for (u32 i = 0; i < c.head.nent; i++)
		adjust_leaf(vm, &c.entries[i], cpu, nested);
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_CPUID2, &c) < 0)
		tap_bail("KVM_SET_CPUID2");
}

static struct kvm_segment segment(u16 selector, u8 type, u32 limit, bool db)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = limit,
		.type = type,
		.present = 1,
		.s = 1,
		.db = db,
		.g = limit > 0xfffff,
	};
}

static void set_state(struct vm *vm, int cpu, const struct kvm_sregs *s, u64 ip)
{
	struct kvm_regs regs = { .rip = ip, .rflags = 2, .rsp = 0x7000 };

	if (ioctl(vm->cpu[cpu].fd, KVM_SET_SREGS, s) < 0)
		tap_bail("KVM_SET_SREGS");
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_REGS, &regs) < 0)
		tap_bail("KVM_SET_REGS");
}

void vm_real_mode(struct vm *vm, int cpu, u16 ip)
{
	struct kvm_sregs s;

	if (ioctl(vm->cpu[cpu].fd, KVM_GET_SREGS, &s) < 0)
		tap_bail("KVM_GET_SREGS");
	s.cs.base = 0;
	s.cs.selector = 0;
	set_state(vm, cpu, &s, ip);
}

void vm_flat_mode(struct vm *vm, int cpu, u32 eip)
{
	struct kvm_segment data = segment(0x10, 3, ~0u, true);
	struct kvm_sregs s;

	if (ioctl(vm->cpu[cpu].fd, KVM_GET_SREGS, &s) < 0)
		tap_bail("KVM_GET_SREGS");
	s.cs = segment(0x08, 11, ~0u, true);
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 |= 1;
	set_state(vm, cpu, &s, eip);
}

void vm_free(struct vm *vm)
{
	for (int i = 0; i < vm->cpu_count; i++) {
		munmap(vm->cpu[i].run, vm->run_size);
		close(vm->cpu[i].fd);
	}
	close(vm->fd);
	close(vm->dev);
	munmap(vm->ram, vm->ram_size);
	free(vm);
}

u64 stat_value(int fd, const char *name)
{
	struct kvm_stats_header head;
	size_t size;
	char *desc;
	u64 value = ~0ull;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return ~0ull;
	size = sizeof(struct kvm_stats_desc) + head.name_size;
	desc = malloc(size);
	for (u32 i = 0; i < head.num_desc; i++) {
		struct kvm_stats_desc *d = (void *)desc;

		if (pread(fd, desc, size, head.desc_offset + i * size) != (ssize_t)size)
			break;
		if (!strcmp(d->name, name) &&
		    pread(fd, &value, 8, head.data_offset + d->offset) == 8)
			break;
	}
	free(desc);
	return value;
}

static void on_alarm(int signal)
{
	(void)signal;
}

struct vm *vm_inherit(struct vm *old)
{
	struct vm *vm = vm_new(old->ram_size);
	u8 *own = vm->ram;

	vm_irqchip(vm);
	if (vm_set_region(vm->fd, 0, 0, 0, 0, NULL) ||
	    vm_set_region(vm->fd, 0, 0, 0, old->ram_size, old->ram))
		tap_bail("KVM_SET_USER_MEMORY_REGION");
	vm->ram = old->ram;
	old->ram = own;
	for (int i = 0; i < old->cpu_count; i++)
		vm_add_cpu(vm);
	vm_free(old);
	return vm;
}

static void set_alarm(long us, long again)
{
	struct itimerval it = { .it_value.tv_usec = us, .it_interval.tv_usec = again };
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

void vm_alarm_once(long us)
{
	set_alarm(us, 0);
}

void vm_alarm_every(long us)
{
	set_alarm(us, us);
}

void vm_touched(const struct vm *vm, bool *there)
{
	size_t page = sysconf(_SC_PAGESIZE), count = vm->ram_size / page;
	size_t size = count * sizeof(u64);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	u64 *map = malloc(size);

	if (!map || pread(fd, map, size, (u64)vm->ram / page * sizeof(u64)) != (ssize_t)size)
		tap_bail("pagemap");
	for (size_t i = 0; i < count; i++)
		there[i] = map[i] & PAGEMAP_THERE;
	free(map);
	close(fd);
}

int vm_run(struct vm *vm, int cpu)
{
	int r, error;

	vm_alarm_once(200000);
	r = ioctl(vm->cpu[cpu].fd, KVM_RUN, 0);
	error = errno;
	vm_alarm_once(0);
	if (r < 0)
		return error == EINTR ? 0 : -1;
	return vm->cpu[cpu].run->exit_reason;
}

int vm_next_out(struct vm *vm, int cpu, u16 port)
{
	const struct kvm_run *run = vm->cpu[cpu].run;
	int reason = vm_run(vm, cpu);

	if (reason <= 0)
		return reason - 1;
	if (reason != KVM_EXIT_IO || run->io.port != port)
		return -100 - reason;
	return *((const u8 *)run + run->io.data_offset);
}
