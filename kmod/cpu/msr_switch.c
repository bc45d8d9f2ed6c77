// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the host needs only when the thread returns to userspace: written
 * for the guest before it runs, left alone at exits, and restored on the way
 * out, by a user-return notifier. KERNEL_GS_BASE, which the host also needs
 * when another thread runs, is given back whenever the vCPU leaves the CPU.
 * Tour, stop 6.
 *
 * What a reader must know: struct switch_state is the CPU's, not the vCPU's. It
 * knows what the processor holds (.now), so that nothing is written twice.
 */
#include <linux/percpu.h>
#include <linux/user-return-notifier.h>
#include <asm/cpufeature.h>

#include "compat/msr.h"
#include "cpu/msrs.h"
#include "cpu/vcpu.h"

static const u32 switched_index[NR_MSR_SWITCHED] = {
	[MSRSW_STAR] = MSR_STAR,
	[MSRSW_LSTAR] = MSR_LSTAR,
	[MSRSW_SYSCALL_MASK] = MSR_SYSCALL_MASK,
	[MSRSW_TSC_AUX] = MSR_TSC_AUX,
	[MSRSW_TSX_CTRL] = MSR_IA32_TSX_CTRL,
};

struct switch_state {
	struct user_return_notifier notifier;
	bool registered;
	bool known; /* .host was read; it does not change while the system runs */
	u64 host[NR_MSR_SWITCHED];
	u64 now[NR_MSR_SWITCHED]; /* in the processor */
};

static DEFINE_PER_CPU(struct switch_state, switch_state);

/* An MSR that the processor does not have must not be written. */
static bool switch_present(int i)
{
	if (i == MSRSW_TSX_CTRL)
		return tsx_ctrl_of_guests();
	return i != MSRSW_TSC_AUX || boot_cpu_has(X86_FEATURE_RDTSCP) ||
	       boot_cpu_has(X86_FEATURE_RDPID);
}

static void switch_restore(struct switch_state *s)
{
	unsigned long flags;
	int i;

	local_irq_save(flags); /* against the IPI of msrs_restore_host() */
	if (s->registered) {
		user_return_notifier_unregister(&s->notifier);
		s->registered = false;
		for (i = 0; i < NR_MSR_SWITCHED; i++) {
			if (s->now[i] == s->host[i])
				continue;
			wrmsrq(switched_index[i], s->host[i]);
			s->now[i] = s->host[i];
		}
	}
	local_irq_restore(flags);
}

static void on_user_return(struct user_return_notifier *notifier)
{
	switch_restore(container_of(notifier, struct switch_state, notifier));
}

void msrs_restore_host(void)
{
	switch_restore(this_cpu_ptr(&switch_state));
}

/* The host's values are the same for all threads: they are read once on each CPU. */
static void read_host(struct switch_state *s)
{
	int i;

	for (i = 0; i < NR_MSR_SWITCHED; i++)
		if (switch_present(i))
			rdmsrq(switched_index[i], s->host[i]);
	memcpy(s->now, s->host, sizeof(s->now));
	s->notifier.on_user_return = on_user_return;
	s->known = true;
}

/* Puts the guest's @value into the processor, to be taken out later. Preemption off. */
static void write_switched(int i, u64 value)
{
	struct switch_state *s = this_cpu_ptr(&switch_state);

	if (!s->known)
		read_host(s);
	if (s->now[i] == value || !switch_present(i))
		return;
	s->now[i] = value;
	wrmsrq(switched_index[i], value);
	if (!s->registered) {
		user_return_notifier_register(&s->notifier);
		s->registered = true;
	}
}

/* Does nothing if the vCPU has stayed on the CPU since the last entry. Preemption off. */
void msrs_load_guest(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	int i;

	if (m->switched_loaded)
		return;
	for (i = 0; i < NR_MSR_SWITCHED; i++)
		write_switched(i, m->switched[i]);
	rdmsrq(MSR_KERNEL_GS_BASE, m->host_kernel_gs_base);
	wrmsrq(MSR_KERNEL_GS_BASE, m->kernel_gs_base);
	m->switched_loaded = true;
}

void msrs_save_guest(struct vcpu *vcpu)
{
	if (vcpu->msrs.switched_loaded)
		rdmsrq(MSR_KERNEL_GS_BASE, vcpu->msrs.kernel_gs_base);
}

void msrs_put_guest(struct vcpu *vcpu)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	if (!m->switched_loaded)
		return;
	wrmsrq(MSR_KERNEL_GS_BASE, m->host_kernel_gs_base);
	m->switched_loaded = false;
}

void msr_set_switched(struct vcpu *vcpu, enum msr_switched which, u64 value)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	preempt_disable();
	m->switched[which] = value;
	if (m->switched_loaded)
		write_switched(which, value);
	preempt_enable();
}

u64 msr_get_kernel_gs_base(struct vcpu *vcpu)
{
	preempt_disable();
	msrs_save_guest(vcpu);
	preempt_enable();
	return vcpu->msrs.kernel_gs_base;
}

void msr_set_kernel_gs_base(struct vcpu *vcpu, u64 value)
{
	struct vcpu_msrs *m = &vcpu->msrs;

	preempt_disable();
	m->kernel_gs_base = value;
	if (m->switched_loaded)
		wrmsrq(MSR_KERNEL_GS_BASE, value);
	preempt_enable();
}
