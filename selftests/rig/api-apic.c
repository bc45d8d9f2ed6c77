// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest and its LAPIC say to each other without an exit, and what userspace is
 * told of it: KVM_SET_VAPIC_ADDR, KVM_TPR_ACCESS_REPORTING.
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

int main(void)
{
	new_guest(vapic_code, sizeof(vapic_code));
	vapic_errors();
	vapic_word();
	vapic_moves();
	vm_free(vm);
	tpr_reporting();
	return tap_done();
}
