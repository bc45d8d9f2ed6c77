// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's LAPIC: its life, IA32_APIC_BASE, accesses to its registers, INIT and
 * SIPI, and its saved state.
 *
 * lapic_regs.c knows what an access does to the registers; this file does the
 * rest of it, that is, timers, messages and EOIs. It is called by the handlers
 * of MSR accesses and of device memory, and by the run loop.
 *
 * What a reader must know: all of it runs in the vCPU's own thread, so
 * registers need no lock. Other threads only add to IRR, TMR, .esr_pending and
 * .events, by atomic operations, and follow with REQ_EVENT and a kick
 * (lapic_ipi.c).
 */
#include <linux/slab.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "pc/chip.h"

#define BASE_RESERVED (GENMASK_ULL(63, 52) | 0x2ff) /* bits 7:0 and 9 */
#define BASE_ADDR GENMASK_ULL(51, 12)
#define X2APIC_MSR_LAST (APIC_BASE_MSR + 0x3f)

static bool is_bsp(const struct vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->bsp_id;
}

/*
 * What the two enable bits of IA32_APIC_BASE say; x2APIC without the other
 * counts as disabled, but lapic_base_ok() lets nobody write that.
 */
static enum lapic_mode base_mode(u64 base)
{
	if (!(base & MSR_IA32_APICBASE_ENABLE))
		return LAPIC_DISABLED;
	return base & X2APIC_ENABLE ? LAPIC_X2APIC : LAPIC_XAPIC;
}

static void lapic_reset_regs(struct lapic *lapic, bool init)
{
	lapic_regs_reset(&lapic->regs, lapic->vcpu->id, init);
	/* As a PC's firmware leaves it: LINT0 of the boot processor passes the 8259A's interrupts. */
	if (is_bsp(lapic->vcpu))
		lapic->regs.lvt[LVT_LINT0] = DELIVER_EXTINT << 8;
}

/* At power-up the base is the default one and the LAPIC is on. */
static void lapic_power_up(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	vcpu->msrs.apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			       (is_bsp(vcpu) ? MSR_IA32_APICBASE_BSP : 0);
	lapic->base = APIC_DEFAULT_PHYS_BASE;
	lapic->events = 0;
	WRITE_ONCE(lapic->regs.mode, LAPIC_XAPIC);
}

/* Leaves IA32_APIC_BASE and the ID as they are. SDM: "Local APIC State After an INIT Reset". */
static void lapic_reset_by_init(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	lapic_timer_stop(lapic);
	vcpu->lapic_shares = 0;
	vcpu->msrs.pv_eoi = 0;
	vcpu->hyperv.assist = 0;
	lapic_reset_regs(lapic, true);
	lapic_map_update(lapic->chip);
	vcpu_request(vcpu, REQ_EVENT);
}

/* The map comes last: from then on messages find the LAPIC. */
int lapic_create(struct vcpu *vcpu)
{
	struct lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (!lapic)
		return -ENOMEM;
	lapic->vcpu = vcpu;
	lapic->chip = vcpu->vm->irqchip;
	lapic->regs.tpr = vcpu->virt_apic + LAPIC_TPR;
	lapic_timer_init(lapic);
	lapic_power_up(lapic);
	lapic_reset_regs(lapic, false);
	vcpu->lapic = lapic;
	lapic_map_add(lapic->chip, lapic);
	return 0;
}

/* The map goes first, and waits for messages that have found the LAPIC. */
void lapic_free(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	lapic_map_remove(lapic->chip, lapic);
	lapic_timer_stop(lapic);
	vcpu->lapic = NULL;
	kfree(lapic);
}

/*
 * Carries out a change of mode that lapic_base_ok() allowed. Whatever a LAPIC
 * held is lost when it is disabled, and when it is enabled it begins as after a
 * reset.
 */
static void change_mode(struct lapic *lapic, enum lapic_mode mode)
{
	if (mode == LAPIC_X2APIC) {
		lapic_regs_enter_x2apic(&lapic->regs, lapic->vcpu->id);
	} else {
		lapic_timer_stop(lapic);
		WRITE_ONCE(lapic->regs.mode, mode);
		lapic_regs_reset(&lapic->regs, lapic->vcpu->id, false);
	}
	lapic_map_update(lapic->chip);
	vcpu_request(lapic->vcpu, REQ_EVENT);
}

/*
 * Which bits of IA32_APIC_BASE fault. Those of the address depend on the
 * guest's CPUID, where 0 means that CPUID has not been set.
 */
static u64 base_reserved(const struct vcpu *vcpu)
{
	u64 reserved = BASE_RESERVED;

	if (vcpu->cpuid.maxphyaddr)
		reserved |= ~0ULL << vcpu->cpuid.maxphyaddr;
	if (!vcpu->cpuid.x2apic)
		reserved |= X2APIC_ENABLE;
	return reserved;
}

bool lapic_base_ok(const struct vcpu *vcpu, u64 value, bool host)
{
	enum lapic_mode from = base_mode(vcpu->msrs.apic_base);

	/* Userspace that restores a vCPU may go from any state to any valid one. */
	if (host && value & MSR_IA32_APICBASE_ENABLE)
		from = base_mode(value);
	return lapic_base_move_valid(from, value, base_reserved(vcpu));
}

/* @host: userspace restores a vCPU, by KVM_SET_SREGS or KVM_SET_MSRS. */
int lapic_set_base(struct vcpu *vcpu, u64 value, bool host)
{
	enum lapic_mode from = base_mode(vcpu->msrs.apic_base), to = base_mode(value);
	struct lapic *lapic = vcpu->lapic;

	if (!lapic_base_ok(vcpu, value, host))
		return 1;
	vcpu->msrs.apic_base = value;
	if (!lapic)
		return 0;
	lapic->base = value & BASE_ADDR;
	if (from != to)
		change_mode(lapic, to);
	return 0;
}

u64 lapic_get_tpr(struct vcpu *vcpu)
{
	return vcpu->lapic ? READ_ONCE(*vcpu->lapic->regs.tpr) >> 4
			   : READ_ONCE(vcpu->run->cr8) & 0xf;
}

/*
 * Has the run loop look for interrupts, if one may be deliverable: TPR, or another interrupt in
 * service, may have held it back until now.
 */
static void want_event(struct lapic *lapic)
{
	if (!vecmap_empty(&lapic->regs.irr) || pic_has_irq(lapic->chip) ||
	    lapic->vcpu->inject.user_irq)
		vcpu_request(lapic->vcpu, REQ_EVENT);
}

void lapic_new_tpr(struct lapic *lapic, u8 tpr)
{
	WRITE_ONCE(*lapic->regs.tpr, tpr);
	want_event(lapic);
}

void lapic_set_tpr(struct vcpu *vcpu, u64 cr8)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic) {
		vcpu->run->cr8 = cr8;
		return;
	}
	lapic_new_tpr(lapic, cr8 << 4 & 0xf0);
}

/*
 * With nothing in service an EOI does nothing. An IOAPIC, here or in userspace,
 * hears of it only if it waits for this vector.
 */
void lapic_end_of_interrupt(struct lapic *lapic)
{
	int vector = lapic_eoi(&lapic->regs);
	bool level;

	if (vector < 0)
		return;
	if (test_bit(vector, lapic->chip->eoi_vectors)) {
		level = test_bit(vector, lapic->regs.tmr);
		if (lapic->chip->split)
			split_eoi(lapic, vector, level);
		else
			ioapic_eoi_broadcast(lapic->chip, vector, level);
	}
	want_event(lapic);
}

/* For nested/: is L1's notification vector the next interrupt? */
bool lapic_is_next(struct vcpu *vcpu, u8 vector)
{
	return vcpu->lapic && !lapic_has_extint(vcpu) &&
	       lapic_pending(&vcpu->lapic->regs) == vector;
}

void lapic_take_and_end(struct vcpu *vcpu)
{
	if (lapic_accept(&vcpu->lapic->regs) >= 0)
		lapic_end_of_interrupt(vcpu->lapic);
}

/*
 * Without lapic_send_msg(), as nobody but this LAPIC is concerned and its
 * thread is running: a request suffices, and no kick.
 */
static void self_ipi(struct lapic *lapic, u8 vector)
{
	if (vector < 16 && lapic_error(&lapic->regs, ERR_SEND_ILLEGAL))
		lapic_deliver_lvt(lapic, LVT_ERROR);
	if (lapic_request(&lapic->regs, vector, false) > 0)
		vcpu_request(lapic->vcpu, REQ_EVENT);
}

static void do_timer(struct lapic *lapic, u32 todo, int old_shift)
{
	if (todo & LAPIC_DO_TIMER_START)
		lapic_timer_start(lapic);
	if (todo & LAPIC_DO_TIMER_STOP)
		lapic_timer_stop(lapic);
	if (todo & LAPIC_DO_TIMER_SCALE)
		lapic_timer_scale(lapic, old_shift);
}

/*
 * With KVM_TPR_ACCESS_REPORTING userspace is to hear of each access to TPR,
 * once the instruction is done: the run loop makes it KVM_EXIT_TPR_ACCESS.
 */
static void note_tpr_access(struct lapic *lapic, bool write)
{
	if (likely(!lapic->vcpu->report_tpr))
		return;
	lapic->tpr_access.rip = vcpu_rip(lapic->vcpu);
	lapic->tpr_access.write = write;
	vcpu_request(lapic->vcpu, REQ_TPR_ACCESS);
}

/*
 * A write to any register, in either mode; lapic_regs_write() says what is to
 * follow.
 * Context: the vCPU's thread. Return: 0, or 1: #GP, which xAPIC mode does not
 * have.
 */
static int lapic_write_reg(struct lapic *lapic, u32 reg, u64 value)
{
	int old_shift = lapic_timer_shift(&lapic->regs);
	u32 todo;

	lapic->regs.has_deadline = lapic->vcpu->cpuid.tsc_deadline;
	todo = lapic_regs_write(&lapic->regs, reg, value);
	if (todo & LAPIC_DO_GP)
		return 1;
	if (reg == LAPIC_TPR)
		note_tpr_access(lapic, true);
	if (todo & LAPIC_DO_SEND)
		lapic_write_icr(lapic);
	if (todo & LAPIC_DO_EOI)
		lapic_end_of_interrupt(lapic);
	if (todo & LAPIC_DO_SELF_IPI)
		self_ipi(lapic, value);
	if (todo & LAPIC_DO_MAP)
		lapic_map_update(lapic->chip);
	if (todo & LAPIC_DO_EVENT)
		want_event(lapic);
	do_timer(lapic, todo, old_shift);
	return 0;
}

/*
 * The current count of the timer is not in the registers: it follows from the
 * time.
 * Return: false: there is no such register.
 */
static bool lapic_read_reg(struct lapic *lapic, u32 reg, u32 *value)
{
	if (reg == LAPIC_TMCCT) {
		*value = lapic_timer_count(lapic);
		return true;
	}
	if (reg == LAPIC_TPR)
		note_tpr_access(lapic, false);
	return lapic_regs_read(&lapic->regs, reg, value);
}

/* Return: the LAPIC if it is in x2APIC mode and may have that MSR; NULL: #GP. */
static struct lapic *x2apic_of(struct vcpu *vcpu, u32 msr)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic || lapic->regs.mode != LAPIC_X2APIC || msr > X2APIC_MSR_LAST)
		return NULL;
	return lapic;
}

/* ICR is one MSR of 64 bits, all others have 32. SDM: "x2APIC Register Address Space". */
int lapic_x2apic_read(struct vcpu *vcpu, u32 msr, u64 *value)
{
	struct lapic *lapic = x2apic_of(vcpu, msr);
	u32 reg = (msr - APIC_BASE_MSR) << 4, low;

	if (!lapic || !lapic_read_reg(lapic, reg, &low))
		return 1;
	*value = reg == LAPIC_ICR ? lapic->regs.icr : low;
	return 0;
}

int lapic_x2apic_write(struct vcpu *vcpu, u32 msr, u64 value)
{
	struct lapic *lapic = x2apic_of(vcpu, msr);

	if (!lapic)
		return 1;
	/* The most frequent write of all takes a short way. A value other than 0 faults. */
	if (msr == APIC_BASE_MSR + (LAPIC_EOI >> 4) && !value) {
		lapic_end_of_interrupt(lapic);
		return 0;
	}
	return lapic_write_reg(lapic, (msr - APIC_BASE_MSR) << 4, value);
}

/* Hyper-V's MSRs work in xAPIC and in x2APIC mode. */
static struct lapic *enabled_lapic(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	return lapic && lapic->regs.mode != LAPIC_DISABLED ? lapic : NULL;
}

int lapic_synthetic_read(struct vcpu *vcpu, u32 msr, u64 *value)
{
	struct lapic *lapic = enabled_lapic(vcpu);
	u32 tpr;

	if (!lapic || msr == TLFS_MSR_EOI)
		return 1;
	if (msr == TLFS_MSR_ICR) {
		*value = lapic->regs.icr;
		return 0;
	}
	lapic_read_reg(lapic, LAPIC_TPR, &tpr);
	*value = tpr;
	return 0;
}

/*
 * In xAPIC mode the high half of ICR is a register of its own, and is written
 * first: the low half sends.
 */
static int lapic_x2apic_write_icr(struct lapic *lapic, u64 value)
{
	if (lapic->regs.mode == LAPIC_X2APIC)
		return lapic_write_reg(lapic, LAPIC_ICR, value);
	lapic_write_reg(lapic, LAPIC_ICR2, value >> 32);
	lapic_write_reg(lapic, LAPIC_ICR, (u32)value);
	return 0;
}

int lapic_synthetic_write(struct vcpu *vcpu, u32 msr, u64 value)
{
	struct lapic *lapic = enabled_lapic(vcpu);

	if (!lapic)
		return 1;
	switch (msr) {
	case TLFS_MSR_EOI: lapic_end_of_interrupt(lapic); return 0;
	case TLFS_MSR_TPR: return lapic_write_reg(lapic, LAPIC_TPR, value);
	default: return lapic_x2apic_write_icr(lapic, value);
	}
}

/*
 * The page of registers. Each has 4 bytes at the start of 16; the bytes between
 * them read as 0. While the LAPIC is not in xAPIC mode reads of the page give ones, and
 * writes are lost, as no other device is there.
 * Context: the vCPU's thread. A guest may put the page anywhere, so it is on no bus:
 * -EOPNOTSUPP: the access is not to this page.
 */
static int lapic_page_read(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len, void *data)
{
	struct lapic *lapic = vcpu->lapic;
	u64 offset, value = 0; /* as wide as an access may be */
	u32 reg, byte;

	if (!lapic || addr - lapic->base >= PAGE_SIZE)
		return -EOPNOTSUPP;
	offset = addr - lapic->base;
	byte = offset & 0xf;
	if (lapic->regs.mode != LAPIC_XAPIC) {
		memset(data, 0xff, len);
		return 0;
	}
	if (byte < sizeof(reg) && lapic_read_reg(lapic, offset & ~0xfULL, &reg))
		value = reg >> 8 * byte;
	memcpy(data, &value, min_t(size_t, len, sizeof(value)));
	return 0;
}

static int lapic_page_write(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
			    const void *data)
{
	struct lapic *lapic = vcpu->lapic;
	u32 value;

	if (!lapic || addr - lapic->base >= PAGE_SIZE)
		return -EOPNOTSUPP;
	if (lapic->regs.mode != LAPIC_XAPIC || len < 4 || addr & 0xf)
		return 0; /* registers are written whole */
	memcpy(&value, data, sizeof(value));
	lapic_write_reg(lapic, addr - lapic->base, value);
	return 0;
}

const struct bus_ops lapic_bus_ops = { .read = lapic_page_read, .write = lapic_page_write };

bool lapic_has_events(struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->lapic->events);
}

bool lapic_has_init(struct vcpu *vcpu)
{
	return vcpu->lapic && test_bit(LAPIC_EVENT_INIT, &vcpu->lapic->events);
}

bool lapic_has_sipi(struct vcpu *vcpu)
{
	return vcpu->lapic && test_bit(LAPIC_EVENT_SIPI, &vcpu->lapic->events);
}

/*
 * INIT makes the BSP begin anew at the reset vector, and others wait for a
 * SIPI.
 * SDM: "MP Initialization Protocol Requirements and Restrictions".
 */
static void accept_init(struct vcpu *vcpu)
{
	clear_bit(LAPIC_EVENT_INIT, &vcpu->lapic->events);
	vcpu_reset(vcpu, true);
	lapic_reset_by_init(vcpu->lapic);
	vcpu->mp_state = is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
}

/*
 * A SIPI counts only after INIT. It begins at vector << 12 in real mode.
 * SDM: "MP Initialization Protocol Algorithm for MP Systems".
 */
static void accept_sipi(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;
	struct kvm_segment cs;
	u8 vector;

	clear_bit(LAPIC_EVENT_SIPI, &lapic->events);
	if (vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	smp_rmb(); /* pairs with post_sipi() */
	vector = READ_ONCE(lapic->sipi_vector);
	vcpu_get_segment(vcpu, SEG_CS, &cs);
	cs.selector = vector << 8;
	cs.base = vector << 12;
	vcpu_set_segment(vcpu, SEG_CS, &cs);
	vcpu_set_rip(vcpu, 0);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

/*
 * INIT goes first: a SIPI that is latched as well came after it, as post_init()
 * clears an older one.
 */
int lapic_accept_events(struct vcpu *vcpu)
{
	unsigned long *events = &vcpu->lapic->events;

	if (test_bit(LAPIC_EVENT_INIT, events))
		accept_init(vcpu);
	if (test_bit(LAPIC_EVENT_SIPI, events))
		accept_sipi(vcpu);
	return vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED &&
	       vcpu->mp_state != KVM_MP_STATE_UNINITIALIZED;
}

bool lapic_take_init(struct vcpu *vcpu)
{
	return vcpu->lapic && test_and_clear_bit(LAPIC_EVENT_INIT, &vcpu->lapic->events);
}

u8 lapic_sipi_vector(const struct vcpu *vcpu)
{
	return READ_ONCE(vcpu->lapic->sipi_vector);
}

int lapic_take_sipi(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic || !test_and_clear_bit(LAPIC_EVENT_SIPI, &lapic->events))
		return -1;
	return READ_ONCE(lapic->sipi_vector);
}

/* The timer stands still while registers and count are read, so that they agree. */
void lapic_get_state(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct lapic *lapic = vcpu->lapic;
	u32 count;
	bool armed = lapic_timer_pause(lapic, &count);

	BUILD_BUG_ON(sizeof(state->regs) != LAPIC_PAGE_SIZE);
	lapic_regs_save(&lapic->regs, count, vcpu->vm->x2apic_ids, (u8 *)state->regs);
	if (armed)
		lapic_timer_resume(lapic);
}

/* If the state is refused nothing has changed, and the timer goes on. */
int lapic_set_state(struct vcpu *vcpu, const struct kvm_lapic_state *state)
{
	struct lapic *lapic = vcpu->lapic;
	u32 count;
	bool armed = lapic_timer_pause(lapic, &count);

	if (lapic_regs_load(&lapic->regs, (const u8 *)state->regs, vcpu->vm->x2apic_ids, &count)) {
		if (armed)
			lapic_timer_resume(lapic);
		return -EINVAL;
	}
	lapic_map_update(lapic->chip);
	lapic_timer_start_from(lapic, count);
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
