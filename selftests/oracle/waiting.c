// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts and NMIs that come while L2 runs: an interrupt that waits since before the entry,
 * when L1 had IF clear, or what L2 sends itself by L1's local APIC, which EPT maps for it. Each
 * goes its own way: to L1 by an exit, to L2 by its IDT, or nowhere, and then L1 takes it in the
 * end. No NMI waits for the entry: the emulated processor would block it there (virtual_nmi in
 * quirks.def).
 */
#include "irqchip.h"
#include "oracle.h"

#define FIRST_VECTOR 0x20 /* L2 has a stub for each up to NR_VECTORS */

static u32 nmis, interrupts;

/* As xAPIC: one exit for each access, where the library looks at the mode before. */
static volatile u32 *apic(u32 reg)
{
	return (volatile u32 *)(u64)(APIC_PAGE + reg);
}

static void on_nmi(struct trap_frame *frame)
{
	nmis++;
}

static void on_interrupt(struct trap_frame *frame)
{
	interrupts++;
	*apic(APIC_EOI) = 0;
}

void waiting_init(void)
{
	apic_enable();
	*apic(APIC_ICR_HIGH) = *apic(APIC_ID); /* who writes only ICR sends to itself */
	on_trap(VEC_NMI, on_nmi);
	for (u32 i = FIRST_VECTOR; i < NR_VECTORS; i++)
		on_trap(i, on_interrupt);
}

void waiting_raise(const struct trial *t)
{
	nmis = interrupts = 0;
	*apic(APIC_TPR) = 0;
	if (t->irq_waits)
		*apic(APIC_ICR) = ICR_SELF | ICR_ASSERT | t->vector;
}

/* IRET ends blocking by NMI. */
void unblock_nmis(void)
{
	u64 scratch;

	asm volatile("mov %%rsp, %0; push %2; push %0; pushfq; push %1; lea 1f(%%rip), %0;"
		     "push %0; iretq; 1:"
		     : "=&r"(scratch)
		     : "r"((u64)SEL_CODE64), "r"((u64)SEL_DATA)
		     : "memory");
}

static bool vector_bit(u32 reg, u8 vector)
{
	return *apic(reg + vector / 32 * 0x10) >> vector % 32 & 1;
}

/* What became of them, and L1 as it was. */
u64 waiting_settle(const struct trial *t, u64 hash)
{
	bool in_service = vector_bit(APIC_ISR, t->vector);
	u32 tpr = *apic(APIC_TPR);

	unblock_nmis();
	if (in_service)
		*apic(APIC_EOI) = 0;
	*apic(APIC_TPR) = 0;
	asm volatile("sti; nop; cli" : : : "memory");
	if (t->explain)
		printf("= TPR 0x%x\n= in service %u\n= NMIs that L1 took %u\n"
		       "= interrupts that L1 took %u\n",
		       tpr, in_service, nmis, interrupts);
	return fold(hash, tpr << 16 | in_service << 8 | nmis << 4 | interrupts);
}

/* --- the change ------------------------------------------------------------------- */

static void write_apic(struct trial *t, u32 reg, u32 v)
{
	emit_mov(t, GPR_RBX, APIC_PAGE + reg);
	emit_mov(t, GPR_RAX, v);
	EMIT(t, 0x89, 0x03); /* MOV [RBX], EAX */
}

static void send(struct trial *t, struct rng *r, u32 icr)
{
	note(t, "L2 writes ICR", icr);
	t->writes_apic = true;
	if (rng_one_in(r, 4))
		EMIT(t, rng_one_in(r, 2) ? 0xfb : 0xfa); /* STI, CLI */
	write_apic(t, APIC_ICR, icr);
	if (rng_one_in(r, 4))
		EMIT(t, 0x89, 0x03); /* once more */
	if (rng_one_in(r, 3))
		write_apic(t, APIC_EOI, 0);
	if (rng_one_in(r, 3))
		EMIT(t, 0xfb);
	if (rng_one_in(r, 3))
		EMIT(t, 0x90, 0x90);
	emit_mov(t, GPR_RBX, t->regs[GPR_RBX]); /* other instructions stay off the APIC */
	emit_mov(t, GPR_RAX, t->regs[GPR_RAX]);
}

static void nmi_controls(struct trial *t, struct rng *r)
{
	if (rng_one_in(r, 2))
		flip(t, F_PIN_CTLS, PIN_NMI_EXITING);
	if (rng_one_in(r, 3))
		set(t, F_PIN_CTLS, t->want[F_PIN_CTLS] | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS);
	if (rng_one_in(r, 3))
		flip(t, F_PROC_CTLS, PROC_NMI_WINDOW);
	if (rng_one_in(r, 3))
		flip(t, F_GUEST_INTERRUPTIBILITY, IRQBLK_NMI);
}

static void interrupt_controls(struct trial *t, struct rng *r)
{
	if (rng_one_in(r, 2))
		flip(t, F_PIN_CTLS, PIN_EXT_INT_EXITING);
	if (rng_one_in(r, 2))
		flip(t, F_EXIT_CTLS, EXITC_ACK_INT);
	if (rng_one_in(r, 3))
		flip(t, F_PROC_CTLS, PROC_INT_WINDOW);
	if (rng_one_in(r, 2))
		set(t, F_GUEST_RFLAGS, t->want[F_GUEST_RFLAGS] | RFLAGS_IF);
}

void change_waiting(struct trial *t, struct rng *r)
{
	u32 kind = t->bits == 16 ? 0 : rng_below(r, 3);

	t->arrives = true;
	t->vector = t->vector ?: FIRST_VECTOR + rng_below(r, NR_VECTORS - FIRST_VECTOR);
	if (kind == 0) {
		t->irq_waits = true;
		note(t, "an interrupt waits, vector", t->vector);
	} else if (kind == 1) {
		send(t, r, ICR_SELF | ICR_ASSERT | t->vector);
	} else {
		t->sends_nmi = true;
		send(t, r, ICR_NMI | ICR_ASSERT);
		nmi_controls(t, r);
	}
	if (kind < 2)
		interrupt_controls(t, r);
}
