// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmclock and steal time: records in guest memory that L0 keeps up to date.
 * The run loop comes here for REQ_CLOCK_UPDATE and REQ_STEAL_UPDATE, MSR
 * handlers and ioctls when something is set.
 *
 * What a reader must know: the guest reads a record while L0 may be writing it.
 * A version number that is odd meanwhile tells it to read again
 * (write_versioned()).
 */
#include <linux/sched.h>
#include <linux/ktime.h>
#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <asm/cpufeature.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>

#include "cpu/clock.h"
#include "cpu/vcpu.h"

bool pvclock_stable(void)
{
	return boot_cpu_has(X86_FEATURE_CONSTANT_TSC) && !check_tsc_unstable();
}

/*
 * The formats of the records are KVM's: see "KVM-specific MSRs" in the kernel's
 * documentation.
 */
void pvclock_factors(u32 khz, s8 *shift, u32 *mul)
{
	u64 n = 1000000ULL << 32;

	/* A larger multiplier is more exact, so the shift makes it as large as fits in 32 bits. */
	*shift = 0;
	while (div_u64(n, khz) >> 32) {
		n >>= 1;
		(*shift)++;
	}
	while (!(div_u64(n, khz) >> 31)) {
		n <<= 1;
		(*shift)--;
	}
	*mul = div_u64(n, khz);
}

static u64 host_tsc_to_ns(u64 tsc)
{
	s8 shift;
	u32 mul;

	pvclock_factors(tsc_khz, &shift, &mul);
	return pvclock_scale_delta(tsc, mul, shift);
}

/* kvmclock at @host_tsc, which is now or a moment ago. Context: the clock's lock held. */
static u64 clock_ns(struct vm_clock *c, u64 host_tsc)
{
	if (pvclock_stable())
		return c->base_ns + host_tsc_to_ns(host_tsc - c->base_tsc);
	return ktime_get_boottime_ns() + c->offset_ns;
}

void clock_rebase(struct vm *vm, u64 ns)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;

	raw_spin_lock_irqsave(&c->lock, flags);
	c->base_tsc = rdtsc_ordered();
	c->base_ns = ns;
	c->offset_ns = ns - ktime_get_boottime_ns();
	raw_spin_unlock_irqrestore(&c->lock, flags);
}

bool pvclock_base(struct vm *vm, u64 *host_tsc, u64 *ns)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;

	if (!pvclock_stable())
		return false;
	raw_spin_lock_irqsave(&c->lock, flags);
	*host_tsc = c->base_tsc;
	*ns = c->base_ns;
	raw_spin_unlock_irqrestore(&c->lock, flags);
	return true;
}

u32 clock_flags(void)
{
	return KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC | KVM_CLOCK_TSC_STABLE;
}

void clock_get(struct vm *vm, struct kvm_clock_data *out)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;

	memset(out, 0, sizeof(*out));
	raw_spin_lock_irqsave(&c->lock, flags);
	out->host_tsc = rdtsc_ordered();
	out->realtime = ktime_get_real_ns();
	out->clock = clock_ns(c, out->host_tsc);
	if (pvclock_stable())
		out->flags = clock_flags();
	raw_spin_unlock_irqrestore(&c->lock, flags);
}

int clock_set(struct vm *vm, const struct kvm_clock_data *in)
{
	u64 ns = in->clock;
	u64 now;

	/* Userspace may pass back all flags of KVM_GET_CLOCK; only KVM_CLOCK_REALTIME counts. */
	if (in->flags & ~clock_flags())
		return -EINVAL;
	if (in->flags & KVM_CLOCK_REALTIME) {
		now = ktime_get_real_ns();
		if (now > in->realtime)
			ns += now - in->realtime;
	}
	clock_rebase(vm, ns);
	vm_request(vm, REQ_CLOCK_UPDATE);
	return 0;
}

static void fill_page(struct vcpu *vcpu, struct pvclock_vcpu_time_info *page)
{
	struct vm_clock *c = &vcpu->vm->clock;
	unsigned long flags;
	u64 host_tsc;

	memset(page, 0, sizeof(*page));
	raw_spin_lock_irqsave(&c->lock, flags);
	/*
	 * With a stable TSC all vCPUs get the same pair, so that no rounding or
	 * adjustment of the host's clock makes one go ahead of another.
	 */
	host_tsc = pvclock_stable() ? c->base_tsc : rdtsc_ordered();
	page->system_time = clock_ns(c, host_tsc);
	raw_spin_unlock_irqrestore(&c->lock, flags);
	page->tsc_timestamp = clock_guest_tsc(vcpu, host_tsc);
	pvclock_factors(clock_guest_khz(vcpu), &page->tsc_shift, &page->tsc_to_system_mul);
	/* A guest reads the time by one page on all of its CPUs then. */
	if (pvclock_stable() && clock_tscs_agree(vcpu->vm))
		page->flags |= PVCLOCK_TSC_STABLE_BIT;
	if (vcpu->clock.stopped)
		page->flags |= PVCLOCK_GUEST_STOPPED;
	vcpu->clock.stopped = false;
}

/* "Stopped" stays set until the guest, having seen it, clears it in the record. */
static u8 pending_stopped(struct vcpu *vcpu, u64 gpa)
{
	u8 flags;

	if (mem_read(vcpu->vm, gpa + offsetof(struct pvclock_vcpu_time_info, flags), &flags, 1))
		return 0;
	return flags & PVCLOCK_GUEST_STOPPED;
}

/*
 * Writes a record whose u32 at @version is odd while the rest changes. Other
 * vCPUs may read it meanwhile. Context: may sleep.
 */
static int write_versioned(struct vm *vm, u64 gpa, void *record, size_t len, u32 *version)
{
	size_t offset = (void *)version - record;
	int r;

	*version |= 1;
	r = mem_write(vm, gpa + offset, version, sizeof(*version));
	if (r)
		return r;
	smp_wmb();
	r = mem_write(vm, gpa, record, len);
	smp_wmb();
	(*version)++;
	return r ?: mem_write(vm, gpa + offset, version, sizeof(*version));
}

/* After a restore versions go on from that of the record in guest memory, if it can be read. */
static void take_restored(struct vcpu *vcpu, u64 gpa)
{
	struct vcpu_clock *c = &vcpu->clock;
	u32 version;

	if (c->restored && !mem_read(vcpu->vm, gpa, &version, sizeof(version)))
		c->version = version & ~1u;
	c->restored = false;
}

void clock_update(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;
	struct pvclock_vcpu_time_info page;
	u64 gpa = c->system_time_msr & ~1ull;

	if (!(c->system_time_msr & KVM_MSR_ENABLED))
		return;
	take_restored(vcpu, gpa);
	fill_page(vcpu, &page);
	page.version = c->version;
	if (c->version)
		page.flags |= pending_stopped(vcpu, gpa);
	if (!write_versioned(vcpu->vm, gpa, &page, sizeof(page), &page.version))
		c->version = page.version;
}

int clock_guest_stopped(struct vcpu *vcpu)
{
	if (!(vcpu->clock.system_time_msr & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->clock.stopped = true;
	clock_update(vcpu); /* now, as userspace saves the page with guest memory */
	return 0;
}

void clock_write_wall(struct vm *vm, u64 gpa)
{
	struct pvclock_wall_clock wall;
	struct kvm_clock_data now;
	struct timespec64 ts;

	if (!gpa || mem_read(vm, gpa, &wall.version, sizeof(wall.version)))
		return;
	clock_get(vm, &now);
	ts = ns_to_timespec64(ktime_get_real_ns() - now.clock);
	wall.sec = ts.tv_sec;
	wall.nsec = ts.tv_nsec;
	if (wall.version & 1)
		wall.version++;
	wall.version++;
	write_versioned(vm, gpa, &wall, sizeof(wall), &wall.version);
}

/*
 * Adds the time that was stolen since the last update to what the record says, which must never
 * fall: what another thread had waited, which restored the vCPU or ran it, does not count.
 */
void clock_update_steal(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;
	u64 gpa = c->steal_time_msr & KVM_STEAL_VALID_BITS, delay;
	struct kvm_steal_time record;

	if (!(c->steal_time_msr & KVM_MSR_ENABLED))
		return;
	if (mem_read(vcpu->vm, gpa, &record, sizeof(record)))
		return;
	delay = current->sched_info.run_delay;
	if (c->steal_thread == current)
		record.steal += delay - c->steal_last;
	c->steal_thread = current;
	c->steal_last = delay;
	record.preempted = 0;
	record.flags = 0;
	record.version &= ~1u;
	write_versioned(vcpu->vm, gpa, &record, offsetofend(struct kvm_steal_time, preempted),
			&record.version);
}
