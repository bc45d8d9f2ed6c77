/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VT-x for an image that is an L1: VMX instructions with their outcome, a
 * VMCS that enters, and L2s that are C functions.
 *
 * L2 shares L1's page tables, GDT and IDT, and has a stack of its own; with
 * EPT its physical memory is L1's. It comes back by any exit; a function that
 * returns ends in VMCALL.
 */
#ifndef LIB_VMX_H
#define LIB_VMX_H

#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/errors.h>
#include <vmx/exits.h>
#include <vmx/gpr.h>
#include <vmx/info.h>
#include <vmx/vmcs.h>
#include "guest.h"

/* How a VMX instruction ended; below these an exit reason, as VMREAD gives it. */
#define VM_OK 0x100000000ULL
#define VM_FAIL_INVALID 0x200000000ULL
#define VM_FAIL_VALID(error) (0x300000000ULL | (error))
#define VM_TRAP(vector) (0x400000000ULL | (vector))

/* What l1_prepare_with() leaves out although the processor has it. */
#define L1_NO_EPT BIT(0)
#define L1_NO_VPID BIT(1)
#define L1_NO_MSR_BITMAP BIT(2)

struct l1_vmx {
	u64 regs[NR_GPRS]; /* L2's, but for RSP; enter.S knows the order */
	bool launched;
	bool on;
	u32 flags;
	struct vmx_caps caps;
	void *vmxon;
	void *vmcs;
	void *l2_stack;
	u8 *msr_bitmap;
	u8 *io_bitmaps; /* A and B */
	u64 *ept_pml4;
	u64 mark;
};

/* One entry of an MSR load or store list. */
struct msr_entry {
	u32 index;
	u32 reserved;
	u64 value;
};

/* --- VMX instructions: VM_OK, VM_FAIL_*, VM_TRAP() ---------------------- */

u64 vmx_outcome(u32 trap, bool cf, bool zf);

#define VMX_INSN(insn, ...)                                                                   \
	({                                                                                    \
		bool cf_, zf_;                                                                \
		u32 trap_ = TRY(insn, : "=@ccc"(cf_), "=@ccz"(zf_) : __VA_ARGS__ : "memory"); \
		vmx_outcome(trap_, cf_, zf_);                                                 \
	})

struct inv_desc {
	u64 first, second;
};

static inline u64 vmxon(u64 pa)
{
	return VMX_INSN("vmxon %2", "m"(pa));
}
static inline u64 vmxoff(void)
{
	return VMX_INSN("vmxoff", "m"(*(char *)0));
}
static inline u64 vmclear(u64 pa)
{
	return VMX_INSN("vmclear %2", "m"(pa));
}
static inline u64 vmptrld(u64 pa)
{
	return VMX_INSN("vmptrld %2", "m"(pa));
}
static inline u64 vmptrst(u64 *pa)
{
	return VMX_INSN("vmptrst (%2)", "r"(pa));
}
static inline u64 vmwrite(u64 field, u64 v)
{
	return VMX_INSN("vmwrite %3, %2", "r"(field), "rm"(v));
}
static inline u64 invept(u64 type, const struct inv_desc *d)
{
	return VMX_INSN("invept (%3), %2", "r"(type), "r"(d));
}
static inline u64 invvpid(u64 type, const struct inv_desc *d)
{
	return VMX_INSN("invvpid (%3), %2", "r"(type), "r"(d));
}
static inline u64 vmcall_root(void)
{
	return VMX_INSN("vmcall", "m"(*(char *)0));
}
u64 vmread(u64 field, u64 *v);
/* The current VMCS as it is; enter.S saves and loads all registers. */
u64 vmlaunch(struct l1_vmx *vmx);
u64 vmresume(struct l1_vmx *vmx);
/* HOST_RSP is written only if it is not *@rsp, which is changed then; NULL: always. */
u64 vmresume_again(struct l1_vmx *vmx, u64 *rsp);

/* Bare forms for the bench: no outcome, no trap. */
static inline u64 vmread_fast(u64 field)
{
	u64 v;

	asm volatile("vmread %1, %0" : "=r"(v) : "r"(field) : "cc");
	return v;
}

static inline void vmwrite_fast(u64 field, u64 v)
{
	asm volatile("vmwrite %1, %0" : : "r"(field), "r"(v) : "cc");
}

/* --- L1 ----------------------------------------------------------------- */

bool vmx_offered(void);
void vmx_read_caps(struct vmx_caps *caps);
/* This CPU's state; also right in L2. */
struct l1_vmx *l1_vmx(void);
/* Enter VMX operation anew, with no current VMCS; skips the claim without VMX. */
struct l1_vmx *l1_vmxon(void);
void l1_vmxoff(void);
/* l1_vmxon() and a VMCS that enters @l2 in 64-bit mode, CPL 0, IF clear. */
struct l1_vmx *l1_prepare(void (*l2)(void));
struct l1_vmx *l1_prepare_with(void (*l2)(void), u32 flags);
/* A second VMCS on the same L1: makes it current and fills it. */
void *l1_new_vmcs(struct l1_vmx *vmx);
void l1_fill_vmcs(struct l1_vmx *vmx, void (*l2)(void));
/* Let the same VMCS enter at @l2 again, on an empty stack. */
void l1_restart_l2(void (*l2)(void));

u64 l1_vmread(u64 field);
void l1_vmwrite(u64 field, u64 v);
void l1_set(u64 field, u64 bits);
void l1_clear(u64 field, u64 bits);
/* Skip the claim unless L1 may set these. */
void l1_need_pin(u32 bits);
void l1_need_proc(u32 bits);
void l1_need_proc2(u32 bits);
void l1_need_exit(u32 bits);
void l1_need_entry(u32 bits);
void l1_need_ept(u64 cap);
/* Need them and set them. */
void l1_use_pin(u32 bits);
void l1_use_proc(u32 bits);
void l1_use_proc2(u32 bits);

/* The first VM entry of the current VMCS, and the later ones. */
u64 l1_vmlaunch(void);
u64 l1_vmresume(void);
/* Whichever is right. */
u64 l1_run(void);
/* L2 goes on after the instruction that exited. */
void l1_skip_insn(void);

/* --- EPT of L1: identity, 2 MiB pages ----------------------------------- */

void l1_ept_build(struct l1_vmx *vmx);
/* The 4 KiB entry of @gpa; splits larger pages. No INVEPT. */
u64 *l1_ept_entry(struct l1_vmx *vmx, u64 gpa);
u64 *l1_ept_large_entry(struct l1_vmx *vmx, u64 gpa);
void l1_invept(struct l1_vmx *vmx);

/* --- L2 ----------------------------------------------------------------- */

void __attribute__((noreturn)) l2_unreachable(void);
static inline void l2_vmcall(u64 rax)
{
	asm volatile("vmcall" : : "a"(rax) : "memory");
}

/* --- expectations ------------------------------------------------------- */

void expect_outcome(const char *file, int line, const char *what, u64 got, u64 want);

/* Like GUEST_EXPECT, with outcomes in words; a wrong exit is told in full. */
#define EXPECT_OUTCOME(got, want) expect_outcome(__FILE_NAME__, __LINE__, #got, got, want)
/* Run L2 and expect this exit. */
#define EXPECT_EXIT(reason) EXPECT_OUTCOME(l1_run(), reason)

#endif
