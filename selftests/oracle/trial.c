// SPDX-License-Identifier: GPL-2.0-only
/* Building a case from its number, running it, and looking at what came out. */
#include "oracle.h"

const struct change changes[] = {
	{ "controls", 12, change_controls },
	{ "reserved controls", 1, change_reserved },
	{ "addresses", 4, change_addresses },
	{ "intercepts", 12, change_intercepts },
	{ "event", 10, change_event },
	{ "host state", 3, change_host },
	{ "control registers", 4, change_crs },
	{ "registers", 5, change_guest },
	{ "segments", 6, change_segment },
	{ "non-register state", 6, change_nonreg },
	{ "paging", 4, change_paging },
	{ "MSR lists", 3, change_msr_list },
	{ "EPT", 6, change_ept },
	{ "instructions", 16, change_insn },
	{ "operands", 12, change_operand },
	{ "system registers", 14, change_system },
	{ "accesses", 10, change_access },
	{ "L1's instructions", 8, change_l1_insn },
	{ "virtualization", 10, change_virt },
	{ "EPTP switching", 3, change_vmfunc },
	{ "waiting for L1", 8, change_waiting },
};
const u32 nr_changes = ARRAY_SIZE(changes);

/* What is in the current VMCS, as far as this side knows; no case wants UNKNOWN. */
#define UNKNOWN 0xa7c15e6d4b3f2901ULL
static u64 known[NR_FIELDS];

void trial_forget_field(enum field f)
{
	known[f] = UNKNOWN;
}

/* --- what changes are made with ------------------------------------------------------------ */

void note(struct trial *t, const char *what, u64 v)
{
	if (t->explain)
		printf("#   %s 0x%lx\n", what, (unsigned long)v);
}

void set(struct trial *t, enum field f, u64 v)
{
	static const u64 widths[] = { 0xffff, ~0ULL, 0xffffffff, ~0ULL };

	v &= widths[vmcs_enc_width(fields[f].encoding)];
	if (t->explain)
		printf("#   %s: 0x%lx -> 0x%lx\n", fields[f].name, (unsigned long)t->want[f],
		       (unsigned long)v);
	t->want[f] = v;
}

void flip(struct trial *t, enum field f, u64 bits)
{
	set(t, f, t->want[f] ^ bits);
}

void poke(struct trial *t, const char *what, void *at, u32 size, u64 v)
{
	if (t->explain)
		printf("#   %s at 0x%lx: 0x%lx\n", what, (unsigned long)at, (unsigned long)v);
	memcpy(at, &v, size);
}

void emit(struct trial *t, const u8 *bytes, u32 count)
{
	memcpy((void *)t->code, bytes, count);
	t->code += count;
}

/* MOV of an immediate in the mode that L2 is meant to be in; no more than 32 bits outside 64. */
void emit_mov(struct trial *t, enum gpr gpr, u64 v)
{
	u8 op = 0xb8 + gpr;

	if (t->bits == 64) {
		EMIT(t, 0x48, op);
		emit(t, (const u8 *)&v, 8);
		return;
	}
	if (t->bits == 16)
		EMIT(t, 0x66);
	EMIT(t, op);
	emit(t, (const u8 *)&v, 4);
}

/* --- building ---------------------------------------------------------------------------------- */

static const struct change *pick_change(struct rng *r)
{
	static u32 total;
	u32 at, i = 0;

	if (!total)
		for (u32 k = 0; k < nr_changes; k++)
			total += changes[k].weight;
	for (at = rng_below(r, total); at >= changes[i].weight; i++)
		at -= changes[i].weight;
	return &changes[i];
}

/*
 * What must not be. L2 must come back: wait-for-SIPI has nobody to end it, and the emulated
 * processor ends with a panic on a pending MTF, which it does not offer.
 */
static void keep_alive(struct trial *t)
{
	if ((t->want[F_ENTRY_INTR_INFO] & INTR_TYPE_MASK) == INTR_TYPE_OTHER)
		t->want[F_ENTRY_INTR_INFO] ^= 1u << 8;
	/* It ends likewise, or goes on, in IA-32e mode without paging, which it does not check. */
	if (t->want[F_ENTRY_CTLS] & ENTRYC_GUEST_64)
		t->want[F_GUEST_CR0] |= CR0_PE | CR0_PG;
	if (t->want[F_GUEST_ACTIVITY] == ACTIVITY_SIPI &&
	    !(t->want[F_ENTRY_INTR_INFO] & INTR_VALID))
		t->want[F_GUEST_ACTIVITY] = ACTIVITY_ACTIVE;
	/* What waits ends HLT there before it looks at what goes first. */
	if (t->arrives && t->want[F_GUEST_ACTIVITY] == ACTIVITY_HLT)
		t->want[F_GUEST_ACTIVITY] = ACTIVITY_ACTIVE;
	/* Code on the APIC-access page is a panic, and without paging all pages follow each other. */
	if (t->may_jump && !(t->want[F_GUEST_CR0] & CR0_PG))
		t->want[F_PROC2_CTLS] &= ~PROC2_APIC_ACCESS;
	/* And a write that is not aligned is one. */
	if (t->writes_apic)
		t->want[F_SEG_BASE(SEG_DS)] = 0;
	/* At an exit of the first instruction after an NMI it has the RIP from before. */
	if (t->sends_nmi && (t->unpages || t->moves_cs))
		t->want[F_PIN_CTLS] |= PIN_NMI_EXITING;
	/* It sets accessed and dirty flags where EPT does not allow it, which L0's walk knows. */
	if (t->l0_walks)
		memory_writable_tables();
	/* And it reads the PDPTEs at each MOV to CR0. */
	if (t->loads_cr0)
		t->want[F_EPT_POINTER] &= ~EPTP_AD;
	t->want[F_PIN_CTLS] |= PIN_PREEMPT_TIMER;
	/* No side need have a performance counter. */
	t->want[F_PROC_CTLS] |= PROC_RDPMC;
	/* Nor MONITOR and MWAIT; and nothing but an exit would end it. */
	if (t->sleeps)
		t->want[F_PROC_CTLS] |= PROC_MWAIT | PROC_MONITOR;
}

/* Each change has its own numbers, whichever of the others are made. */
void trial_build(struct trial *t, u64 number, u32 mask, bool explain)
{
	struct rng r = { mix(number, 0) };
	u32 count = 1 + rng_below(&r, MAX_CHANGES - 1);

	memset(t, 0, sizeof(*t));
	t->number = number;
	t->mask = mask;
	t->explain = explain;
	t->entries = 1 + rng_below(&r, MAX_ENTRIES);
	base_set(t);
	r.state = mix(number, 1);
	if (mask & 1)
		mode_change(t, &r);
	for (u32 i = 1; i <= count; i++) {
		const struct change *c;

		r.state = mix(number, i + 1);
		c = pick_change(&r);
		if (i == 1)
			t->kind = c - changes;
		if (!(mask & BIT(i)))
			continue;
		if (explain)
			printf("# change %d, %s:\n", i, c->name);
		c->make(t, &r);
	}
	EMIT(t, 0x0f, 0x01, 0xc1); /* VMCALL */
	keep_alive(t);
	quirks_find(t);
}

/* --- running ------------------------------------------------------------------------------------- */

static bool is_pdpte(enum field f)
{
	return f >= F_GUEST_PDPTE0 && f <= F_GUEST_PDPTE3;
}

/* Without PAE paging the entry does not look at them: the last case's do as well as zeros. */
static bool matters(const struct trial *t, enum field f)
{
	if (!is_pdpte(f) || t->want[f] || t->rare)
		return true;
	return (t->want[F_GUEST_CR4] & CR4_PAE) && !(t->want[F_ENTRY_CTLS] & ENTRYC_GUEST_64);
}

static void write_fields(const struct trial *t)
{
	for (u32 i = 0; i < writable_fields.count; i++) {
		enum field f = writable_fields.at[i];

		if (known[f] == t->want[f] || !matters(t, f))
			continue;
		l1_vmwrite(fields[f].encoding, t->want[f]);
		known[f] = t->want[f];
	}
}

static void read_state(struct outcome *o, const struct field_list *list)
{
	for (u32 i = 0; i < list->count; i++) {
		enum field f = list->at[i];

		known[f] = o->value[f] = vmread_fast(fields[f].encoding);
	}
}

static bool at_base(const struct trial *t, const struct field_list *list)
{
	for (u32 i = 0; i < list->count; i++)
		if (t->want[list->at[i]] != base[list->at[i]])
			return false;
	return true;
}

/* --- L1 after an exit ------------------------------------------------------------------------------ */

static const struct {
	u32 msr;
	enum field field;
} host_msrs[] = {
	{ MSR_FS_BASE, F_HOST_FS_BASE },
	{ MSR_GS_BASE, F_HOST_GS_BASE },
	{ MSR_SYSENTER_CS, F_HOST_SYSENTER_CS },
	{ MSR_SYSENTER_ESP, F_HOST_SYSENTER_ESP },
	{ MSR_SYSENTER_EIP, F_HOST_SYSENTER_EIP },
	{ MSR_EFER, F_HOST_EFER },
	{ MSR_PAT, F_HOST_PAT },
};

static u64 show(struct trial *t, u64 hash, const char *name, u64 v)
{
	if (t->explain)
		printf("= %s 0x%lx\n", name, (unsigned long)v);
	return fold(hash, v);
}

/* Looking at L1 costs more than the rest: where its state was changed, and now and then. */
static bool look_at_host(const struct trial *t)
{
	if (t->look || !at_base(t, &host_fields))
		return true;
	return t->want[F_EXIT_CTLS] != base[F_EXIT_CTLS] || t->want[F_EXIT_MSR_LOAD_COUNT];
}

struct host {
	u16 sel[5];
	u64 msrs[ARRAY_SIZE(host_msrs)];
	u64 cr0, cr3, cr4, rflags;
};

static void take_host(struct host *h)
{
	h->rflags = read_flags() & ~RFLAGS_ARITH;
	asm volatile("mov %%es, %0" : "=r"(h->sel[0]));
	asm volatile("mov %%ss, %0" : "=r"(h->sel[1]));
	asm volatile("mov %%ds, %0" : "=r"(h->sel[2]));
	asm volatile("mov %%fs, %0" : "=r"(h->sel[3]));
	asm volatile("mov %%gs, %0" : "=r"(h->sel[4]));
	for (u32 i = 0; i < ARRAY_SIZE(host_msrs); i++)
		h->msrs[i] = rdmsr(host_msrs[i].msr);
	h->cr0 = read_cr0();
	h->cr3 = read_cr3();
	h->cr4 = read_cr4();
}

static u64 observe_host(struct trial *t, const struct host *h, u64 hash)
{
	static const char *const names[] = { "L1's ES", "L1's SS", "L1's DS", "L1's FS",
					     "L1's GS" };

	for (u32 i = 0; i < ARRAY_SIZE(h->sel); i++)
		hash = show(t, hash, names[i], h->sel[i]);
	for (u32 i = 0; i < ARRAY_SIZE(host_msrs); i++) {
		enum field f = host_msrs[i].field;

		hash = show(t, hash, fields[f].name, h->msrs[i] & ~quirk_bits(f, h->msrs[i]));
	}
	hash = show(t, hash, "L1's CR0", h->cr0);
	hash = show(t, hash, "L1's CR3", h->cr3);
	hash = show(t, hash, "L1's CR4", h->cr4);
	return show(t, hash, "L1's RFLAGS", h->rflags);
}

static void restore_host(void)
{
	asm volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(SEL_DATA));
	asm volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
	for (u32 i = 0; i < ARRAY_SIZE(host_msrs); i++)
		wrmsr(host_msrs[i].msr, base[host_msrs[i].field]);
	write_cr0(base[F_HOST_CR0]);
	write_cr3(base[F_HOST_CR3]);
	write_cr4(base[F_HOST_CR4]);
}

/* MSRs that no VMCS holds. */
static const u32 msrs[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_KERNEL_GS_BASE };

static void reset_msrs(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i], 0);
}

static u64 observe_msrs(struct trial *t, u64 hash)
{
	for (u32 i = 0; i < ARRAY_SIZE(msrs); i++) {
		u64 v = rdmsr(msrs[i]);

		if (t->explain)
			printf("= MSR 0x%x 0x%lx\n", msrs[i], (unsigned long)v);
		hash = fold(hash, v);
	}
	reset_msrs();
	return hash;
}

static u16 x87_status(void)
{
	u16 status;

	asm volatile("fnstsw %0" : "=a"(status));
	return status;
}

static u64 observe_registers(struct trial *t, u64 hash)
{
	static const char *const names[] = {
		"RAX", "RCX", "RDX", "RBX", "-",   "RBP", "RSI", "RDI",
		"R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"
	};
	struct l1_vmx *vmx = l1_vmx();

	for (u32 i = 0; i < NR_GPRS; i++)
		if (i != GPR_RSP && !(t->timed && i <= GPR_RDX))
			hash = show(t, hash, names[i], vmx->regs[i]);
	hash = show(t, hash, "FSW", x87_status());
	return show(t, hash, "CR2", read_cr2());
}

/* What a case does to debug registers unlooked-for stays for the next that looks at them. */
static bool look_at_drs(const struct trial *t)
{
	return t->look || t->debug || t->steps || (t->want[F_GUEST_RFLAGS] & RFLAGS_TF) ||
	       t->want[F_GUEST_DR7] != base[F_GUEST_DR7] || t->want[F_GUEST_PENDING_DBG] ||
	       (t->want[F_ENTRY_INTR_INFO] & INTR_VALID);
}

#define DR6_RESET 0xffff0ff0

static void reset_drs(void)
{
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
	write_dr6(DR6_RESET);
}

static u64 observe_drs(struct trial *t, u64 hash)
{
	const u64 dr[] = { read_dr0(), read_dr1(), read_dr2(), read_dr3(), read_dr6() };
	static const char *const names[] = { "DR0", "DR1", "DR2", "DR3", "DR6" };

	for (u32 i = 0; i < ARRAY_SIZE(dr); i++)
		hash = show(t, hash, names[i], dr[i]);
	if (dr[0] | dr[1] | dr[2] | dr[3] | (dr[4] ^ DR6_RESET))
		reset_drs();
	return show(t, hash, "L1's DR7", read_dr7());
}

/* Its fields stay as they are. */
static void clear_vmcs(struct l1_vmx *vmx)
{
	vmclear((u64)vmx->vmcs);
	vmptrld((u64)vmx->vmcs);
	vmx->launched = false;
}

/* And all are written anew: an exit changes some that nobody reads, as IA-32e mode's control. */
static void forget_vmcs(struct l1_vmx *vmx)
{
	clear_vmcs(vmx);
	for (u32 i = 0; i < NR_FIELDS; i++)
		known[i] = UNKNOWN;
}

void trial_init(struct l1_vmx *vmx)
{
	forget_vmcs(vmx);
	reset_msrs();
	reset_drs();
}

/* --- one entry --------------------------------------------------------------------------------------- */

static u64 observe_field(struct trial *t, const struct outcome *o, enum field f, u64 hash)
{
	u64 bits = defined_bits(t, o, f);

	if (bits)
		bits &= ~quirk_bits(f, o->value[f] & bits);
	if (!bits)
		return hash;
	return fold(show(t, hash, fields[f].name, o->value[f] & bits), f);
}

static u64 observe_list(struct trial *t, const struct outcome *o, const struct field_list *list,
			u64 hash)
{
	for (u32 i = 0; i < list->count; i++)
		hash = observe_field(t, o, list->at[i], hash);
	return hash;
}

static u64 observe_fields(struct trial *t, const struct outcome *o, u64 hash)
{
	hash = observe_field(t, o, F_ENTRY_INTR_INFO, hash);
	hash = observe_list(t, o, &exit_fields, hash);
	hash = observe_list(t, o, &guest_fields, hash);
	return t->rare ? observe_list(t, o, &rare_fields, hash) : hash;
}

/* What an exit saves in the PDPTEs without PAE paging is undefined. */
static void read_rare_fields(struct trial *t, struct outcome *o)
{
	t->rare |= saves_pdptes(t, o);
	if (t->rare)
		read_state(o, &rare_fields);
	if (!(o->how & EXIT_ENTRY_FAILED) && !saves_pdptes(t, o))
		for (u32 i = 0; i < 4; i++)
			known[F_GUEST_PDPTE0 + i] = UNKNOWN;
}

static void read_outcome(struct trial *t, struct outcome *o)
{
	if (o->how >= VM_OK)
		return;
	for (u32 i = 0; i < exit_fields.count; i++)
		o->value[exit_fields.at[i]] = vmread_fast(fields[exit_fields.at[i]].encoding);
	read_state(o, &guest_fields);
	read_rare_fields(t, o);
	o->value[F_ENTRY_INTR_INFO] = vmread_fast(VMCS_ENTRY_INTR_INFO);
	known[F_ENTRY_INTR_INFO] = o->value[F_ENTRY_INTR_INFO];
}

static u64 observe(struct trial *t, const struct outcome *o, u64 hash)
{
	if (t->explain)
		printf("= outcome 0x%lx\n", (unsigned long)o->how);
	hash = fold(hash, o->how);
	if (o->how >= VM_OK || time_decided(t, o))
		return hash;
	return observe_fields(t, o, hash);
}

/* Whether L2 may go on after the instruction that exited. */
static bool goes_on(const struct outcome *o)
{
	if (o->value[F_IDT_VECTORING_INFO] & INTR_VALID)
		return false;
	switch (o->how) {
	case EXIT_CPUID:
	case EXIT_HLT:
	case EXIT_INVD:
	case EXIT_INVLPG:
	case EXIT_RDPMC:
	case EXIT_RDTSC:
	case EXIT_CR_ACCESS:
	case EXIT_DR_ACCESS:
	case EXIT_IO:
	case EXIT_RDMSR:
	case EXIT_WRMSR:
	case EXIT_MWAIT:
	case EXIT_MONITOR:
	case EXIT_PAUSE:
	case EXIT_GDTR_IDTR:
	case EXIT_LDTR_TR:
	case EXIT_RDTSCP:
	case EXIT_WBINVD:
	case EXIT_XSETBV:
	case EXIT_INVPCID:
	case EXIT_VMCALL: return true;
	default: return o->how >= EXIT_VMCLEAR && o->how <= EXIT_VMXON;
	}
}

static bool at_the_end(const struct trial *t, const struct outcome *o)
{
	u64 linear = o->value[F_GUEST_CS_BASE] + o->value[F_GUEST_RIP];

	return o->how == EXIT_VMCALL && (linear + 3 == t->code || linear >= L2_STUBS);
}

static void arm(const struct trial *t)
{
	unblock_nmis(); /* the last case may have left them blocked */
	write_cr2(0x2222);
	asm volatile("fninit"); /* and an x87 exception pending */
	memcpy(l1_vmx()->regs, t->regs, sizeof(t->regs));
	if (t->look)
		outb(PORT_OF_USERSPACE, 0);
	if (t->arrives)
		waiting_raise(t);
}

/* L2 finds its memory as it is now, not as the last case had it. */
static void flush(const struct trial *t)
{
	static const struct inv_desc none;
	static bool remapped;

	invvpid(INVVPID_ALL, &none);
	if (remapped || t->remapped)
		invept(INVEPT_ALL, &none);
	remapped = t->remapped;
}

/* What there is to see of one entry. */
static u64 enter_once(struct l1_vmx *vmx, struct trial *t, struct outcome *o, bool host, u64 hash)
{
	struct host h = {};

	o->how = l1_run();
	if (host) {
		take_host(&h);
		restore_host();
	}
	read_outcome(t, o);
	quirks_begin(t, o);
	hash = observe(t, o, hash);
	return host ? observe_host(t, &h, hash) : hash;
}

/*
 * What is not compared is not to be seen in the cases to come: where a loop of L2's was stopped,
 * and what became of an entry that one side refused.
 */
static void forget(struct l1_vmx *vmx)
{
	forget_vmcs(vmx);
	memory_forget();
	restore_host();
	reset_drs();
	reset_msrs();
}

/* What there is to see at the case's end, beside the VMCS. */
static u64 observe_rest(struct trial *t, u64 hash)
{
	hash = observe_registers(t, hash);
	if (look_at_drs(t))
		hash = observe_drs(t, hash);
	if (t->msrs)
		hash = observe_msrs(t, hash);
	if (t->switches)
		hash = show(t, hash, "EPT_POINTER", vmread_fast(VMCS_EPT_POINTER));
	return memory_observe(hash, t->explain);
}

u64 trial_run(struct l1_vmx *vmx, struct trial *t)
{
	bool host, stopped;
	struct outcome o;
	u64 hash = l1_insns_run(vmx, t, 0);

	t->look = !(t->number & 15);
	t->rare = t->look || !at_base(t, &rare_fields);
	host = look_at_host(t);
	write_fields(t);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, t->timer);
	flush(t);
	arm(t);
	for (u32 i = 0; i < t->entries; i++) {
		hash = enter_once(vmx, t, &o, host, hash);
		if (o.how >= VM_OK || !goes_on(&o) || at_the_end(t, &o))
			break;
		t->if_cleared |= !(o.value[F_GUEST_RFLAGS] & RFLAGS_IF);
		known[F_GUEST_RIP] = o.value[F_GUEST_RIP] + o.value[F_EXIT_INSN_LEN];
		l1_vmwrite(VMCS_GUEST_RIP, known[F_GUEST_RIP]);
	}
	stopped = o.how < VM_OK && time_decided(t, &o);
	if (t->nr_shadow_fields && t->want[F_LINK_POINTER] == (u64)l1_pages.link)
		vmclear((u64)l1_pages.link);
	if (!stopped)
		hash = observe_rest(t, hash);
	if (t->switches)
		trial_forget_field(F_EPT_POINTER);
	if (t->arrives)
		hash = waiting_settle(t, hash);
	quirks_find(t); /* also what only the entries showed */
	if (stopped || t->quirks)
		forget(vmx);
	if (t->nr_shadow_fields)
		hash = fold(hash, shadow_take(vmx, t) * !stopped);
	return quirks_hide(t, hash);
}
