/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The nested state of a vCPU, and what the files of nested/ ask of each other.
 * The vCPU's thread owns all of it but the EPT02 roots and .watch, which others
 * read under vm->mem.lock.
 */
#ifndef NESTED_INTERNAL_H
#define NESTED_INTERNAL_H

#include <abyme.h>
#include <linux/hrtimer.h>
#include <bounds.h>
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/errors.h>
#include <vmx/exits.h>
#include <vmx/info.h>

#include "cpu/vcpu.h"
#include "nested/check/check.h"
#include "nested/merge.h"
#include "nested/nested.h"
#include "nested/tell/exit_ring.h"
#include "nested/vmcs12.h"

struct ept02_root {
	struct ept ept;		/* .root: NULL until it is used, and after it was dropped */
	u64 eptp12;		/* the key: address and A/D flag of an EPTP12, or NO_EPT12 */
	u64 stamp;		/* when it was used last: larger is later; 0: holds nothing */
	u64 filled;		/* when it was last given a page: larger is later, in the VM */
	u64 first_gfn, end_gfn; /* the range of L1's frames to which it maps */
};

/* VMCSs of L1's that a vCPU holds: as many as abyme in L1 has for one L2, and one more. */
#define L1_VMCSS VMCS_SHADOWS

/* Words of the MSR bitmap in which L0 passes anything through. */
#define BITMAP_WORDS 32

/* Why L1's instruction or entry failed; see <abyme.h>. */
struct report {
	u64 sequence, rip, vmcs12, value, qualification;
	u32 outcome; /* ABYME_VMFAIL_INVALID... */
	u32 instruction, error;
	const struct check *check; /* the rule that was broken, or NULL */
	struct abyme_l2_state l2;
};

/* What ABYME_WATCH_EXITS counts and records. Lives from its first use to the vCPU's end. */
struct exit_watch {
	struct exit_ring ring;
	u64 tlb_flushes_off; /* vcpu->stats.tlb_flush less [ABYME_FLUSH_HARDWARE], while it is on */
	u64 fault[ABYME_NR_FAULTS];
	u64 flush[ABYME_NR_FLUSHES]; /* [ABYME_FLUSH_MEMORY], [_LIMIT]: under vm->mem.lock */
	struct {
		u64 reads, writes;
	} field[NR_FIELDS];
};

/* An exit that L1 is given, before it is written into vmcs12. */
struct l2_exit {
	u32 reason;
	u32 intr_info, intr_error;
	u32 insn_len, insn_info;
	u64 qual, gpa, gla;
};

#define DR7_UNKNOWN (~0UL) /* no DR7 has these upper bits */

/*
 * A VMCS of L1's that L0 holds, with all that was made of it, so that VMPTRLD from one to another
 * has nothing to copy. Pages: .v, .shadow, and those of two VMCSs.
 */
struct l1_vmcs {
	u64 ptr;	  /* NO_GPA: none */
	struct vmcs12 *v; /* the snapshot */
	bool complete;	  /* it has vmcs02, and a shadow VMCS if there is shadowing */
	bool active;  /* .v is the truth; else L1's memory is, and .v what was last written to it */
	bool unsaved; /* L1's memory lacks some of .v */
	bool was_current; /* at some time since it became active; else it was linked only */
	u64 stamp;	  /* when it was used last: larger is later */
	struct vmcs vmcs02;

	/*
	 * What changed in vmcs12 since vmcs02 was written from it. After an exit
	 * vmcs02 holds L2's registers; of these the plain ones are copied to
	 * vmcs12 only when somebody asks (plain_stale).
	 */
	struct vmcs12_fieldset dirty;
	bool dirty_plain; /* a bit of .dirty is set for a plain field */
	bool plain_stale;
	bool check_ctls, check_host, check_guest; /* changed since they last passed */
	bool l1_long_mode;			  /* when the host's checks passed last */
	bool l2_vm86;				  /* when the guest's did */
	bool merge_due;
	struct merged merged;

	/* Copies of what vmcs02 holds, to write changes only. */
	u64 efer02, pat02, eptp02;
	unsigned long dr7_02; /* or DR7_UNKNOWN */
	u64 debugctl02;
	unsigned long cr0_owned02, cr4_owned02;
	unsigned long cr0_kept02;
	u32 l0_ctl[NR_VMCS_CTLS]; /* vmcs01's controls when they were merged */

	/* L1's pages that vmcs02 names, and the epoch in which all of them were found. */
	struct mem_page virt_apic, apic_access, msr_bitmap12;
	u64 pages_epoch;

	struct vmcs_region *shadow_vmcs; /* vmcs01 owns it; NULL: there is no shadowing */
	struct vmcs12 *shadow;		 /* what it holds of shadowed fields, or NULL */
	bool shadow_lost;		 /* .shadow is not what it holds */
	bool shadow_wide;		 /* it has the fields marked WIDE, too */
	bool shadow_due;		 /* it is not up to date with .v */
	bool shadow_unread; /* L1 may have written there before another became current */
};

struct nested {
	struct vcpu *vcpu;
	struct vmx_caps wanted;	       /* what userspace wants L1 to have */
	struct vmx_caps caps;	       /* what L1 is offered: .wanted less what this vCPU lacks */
	struct vmcs12_fieldset fields; /* the fields that a VMCS of L1's has */
	u64 feature_control;

	bool vmxon;
	bool ready;	/* VMXON's allocations were made */
	u64 vmxon_ptr;	/* NO_GPA outside VMX operation */
	u64 vmcs12_ptr; /* NO_GPA: no current VMCS */

	/* The VMCSs of L1's that L0 holds, as many as L1 has needed; the rest is NULL. */
	struct l1_vmcs *held[L1_VMCSS];
	struct l1_vmcs *cur;	 /* the current one; if there is none, the one that last was */
	struct vmcs12 *v;	 /* its snapshot: cur->v */
	struct l1_vmcs *linked;	 /* what vmcs12 links for L2's VMREAD and VMWRITE; or NULL */
	struct l1_vmcs *entered; /* whose L2 ran last, or NULL */
	u64 held_stamp;
	u64 slots_generation; /* of the VM's memory slots, when the others were read */
	struct vmcs12 *spare; /* L1's memory or a saved state is read into it, to be judged */

	u16 vpid02;
	bool last_vpid12_valid;
	u16 last_vpid12; /* the VPID of L1's whose translations VPID02 tags */

	/* L1's own, while L2 runs, or DR7_UNKNOWN; and its DEBUGCTL. */
	unsigned long dr7_01;
	u64 debugctl01;

	u8 *no_memory;	    /* what there is instead where L1 has no memory: two pages, of ones */
	u64 apic_stands_in; /* L1's address at which EPT02 may map such a page, or NO_GPA */
	u8 *msr_bitmap02;
	u16 bitmap_word[BITMAP_WORDS]; /* indices of u64 */
	int bitmap_words;
	bool bitmap_due;  /* L1 may have changed its bitmap since it was merged */
	bool x2apic_open; /* .msr_bitmap02 lets x2APIC MSRs through */

	bool entering;	  /* VMLAUNCH or VMRESUME is done, and L2 has not run since */
	bool virt_irq;	  /* of a halted L2: a virtual interrupt waits */
	bool tpr_exit;	  /* of a halted L2: its TPR is below the threshold, so it must exit */
	u8 activity;	  /* ACTIVITY_* of L2, until it runs its next instruction */
	bool owes_exit;	  /* .owed, to L1, before L2 is entered again */
	bool mtf_pending; /* an MTF exit before L2's next instruction: injected, or L0 ran one */
	bool timer_on;
	u64 timer_ticks;     /* of the host's TSC, to be counted from the entry on; 0: it counts */
	u64 timer_entered;   /* ticks that the last entry began with */
	u64 timer_deadline;  /* host TSC at which L1's preemption timer expires */
	bool timer_restored; /* L2 has not run since its state was restored: see next */
	u64 timer_l1_deadline; /* in L1's TSC, which userspace may set after the nested state */
	struct hrtimer timer;  /* serves the deadline while L2 is halted */
	bool timer_armed;      /* .timer was started, and not cancelled since */

	struct l2_exit owed;

	struct ept02_root root[EPT02_ROOTS];
	struct ept02_root *current_root; /* NULL: L2 runs on L1's own EPT */
	struct {
		u64 gpa;  /* L2's address of the EPT violation that L1 was given last, or NO_GPA */
		u64 root; /* key of the root that it was in */
		u32 access;
	} answered;
	u64 root_stamp;

	bool shadow_on;			/* the current VMCS' shadow VMCS is linked to vmcs01 */
	bool wide;			/* it has the fields marked WIDE, too */
	u8 *read_bitmap, *write_bitmap; /* that vmcs01 names; made when these two change: */
	bool bitmaps_wide;
	struct vmcs12_fieldset bitmap_fields;
	u32 wide_writes; /* L1's VMWRITEs that exited, beyond what its exits of L2 explain */
	u32 wide_reads;	 /* L1's VMREADs, counted likewise */

	const struct check *failed; /* the check that failed last, and its field's value */
	u64 failed_value;
	u32 entry_insn;			     /* EXIT_VMLAUNCH or EXIT_VMRESUME */
	struct report report[ABYME_REPORTS]; /* by sequence */
	u64 reports;			     /* sequence of the newest */
	u32 watch;			     /* ABYME_WATCH_*; written under vm->mem.lock */
	struct exit_watch *exit_watch;	     /* under vm->mem.lock; NULL until first used */
	u32 last_exits[ABYME_LAST_EXITS];    /* of L2, while watched */
	u64 exits_seen;
};

/* The rule that an entry of an MSR area broke. */
struct msr_failure {
	const struct check *check;
	u32 index; /* of the MSR */
};

static inline bool l1_uses_ept(const struct nested *n)
{
	return vmcs12_proc2(n->v) & PROC2_EPT;
}

/* nested.c */
int nested_prepare(struct vcpu *vcpu);		     /* at VMXON: 0, -ENOMEM */
void nested_begin(struct vcpu *vcpu, u64 vmxon_ptr); /* L1 is in VMX operation from here on */

/* held.c: the VMCSs of L1's that L0 holds */
int held_init(struct vcpu *vcpu); /* 0, -ENOMEM; vmcs01 is current */
void held_free(struct nested *n);
struct l1_vmcs *held_find(const struct nested *n, u64 ptr); /* or NULL */
/*
 * Return: where L0 holds the VMCS at @ptr; if it is not held, a place with a .ptr of NO_GPA, for
 * which another VMCS may have been written back. @complete: it is to become current. May sleep.
 */
struct l1_vmcs *held_place(struct vcpu *vcpu, u64 ptr, bool complete);
void held_follow_slots(struct vcpu *vcpu); /* memory slots may have changed */
void held_forget(struct nested *n);	   /* all, and L1's memory stays as it is */
/* Does what follows for each @h that is held. */
#define for_each_held(n, h, i)               \
	for ((i) = 0; (i) < L1_VMCSS; (i)++) \
		if (((h) = (n)->held[i]) != NULL)

/* current.c: snapshots and L1's memory */
void current_global_init(void);
/* Has L1 loaded it, with that revision, and not cleared it since? */
static inline bool vmcs12_is_loaded(const struct nested *n, u64 ptr, u32 revision)
{
	const struct l1_vmcs *h = ptr == n->vmcs12_ptr ? n->cur : held_find(n, ptr);

	return h && h->active && h->was_current && h->v->revision == revision;
}

/* VMPTRLD; @revision is as it found it. False: that cannot be done with interrupts off. */
bool vmcs12_make_current(struct vcpu *vcpu, u64 ptr, u32 revision);
/* VMCLEAR. False: that cannot be done with interrupts off. */
bool vmcs12_clear(struct vcpu *vcpu, u64 ptr);
/*
 * Called when L1's memory has all of @h, which was active: L0's snapshot no longer counts, and if
 * @h was current none is now.
 */
void vmcs12_release(struct vcpu *vcpu, struct l1_vmcs *h);
void vmcs12_release_all(struct vcpu *vcpu);
void vmcs12_save_others(struct vcpu *vcpu); /* L1's memory has all but the current one */
void vmcs12_sync(struct vcpu *vcpu);	    /* the current one's snapshot is complete */
/* Makes the snapshot of @h, which is not current, complete. */
void vmcs12_settle(struct vcpu *vcpu, struct l1_vmcs *h);
/* Reads the VMCS at @ptr into @h. False: there is no memory, which reads as ones. */
bool vmcs12_load(struct vcpu *vcpu, struct l1_vmcs *h, u64 ptr);
/* Makes @h the VMCS at @ptr, with the contents of @v. */
void vmcs12_fill(struct l1_vmcs *h, u64 ptr, const struct vmcs12 *v);
void vmcs12_begin(struct vcpu *vcpu, struct l1_vmcs *h); /* @h, an active one, becomes current */
extern u8 vmcs12_needs[NR_FIELDS]; /* for vmcs12_note_needs(): what a write makes due */
void vmcs12_note_needs(struct l1_vmcs *h, u8 need);
/* To be called when L1 has written a field; the next one before it reads one that may be stale. */
static inline void vmcs12_note_write(struct l1_vmcs *h, unsigned int index)
{
	fieldset_add(&h->dirty, index);
	if (vmcs12_needs[index])
		vmcs12_note_needs(h, vmcs12_needs[index]);
}

void vmcs12_pull_plain(struct vcpu *vcpu, struct l1_vmcs *h);

/* vmcs02.c */
void vmcs02_setup(struct nested *n, struct l1_vmcs *h); /* its vmcs02 is current */
void vmcs02_write_state(struct vcpu *vcpu);		/* L2's registers; vmcs02 is current */
int vmcs02_write_controls(struct vcpu *vcpu);
/*
 * Asked when the processor has refused an entry that passed the checks. If somebody has lowered
 * VTPR meanwhile, lowers the TPR threshold with it until L1's next entry. Return: false: that
 * was not the cause.
 */
bool vmcs02_lower_threshold(struct vcpu *vcpu);
int l2_translate(struct vcpu *vcpu, u64 l2_gpa, u64 linear, u32 access, u64 *gpa);
void vmcs02_save_hot(struct vcpu *vcpu);
void vmcs02_note_written(struct vcpu *vcpu); /* what L0 wrote to vmcs02 for L2 itself */
void vmcs02_save_plain(const struct nested *n, struct l1_vmcs *h); /* its vmcs02 is current */
/* CET's state, carried from one VMCS to the other if the entry or exit loads none. */
struct cet_carry {
	bool valid;
	u64 value[3];
};
void cet_read_fields(struct cet_carry *cet);
void cet_write_fields(const struct cet_carry *cet);
static inline void cet_take(const struct vcpu *vcpu, struct cet_carry *cet)
{
	cet->valid = vcpu->cet.used;
	if (unlikely(cet->valid))
		cet_read_fields(cet);
}
static inline void cet_give(const struct cet_carry *cet)
{
	if (unlikely(cet->valid))
		cet_write_fields(cet);
}
bool vmcs02_field_is_plain(unsigned int index);
void vmcs02_init_bitmap_words(struct vcpu *vcpu);

/* entry.c */
int nested_enter(struct vcpu *vcpu); /* 1, negative errno, or VMERR_* << 8 */
/* Can nested_enter() be called with interrupts off, even if the entry fails? */
bool nested_enters_at_once(const struct nested *n);
#define ENTER_VMFAIL(error) ((error) << 8)
struct check_ctx nested_check_ctx(struct vcpu *vcpu);
void nested_read_link(struct vcpu *vcpu, struct check_ctx *c);
void nested_read_pdptes(struct vcpu *vcpu, struct check_ctx *c);
/* Enters L2 from a saved state; answers 0. @pending: vmcs12's event is still to be injected. */
int nested_resume_l2(struct vcpu *vcpu, const struct check_ctx *c, bool pending);

/* reflect.c */
int l2_leave(struct vcpu *vcpu, const struct l2_exit *x);
/*
 * L0 has found, in the middle of emulating an instruction of L2, that it exits. The run loop gives
 * L1 the exit before L2's next entry. It is dropped when KVM_RUN ends, as L2 then begins the
 * instruction anew.
 */
void l2_owe_exit(struct vcpu *vcpu, const struct l2_exit *x);
/* The entry failed, and nothing of L2 is saved. @in_vmcs02: it had begun to be written. */
int l2_entry_failure(struct vcpu *vcpu, const struct report *why, bool in_vmcs02);
void nested_abort(struct vcpu *vcpu, enum vmx_abort indicator, const struct msr_failure *why);
void l2_switch_to_l1(struct vcpu *vcpu);
void events_forget(struct vcpu *vcpu); /* events in delivery, and a pending exception */

/* host_state.c: makes L1 what vmcs12 wants it to be after an exit. 0, or an abort's indicator. */
int host_state_load(struct vcpu *vcpu, bool nmis_blocked);

/* msr_areas.c: 0, or the number of the entry that failed, from 1, and why. */
u32 msr_area_load(struct vcpu *vcpu, u64 addr, u32 count, struct msr_failure *why);
u32 msr_area_store(struct vcpu *vcpu, u64 addr, u32 count, struct msr_failure *why);

/* shadow.c */
void shadow_global_init(void);
int shadow_init(struct vcpu *vcpu); /* what is there once */
int shadow_init_one(struct vcpu *vcpu, struct l1_vmcs *h, unsigned int slot);
void shadow_free(struct nested *n);
void shadow_link(struct vcpu *vcpu); /* the current VMCS' shadow VMCS is L1's from here on */
/* As shadow_link(), for a shadow VMCS of which nobody knows what is in it. */
void shadow_on(struct vcpu *vcpu);
void shadow_off(struct vcpu *vcpu);
/* Could shadow_link() be called for @h with interrupts off? */
bool shadow_is_ready(const struct nested *n, const struct l1_vmcs *h);
/* Has VMREAD and VMWRITE exit until shadow_resume(). False: they do already. */
bool nested_unshadow(struct vcpu *vcpu);
void shadow_resume(struct vcpu *vcpu);
void shadow_follow_watch(struct vcpu *vcpu); /* n->watch has changed */
/* Does the processor's shadowing serve accesses to the field, without an exit? */
bool shadow_serves(const struct nested *n, const struct vmcs12_field *f, bool write);
/* Finds, after an exit of L2, whether L1 has the habit that WIDE is for. vmcs01 is current. */
void shadow_follow_habit(struct vcpu *vcpu);
/* Copies what L1 has written to the shadow VMCS to the snapshot. vmcs01 is active on this CPU. */
void shadow_read(struct vcpu *vcpu, struct l1_vmcs *h);
void shadow_write(struct vcpu *vcpu); /* the current snapshot for L1 to read */
/* Switches from vmcs02 to vmcs01, and fills the shadow VMCS in between if that is possible. */
void shadow_write_on_the_way(struct vcpu *vcpu);

/* shadow12.c: VMCS shadowing by L1 */
/* The address of the VMCS that L1 links for L2's accesses, or NO_GPA. */
static inline u64 shadow12_wanted(const struct vmcs12 *v)
{
	return vmcs12_proc2(v) & PROC2_SHADOW_VMCS ? v->link_pointer : NO_GPA;
}
void shadow12_load(struct vcpu *vcpu); /* what vmcs12 links, if there is memory at its address */
void shadow12_drop(struct vcpu *vcpu); /* L0 holds none for that any more */
bool shadow12_access_exits(struct vcpu *vcpu, u64 enc, bool write);

/* ept02.c */
int ept02_select_root(struct vcpu *vcpu); /* 0, -ENOMEM */
void ept02_free_roots(struct nested *n);
/* @why: ABYME_FLUSH_* */
void ept02_invalidate(struct vcpu *vcpu, bool all, u64 eptp12, u32 why);
/*
 * Called at the entry after an EPT violation that L1 was given: maps in EPT02 what L1 has mapped
 * since, so that L2's access does not exit again. Return: false: it must be called again with
 * interrupts on. Context: current_root is there; may sleep, unless vcpu->at_once.
 */
bool ept02_map_answered(struct vcpu *vcpu);
int ept02_translate(struct vcpu *vcpu, u64 l2_gpa, u64 linear, u32 access, u64 *gpa);

/* tlb.c */
void tlb_before_l2(struct vcpu *vcpu); /* vmcs02 is current */
void tlb_after_l2(struct vcpu *vcpu);
void tlb_invvpid(struct vcpu *vcpu, u32 type, u16 vpid, u64 gla);

/* route.c: does L1 intercept the exception? */
bool route_exception(const struct vmcs12 *v, u8 vector, u32 error);

/* timer.c: L1's preemption timer */
void timer_init(struct nested *n, struct vcpu *vcpu);
void timer_start(struct vcpu *vcpu);
void timer_stop(struct vcpu *vcpu);
bool timer_expired(const struct nested *n);
u32 timer_remaining(const struct nested *n); /* as L1 counts */
/* The deadline in L1's TSC. Set only if the timer runs, and no further than it can count. */
u64 timer_get_deadline(struct vcpu *vcpu);
void timer_set_deadline(struct vcpu *vcpu, u64 l1_tsc);
void timer_program(struct vcpu *vcpu); /* interrupts off, vmcs02 current */
void timer_unmoved(struct vcpu *vcpu);
void timer_for_halt(struct vcpu *vcpu); /* L2 halts: have it woken */

/* virt_intr.c. Context: L2 is next, vmcs02 current. All but posted_notified() may sleep. */
bool posted_notified(struct vcpu *vcpu);   /* L1's notification of posted interrupts is there */
void posted_process(struct vcpu *vcpu);	   /* take it, and what was posted */
bool virt_intr_pending(struct vcpu *vcpu); /* L2 would take one if it had interrupts on */

/* report.c */
/* Notes which check of vmcs12 failed, for whoever reports what comes of it. @c: may be NULL. */
void report_check(struct vcpu *vcpu, const struct check *failed, const struct check_ctx *c);
void report_add(struct vcpu *vcpu, struct report r); /* .sequence is filled in, mostly .vmcs12 */
void report_triple_fault(struct vcpu *vcpu);	     /* vmcs02 is current */

/* watch.c */
/* L1 is given @x (vcpu->watched); its registers are still L2's. */
void watch_to_l1(struct vcpu *vcpu, const struct l2_exit *x);
/* L1's VMREAD or VMWRITE of its current VMCS succeeded (vcpu->watched). */
void watch_access(struct vcpu *vcpu, const struct vmcs12_field *f, bool write);

static inline struct exit_watch *watch_of_exits(const struct nested *n)
{
	return unlikely(n->watch & ABYME_WATCH_EXITS) ? n->exit_watch : NULL;
}

static inline void watch_fault(const struct nested *n, u32 cause)
{
	struct exit_watch *w = watch_of_exits(n);

	if (w)
		w->fault[cause]++;
}

static inline void watch_flush(const struct nested *n, u32 cause)
{
	struct exit_watch *w = watch_of_exits(n);

	if (w)
		w->flush[cause]++;
}

/* events.c */
void nested_end_halt(struct vcpu *vcpu); /* L2 runs from here on */

#endif
