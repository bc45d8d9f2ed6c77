// SPDX-License-Identifier: GPL-2.0-only
/*
 * What two saved states of one machine may differ in without being different: time that has
 * passed, and what the API has two forms for.
 */
#include <string.h>
#include "../machine.h"

#define SEGMENTS 8 /* CS to LDTR, one after the other in both forms of the registers */

/* MSRs that are clocks: IA32_TSC, Hyper-V's run time and reference time. */
static void forget_clocks(struct machine *m)
{
	static const u32 clocks[] = { 0x10, 0x40000010, 0x40000020 };

	for (u32 i = 0; i < ARRAY_SIZE(clocks); i++)
		if (machine_msr(m, clocks[i]))
			machine_msr(m, clocks[i])->data = 0;
}

/* What an unusable segment, as one is that is not present, has beside that is nothing. */
static void forget_unusable(struct kvm_segment *segment, u32 count)
{
	for (; count--; segment++)
		if (segment->unusable || !segment->present)
			*segment = (struct kvm_segment){ .base = segment->base, .unusable = 1 };
}

/* The current count of the LAPIC's timer, which runs. */
static void forget_count(struct machine *m)
{
	memset(m->lapic.regs + 0x390, 0, 4);
}

/* Without its capability an exception that waits is told as one in delivery, too. */
static void forget_pending(struct kvm_vcpu_events *e)
{
	if (e->exception.injected)
		e->exception.pending = 0;
}

/* A timer that ran when it was saved may have expired since. */
static void forget_expired(struct machine *was, struct machine *is)
{
	const u32 *lvt = (u32 *)(was->lapic.regs + 0x320);
	const u32 *initial = (u32 *)(was->lapic.regs + 0x380);
	const struct kvm_msr_entry *deadline = machine_msr(was, 0x6e0);
	u32 at = 0x200 + (*lvt & 0xff) / 32 * 0x10 + (*lvt & 0xff) % 32 / 8;
	u8 bit = 1 << (*lvt & 7);

	if (!*initial && !(deadline && deadline->data))
		return;
	was->lapic.regs[at] |= is->lapic.regs[at] & bit;
}

/* MXCSR_MASK is the processor's, and KVM_SET_FPU has none. */
static void forget_mask(struct kvm_xsave *xsave)
{
	xsave->region[7] = 0;
}

/*
 * Which of x87 and SSE are in use: KVM_SET_FPU sets both, with what they have initially, too.
 * That a component is not in use says no more than that it has that.
 */
static void forget_in_use(struct kvm_xsave *xsave)
{
	static const u8 zeroes[256];
	const u8 *area = (const u8 *)xsave->region;
	u64 *bv = (u64 *)(xsave->region + 128);
	u16 fcw;

	memcpy(&fcw, area, sizeof(fcw));
	if (fcw == 0x37f && !memcmp(area + 2, zeroes, 22) && !memcmp(area + 32, zeroes, 128))
		*bv &= ~1ull;
	if (!memcmp(area + 160, zeroes, 256))
		*bv &= ~2ull;
}

/* OUT of a PIT's channel goes with time, unless the guest has latched the status. */
static void forget_out(struct kvm_pit_channel_state *channel)
{
	if (!channel->status_latched)
		channel->status &= ~0x80;
}

static void forget_pit_time(struct machine *m)
{
	for (int i = 0; i < 3; i++) {
		m->pit.channels[i].count_load_time = 0;
		forget_out(&m->pit.channels[i]);
	}
}

static void forget_one(struct machine *m)
{
	forget_clocks(m);
	forget_unusable(&m->sregs2.cs, SEGMENTS);
	forget_unusable(&m->sregs.cs, SEGMENTS);
	forget_count(m);
	forget_pending(&m->events);
	forget_mask(&m->xsave);
	forget_in_use(&m->xsave);
	/* Time has passed; and when counting began is asked for by a count that is read. */
	forget_pit_time(m);
	m->clock.host_tsc = m->clock.realtime = m->clock.clock = 0;
	m->nested.state.hdr.vmx.preemption_timer_deadline = 0;
}

void machine_forget(struct machine *was, struct machine *is)
{
	forget_expired(was, is);
	forget_one(was);
	forget_one(is);
}
