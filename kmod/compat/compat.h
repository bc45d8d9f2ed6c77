/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between Linux versions, or was made for KVM's eyes only. The
 * rest of the module uses the newest kernel's names; here older kernels learn
 * them. HAVE_* is what the script "probe" found in the kernel's headers.
 */
#ifndef COMPAT_COMPAT_H
#define COMPAT_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#ifdef HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

/*
 * What a thread owes the kernel before it enters a guest: rescheduling, task
 * work, tracing. Return: 0; -EINTR: a signal is pending. Context: may sleep.
 */
int compat_guest_work(void);

/* An IPI that only makes a CPU leave what it does. Context: interrupts or preemption off. */
void compat_kick_cpu(int cpu);

/* The callback for leaving VMX operation in a crash. The kernel has one slot for all users. */
void compat_register_emergency(void (*callback)(void));
void compat_unregister_emergency(void (*callback)(void));

/*
 * The host's handler for a machine check that hit a guest: as one in userspace, so that it
 * costs this process its memory and not the host its life. Context: interrupts off, right
 * after the exit.
 */
void compat_machine_check(void);

/* Intel PT, where the processor does not allow it in VMX operation. Interrupts off. */
void compat_pt_off(void);
void compat_pt_on(void);

/*
 * The host detects split locks, and the guest's instruction at @rip has one. Return: it may go
 * on, as the detection is off for this thread now; false: the host forbids them.
 */
bool compat_split_lock(unsigned long rip);

/* Userspace asks KVM_RUN to return at once. It may write the field at any time. */
static inline bool compat_immediate_exit(const struct kvm_run *run)
{
#ifdef HAVE_IMMEDIATE_EXIT_UNSAFE
	return READ_ONCE(run->immediate_exit__unsafe);
#else
	return READ_ONCE(run->immediate_exit);
#endif
}

/*
 * Tells RCU that the CPU is about to be in a guest, where no reader of RCU's
 * can be. Interrupts off.
 */
static __always_inline void compat_rcu_note_guest(void)
{
#ifdef HAVE_RCU_NOTE_OF_CPU
	rcu_virt_note_context_switch(smp_processor_id());
#else
	rcu_virt_note_context_switch();
#endif
}

/* The type that callbacks of an mmu_notifier answer with when asked for accessed flags. */
#ifdef HAVE_YOUNG_BOOL
typedef bool compat_young;
#else
typedef int compat_young;
#endif

#ifndef HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/*
 * DEFINE_SYSCORE(name, suspend, resume): void functions that the last CPU calls, interrupts
 * off, between register_syscore(&name) and unregister_syscore(&name).
 */
#ifdef HAVE_SYSCORE
#define DEFINE_SYSCORE(name, on_suspend, on_resume)    \
	static int name##_suspend(void *data)          \
	{                                              \
		on_suspend();                          \
		return 0;                              \
	}                                              \
	static void name##_resume(void *data)          \
	{                                              \
		on_resume();                           \
	}                                              \
	static const struct syscore_ops name##_ops = { \
		.suspend = name##_suspend,             \
		.resume = name##_resume,               \
	};                                             \
	static struct syscore name = { .ops = &name##_ops }
#else
#define DEFINE_SYSCORE(name, on_suspend, on_resume) \
	static int name##_suspend(void)             \
	{                                           \
		on_suspend();                       \
		return 0;                           \
	}                                           \
	static struct syscore_ops name = {          \
		.suspend = name##_suspend,          \
		.resume = on_resume,                \
	}
#define register_syscore register_syscore_ops
#define unregister_syscore unregister_syscore_ops
#endif

#endif
