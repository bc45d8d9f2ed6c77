// SPDX-License-Identifier: GPL-2.0-only
/*
 * What userspace sees of instructions that L0 emulates: each access to device
 * memory or a port, once and in order, with the right data; and what the
 * guest sees of the answers. A case is one instruction followed by HLT.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "vm.h"

#define RAM (1u << 20)
#define CODE 0x1000
#define ROM 0x80000 /* a read-only slot of one page, over RAM */
#define DEVICE 0x10000000
#define DEVICE_SIZE 0x2000
#define DF 0x400

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;
static u8 device[DEVICE_SIZE];
static char transcript[4096];

struct testcase {
	const char *name;
	const char *code; /* hexadecimal */
	struct {
		u32 eax, ecx, edx, ebx, esi, edi, eflags;
	} in;
	const char *accesses;
	struct {
		u32 eax, ecx, esi, edi;
	} out;
};

/* Device memory holds its offset in each byte; ports are read as their number. */
static const struct testcase cases[] = {
	{ "load of 4 bytes",
	  "8b 07",
	  { .edi = DEVICE + 4 },
	  "r4+4 ",
	  { .eax = 0x07060504, .edi = DEVICE + 4 } },
	{ "load of a byte keeps the rest",
	  "8a 27",
	  { .eax = 0x11223344, .edi = DEVICE + 9 },
	  "r9+1 ",
	  { .eax = 0x11220944, .edi = DEVICE + 9 } },
	{ "sign extension",
	  "0f be 07",
	  { .edi = DEVICE + 0x90 },
	  "r90+1 ",
	  { .eax = 0xffffff90, .edi = DEVICE + 0x90 } },
	{ "store of 4 bytes reads nothing",
	  "89 07",
	  { .eax = 0xabcd, .edi = DEVICE },
	  "w0+4=abcd ",
	  { .eax = 0xabcd, .edi = DEVICE } },
	{ "store of an immediate",
	  "66 c7 07 34 12",
	  { .edi = DEVICE + 2 },
	  "w2+2=1234 ",
	  { .edi = DEVICE + 2 } },
	{ "read, modify, write",
	  "81 0f 00 00 00 80",
	  { .edi = DEVICE },
	  "r0+4 w0+4=83020100 ",
	  { .edi = DEVICE } },
	{ "locked increment",
	  "f0 ff 07",
	  { .edi = DEVICE + 8 },
	  "r8+4 w8+4=b0a0909 ",
	  { .edi = DEVICE + 8 } },
	{ "comparison does not write", "83 3f 00", { .edi = DEVICE }, "r0+4 ", { .edi = DEVICE } },
	{ "exchange",
	  "87 07",
	  { .eax = 5, .edi = DEVICE },
	  "r0+4 w0+4=5 ",
	  { .eax = 0x03020100, .edi = DEVICE } },
	{ "store across a page",
	  "89 07",
	  { .eax = 0x44332211, .edi = DEVICE + 0xffd },
	  "wffd+3=332211 w1000+1=44 ",
	  { .eax = 0x44332211, .edi = DEVICE + 0xffd } },
	{ "load across a page",
	  "8b 07",
	  { .edi = DEVICE + 0xffe },
	  "rffe+2 r1000+2 ",
	  { .eax = 0x0100fffe, .edi = DEVICE + 0xffe } },
	{ "rep stos",
	  "f3 ab",
	  { .eax = 7, .ecx = 3, .edi = DEVICE },
	  "w0+4=7 w4+4=7 w8+4=7 ",
	  { .eax = 7, .edi = DEVICE + 12 } },
	{ "rep stos backwards",
	  "fd f3 aa",
	  { .eax = 7, .ecx = 2, .edi = DEVICE + 1 },
	  "w1+1=7 w0+1=7 ",
	  { .eax = 7, .edi = DEVICE - 1 } },
	{ "rep movs to RAM",
	  "f3 a5",
	  { .ecx = 2, .esi = DEVICE, .edi = 0x3000 },
	  "r0+4 r4+4 ",
	  { .esi = DEVICE + 8, .edi = 0x3008 } },
	{ "rep movs within the device",
	  "f3 a5",
	  { .ecx = 2, .esi = DEVICE, .edi = DEVICE + 0x100 },
	  "r0+4 w100+4=3020100 r4+4 w104+4=7060504 ",
	  { .esi = DEVICE + 8, .edi = DEVICE + 0x108 } },
	{ "lods", "ac", { .esi = DEVICE + 3 }, "r3+1 ", { .eax = 3, .esi = DEVICE + 4 } },
	{ "repe cmps stops at the difference",
	  "f3 a6",
	  { .ecx = 9, .esi = DEVICE, .edi = 0x3000 },
	  "r0+1 r1+1 ",
	  { .ecx = 7, .esi = DEVICE + 2, .edi = 0x3002 } },
	{ "store to a read-only slot",
	  "89 07",
	  { .eax = 9, .edi = ROM },
	  "W80000+4=9 ",
	  { .eax = 9, .edi = ROM } },
	{ "read, modify, write of a read-only slot",
	  "fe 07",
	  { .edi = ROM },
	  "W80000+1=22 ",
	  { .edi = ROM } },
	{ "push", "ff 37 58", { .edi = DEVICE }, "r0+4 ", { .eax = 0x03020100, .edi = DEVICE } },
	{ "pop", "68 44 33 22 11 8f 07", { .edi = DEVICE }, "w0+4=11223344 ", { .edi = DEVICE } },
	{ "call of 16 bits, to CODE + 15",
	  "66 ff 17 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 66 58",
	  { .edi = DEVICE + 0xf },
	  "rf+2 ",
	  { .eax = 0x1003, .edi = DEVICE + 0xf } },
	{ "jmp of 16 bits",
	  "66 ff 27 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 f4 40",
	  { .edi = DEVICE + 0xf },
	  "rf+2 ",
	  { .eax = 1, .edi = DEVICE + 0xf } },
	/* Ports */
	{ "in", "e4 40", { .eax = 0x11223344 }, "i40.1 ", { .eax = 0x11223340 } },
	{ "in of 4 bytes", "ed", { .edx = 0x123 }, "i123.4 ", { .eax = 0x123 } },
	{ "out of 2 bytes",
	  "66 ef",
	  { .eax = 0x11223344, .edx = 0x123 },
	  "o123.2=3344 ",
	  { .eax = 0x11223344 } },
	{ "rep ins",
	  "f3 66 6d",
	  { .ecx = 3, .edx = 0x123, .edi = 0x3000 },
	  "i123.2 i123.2 i123.2 ",
	  { .edi = 0x3006 } },
	{ "rep ins across a page",
	  "f3 66 6d",
	  { .ecx = 3, .edx = 0x123, .edi = 0x3ffd },
	  "i123.2 i123.2 i123.2 ",
	  { .edi = 0x4003 } },
	{ "rep outs",
	  "f3 6f",
	  { .ecx = 2, .edx = 0x123, .esi = 0x2000 },
	  "o123.4=44332211 o123.4=88776655 ",
	  { .esi = 0x2008 } },
	{ "rep outs backwards",
	  "fd f3 6e",
	  { .ecx = 2, .edx = 0x123, .esi = 0x2001 },
	  "o123.1=22 o123.1=11 ",
	  { .esi = 0x1fff } },
	{ "rep outs of nothing", "f3 6e", { .edx = 0x123, .esi = 0x2000 }, "", { .esi = 0x2000 } },
};

static void note_access(const char *fmt, ...)
{
	size_t used = strlen(transcript);
	va_list args;

	va_start(args, fmt);
	vsnprintf(transcript + used, sizeof(transcript) - used, fmt, args);
	va_end(args);
}

static u64 number(const void *data, int len)
{
	u64 value = 0;

	memcpy(&value, data, len);
	return value;
}

static void serve_mmio(void)
{
	u64 at = run->mmio.phys_addr, value = number(run->mmio.data, run->mmio.len);
	bool ours = at >= DEVICE && at + run->mmio.len <= DEVICE + DEVICE_SIZE;

	if (!ours)
		note_access("%c%llx+%u=%llx ", run->mmio.is_write ? 'W' : 'R', (long long)at,
			    run->mmio.len, (long long)value);
	else if (run->mmio.is_write)
		note_access("w%llx+%u=%llx ", (long long)at - DEVICE, run->mmio.len,
			    (long long)value);
	else
		note_access("r%llx+%u ", (long long)at - DEVICE, run->mmio.len);
	if (ours && run->mmio.is_write)
		memcpy(device + (at - DEVICE), run->mmio.data, run->mmio.len);
	else if (ours)
		memcpy(run->mmio.data, device + (at - DEVICE), run->mmio.len);
}

static void serve_io(void)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 i, port = run->io.port;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			note_access("o%x.%u=%llx ", port, run->io.size,
				    (long long)number(data, run->io.size));
		} else {
			note_access("i%x.%u ", port, run->io.size);
			memcpy(data, &port, run->io.size);
		}
	}
}

static size_t put_code(const char *text, u8 *at)
{
	size_t n = 0;
	char *end;

	for (; *text; text = end + (*end == ' '))
		at[n++] = strtoul(text, &end, 16);
	at[n] = 0xf4;
	return n;
}

static void start(const struct testcase *c)
{
	struct kvm_regs regs = {
		.rax = c->in.eax,
		.rcx = c->in.ecx,
		.rdx = c->in.edx,
		.rbx = c->in.ebx,
		.rsi = c->in.esi,
		.rdi = c->in.edi,
		.rflags = 2 | c->in.eflags,
		.rip = CODE,
		.rsp = 0x7000,
	};
	size_t i;

	for (i = 0; i < sizeof(device); i++)
		device[i] = i == 0xfff ? 0xff : i;
	for (i = 0; i < 8; i++)
		vm->ram[0x2000 + i] = 0x11 * (i + 1);
	memset(vm->ram + 0x3000, 0, 0x2000);
	memset(vm->ram + ROM, 0x21, 0x1000);
	transcript[0] = 0;
	put_code(c->code, vm->ram + CODE);
	ioctl(cpu_fd, KVM_SET_REGS, &regs);
}

/* Return: whether the guest came to its HLT. */
static bool go(void)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (ioctl(cpu_fd, KVM_RUN, 0)) {
			tap_note("KVM_RUN: %s", strerror(errno));
			return false;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO: serve_mmio(); break;
		case KVM_EXIT_IO: serve_io(); break;
		case KVM_EXIT_HLT: return true;
		default:
			tap_note("exit %u, %llx", run->exit_reason, run->hw.hardware_exit_reason);
			return false;
		}
	}
	return false;
}

static void run_case(const struct testcase *c)
{
	struct kvm_regs regs;
	bool good, same;

	start(c);
	good = go();
	ioctl(cpu_fd, KVM_GET_REGS, &regs);
	same = regs.rax == c->out.eax && regs.rcx == c->out.ecx && regs.rsi == c->out.esi &&
	       regs.rdi == c->out.edi;
	tap_ok(good && same && !strcmp(transcript, c->accesses), "%s", c->name);
	if (strcmp(transcript, c->accesses))
		tap_note("saw '%s', not '%s'", transcript, c->accesses);
	if (!same)
		tap_note("eax %llx ecx %llx esi %llx edi %llx", regs.rax, regs.rcx, regs.rsi,
			 regs.rdi);
}

static void check_ram_after(void)
{
	tap_ok(vm->ram[0x3ffd] == 0x23 && vm->ram[0x4002] == 0x01, "ins wrote on both pages");
}

/* What nobody can emulate is an error that shows the bytes, and ends nothing. */
static void unknown_instruction(void)
{
	static const struct testcase fld = { "", "d9 07", { .edi = DEVICE }, "", { 0 } };
	int bytes;

	start(&fld);
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_INTERNAL_ERROR,
	       "fld of device memory is an internal error");
	if (run->exit_reason != KVM_EXIT_INTERNAL_ERROR)
		return;
	tap_ok(run->emulation_failure.suberror == KVM_INTERNAL_ERROR_EMULATION, "of emulation");
	bytes = run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	tap_ok(bytes && run->emulation_failure.insn_bytes[0] == 0xd9 &&
		       run->emulation_failure.insn_bytes[1] == 0x07,
	       "with its bytes");
	if (!dev_is_kvm())
		tap_note("reason: %s", (char *)&run->internal.data[3]);
}

/* A jump to a TSS would switch tasks: no instruction's bytes are told, as there are no flags. */
static void task_switch(void)
{
	static const struct testcase jump = { "", "ea 00 00 00 00 18 00", { 0 }, "", { 0 } };
	static const u64 tss = 0x0000890050000067; /* available, at 0x5000 */
	struct kvm_sregs s, flat;

	start(&jump);
	ioctl(cpu_fd, KVM_GET_SREGS, &flat);
	s = flat;
	s.gdt.base = 0x4000;
	s.gdt.limit = 0x1f;
	memcpy(vm->ram + 0x4018, &tss, sizeof(tss));
	ioctl(cpu_fd, KVM_SET_SREGS, &s);
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
		       run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION,
	       "a task switch is an error of emulation");
	tap_ok(!run->internal.ndata, "without data");
	tap_note("exit %u, %u data", run->exit_reason, run->internal.ndata);
	ioctl(cpu_fd, KVM_SET_SREGS, &flat);
}

/* Writes to a coalesced zone are no exits; they are in the ring, in order. */
static void coalesced(void)
{
	static const struct testcase stos = { "",
					      "f3 ab",
					      { .eax = 6, .ecx = 3, .edi = DEVICE + 0x10 },
					      "",
					      { 0 } };
	struct kvm_coalesced_mmio_zone zone = { .addr = DEVICE + 0x10, .size = 8 };
	struct kvm_coalesced_mmio_ring *ring;
	int page = vm_cap(vm->fd, KVM_CAP_COALESCED_MMIO);

	if (page <= 0) {
		tap_skip("no KVM_CAP_COALESCED_MMIO", "coalesced writes");
		return;
	}
	ring = (void *)((u8 *)run + page * 4096);
	EXPECT_OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone), "register a zone");
	start(&stos);
	tap_ok(go() && !strcmp(transcript, "w18+4=6 "), "only the write outside is an exit");
	tap_ok(ring->first == 0 && ring->last == 2, "two writes are in the ring");
	tap_ok(ring->coalesced_mmio[1].phys_addr == DEVICE + 0x14 &&
		       ring->coalesced_mmio[1].len == 4 && ring->coalesced_mmio[1].data[0] == 6,
	       "the second is as the guest wrote it");
	EXPECT_OK(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone), "unregister it");
	start(&stos);
	tap_ok(go() && strlen(transcript) > 20, "then each write is an exit again");
}

int main(void)
{
	size_t i;
	int cpu;

	vm = vm_new(RAM);
	cpu = vm_add_cpu(vm);
	cpu_fd = vm->cpu[cpu].fd;
	run = vm->cpu[cpu].run;
	vm_set_cpuid(vm, cpu, false);
	/* RAM again without the page that becomes the read-only slot. */
	vm_set_region(vm->fd, 0, 0, 0, 0, NULL);
	if (vm_set_region(vm->fd, 0, 0, 0, ROM, vm->ram) ||
	    vm_set_region(vm->fd, 1, KVM_MEM_READONLY, ROM, 0x1000, vm->ram + ROM))
		tap_bail("slots");
	vm_flat_mode(vm, cpu, CODE);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		run_case(&cases[i]);
		if (!strcmp(cases[i].name, "rep ins across a page"))
			check_ram_after();
	}
	coalesced();
	unknown_instruction();
	if (!dev_is_kvm()) /* which does it */
		task_switch();
	vm_free(vm);
	return tap_done();
}
