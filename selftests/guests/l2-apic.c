// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2 and the local APIC: TPR shadow with its threshold, the APIC-access page,
 * x2APIC virtualization, and L1's own APIC when nothing is virtualized.
 * SDM: "APIC Virtualization and Virtual Interrupts".
 */
#include "irqchip.h"
#include "vmx.h"

#define WAITING 0x51
#define ACCESS_GPA 0x3e200000ULL

static volatile u64 l2_value[4];
static u8 *vapic, *access;

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static void use_tpr_shadow(void (*l2)(void))
{
	l1_prepare(l2);
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
}

static void l2_cr8(void)
{
	l2_value[0] = read_cr8();
	write_cr8(9);
	l2_value[1] = read_cr8();
	l2_vmcall(0x600d);
}

static void tpr_shadow(void)
{
	apic_enable();
	write_cr8(2);
	use_tpr_shadow(l2_cr8);
	vapic[APIC_TPR] = 0x50;
	expect_end();
	GUEST_EXPECT(l2_value[0], 5);
	GUEST_EXPECT(l2_value[1], 9);
	GUEST_EXPECT(vapic[APIC_TPR], 0x90);
	GUEST_EXPECT(read_cr8(), 2); /* L1's own */
	write_cr8(0);
}

static void l2_lowers(void)
{
	write_cr8(6);
	write_cr8(2);
	l2_vmcall(0x600d);
}

static void threshold(void)
{
	use_tpr_shadow(l2_lowers);
	vapic[APIC_TPR] = 0x80;
	l1_vmwrite(VMCS_TPR_THRESHOLD, 4);
	EXPECT_EXIT(EXIT_TPR_BELOW);
	GUEST_EXPECT(vapic[APIC_TPR], 0x20);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	expect_end();
}

static volatile u32 taken;

static void on_waiting(__attribute__((unused)) struct trap_frame *frame)
{
	taken++;
	apic_eoi();
}

static void l2_lets_in(void)
{
	write_cr8(WAITING >> 4);
	l2_value[0] = 1;
	write_cr8(2);
	l2_value[0] = 2;
	l2_vmcall(0x600d);
}

/* L2 lowers TPR, which is L1's own, below what waits for L1. */
static void cr8_lets_in(void)
{
	apic_enable();
	on_trap(WAITING, on_waiting);
	write_cr8(9);
	apic_icr(0, WAITING | ICR_SELF | ICR_ASSERT);
	l1_prepare(l2_lets_in);
	l1_use_pin(PIN_EXT_INT_EXITING);
	/* While IF is clear Bochs keeps interrupts from exiting. */
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l2_value[0] = 0;
	EXPECT_EXIT(EXIT_EXT_INT);
	GUEST_EXPECT(l2_value[0], 1);
	GUEST_EXPECT(read_cr8(), 2);
	GUEST_EXPECT(taken, 0);
	irqs_on();
	cpu_pause();
	irqs_off();
	GUEST_EXPECT(taken, 1);
	expect_end();
	write_cr8(0);
}

/* Without the shadow, and without exits, CR8 is L1's TPR. */
static void cr8_unshadowed(void)
{
	apic_enable();
	write_cr8(3);
	l1_prepare(l2_cr8);
	expect_end();
	GUEST_EXPECT(l2_value[0], 3);
	GUEST_EXPECT(read_cr8(), 9);
	write_cr8(0);
}

static bool map_access_page(void (*l2)(void))
{
	struct l1_vmx *vmx;

	use_tpr_shadow(l2);
	l1_use_proc2(PROC2_APIC_ACCESS);
	vmx = l1_vmx();
	access = page_alloc();
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)access);
	if (vmx->ept_pml4)
		*l1_ept_entry(vmx, ACCESS_GPA) = (u64)access | EPTE_RWX |
						 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	return true;
}

static void l2_reads_id(void)
{
	l2_value[0] = *(volatile u32 *)(ACCESS_GPA + APIC_ID);
	l2_vmcall(0x600d);
}

static void l2_writes_eoi(void)
{
	*(volatile u32 *)(ACCESS_GPA + APIC_EOI) = 0;
	l2_vmcall(0x600d);
}

static void l2_tpr_by_page(void)
{
	l2_value[0] = *(volatile u32 *)(ACCESS_GPA + APIC_TPR);
	*(volatile u32 *)(ACCESS_GPA + APIC_TPR) = 0x60;
	l2_value[1] = *(volatile u32 *)(ACCESS_GPA + APIC_TPR);
	l2_vmcall(0x600d);
}

static void access_page(void)
{
	u64 q;

	map_access_page(l2_reads_id);
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(APICQ_OFFSET(q), APIC_ID);
	GUEST_EXPECT(APICQ_TYPE(q), APICQ_TYPE_READ);
	l1_restart_l2(l2_writes_eoi);
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(APICQ_OFFSET(q), APIC_EOI);
	GUEST_EXPECT(APICQ_TYPE(q), APICQ_TYPE_WRITE);
}

static void access_page_tpr(void)
{
	map_access_page(l2_tpr_by_page);
	vapic[APIC_TPR] = 0x30;
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x30);
	GUEST_EXPECT(l2_value[1], 0x60);
	GUEST_EXPECT(vapic[APIC_TPR], 0x60);
}

/* L1's own accesses to the same page are plain memory. */
static void access_page_l1(void)
{
	map_access_page(l2_reads_id);
	*(volatile u32 *)(access + APIC_ID) = 0x1234;
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	GUEST_EXPECT(*(volatile u32 *)(access + APIC_ID), 0x1234);
}

static void l2_x2apic_tpr(void)
{
	l2_value[0] = rdmsr(0x808);
	wrmsr(0x808, 0x70);
	l2_value[1] = read_cr8();
	l2_vmcall(0x600d);
}

static void x2apic_mode(void)
{
	use_tpr_shadow(l2_x2apic_tpr);
	l1_use_proc2(PROC2_X2APIC);
	vapic[APIC_TPR] = 0x40;
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x40);
	GUEST_EXPECT(l2_value[1], 7);
	GUEST_EXPECT(vapic[APIC_TPR], 0x70);
}

/* Nothing virtualized: an x2APIC MSR that L1 does not intercept is L1's. */
static void x2apic_of_l1(void)
{
	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	wrmsr(0x808, 0x20);
	l1_prepare(l2_x2apic_tpr);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x20);
	GUEST_EXPECT(rdmsr(0x808), 0x70);
	wrmsr(0x808, 0);
}

static void l2_xapic(void)
{
	l2_value[0] = *(volatile u32 *)(u64)(APIC_PAGE + APIC_TPR);
	*(volatile u32 *)(u64)(APIC_PAGE + APIC_TPR) = 0x50;
	l2_vmcall(0x600d);
}

static void xapic_of_l1(void)
{
	apic_enable();
	apic_write(APIC_TPR, 0x10);
	l1_prepare(l2_xapic);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x10);
	GUEST_EXPECT(apic_read(APIC_TPR), 0x50);
	apic_write(APIC_TPR, 0);
}

CLAIMS = { { tpr_shadow, "CR8 reads and writes the virtual TPR" },
	   { threshold, "a TPR below its threshold exits" },
	   { cr8_unshadowed, "without the shadow CR8 is L1's own TPR" },
	   { access_page, "the APIC-access page exits with offset and kind" },
	   { access_page_tpr, "the TPR through the APIC-access page is the virtual one" },
	   { access_page_l1, "for L1 the APIC-access page is memory" },
	   { x2apic_mode, "x2APIC mode virtualizes the TPR's MSR" },
	   { xapic_of_l1, "L2 reaches L1's xAPIC through an identity map" },
	   { x2apic_of_l1, "an x2APIC MSR that passes is L1's" },
	   { cr8_lets_in, "L2's MOV CR8 lets in what L1's TPR held back" },
	   END_OF_CLAIMS };
