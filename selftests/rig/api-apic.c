// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest and its LAPIC say to each other without an exit, and what userspace is
 * told of it: KVM_SET_VAPIC_ADDR, KVM_TPR_ACCESS_REPORTING, MSR_KVM_PV_EOI_EN.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define CODE 0x500
#define HANDLER 0x600
#define VAPIC 0x2000
#define VECTOR 0x41
#define RAM_SIZE (64u << 10)

#define REG_TPR 0x80
#define REG_SVR 0xf0
#define REG_ISR 0x100
#define REG_LINT0 0x350

/* Ports to which the guest writes. */
enum { SHOW = 0x10, MARK = 0x11, INTERRUPTED = 0x12 };

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;
static int cpu_stats; /* of the vCPU */

/* --- the guest ---------------------------------------------------------- */

/*
 * mov 0x2000,%ax; out %ax,$SHOW; mov 0x2002,%ax; out %ax,$SHOW
 * movb $0x50,0x2000; out %al,$MARK
 * mov 0x2002,%ax; out %ax,$SHOW; movb $0,0x2000; sti; nop; out %al,$MARK; nop; hlt
 */
static const u8 vapic_code[] = { 0xa1, 0x00, 0x20, 0xe7, SHOW, 0xa1, 0x02, 0x20, 0xe7, SHOW, 0xc6,
				 0x06, 0x00, 0x20, 0x50, 0xe6, MARK, 0xa1, 0x02, 0x20, 0xe7, SHOW,
				 0xc6, 0x06, 0x00, 0x20, 0x00, 0xfb, 0x90, 0xe6, MARK, 0x90, 0xf4 };

/* mov 0x2000,%ax; out %ax,$INTERRUPTED; iret */
static const u8 handler_code[] = { 0xa1, 0x00, 0x20, 0xe7, INTERRUPTED, 0xcf };

/* 32 bits: mov 0xfee00080,%eax; mov $0x20,%eax; mov %eax,0xfee00080; out %al,$MARK */
static const u8 tpr_code[] = { 0xa1, 0x80, 0x00, 0xe0, 0xfe, 0xb8, 0x20, 0x00, 0x00,
			       0x00, 0xa3, 0x80, 0x00, 0xe0, 0xfe, 0xe6, MARK };
#define TPR_READ CODE
#define TPR_WRITE (CODE + 10)

static void set_reg(struct kvm_lapic_state *lapic, int reg, u32 value)
{
	memcpy(lapic->regs + reg, &value, sizeof(value));
}

static u32 get_reg(int reg)
{
	struct kvm_lapic_state lapic;
	u32 value;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	memcpy(&value, lapic.regs + reg, sizeof(value));
	return value;
}

static void new_guest(const void *code, size_t len)
{
	vm = vm_new(RAM_SIZE);
	vm_irqchip(vm);
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	vm_set_cpuid(vm, 0, false);
	memcpy(vm->ram + CODE, code, len);
	memcpy(vm->ram + HANDLER, handler_code, sizeof(handler_code));
	*(u32 *)(vm->ram + VECTOR * 4) = HANDLER;
}

/* Enabled, LINT0 masked, something of class 3 in service. */
static void prepare_lapic(u32 tpr)
{
	struct kvm_lapic_state lapic;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	set_reg(&lapic, REG_SVR, 0x1ff);
	set_reg(&lapic, REG_LINT0, 0x10000);
	set_reg(&lapic, REG_TPR, tpr);
	set_reg(&lapic, REG_ISR + 0x10, 1u << (0x35 - 32));
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic) < 0)
		tap_bail("KVM_SET_LAPIC");
}

static void signal_vector(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) != 1)
		tap_bail("KVM_SIGNAL_MSI");
}

static void expect_out(u16 port, int value, const char *what)
{
	u16 got;

	if (ioctl(cpu_fd, KVM_RUN, 0) < 0)
		tap_bail("KVM_RUN");
	memcpy(&got, (u8 *)run + run->io.data_offset, sizeof(got));
	tap_ok(run->exit_reason == KVM_EXIT_IO && run->io.port == port &&
		       (value < 0 || got == value),
	       "%s", what);
	if (run->exit_reason != KVM_EXIT_IO)
		tap_note("exit reason %u", run->exit_reason);
	else if (run->io.port != port || (value >= 0 && got != value))
		tap_note("port %#x, value %#x", run->io.port, got);
}

/* --- KVM_SET_VAPIC_ADDR --------------------------------------------------- */

static long set_vapic(u64 addr)
{
	struct kvm_vapic_addr vapic = { .vapic_addr = addr };

	return ioctl(cpu_fd, KVM_SET_VAPIC_ADDR, &vapic);
}

static void vapic_errors(void)
{
	struct vm *bare = vm_new(RAM_SIZE);
	struct kvm_vapic_addr vapic = { .vapic_addr = 0 };

	vm_add_cpu(bare);
	EXPECT_ERRNO(ioctl(bare->cpu[0].fd, KVM_SET_VAPIC_ADDR, &vapic), EINVAL,
		     "KVM_SET_VAPIC_ADDR without an irqchip");
	vm_free(bare);
	tap_ok(vm_cap(vm->dev, KVM_CAP_VAPIC) == 1, "KVM_CAP_VAPIC");
	EXPECT_OK(set_vapic(0), "no address, when there was none");
	EXPECT_ERRNO(set_vapic(RAM_SIZE), EINVAL, "an address without memory");
	EXPECT_ERRNO(set_vapic(~0ull), EINVAL, "address -1");
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_VAPIC_ADDR, (void *)-4096l), EFAULT,
		     "KVM_SET_VAPIC_ADDR from nowhere");
	vm_set_region(vm->fd, 1, KVM_MEM_READONLY, 0x100000, 4096, vm->ram);
	EXPECT_ERRNO(set_vapic(0x100000), EINVAL, "an address in read-only memory");
	EXPECT_ERRNO(set_vapic(RAM_SIZE - 2), EINVAL, "a word that ends outside of memory");
}

static void vapic_word(void)
{
	prepare_lapic(0x70);
	signal_vector();
	EXPECT_OK(set_vapic(VAPIC), "KVM_SET_VAPIC_ADDR");
	vm_real_mode(vm, 0, CODE);
	expect_out(SHOW, 0x3070, "the guest sees the TPR and the class in service");
	expect_out(SHOW, VECTOR << 8, "and the vector that is requested");
	expect_out(MARK, -1, "it changes the TPR in memory");
	tap_ok(get_reg(REG_TPR) == 0x50, "the LAPIC has that TPR after the exit");
	tap_ok(run->cr8 == 5, "and so has kvm_run");
	expect_out(SHOW, VECTOR << 8, "the vector is requested still");
	expect_out(MARK, -1, "it lowers the TPR in memory, and sets IF");
	expect_out(INTERRUPTED, 0x4000, "after the next exit the interrupt comes");
}

/* Another VM gets the LAPIC's state and the address, as after a migration. */
static void vapic_moves(void)
{
	struct kvm_lapic_state lapic;
	struct vm *old = vm;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
	set_reg(&lapic, REG_TPR, 0x90);
	new_guest(vapic_code, sizeof(vapic_code));
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_LAPIC, &lapic), "another vCPU gets the LAPIC's state");
	EXPECT_OK(set_vapic(VAPIC), "and the address");
	vm_real_mode(vm, 0, CODE);
	expect_out(SHOW, 0x4090, "its guest sees them");
	EXPECT_OK(set_vapic(0), "the address is taken away");
	vm->ram[VAPIC] = 0x11;
	expect_out(SHOW, 0, "what the word has is not touched any more");
	expect_out(MARK, -1, "the guest writes a TPR there");
	tap_ok(get_reg(REG_TPR) == 0x90, "and the LAPIC does not care");
	vm_free(old);
}

/* --- KVM_TPR_ACCESS_REPORTING --------------------------------------------- */

static long report_tpr(u32 on, u32 flags)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = on, .flags = flags };

	return ioctl(cpu_fd, KVM_TPR_ACCESS_REPORTING, &ctl);
}

static void expect_access(u64 rip, bool write, const char *what)
{
	struct kvm_regs regs;

	if (ioctl(cpu_fd, KVM_RUN, 0) < 0 || ioctl(cpu_fd, KVM_GET_REGS, &regs) < 0)
		tap_bail("KVM_RUN");
	tap_ok(run->exit_reason == KVM_EXIT_TPR_ACCESS && run->tpr_access.rip == rip &&
		       run->tpr_access.is_write == write,
	       "%s", what);
	tap_ok(regs.rip == rip + 5, "the instruction is done");
	if (run->exit_reason != KVM_EXIT_TPR_ACCESS)
		tap_note("exit reason %u", run->exit_reason);
}

static void tpr_reporting(void)
{
	new_guest(tpr_code, sizeof(tpr_code));
	EXPECT_ERRNO(report_tpr(1, 1), EINVAL, "TPR reporting with flags");
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_TPR_ACCESS_REPORTING, (void *)-4096l), EFAULT,
		     "TPR reporting from nowhere");
	vm_flat_mode(vm, 0, CODE);
	expect_out(MARK, -1, "accesses to the TPR are nobody's business");
	EXPECT_OK(report_tpr(1, 0), "until userspace wants to know");
	vm_flat_mode(vm, 0, CODE);
	expect_access(TPR_READ, false, "a read is told");
	run->immediate_exit = 1;
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == -1 && errno == EINTR, "it is told once");
	run->immediate_exit = 0;
	expect_access(TPR_WRITE, true, "a write is told");
	tap_ok(get_reg(REG_TPR) == 0x20, "and in force");
	expect_out(MARK, -1, "the guest goes on");
	EXPECT_OK(report_tpr(0, 0), "userspace has seen enough");
	vm_flat_mode(vm, 0, CODE);
	expect_out(MARK, -1, "nothing is told");
	vm_free(vm);
}

/* --- the end of an interrupt in memory ------------------------------------ */

#define IDLE 0x700
#define EOI_HANDLER 0x720
#define EOI_BYTE 0x2100
#define HIGHER 0x52
#define LEVEL 0x53
#define MSR_PV_EOI 0x4b564d04
#define ENABLED 1
#define CPUID_PV_EOI 6

static const u8 idle_code[] = { 0xfb, 0xf4, 0xeb, 0xfd }; /* sti; hlt; jmp */

/*
 * out %al,$MARK; btrw $0,0x2100; mov $1,%al; jc 1f; EOI by the x2APIC MSR, AL is 0;
 * 1: out %al,$SHOW; iret
 */
static const u8 eoi_code[] = { 0xe6, MARK, 0x0f, 0xba, 0x36, 0x00, 0x21, 0x00, 0xb0, 0x01,
			       0x72, 0x0e, 0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00, 0x66, 0x31,
			       0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x30, 0xe6, SHOW, 0xcf };

static long move_msr(unsigned long request, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	long done = ioctl(cpu_fd, request, &msrs);

	*value = msrs.entry.data;
	return done;
}

static long set_msr(u32 index, u64 value)
{
	return move_msr(KVM_SET_MSRS, index, &value);
}

static u64 pv_eoi(void)
{
	u64 value = 0;

	if (move_msr(KVM_GET_MSRS, MSR_PV_EOI, &value) != 1)
		tap_bail("MSR_KVM_PV_EOI_EN");
	return value;
}

static void new_eoi_guest(void)
{
	static const u8 vectors[] = { VECTOR, HIGHER, LEVEL };

	new_guest(vapic_code, sizeof(vapic_code));
	memcpy(vm->ram + IDLE, idle_code, sizeof(idle_code));
	memcpy(vm->ram + EOI_HANDLER, eoi_code, sizeof(eoi_code));
	for (size_t i = 0; i < sizeof(vectors); i++)
		*(u32 *)(vm->ram + vectors[i] * 4) = EOI_HANDLER;
	if (set_msr(0x1b, 0xfee00d00) != 1)
		tap_bail("IA32_APIC_BASE");
	prepare_lapic(0);
	vm_real_mode(vm, 0, IDLE);
}

static void pv_eoi_errors(void)
{
	tap_ok(pv_eoi() == 0, "it is off after power-up");
	tap_ok(set_msr(MSR_PV_EOI, EOI_BYTE | 2 | ENABLED) == 0, "an address that is not aligned");
	tap_ok(set_msr(MSR_PV_EOI, RAM_SIZE | ENABLED) == 0, "one without memory");
	tap_ok(set_msr(MSR_PV_EOI, RAM_SIZE) == 1, "which is none while it is off");
	tap_ok(set_msr(MSR_PV_EOI, 0) == 1, "off");
}

static void send_vector(u32 data)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = data };

	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) != 1)
		tap_bail("KVM_SIGNAL_MSI");
}

static u32 in_service(void)
{
	return get_reg(REG_ISR + 0x20);
}

/* The handler runs from its mark to the end; it tells whether it did without the MSR. */
static void expect_end(u8 by_memory, const char *what)
{
	u64 before;

	expect_out(MARK, -1, "the handler runs");
	tap_ok(in_service() || dev_is_kvm(), "its interrupt is in service");
	before = stat_value(cpu_stats, "exit_wrmsr");
	if (ioctl(cpu_fd, KVM_RUN, 0) < 0)
		tap_bail("KVM_RUN");
	tap_ok(run->exit_reason == KVM_EXIT_IO && run->io.port == SHOW &&
		       *((u8 *)run + run->io.data_offset) == by_memory,
	       "%s", what);
	tap_ok(!(in_service() & ~(1u << (VECTOR - 64))), "it is in service no more");
	if (!dev_is_kvm())
		tap_ok(stat_value(cpu_stats, "exit_wrmsr") - before == !by_memory,
		       by_memory ? "without an exit for it" : "at the price of an exit");
	tap_ok(vm->ram[EOI_BYTE] == 0, "nothing is left in memory");
}

static void ends_by_memory(void)
{
	send_vector(HIGHER);
	expect_end(0, "without the MSR an interrupt ends in the LAPIC");
	tap_ok(set_msr(MSR_PV_EOI, EOI_BYTE | ENABLED) == 1, "the MSR is set");
	tap_ok(pv_eoi() == (EOI_BYTE | ENABLED), "and reads back");
	send_vector(HIGHER);
	expect_end(1, "then it ends in memory");
	send_vector(HIGHER);
	send_vector(VECTOR);
	expect_end(0, "not while another waits for it");
	expect_end(1, "whose own end does");
}

/* The IOAPIC is to hear of the end of what is level-triggered. */
static void level_ends_in_the_lapic(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_level line = { .irq = 5, .level = 1 };

	ioctl(vm->fd, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[5].bits = LEVEL | 1 << 15;
	EXPECT_OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), "a level-triggered pin");
	ioctl(vm->fd, KVM_IRQ_LINE, &line);
	expect_end(0, "its interrupt ends in the LAPIC");
	expect_end(0, "and comes again while the level is high");
	line.level = 0;
	ioctl(vm->fd, KVM_IRQ_LINE, &line);
	expect_end(0, "and once more, as it was when the last one ended");
}

/* The interrupt is in service, and its end was to be in memory. */
static void pv_eoi_moves(void)
{
	struct kvm_lapic_state lapic;
	struct vm *old = vm;
	struct kvm_regs regs;
	u64 msr;

	send_vector(HIGHER);
	expect_out(MARK, -1, "the handler runs");
	run->immediate_exit = 1;
	ioctl(cpu_fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	msr = pv_eoi();
	ioctl(cpu_fd, KVM_GET_LAPIC, &lapic);
	ioctl(cpu_fd, KVM_GET_REGS, &regs);
	tap_ok(in_service() && vm->ram[EOI_BYTE] == 0, "its state is in the LAPIC alone");
	new_eoi_guest();
	memcpy(vm->ram, old->ram, RAM_SIZE);
	tap_ok(set_msr(MSR_PV_EOI, msr) == 1, "another vCPU gets the MSR");
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_LAPIC, &lapic), "the LAPIC");
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_REGS, &regs), "and the registers");
	expect_out(SHOW, -1, "the handler goes on");
	tap_ok(*((u8 *)run + run->io.data_offset) == 1 && !in_service(),
	       "and ends its interrupt in memory");
	vm_free(old);
}

static void init_ends_it(void)
{
	send_vector(5 << 8);
	ioctl(cpu_fd, KVM_RUN, 0);
	tap_ok(pv_eoi() == 0, "INIT switches it off");
}

static bool pv_eoi_is_offered(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} c = { .head.nent = 256 };

	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &c) < 0)
		tap_bail("KVM_GET_SUPPORTED_CPUID");
	for (u32 i = 0; i < c.head.nent; i++)
		if (c.entries[i].function == 0x40000001)
			return c.entries[i].eax >> CPUID_PV_EOI & 1;
	return false;
}

static void eoi_in_memory(void)
{
	new_eoi_guest();
	tap_ok(pv_eoi_is_offered(), "CPUID offers the end of interrupts in memory");
	cpu_stats = ioctl(cpu_fd, KVM_GET_STATS_FD, 0);
	pv_eoi_errors();
	ends_by_memory();
	level_ends_in_the_lapic();
	close(cpu_stats);
	pv_eoi_moves();
	init_ends_it();
	vm_free(vm);
}

int main(void)
{
	new_guest(vapic_code, sizeof(vapic_code));
	vapic_errors();
	vapic_word();
	vapic_moves();
	vm_free(vm);
	tpr_reporting();
	eoi_in_memory();
	return tap_done();
}
