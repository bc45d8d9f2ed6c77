// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMCS says of STI's and MOV SS's shadows and of RFLAGS.RF after each
 * kind of exit, and what an entry does with them. SDM: "Saving Non-Register
 * State", "Saving RIP, RSP, SSP, and RFLAGS", "Loading Guest Non-Register State".
 */
#include "irqchip.h"
#include "vmx.h"

#define VECTOR 0x53
#define HOLE 0x3e000000ULL	/* not mapped by EPT */
#define MISCONFIG 0x3e001000ULL /* writable but not readable there */

/*
 * Not exceptions, nor RF at accesses to memory: there the emulated processor has the
 * state of after the instruction.
 */
#define KINDS(K)                                        \
	K(cpuid, EXIT_CPUID, "cpuid")                   \
	K(hlt, EXIT_HLT, "hlt")                         \
	K(invlpg, EXIT_INVLPG, "invlpg (%rdi)")         \
	K(rdpmc, EXIT_RDPMC, "rdpmc")                   \
	K(rdtsc, EXIT_RDTSC, "rdtsc")                   \
	K(pause, EXIT_PAUSE, "pause")                   \
	K(to_cr3, EXIT_CR_ACCESS, "mov %rbx, %cr3")     \
	K(from_cr3, EXIT_CR_ACCESS, "mov %cr3, %rax")   \
	K(to_dr0, EXIT_DR_ACCESS, "mov %rax, %dr0")     \
	K(in, EXIT_IO, "in $0x80, %al")                 \
	K(rdmsr, EXIT_RDMSR, "rdmsr")                   \
	K(wrmsr, EXIT_WRMSR, "wrmsr")                   \
	K(vmcall, EXIT_VMCALL, "vmcall")                \
	K(vmread, EXIT_VMREAD, "vmread %rax, %rax")     \
	K(vmptrld, EXIT_VMPTRLD, "vmptrld (%rdi)")      \
	K(invd, EXIT_INVD, "invd")                      \
	K(wbinvd, EXIT_WBINVD, "wbinvd")                \
	K(sgdt, EXIT_GDTR_IDTR, "sgdt (%rdi)")          \
	K(str, EXIT_LDTR_TR, "str %ax")                 \
	K(rdrand, EXIT_RDRAND, "rdrand %rax")           \
	K(read, EXIT_EPT_VIOLATION, "mov (%rdi), %al")  \
	K(write, EXIT_EPT_VIOLATION, "mov %al, (%rdi)") \
	K(misconfig, EXIT_EPT_MISCONFIG, "mov (%rsi), %al")

/* Behind NOP, behind STI, behind MOV SS. */
#define CODE(name, reason, insn)                              \
	"plain_" #name ": " insn "\n"                         \
	"sti_" #name ": sti\n sti_insn_" #name ": " insn "\n" \
	"ss_" #name ": mov %r8d, %ss\n ss_insn_" #name ": " insn "\n"
#define SYMBOLS(name, reason, insn)                                                   \
	extern const u8 plain_##name[], sti_##name[], sti_insn_##name[], ss_##name[], \
		ss_insn_##name[];
#define ROW(name, reason, insn) \
	{ #name, plain_##name, sti_##name, sti_insn_##name, ss_##name, ss_insn_##name, reason },

asm(".pushsection .text\n" KINDS(CODE) ".popsection\n");
KINDS(SYMBOLS)

static const struct kind {
	const char *name;
	const u8 *plain, *sti, *sti_insn, *ss, *ss_insn;
	u32 reason;
} kinds[] = { KINDS(ROW) };

/* Controls that this processor may lack. */
static bool offered(const struct kind *k)
{
	switch (k->reason) {
	case EXIT_RDRAND: return ctl_may(l1_vmx()->caps.proc2, PROC2_RDRAND);
	case EXIT_GDTR_IDTR:
	case EXIT_LDTR_TR: return ctl_may(l1_vmx()->caps.proc2, PROC2_DESC_TABLE);
	default: return true;
	}
}

static bool by_insn(const struct kind *k)
{
	return k->reason != EXIT_EPT_VIOLATION && k->reason != EXIT_EPT_MISCONFIG;
}

static void prepare(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);
	u64 offer = vmx->caps.proc2.may;

	l1_need_ept(0);
	l1_use_proc(PROC_HLT | PROC_INVLPG | PROC_RDPMC | PROC_RDTSC | PROC_PAUSE | PROC_CR3_LOAD |
		    PROC_CR3_STORE | PROC_MOV_DR | PROC_UNCOND_IO);
	l1_use_proc2(PROC2_WBINVD | (offer & (PROC2_DESC_TABLE | PROC2_RDRAND)));
	*l1_ept_entry(vmx, HOLE) = 0;
	*l1_ept_entry(vmx, MISCONFIG) = MISCONFIG | EPTE_W;
	vmx->regs[GPR_RBX] = read_cr3();
	vmx->regs[GPR_RCX] = 0x40000000; /* beyond the MSR bitmaps */
	vmx->regs[GPR_RDI] = HOLE;
	vmx->regs[GPR_RSI] = MISCONFIG;
	vmx->regs[GPR_R8] = SEL_DATA;
}

/* Start at @from; the exit is that of @insn, with this blocking and RF. */
static void expect_state(const struct kind *k, const u8 *from, const u8 *insn, u64 rflags,
			 u32 blocking)
{
	unsigned int before = claim_failures();

	l1_vmwrite(VMCS_GUEST_RIP, (u64)from);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | rflags);
	l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	EXPECT_EXIT(k->reason);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)insn);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), blocking);
	if (by_insn(k))
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RFLAGS) & RFLAGS_RF, 0);
	if (claim_failures() != before)
		printf("# %s\n", k->name);
}

#define EACH(k)                                                                \
	for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) \
		if (offered(k))

static void without(void)
{
	prepare();
	EACH(k)
	expect_state(k, k->plain, k->plain, 0, 0);
}

static void after_sti(void)
{
	prepare();
	EACH(k)
	expect_state(k, k->sti, k->sti_insn, 0, IRQBLK_STI);
}

static void after_mov_ss(void)
{
	prepare();
	EACH(k)
	expect_state(k, k->ss, k->ss_insn, 0, IRQBLK_MOV_SS);
}

static void with_rf(void)
{
	prepare();
	EACH(k)
	expect_state(k, k->plain, k->plain, RFLAGS_RF, 0);
}

/* --- entries --------------------------------------------------------------------- */

extern const u8 one_nop[], after_nop[];

asm(".pushsection .text\n"
    "one_nop: nop\n"
    "after_nop: nop; mov $0x600d, %eax; vmcall\n"
    ".popsection\n");

/* A shadow that L1 writes holds back the window for one instruction. */
static void entry_with_shadow(void)
{
	static const u32 shadows[] = { IRQBLK_STI, IRQBLK_MOV_SS };

	for (u32 i = 0; i < ARRAY_SIZE(shadows); i++) {
		l1_prepare((void (*)(void))(u64)one_nop);
		l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
		l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, shadows[i]);
		l1_use_proc(PROC_INT_WINDOW);
		EXPECT_EXIT(EXIT_INT_WINDOW);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)after_nop);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
	}
}

/* A timer of 0 exits at once, shadow or not, and leaves it. */
static void timer_in_shadow(void)
{
	static const u32 shadows[] = { IRQBLK_STI, IRQBLK_MOV_SS };

	for (u32 i = 0; i < ARRAY_SIZE(shadows); i++) {
		l1_prepare((void (*)(void))(u64)one_nop);
		l1_use_pin(PIN_PREEMPT_TIMER);
		l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
		l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, shadows[i]);
		l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 0);
		EXPECT_EXIT(EXIT_PREEMPT_TIMER);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)one_nop);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), shadows[i]);
	}
}

static void nothing(struct trap_frame *frame)
{
	apic_eoi();
}

/* An interrupt that waits is L1's once the shadow is over. */
static void interrupt_in_shadow(void)
{
	static const u32 shadows[] = { IRQBLK_STI, IRQBLK_MOV_SS };

	apic_enable();
	on_trap(VECTOR, nothing);
	for (u32 i = 0; i < ARRAY_SIZE(shadows); i++) {
		l1_prepare((void (*)(void))(u64)one_nop);
		l1_use_pin(PIN_EXT_INT_EXITING);
		l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
		l1_vmwrite(VMCS_GUEST_INTERRUPTIBILITY, shadows[i]);
		apic_icr(0, VECTOR | ICR_SELF | ICR_ASSERT);
		EXPECT_EXIT(EXIT_EXT_INT);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)after_nop);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_INTERRUPTIBILITY), 0);
		irqs_on();
		cpu_pause();
		irqs_off();
	}
	on_trap(VECTOR, NULL);
}

/* RF lets L2 pass an instruction breakpoint at the entry, once. */
static void entry_with_rf(void)
{
	l1_prepare((void (*)(void))(u64)one_nop);
	/* Once before, so that L0 maps the page: an EPT violation of the emulated one loses RF. */
	EXPECT_EXIT(EXIT_VMCALL);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)one_nop);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_DB));
	write_dr0((u64)one_nop);
	write_dr1((u64)after_nop);
	l1_vmwrite(VMCS_GUEST_DR7, 0x405);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)one_nop);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0xf, 1);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_RF);
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)after_nop);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0xf, 2);
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_RF);
	EXPECT_EXIT(EXIT_VMCALL);
	write_dr0(0);
	write_dr1(0);
}

CLAIMS = { { without, "after each kind of exit there is no shadow and no RF" },
	   { after_sti, "STI's shadow at each kind of exit" },
	   { after_mov_ss, "MOV SS' shadow at each kind of exit" },
	   { with_rf, "RF that was set before each kind of exit is clear" },
	   { entry_with_shadow, "a shadow at the entry delays the interrupt window" },
	   { timer_in_shadow, "a timer of 0 exits within a shadow, and keeps it" },
	   { interrupt_in_shadow, "an interrupt that waits at the entry exits behind the shadow" },
	   { entry_with_rf, "RF at the entry passes one instruction breakpoint" },
	   END_OF_CLAIMS };
