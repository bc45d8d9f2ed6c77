// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: breakpoints of both kinds, single steps, and what the
 * guest notices of it, which is nothing.
 */
#include <string.h>
#include "vm.h"

#define CODE 0x500
#define NOPS 3 /* then: movb $7,0x900; int3; out %al,$0x10; hlt */
#define STORE (CODE + NOPS)
#define INT3 (STORE + 5)
#define OUT (INT3 + 1)
#define FLAG_TF 0x100
#define BP_HANDLER 0x700 /* out %al,$0x11; iret */

static struct vm *vm;
static struct kvm_run *run;
static int fd;

static const u8 code[] = { 0x90, 0x90, 0x90, 0xc6, 0x06, 0x00, 0x09, 0x07, 0xcc, 0xe6, 0x10, 0xf4 };
static const u8 handler[] = { 0xe6, 0x11, 0xcf };

static int debug(u32 control, u64 dr7, u64 dr0)
{
	struct kvm_guest_debug dbg = { .control = control };

	if (control)
		dbg.control |= KVM_GUESTDBG_ENABLE;
	dbg.arch.debugreg[7] = dr7;
	dbg.arch.debugreg[0] = dr0;
	return ioctl(fd, KVM_SET_GUEST_DEBUG, &dbg);
}

static u64 rip(void)
{
	struct kvm_regs regs;

	ioctl(fd, KVM_GET_REGS, &regs);
	return regs.rip;
}

static void start(void)
{
	run->immediate_exit = 1; /* what the last exit left open ends first */
	ioctl(fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	vm_real_mode(vm, 0, CODE);
}

static u32 go(void)
{
	return ioctl(fd, KVM_RUN, 0) ? 0xffff : run->exit_reason;
}

static void expect_port(u16 port, const char *what)
{
	u32 reason = go();

	tap_ok(reason == KVM_EXIT_IO && run->io.port == port, "%s", what);
	if (reason != KVM_EXIT_IO || run->io.port != port)
		tap_note("exit %u at %#lx", reason, rip());
}

static void expect_debug(u32 exception, u64 pc, u64 dr6, const char *what)
{
	u32 reason = go();
	bool good = reason == KVM_EXIT_DEBUG && run->debug.arch.exception == exception &&
		    run->debug.arch.pc == pc && (run->debug.arch.dr6 & 0x400f) == dr6;

	tap_ok(good, "%s", what);
	if (!good)
		tap_note("exit %u, exception %u at %llx, dr6 %llx", reason,
			 run->debug.arch.exception, run->debug.arch.pc, run->debug.arch.dr6);
}

static void software_breakpoints(void)
{
	start();
	expect_port(0x11, "without a debugger INT3 is the guest's");
	expect_port(0x10, "which goes on after it");
	EXPECT_OK(debug(KVM_GUESTDBG_USE_SW_BP, 0, 0), "software breakpoints");
	start();
	expect_debug(3, INT3, 0, "INT3 is the debugger's, and RIP is at it");
	debug(0, 0, 0);
	expect_port(0x11, "run again without one it is the guest's");
	expect_port(0x10, "and ends well");
}

/* The first of all, as the length of an INT3 of the guest's would do for this one. */
static void given_back(void)
{
	EXPECT_OK(debug(KVM_GUESTDBG_USE_SW_BP, 0, 0), "software breakpoints");
	start();
	expect_debug(3, INT3, 0, "INT3 is the debugger's");
	EXPECT_OK(debug(KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP, 0, 0),
		  "which gives it back, as it is none of its own");
	expect_port(0x11, "the guest's handler has it");
	expect_port(0x10, "and returns behind INT3");
	debug(0, 0, 0);
}

static void hardware_breakpoints(void)
{
	EXPECT_OK(debug(KVM_GUESTDBG_USE_HW_BP, 0x402, CODE + 2), "a breakpoint on an instruction");
	start();
	expect_debug(1, CODE + 2, 1, "stops before it");
	EXPECT_OK(debug(KVM_GUESTDBG_USE_HW_BP, 0x10402, 0x900), "one on a byte that is written");
	start();
	vm->ram[0x900] = 0;
	expect_debug(1, STORE + 5, 1, "stops after the write");
	tap_ok(vm->ram[0x900] == 7, "which has happened");
	debug(0, 0, 0);
	expect_port(0x11, "without it the guest goes on");
}

static void single_steps(void)
{
	struct kvm_regs regs;

	start(); /* first: steps begin where RIP is when they are asked for */
	EXPECT_OK(debug(KVM_GUESTDBG_SINGLESTEP, 0, 0), "single steps");
	for (int i = 1; i <= NOPS; i++)
		expect_debug(1, CODE + i, 0x4000, "a step is one instruction");
	expect_debug(1, STORE + 5, 0x4000, "a step over a store");
	ioctl(fd, KVM_GET_REGS, &regs);
	tap_ok(!(regs.rflags & 0x100), "RFLAGS.TF is not to be seen");
	debug(0, 0, 0);
	expect_port(0x11, "without a debugger the guest goes on");
	expect_port(0x10, "to its end");
}

/* An NMI waits for nobody, but an interrupt does. */
static void steps_without_interrupts(void)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct kvm_regs regs;

	*(u32 *)(vm->ram + 0x40 * 4) = BP_HANDLER;
	start();
	ioctl(fd, KVM_GET_REGS, &regs);
	regs.rflags |= 0x200;
	ioctl(fd, KVM_SET_REGS, &regs);
	EXPECT_OK(debug(KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ, 0, 0),
		  "steps that hold interrupts back");
	EXPECT_OK(ioctl(fd, KVM_INTERRUPT, &irq), "an interrupt");
	expect_debug(1, CODE + 1, 0x4000, "the step does not go into its handler");
	debug(0, 0, 0);
	expect_port(0x11, "without a debugger the handler is next");
}

static void injection(void)
{
	start();
	*(u32 *)(vm->ram + 1 * 4) = BP_HANDLER;
	EXPECT_OK(debug(KVM_GUESTDBG_INJECT_DB, 0, 0), "#DB is injected");
	EXPECT_ERRNO(debug(KVM_GUESTDBG_INJECT_BP, 0, 0), EBUSY, "#BP while it is pending");
	expect_port(0x11, "it arrives");
	start();
	EXPECT_OK(debug(KVM_GUESTDBG_INJECT_BP, 0, 0), "#BP is injected");
	expect_port(0x11, "it arrives");
	debug(0, 0, 0);
}

/* What waits when OUT is done, with these flags. */
static struct kvm_vcpu_events events_after_out(u64 rflags)
{
	struct kvm_vcpu_events events = {};
	struct kvm_regs regs;

	start();
	ioctl(fd, KVM_GET_REGS, &regs);
	regs.rip = OUT;
	regs.rflags |= rflags;
	ioctl(fd, KVM_SET_REGS, &regs);
	expect_port(0x10, "OUT exits");
	run->immediate_exit = 1;
	ioctl(fd, KVM_RUN, 0);
	run->immediate_exit = 0;
	if (ioctl(fd, KVM_GET_VCPU_EVENTS, &events))
		tap_bail("KVM_GET_VCPU_EVENTS");
	return events;
}

/*
 * The trap that is due after OUT would be lost to who moves the vCPU then. It is asked for here,
 * as an emulated processor may make up for it where it has just mapped the guest's memory.
 */
static void due_trap(void)
{
	struct kvm_vcpu_events events = events_after_out(FLAG_TF);
	struct kvm_debugregs regs = {};

	tap_ok(events.exception.injected && events.exception.nr == 1,
	       "the trap after an instruction that is done is an event");
	ioctl(fd, KVM_GET_DEBUGREGS, &regs);
	tap_ok((regs.dr6 & 0x400f) == 0x4000, "DR6 has it");
	expect_port(0x11, "the guest takes it");
	events = events_after_out(0);
	tap_ok(!events.exception.injected, "without RFLAGS.TF none is due");
}

int main(void)
{
	vm = vm_new(1 << 20);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	memcpy(vm->ram + CODE, code, sizeof(code));
	memcpy(vm->ram + BP_HANDLER, handler, sizeof(handler));
	*(u32 *)(vm->ram + 3 * 4) = BP_HANDLER;
	given_back();
	software_breakpoints();
	hardware_breakpoints();
	single_steps();
	steps_without_interrupts();
	injection();
	*(u32 *)(vm->ram + 1 * 4) = BP_HANDLER;
	due_trap();
	vm_free(vm);
	return tap_done();
}
