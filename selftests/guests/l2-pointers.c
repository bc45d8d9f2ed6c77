// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every pointer that VMX takes, to where no memory is, to a device and to memory
 * that cannot be written. Where there is no memory reads give ones and writes are
 * lost, as on a PC; for devices and read-only memory no outcome is expected but
 * an end, and a proper L2 enters afterwards.
 * SDM: "Software Access to Related Structures", "VM-Execution Control Fields".
 */
#include "vmx.h"

#define PAST_MEMORY BIT_ULL(36)
#define HOLE 0xd0000000ULL
#define READ_ONLY 0xd8000000ULL /* a slot of `mini`; nothing elsewhere */
#define IOAPIC 0xfec00000ULL
#define LAPIC 0xfee00000ULL

static const u64 nowhere[] = { PAST_MEMORY, HOLE };
static const u64 mapped_nowhere[] = { HOLE }; /* by L1's page tables, which end at 4 GiB */
static const u64 hostile[] = { PAST_MEMORY, HOLE, READ_ONLY, IOAPIC, LAPIC };

#define FOR_EACH(at, places) for (const u64 *at = places; at < places + ARRAY_SIZE(places); at++)

static u64 l2_value;

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- the instructions ----------------------------------------------------- */

static void vmxon_nowhere(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	EXPECT_OUTCOME(vmxoff(), VM_OK);
	FOR_EACH(at, nowhere)
		EXPECT_OUTCOME(vmxon(*at), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
}

static void vmptrld_nowhere(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);
	u64 current = 0;

	FOR_EACH(at, nowhere) {
		EXPECT_OUTCOME(vmptrld(*at), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_REVISION));
		EXPECT_OUTCOME(vmptrst(&current), VM_OK);
		GUEST_EXPECT(current, (u64)vmx->vmcs);
	}
	expect_end();
}

static void vmclear_nowhere(void)
{
	l1_prepare(l2_end);
	FOR_EACH(at, nowhere)
		EXPECT_OUTCOME(vmclear(*at), VM_OK);
	expect_end();
}

/* --- what a VMCS points to ------------------------------------------------ */

static void l2_out(void)
{
	asm volatile("outb %%al, $0x80" : : "a"(0));
	l2_vmcall(0x600d);
}

static void io_bitmaps(void)
{
	l1_prepare(l2_out);
	l1_use_proc(PROC_IO_BITMAPS);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_IO_BITMAP_A, *at);
		l1_restart_l2(l2_out);
		EXPECT_EXIT(EXIT_IO);
	}
	l1_clear(VMCS_PROC_CTLS, PROC_IO_BITMAPS);
	l1_restart_l2(l2_out);
	expect_end();
}

static void l2_rdmsr(void)
{
	l2_value = rdmsr(MSR_LSTAR);
	l2_vmcall(0x600d);
}

static void msr_bitmap(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_rdmsr);

	l1_use_proc(PROC_MSR_BITMAPS);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_MSR_BITMAP, *at);
		l1_restart_l2(l2_rdmsr);
		EXPECT_EXIT(EXIT_RDMSR);
	}
	l1_vmwrite(VMCS_MSR_BITMAP, (u64)vmx->msr_bitmap);
	l1_restart_l2(l2_rdmsr);
	expect_end();
}

/* An entry of ones has reserved bits set. */
static void eptp(void)
{
	u64 good;

	l1_prepare(l2_end);
	l1_need_ept(0);
	good = l1_vmread(VMCS_EPT_POINTER);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_EPT_POINTER, *at | (good & 0xfff));
		EXPECT_EXIT(EXIT_EPT_MISCONFIG);
	}
	l1_vmwrite(VMCS_EPT_POINTER, good);
	expect_end();
}

/* Bits 63:32 of an entry of ones are not 0. */
static void entry_msr_load(void)
{
	l1_prepare(l2_end);
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 1);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, *at);
		EXPECT_EXIT(EXIT_BAD_MSR_LOAD | EXIT_ENTRY_FAILED);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 1);
	}
	l1_vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	expect_end();
}

static void link_pointer(void)
{
	u64 page;

	l1_prepare(l2_end);
	l1_need_proc2(PROC2_SHADOW_VMCS);
	l1_use_proc2(PROC2_SHADOW_VMCS);
	page = (u64)page_alloc();
	l1_vmwrite(VMCS_VMREAD_BITMAP, page);
	l1_vmwrite(VMCS_VMWRITE_BITMAP, page);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_LINK_POINTER, *at);
		EXPECT_EXIT(EXIT_BAD_GUEST_STATE | EXIT_ENTRY_FAILED);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 4);
	}
	l1_vmwrite(VMCS_LINK_POINTER, NO_GPA);
	expect_end();
}

static void l2_vmread(void)
{
	u64 value = 0;

	vmread(VMCS_GUEST_RIP, &value);
	l2_vmcall(0x600d);
}

static void shadow_bitmaps(void)
{
	u8 *region;

	l1_prepare(l2_vmread);
	l1_use_proc2(PROC2_SHADOW_VMCS);
	region = page_alloc();
	*(u32 *)region = (l1_vmx()->caps.basic & BASIC_REVISION) | BIT(31);
	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	l1_vmwrite(VMCS_LINK_POINTER, (u64)region);
	FOR_EACH(at, nowhere) {
		l1_vmwrite(VMCS_VMREAD_BITMAP, *at);
		l1_vmwrite(VMCS_VMWRITE_BITMAP, *at);
		l1_restart_l2(l2_vmread);
		EXPECT_EXIT(EXIT_VMREAD);
	}
}

static void l2_undefined(void)
{
	asm volatile("ud2");
}

/* No gate is made of ones, nor is one of those for the faults that follow. */
static void idt(void)
{
	FOR_EACH(at, mapped_nowhere) {
		l1_prepare(l2_undefined);
		l1_vmwrite(VMCS_GUEST_IDTR_BASE, *at);
		EXPECT_EXIT(EXIT_TRIPLE_FAULT);
		GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	}
	l1_prepare(l2_end);
	expect_end();
}

/* --- whatever comes of it ------------------------------------------------- */

static void only_on_a_hypervisor(void)
{
	if (!(cpuid(1).ecx & BIT(31)))
		claim_skip("devices as VMCSs end the emulated processor");
}

static void instructions_anywhere(void)
{
	struct l1_vmx *vmx;

	only_on_a_hypervisor();
	vmx = l1_prepare(l2_end);
	FOR_EACH(at, hostile) {
		vmclear(*at);
		if (vmptrld(*at) == VM_OK) {
			l1_fill_vmcs(vmx, l2_end);
			vmlaunch(vmx);
			vmclear(*at);
		}
		EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	}
	EXPECT_OUTCOME(vmxoff(), VM_OK);
	FOR_EACH(at, hostile)
		if (vmxon(*at) == VM_OK)
			EXPECT_OUTCOME(vmxoff(), VM_OK);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	expect_end();
}

static const struct pointer {
	u64 field;
	u64 bits; /* below the address */
	u32 proc, proc2;
	u64 count; /* field that makes the list one entry long */
} pointers[] = {
	{ .field = VMCS_IO_BITMAP_A, .proc = PROC_IO_BITMAPS },
	{ .field = VMCS_IO_BITMAP_B, .proc = PROC_IO_BITMAPS },
	{ .field = VMCS_MSR_BITMAP, .proc = PROC_MSR_BITMAPS },
	{ .field = VMCS_ENTRY_MSR_LOAD_ADDR, .count = VMCS_ENTRY_MSR_LOAD_COUNT },
	{ .field = VMCS_VIRT_APIC_ADDR, .proc = PROC_TPR_SHADOW },
	{ .field = VMCS_APIC_ACCESS_ADDR, .proc2 = PROC2_APIC_ACCESS },
	{ .field = VMCS_VIRT_APIC_ADDR, .proc = PROC_TPR_SHADOW, .proc2 = PROC2_APIC_REG_VIRT },
	{ .field = VMCS_EPT_POINTER, .bits = 0x1e, .proc2 = PROC2_EPT },
	{ .field = VMCS_EPT_POINTER, .bits = 0x5e, .proc2 = PROC2_EPT },
	{ .field = VMCS_LINK_POINTER },
	{ .field = VMCS_VMREAD_BITMAP, .proc2 = PROC2_SHADOW_VMCS },
	{ .field = VMCS_PML_ADDR, .proc2 = PROC2_PML },
	{ .field = VMCS_VE_INFO_ADDR, .proc2 = PROC2_EPT_VE },
	{ .field = VMCS_EPTP_LIST_ADDR, .proc2 = PROC2_VMFUNC },
	{ .field = VMCS_GUEST_CR3 },
	{ .field = VMCS_GUEST_TR_BASE },
	{ .field = VMCS_GUEST_GDTR_BASE },
	{ .field = VMCS_GUEST_IDTR_BASE },
};

static void l2_all_sorts(void)
{
	asm volatile("outb %%al, $0x80" : : "a"(0));
	l2_value = rdmsr(MSR_LSTAR);
	write_cr8((read_cr8() + 1) & 15);
	l2_value = *(volatile u32 *)(LAPIC + 0x30);
	l2_vmread();
}

static void enter_with(const struct pointer *p, u64 at)
{
	struct l1_vmx *vmx = l1_prepare(l2_all_sorts);

	if (!ctl_may(vmx->caps.proc, p->proc) || !ctl_may(vmx->caps.proc2, p->proc2))
		return;
	l1_set(VMCS_PROC_CTLS, p->proc);
	if (p->proc2)
		l1_set(VMCS_PROC2_CTLS, p->proc2);
	if (p->count)
		l1_vmwrite(p->count, 1);
	l1_vmwrite(p->field, at | p->bits);
	l1_run();
}

static void fields_anywhere(void)
{
	only_on_a_hypervisor();
	for (u32 i = 0; i < ARRAY_SIZE(pointers); i++)
		FOR_EACH(at, hostile)
			enter_with(&pointers[i], *at);
	l1_prepare(l2_end);
	expect_end();
}

CLAIMS = { { vmxon_nowhere, "VMXON where no memory is finds no revision identifier" },
	   { vmptrld_nowhere, "so does VMPTRLD, and the current VMCS stays" },
	   { vmclear_nowhere, "VMCLEAR where no memory is writes nothing" },
	   { io_bitmaps, "I/O bitmaps where no memory is: every port exits" },
	   { msr_bitmap, "an MSR bitmap where no memory is: every MSR exits" },
	   { eptp, "EPT where no memory is is misconfigured" },
	   { entry_msr_load, "an MSR-load list where no memory is fails at entry 1" },
	   { link_pointer, "a shadow VMCS where no memory is has a wrong identifier" },
	   { shadow_bitmaps, "VMREAD bitmaps where no memory is: every VMREAD exits" },
	   { idt, "an event through an IDT where no memory is: a triple fault" },
	   { instructions_anywhere, "VMXON, VMCLEAR, VMPTRLD of devices and read-only memory end" },
	   { fields_anywhere, "entries with each pointer to these end, and L1 goes on" },
	   END_OF_CLAIMS };
