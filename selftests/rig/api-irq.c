// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts through the API: lines, routing, MSIs, irqfds, ioeventfds, states
 * of the chips, and each documented error. The guest is real-mode code that
 * sleeps; its handlers write their vector to a port and end the interrupt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "vm.h"

#define PORT 0x10
#define IDLE 0x500
#define MMIO_CODE 0x520
#define HANDLERS 0x600 /* 32 bytes each, from vector 0x40 on */
#define NMI_HANDLER 0x580
#define RAM_SIZE (64u << 10)
#define MMIO_WORD 0x90000ul
#define MMIO_ANY 0x90010ul

#define EDGE 0x40
#define MSI 0x41
#define LEVEL 0x42

enum gsi { GSI_EDGE = 4, GSI_LEVEL = 5, GSI_MSI = 24, GSI_NOWHERE = 50 };

static const u8 idle_code[] = { 0xfb, 0xf4, 0xeb, 0xfd }; /* sti; hlt; jmp */

/* mov $0x9000,%ax; mov %ax,%ds; movw $0x1234,0; movb $1,0x10; sti; hlt; jmp */
static const u8 mmio_code[] = { 0xb8, 0x00, 0x90, 0x8e, 0xd8, 0xc7, 0x06, 0x00, 0x00, 0x34,
				0x12, 0xc6, 0x06, 0x10, 0x00, 0x01, 0xfb, 0xf4, 0xeb, 0xfd };

/* mov $vector,%al; out %al,$PORT; EOI by the x2APIC MSR; iret */
static const u8 handler_code[] = { 0xb0, 0,    0xe6, PORT, 0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00,
				   0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0xcf };

static const u8 nmi_code[] = { 0xb0, 2, 0xe6, PORT, 0xcf };

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;

/* --- the guest ---------------------------------------------------------- */

static void set_vector(u8 vector, u16 ip)
{
	*(u32 *)(vm->ram + vector * 4) = ip;
}

static void load_guest(void)
{
	memcpy(vm->ram + IDLE, idle_code, sizeof(idle_code));
	memcpy(vm->ram + MMIO_CODE, mmio_code, sizeof(mmio_code));
	memcpy(vm->ram + NMI_HANDLER, nmi_code, sizeof(nmi_code));
	set_vector(2, NMI_HANDLER);
	for (u8 vector = EDGE; vector <= LEVEL; vector++) {
		u16 ip = HANDLERS + (vector - EDGE) * 32;

		memcpy(vm->ram + ip, handler_code, sizeof(handler_code));
		vm->ram[ip + 1] = vector;
		set_vector(vector, ip);
	}
}

static int next_vector(void)
{
	return vm_next_out(vm, 0, PORT);
}

static void expect_vector(int want, const char *what)
{
	int got = next_vector();

	tap_ok(got == want, "%s", what);
	if (got != want)
		tap_note("wanted %d, got %d", want, got);
}

static void set_reg(struct kvm_lapic_state *lapic, int reg, u32 value)
{
	memcpy(lapic->regs + reg, &value, sizeof(value));
}

static u32 get_reg(const struct kvm_lapic_state *lapic, int reg)
{
	u32 value;

	memcpy(&value, lapic->regs + reg, sizeof(value));
	return value;
}

/* x2APIC mode, enabled, LINT0 masked. */
static void enable_lapic(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = 0x1b, .data = 0xfee00d00 } };
	struct kvm_lapic_state lapic;

	if (ioctl(cpu_fd, KVM_SET_MSRS, &msrs) != 1)
		tap_bail("IA32_APIC_BASE");
	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	set_reg(&lapic, 0xf0, 0x1ff);
	set_reg(&lapic, 0x350, 0x10000);
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic) < 0)
		tap_bail("KVM_SET_LAPIC");
}

static void set_routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[3];
	} routes = {
		.head.nr = 3,
		.entry = {
			{ .gsi = GSI_EDGE, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { KVM_IRQCHIP_IOAPIC, 4 } },
			{ .gsi = GSI_LEVEL, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { KVM_IRQCHIP_IOAPIC, 5 } },
			{ .gsi = GSI_MSI, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = 0xfee00000, .data = MSI } },
		},
	};

	EXPECT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes), "routes to pins and a message");
}

static void program_ioapic(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	EXPECT_OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), "KVM_GET_IRQCHIP of the IOAPIC");
	chip.chip.ioapic.redirtbl[4].bits = EDGE;
	chip.chip.ioapic.redirtbl[5].bits = LEVEL | 1 << 15;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), "KVM_SET_IRQCHIP of the IOAPIC");
}

/* --- before there is an irqchip ------------------------------------------- */

static long set_line(int request, u32 gsi, u32 level, int *status)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };
	long r = ioctl(vm->fd, request, &line);

	*status = line.status;
	return r;
}

static void without_irqchip(void)
{
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_irq_routing routes = { .nr = 0 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = MSI };
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 1 };
	struct kvm_pit_state2 pit;
	struct kvm_reinject_control reinject = { 0 };
	struct kvm_lapic_state lapic;
	int cpu, status;

	vm = vm_new(RAM_SIZE);
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO, "KVM_GET_IRQCHIP");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO, "KVM_SET_IRQCHIP");
	EXPECT_ERRNO(set_line(KVM_IRQ_LINE, 1, 1, &status), ENXIO, "KVM_IRQ_LINE");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &routes), EINVAL, "KVM_SET_GSI_ROUTING");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL, "KVM_SIGNAL_MSI");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irqfd), EINVAL, "KVM_IRQFD");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_PIT2, &pit), ENXIO, "KVM_GET_PIT2");
	memset(&pit, 0, sizeof(pit));
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_PIT2, &pit), ENXIO, "KVM_SET_PIT2");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_REINJECT_CONTROL, &reinject), ENXIO, "KVM_REINJECT_CONTROL");
	cpu = vm_add_cpu(vm);
	EXPECT_ERRNO(ioctl(vm->cpu[cpu].fd, KVM_GET_LAPIC, &lapic), EINVAL, "KVM_GET_LAPIC");
	EXPECT_ERRNO(ioctl(vm->cpu[cpu].fd, KVM_SET_LAPIC, &lapic), EINVAL, "KVM_SET_LAPIC");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EINVAL,
		     "KVM_CREATE_IRQCHIP after a vCPU");
	if (!dev_is_kvm()) /* it offers SMM */
		EXPECT_ERRNO(ioctl(vm->cpu[cpu].fd, KVM_SMI, 0), ENOTTY, "KVM_SMI");
	close(irqfd.fd);
}

static void interrupt_waits(const struct kvm_vcpu_events *events)
{
	vm_real_mode(vm, 0, IDLE);
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_VCPU_EVENTS, events), "KVM_SET_VCPU_EVENTS");
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_HLT,
	       "it waits for IF, and over STI's shadow");
}

/* Userspace has the interrupt controller: sti; hlt exits, then KVM_INTERRUPT. */
static void queued_interrupt(void)
{
	struct kvm_interrupt irq = { .irq = MSI };
	struct kvm_vcpu_events events;

	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	load_guest();
	vm_set_cpuid(vm, 0, false);
	vm_real_mode(vm, 0, IDLE);
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_HLT,
	       "HLT is userspace's without an irqchip");
	tap_ok(run->if_flag, "kvm_run tells IF");
	irq.irq = 256;
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_INTERRUPT, &irq), EINVAL, "KVM_INTERRUPT of vector 256");
	irq.irq = MSI;
	EXPECT_OK(ioctl(cpu_fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT");
	if (!dev_is_kvm())
		EXPECT_ERRNO(ioctl(cpu_fd, KVM_INTERRUPT, &irq), EEXIST, "a second KVM_INTERRUPT");
	EXPECT_OK(ioctl(cpu_fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	tap_ok(events.interrupt.injected && events.interrupt.nr == MSI, "it has the interrupt");
	if (!dev_is_kvm()) /* which injects it without IF */
		interrupt_waits(&events);
	expect_vector(MSI, "the queued interrupt arrives");
	vm_free(vm);
}

/* --- with one ------------------------------------------------------------- */

static void create(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	vm = vm_new(RAM_SIZE);
	vm_irqchip(vm);
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST, "a second irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), EEXIST, "a second PIT");
	pit.flags = 2;
	if (!dev_is_kvm())
		EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), EINVAL, "unknown PIT flags");
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	load_guest();
	vm_set_cpuid(vm, 0, false);
	vm_real_mode(vm, 0, IDLE);
	enable_lapic();
}

static void bad_routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} r = { .head.nr = 1 };
	const struct kvm_irq_routing_entry good = { .gsi = 3,
						    .type = KVM_IRQ_ROUTING_IRQCHIP,
						    .u.irqchip = { KVM_IRQCHIP_IOAPIC, 3 } };

#define BAD(what, ...)                                                              \
	do {                                                                        \
		r.entry[0] = good;                                                  \
		__VA_ARGS__;                                                        \
		EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), EINVAL, what); \
		r.head.nr = 1;                                                      \
		r.head.flags = 0;                                                   \
	} while (0)
	BAD("routing: flags", r.head.flags = 1);
	BAD("routing: too many entries", r.head.nr = 4097);
	BAD("routing: GSI 4096", r.entry[0].gsi = 4096);
	BAD("routing: an entry's flags", r.entry[0].flags = 2);
	BAD("routing: unknown type", r.entry[0].type = 99);
	BAD("routing: unknown chip", r.entry[0].u.irqchip.irqchip = 3);
	BAD("routing: pin 24 of the IOAPIC", r.entry[0].u.irqchip.pin = 24);
	BAD("routing: pin 8 of a PIC",
	    r.entry[0].u.irqchip = (struct kvm_irq_routing_irqchip){ 0, 8 });
	BAD("routing: one GSI to two pins", r.head.nr = 2; r.entry[1] = good);
#undef BAD
}

static void lines(void)
{
	int status;

	set_line(KVM_IRQ_LINE_STATUS, GSI_EDGE, 1, &status);
	tap_ok(status == 1, "a rising edge is delivered");
	set_line(KVM_IRQ_LINE_STATUS, GSI_EDGE, 0, &status);
	set_line(KVM_IRQ_LINE_STATUS, GSI_EDGE, 1, &status);
	tap_ok(status == 0 || dev_is_kvm(), "a second one is coalesced");
	set_line(KVM_IRQ_LINE, GSI_EDGE, 0, &status);
	expect_vector(EDGE, "the guest gets it");
	expect_vector(-1, "once");
	set_line(KVM_IRQ_LINE_STATUS, GSI_NOWHERE, 1, &status);
	tap_ok(status < 0, "a GSI without a route is nobody's");
}

static void level_lines(void)
{
	int status;

	set_line(KVM_IRQ_LINE, GSI_LEVEL, 1, &status);
	expect_vector(LEVEL, "a level interrupts");
	expect_vector(LEVEL, "and again after EOI while it's high");
	set_line(KVM_IRQ_LINE, GSI_LEVEL, 0, &status);
	expect_vector(-1, "and not when it's low");
}

static void messages(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = MSI };

	tap_ok(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) == 1, "KVM_SIGNAL_MSI delivers");
	tap_ok(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) == dev_is_kvm(), "a second one is coalesced");
	expect_vector(MSI, "the guest gets it");
	msi.address_lo = 0xfee05000;
	tap_ok(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) == 0, "nobody has APIC ID 5");
	msi.flags = 2;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL, "KVM_SIGNAL_MSI: flags");
}

static void nmi(void)
{
	EXPECT_OK(ioctl(cpu_fd, KVM_NMI, 0), "KVM_NMI");
	expect_vector(2, "the NMI arrives");
}

static void interrupt_is_refused(void)
{
	struct kvm_interrupt irq = { .irq = MSI };

	EXPECT_ERRNO(ioctl(cpu_fd, KVM_INTERRUPT, &irq), ENXIO, "KVM_INTERRUPT with an irqchip");
}

static void set_lint0(u32 value)
{
	struct kvm_lapic_state lapic;

	ioctl(cpu_fd, KVM_GET_LAPIC, &lapic);
	set_reg(&lapic, 0x350, value);
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic) < 0)
		tap_bail("KVM_SET_LAPIC");
}

static void window_is_ignored(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = MSI };

	set_lint0(0x700); /* ExtINT: the kernel's own 8259A would get through */
	run->request_interrupt_window = 1;
	ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
	expect_vector(MSI, "a window that userspace has no use for hinders nobody");
	expect_vector(-1, "and ends nothing");
	run->request_interrupt_window = 0;
	set_lint0(0x10000);
}

/* --- irqfd ---------------------------------------------------------------- */

static long irqfd(int fd, u32 gsi, u32 flags, int resample)
{
	struct kvm_irqfd args = { .fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample };

	return ioctl(vm->fd, KVM_IRQFD, &args);
}

static void signal_fd(int fd)
{
	u64 one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		tap_bail("write to an eventfd");
}

static u64 drain(int fd)
{
	u64 count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void irqfd_errors(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), pipes[2];

	EXPECT_ERRNO(irqfd(fd, 1, 4, 0), EINVAL, "irqfd: unknown flags");
	EXPECT_ERRNO(irqfd(-1, 1, 0, 0), EBADF, "irqfd: no such fd");
	if (!dev_is_kvm())
		EXPECT_ERRNO(irqfd(fd, 4096, 0, 0), EINVAL, "irqfd: GSI 4096");
	if (pipe(pipes))
		tap_bail("pipe");
	EXPECT_ERRNO(irqfd(pipes[0], 1, 0, 0), EINVAL, "irqfd: not an eventfd");
	EXPECT_ERRNO(irqfd(fd, 1, KVM_IRQFD_FLAG_RESAMPLE, -1), EBADF, "irqfd: no resamplefd");
	EXPECT_OK(irqfd(fd, GSI_MSI, 0, 0), "irqfd: assigned");
	EXPECT_ERRNO(irqfd(fd, GSI_EDGE, 0, 0), EBUSY, "irqfd: the eventfd is in use");
	EXPECT_OK(irqfd(fd, GSI_MSI, KVM_IRQFD_FLAG_DEASSIGN, 0), "irqfd: deassigned");
	EXPECT_OK(irqfd(fd, GSI_MSI, KVM_IRQFD_FLAG_DEASSIGN, 0), "irqfd: deassigned again");
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void irqfd_edges(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	irqfd(fd, GSI_MSI, 0, 0);
	signal_fd(fd);
	expect_vector(MSI, "an irqfd sends a message");
	tap_ok(drain(fd) == 0, "and consumes the event");
	irqfd(fd, GSI_MSI, KVM_IRQFD_FLAG_DEASSIGN, 0);
	signal_fd(fd);
	expect_vector(-1, "and not when deassigned");
	irqfd(fd, GSI_EDGE, 0, 0);
	expect_vector(EDGE, "an event from before interrupts at once");
	close(fd);
	fd = eventfd(0, EFD_NONBLOCK);
	EXPECT_OK(irqfd(fd, GSI_EDGE, 0, 0), "a closed eventfd leaves no trace");
	signal_fd(fd);
	expect_vector(EDGE, "its successor interrupts");
	close(fd);
}

static u64 ticks(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}

/* What KVM does with interrupts off while it takes the IOAPIC's state, at its fastest. */
static u64 ioapic_costs(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	u64 least = ~0ull, begin;

	ioctl(vm->fd, KVM_GET_IRQCHIP, &chip);
	for (int i = 0; i < 10; i++) {
		begin = ticks();
		ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
		begin = ticks() - begin;
		if (begin < least)
			least = begin;
	}
	return least;
}

#define MANY 500

static void many_irqfds(void)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };
	int resample = eventfd(0, EFD_NONBLOCK), fd[MANY], failed = 0;
	u64 without = ioapic_costs(), with, begin, end;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < MANY; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		failed |= irqfd(fd[i], GSI_NOWHERE, KVM_IRQFD_FLAG_RESAMPLE, resample);
	}
	tap_ok(!failed, "%d resampling irqfds", MANY);
	with = ioapic_costs();
	tap_ok(with < 2 * without, "cost the IOAPIC nothing");
	tap_note("%llu ticks without, %llu with", (unsigned long long)without,
		 (unsigned long long)with);
	signal_fd(fd[0]);
	begin = ticks();
	for (int i = 0; i < MANY; i++)
		failed |= irqfd(fd[i], GSI_NOWHERE, KVM_IRQFD_FLAG_DEASSIGN, resample);
	end = ticks();
	tap_ok(!failed, "and go");
	tap_note("%llu ticks each", (unsigned long long)(end - begin) / MANY);
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
	close(resample);
}

/* All at once: with the VM, or with their eventfds. */
static void many_irqfds_go(void)
{
	struct rlimit limit = { MANY + 100, MANY + 100 };
	int resample = eventfd(0, EFD_NONBLOCK);
	struct vm *v = vm_new(RAM_SIZE);
	time_t begin;

	vm_irqchip(v);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (int i = 0; i < MANY; i++) {
		struct kvm_irqfd args = { .fd = eventfd(0, 0),
					  .gsi = GSI_NOWHERE,
					  .flags = KVM_IRQFD_FLAG_RESAMPLE,
					  .resamplefd = resample };

		if (ioctl(v->fd, KVM_IRQFD, &args))
			tap_bail("KVM_IRQFD");
	}
	begin = time(NULL);
	vm_free(v);
	tap_ok(time(NULL) - begin <= 2, "a VM with so many ends at once");
	for (int i = resample + 1; i < resample + MANY + 20; i++)
		if (i != vm->fd && i != vm->dev && i != cpu_fd)
			close(i);
}

static void irqfd_resampling(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
	int other = eventfd(0, EFD_NONBLOCK);

	EXPECT_OK(irqfd(fd, GSI_LEVEL, KVM_IRQFD_FLAG_RESAMPLE, resample), "a resampling irqfd");
	irqfd(other, GSI_MSI, 0, 0);
	signal_fd(fd);
	expect_vector(LEVEL, "it asserts the level");
	tap_ok(drain(resample) == 0, "no resampling before EOI");
	signal_fd(other); /* so that the guest says something after its EOI */
	expect_vector(MSI, "the level is low after EOI");
	tap_ok(drain(resample) == 1, "EOI signals the resamplefd");
	signal_fd(fd);
	expect_vector(LEVEL, "raised again it interrupts again");
	expect_vector(-1, "once");
	tap_ok(drain(resample) == 1, "and is resampled again");
	irqfd(fd, GSI_LEVEL, KVM_IRQFD_FLAG_DEASSIGN, 0);
	close(other);
	close(resample);
	close(fd);
}

#define LISTENERS 100

/* So many of one GSI that they are not told by whoever ends the interrupt, but later, by a thread. */
static void many_hear_the_eoi(void)
{
	int fd[LISTENERS], resample = eventfd(0, EFD_NONBLOCK), failed = 0;
	u64 heard = 0;

	for (int i = 0; i < LISTENERS; i++) {
		fd[i] = eventfd(0, EFD_NONBLOCK);
		failed |= irqfd(fd[i], GSI_LEVEL, KVM_IRQFD_FLAG_RESAMPLE, resample);
	}
	tap_ok(!failed, "%d resampling irqfds on one GSI", LISTENERS);
	signal_fd(fd[0]);
	expect_vector(LEVEL, "one of them asserts the level");
	expect_vector(-1, "once");
	for (int i = 0; i < 100 && heard < LISTENERS; i++) {
		heard += drain(resample);
		usleep(10000);
	}
	tap_ok(heard == LISTENERS, "and all hear of its end");
	signal_fd(fd[1]);
	expect_vector(LEVEL, "another asserts it");
	expect_vector(-1, "once");
	for (int i = 0; i < LISTENERS; i++) { /* some perhaps before they have heard */
		irqfd(fd[i], GSI_LEVEL, KVM_IRQFD_FLAG_DEASSIGN, 0);
		close(fd[i]);
	}
	expect_vector(-1, "with them gone the level is low");
	close(resample);
}

/* --- ioeventfd -------------------------------------------------------------- */

static long ioeventfd(int fd, u64 addr, u32 len, u32 flags, u64 match)
{
	struct kvm_ioeventfd args = { .fd = fd,
				      .addr = addr,
				      .len = len,
				      .flags = flags,
				      .datamatch = match };

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

#define PIO KVM_IOEVENTFD_FLAG_PIO
#define MATCH KVM_IOEVENTFD_FLAG_DATAMATCH
#define DEASSIGN KVM_IOEVENTFD_FLAG_DEASSIGN

static void ioeventfd_errors(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 4, 0x100, 0), EINVAL, "ioeventfd: unknown flags");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 3, 0, 0), EINVAL, "ioeventfd: 3 bytes");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 0, MATCH, 0), EINVAL, "ioeventfd: length 0 with data");
	EXPECT_ERRNO(ioeventfd(fd, ~0ull, 4, 0, 0), EINVAL, "ioeventfd: a range that wraps");
	EXPECT_ERRNO(ioeventfd(-1, 0x1000, 4, 0, 0), EBADF, "ioeventfd: no such fd");
	EXPECT_OK(ioeventfd(fd, 0x1000, 4, PIO | MATCH, 1), "ioeventfd: data 1");
	EXPECT_OK(ioeventfd(fd, 0x1000, 4, PIO | MATCH, 2), "ioeventfd: data 2 beside it");
	EXPECT_OK(ioeventfd(fd, 0x1000, 2, PIO, 0), "ioeventfd: another length beside them");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 4, PIO | MATCH, 2), EEXIST, "ioeventfd: data 2 again");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 4, PIO, 0), EEXIST, "ioeventfd: any data");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 0, PIO, 0), EEXIST, "ioeventfd: any length");
	EXPECT_ERRNO(ioeventfd(fd, 0x1000, 4, PIO | MATCH | DEASSIGN, 3), ENOENT,
		     "ioeventfd: nothing to deassign");
	EXPECT_OK(ioeventfd(fd, 0x1000, 4, PIO | MATCH | DEASSIGN, 1), "ioeventfd: away");
	EXPECT_OK(ioeventfd(fd, 0x1000, 4, PIO | MATCH | DEASSIGN, 2), "ioeventfd: away");
	EXPECT_OK(ioeventfd(fd, 0x1000, 2, PIO | DEASSIGN, 0), "ioeventfd: away");
	close(fd);
}

static void ioeventfd_ports(void)
{
	int fd = eventfd(0, EFD_NONBLOCK), trigger = eventfd(0, EFD_NONBLOCK);

	irqfd(trigger, GSI_MSI, 0, 0);
	ioeventfd(fd, PORT, 1, PIO | MATCH, MSI);
	signal_fd(trigger);
	expect_vector(-1, "a write that matches doesn't reach userspace");
	tap_ok(drain(fd) == 1, "it signals the eventfd");
	ioeventfd(fd, PORT, 1, PIO | MATCH | DEASSIGN, MSI);
	ioeventfd(fd, PORT, 1, PIO | MATCH, EDGE);
	signal_fd(trigger);
	expect_vector(MSI, "a write of other data does");
	tap_ok(drain(fd) == 0, "and signals nothing");
	ioeventfd(fd, PORT, 1, PIO | MATCH | DEASSIGN, EDGE);
	expect_vector(-1, "the guest ends its handler");
	close(trigger);
	close(fd);
}

/* The guest, which sleeps, goes on elsewhere. */
static void go_to(u16 ip)
{
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

	vm_real_mode(vm, 0, ip);
	if (ioctl(cpu_fd, KVM_SET_MP_STATE, &state) < 0)
		tap_bail("KVM_SET_MP_STATE");
}

static void ioeventfd_memory(void)
{
	int word = eventfd(0, EFD_NONBLOCK), any = eventfd(0, EFD_NONBLOCK);

	EXPECT_OK(ioeventfd(word, MMIO_WORD, 2, MATCH, 0x1234), "ioeventfd: memory");
	EXPECT_OK(ioeventfd(any, MMIO_ANY, 0, 0, 0), "ioeventfd: memory, any length");
	go_to(MMIO_CODE);
	expect_vector(-1, "writes to both stay in the kernel");
	tap_ok(drain(word) == 1, "the word with its data signals");
	tap_ok(drain(any) == 1, "the byte of any length signals");
	EXPECT_OK(ioeventfd(word, MMIO_WORD, 2, MATCH | DEASSIGN, 0x1234), "ioeventfd: away");
	go_to(MMIO_CODE);
	tap_ok(next_vector() == -100 - KVM_EXIT_MMIO && run->mmio.phys_addr == MMIO_WORD &&
		       run->mmio.len == 2,
	       "then the word is userspace's");
	expect_vector(-1, "the byte is not");
	tap_ok(drain(any) == 1, "it signals once more");
	EXPECT_OK(ioeventfd(any, MMIO_ANY, 0, DEASSIGN, 0), "ioeventfd: away");
	close(word);
	close(any);
}

/* --- states ----------------------------------------------------------------- */

static void chip_states(void)
{
	struct kvm_irqchip chip = { .chip_id = 3 }, again;

	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL, "chip 3");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), EINVAL, "chip 3");
	chip.chip_id = KVM_IRQCHIP_PIC_SLAVE;
	EXPECT_OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), "the slave PIC");
	chip.chip.pic.imr = 0xa5;
	chip.chip.pic.irq_base = 0x70;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), "set it");
	again = (struct kvm_irqchip){ .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	ioctl(vm->fd, KVM_GET_IRQCHIP, &again);
	tap_ok(!memcmp(&chip.chip.pic, &again.chip.pic, sizeof(chip.chip.pic)),
	       "it reads back as set");
}

static void pit_state(void)
{
	struct kvm_pit_state2 pit = { 0 };
	struct kvm_reinject_control reinject = { 0 };

	EXPECT_OK(ioctl(vm->fd, KVM_GET_PIT2, &pit), "KVM_GET_PIT2");
	pit.channels[2].count = 1234;
	pit.channels[2].mode = 3;
	pit.flags = KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_PIT2, &pit), "KVM_SET_PIT2");
	memset(&pit, 0, sizeof(pit));
	ioctl(vm->fd, KVM_GET_PIT2, &pit);
	tap_ok(pit.channels[2].count == 1234 && pit.channels[2].mode == 3, "it reads back");
	EXPECT_OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &reinject), "no reinjection");
	reinject.pit_reinject = 1;
	EXPECT_OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &reinject), "reinjection");
}

static void lapic_state(void)
{
	struct kvm_lapic_state lapic, again;

	EXPECT_OK(ioctl(cpu_fd, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC");
	tap_ok((get_reg(&lapic, 0x30) & 0xff) == 0x14, "version 0x14");
	set_reg(&lapic, 0x80, 0x30);
	set_reg(&lapic, 0x350, 0x10700);
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC");
	ioctl(cpu_fd, KVM_GET_LAPIC, &again);
	tap_ok(get_reg(&again, 0x80) == 0x30 && get_reg(&again, 0x350) == 0x10700, "it reads back");
	set_reg(&again, 0x20, 9u << 24);
	if (!dev_is_kvm())
		EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_LAPIC, &again), EINVAL,
			     "another ID in x2APIC mode");
}

/* A vector below 16 is kept, and the timer counts nothing in the mode that is none. */
static void lapic_of_ones(void)
{
	struct kvm_lapic_state lapic, again, before;
	struct vm *v = vm_new(RAM_SIZE);
	int one;

	vm_irqchip(v);
	vm_add_cpu(v);
	one = v->cpu[0].fd;
	ioctl(one, KVM_GET_LAPIC, &before);
	memset(&lapic, 0xff, sizeof(lapic));
	EXPECT_OK(ioctl(one, KVM_SET_LAPIC, &lapic), "KVM_SET_LAPIC of all ones");
	ioctl(one, KVM_GET_LAPIC, &again);
	tap_ok(get_reg(&again, 0x100) == ~0u && get_reg(&again, 0x200) == ~0u &&
		       get_reg(&again, 0x180) == ~0u,
	       "vectors below 16 are in ISR, IRR, and TMR as they were set");
	tap_ok(get_reg(&again, 0x390) == 0, "a timer of no mode does not count");
	EXPECT_OK(ioctl(one, KVM_SET_LAPIC, &before), "and back");
	vm_free(v);
}

/* The count is 0 for a moment before each tick: a state of then has a timer that goes on. */
static void periodic_timer_at_its_end(void)
{
	struct kvm_lapic_state lapic, again;
	struct vm *v = vm_new(RAM_SIZE);
	int one;

	vm_irqchip(v);
	vm_add_cpu(v);
	one = v->cpu[0].fd;
	ioctl(one, KVM_GET_LAPIC, &lapic);
	set_reg(&lapic, 0xf0, 0x1ff);
	set_reg(&lapic, 0x320, 0x20000 | LEVEL);
	set_reg(&lapic, 0x3e0, 0xb);
	set_reg(&lapic, 0x380, 3000000);
	set_reg(&lapic, 0x390, 0);
	EXPECT_OK(ioctl(one, KVM_SET_LAPIC, &lapic), "a periodic timer with a count of 0");
	usleep(20000);
	ioctl(one, KVM_GET_LAPIC, &again);
	tap_ok(get_reg(&again, 0x200 + 16 * (LEVEL / 32)) & 1u << LEVEL % 32, "ticks");
	vm_free(v);
}

int main(void)
{
	without_irqchip();
	queued_interrupt();
	create();
	bad_routes();
	set_routes();
	program_ioapic();
	lines();
	level_lines();
	messages();
	nmi();
	interrupt_is_refused();
	window_is_ignored();
	irqfd_errors();
	irqfd_edges();
	irqfd_resampling();
	many_hear_the_eoi();
	many_irqfds();
	if (!dev_is_kvm()) /* which waits for each */
		many_irqfds_go();
	ioeventfd_errors();
	ioeventfd_ports();
	ioeventfd_memory();
	chip_states();
	pit_state();
	lapic_state();
	if (!dev_is_kvm()) { /* it keeps them */
		lapic_of_ones();
		periodic_timer_at_its_end();
	}
	vm_free(vm);
	return tap_done();
}
