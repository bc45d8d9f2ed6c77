/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hardware VMCS: its memory, where it is loaded, and software copies of what
 * is written often. The functions named vmcs_* know hardware only, not whether
 * it is vmcs01 or vmcs02.
 */
#ifndef HW_VMCS_H
#define HW_VMCS_H

#include <linux/list.h>
#include <linux/smp.h>
#include <asm/asm.h>
#include <vmx/controls.h>
#include <vmx/types.h>
#include <vmx/vmcs.h>

#include "hw/insn.h"

struct vmcs_region {
	u32 revision; /* bit 31: shadow-VMCS indicator */
	u32 abort;
	u8 data[];
};

#define VMCS_REVISION_SHADOW BIT(31)

/* Copies of host-state fields that may differ from one entry to the next. */
struct vmcs_host {
	unsigned long rsp;
	unsigned long cr3;
	unsigned long cr4;
	unsigned long fs_base;
	unsigned long counters; /* IA32_PERF_GLOBAL_CTRL */
};

#define VMCS_SHADOWS 4 /* shadow VMCSs of a vmcs01: one for each VMCS that L0 holds for L1 */

struct vmcs {
	struct vmcs_region *region;
	/* The link pointer has the address of one of these, or of none. NULL: not allocated. */
	struct vmcs_region *shadow[VMCS_SHADOWS];
	int cpu;			/* where it is active; -1: cleared, in memory only */
	bool launched;			/* it is entered by VMRESUME, not VMLAUNCH */
	struct list_head node;		/* in the list of VMCSs active on .cpu */
	u32 ctl[NR_VMCS_CTLS];		/* copies, so that a field is written only if it changes */
	u64 tsc_offset, tsc_multiplier; /* what the fields hold; multiplier 0: not written yet */
	struct vmcs_host host;
};

int vmcs_init(struct vmcs *vmcs);
void vmcs_destroy(struct vmcs *vmcs);

/* Memory with the processor's revision in it, which is all that a VMXON region needs. */
struct vmcs_region *vmcs_region_alloc(bool shadow);
/*
 * Allocates a region and clears it by VMCLEAR, so that it is a VMCS. A shadow VMCS must have its
 * owner (vmcs->shadow[]) before it is linked. Context: may sleep, in VMX operation.
 */
struct vmcs_region *vmcs_region_cleared(bool shadow);
void vmcs_region_free(struct vmcs_region *region);

/*
 * Makes @vmcs current on this CPU, after clearing it on the CPU where it was active before.
 * Context: preemption off, interrupts on (an IPI may be sent).
 * Return: true if it was not active on this CPU, so that its per-CPU host state is stale.
 */
bool vmcs_load(struct vmcs *vmcs);

/* Can @vmcs be made current here without an IPI? Context: preemption off. */
static inline bool vmcs_is_here(const struct vmcs *vmcs)
{
	int cpu = READ_ONCE(vmcs->cpu);

	return cpu < 0 || cpu == smp_processor_id();
}

/*
 * Makes @vmcs current, which is active on this CPU or on none, so that VMPTRLD is all it takes.
 * Context: preemption off.
 */
void vmcs_switch(struct vmcs *vmcs);

/*
 * Makes @shadow, of a VMCS that is active on this CPU, the current one: until
 * vmcs_switch() VMREAD and VMWRITE go there. Context: preemption off.
 */
void vmcs_load_shadow(struct vmcs_region *shadow);

/* Clears @vmcs and its shadows if it is active on this CPU. Context: interrupts off. */
void vmcs_clear_here(struct vmcs *vmcs);
/* Does VMCLEAR only, and changes no list. Interrupts off, or an NMI when the kernel crashes. */
void vmcs_clear_regions(const struct vmcs *vmcs);

void vmread_failed(unsigned long field);
void vmwrite_failed(unsigned long field, u64 value);

/*
 * Access to the current VMCS. Context: preemption off, or the vCPU loaded. All
 * fields are read and written as 64 bits, whatever their width. If VMX
 * operation was ended under us (an emergency reboot) a read gives 0. The formatter takes
 * the % of a label or an operand for an operator.
 */
/* clang-format off */
static __always_inline u64 vmread(unsigned long field)
{
	bool failed;
	u64 value;

	COUNT_INSN(vmread);
	asm volatile("1: vmread %[field], %[value]\n"
		     "2:\n" _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_ZERO_REG, %[value])
		     : [value] "=r"(value), "=@ccbe"(failed)
		     : [field] "r"(field));
	/* Where a field does not exist the value is anything: nobody may ask. */
	if (IS_ENABLED(CONFIG_PROVE_LOCKING) && failed)
		vmread_failed(field);
	return value;
}

static __always_inline void vmwrite(unsigned long field, u64 value)
{
	COUNT_INSN(vmwrite);
	asm goto("1: vmwrite %[value], %[field]\n\t"
		 "jna %l[failed]\n" _ASM_EXTABLE(1b, %l[failed])
		 :
		 : [field] "r"(field), [value] "rm"(value)
		 : "cc"
		 : failed);
	return;
failed:
	vmwrite_failed(field, value);
}
/* clang-format on */

/* The fields of enum vmcs_ctl. */
extern const u16 vmcs_ctl_field[NR_VMCS_CTLS];

/* Writes a control field if it changes. @vmcs must be the current one. */
static __always_inline void vmcs_ctl_set(struct vmcs *vmcs, enum vmcs_ctl ctl, u32 bits)
{
	if (vmcs->ctl[ctl] == bits)
		return;
	vmcs->ctl[ctl] = bits;
	vmwrite(vmcs_ctl_field[ctl], bits);
}

#endif
