// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each way in which an L1's memory changes, by itself: in each round one page or two are written,
 * by L1, by L2, by the processor for them or by whoever is under L1, and then port 0x80 is. What
 * is under L1 may look there whether it knows of all that was written (dirty-exact does).
 */
#include "irqchip.h"
#include "vmx.h"

#define ROUNDS 4
#define PORT_MARK 0x80
#define PORT_LINE_STATUS 0x3fd
#define UNUSED 0x1e00000	 /* 2 MiB of memory above the pool */
#define PLAYGROUND 0x3e000000ULL /* where nothing else of L2's is */
#define PAGE_ENTRY (EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT)
#define NOTIFY 0x31
#define VECTOR 0x61

#define MSR_X2APIC_EOI 0x80b
#define MSR_KVM_WALL_CLOCK 0x4b564d00
#define MSR_KVM_SYSTEM_TIME 0x4b564d01
#define MSR_KVM_STEAL_TIME 0x4b564d03
#define MSR_KVM_PV_EOI 0x4b564d04
#define KVM_FEATURES 0x40000001
#define FEATURE_CLOCK BIT(3)
#define FEATURE_STEAL_TIME BIT(5)
#define FEATURE_PV_EOI BIT(6)

static volatile u64 round; /* what the page is to hold next */
static volatile u64 *page;

static void mark(void)
{
	outb(PORT_MARK, 0);
}

/* --- L1 and L2 themselves -------------------------------------------------- */

static void store(void)
{
	page[round] = round;
}

static void l2_stores(void)
{
	for (;;) {
		store();
		mark(); /* L2 is there while somebody looks */
		l2_vmcall(0);
	}
}

/* Without exits between the rounds but for the port, which is not L1's business. */
static void l2_stores_on(void)
{
	for (u64 i = 1; i <= ROUNDS; i++) {
		write_cr8(i);
		page[i] = i;
		mark();
	}
	l2_vmcall(0);
}

static void run_rounds(void)
{
	for (round = 1; round <= ROUNDS; round++) {
		EXPECT_EXIT(EXIT_VMCALL);
		mark();
		l1_skip_insn();
	}
}

static void use_vapic(void)
{
	l1_use_proc(PROC_TPR_SHADOW);
	l1_vmwrite(VMCS_VIRT_APIC_ADDR, (u64)page_alloc());
	l1_vmwrite(VMCS_TPR_THRESHOLD, 0);
}

/* First of all, so that a log may begin while L2 has it all mapped. */
static void stays(void)
{
	l1_prepare(l2_stores_on);
	use_vapic();
	page = page_alloc();
	EXPECT_EXIT(EXIT_VMCALL);
	mark();
}

static void by_l1(void)
{
	page = page_alloc();
	for (round = 1; round <= ROUNDS; round++) {
		store();
		mark();
	}
}

static void by_l2(void)
{
	l1_prepare(l2_stores);
	page = page_alloc();
	run_rounds();
}

/* The page is L1's in one round, L2's in the next. */
static void by_both(void)
{
	l1_prepare(l2_stores);
	page = page_alloc();
	for (round = 1; round <= ROUNDS; round++) {
		if (round & 1) {
			store();
			mark();
			continue;
		}
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
	}
}

/* --- instructions that whoever is under L1 may execute --------------------- */

static void string_input(void)
{
	u8 *to = page_alloc();

	for (u32 i = 0; i < ROUNDS; i++) {
		asm volatile("insb" : "+D"(to) : "d"((u16)PORT_LINE_STATUS) : "memory");
		mark();
	}
}

static void from_device(void)
{
	u64 from = APIC_PAGE + APIC_VERSION;
	u32 *to = page_alloc();

	apic_enable();
	for (u32 i = 0; i < ROUNDS; i++) {
		asm volatile("movsl" : "+D"(to), "+S"(from) : : "memory");
		from = APIC_PAGE + APIC_VERSION;
		mark();
	}
}

static void vmread_and_vmptrst(void)
{
	u64 *to;

	l1_prepare(l2_unreachable);
	to = page_alloc();
	for (u32 i = 0; i < ROUNDS; i++) {
		asm volatile("vmread %1, %0" : "=m"(to[i]) : "r"((u64)VMCS_GUEST_CR3) : "cc");
		mark();
		EXPECT_OUTCOME(vmptrst(&to[16 + i]), VM_OK);
		mark();
	}
}

/* Each round by an entry whose flags are clear, of a table that has no others in use. */
static void flags_of_page_tables(void)
{
	u64 *entry[ROUNDS];

	l1_prepare(l2_unreachable);
	for (u64 i = 0; i < ROUNDS; i++) {
		entry[i] = page_entry(UNUSED + i * 4096);
		*entry[i] &= ~0x60ULL;
		invlpg(UNUSED + i * 4096);
	}
	mark();
	for (u64 i = 0; i < ROUNDS; i++) {
		EXPECT_OUTCOME(vmptrst((u64 *)(UNUSED + i * 4096)), VM_OK);
		mark();
		GUEST_EXPECT(*entry[i] & 0x60, 0x60);
	}
}

/* --- the VMCS -------------------------------------------------------------- */

static void vmclear_current(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	for (u64 i = 0; i < ROUNDS; i++) {
		l1_vmwrite(VMCS_GUEST_CR3, i << 12);
		mark();
		EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
		mark();
		EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	}
}

static void l2_calls(void)
{
	for (;;)
		l2_vmcall(0);
}

/* VMPTRLD of another one, VMCLEAR of a launched one that is not current. */
static void vmptrld_another(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_calls);
	void *first = vmx->vmcs, *second = l1_new_vmcs(vmx);

	l1_fill_vmcs(vmx, l2_calls);
	EXPECT_OUTCOME(vmclear((u64)second), VM_OK);
	for (u64 i = 0; i < ROUNDS; i++) {
		EXPECT_OUTCOME(vmptrld((u64)first), VM_OK);
		l1_vmwrite(VMCS_GUEST_SYSENTER_CS, i);
		vmx->launched = false;
		EXPECT_EXIT(EXIT_VMCALL);
		mark();
		EXPECT_OUTCOME(vmptrld((u64)second), VM_OK);
		mark();
		EXPECT_OUTCOME(vmclear((u64)first), VM_OK);
		mark();
	}
}

static void l2_vmwrites(void)
{
	for (;;) {
		GUEST_EXPECT(vmwrite(VMCS_GUEST_RSP, round), VM_OK);
		mark();
		l2_vmcall(0);
	}
}

static void shadow_vmcs(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmwrites);
	u32 *region = page_alloc();

	l1_need_proc2(PROC2_SHADOW_VMCS);
	*region = (vmx->caps.basic & BASIC_REVISION) | BIT(31);
	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	l1_use_proc2(PROC2_SHADOW_VMCS);
	l1_vmwrite(VMCS_VMREAD_BITMAP, (u64)page_alloc());
	l1_vmwrite(VMCS_VMWRITE_BITMAP, (u64)page_alloc());
	l1_vmwrite(VMCS_LINK_POINTER, (u64)region);
	for (round = 1; round <= ROUNDS; round++) {
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
		EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
		mark();
	}
}

/* --- what exits and entries write ------------------------------------------ */

static void l2_writes_msr(void)
{
	for (;;) {
		wrmsr(MSR_KERNEL_GS_BASE, round);
		l2_vmcall(0);
	}
}

static void msr_store_list(void)
{
	struct msr_entry *list;

	l1_prepare(l2_writes_msr);
	list = page_alloc();
	list->index = MSR_KERNEL_GS_BASE;
	l1_vmwrite(VMCS_EXIT_MSR_STORE_ADDR, (u64)list);
	l1_vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 1);
	run_rounds();
	GUEST_EXPECT(list->value, ROUNDS);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

static void l2_tpr(void)
{
	for (;;) {
		write_cr8(round);
		mark();
		l2_vmcall(0);
	}
}

static void virtual_apic_page(void)
{
	l1_prepare(l2_tpr);
	use_vapic();
	run_rounds();
}

/* Eight pages of the playground that are clean in EPT12, while all others are dirty there. */
static u64 *clean_playground(struct l1_vmx *vmx)
{
	u64 *entry;

	for (u64 gpa = 0; gpa < 1ULL << 32; gpa += 1 << 21)
		*l1_ept_large_entry(vmx, gpa) |= EPTE_A | EPTE_D;
	entry = l1_ept_entry(vmx, PLAYGROUND);
	for (u64 i = 0; i < 8; i++)
		entry[i] = (u64)page_alloc() | PAGE_ENTRY;
	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	return entry;
}

static void l2_dirties(void)
{
	for (;;) {
		*(volatile u64 *)(PLAYGROUND + round * 4096) = round;
		l2_vmcall(0);
	}
}

static void flags_of_ept(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_dirties);
	u64 *entry;

	l1_need_ept(EPTCAP_AD);
	entry = clean_playground(vmx);
	run_rounds();
	GUEST_EXPECT(entry[ROUNDS] & (EPTE_A | EPTE_D), EPTE_A | EPTE_D);
}

static void page_modification_log(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_dirties);
	u64 *pml = page_alloc();

	l1_need_ept(EPTCAP_AD);
	l1_use_proc2(PROC2_PML);
	clean_playground(vmx);
	l1_vmwrite(VMCS_PML_ADDR, (u64)pml);
	l1_vmwrite(VMCS_PML_INDEX, 511);
	run_rounds();
	GUEST_EXPECT(pml[511 - ROUNDS + 1], PLAYGROUND + ROUNDS * 4096);
}

static void l2_reads(void)
{
	(void)*(volatile u64 *)(PLAYGROUND + round * 8);
	l2_vmcall(0);
}

/* L1 takes the exception, so that nobody else writes to the area. */
static void exception_information(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_reads);
	volatile u32 *info = page_alloc();

	l1_need_ept(0);
	l1_use_proc2(PROC2_EPT_VE);
	l1_vmwrite(VMCS_VE_INFO_ADDR, (u64)info);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_VE));
	*l1_ept_entry(vmx, PLAYGROUND) = 0;
	for (round = 1; round <= ROUNDS; round++) {
		info[1] = 0;
		mark();
		EXPECT_EXIT(EXIT_EXCEPTION_NMI);
		mark();
		GUEST_EXPECT(info[1], ~0u);
	}
}

static void l2_opens(void)
{
	for (;;) {
		touch_gates(); /* whoever looked may have taken away what L2 had mapped */
		irqs_on();
		for (u32 i = 0; i < 8; i++)
			cpu_pause();
		irqs_off();
		mark();
		l2_vmcall(0);
	}
}

static void end_virtual(struct trap_frame *frame)
{
	wrmsr(MSR_X2APIC_EOI, 0);
}

/* The descriptor; and the virtual-APIC page, where interrupts begin and end. */
static void posted_interrupts(void)
{
	u64 *posted;

	l1_prepare(l2_opens);
	l1_need_pin(PIN_POSTED_INTR);
	use_vapic();
	posted = page_alloc();
	l1_use_pin(PIN_EXT_INT_EXITING | PIN_POSTED_INTR);
	l1_set(VMCS_EXIT_CTLS, EXITC_ACK_INT);
	l1_use_proc2(PROC2_VIRT_INTR | PROC2_X2APIC);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_EOI_BITMAP0 + 2 * i, 0);
	l1_vmwrite(VMCS_GUEST_INTR_STATUS, 0);
	l1_vmwrite(VMCS_POSTED_INTR_VECTOR, NOTIFY);
	l1_vmwrite(VMCS_POSTED_INTR_DESC, (u64)posted);
	on_trap(VECTOR, end_virtual);
	apic_enable();
	for (u32 i = 0; i < ROUNDS; i++) {
		posted[VECTOR / 64] |= 1ULL << VECTOR % 64;
		posted[4] |= 1;
		mark();
		apic_icr(0, NOTIFY | ICR_ASSERT);
		EXPECT_EXIT(EXIT_VMCALL);
		mark();
		GUEST_EXPECT(posted[VECTOR / 64] | posted[4], 0);
		l1_skip_insn();
	}
	on_trap(VECTOR, NULL);
}

/* --- records of KVM's ------------------------------------------------------- */

static void need_kvm(u32 feature)
{
	if (cpuid(0x40000000).ebx != 0x4b4d564b || !(cpuid(KVM_FEATURES).eax & feature))
		claim_skip("no such record here");
}

static void write_record(u32 msr, u64 enable)
{
	u64 record = (u64)page_alloc();

	for (u32 i = 0; i < ROUNDS; i++) {
		wrmsr(msr, record | enable);
		mark();
	}
	if (enable)
		wrmsr(msr, 0);
}

static void clocks(void)
{
	need_kvm(FEATURE_CLOCK);
	write_record(MSR_KVM_WALL_CLOCK, 0);
	write_record(MSR_KVM_SYSTEM_TIME, 1);
}

static void steal_time(void)
{
	need_kvm(FEATURE_STEAL_TIME);
	write_record(MSR_KVM_STEAL_TIME, 1);
}

/* In the handler the word says that EOI may wait; then it is taken back. */
static void mark_and_end(struct trap_frame *frame)
{
	mark();
	apic_eoi();
	mark();
}

static void pv_eoi(void)
{
	need_kvm(FEATURE_PV_EOI);
	apic_enable();
	on_trap(VECTOR, mark_and_end);
	wrmsr(MSR_KVM_PV_EOI, (u64)page_alloc() | 1);
	for (u32 i = 0; i < ROUNDS; i++) {
		apic_icr(0, VECTOR | ICR_ASSERT);
		irqs_on();
		cpu_pause();
		irqs_off();
	}
	wrmsr(MSR_KVM_PV_EOI, 0);
	on_trap(VECTOR, NULL);
}

/* Userspace may have the TPR in a word of the guest's memory. */
static void tpr(void)
{
	for (u64 i = 1; i <= ROUNDS; i++) {
		write_cr8(i);
		mark();
	}
	write_cr8(0);
}

CLAIMS = { { stays, "L2's stores and its TPR, while it stays" },
	   { by_l1, "L1's stores" },
	   { by_l2, "L2's stores" },
	   { by_both, "stores of both" },
	   { string_input, "string input" },
	   { from_device, "a load from a device into memory" },
	   { vmread_and_vmptrst, "VMREAD and VMPTRST into memory" },
	   { flags_of_page_tables, "flags of L1's page tables" },
	   { vmclear_current, "VMCLEAR of the current VMCS" },
	   { vmptrld_another, "VMPTRLD of another VMCS, VMCLEAR of a launched one" },
	   { shadow_vmcs, "VMCLEAR of a shadow VMCS that L2 wrote" },
	   { msr_store_list, "the MSR-store list" },
	   { virtual_apic_page, "the virtual-APIC page" },
	   { flags_of_ept, "flags of L1's EPT" },
	   { page_modification_log, "the page-modification log" },
	   { exception_information, "the virtualization-exception information" },
	   { posted_interrupts, "the posted-interrupt descriptor" },
	   { clocks, "kvmclock's records" },
	   { steal_time, "the steal-time record" },
	   { pv_eoi, "the word of the paravirtual EOI" },
	   { tpr, "L1's TPR" },
	   END_OF_CLAIMS };
