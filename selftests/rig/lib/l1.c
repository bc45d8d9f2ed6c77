// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/gpr.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define FIELDS 0xe000 /* pairs of field and value */
#define VMXON_REGION 0x10000
#define VMCS 0x11000

static u64 *next_field;

static void field(u64 encoding, u64 value)
{
	*next_field++ = encoding;
	*next_field++ = value;
}

static int msr(struct vm *vm, unsigned long which, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	int r = ioctl(vm->cpu[0].fd, which, &m);

	*value = m.entry.data;
	return r;
}

u64 l1_get_msr(struct vm *vm, u32 index)
{
	u64 value = 0;

	if (msr(vm, KVM_GET_MSRS, index, &value) != 1)
		tap_bail("KVM_GET_MSRS");
	return value;
}

void l1_set_msr(struct vm *vm, u32 index, u64 value)
{
	if (msr(vm, KVM_SET_MSRS, index, &value) != 1)
		tap_bail("KVM_SET_MSRS");
}

static void control(struct vm *vm, u64 encoding, u32 index, u32 want)
{
	field(encoding, ctl_adjust(ctl_from_msr(l1_get_msr(vm, index)), want));
}

static void segments(void)
{
	static const u64 data[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		field(VMCS_SEG_SEL(data[i]), 16);
		field(VMCS_SEG_LIMIT(data[i]), ~0u);
		field(VMCS_SEG_AR(data[i]), 0xc093);
	}
	field(VMCS_SEG_SEL(SEG_CS), 8);
	field(VMCS_SEG_LIMIT(SEG_CS), ~0u);
	field(VMCS_SEG_AR(SEG_CS), 0xa09b);
	field(VMCS_SEG_AR(SEG_LDTR), 0x10000);
	field(VMCS_SEG_LIMIT(SEG_TR), 0x67);
	field(VMCS_SEG_AR(SEG_TR), 0x8b);
	field(VMCS_HOST_CS_SEL, 8);
	field(VMCS_HOST_SS_SEL, 16);
	field(VMCS_HOST_TR_SEL, 16); /* anything but 0 */
}

/* What is not written here is 0. */
static void put_fields(struct vm *vm, const struct l1_setup *setup)
{
	next_field = (u64 *)(vm->ram + FIELDS);
	control(vm, VMCS_PIN_CTLS, VMX_MSR_TRUE_PIN, setup->pin);
	control(vm, VMCS_PROC_CTLS, VMX_MSR_TRUE_PROC, setup->proc);
	control(vm, VMCS_EXIT_CTLS, VMX_MSR_TRUE_EXIT, setup->exit | EXITC_HOST_64);
	control(vm, VMCS_ENTRY_CTLS, VMX_MSR_TRUE_ENTRY, ENTRYC_GUEST_64);
	segments();
	field(VMCS_LINK_POINTER, ~0ull);
	field(VMCS_GUEST_CR0, LONG_CR0);
	field(VMCS_GUEST_CR3, LONG_TABLES);
	field(VMCS_GUEST_CR4, LONG_CR4);
	field(VMCS_GUEST_GDTR_BASE, LONG_GDT);
	field(VMCS_GUEST_GDTR_LIMIT, 23);
	field(VMCS_GUEST_IDTR_BASE, LONG_IDT);
	field(VMCS_GUEST_IDTR_LIMIT, LONG_VECTORS * 16 - 1);
	field(VMCS_GUEST_DR7, 0x400);
	field(VMCS_GUEST_RSP, L2_STACK);
	field(VMCS_GUEST_RIP, setup->l2_rip);
	field(VMCS_GUEST_RFLAGS, 2);
	field(VMCS_HOST_CR0, LONG_CR0);
	field(VMCS_HOST_CR3, LONG_TABLES);
	field(VMCS_HOST_CR4, LONG_CR4);
	field(VMCS_HOST_GDTR_BASE, LONG_GDT);
	field(VMCS_HOST_IDTR_BASE, LONG_IDT);
	field(VMCS_HOST_RSP, L1_STACK);
	field(VMCS_HOST_RIP, setup->exit_rip);
	for (int i = 0; i < setup->more_count; i++)
		field(setup->more[i][0], setup->more[i][1]);
	field(~0ull, 0);
}

static void put_region(struct vm *vm, u64 at)
{
	u32 revision = l1_get_msr(vm, VMX_MSR_BASIC);

	memset(vm->ram + at, 0, 0x1000);
	memcpy(vm->ram + at, &revision, sizeof(revision));
}

void l1_put(struct vm *vm, const struct l1_setup *setup, const u8 *code, size_t size)
{
	struct kvm_regs regs = { .rip = L1_CODE, .rflags = 2, .rsp = L1_STACK };

	l1_set_msr(vm, VMX_MSR_FEATURE_CONTROL, 5);
	put_region(vm, VMXON_REGION);
	put_region(vm, VMCS);
	put_fields(vm, setup);
	memcpy(vm->ram + L1_CODE, code, size);
	vm_long_mode(vm, 0, L1_HANDLER);
	if (ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}
