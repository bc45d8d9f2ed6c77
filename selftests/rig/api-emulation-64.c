// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions on device memory in 64-bit mode, by L1 and by L2: what userspace sees of
 * each, and what is in RAX when HLT comes. RDI is the device's address.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "l1.h"

#define CODE 0x4000
#define DEVICE 0x10000000
#define DEVICE_SIZE 0x100
#define NOT_CANONICAL 0x0706050403020100 /* what the device holds at first */

/* AT_STEP: a trap before RAX changes. AT_BRANCH: so, in L1 only: L2's WRMSR exits. */
enum outcome { AT_HLT, AT_FAULT, AT_ERROR, AT_STEP, AT_BRANCH };

static const struct testcase {
	const char *name, *code, *accesses;
	enum outcome outcome;
	u64 rax;
} cases[] = {
	{ "push", "ff 37 58", "r0+8 ", AT_HLT, NOT_CANONICAL },
	{ "push of 16 bits", "31 c0 66 ff 77 04 66 58", "r4+2 ", AT_HLT, 0x504 },
	{ "pop", "68 44 33 22 11 8f 47 08 31 c0", "w8+8=11223344 ", AT_HLT, 0 },
	{ "call goes there and back", "48 c7 07 10 40 00 00 ff 17 f4 0f 0b 0f 0b 0f 0b 58",
	  "w0+8=4010 r0+8 ", AT_HLT, CODE + 9 },
	{ "jmp", "48 c7 07 10 40 00 00 ff 27 0f 0b 0f 0b 0f 0b 0f b8 05 00 00 00",
	  "w0+8=4010 r0+8 ", AT_HLT, 5 },
	{ "call of what is no address", "ff 17", "r0+8 ", AT_FAULT, 0 },
	{ "jmp to what is no address", "ff 27", "r0+8 ", AT_FAULT, 0 },
	{ "jmp traps with TF", "48 c7 07 14 40 00 00 b8 02 00 00 00 68 02 01 00 00 9d ff 27 31 c0",
	  "w0+8=4014 r0+8 ", AT_STEP, 2 },
	{ "jmp traps with TF and BTF",
	  "48 c7 07 1d 40 00 00 b9 d9 01 00 00 31 d2 b8 02 00 00 00 0f 30 68 02 01 00 00 9d "
	  "ff 27 31 c0",
	  "w0+8=401d r0+8 ", AT_BRANCH, 2 },
	{ "tzcnt", "f3 0f bc 47 04", "r4+4 ", AT_HLT, 2 },
	{ "lzcnt", "f3 48 0f bd 07", "r0+8 ", AT_HLT, 5 },
	{ "crc32", "31 c0 f2 0f 38 f1 47 04", "r4+4 ", AT_HLT, 0xfdb8324e },
	{ "a far call", "ff 1f", "", AT_ERROR, 0 },
	{ "an x87 load", "d9 07", "", AT_ERROR, 0 },
};

extern const u8 l1_code[], l1_exit[], handler[], code_end[];

/*
 * A fault goes to the handler; L1 intercepts none, and an exit of L2 is not expected.
 */
asm(".pushsection .rodata\n"
    "l1_code:" L1_ENTERS "l1_exit: mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21; hlt\n"
    "handler: out %al, $0x23; hlt\n"
    "code_end:\n"
    ".popsection\n");

static u8 device[DEVICE_SIZE];
static char transcript[512];

static void must(int r, const char *what)
{
	if (r < 0)
		tap_bail(what);
}

static size_t put_code(const char *text, u8 *at)
{
	static const u8 to_device[] = { 0xbf, 0, 0, 0, 0x10 }; /* mov $DEVICE, %edi */
	size_t n = 0;
	char *end;

	for (; *text; text = end + (*end == ' '))
		at[n++] = strtoul(text, &end, 16);
	at[n] = 0xf4;
	memcpy(at - sizeof(to_device), to_device, sizeof(to_device));
	return n;
}

static struct vm *new_machine(bool in_l2)
{
	struct vm *vm = vm_new(L1_RAM);
	struct l1_setup setup = {
		.exit_rip = L1_CODE + (l1_exit - l1_code),
		.l2_rip = CODE - 5,
	};
	struct kvm_regs regs;

	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true);
	memcpy(vm->ram + L1_HANDLER, handler, code_end - handler);
	if (in_l2) {
		l1_put(vm, &setup, l1_code, code_end - l1_code);
		return vm;
	}
	vm_long_mode(vm, 0, L1_HANDLER);
	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	regs.rip = CODE - 5;
	regs.rsp = L1_STACK;
	if (ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
	return vm;
}

static void serve(struct kvm_run *run)
{
	u64 at = run->mmio.phys_addr - DEVICE, value = 0;
	size_t used = strlen(transcript);
	char *end = transcript + used;

	memcpy(&value, run->mmio.data, run->mmio.len);
	if (at > DEVICE_SIZE - run->mmio.len) {
		snprintf(end, sizeof(transcript) - used, "?%llx ", run->mmio.phys_addr);
	} else if (run->mmio.is_write) {
		snprintf(end, sizeof(transcript) - used, "w%llx+%u=%llx ", (long long)at,
			 run->mmio.len, (long long)value);
		memcpy(device + at, run->mmio.data, run->mmio.len);
	} else {
		snprintf(end, sizeof(transcript) - used, "r%llx+%u ", (long long)at, run->mmio.len);
		memcpy(run->mmio.data, device + at, run->mmio.len);
	}
}

static void run_case(const struct testcase *c, bool in_l2)
{
	static const u32 exits[] = { KVM_EXIT_HLT, KVM_EXIT_IO, KVM_EXIT_INTERNAL_ERROR,
				     KVM_EXIT_IO, KVM_EXIT_IO };
	struct vm *vm = new_machine(in_l2);
	struct kvm_run *run = vm->cpu[0].run;
	enum outcome want = c->outcome;
	struct kvm_regs regs = {};
	bool good;
	int i, reason;

	if (in_l2 && want == AT_ERROR)
		want = AT_FAULT; /* #UD: an L2 must not end the VM */
	for (i = 0; i < DEVICE_SIZE; i++)
		device[i] = i;
	transcript[0] = 0;
	put_code(c->code, vm->ram + CODE);
	for (i = 0; (reason = vm_run(vm, 0)) == KVM_EXIT_MMIO && i < 10; i++)
		serve(run);
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	good = reason == (int)exits[want];
	if (good && want == AT_HLT)
		good = regs.rax == c->rax;
	else if (good && want != AT_ERROR)
		good = run->io.port == 0x23 && (want == AT_FAULT || regs.rax == c->rax);
	else if (good)
		good = run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION;
	good = good && !strcmp(transcript, c->accesses);
	tap_ok(good, "%s: %s", in_l2 ? "L2" : "L1", c->name);
	if (!good)
		tap_note("exit %d, rip %llx, rax %llx, '%s'", reason, regs.rip, regs.rax,
			 transcript);
	vm_free(vm);
}

/* The guest is told fewer bits of physical address than the processor has. */
#define GUEST_WIDTH 32
#define BEYOND 0xa00000 /* linear: of a 2 MiB page with a bit that is reserved for the guest */

static void reserved_bit(void)
{
	static const u8 code[] = { 0x8b, 0x04, 0x25, 0, 0, 0xa0, 0, 0xf4 }; /* mov BEYOND, %eax */
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[100];
	} cpuid = { .head.nent = 100 };
	struct vm *vm = new_machine(false);
	u64 entry = 1ull << GUEST_WIDTH | 0x83;
	struct kvm_regs regs;
	int reason;

	must(ioctl(vm->cpu[0].fd, KVM_GET_CPUID2, &cpuid), "KVM_GET_CPUID2");
	for (u32 i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == 0x80000008)
			cpuid.entry[i].eax = (cpuid.entry[i].eax & ~0xffu) | GUEST_WIDTH;
	must(ioctl(vm->cpu[0].fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	memcpy(vm->ram + CODE - 5, code, sizeof(code));
	memcpy(vm->ram + LONG_TABLES + 0x2000 + (BEYOND >> 21) * 8, &entry, sizeof(entry));
	reason = vm_run(vm, 0);
	tap_ok(reason == KVM_EXIT_IO && vm->cpu[0].run->io.port == 0x23,
	       "a bit that is reserved for the guest alone is a fault, no device");
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	if (reason == KVM_EXIT_IO)
		memcpy(&entry, vm->ram + regs.rsp, sizeof(entry));
	tap_ok(reason == KVM_EXIT_IO && entry == 9, "#PF with present and reserved: %#llx",
	       (long long)entry);
	vm_free(vm);
}

int main(void)
{
	for (int level = 0; level < 2; level++)
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			if (!level || cases[i].outcome != AT_BRANCH)
				run_case(&cases[i], level);
	reserved_bit();
	return tap_done();
}
