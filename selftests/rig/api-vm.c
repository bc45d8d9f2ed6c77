// SPDX-License-Identifier: GPL-2.0-only
/* A VM's ioctls: what they refuse, and that a refusal changes nothing. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "vm.h"

#define MIB (1ull << 20)

static struct vm *vm;

static void *pages(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void memslots(void)
{
	u8 *host = pages(8 * MIB);
	int fd = vm->fd, slots = vm_cap(vm->dev, KVM_CAP_NR_MEMSLOTS);

	EXPECT_OK(vm_set_region(fd, 1, 0, 16 * MIB, MIB, host), "a memslot");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 32 * MIB + 1, MIB, host), EINVAL,
		     "unaligned guest address");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 32 * MIB, MIB + 1, host), EINVAL, "unaligned size");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 32 * MIB, MIB, host + 1), EINVAL,
		     "unaligned host address");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, -4096ull, 2 * MIB, host), EINVAL,
		     "a guest address that wraps");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 0, 1ull << 62, host), EINVAL, "a size of 2^62");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 32 * MIB, MIB, (void *)-4096l), EINVAL,
		     "a host address of the kernel");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0x80, 32 * MIB, MIB, host), EINVAL, "unknown flags");
	EXPECT_ERRNO(vm_set_region(fd, slots, 0, 32 * MIB, MIB, host), EINVAL,
		     "the first slot number too many");
	EXPECT_ERRNO(vm_set_region(fd, 0x7fff0002, 0, 32 * MIB, MIB, host), EINVAL,
		     "a second address space");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 16 * MIB, MIB, host), EEXIST, "the same place twice");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 15 * MIB, 2 * MIB, host), EEXIST,
		     "an overlap at its end");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 17 * MIB - 4096, MIB, host), EEXIST,
		     "an overlap at its start");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 8 * MIB, 32 * MIB, host), EEXIST, "one around it");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 0, 0, host), EINVAL,
		     "deletion of a slot that is not there");
	EXPECT_ERRNO(vm_set_region(fd, 1, 0, 16 * MIB, 2 * MIB, host), EINVAL, "another size");
	EXPECT_ERRNO(vm_set_region(fd, 1, 0, 16 * MIB, MIB, host + MIB), EINVAL,
		     "another host address");
	EXPECT_OK(vm_set_region(fd, 2, 0, 17 * MIB, MIB, host + MIB), "a neighbour");
	EXPECT_ERRNO(vm_set_region(fd, 1, 0, 17 * MIB, MIB, host), EEXIST,
		     "a move onto the neighbour");
	EXPECT_OK(vm_set_region(fd, 1, 0, 64 * MIB, MIB, host), "a move");
	EXPECT_OK(vm_set_region(fd, 1, KVM_MEM_LOG_DIRTY_PAGES, 64 * MIB, MIB, host),
		  "dirty logging on");
	EXPECT_OK(vm_set_region(fd, 1, 0, 64 * MIB, MIB, host), "dirty logging off");
	if (vm_cap(vm->dev, KVM_CAP_READONLY_MEM) > 0) {
		EXPECT_ERRNO(vm_set_region(fd, 1, KVM_MEM_READONLY, 64 * MIB, MIB, host), EINVAL,
			     "read-only afterwards");
		EXPECT_OK(vm_set_region(fd, 3, KVM_MEM_READONLY, 80 * MIB, MIB, host),
			  "a read-only slot");
		EXPECT_OK(vm_set_region(fd, 3, 0, 80 * MIB, 0, host), "and its deletion");
	}
	EXPECT_OK(vm_set_region(fd, 1, 0, 64 * MIB, 0, host), "deletion");
	EXPECT_OK(vm_set_region(fd, 2, 0, 0, 0, NULL), "deletion of the neighbour");
	EXPECT_ERRNO(vm_set_region(fd, 2, 0, 0, 0, NULL), EINVAL, "deletion twice");
	munmap(host, 8 * MIB);
}

static void dirty_log(void)
{
	u8 bitmap[32] = { 0 }, *host = pages(MIB);
	struct kvm_dirty_log log = { .slot = 5, .dirty_bitmap = bitmap };

	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT, "dirty log of no slot");
	vm_set_region(vm->fd, 5, 0, 96 * MIB, MIB, host);
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT,
		     "dirty log of a slot without one");
	log.slot = 0x7fff;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EINVAL,
		     "dirty log of a slot number too high");
	log.slot = 5;
	vm_set_region(vm->fd, 5, KVM_MEM_LOG_DIRTY_PAGES, 96 * MIB, MIB, host);
	EXPECT_OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), "dirty log");
	log.dirty_bitmap = NULL;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EFAULT, "dirty log to NULL");
	vm_set_region(vm->fd, 5, 0, 0, 0, NULL);
	munmap(host, MIB);
}

static void wrong_kind(void)
{
	struct kvm_regs regs;

	EXPECT_REFUSED(ioctl(vm->fd, KVM_GET_REGS, &regs), "a vCPU's ioctl on a VM");
	EXPECT_REFUSED(ioctl(vm->fd, KVM_RUN, 0), "KVM_RUN on a VM");
	EXPECT_REFUSED(ioctl(vm->fd, KVM_CREATE_VM, 0), "the device's ioctl on a VM");
	EXPECT_REFUSED(ioctl(vm->fd, _IO(KVMIO, 0xee), 0), "an unknown ioctl");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, NULL), EFAULT, "a NULL pointer");
}

static void before_irqchip(void)
{
	struct kvm_irq_level level = { .irq = 4, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x50 };
	struct kvm_irq_routing routing = { .nr = 0 };

	EXPECT_ERRNO(ioctl(vm->fd, KVM_IRQ_LINE, &level), ENXIO, "KVM_IRQ_LINE without an irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO,
		     "KVM_GET_IRQCHIP without an irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO,
		     "KVM_SET_IRQCHIP without an irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL,
		     "KVM_SIGNAL_MSI without an irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routing), EINVAL,
		     "KVM_SET_GSI_ROUTING without an irqchip");
}

static void irqchip(void)
{
	struct kvm_pit_config pit = { 0 };
	struct kvm_irqchip chip = { .chip_id = 3 };
	struct kvm_irq_level level = { .irq = 100000, .level = 1 };
	struct kvm_pit_state2 state;

	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_PIT2, &state), ENXIO, "KVM_GET_PIT2 without a PIT");
	EXPECT_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST, "KVM_CREATE_IRQCHIP twice");
	EXPECT_OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), EEXIST, "KVM_CREATE_PIT2 twice");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL, "an unknown chip");
	for (chip.chip_id = 0; chip.chip_id < 3; chip.chip_id++) {
		EXPECT_OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), "KVM_GET_IRQCHIP");
		EXPECT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), "KVM_SET_IRQCHIP");
	}
	EXPECT_OK(ioctl(vm->fd, KVM_GET_PIT2, &state), "KVM_GET_PIT2");
	EXPECT_OK(ioctl(vm->fd, KVM_SET_PIT2, &state), "KVM_SET_PIT2");
	tap_ok(ioctl(vm->fd, KVM_IRQ_LINE, &level) <= 0,
	       "an IRQ line without a route does no harm");
}

static int set_routing(u32 nr, u32 flags, struct kvm_irq_routing_entry entry)
{
	struct kvm_irq_routing *routing = calloc(1, sizeof(*routing) + 5000 * sizeof(entry));
	int ret, saved;

	routing->nr = nr;
	routing->flags = flags;
	for (u32 i = 0; i < nr && i < 5000; i++) {
		routing->entries[i] = entry;
		routing->entries[i].gsi += i;
	}
	ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, routing);
	saved = errno;
	free(routing);
	errno = saved;
	return ret;
}

static void routing(void)
{
	struct kvm_irq_routing_entry msi = { .gsi = 24, .type = KVM_IRQ_ROUTING_MSI };
	struct kvm_irq_routing_entry chip = {
		.gsi = 4,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = 2, .pin = 4 },
	};
	struct kvm_irq_routing_entry bad;

	EXPECT_OK(set_routing(1, 0, msi), "a route to an MSI");
	EXPECT_OK(set_routing(1, 0, chip), "a route to the IOAPIC");
	EXPECT_ERRNO(set_routing(1, 1, msi), EINVAL, "routing with flags");
	EXPECT_ERRNO(set_routing(5000, 0, msi), EINVAL, "5000 routes");
	bad = msi;
	bad.type = 99;
	EXPECT_ERRNO(set_routing(1, 0, bad), EINVAL, "an unknown type of route");
	bad = chip;
	bad.flags = 1;
	EXPECT_ERRNO(set_routing(1, 0, bad), EINVAL, "a route with flags");
	bad = chip;
	bad.u.irqchip.irqchip = 9;
	EXPECT_ERRNO(set_routing(1, 0, bad), EINVAL, "a route to an unknown chip");
	bad = chip;
	bad.u.irqchip.pin = 99;
	EXPECT_ERRNO(set_routing(1, 0, bad), EINVAL, "a route to an unknown pin");
	bad = chip;
	bad.gsi = 1 << 20;
	EXPECT_ERRNO(set_routing(1, 0, bad), EINVAL, "a GSI too high");
	EXPECT_OK(set_routing(0, 0, chip), "no routes at all");
}

static int set_ioeventfd(int fd, u64 addr, u32 len, u32 flags)
{
	struct kvm_ioeventfd e = { .addr = addr, .len = len, .flags = flags, .fd = fd };

	return ioctl(vm->fd, KVM_IOEVENTFD, &e);
}

static void ioeventfds(void)
{
	int fd = eventfd(0, 0), other = eventfd(0, 0);

	EXPECT_OK(set_ioeventfd(fd, 0x600, 2, KVM_IOEVENTFD_FLAG_PIO), "an ioeventfd on a port");
	EXPECT_ERRNO(set_ioeventfd(other, 0x600, 2, KVM_IOEVENTFD_FLAG_PIO), EEXIST,
		     "another on the same port");
	EXPECT_OK(set_ioeventfd(fd, 0x600, 2, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN),
		  "its end");
	EXPECT_ERRNO(set_ioeventfd(fd, 0x600, 2,
				   KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN),
		     ENOENT, "its end twice");
	EXPECT_OK(set_ioeventfd(fd, 0xd0000000, 4, 0), "an ioeventfd in memory");
	EXPECT_ERRNO(set_ioeventfd(fd, 0xd0001000, 3, 0), EINVAL, "an ioeventfd of 3 bytes");
	EXPECT_ERRNO(set_ioeventfd(fd, 0xd0001000, 4, 0x100), EINVAL, "unknown ioeventfd flags");
	EXPECT_ERRNO(set_ioeventfd(fd, ~0ull, 4, 0), EINVAL, "an ioeventfd that wraps");
	EXPECT_ERRNO(set_ioeventfd(-1, 0xd0001000, 4, 0), EBADF,
		     "an ioeventfd without a descriptor");
	tap_ok(set_ioeventfd(vm->fd, 0xd0001000, 4, 0) == -1, "an ioeventfd of something else");
	EXPECT_OK(set_ioeventfd(fd, 0xd0000000, 4, KVM_IOEVENTFD_FLAG_DEASSIGN),
		  "the end of that in memory");
	close(fd);
	close(other);
}

static int port_eventfd(int fd, u32 index, u32 more)
{
	return set_ioeventfd(fd, 0x1000 + 2 * index, 2, KVM_IOEVENTFD_FLAG_PIO | more);
}

/* A VM whose bus for ports is full, but for what it takes to make the irqchip. */
static void full_bus(void)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = 0xd0000000, .size = 4 };
	struct kvm_pit_config pit = { 0 };
	struct vm *main_vm = vm;
	int fd = eventfd(0, 0);
	u32 n = 0;

	vm = vm_new(MIB);
	while (!port_eventfd(fd, n, 0))
		n++;
	tap_ok(n == 1000 && errno == ENOSPC, "1000 devices fit on a bus, then ENOSPC");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), ENOSPC, "no room for an irqchip");
	for (int i = 0; i < 3; i++)
		port_eventfd(fd, --n, KVM_IOEVENTFD_FLAG_DEASSIGN);
	EXPECT_OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), "an irqchip, where there is room again");
	while (!port_eventfd(fd, n, 0))
		n++;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), ENOSPC, "no room for a PIT");
	for (n = 0; !ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone); n++)
		zone.addr += 4;
	tap_ok(n == 1000 && errno == ENOSPC, "1000 zones of coalesced MMIO, then ENOSPC");
	vm_free(vm);
	close(fd);
	vm = main_vm;
}

static int set_irqfd(int fd, u32 gsi, u32 flags)
{
	struct kvm_irqfd e = { .fd = fd, .gsi = gsi, .flags = flags };

	return ioctl(vm->fd, KVM_IRQFD, &e);
}

static void irqfds(void)
{
	int fd = eventfd(0, 0);

	EXPECT_OK(set_irqfd(fd, 4, 0), "an irqfd");
	EXPECT_ERRNO(set_irqfd(fd, 4, 0), EBUSY, "the same irqfd twice");
	EXPECT_OK(set_irqfd(fd, 4, KVM_IRQFD_FLAG_DEASSIGN), "its end");
	EXPECT_ERRNO(set_irqfd(fd, 4, 0x100), EINVAL, "unknown irqfd flags");
	EXPECT_ERRNO(set_irqfd(-1, 4, 0), EBADF, "an irqfd without a descriptor");
	tap_ok(set_irqfd(vm->fd, 4, 0) == -1, "an irqfd of something else");
	close(fd);
}

static void vcpus(void)
{
	int max = vm_cap(vm->dev, KVM_CAP_MAX_VCPUS);
	int max_id = vm_cap(vm->dev, KVM_CAP_MAX_VCPU_ID);
	u64 page = 0xfeffc000;

	EXPECT_OK(ioctl(vm->fd, KVM_CREATE_VCPU, 0), "a vCPU");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0), EEXIST, "the same vCPU twice");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max > max_id ? max : max_id), EINVAL,
		     "a vCPU number too high");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, -1), EINVAL, "vCPU -1");
	tap_ok(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) == -1, "an irqchip after a vCPU");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &page), EINVAL,
		     "an identity map's page after a vCPU");
}

static long limit_ids(int fd, u64 limit)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MAX_VCPU_ID, .args[0] = limit };

	return ioctl(fd, KVM_ENABLE_CAP, &cap);
}

/* KVM_CAP_MAX_VCPU_ID is the highest number and one. */
static void vcpu_ids(void)
{
	int max_id = vm_cap(vm->dev, KVM_CAP_MAX_VCPU_ID);
	struct vm *v = vm_new(MIB);

	EXPECT_OK(ioctl(v->fd, KVM_CREATE_VCPU, max_id - 1), "the highest vCPU number");
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_VCPU, max_id), EINVAL, "the next one");
	EXPECT_ERRNO(limit_ids(v->fd, 4), EINVAL, "a limit after a vCPU");
	EXPECT_OK(limit_ids(v->fd, max_id), "what it is already");
	vm_free(v);
	v = vm_new(MIB);
	EXPECT_ERRNO(limit_ids(v->fd, max_id + 1), EINVAL, "a limit too high");
	EXPECT_OK(limit_ids(v->fd, 4), "a limit of vCPU numbers");
	EXPECT_OK(limit_ids(v->fd, 4), "the same again");
	EXPECT_ERRNO(limit_ids(v->fd, 5), EINVAL, "another");
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_VCPU, 4), EINVAL, "a vCPU at the limit");
	EXPECT_OK(ioctl(v->fd, KVM_CREATE_VCPU, 3), "one below it");
	vm_free(v);
}

/* In the order of kvmtool. */
static void pit_before_irqchip(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY }, bad = { .flags = 2 };
	struct vm *v = vm_new(MIB);
	struct kvm_pit_state2 state;

	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_PIT2, &bad), EINVAL, "a PIT with unknown flags");
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_PIT2, NULL), EFAULT, "a PIT from NULL");
	EXPECT_OK(ioctl(v->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2 before KVM_CREATE_IRQCHIP");
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_PIT2, &pit), EEXIST, "twice");
	EXPECT_OK(ioctl(v->fd, KVM_CREATE_IRQCHIP, 0), "then KVM_CREATE_IRQCHIP");
	EXPECT_OK(ioctl(v->fd, KVM_GET_PIT2, &state), "the PIT is there");
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_PIT2, &pit), EEXIST, "another");
	vm_free(v);
	if (dev_is_kvm()) /* whose PIT needs no irqchip */
		return;
	v = vm_new(MIB);
	vm_add_cpu(v);
	EXPECT_ERRNO(ioctl(v->fd, KVM_CREATE_PIT2, &pit), ENXIO,
		     "a PIT for a VM that can have no irqchip any more");
	vm_free(v);
}

/* A vCPU set to "SIPI received" starts at the vector that the events name. */
static void sipi_received(void)
{
	struct kvm_mp_state sipi = { KVM_MP_STATE_SIPI_RECEIVED };
	struct vm *v = vm_new(MIB);
	struct kvm_vcpu_events e;
	int fd;

	ioctl(v->fd, KVM_CREATE_IRQCHIP, 0);
	vm_add_cpu(v);
	fd = v->cpu[vm_add_cpu(v)].fd;
	vm_set_cpuid(v, 1, false);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &e);
	e.sipi_vector = 0x12;
	e.flags |= KVM_VCPUEVENT_VALID_SIPI_VECTOR;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &e);
	EXPECT_OK(ioctl(fd, KVM_SET_MP_STATE, &sipi), "KVM_MP_STATE_SIPI_RECEIVED");
	memcpy(v->ram + 0x12000, (u8[]){ 0xe6, 0x10 }, 2); /* out %al,$0x10 */
	EXPECT_OK(ioctl(fd, KVM_RUN, 0), "it runs");
	tap_ok(v->cpu[1].run->exit_reason == KVM_EXIT_IO && v->cpu[1].run->io.port == 0x10,
	       "from where its SIPI sent it");
	vm_free(v);
}

static void irqchip_after_vcpu(void)
{
	struct vm *late = vm_new(MIB);

	vm_add_cpu(late);
	EXPECT_ERRNO(ioctl(late->fd, KVM_CREATE_IRQCHIP, 0), EINVAL,
		     "KVM_CREATE_IRQCHIP after KVM_CREATE_VCPU");
	vm_free(late);
}

static void capabilities(void)
{
	struct kvm_enable_cap cap = { .cap = 0x7fffffff };

	EXPECT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL, "enabling an unknown capability");
	cap.cap = KVM_CAP_SPLIT_IRQCHIP;
	cap.flags = 1;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL, "enabling with flags");
	tap_ok(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0,
	       "KVM_CHECK_EXTENSION on a VM");
	tap_ok(ioctl(vm->fd, KVM_SET_TSS_ADDR, -1ul) == -1, "a TSS address too high");
}

static void clock(void)
{
	struct kvm_clock_data data = { 0 };

	EXPECT_OK(ioctl(vm->fd, KVM_GET_CLOCK, &data), "KVM_GET_CLOCK");
	data.flags = 0x80000000;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_CLOCK, &data), EINVAL,
		     "KVM_SET_CLOCK with unknown flags");
	data.flags = 0;
	data.clock = 1000000000;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_CLOCK, &data), "KVM_SET_CLOCK");
	EXPECT_OK(ioctl(vm->fd, KVM_GET_CLOCK, &data), "KVM_GET_CLOCK again");
	tap_ok(data.clock >= 1000000000 && data.clock < 60000000000ull,
	       "the clock goes on from there");
}

int main(void)
{
	vm = vm_new(4 * MIB);
	memslots();
	dirty_log();
	wrong_kind();
	before_irqchip();
	capabilities();
	irqchip();
	routing();
	ioeventfds();
	full_bus();
	irqfds();
	vcpus();
	vcpu_ids();
	irqchip_after_vcpu();
	pit_before_irqchip();
	sipi_received();
	clock();
	vm_free(vm);
	return tap_done();
}
