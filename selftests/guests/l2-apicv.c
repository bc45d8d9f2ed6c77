// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's APIC virtualized on L1's page: registers, and virtual interrupts that
 * the processor delivers, prioritizes and ends.
 * SDM: "APIC Virtualization and Virtual Interrupts".
 */
#include "irqchip.h"
#include "vmx.h"

#define ACCESS_GPA 0x3e200000ULL
#define X2APIC(reg) (0x800 + ((reg) >> 4))

static volatile u64 l2_value[4];
static volatile u32 l2_irqs, l2_last;
static u8 *vapic;

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static volatile u32 *vreg(u32 offset)
{
	return (u32 *)(vapic + offset);
}

static u32 bit_of(u8 vector)
{
	return 1u << vector % 32;
}

static u32 offset_of(u32 base, u8 vector)
{
	return base + vector / 32 * 16;
}

static void use_vapic(void (*l2)(void), u32 proc2)
{
	l1_prepare(l2);
	l1_use_proc(PROC_TPR_SHADOW);
	vapic = page_alloc();
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)vapic);
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
	if (proc2 & PROC2_VIRT_INTR) {
		l1_need_proc2(PROC2_VIRT_INTR);
		l1_use_pin(PIN_EXT_INT_EXITING);
		for (u32 i = 0; i < 4; i++)
			l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * i, 0);
		l1_vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	}
	l1_use_proc2(proc2);
	l2_irqs = 0;
}

/* The APIC as a page of L2's at ACCESS_GPA. */
static void use_page(void (*l2)(void), u32 proc2)
{
	struct l1_vmx *vmx = l1_vmx();
	u8 *access;

	use_vapic(l2, proc2 | PROC2_APIC_ACCESS);
	access = page_alloc();
	l1_vmwrite(VMCS_APIC_ACCESS_ADDR, (u64)access);
	l1_need_ept(0);
	*l1_ept_entry(vmx, ACCESS_GPA) = (u64)access | EPTE_RWX |
					 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
}

static void use_x2apic(void (*l2)(void), u32 proc2)
{
	use_vapic(l2, proc2 | PROC2_X2APIC);
}

static void request(u8 vector)
{
	*vreg(offset_of(APIC_IRR, vector)) |= bit_of(vector);
	if ((u8)l1_vmread(VMCS_GUEST_INTR_STATUS) < vector)
		l1_vmwrite(VMCS_GUEST_INTR_STATUS,
			   (l1_vmread(VMCS_GUEST_INTR_STATUS) & 0xff00) | vector);
}

static void on_virtual(struct trap_frame *frame)
{
	l2_irqs += this_cpu()->is_l2;
	l2_last = frame->vector;
}

/* --- registers ---------------------------------------------------------- */

static volatile u32 l2_offset;

static volatile u32 *l2_reg(void)
{
	return (u32 *)(ACCESS_GPA + l2_offset);
}

static void l2_reads(void)
{
	l2_value[0] = *l2_reg();
	l2_vmcall(0x600d);
}

static void l2_writes(void)
{
	*l2_reg() = 0x12345678;
	l2_vmcall(0x600d);
}

static void registers_read(void)
{
	static const u32 registers[] = {
		APIC_ID,	APIC_VERSION,	    APIC_TPR,
		APIC_EOI,	APIC_LDR,	    APIC_DFR,
		APIC_SVR,	APIC_ISR + 0x70,    APIC_TMR,
		APIC_IRR,	APIC_ESR,	    APIC_ICR,
		APIC_ICR_HIGH,	APIC_LVT_TIMER,	    APIC_LVT_LINT1,
		APIC_LVT_ERROR, APIC_TIMER_INITIAL, APIC_TIMER_DIVIDE,
	};

	use_page(l2_reads, PROC2_APIC_REG_VIRT);
	for (u32 i = 0; i < ARRAY_SIZE(registers); i++) {
		l2_offset = registers[i];
		*vreg(l2_offset) = 0xcafe0000 + i;
		l1_restart_l2(l2_reads);
		expect_end();
		GUEST_EXPECT(l2_value[0], 0xcafe0000 + i);
	}
}

static void registers_exit(void)
{
	static const u32 registers[] = { APIC_PPR, APIC_TIMER_CURRENT, 0x90, 0x400 };

	use_page(l2_reads, PROC2_APIC_REG_VIRT);
	for (u32 i = 0; i < ARRAY_SIZE(registers); i++) {
		l2_offset = registers[i];
		l1_restart_l2(l2_reads);
		EXPECT_EXIT(EXIT_APIC_ACCESS);
		GUEST_EXPECT(APICQ_OFFSET(l1_vmread(VMCS_EXIT_QUAL)), l2_offset);
	}
}

/* After the write, whose value is on the page; L2 goes on without being moved. */
static void registers_write(void)
{
	static const u32 registers[] = { APIC_ID,  APIC_LDR,	   APIC_SVR,
					 APIC_EOI, APIC_LVT_TIMER, APIC_TIMER_INITIAL };

	use_page(l2_writes, PROC2_APIC_REG_VIRT);
	for (u32 i = 0; i < ARRAY_SIZE(registers); i++) {
		l2_offset = registers[i];
		l1_restart_l2(l2_writes);
		EXPECT_EXIT(EXIT_APIC_WRITE);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), l2_offset);
		GUEST_EXPECT(*vreg(l2_offset), 0x12345678);
		expect_end();
	}
}

static void icr_high(void)
{
	use_page(l2_writes, PROC2_APIC_REG_VIRT);
	l2_offset = APIC_ICR_HIGH;
	expect_end();
	GUEST_EXPECT(*vreg(APIC_ICR_HIGH), 0x12000000);
}

static void registers_read_only(void)
{
	use_page(l2_writes, PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR);
	l2_offset = APIC_VERSION;
	EXPECT_EXIT(EXIT_APIC_ACCESS);
	GUEST_EXPECT(APICQ_TYPE(l1_vmread(VMCS_EXIT_QUAL)), APICQ_TYPE_WRITE);
}

/* --- x2APIC mode -------------------------------------------------------- */

static volatile u32 l2_msr;

static void l2_rdmsr(void)
{
	l2_value[0] = rdmsr(l2_msr);
	l2_vmcall(0x600d);
}

static void x2apic_read(void)
{
	use_x2apic(l2_rdmsr, PROC2_APIC_REG_VIRT);
	for (u32 reg = 0; reg < 0x400; reg += 0x10) {
		l2_msr = X2APIC(reg);
		*vreg(reg) = 0xbeef0000 + reg;
		*vreg(reg + 4) = reg;
		l1_restart_l2(l2_rdmsr);
		expect_end();
		GUEST_EXPECT(l2_value[0], (u64)reg << 32 | (0xbeef0000 + reg));
	}
}

static void x2apic_read_exits(void)
{
	struct l1_vmx *vmx;

	use_x2apic(l2_rdmsr, PROC2_APIC_REG_VIRT);
	vmx = l1_vmx();
	l2_msr = X2APIC(APIC_ID);
	vmx->msr_bitmap[l2_msr / 8] |= 1u << l2_msr % 8;
	EXPECT_EXIT(EXIT_RDMSR);
	vmx->msr_bitmap[l2_msr / 8] = 0;
	*vreg(APIC_ID) = 0x77;
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x77);
}

static void x2apic_of_l1(void)
{
	if (!(cpuid(1).ecx & BIT(21)))
		claim_skip("no x2APIC");
	apic_enable_x2apic();
	use_x2apic(l2_rdmsr, 0);
	l2_msr = X2APIC(APIC_VERSION);
	*vreg(APIC_VERSION) = 0x7777;
	expect_end();
	GUEST_EXPECT(l2_value[0], rdmsr(X2APIC(APIC_VERSION)));
}

/* --- virtual interrupts ------------------------------------------------- */

/*
 * Before interrupts come: an EPT violation on a gate while a virtual interrupt is
 * delivered the emulated processor reports with another event.
 */
static void l2_reads_gates(void)
{
	struct table_pointer idt;

	asm volatile("sidt %0" : "=m"(idt));
	for (u32 i = 0; i <= idt.limit; i += 8)
		(void)*(volatile u64 *)(idt.base + i);
}

static void l2_opens(void)
{
	l2_reads_gates();
	touch_gates();
	irqs_on();
	cpu_pause();
	irqs_off();
	l2_vmcall(0x600d);
}

static void delivery(void)
{
	on_trap(0x61, on_virtual);
	use_x2apic(l2_opens, PROC2_VIRT_INTR);
	request(0x61);
	expect_end();
	GUEST_EXPECT(l2_irqs, 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0x6100);
	GUEST_EXPECT(*vreg(offset_of(APIC_IRR, 0x61)), 0);
	GUEST_EXPECT(*vreg(offset_of(APIC_ISR, 0x61)), bit_of(0x61));
	GUEST_EXPECT(*vreg(APIC_PPR), 0x60);
	on_trap(0x61, NULL);
}

static void window(void)
{
	on_trap(0x61, on_virtual);
	use_x2apic(l2_opens, PROC2_VIRT_INTR);
	l1_use_proc(PROC_INT_WINDOW);
	request(0x61);
	EXPECT_EXIT(EXIT_INT_WINDOW);
	GUEST_EXPECT(l2_irqs, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0x61);
	l1_clear(VMCS_PROC_CTLS, PROC_INT_WINDOW);
	expect_end();
	GUEST_EXPECT(l2_irqs, 1);
	on_trap(0x61, NULL);
}

static void l2_lowers_tpr(void)
{
	l2_reads_gates();
	touch_gates();
	irqs_on();
	cpu_pause();
	l2_value[0] = l2_irqs;
	write_cr8(5);
	cpu_pause();
	l2_value[1] = l2_irqs;
	irqs_off();
	l2_vmcall(0x600d);
}

static void tpr_holds(void)
{
	on_trap(0x61, on_virtual);
	use_x2apic(l2_lowers_tpr, PROC2_VIRT_INTR);
	*vreg(APIC_TPR) = 0x60;
	request(0x61);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0);
	GUEST_EXPECT(l2_value[1], 1);
	on_trap(0x61, NULL);
}

static void l2_ends(void)
{
	l2_reads_gates();
	touch_gates();
	irqs_on();
	cpu_pause();
	l2_value[0] = l2_last;
	wrmsr(X2APIC(APIC_EOI), 0);
	cpu_pause();
	l2_value[1] = l2_last;
	irqs_off();
	l2_vmcall(0x600d);
}

static void eoi(void)
{
	on_trap(0x62, on_virtual);
	on_trap(0x71, on_virtual);
	use_x2apic(l2_ends, PROC2_VIRT_INTR);
	request(0x62);
	request(0x71);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x71);
	GUEST_EXPECT(l2_value[1], 0x62);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0x6200);
	GUEST_EXPECT(*vreg(offset_of(APIC_ISR, 0x62)), bit_of(0x62));
	on_trap(0x62, NULL);
	on_trap(0x71, NULL);
}

/* To port 0x80 whoever is under L1 may take the state and set it again. */
static void l2_ends_later(void)
{
	l2_reads_gates();
	touch_gates();
	irqs_on();
	cpu_pause();
	irqs_off();
	l2_value[0] = l2_last;
	outb(0x80, 0);
	l2_reads_gates(); /* with the state EPT02 has gone */
	wrmsr(X2APIC(APIC_EOI), 0);
	touch_gates();
	irqs_on();
	cpu_pause();
	irqs_off();
	l2_value[1] = l2_last;
	l2_vmcall(0x600d);
}

static void meanwhile(void)
{
	on_trap(0x62, on_virtual);
	on_trap(0x71, on_virtual);
	use_x2apic(l2_ends_later, PROC2_VIRT_INTR);
	request(0x62);
	request(0x71);
	expect_end();
	GUEST_EXPECT(l2_value[0], 0x71);
	GUEST_EXPECT(l2_value[1], 0x62);
	GUEST_EXPECT(l2_irqs, 2);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0x6200);
	on_trap(0x62, NULL);
	on_trap(0x71, NULL);
}

static void eoi_exit(void)
{
	on_trap(0x71, on_virtual);
	use_x2apic(l2_ends, PROC2_VIRT_INTR);
	l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * (0x71 / 64), 1ULL << 0x71 % 64);
	request(0x71);
	EXPECT_EXIT(EXIT_VIRT_EOI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0x71);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0);
	GUEST_EXPECT(*vreg(APIC_PPR), 0);
	/* The bitmap is L1's to change. */
	l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * (0x71 / 64), 0);
	expect_end();
	l1_restart_l2(l2_ends);
	request(0x71);
	expect_end();
	on_trap(0x71, NULL);
}

static void l2_bad_eoi(void)
{
	l2_value[0] = TRY("wrmsr", : : "c"(X2APIC(APIC_EOI)), "a"(1), "d"(0));
	l2_vmcall(0x600d);
}

static void eoi_fault(void)
{
	use_x2apic(l2_bad_eoi, PROC2_VIRT_INTR);
	expect_end();
	GUEST_EXPECT(l2_value[0], VEC_GP);
}

static void l2_self_ipi(void)
{
	l2_reads_gates();
	wrmsr(X2APIC(APIC_SELF_IPI), 0x45);
	touch_gates();
	irqs_on();
	cpu_pause();
	irqs_off();
	wrmsr(X2APIC(APIC_SELF_IPI), 0x5);
	l2_vmcall(0x600d);
}

static void self_ipi(void)
{
	on_trap(0x45, on_virtual);
	use_x2apic(l2_self_ipi, PROC2_VIRT_INTR);
	EXPECT_EXIT(EXIT_APIC_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), APIC_SELF_IPI);
	GUEST_EXPECT(l2_irqs, 1);
	expect_end();
	on_trap(0x45, NULL);
}

static void l2_icr(void)
{
	l2_reads_gates();
	*(volatile u32 *)(ACCESS_GPA + APIC_ICR) = 0x46 | ICR_SELF;
	touch_gates();
	irqs_on();
	cpu_pause();
	irqs_off();
	*(volatile u32 *)(ACCESS_GPA + APIC_EOI) = 0;
	l2_value[0] = *(volatile u32 *)(ACCESS_GPA + APIC_TPR);
	*(volatile u32 *)(ACCESS_GPA + APIC_ICR) = 0x46 | ICR_OTHERS;
	l2_vmcall(0x600d);
}

static void icr_self(void)
{
	on_trap(0x46, on_virtual);
	use_page(l2_icr, PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR);
	EXPECT_EXIT(EXIT_APIC_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), APIC_ICR);
	GUEST_EXPECT(l2_irqs, 1);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTR_STATUS), 0);
	expect_end();
	on_trap(0x46, NULL);
}

static void needs_shadow(void)
{
	u32 bits[] = { PROC2_X2APIC, PROC2_APIC_REG_VIRT, PROC2_VIRT_INTR };

	for (u32 i = 0; i < ARRAY_SIZE(bits); i++) {
		use_vapic(l2_unreachable, bits[i]);
		l1_clear(VMCS_PROC_CTLS, PROC_TPR_SHADOW);
		EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	}
}

static void needs_exiting(void)
{
	use_vapic(l2_unreachable, PROC2_VIRT_INTR);
	l1_clear(VMCS_PIN_CTLS, PIN_EXT_INT_EXITING);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

CLAIMS = { { registers_read, "reads of virtualized registers are the page's" },
	   { registers_exit, "reads of other registers exit" },
	   { registers_write, "a write is on the page, then exits, past the instruction" },
	   { icr_high, "a write of ICR's high half does not exit, and keeps one byte" },
	   { registers_read_only, "a write of the version register exits before it is done" },
	   { x2apic_read, "every x2APIC MSR reads 64 bits of the page" },
	   { x2apic_read_exits, "L1's MSR bitmap goes before the page" },
	   { delivery, "a requested vector is delivered: status, IRR, ISR and PPR" },
	   { window, "interrupt-window exiting holds virtual interrupts back" },
	   { tpr_holds, "the TPR holds an interrupt back, and lowering it lets it in" },
	   { eoi, "EOI ends the interrupt and lets in the next" },
	   { meanwhile, "one in service and one pending stay so while L2's state is away" },
	   { eoi_exit, "EOI exits for a vector in the bitmap, past the instruction" },
	   { eoi_fault, "a write to the EOI MSR other than 0 raises #GP" },
	   { self_ipi, "a self-IPI by MSR is delivered; vectors below 16 exit" },
	   { icr_self, "a self-IPI by ICR is delivered; other IPIs exit" },
	   { needs_shadow, "without the TPR shadow the entry fails" },
	   { needs_exiting, "delivery without external-interrupt exiting: the entry fails" },
	   { x2apic_of_l1, "an x2APIC MSR that is not virtualized is L1's" },
	   END_OF_CLAIMS };
