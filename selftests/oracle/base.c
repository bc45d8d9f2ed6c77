// SPDX-License-Identifier: GPL-2.0-only
/* The VMCS that a case starts from, and the modes of L2. */
#include "oracle.h"

extern u8 l2_exit[];

const u32 common_pin = PIN_EXT_INT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPT_TIMER;
const u32 common_proc = PROC_INT_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_INVLPG | PROC_MWAIT |
			PROC_RDPMC | PROC_RDTSC | PROC_CR3_LOAD | PROC_CR3_STORE | PROC_CR8_LOAD |
			PROC_CR8_STORE | PROC_TPR_SHADOW | PROC_NMI_WINDOW | PROC_MOV_DR |
			PROC_UNCOND_IO | PROC_IO_BITMAPS | PROC_MSR_BITMAPS | PROC_MONITOR |
			PROC_PAUSE | PROC_SECONDARY;
const u32 common_proc2 = PROC2_APIC_ACCESS | PROC2_EPT | PROC2_DESC_TABLE | PROC2_RDTSCP |
			 PROC2_X2APIC | PROC2_VPID | PROC2_WBINVD | PROC2_UNRESTRICTED |
			 PROC2_INVPCID | PROC2_VMFUNC;
const u32 common_exit = EXITC_SAVE_DEBUG | EXITC_HOST_64 | EXITC_ACK_INT | EXITC_SAVE_PAT |
			EXITC_LOAD_PAT | EXITC_SAVE_EFER | EXITC_LOAD_EFER |
			EXITC_SAVE_PREEMPT_TIMER;
const u32 common_entry = ENTRYC_LOAD_DEBUG | ENTRYC_GUEST_64 | ENTRYC_LOAD_PAT | ENTRYC_LOAD_EFER;

/*
 * TSC ticks after which a case is over, if nothing else ends it: enough for what is no endless
 * loop on the slowest side, and no more, since endless loops take all of it on each.
 */
#define PATIENCE (1u << 20)

/* Filled once; most of it is the same for every case. */
u64 base[NR_FIELDS];
static u32 base_timer;

/* --- modes -------------------------------------------------------------------- */

struct mode {
	const char *name;
	u32 bits;
	u32 cr0, cr4, efer;
	u64 cr3;
	u16 cs, ss;
	u32 cs_ar, data_ar;
	u64 seg_base; /* of CS and SS; DS and the others have that of L2_DATA */
	u32 limit;
	u32 rflags;
	bool small_data; /* segments in paragraphs: base = selector << 4 */
};

#define CR0_BASE (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP)
#define CR4_BASE (CR4_OSFXSR | CR4_DE | CR4_VMXE)
#define PAGED (CR0_BASE | CR0_PG)
#define LONG (EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE)
#define FLAT_LIMIT 0xffffffff

static const struct mode modes[] = {
	{ "64-bit, CPL 0", 64, PAGED, CR4_BASE | CR4_PAE, LONG, ARENA_PAGE(A_PML4), L2_CODE64,
	  L2_FLAT, 0xa09b, 0xc093, 0, FLAT_LIMIT, 0, false },
	{ "64-bit, CPL 3", 64, PAGED, CR4_BASE | CR4_PAE, LONG, ARENA_PAGE(A_PML4), L2_UCODE64,
	  L2_UFLAT, 0xa0fb, 0xc0f3, 0, FLAT_LIMIT, 0, false },
	{ "compatibility, CPL 0", 32, PAGED, CR4_BASE | CR4_PAE, LONG, ARENA_PAGE(A_PML4),
	  L2_CODE32, L2_FLAT, 0xc09b, 0xc093, 0, FLAT_LIMIT, 0, false },
	{ "compatibility, CPL 3", 32, PAGED, CR4_BASE | CR4_PAE, LONG, ARENA_PAGE(A_PML4),
	  L2_UCODE32, L2_UFLAT, 0xc0fb, 0xc0f3, 0, FLAT_LIMIT, 0, false },
	{ "PAE, CPL 0", 32, PAGED, CR4_BASE | CR4_PAE, EFER_NXE, ARENA_PAGE(A_PDPT_PAE), L2_CODE32,
	  L2_FLAT, 0xc09b, 0xc093, 0, FLAT_LIMIT, 0, false },
	{ "PAE, CPL 3", 32, PAGED, CR4_BASE | CR4_PAE, EFER_NXE, ARENA_PAGE(A_PDPT_PAE), L2_UCODE32,
	  L2_UFLAT, 0xc0fb, 0xc0f3, 0, FLAT_LIMIT, 0, false },
	{ "32-bit, CPL 0", 32, PAGED, CR4_BASE | CR4_PSE, 0, ARENA_PAGE(A_PD32), L2_CODE32, L2_FLAT,
	  0xc09b, 0xc093, 0, FLAT_LIMIT, 0, false },
	{ "32-bit, CPL 3", 32, PAGED, CR4_BASE | CR4_PSE, 0, ARENA_PAGE(A_PD32), L2_UCODE32,
	  L2_UFLAT, 0xc0fb, 0xc0f3, 0, FLAT_LIMIT, 0, false },
	{ "16-bit, CPL 0", 16, PAGED, CR4_BASE | CR4_PAE, 0, ARENA_PAGE(A_PDPT_PAE), L2_CODE16,
	  L2_DATA16, 0x9b, 0x93, L2_CODE, 0xffff, 0, false },
	{ "virtual-8086", 16, PAGED, CR4_BASE, 0, ARENA_PAGE(A_PD32), L2_CODE >> 4, L2_CODE >> 4,
	  0xf3, 0xf3, L2_CODE, 0xffff, RFLAGS_VM, true },
	{ "virtual-8086, IOPL 3, VME", 16, PAGED, CR4_BASE | CR4_VME, 0, ARENA_PAGE(A_PD32),
	  L2_CODE >> 4, L2_CODE >> 4, 0xf3, 0xf3, L2_CODE, 0xffff, RFLAGS_VM | 3 << 12, true },
	{ "real", 16, CR0_BASE & ~CR0_PE, CR4_BASE, 0, 0, L2_CODE >> 4, L2_CODE >> 4, 0x9b, 0x93,
	  L2_CODE, 0xffff, 0, true },
	{ "32-bit, no paging", 32, CR0_BASE, CR4_BASE, 0, 0, L2_CODE32, L2_FLAT, 0xc09b, 0xc093, 0,
	  FLAT_LIMIT, 0, false },
};

static void set_segment(struct trial *t, enum segreg s, u16 sel, u64 base_, u32 limit, u32 ar)
{
	t->want[F_SEG_SEL(s)] = sel;
	t->want[F_SEG_BASE(s)] = base_;
	t->want[F_SEG_LIMIT(s)] = limit;
	t->want[F_SEG_AR(s)] = ar;
}

static void set_segments(struct trial *t, const struct mode *m)
{
	static const enum segreg data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
	u64 data_base = m->seg_base ? L2_DATA : 0;

	set_segment(t, SEG_CS, m->cs, m->seg_base, m->limit, m->cs_ar);
	set_segment(t, SEG_SS, m->ss, m->seg_base, m->limit, m->data_ar);
	for (u32 i = 0; i < ARRAY_SIZE(data); i++)
		set_segment(t, data[i], m->small_data ? L2_DATA >> 4 : m->ss, data_base, m->limit,
			    m->data_ar);
}

static void set_mode(struct trial *t, const struct mode *m)
{
	bool lma = m->efer & EFER_LMA;

	t->bits = m->bits;
	t->want[F_GUEST_CR0] = m->cr0;
	t->want[F_GUEST_CR3] = m->cr3;
	t->want[F_GUEST_CR4] = m->cr4;
	t->want[F_GUEST_EFER] = m->efer;
	t->want[F_GUEST_RFLAGS] = RFLAGS_FIXED | m->rflags;
	t->want[F_GUEST_RIP] = t->code - m->seg_base;
	t->want[F_GUEST_RSP] = L2_STACK_TOP - m->seg_base;
	t->want[F_GUEST_TR_BASE] = lma ? L2_TSS64 : L2_TSS32;
	t->want[F_GUEST_IDTR_BASE] = lma ? L2_IDT64 : m->cr0 & CR0_PE ? L2_IDT32 : L2_IVT;
	t->want[F_GUEST_IDTR_LIMIT] = (lma ? 16 : m->cr0 & CR0_PE ? 8 : 4) * NR_VECTORS - 1;
	t->want[F_ENTRY_CTLS] &= ~(u64)ENTRYC_GUEST_64;
	t->want[F_ENTRY_CTLS] |= lma ? ENTRYC_GUEST_64 : 0;
	if ((m->cr4 & CR4_PAE) && !lma) {
		t->want[F_GUEST_PDPTE0] = ARENA_PAGE(A_PD) | 1;
		t->want[F_GUEST_PDPTE3] = ARENA_PAGE(A_APIC_PD) | 1;
	}
	t->regs[GPR_RBX] = m->seg_base ? 0 : L2_DATA;
	set_segments(t, m);
}

/* The first change of each case; half of all stay in 64-bit mode at CPL 0. */
void mode_change(struct trial *t, struct rng *r)
{
	const struct mode *m;

	if (rng_one_in(r, 2))
		return;
	m = &RNG_PICK(r, modes);
	if (t->explain)
		printf("# mode: %s\n", m->name);
	set_mode(t, m);
}

/* --- the base ----------------------------------------------------------------- */

static void base_controls(const struct vmx_caps *c)
{
	base[F_PIN_CTLS] = ctl_adjust(c->pin, PIN_PREEMPT_TIMER);
	base[F_PROC_CTLS] = ctl_adjust(c->proc, PROC_SECONDARY | PROC_MSR_BITMAPS | PROC_UNCOND_IO |
							PROC_HLT | PROC_RDTSC | PROC_RDPMC);
	base[F_PROC2_CTLS] = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_RDTSCP |
			     PROC2_INVPCID;
	base[F_EXIT_CTLS] =
		ctl_adjust(c->exit, EXITC_HOST_64 | EXITC_SAVE_DEBUG | EXITC_SAVE_EFER |
					    EXITC_LOAD_EFER | EXITC_SAVE_PAT | EXITC_LOAD_PAT);
	base[F_ENTRY_CTLS] = ctl_adjust(c->entry, ENTRYC_GUEST_64 | ENTRYC_LOAD_DEBUG |
							  ENTRYC_LOAD_EFER | ENTRYC_LOAD_PAT);
	base[F_EXCEPTION_BITMAP] = 0xffffffff;
	base[F_VPID] = 1;
	base[F_EPTP_LIST_ADDR] = (u64)l1_pages.eptps;
	base[F_EPT_POINTER] = (u64)l1_pages.ept | EPTP_WALK_4 | EPTP_MEMTYPE_WB;
	base[F_IO_BITMAP_A] = (u64)l1_pages.io;
	base[F_IO_BITMAP_B] = (u64)l1_pages.io + 0x1000;
	base[F_MSR_BITMAP] = (u64)l1_pages.msr;
	base[F_VIRT_APIC_ADDR] = (u64)l1_pages.vapic;
	base[F_APIC_ACCESS_ADDR] = ARENA_PAGE(A_APIC);
	base[F_ENTRY_MSR_LOAD_ADDR] = (u64)l1_pages.entry_load;
	base[F_EXIT_MSR_STORE_ADDR] = (u64)l1_pages.exit_store;
	base[F_EXIT_MSR_LOAD_ADDR] = (u64)l1_pages.exit_load;
	base[F_LINK_POINTER] = NO_GPA;
	base[F_VMREAD_BITMAP] = (u64)l1_pages.access;
	base[F_VMWRITE_BITMAP] = (u64)l1_pages.access + 0x1000;
	base[F_CR0_SHADOW] = PAGED;
	base[F_CR4_SHADOW] = CR4_BASE | CR4_PAE;
}

static void base_host(void)
{
	struct table_pointer g, i;
	u16 tr;

	asm volatile("str %0" : "=r"(tr));
	asm volatile("sgdt %0" : "=m"(g));
	asm volatile("sidt %0" : "=m"(i));
	base[F_HOST_CR0] = read_cr0();
	base[F_HOST_CR3] = read_cr3();
	base[F_HOST_CR4] = read_cr4();
	base[F_HOST_CS_SEL] = SEL_CODE64;
	base[F_HOST_SS_SEL] = base[F_HOST_DS_SEL] = base[F_HOST_ES_SEL] = SEL_DATA;
	base[F_HOST_TR_SEL] = tr;
	base[F_HOST_TR_BASE] = (u64)this_cpu()->tss;
	base[F_HOST_GDTR_BASE] = g.base;
	base[F_HOST_IDTR_BASE] = i.base;
	base[F_HOST_EFER] = rdmsr(MSR_EFER);
	base[F_HOST_PAT] = rdmsr(MSR_PAT);
	base[F_HOST_RIP] = (u64)l2_exit;
}

static void base_guest(void)
{
	base[F_GUEST_DR7] = 0x400;
	base[F_GUEST_PAT] = 0x0007040600070406;
	base[F_GUEST_GDTR_BASE] = L2_GDT;
	base[F_GUEST_GDTR_LIMIT] = L2_GDT_SIZE - 1;
	base[F_GUEST_LDTR_AR] = AR_UNUSABLE;
	base[F_GUEST_TR_SEL] = L2_TSS;
	base[F_GUEST_TR_LIMIT] = 0x67;
	base[F_GUEST_TR_AR] = 0x8b;
	base[F_GUEST_SYSENTER_CS] = L2_CODE32;
	base[F_GUEST_SYSENTER_ESP] = L2_RSP0;
	base[F_GUEST_SYSENTER_EIP] = L2_STUBS;
}

void base_init(struct l1_vmx *vmx)
{
	base_controls(&vmx->caps);
	base_host();
	base_guest();
	base_timer = PATIENCE >> (vmx->caps.misc & MISC_PREEMPT_RATE);
}

void base_set(struct trial *t)
{
	memcpy(t->want, base, sizeof(base));
	for (u32 i = 0; i < NR_GPRS; i++)
		t->regs[i] = 0x1111111111111111ULL * i;
	t->regs[GPR_RSI] = t->regs[GPR_RDI] = L2_DATA + 0x100;
	t->regs[GPR_RCX] = 2;
	t->regs[GPR_RDX] = 0;
	t->regs[GPR_RAX] = 1;
	t->timer = base_timer;
	t->code = L2_CODE;
	set_mode(t, &modes[0]);
}
