// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the guest that runs, by linear address: translation by the guest's
 * page tables, and for L2 by EPT12 as well, then the access. The walk itself is
 * in pagewalk.c, segmentation in segaddr.c.
 *
 * The emulator, INS and OUTS, and the VMX instructions' operands come here.
 *
 * What a reader must know: "physical" is what the guest that runs calls so.
 * vcpu->gpa_translate, set while L2 runs, makes of it what L1 calls physical,
 * and where L2's access exits L1 is owed the exit (-EAGAIN).
 */
#include <linux/mm.h>
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/msr-index.h>
#include <vmx/info.h>

#include "cpu/debug.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "emulate/gva.h"
#include "emulate/segaddr.h"
#include "mem/bus.h"

/* The longest access that a device may answer, in bytes. */
#define BUS_MAX_LEN 8

/* The width where userspace set no CPUID leaf that says it: the SDM's default. */
#define DEFAULT_MAXPHYADDR 36

/* What the callbacks of a walk need to know of the access that began it. */
struct origin {
	struct vcpu *vcpu;
	u64 linear; /* the address that is translated: L1 is told of it if the walk exits */
	bool peek;  /* as in struct access */
};

/* Translates what the running guest calls physical to what L1 does. @access: EPTQ_* bits. */
static int to_l1(const struct origin *from, u64 gpa, u32 access, u64 *out)
{
	struct vcpu *vcpu = from->vcpu;

	if (vcpu->gpa_translate)
		return vcpu->gpa_translate(vcpu, gpa, from->linear,
					   access | EPTQ_LINEAR_VALID | (from->peek ? GPA_PEEK : 0),
					   out);
	*out = gpa;
	return 0;
}

/* Reads a paging-structure entry. Where there is no memory a bus reads as ones. */
static int gva_read_entry(void *ctx, u64 gpa, u64 *entry, u8 size)
{
	const struct origin *from = ctx;
	int ret;

	ret = to_l1(from, gpa, EPTQ_READ, &gpa);
	if (ret)
		return ret == -EFAULT ? -ENXIO : ret;
	/* Entries are aligned, so that 8 bytes with one of 4 in them are in the same page. */
	if (mem_read_entry(from->vcpu, gpa & ~7ULL, entry))
		*entry = ~0ULL;
	if (size == 4)
		*entry = (u32)(*entry >> (gpa & 4) * 8);
	return 0;
}

/*
 * Sets accessed and dirty flags in an entry that still is @old. Nothing changes when userspace
 * asks for a translation.
 */
static int gva_update_entry(void *ctx, u64 gpa, u64 old, u64 new, u8 size)
{
	const struct origin *from = ctx;
	int ret;

	if (from->peek)
		return 0;
	ret = to_l1(from, gpa, EPTQ_READ | EPTQ_WRITE, &gpa);
	if (ret)
		return ret == -EFAULT ? -ENXIO : ret;
	ret = mem_cmpxchg(from->vcpu->vm, gpa, old, new, size);
	return ret == -EAGAIN ? -ESTALE : 0;
}

static const struct pagewalk_ops walk_ops = {
	.read = gva_read_entry,
	.update = gva_update_entry,
};

/* 5-level paging is not offered: CR4.LA57 stays clear. */
static enum paging paging_mode(struct vcpu *vcpu, unsigned long cr0, unsigned long cr4)
{
	if (!(cr0 & X86_CR0_PG))
		return PAGING_NONE;
	if (vcpu_long_mode(vcpu))
		return PAGING_4LEVEL;
	return cr4 & X86_CR4_PAE ? PAGING_PAE : PAGING_32;
}

/*
 * Reads the registers that decide a walk, once for both pages of an access. The PDPTEs are those
 * that the processor has loaded, not those in memory. SDM: "PDPTE Registers".
 */
static void walk_init(struct vcpu *vcpu, struct pagewalk *w)
{
	unsigned long cr0 = vcpu_cr0(vcpu), cr4 = vcpu_cr4(vcpu);
	int i;

	memset(w, 0, sizeof(*w));
	w->ops = &walk_ops;
	w->paging = paging_mode(vcpu, cr0, cr4);
	if (w->paging == PAGING_NONE)
		return;
	w->maxphyaddr = vcpu->cpuid.maxphyaddr ?: DEFAULT_MAXPHYADDR;
	w->pse = cr4 & X86_CR4_PSE;
	w->gbpages = boot_cpu_has(X86_FEATURE_GBPAGES);
	w->wp = cr0 & X86_CR0_WP;
	w->nxe = vcpu->efer & EFER_NX;
	w->smep = cr4 & X86_CR4_SMEP;
	w->smap = cr4 & X86_CR4_SMAP;
	w->ac = vcpu_rflags(vcpu) & X86_EFLAGS_AC;
	w->pke = w->paging == PAGING_4LEVEL && cr4 & X86_CR4_PKE;
	w->pkru = vcpu->fpu.pkru;
	w->cr3 = vcpu_cr3(vcpu);
	if (w->paging == PAGING_PAE)
		for (i = 0; i < 4; i++)
			w->pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
}

/* What an EPT violation's qualification says of the access to the page itself. */
static u32 final_access(const struct access *access, const struct page_found *page)
{
	u32 bits = access->write ? EPTQ_WRITE : access->fetch ? EPTQ_FETCH : EPTQ_READ;

	return bits | EPTQ_FINAL | (page->user ? EPTQ_USER_PAGE : 0) |
	       (page->writable ? EPTQ_WRITE_PAGE : 0) | (page->nx ? EPTQ_NX_PAGE : 0);
}

/*
 * Walks with @registers (walk_init()), then translates what was found to L1's address. Where
 * there is no memory it answers -ENXIO, since -EFAULT comes with a fault for the guest.
 */
static int gva_to_l1(struct vcpu *vcpu, const struct pagewalk *registers, u64 linear,
		     const struct access *access, u64 *gpa, struct x86_fault *fault)
{
	struct origin from = { .vcpu = vcpu, .linear = linear, .peek = access->peek };
	struct pagewalk w = *registers;
	struct page_found page;
	int ret;

	w.ctx = &from;
	ret = pagewalk(&w, linear, access, &page, fault);
	if (ret)
		return ret;
	ret = to_l1(&from, page.gpa, final_access(access, &page), gpa);
	return ret == -EFAULT ? -ENXIO : ret;
}

int gva_translate(struct vcpu *vcpu, u64 linear, const struct access *access, u64 *gpa,
		  struct x86_fault *fault)
{
	struct pagewalk w;

	walk_init(vcpu, &w);
	return gva_to_l1(vcpu, &w, linear, access, gpa, fault);
}

/* A range of linear addresses, translated. It lies in two pages at most. */
struct gva_range {
	u64 gpa[2];
	size_t len[2]; /* [1] is 0 if the range lies in one page */
};

/*
 * Both pages are translated before the caller touches one, as the processor faults before it
 * does. Without 4-level paging addresses wrap at 4 GiB. Return: as gva_translate(), or -E2BIG,
 * which is a bug of L0's.
 */
static int translate_range(struct vcpu *vcpu, u64 linear, size_t len, const struct access *access,
			   struct gva_range *r, struct x86_fault *fault)
{
	struct pagewalk w;
	int ret;

	if (WARN_ON_ONCE(len > GVA_MAX_LEN))
		return -E2BIG;
	walk_init(vcpu, &w);
	r->len[0] = min_t(size_t, len, PAGE_SIZE - offset_in_page(linear));
	r->len[1] = len - r->len[0];
	ret = gva_to_l1(vcpu, &w, linear, access, &r->gpa[0], fault);
	if (ret || !r->len[1])
		return ret;
	linear += r->len[0];
	if (w.paging != PAGING_4LEVEL)
		linear = (u32)linear;
	return gva_to_l1(vcpu, &w, linear, access, &r->gpa[1], fault);
}

/* Reads RAM only: an operand in device memory answers -ENXIO. */
static int read_range(struct vcpu *vcpu, u64 linear, void *buf, size_t len,
		      const struct access *access, struct x86_fault *fault)
{
	struct gva_range r;
	int ret;

	ret = translate_range(vcpu, linear, len, access, &r, fault);
	if (ret)
		return ret;
	if (mem_read(vcpu->vm, r.gpa[0], buf, r.len[0]))
		return -ENXIO;
	if (r.len[1] && mem_read(vcpu->vm, r.gpa[1], buf + r.len[0], r.len[1]))
		return -ENXIO;
	return 0;
}

/* Asks whether the second page is RAM before it writes to the first, so as not to write half. */
static int write_range(struct vcpu *vcpu, u64 linear, const void *buf, size_t len,
		       const struct access *access, struct x86_fault *fault)
{
	struct vm *vm = vcpu->vm;
	struct gva_range r;
	int ret;

	ret = translate_range(vcpu, linear, len, access, &r, fault);
	if (ret)
		return ret;
	if (r.len[1] && !mem_is_ram(vm, r.gpa[1], true))
		return -ENXIO;
	if (mem_write(vm, r.gpa[0], buf, r.len[0]))
		return -ENXIO;
	if (r.len[1] && mem_write(vm, r.gpa[1], buf + r.len[0], r.len[1]))
		return -ENXIO;
	return 0;
}

/* Where no device answers, reads give ones, as on any bus. */
static void read_bus(struct vcpu *vcpu, u64 gpa, void *buf, size_t len)
{
	if (!mem_read(vcpu->vm, gpa, buf, len))
		return;
	if (len > BUS_MAX_LEN || bus_read(vcpu, BUS_MMIO, gpa, len, buf))
		memset(buf, 0xff, len);
}

/* A write that nobody takes is lost, as on any bus. */
static void write_bus(struct vcpu *vcpu, u64 gpa, const void *buf, size_t len)
{
	if (mem_write(vcpu->vm, gpa, buf, len) && len <= BUS_MAX_LEN)
		bus_write(vcpu, BUS_MMIO, gpa, len, buf);
}

/*
 * Do accesses of the guest's code have the rights of a user? Those of the processor itself (TSS,
 * tables) are .implicit.
 */
static bool guest_user_mode(struct vcpu *vcpu)
{
	return vcpu_cpl(vcpu) == 3;
}

/*
 * Keeps a translation for gva_read_again() and gva_write_again(): an L1 has the operands of its
 * VMX instructions in the same page of its stack again and again. Only an operand in one page, of
 * L1's kernel in 64-bit mode, is kept, and none that a protection key may guard.
 */
static void hint_keep(struct vcpu *vcpu, u64 linear, const struct gva_range *r,
		      const struct access *access)
{
	struct gva_hint *h = &vcpu->gva_hint[access->write];

	h->trail.count = 0;
	if (r->len[1] || vcpu->in_l2 || !vcpu_long_mode(vcpu) || guest_user_mode(vcpu) ||
	    (access->write && !access->trail->writable) ||
	    (access->trail->user && (vcpu_cr4(vcpu) & X86_CR4_PKE)))
		return;
	*h = (struct gva_hint){
		.page = linear & PAGE_MASK,
		.gpa = r->gpa[0] & PAGE_MASK,
		.cr3 = vcpu_cr3(vcpu),
		.cr4 = vcpu_cr4(vcpu),
		.ac = vcpu_rflags(vcpu) & X86_EFLAGS_AC,
		.efer = vcpu->efer,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.trail = *access->trail,
	};
	mem_note_use(vcpu, r->gpa[0], access->write);
}

int gva_read_bus(struct vcpu *vcpu, u64 linear, void *buf, size_t len, struct x86_fault *fault)
{
	struct mem_trail trail = {};
	struct access access = { .user = guest_user_mode(vcpu), .trail = &trail };
	struct gva_range r;
	int ret;

	ret = translate_range(vcpu, linear, len, &access, &r, fault);
	if (ret)
		return ret;
	read_bus(vcpu, r.gpa[0], buf, r.len[0]);
	if (r.len[1])
		read_bus(vcpu, r.gpa[1], buf + r.len[0], r.len[1]);
	hint_keep(vcpu, linear, &r, &access);
	debug_note_data(vcpu, linear, len, false);
	return 0;
}

int gva_write_bus(struct vcpu *vcpu, u64 linear, const void *buf, size_t len,
		  struct x86_fault *fault)
{
	struct mem_trail trail = {};
	struct access access = { .user = guest_user_mode(vcpu), .write = true, .trail = &trail };
	struct gva_range r;
	int ret;

	ret = translate_range(vcpu, linear, len, &access, &r, fault);
	if (ret)
		return ret;
	write_bus(vcpu, r.gpa[0], buf, r.len[0]);
	if (r.len[1])
		write_bus(vcpu, r.gpa[1], buf + r.len[0], r.len[1]);
	hint_keep(vcpu, linear, &r, &access);
	debug_note_data(vcpu, linear, len, true);
	return 0;
}

int gva_read(struct vcpu *vcpu, u64 linear, void *buf, size_t len, struct x86_fault *fault)
{
	struct access access = { .user = guest_user_mode(vcpu) };

	return read_range(vcpu, linear, buf, len, &access, fault);
}

int gva_write(struct vcpu *vcpu, u64 linear, const void *buf, size_t len, struct x86_fault *fault)
{
	struct access access = { .user = guest_user_mode(vcpu), .write = true };

	return write_range(vcpu, linear, buf, len, &access, fault);
}

int gva_probe_write(struct vcpu *vcpu, u64 linear, size_t len, struct x86_fault *fault)
{
	struct access access = { .user = guest_user_mode(vcpu), .write = true };
	struct gva_range r;

	return translate_range(vcpu, linear, len, &access, &r, fault);
}

static int seg_linear(struct vcpu *vcpu, enum segreg seg, u64 offset, u32 size, bool write,
		      bool fetch, u64 *linear, struct x86_fault *fault)
{
	struct segaddr s = { .seg = seg, .mode_64 = vcpu_64bit(vcpu) };
	u32 ar;

	/* In 64-bit mode only FS and GS have a base, and neither limit nor type is checked. */
	if (!s.mode_64 || seg == SEG_FS || seg == SEG_GS)
		s.base = vmread(VMCS_SEG_BASE(seg));
	if (!s.mode_64) {
		ar = vmread(VMCS_SEG_AR(seg));
		s.limit = vmread(VMCS_SEG_LIMIT(seg));
		s.type = ar & AR_TYPE;
		s.big = ar & AR_DB;
		s.unusable = ar & AR_UNUSABLE;
		s.protected_mode = vcpu_cr0(vcpu) & X86_CR0_PE &&
				   !(vcpu_rflags(vcpu) & X86_EFLAGS_VM);
	}
	return segaddr_linear(&s, offset, size, write, fetch, linear, fault);
}

int gva_linear(struct vcpu *vcpu, enum segreg seg, u64 offset, u32 size, bool write, u64 *linear,
	       struct x86_fault *fault)
{
	return seg_linear(vcpu, seg, offset, size, write, false, linear, fault);
}

int gva_may_jump(struct vcpu *vcpu, u64 offset, struct x86_fault *fault)
{
	u64 linear;

	return seg_linear(vcpu, SEG_CS, offset, 1, false, true, &linear, fault);
}

/*
 * The operand's offset in its segment: displacement, base and scaled index, cut to the address
 * size. @exit_qual, @insn_info: as for gva_operand().
 */
static u64 operand_offset(struct vcpu *vcpu, u64 exit_qual, u32 insn_info)
{
	static const u64 masks[] = { 0xffff, 0xffffffff, ~0ULL, ~0ULL };
	u64 offset = exit_qual;

	if (!(insn_info & INSN_NO_BASE))
		offset += vcpu_gpr(vcpu, INSN_BASE(insn_info));
	if (!(insn_info & INSN_NO_INDEX))
		offset += vcpu_gpr(vcpu, INSN_INDEX(insn_info)) << INSN_SCALE(insn_info);
	return offset & masks[INSN_ADDR_SIZE(insn_info) & 3];
}

/*
 * @exit_qual: the displacement, sign-extended, with RIP added if it is relative to that. @size: of
 * the operand, in bytes. SDM: "VM-Exit Instruction-Information Field".
 */
int gva_operand(struct vcpu *vcpu, u64 exit_qual, u32 insn_info, u32 size, bool write, u64 *linear,
		struct x86_fault *fault)
{
	return gva_linear(vcpu, INSN_SEG(insn_info), operand_offset(vcpu, exit_qual, insn_info),
			  size, write, linear, fault);
}

/* --- with interrupts off ------------------------------------------------ */

/* Is SMAP, which guards pages of the user's and no others, what it was? */
static bool smap_holds(struct vcpu *vcpu, const struct gva_hint *h)
{
	return !h->trail.user ||
	       (h->cr4 == vcpu_cr4(vcpu) && h->ac == (vcpu_rflags(vcpu) & X86_EFLAGS_AC));
}

/*
 * Is @linear in the page that @h is about, and would a walk still end where @h says? It would if
 * the registers are the same and each entry on the way, read again, is. Such a walk has nothing
 * to write: accessed and dirty flags were set by the one that made @h.
 */
static bool hint_holds(struct vcpu *vcpu, const struct gva_hint *h, u64 linear)
{
	return h->page == (linear & PAGE_MASK) && h->trail.count && h->cr3 == vcpu_cr3(vcpu) &&
	       h->efer == vcpu->efer && h->maxphyaddr == vcpu->cpuid.maxphyaddr &&
	       smap_holds(vcpu, h) && mem_reads_at_hand(vcpu, &h->trail);
}

/*
 * Finds the physical address of the instruction's operand of 8 bytes by @h. Segments need no look:
 * in 64-bit mode only FS and GS have a base, and an address in a page that was reached before is
 * canonical. Operands that cross into another page, or that a breakpoint may watch, are left out.
 */
static bool operand_again(struct vcpu *vcpu, const struct gva_hint *h, u64 *gpa)
{
	u32 info = vmread(VMCS_EXIT_INSN_INFO);
	u64 linear;

	if (!vcpu_long_mode(vcpu) || vcpu->in_l2 || vcpu->debug.active ||
	    INSN_SEG(info) == SEG_FS || INSN_SEG(info) == SEG_GS)
		return false;
	linear = operand_offset(vcpu, vcpu_exit_qual(vcpu), info);
	*gpa = h->gpa + offset_in_page(linear);
	return IS_ALIGNED(linear, 8) && hint_holds(vcpu, h, linear);
}

int gva_read_again(struct vcpu *vcpu, u64 *value)
{
	u64 gpa;

	return operand_again(vcpu, &vcpu->gva_hint[false], &gpa) &&
			       mem_read_at_hand(vcpu, gpa, value)
		       ? 0
		       : EXIT_LATER;
}

int gva_write_again(struct vcpu *vcpu, u64 value)
{
	u64 gpa, *to = NULL;

	if (operand_again(vcpu, &vcpu->gva_hint[true], &gpa))
		to = mem_at_hand(vcpu, gpa);
	if (!to)
		return EXIT_LATER;
	WRITE_ONCE(*to, value);
	return 0;
}

/* --- faults ------------------------------------------------------------- */

int fault_inject(struct vcpu *vcpu, const struct x86_fault *fault)
{
	if (fault->vector == VEC_PF)
		return inject_pf(vcpu, fault->error, fault->cr2);
	if (fault->has_error)
		return inject_exception_err(vcpu, fault->vector, fault->error);
	return inject_exception(vcpu, fault->vector);
}
