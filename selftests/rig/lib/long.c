// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU in 64-bit mode, as an L1 wants it. */
#include <string.h>
#include "vm.h"

static void put_tables(struct vm *vm)
{
	u64 *table = (u64 *)(vm->ram + LONG_TABLES);

	memset(table, 0, 0x3000);
	table[0] = (LONG_TABLES + 0x1000) | 3;
	table[512] = (LONG_TABLES + 0x2000) | 3;
	for (u64 i = 0; i < 512; i++)
		table[1024 + i] = i << 21 | 0x83;
}

/* Each vector goes to the same handler. */
static void put_descriptors(struct vm *vm, u32 handler)
{
	u64 *gdt = (u64 *)(vm->ram + LONG_GDT), *idt = (u64 *)(vm->ram + LONG_IDT);

	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	for (int i = 0; i < LONG_VECTORS; i++) {
		idt[2 * i] = 0x8e0000080000 | (handler & 0xffff) | (u64)(handler >> 16) << 48;
		idt[2 * i + 1] = 0;
	}
}

static struct kvm_segment flat(u16 selector, u8 type, bool l)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = ~0u,
		.type = type,
		.present = 1,
		.s = 1,
		.db = !l,
		.l = l,
		.g = 1,
	};
}

void vm_long_mode(struct vm *vm, int cpu, u32 handler)
{
	struct kvm_sregs s;

	put_tables(vm);
	put_descriptors(vm, handler);
	if (ioctl(vm->cpu[cpu].fd, KVM_GET_SREGS, &s))
		tap_bail("KVM_GET_SREGS");
	s.cs = flat(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = flat(16, 3, false);
	s.cr0 = LONG_CR0;
	s.cr3 = LONG_TABLES;
	s.cr4 = LONG_CR4;
	s.efer = 0x500;
	s.gdt = (struct kvm_dtable){ .base = LONG_GDT, .limit = 23 };
	s.idt = (struct kvm_dtable){ .base = LONG_IDT, .limit = LONG_VECTORS * 16 - 1 };
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_SREGS, &s))
		tap_bail("KVM_SET_SREGS");
}
