// SPDX-License-Identifier: GPL-2.0-only
/*
 * state-bits [-v] [-n BITS] [-p PART] [-s SEED] [IMAGE...]: the state of a guest that ran, with one bit
 * turned over, for each GET and SET that there is. It is refused, with an errno that abyme(4)
 * has, and nothing is other than before; or taken, and then read back as it was set, but for
 * what the table `rows` says. Then the guest runs on to something that is defined. All bits of
 * what is small, and BITS of what has more, drawn anew with another SEED; -n 0: all. STATE_BITS
 * in the environment is the default of -n.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "shake.h"

#define RUN_EVERY 4 /* one of so many that are taken */
#define MSR_TSC 0x10

static struct vm *vm;
static struct machine base, before, after, want;
static u32 taken, refused, odd, exits, at_most;
static const char *alone;
static bool verbose;

/* --- what can be set --------------------------------------------------------- */

/* Of struct machine: @size bytes at @offset, and @count of them, @stride apart. */
struct piece {
	const char *name;
	enum part part;
	size_t offset, size, stride;
	u32 count;
	int error; /* what it is refused with; 0: it never is */
};

#define AT(member) offsetof(struct machine, member), sizeof(((struct machine *)0)->member)
#define ONE(part, member, error)                              \
	{                                                     \
#member, PART_##part, AT(member), 0, 1, error \
	}
static const struct piece pieces[] = {
	ONE(REGS, regs, 0),
	ONE(SREGS, sregs, EINVAL),
	ONE(SREGS2, sregs2, EINVAL),
	ONE(FPU, fpu, 0),
	ONE(XSAVE, xsave, EINVAL),
	ONE(XCRS, xcrs, EINVAL),
	ONE(DEBUGREGS, debugregs, EINVAL),
	ONE(EVENTS, events, EINVAL),
	ONE(MP_STATE, mp_state, EINVAL),
	ONE(LAPIC, lapic, EINVAL),
	ONE(TSC_KHZ, tsc_khz, EINVAL),
	ONE(NESTED, nested, EINVAL),
	ONE(CLOCK, clock, EINVAL),
	ONE(PIT, pit, EINVAL),
	{ "cpuid", PART_CPUID, AT(cpuid.entries), 0, 1, EINVAL },
	{ "chip", PART_IRQCHIP, AT(chip[0].chip), sizeof(struct kvm_irqchip), 3, 0 },
	{ "MSR", PART_MSRS, AT(msrs.entries[0].data), sizeof(struct kvm_msr_entry), 0, EINVAL },
};
#undef AT

static u32 count_of(const struct piece *p)
{
	return p->part == PART_MSRS ? base.msrs.head.nmsrs : p->count;
}

/* As far as there is something in it; outside VMX operation there is no nested state. */
static size_t size_of(const struct piece *p)
{
	switch (p->part) {
	case PART_CPUID: return base.cpuid.head.nent * sizeof(base.cpuid.entries[0]);
	case PART_NESTED:
		return base.nested.state.hdr.vmx.vmxon_pa == ~0ull ? 0 : base.nested.state.size;
	default: return p->size;
	}
}

/* Of a list only what was turned over: those before it would be set in any case. */
static int set_piece(const struct piece *p, u32 which, struct machine *m)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry = m->msrs.entries[which] };

	errno = 0;
	switch (p->part) {
	case PART_MSRS:
		if (ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &one) == 1)
			return 0;
		errno = errno ? errno : EINVAL;
		return -1;
	case PART_IRQCHIP: return ioctl(vm->fd, KVM_SET_IRQCHIP, &m->chip[which]);
	case PART_CLOCK: return ioctl(vm->fd, KVM_SET_CLOCK, &m->clock);
	default: return machine_set(vm, m, p->part);
	}
}

/* --- what may happen -------------------------------------------------------- */

static void look(struct machine *m)
{
	static const enum part more[] = { PART_SREGS, PART_FPU, PART_TSC_KHZ, PART_CPUID,
					  PART_END };

	memset(m, 0, sizeof(*m));
	machine_get_all(vm, m, qemu_gets);
	machine_get_all(vm, m, more);
}

static void complain(const char *what, const char *why)
{
	if (odd++ < 60)
		tap_note("%s: %s", what, why);
}

static void back_to_base(void)
{
	shake_back(vm);
	machine_set_all(vm, &base, qemu_sets + 1 /* but CPUID */);
}

/* A vCPU that has not run, whose CPUID can be set. */
static void renew(void)
{
	vm = vm_inherit(vm);
	if (machine_set(vm, &base, PART_CPUID))
		tap_bail("KVM_SET_CPUID2");
	back_to_base();
}

/* --- what is kept of what is taken ------------------------------------------------ */

enum how {
	KEPT,	 /* reads as it was set */
	BOOL,	 /* anything but 0 is 1 */
	FOLLOWS, /* from the time, or from something else; the other bits are kept */
};

/*
 * Bits of @mask, in which four bytes come again and again, of @size bytes at @offset; @count
 * times, @stride apart. The first row that has a byte counts. What no row has is nobody's: it is
 * taken, and reads as before. So are the other bits of a row.
 */
struct row {
	enum part part;
	u16 offset, size, stride, count;
	enum how how;
	u32 mask;
	int only; /* of the pieces of that name the one with this number, less 1; 0: each */
};

#define ALL ~0u
#define IN(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)
#define SEGMENTS(part, at, size, how, mask)                                 \
	{                                                                   \
		part, at, size, sizeof(struct kvm_segment), 8, how, mask, 0 \
	}
/* The same in both forms. */
#define SREGS(part) /* TR is busy */                                                                            \
	{ part, offsetof(struct kvm_sregs, tr) + 14, 1, 0, 1, FOLLOWS, 0xff, 0 },                               \
                                                                                                                \
		SEGMENTS(part, 0, 14, KEPT, ALL),                                                               \
		/* base, limit, selector */ /* What code or data is loaded is accessed; LDTR has no such bit */ \
		{ part, 14, 1, sizeof(struct kvm_segment), 6, FOLLOWS, 0xf1, 0 },                               \
		SEGMENTS(part, 14, 1, KEPT, 0xf), SEGMENTS(part, 15, 1, BOOL, 0xff),                            \
		SEGMENTS(part, 16, 1, KEPT, 3),                                                                 \
		SEGMENTS(part, 17, 6, BOOL, ALL), { part, offsetof(struct kvm_sregs, gdt),                      \
						    10,	  16,                                                   \
						    2,	  KEPT,                                                 \
						    ALL,  0 }, /* What a processor has of CR0; ET is 1 */       \
		{ part, IN(kvm_sregs, cr0), 0, 1, KEPT, 0xe005002f, 0 },                                        \
	{                                                                                                       \
		part, offsetof(struct kvm_sregs, cr2), 48, 0, 1, KEPT, ALL, 0                                   \
	} /* to APIC_BASE */
#define LAPIC(reg, mask)                                \
	{                                               \
		PART_LAPIC, reg, 4, 0, 1, KEPT, mask, 0 \
	}
#define CHANNELS(at, size, how, mask)                   \
	{                                               \
		PART_PIT, at, size, 24, 3, how, mask, 0 \
	}
#define FIRST_PIC 1
#define SECOND_PIC 2
#define IOAPIC 3

static const struct row rows[] = {
	{ PART_REGS, IN(kvm_regs, rflags), 0, 1, KEPT, 0xfffffffd, 0 }, /* bit 1 is 1 */
	{ PART_REGS, 0, sizeof(struct kvm_regs), 0, 1, KEPT, ALL, 0 },

	SREGS(PART_SREGS),
	{ PART_SREGS, IN(kvm_sregs, interrupt_bitmap), 0, 1, KEPT, ALL, 0 },
	SREGS(PART_SREGS2),

	/* The processor has no more than it needs. */
	{ PART_FPU, IN(kvm_fpu, pad1), 0, 1, FOLLOWS, ALL, 0 },
	{ PART_FPU, IN(kvm_fpu, pad2), 0, 1, FOLLOWS, ALL, 0 },
	{ PART_FPU, IN(kvm_fpu, mxcsr), 0, 1, KEPT, 0xffff, 0 },
	{ PART_FPU, 0, sizeof(struct kvm_fpu), 0, 1, KEPT, ALL, 0 },
	{ PART_XSAVE, 28, 4, 0, 1, FOLLOWS, ALL, 0 },	/* MXCSR_MASK */
	{ PART_XSAVE, 0, 416, 0, 1, KEPT, ALL, 0 },	/* x87 and SSE */
	{ PART_XSAVE, 416, 96, 0, 1, FOLLOWS, ALL, 0 }, /* nothing's */
	{ PART_XSAVE, 512, 64, 0, 1, KEPT, ALL, 0 },	/* the header */
	{ PART_XSAVE, 576, 256, 0, 1, KEPT, ALL, 0 },	/* AVX */
	{ PART_XCRS, IN(kvm_xcrs, xcrs[0].value), 0, 1, KEPT, ALL, 0 },

	{ PART_DEBUGREGS, IN(kvm_debugregs, db), 0, 1, KEPT, ALL, 0 },
	{ PART_DEBUGREGS, IN(kvm_debugregs, dr6), 0, 1, KEPT, 0xe00f, 0 },
	{ PART_DEBUGREGS, IN(kvm_debugregs, dr7), 0, 1, KEPT, 0xffff23ff, 0 },

	{ PART_EVENTS, IN(kvm_vcpu_events, exception.injected), 0, 1, BOOL, 0xff, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, exception.nr), 0, 1, KEPT, 0xff, 0 },
	/* From the vector */
	{ PART_EVENTS, IN(kvm_vcpu_events, exception.has_error_code), 0, 1, FOLLOWS, 0xff, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, exception.error_code), 0, 1, KEPT, ALL, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, interrupt.injected), 0, 1, BOOL, 0xff, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, interrupt.shadow), 0, 1, KEPT, 3, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, nmi.injected), 0, 1, BOOL, 0xff, 0 },
	/* As many as can wait */
	{ PART_EVENTS, IN(kvm_vcpu_events, nmi.pending), 0, 1, FOLLOWS, 0xff, 0 },
	{ PART_EVENTS, IN(kvm_vcpu_events, nmi.masked), 0, 1, BOOL, 0xff, 0 },
	/* Taken at once where VMX operation does not hold it back */
	{ PART_EVENTS, IN(kvm_vcpu_events, smi.latched_init), 0, 1, FOLLOWS, 0xff, 0 },
	/* SIPI_RECEIVED is, with the SIPI, what comes of that */
	{ PART_MP_STATE, IN(kvm_mp_state, mp_state), 0, 1, FOLLOWS, 4, 0 },

	LAPIC(0x20, 0xff000000),
	LAPIC(0x80, 0xff),
	LAPIC(0xd0, 0xff000000),
	LAPIC(0xe0, 0xf0000000),
	LAPIC(0xf0, 0x1ff),
	{ PART_LAPIC, 0xa0, 4, 0, 1, FOLLOWS, ALL, 0 }, /* PPR: from TPR and ISR */
	/* ISR, TMR and IRR */
	{ PART_LAPIC, 0x100, 4, 0x10, 24, KEPT, ALL, 0 },
	LAPIC(0x280, 0xff),
	LAPIC(0x300, 0xcdfff),
	LAPIC(0x310, 0xff000000),
	LAPIC(0x320, 0x710ff),
	LAPIC(0x330, 0x117ff),
	LAPIC(0x340, 0x117ff),
	LAPIC(0x350, 0x1f7ff),
	LAPIC(0x360, 0x1f7ff),
	LAPIC(0x370, 0x110ff),
	LAPIC(0x380, ALL),
	{ PART_LAPIC, 0x390, 4, 0, 1, FOLLOWS, ALL, 0 },
	LAPIC(0x3e0, 0xb),

	{ PART_TSC_KHZ, 0, 4, 0, 1, KEPT, ALL, 0 },
	{ PART_NESTED, 4, 4, 0, 1, FOLLOWS, ALL, 0 }, /* the size is what there is */
	{ PART_NESTED, 0, 0x28, 0, 1, KEPT, ALL, 0 },
	/* L2's CR0: what the processor does not have an entry drops. */
	{ PART_NESTED, 128 + 424, 4, 0, 1, FOLLOWS, 0x1ffaffc0, 0 },
	{ PART_NESTED, 128, 4096, 0, 1, KEPT, ALL, 0 },
	{ PART_CLOCK, 0, 32, 0, 1, FOLLOWS, ALL, 0 },

	CHANNELS(0, 3, FOLLOWS, ALL), /* at most 0x10000, and 0 is that */
	CHANNELS(4, 2, KEPT, ALL),
	CHANNELS(6, 8, FOLLOWS, ALL), /* states and modes that there are, the status from them */
	CHANNELS(14, 1, KEPT, 1),
	CHANNELS(15, 1, BOOL, 0xff),
	CHANNELS(16, 8, FOLLOWS, ALL),
	{ PART_PIT, offsetof(struct kvm_pit_state2, flags), 4, 0, 1, KEPT, 3, 0 },

	/* The IOAPIC's address is fixed; an edge that has been sent is no state. */
	{ PART_IRQCHIP, 8, 1, 0, 1, KEPT, 0xff, IOAPIC },
	{ PART_IRQCHIP, 12, 4, 0, 1, KEPT, 0xf, IOAPIC },
	{ PART_IRQCHIP, 16, 4, 0, 1, FOLLOWS, ALL, IOAPIC },
	{ PART_IRQCHIP, 24, 4, 8, 24, FOLLOWS, 0xfffff000, IOAPIC }, /* what is sent, and level */
	{ PART_IRQCHIP, 28, 4, 8, 24, KEPT, 0xff000000, IOAPIC },
	/* The 8259As' */
	{ PART_IRQCHIP, 0, 4, 0, 1, KEPT, ALL, FIRST_PIC },
	{ PART_IRQCHIP, 0, 4, 0, 1, KEPT, ALL, SECOND_PIC },
	{ PART_IRQCHIP, 4, 12, 0, 1, FOLLOWS, ALL, FIRST_PIC }, /* as far as they have it */
	{ PART_IRQCHIP, 4, 12, 0, 1, FOLLOWS, ALL, SECOND_PIC },
};

/* Of these MSRs reading gives what the vCPU has of them, or what time it is. */
static const struct {
	u32 first, last;
	u64 mask;
} msr_follows[] = {
	{ 0x10, 0x10, ~0ull },	       /* TSC */
	{ 0x174, 0x174, ~0ull << 32 }, /* SYSENTER_CS, of which VMX has 32 bits */
	{ 0x480, 0x491, ~0ull },       /* VMX capabilities follow from each other */
	{ 0x6e0, 0x6e0, ~0ull },       /* TSC deadline: 0 in another mode and when it has passed */
	{ 0x40000010, 0x40000010, ~0ull }, /* Hyper-V's run time, reference time, frequencies */
	{ 0x40000020, 0x40000023, ~0ull },
	{ 0x40000105, 0x40000105, ~0ull }, /* crash control: what can be asked for */
};

static u64 msr_mask(u32 index)
{
	for (u32 i = 0; i < ARRAY_SIZE(msr_follows); i++)
		if (index >= msr_follows[i].first && index <= msr_follows[i].last)
			return msr_follows[i].mask;
	return 0;
}

#define EAX offsetof(struct kvm_cpuid_entry2, eax)
#define EBX offsetof(struct kvm_cpuid_entry2, ebx)
#define ECX offsetof(struct kvm_cpuid_entry2, ecx)
#define EDX offsetof(struct kvm_cpuid_entry2, edx)

/* Of these leaves, too; other words of the table are kept, and nobody asks what they say. */
static const struct {
	u32 function, index, at, mask;
} cpuid_follows[] = {
	{ 1, 0, ECX, 1u << 27 }, /* OSXSAVE */
	{ 1, 0, EDX, 1u << 9 },	 /* the LAPIC is on */
	{ 7, 0, ECX, 1u << 4 },	 /* OSPKE */
	{ 0xd, 0, EBX, ~0u },	 /* sizes, by XCR0 */
	{ 0xd, 1, EBX, ~0u },
	{ 0x80000008, 0, EAX, 0xff }, /* no wider than the processor's addresses */
};

/* For a byte of the table as it was set. */
static u8 cpuid_mask(size_t byte)
{
	const struct kvm_cpuid_entry2 *e = &want.cpuid.entries[byte / sizeof(*e)];

	byte %= sizeof(*e);
	for (u32 i = 0; i < ARRAY_SIZE(cpuid_follows); i++)
		if (cpuid_follows[i].function == e->function &&
		    (cpuid_follows[i].index == e->index || e->function != 0xd) &&
		    byte / 4 == cpuid_follows[i].at / 4)
			return cpuid_follows[i].mask >> byte % 4 * 8;
	return 0;
}

static const struct row *row_of(enum part part, u32 which, size_t offset)
{
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (r->part != part || (r->only && r->only - 1u != which))
			continue;
		for (u32 n = 0; n < r->count; n++)
			if (offset - r->offset - n * r->stride < r->size)
				return r;
	}
	return NULL;
}

/* What byte @i reads as, which was @old, was set to @set, and is @is. */
static u8 expected(const struct piece *p, u32 which, size_t i, u8 old, u8 set, u8 is)
{
	const struct row *r = row_of(p->part, which, i);
	u8 mask = r ? r->mask >> (i - r->offset) % 4 * 8 : 0;

	if (p->part == PART_MSRS || p->part == PART_CPUID) {
		mask = p->part == PART_CPUID ? cpuid_mask(i)
					     : msr_mask(base.msrs.entries[which].index) >> 8 * i;
		return (set & ~mask) | (is & mask);
	}
	if (!r)
		return old;
	switch (r->how) {
	case BOOL: return !!set;
	case FOLLOWS: return (set & ~mask) | (is & mask);
	default: return (set & mask) | (old & ~mask);
	}
}

/* --- one bit --------------------------------------------------------------------- */

/* What was set becomes what is to be there now. */
static void settle(const struct piece *p, u32 which)
{
	size_t at = p->offset + which * p->stride;
	const u8 *old = (u8 *)&before + at, *is = (u8 *)&after + at;
	u8 *set = (u8 *)&want + at;

	for (size_t i = 0; i < p->size; i++)
		if (set[i] != is[i])
			set[i] = expected(p, which, i, old[i], set[i], is[i]);
}

static bool same(const struct piece *p, u32 which)
{
	size_t at = p->offset + which * p->stride;
	const u8 *a = (u8 *)&want + at, *b = (u8 *)&after + at;
	bool good = true;

	for (size_t i = 0; i < p->size; i++) {
		if (a[i] == b[i])
			continue;
		good = false;
		if (odd < 60)
			tap_note("byte %#zx is %#x, should be %#x", i, b[i], a[i]);
	}
	return good;
}

/* An INIT that VMX operation does not hold back comes at once, and no event is what it was. */
static bool resets(const struct piece *p)
{
	return p->part == PART_EVENTS && want.events.smi.latched_init &&
	       base.nested.state.hdr.vmx.vmxon_pa == ~0ull;
}

static void was_taken(const struct piece *p, u32 which, const char *what)
{
	const char *wrong = NULL;

	memcpy(&after, &want, sizeof(after));
	memset((u8 *)&after + p->offset + which * p->stride, 0, p->size);
	if (machine_get(vm, &after, p->part))
		complain(what, "taken, and cannot be read");
	settle(p, which);
	if (resets(p))
		after.events = want.events;
	machine_forget(&want, &after);
	if (!same(p, which))
		complain(what, "taken, and is another");
	if (taken++ % RUN_EVERY == 0)
		wrong = shake_run(vm, &exits);
	if (wrong)
		complain(what, wrong);
	if (p->part == PART_CPUID)
		renew();
	else
		back_to_base();
}

static void was_refused(const struct piece *p, int error, const char *what)
{
	refused++;
	if (error != p->error)
		complain(what, strerror(error));
	look(&after);
	memcpy(&want, &before, sizeof(want));
	machine_forget(&want, &after);
	if (!memcmp(&want, &after, sizeof(after)))
		return;
	complain(what, "refused, and something has changed");
	back_to_base();
}

static void try_bit(const struct piece *p, u32 which, u32 bit)
{
	char what[64];

	snprintf(what, sizeof(what), "%s %#x, bit %u of byte %#x", p->name,
		 p->part == PART_MSRS ? base.msrs.entries[which].index : which, bit % 8, bit / 8);
	if (verbose)
		tap_note("%s", what);
	look(&before);
	memcpy(&want, &before, sizeof(want));
	((u8 *)&want + p->offset + which * p->stride)[bit / 8] ^= 1 << bit % 8;
	if (set_piece(p, which, &want))
		was_refused(p, errno, what);
	else
		was_taken(p, which, what);
}

static void each_bit(const struct piece *p, const char *image)
{
	u32 bits = 8 * size_of(p), all = bits * count_of(p);

	taken = refused = odd = exits = 0;
	if (p->part == PART_CPUID)
		renew(); /* of a vCPU that has run it cannot be set */
	if (at_most && all > at_most)
		for (u32 i = 0, bit; i < at_most; i++) {
			/* One of each of as many stretches. */
			bit = ((u64)i * all + shake_draw() % all) / at_most;
			try_bit(p, bit / bits, bit % bits);
		}
	else
		for (u32 bit = 0; bit < all; bit++)
			try_bit(p, bit / bits, bit % bits);
	tap_ok(!odd, "%s: %s with a bit turned over: %u taken, %u refused, %u exits", image,
	       p->name, taken, refused, exits);
}

/* --- where it begins -------------------------------------------------------------- */

static void take_base(const char *image, bool in_l2)
{
	vm = shake_start(image, in_l2);
	look(&base);
	/* All in use, or what the components have would not be looked at. */
	base.xsave.region[128] |= 7;
	shake_keep(vm);
	renew();
}

static void state_of(const char *image)
{
	take_base(image, strstr(image, "l2-"));
	for (u32 i = 0; i < ARRAY_SIZE(pieces); i++)
		if (!alone || !strcmp(alone, pieces[i].name))
			each_bit(&pieces[i], image);
	vm_free(vm);
}

int main(int argc, char **argv)
{
	const char *env = getenv("STATE_BITS");
	int opt;

	at_most = env ? atoi(env) : 24;
	while ((opt = getopt(argc, argv, "n:p:s:v")) != -1) {
		switch (opt) {
		case 'n': at_most = atoi(optarg); break;
		case 'p': alone = optarg; break;
		case 'v': verbose = true; break;
		case 's': shake_seed = strtoull(optarg, NULL, 0) | 1; break;
		default:
			tap_bail("usage: state-bits [-v] [-n BITS] [-p PART] [-s SEED] [IMAGE...]");
		}
	}
	if (optind == argc) {
		state_of("l1-saved");
		state_of("l2-meanwhile");
	}
	for (int i = optind; i < argc; i++)
		state_of(argv[i]);
	return tap_done();
}
