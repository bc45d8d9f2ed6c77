// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exits in the middle of an event's delivery to L2, and task switches: what the
 * event was, and that L1 can deliver it again.
 * SDM: "Information for VM Exits During Event Delivery", "Task Switches",
 * "Information About NMI Unblocking Due to IRET".
 */
#include "vmx.h"

#define VECTOR 0x51

static volatile u32 seen, seen_error;
static volatile u64 seen_rip;
static u8 *idt_page;

static void on_event(struct trap_frame *frame)
{
	seen++;
	seen_error = frame->error;
	seen_rip = frame->rip;
	frame->rip = l1_vmx()->regs[GPR_R15];
}

extern const u8 end_here[], soft_int[], soft_bp[], undefined[], protection[], iret_insn[];
extern const u8 task_call[], task_jmp[], task_iret[], task_int[], task_bp[], task_ud[], task_gp[],
	task_end[];

asm(".pushsection .text\n"
    "end_here: mov $0x600d, %eax; vmcall\n"
    "soft_int: int $0x51\n"
    "soft_bp: int3\n"
    "undefined: ud2\n"
    "protection: mov %ecx, %ds\n"
    "iret_insn: iretq\n"
    ".code32\n"
    "task_call: lcall $0x48, $0\n"
    "task_jmp: ljmp $0x48, $0\n"
    "task_iret: iretl\n"
    "task_int: int $0x51\n"
    "task_bp: int3\n"
    "task_ud: ud2\n"
    "task_gp: mov %ecx, %ds\n"
    "task_end: nop\n"
    ".code64\n"
    ".popsection\n");

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* --- EPT violations ------------------------------------------------------- */

struct event {
	const char *name;
	const u8 *code; /* NULL: injected */
	u32 info, error, length;
};

static const struct event events[] = {
	{ "interrupt", NULL, INTR_TYPE_EXT | VECTOR, 0, 0 },
	{ "NMI", NULL, INTR_TYPE_NMI | VEC_NMI, 0, 0 },
	{ "#UD injected", NULL, INTR_TYPE_HARD_EXC | VEC_UD, 0, 0 },
	{ "#GP injected", NULL, INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_GP, 0x128, 0 },
	{ "INT n injected", NULL, INTR_TYPE_SOFT_INT | VECTOR, 0, 2 },
	{ "INT3 injected", NULL, INTR_TYPE_SOFT_EXC | VEC_BP, 0, 1 },
	{ "INT n", soft_int, INTR_TYPE_SOFT_INT | VECTOR, 0, 2 },
	{ "INT3", soft_bp, INTR_TYPE_SOFT_EXC | VEC_BP, 0, 1 },
	{ "#UD", undefined, INTR_TYPE_HARD_EXC | VEC_UD, 0, 0 },
	{ "#GP", protection, INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_GP, 0x1000, 0 },
};

static void inject(u32 info, u32 error, u32 length)
{
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, info | INTR_VALID);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, error);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, length);
}

static void expect_vectoring(const struct event *e)
{
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & ~INTR_NMI_UNBLOCK, e->info | INTR_VALID);
	if (e->info & INTR_HAS_ERROR)
		GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_ERROR), e->error);
	if (intr_type_software(e->info))
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), e->length);
	/* An NMI blocks others from the start of its delivery. */
	if ((e->info & INTR_TYPE_MASK) == INTR_TYPE_NMI)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY) & IRQBLK_NMI, IRQBLK_NMI);
}

/* L2 with an IDT that has a page of its own. */
static struct l1_vmx *prepare(const struct event *e)
{
	const u8 *code = e->code ? e->code : end_here;
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);

	l1_need_ept(0);
	idt_page = page_alloc();
	memcpy(idt_page, (void *)l1_vmread(VMCS_GUEST_IDTR_BASE), 4096);
	l1_vmwrite(VMCS_GUEST_IDTR_BASE, (u64)idt_page);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vmx->regs[GPR_RCX] = 0x1003;
	vmx->regs[GPR_R15] = (u64)end_here;
	seen = 0;
	on_trap(e->info & INTR_VECTOR, on_event);
	if (!e->code)
		inject(e->info, e->error, e->length);
	return vmx;
}

static u64 return_address(const struct event *e)
{
	if (!e->code)
		return (u64)end_here + e->length;
	return (u64)e->code + e->length;
}

/* The event again, now that L1 has mended what it fell over. */
static void deliver_again(const struct event *e)
{
	inject(l1_vmread(VMCS_IDT_VECTORING_INFO) & ~INTR_NMI_UNBLOCK,
	       l1_vmread(VMCS_IDT_VECTORING_ERROR), l1_vmread(VMCS_EXIT_INSN_LEN));
	expect_end();
	GUEST_EXPECT(seen, 1);
	GUEST_EXPECT(seen_rip, return_address(e));
	if (e->info & INTR_HAS_ERROR)
		GUEST_EXPECT(seen_error, e->error);
	on_trap(e->info & INTR_VECTOR, NULL);
}

static void each_event(void (*run)(const struct event *e))
{
	for (u32 i = 0; i < ARRAY_SIZE(events); i++) {
		unsigned int before = claim_failures();

		run(&events[i]);
		if (claim_failures() != before)
			printf("# event: %s\n", events[i].name);
	}
}

/* Without what advanced exit information says of the page: l2-mbec has that. */
static u64 qualification(void)
{
	return l1_vmread(VMCS_EXIT_QUAL) & ~(EPTQ_USER_PAGE | EPTQ_WRITE_PAGE | EPTQ_NX_PAGE);
}

static void hidden_idt(const struct event *e)
{
	struct l1_vmx *vmx = prepare(e);
	u64 *entry = l1_ept_entry(vmx, (u64)idt_page), old = *entry;
	u64 gate = (u64)idt_page + 16 * (e->info & INTR_VECTOR);

	*entry = 0;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(qualification(), EPTQ_READ | EPTQ_LINEAR_VALID | EPTQ_FINAL);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR) & ~15ULL, gate);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR) & ~15ULL, gate);
	expect_vectoring(e);
	*entry = old;
	deliver_again(e);
}

static void ept_idt(void)
{
	each_event(hidden_idt);
}

static void read_only_stack(const struct event *e)
{
	struct l1_vmx *vmx = prepare(e);
	u64 rsp = l1_vmread(VMCS_GUEST_RSP), *entry = l1_ept_entry(vmx, rsp), old = *entry;

	*entry &= ~EPTE_W;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & (EPTQ_WRITE | EPTQ_FETCH), EPTQ_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR) >> 12, rsp >> 12);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RSP), rsp);
	expect_vectoring(e);
	*entry = old;
	deliver_again(e);
}

static void ept_stack(void)
{
	each_event(read_only_stack);
}

static void misconfigured_idt(const struct event *e)
{
	struct l1_vmx *vmx = prepare(e);
	u64 *entry = l1_ept_entry(vmx, (u64)idt_page), old = *entry;

	*entry = (old & ~7ULL) | EPTE_W;
	EXPECT_EXIT(EXIT_EPT_MISCONFIG);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR) >> 12, (u64)idt_page >> 12);
	expect_vectoring(e);
	*entry = old;
	deliver_again(e);
}

static void ept_misconfigured(void)
{
	each_event(misconfigured_idt);
}

/* --- faults in delivery ---------------------------------------------------- */

static void faulting_idt(const struct event *e)
{
	prepare(e);
	*page_entry((u64)idt_page) &= ~1ULL;
	invlpg((u64)idt_page);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & ~INTR_NMI_UNBLOCK,
		     INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_PF);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & ~15ULL,
		     (u64)idt_page + 16 * (e->info & INTR_VECTOR));
	expect_vectoring(e);
	*page_entry((u64)idt_page) |= 1;
	invlpg((u64)idt_page);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	deliver_again(e);
}

static void page_fault(void)
{
	each_event(faulting_idt);
}

/* #PF in delivering #PF; what L1 intercepts is #DF, which it gets directly. */
static void double_fault(void)
{
	static const struct event pf = { "#PF", NULL, INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_PF,
					 2, 0 };

	prepare(&pf);
	*page_entry((u64)idt_page) &= ~1ULL;
	invlpg((u64)idt_page);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DF));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_DF);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), 0);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	/* And #DF itself cannot be delivered. */
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, 0);
	inject(pf.info, pf.error, 0);
	EXPECT_EXIT(EXIT_TRIPLE_FAULT);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID, 0);
	*page_entry((u64)idt_page) |= 1;
	invlpg((u64)idt_page);
	on_trap(VEC_PF, NULL);
}

/* --- IRET that unblocks NMIs ----------------------------------------------- */

static struct l1_vmx *prepare_iret(u64 *frame)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)iret_insn);

	l1_need_ept(0);
	l1_use_pin(PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_NMI);
	frame[0] = (u64)end_here;
	frame[1] = SEL_CODE64;
	frame[2] = RFLAGS_FIXED;
	frame[3] = l1_vmread(VMCS_GUEST_RSP);
	frame[4] = SEL_DATA;
	l1_vmwrite(VMCS_GUEST_RSP, (u64)frame);
	return vmx;
}

static void iret_ept_violation(void)
{
	struct l1_vmx *vmx = prepare_iret((u64 *)LOW_SCRATCH);
	u64 *entry = l1_ept_entry(vmx, LOW_SCRATCH), old = *entry;

	*entry = 0;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(qualification(),
		     EPTQ_READ | EPTQ_LINEAR_VALID | EPTQ_FINAL | EPTQ_NMI_UNBLOCK);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)iret_insn);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
	*entry = old;
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, IRQBLK_NMI);
	expect_end();
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

static void iret_page_fault(void)
{
	prepare_iret((u64 *)LOW_SCRATCH);
	*page_entry(LOW_SCRATCH) &= ~1ULL;
	invlpg(LOW_SCRATCH);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_PF));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	*page_entry(LOW_SCRATCH) |= 1;
	invlpg(LOW_SCRATCH);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_NMI_UNBLOCK | INTR_TYPE_HARD_EXC | INTR_HAS_ERROR | VEC_PF);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)iret_insn);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
}

/* --- task switches ----------------------------------------------------------- */

#define TSS32_AVAILABLE 0x89
#define TASK_GATE ((u64)0x85 << 40 | (u64)SEL_SPARE << 16)

/* 32-bit code without paging, an IDT of task gates, a TSS with a back link. */
static struct l1_vmx *prepare_task(const u8 *code)
{
	struct l1_vmx *vmx = l1_prepare((void (*)(void))(u64)code);
	u64 *idt = page_alloc(), tss = (u64)page_alloc();

	l1_need_ept(0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_clear(VMCS_GUEST_CR0, CR0_PG);
	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE32);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	l1_vmwrite(VMCS_GUEST_IDTR_BASE, (u64)idt);
	l1_vmwrite(VMCS_GUEST_TR_BASE, tss);
	*(u16 *)tss = SEL_SPARE;
	for (u32 i = 0; i < 256; i++)
		idt[i] = TASK_GATE;
	gdt[SEL_SPARE / 8] = 0x67 | (tss & 0xffffff) << 16 | (u64)TSS32_AVAILABLE << 40 |
			     (tss >> 24) << 56;
	return vmx;
}

static void expect_switch(const u8 *rip, u32 source, u32 length, u32 vectoring)
{
	EXPECT_EXIT(EXIT_TASK_SWITCH);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), SEL_SPARE | (u64)source << 30);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)rip);
	if (length)
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), length);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), vectoring);
	gdt[SEL_SPARE / 8] = 0;
}

static void task_instructions(void)
{
	prepare_task(task_call);
	expect_switch(task_call, TSQ_SOURCE_CALL, 7, 0);
	prepare_task(task_jmp);
	expect_switch(task_jmp, TSQ_SOURCE_JMP, 7, 0);
	prepare_task(task_iret);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | BIT(14)); /* NT */
	gdt[SEL_SPARE / 8] |= 2ULL << 40;		       /* busy */
	expect_switch(task_iret, TSQ_SOURCE_IRET, 1, 0);
}

static void task_gates(void)
{
	struct l1_vmx *vmx;

	prepare_task(task_int);
	expect_switch(task_int, TSQ_SOURCE_GATE, 2, INTR_VALID | INTR_TYPE_SOFT_INT | VECTOR);
	prepare_task(task_bp);
	expect_switch(task_bp, TSQ_SOURCE_GATE, 1, INTR_VALID | INTR_TYPE_SOFT_EXC | VEC_BP);
	prepare_task(task_ud);
	expect_switch(task_ud, TSQ_SOURCE_GATE, 0, INTR_VALID | INTR_TYPE_HARD_EXC | VEC_UD);
	vmx = prepare_task(task_gp);
	vmx->regs[GPR_RCX] = 0x1003;
	expect_switch(task_gp, TSQ_SOURCE_GATE, 0,
		      INTR_VALID | INTR_HAS_ERROR | INTR_TYPE_HARD_EXC | VEC_GP);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_ERROR), 0x1000);
}

static void task_injected(void)
{
	prepare_task(task_end);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	inject(INTR_TYPE_EXT | VECTOR, 0, 0);
	expect_switch(task_end, TSQ_SOURCE_GATE, 0, INTR_VALID | INTR_TYPE_EXT | VECTOR);
	prepare_task(task_end);
	inject(INTR_TYPE_NMI | VEC_NMI, 0, 0);
	expect_switch(task_end, TSQ_SOURCE_GATE, 0, INTR_VALID | INTR_TYPE_NMI | VEC_NMI);
}

/* A fault in finding the TSS comes before the exit. */
static void task_fault_first(void)
{
	prepare_task(task_call);
	gdt[SEL_SPARE / 8] &= ~(1ULL << 47); /* not present */
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_NP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_HAS_ERROR | INTR_TYPE_HARD_EXC | VEC_NP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), SEL_SPARE);
	gdt[SEL_SPARE / 8] = 0;
}

CLAIMS = { { ept_idt, "EPT violations on the IDT, for each kind of event" },
	   { ept_stack, "EPT violations on the stack" },
	   { ept_misconfigured, "EPT misconfigurations of the IDT" },
	   { page_fault, "an intercepted #PF on the IDT" },
	   { double_fault, "#PF in #PF: #DF directly, or a triple fault" },
	   { iret_ept_violation, "an EPT violation of IRET tells that NMIs were unblocked" },
	   { iret_page_fault, "so does a #PF" },
	   { task_instructions, "task switches by CALL, JMP and IRET" },
	   { task_gates, "task switches by INT n, INT3 and exceptions" },
	   { task_injected, "task switches by injected events" },
	   { task_fault_first, "a TSS that is not present raises #NP" },
	   END_OF_CLAIMS };
