// SPDX-License-Identifier: GPL-2.0-only
/*
 * The split irqchip: LAPICs in the kernel, 8259As and IOAPIC in userspace. The guest is
 * real-mode code that sleeps; its handlers write their vector to a port and end the
 * interrupt in the LAPIC, but for the 8259A's.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "vm.h"

#define PORT 0x10
#define MASKED 0x11 /* said with IF clear */
#define IDLE 0x500
#define CLOSED 0x520
#define HANDLERS 0x600 /* 32 bytes each, from vector 0x40 on */
#define RAM_SIZE (64u << 10)
#define NR_PINS 24

enum { EDGE = 0x40, MSI, LEVEL, EXTINT, NR_VECTORS = 4 };
enum gsi { GSI_LEVEL = 3, GSI_EDGE = 4, GSI_OTHERS = 5, GSI_MSI = 24, GSI_BEYOND = 25 };

#define LVT_MASKED 0x10000
#define LVT_EXTINT 0x700
#define MSI_LEVEL 0x8000

static const u8 idle_code[] = { 0xfb, 0xf4, 0xeb, 0xfd }; /* sti; hlt; jmp */

/* out %al,$MASKED; sti; nop; nop; hlt; jmp */
static const u8 closed_code[] = { 0xe6, MASKED, 0xfb, 0x90, 0x90, 0xf4, 0xeb, 0xfd };

/* mov $vector,%al; out %al,$PORT; EOI by the x2APIC MSR; iret */
static const u8 handler_code[] = { 0xb0, 0,    0xe6, PORT, 0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00,
				   0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0xcf };

/* mov $EXTINT,%al; out %al,$PORT; iret */
static const u8 extint_code[] = { 0xb0, EXTINT, 0xe6, PORT, 0xcf };

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;

/* --- the guest ---------------------------------------------------------- */

static void load_guest(void)
{
	memcpy(vm->ram + IDLE, idle_code, sizeof(idle_code));
	memcpy(vm->ram + CLOSED, closed_code, sizeof(closed_code));
	for (int i = 0; i < NR_VECTORS; i++) {
		u8 *handler = vm->ram + HANDLERS + i * 32;

		memcpy(handler, handler_code, sizeof(handler_code));
		handler[1] = EDGE + i;
		*(u32 *)(vm->ram + (EDGE + i) * 4) = HANDLERS + i * 32;
	}
	memcpy(vm->ram + HANDLERS + (EXTINT - EDGE) * 32, extint_code, sizeof(extint_code));
}

static void expect_out(u16 port, int value, const char *what)
{
	int reason = vm_run(vm, 0);
	u8 got = 0;

	if (reason == KVM_EXIT_IO)
		got = *((u8 *)run + run->io.data_offset);
	tap_ok(reason == KVM_EXIT_IO && run->io.port == port && (value < 0 || got == value), "%s",
	       what);
	if (reason != KVM_EXIT_IO || run->io.port != port || (value >= 0 && got != value))
		tap_note("exit reason %d, port %#x, value %#x", reason, run->io.port, got);
}

#define expect_vector(vector, what) expect_out(PORT, vector, what)

static void expect_exit(int want, const char *what)
{
	int reason = vm_run(vm, 0);

	tap_ok(reason == want, "%s", what);
	if (reason != want)
		tap_note("exit reason %d, not %d", reason, want);
}

static void expect_eoi(u8 vector, const char *what)
{
	int reason = vm_run(vm, 0);

	tap_ok(reason == KVM_EXIT_IOAPIC_EOI && run->eoi.vector == vector, "%s", what);
	if (reason != KVM_EXIT_IOAPIC_EOI)
		tap_note("exit reason %d", reason);
}

/* x2APIC mode, enabled. */
static void set_lint0(u32 lint0)
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
	memcpy(lapic.regs + 0xf0, &(u32){ 0x1ff }, 4);
	memcpy(lapic.regs + 0x350, &lint0, 4);
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic) < 0)
		tap_bail("KVM_SET_LAPIC");
}

/* --- making one ----------------------------------------------------------- */

static long split(int fd, u64 pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = pins };

	return ioctl(fd, KVM_ENABLE_CAP, &cap);
}

static void too_late(void)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *v = vm_new(RAM_SIZE);

	EXPECT_OK(ioctl(v->fd, KVM_CREATE_IRQCHIP, 0), "an irqchip");
	EXPECT_ERRNO(split(v->fd, NR_PINS), EEXIST, "a split one after it");
	vm_free(v);
	v = vm_new(RAM_SIZE);
	vm_add_cpu(v);
	EXPECT_ERRNO(split(v->fd, NR_PINS), EEXIST, "a split irqchip after a vCPU");
	vm_free(v);
	if (dev_is_kvm()) /* whose PIT needs no irqchip */
		return;
	v = vm_new(RAM_SIZE);
	EXPECT_OK(ioctl(v->fd, KVM_CREATE_PIT2, &pit), "a PIT that waits for its irqchip");
	EXPECT_ERRNO(split(v->fd, NR_PINS), EEXIST, "a split one, which has no PIT");
	vm_free(v);
}

static void create(void)
{
	vm = vm_new(RAM_SIZE);
	EXPECT_ERRNO(split(vm->fd, 4097), EINVAL, "a split irqchip with 4097 pins");
	EXPECT_OK(split(vm->fd, NR_PINS), "a split irqchip");
	EXPECT_ERRNO(split(vm->fd, NR_PINS), EEXIST, "a second one");
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	load_guest();
	vm_set_cpuid(vm, 0, false);
	vm_real_mode(vm, 0, IDLE);
	set_lint0(LVT_MASKED);
}

static void what_is_not_there(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_pit_config pit = { 0 };
	struct kvm_pit_state2 state = { 0 };
	struct kvm_mp_state mp;
	int cpu;

	EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST, "a full irqchip");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO, "KVM_GET_IRQCHIP");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO, "KVM_SET_IRQCHIP");
	if (!dev_is_kvm()) /* before 6.10 it makes one */
		EXPECT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), ENOENT, "KVM_CREATE_PIT2");
	EXPECT_ERRNO(ioctl(vm->fd, KVM_GET_PIT2, &state), ENXIO, "KVM_GET_PIT2");
	cpu = vm_add_cpu(vm);
	ioctl(vm->cpu[cpu].fd, KVM_GET_MP_STATE, &mp);
	tap_ok(mp.mp_state == KVM_MP_STATE_UNINITIALIZED, "a second vCPU waits for INIT");
}

/* --- messages ------------------------------------------------------------- */

static struct kvm_irq_routing_entry message(u32 gsi, u32 data, u32 id)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000 | id << 12, .data = data },
	};
}

static void routes(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[5];
	} r = { .head.nr = 1 };

	r.entry[0] = (struct kvm_irq_routing_entry){ .gsi = 3, .type = KVM_IRQ_ROUTING_IRQCHIP };
	for (u32 chip = 0; chip < 3; chip++) {
		r.entry[0].u.irqchip.irqchip = chip;
		EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), EINVAL,
			     "a route to a pin that is userspace's");
	}
	r.head.nr = 5;
	r.entry[0] = message(GSI_LEVEL, LEVEL | MSI_LEVEL, 0);
	r.entry[1] = message(GSI_EDGE, EDGE, 0);
	r.entry[2] = message(GSI_OTHERS, MSI | MSI_LEVEL, 1);
	r.entry[3] = message(GSI_MSI, MSI, 0);
	r.entry[4] = message(GSI_BEYOND, EDGE | MSI_LEVEL, 0);
	EXPECT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), "routes to messages");
}

static void raise_gsi(u32 gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	if (ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line) || line.status != 1)
		tap_note("GSI %u: status %d", gsi, line.status);
	line.level = 0;
	ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

static void messages(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = MSI };

	tap_ok(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) == 1, "KVM_SIGNAL_MSI delivers");
	expect_vector(MSI, "the guest gets it");
	raise_gsi(GSI_EDGE);
	expect_vector(EDGE, "a GSI of the IOAPIC's sends its message");
	expect_exit(0, "the end of an edge is nobody's business");
}

static void level_messages(void)
{
	raise_gsi(GSI_LEVEL);
	expect_vector(LEVEL, "a level-triggered message of the IOAPIC's");
	expect_eoi(LEVEL, "its end goes to userspace");
	expect_exit(0, "once");
	raise_gsi(GSI_BEYOND);
	expect_vector(EDGE, "a level-triggered message of another GSI");
	expect_exit(0, "whose end does not");
	raise_gsi(GSI_MSI);
	expect_vector(MSI, "an edge, with a vector that is the IOAPIC's on another vCPU");
	expect_exit(0, "whose end does not either");
}

static void irqfds(void)
{
	struct kvm_irqfd args = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = GSI_MSI };
	u64 one = 1;

	args.resamplefd = eventfd(0, EFD_NONBLOCK);
	args.flags = KVM_IRQFD_FLAG_RESAMPLE;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &args), EINVAL, "a resampling irqfd");
	args.flags = 0;
	EXPECT_OK(ioctl(vm->fd, KVM_IRQFD, &args), "an irqfd");
	if (write(args.fd, &one, sizeof(one)) != sizeof(one))
		tap_bail("write to an eventfd");
	expect_vector(MSI, "it sends its message");
	args.gsi = GSI_LEVEL;
	args.fd = eventfd(0, EFD_NONBLOCK);
	EXPECT_OK(ioctl(vm->fd, KVM_IRQFD, &args), "an irqfd of the IOAPIC's");
	if (write(args.fd, &one, sizeof(one)) != sizeof(one))
		tap_bail("write to an eventfd");
	expect_vector(LEVEL, "it sends a level-triggered message");
	expect_eoi(LEVEL, "whose end is told");
	expect_exit(0, "and then the guest sleeps");
}

/* --- KVM_CAP_X2APIC_API ----------------------------------------------------- */

#define LARGE_ID 0x123

static long x2apic_api(u64 flags)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X2APIC_API, .args[0] = flags };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static long signal_msi(u32 id, u32 high)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | (id & 0xff) << 12,
		.address_hi = (id & ~0xffu) | high,
		.data = MSI,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static u32 lapic_id(int fd)
{
	struct kvm_lapic_state lapic;
	u32 id;

	if (ioctl(fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	memcpy(&id, lapic.regs + 0x20, sizeof(id));
	return id;
}

static void give_back_lapic(void)
{
	struct kvm_lapic_state lapic;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_LAPIC, &lapic), "the LAPIC's state with that ID");
	lapic.regs[0x20] ^= 1;
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_LAPIC, &lapic), EINVAL, "with another");
}

/* The one vCPU of a new VM has a large number. */
static void large_ids(void)
{
	struct kvm_irq_routing_entry entry = message(GSI_EDGE, EDGE, LARGE_ID & 0xff);
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} r = { .head.nr = 1 };

	vm = vm_new(RAM_SIZE);
	tap_ok(vm_cap(vm->fd, KVM_CAP_X2APIC_API) & 1, "KVM_CAP_X2APIC_API");
	EXPECT_ERRNO(x2apic_api(1 << 8), EINVAL, "an unknown flag of it");
	EXPECT_OK(split(vm->fd, NR_PINS), "a split irqchip");
	ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, LARGE_ID);
	vm_add_cpu_id(vm, LARGE_ID);
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	load_guest();
	vm_set_cpuid(vm, 0, false);
	vm_real_mode(vm, 0, IDLE);
	set_lint0(LVT_MASKED);
	tap_ok(lapic_id(cpu_fd) == (u32)LARGE_ID << 24, "without 32-bit IDs the state has 8 bits");
	tap_ok(signal_msi(LARGE_ID, 0) == 0, "and so has a message: it reaches nobody");
	EXPECT_OK(x2apic_api(KVM_X2APIC_API_USE_32BIT_IDS), "32-bit IDs");
	tap_ok(lapic_id(cpu_fd) == LARGE_ID, "the state has the ID");
	give_back_lapic();
	EXPECT_ERRNO(signal_msi(LARGE_ID, 1), EINVAL, "a message with the high address' low bits");
	tap_ok(signal_msi(LARGE_ID, 0) == 1, "a message to the ID is taken");
	expect_vector(MSI, "the guest gets it");
	tap_ok(signal_msi(LARGE_ID & 0xff, 0) == 0, "the ID's low bits are nobody");
	r.entry = entry;
	r.entry.u.msi.address_hi = 1;
	EXPECT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), EINVAL, "a route likewise");
	r.entry.u.msi.address_hi = LARGE_ID & ~0xffu;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r), "a route to the ID");
	raise_gsi(GSI_EDGE);
	expect_vector(EDGE, "it leads there");
}

/* In x2APIC mode 0xff means everybody, by default. */
static void broadcasts(void)
{
	expect_exit(0, "the guest sleeps");
	tap_ok(signal_msi(0xff, 0) == 1, "a message to 0xff is taken");
	expect_vector(MSI, "by who has another ID");
	expect_exit(0, "the guest sleeps");
	EXPECT_OK(x2apic_api(KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK), "0xff is not everybody");
	tap_ok(signal_msi(0xff, 0) == 0, "a message to 0xff is taken no more");
	tap_ok(signal_msi(0xffffffff, 0) == 1, "one to all ones is");
	expect_vector(MSI, "and arrives");
	vm_free(vm);
}

/* --- the 8259A ------------------------------------------------------------ */

static long interrupt(u32 vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return ioctl(cpu_fd, KVM_INTERRUPT, &irq);
}

static void extint(void)
{
	tap_ok(!run->ready_for_interrupt_injection, "a masked LINT0 takes nothing of the 8259A");
	set_lint0(LVT_EXTINT);
	expect_exit(0, "the guest sleeps");
	tap_ok(run->ready_for_interrupt_injection, "with LINT0 open it would take something");
	EXPECT_ERRNO(interrupt(256), EINVAL, "KVM_INTERRUPT of vector 256");
	EXPECT_OK(interrupt(EXTINT), "KVM_INTERRUPT");
	EXPECT_ERRNO(interrupt(EXTINT), EEXIST, "a second KVM_INTERRUPT");
	expect_vector(EXTINT, "it ends HLT");
	raise_gsi(GSI_MSI);
	EXPECT_OK(interrupt(EXTINT), "one more, while IF is clear and a message waits");
	expect_vector(EXTINT, "the 8259A's goes first");
	expect_vector(MSI, "then the LAPIC's");
	expect_exit(0, "and nothing is left");
}

static void masked_extint(void)
{
	set_lint0(LVT_MASKED);
	EXPECT_OK(interrupt(EXTINT), "KVM_INTERRUPT while LINT0 is masked");
	expect_exit(0, "it waits");
	raise_gsi(GSI_MSI);
	expect_vector(MSI, "and holds up nothing");
	expect_exit(0, "it waits still");
	set_lint0(LVT_EXTINT);
	expect_vector(EXTINT, "until LINT0 opens");
	expect_exit(0, "it came once");
}

static void close_guest(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

	vm_real_mode(vm, 0, CLOSED);
	if (ioctl(cpu_fd, KVM_SET_MP_STATE, &state) < 0)
		tap_bail("KVM_SET_MP_STATE");
}

static void window(void)
{
	close_guest();
	expect_out(MASKED, -1, "the guest has IF clear");
	tap_ok(!run->ready_for_interrupt_injection, "it would take nothing");
	run->request_interrupt_window = 1;
	expect_exit(KVM_EXIT_IRQ_WINDOW_OPEN, "the window opens with IF");
	tap_ok(run->ready_for_interrupt_injection && run->if_flag, "now it would");
	run->request_interrupt_window = 0;
	EXPECT_OK(interrupt(EXTINT), "KVM_INTERRUPT");
	expect_vector(EXTINT, "it comes");
	close_guest();
	expect_out(MASKED, -1, "once more");
	set_lint0(LVT_MASKED);
	run->request_interrupt_window = 1;
	expect_exit(0, "with LINT0 masked there is no window");
	run->request_interrupt_window = 0;
}

/* What is queued is in the state that userspace takes, and goes to another VM. */
static void queued_moves(void)
{
	struct kvm_vcpu_events events, again;
	struct vm *old = vm;

	set_lint0(LVT_EXTINT);
	close_guest();
	expect_out(MASKED, -1, "the guest has IF clear");
	EXPECT_OK(interrupt(EXTINT), "KVM_INTERRUPT");
	run->immediate_exit = 1;
	ioctl(cpu_fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	EXPECT_OK(ioctl(cpu_fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	tap_ok(events.interrupt.injected && events.interrupt.nr == EXTINT, "it is there");
	create();
	set_lint0(LVT_EXTINT);
	close_guest();
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_VCPU_EVENTS, &events), "KVM_SET_VCPU_EVENTS elsewhere");
	expect_out(MASKED, -1, "there it waits for IF");
	ioctl(cpu_fd, KVM_GET_VCPU_EVENTS, &again);
	tap_ok(again.interrupt.injected && again.interrupt.nr == EXTINT, "and is not forgotten");
	expect_vector(EXTINT, "and comes");
	vm_free(old);
}

int main(void)
{
	too_late();
	create();
	what_is_not_there();
	routes();
	messages();
	level_messages();
	irqfds();
	extint();
	masked_extint();
	window();
	if (!dev_is_kvm()) /* which forgets it */
		queued_moves();
	vm_free(vm);
	large_ids();
	broadcasts();
	return tap_done();
}
