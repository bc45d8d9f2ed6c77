// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a hardware VMCS: made, loaded, cleared where it is active, freed.
 *
 * vcpu.c and nested/ own VMCSs and call this; hotplug and suspend (vmxop.c)
 * clear whatever is active on a CPU. Tour, stop 4.
 *
 * What a reader must know: the processor may keep parts of an active VMCS to
 * itself, so its memory means nothing until it was cleared on that very CPU.
 * .cpu says where it is active, and -1 that it is in memory only. The list of
 * active VMCSs is each CPU's own and changed there with interrupts off.
 * SDM: "Software Use of Virtual-Machine Control Structures".
 */

#define pr_fmt(fmt) "abyme: " fmt

#include <linux/gfp.h>
#include <linux/printk.h>
#include <linux/smp.h>

#include "hw/caps.h"
#include "hw/insn.h"
#include "hw/vmcs.h"
#include "hw/vmxop.h"

/*
 * The VMCS on which VMREAD and VMWRITE act on this CPU: VMPTRLD of the one that
 * is current can be spared.
 */
static DEFINE_PER_CPU(struct vmcs *, current_vmcs);

const u16 vmcs_ctl_field[NR_VMCS_CTLS] = {
	[CTL_PIN] = VMCS_PIN_CTLS,     [CTL_PROC1] = VMCS_PROC_CTLS,
	[CTL_PROC2] = VMCS_PROC2_CTLS, [CTL_EXIT] = VMCS_EXIT_CTLS,
	[CTL_ENTRY] = VMCS_ENTRY_CTLS, [CTL_EXCEPTIONS] = VMCS_EXCEPTION_BITMAP,
};

/* Either that fails is a bug of abyme's: a field that the processor does not have. */
void vmread_failed(unsigned long field)
{
	if (vmxop_on_here())
		pr_warn_ratelimited("bug: VMREAD of field 0x%lx failed\n", field);
}

void vmwrite_failed(unsigned long field, u64 value)
{
	/* If VMX operation has ended under us, the machine is going down, and there is no bug. */
	if (vmxop_on_here())
		pr_warn_ratelimited("bug: VMWRITE of 0x%llx to field 0x%lx failed, error %u\n",
				    value, field, (u32)vmread(VMCS_INSN_ERROR));
}

/* The processor says how large a VMCS is, at most 4 KiB: one page. */
struct vmcs_region *vmcs_region_alloc(bool shadow)
{
	int order = get_order((hw_caps.basic & BASIC_SIZE) >> BASIC_SIZE_SHIFT);
	struct vmcs_region *region;

	region = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, order);
	if (!region)
		return NULL;
	region->revision = hw_caps.basic & BASIC_REVISION;
	if (shadow)
		region->revision |= VMCS_REVISION_SHADOW;
	return region;
}

void vmcs_region_free(struct vmcs_region *region)
{
	free_pages((unsigned long)region,
		   get_order((hw_caps.basic & BASIC_SIZE) >> BASIC_SIZE_SHIFT));
}

struct vmcs_region *vmcs_region_cleared(bool shadow)
{
	struct vmcs_region *region = vmcs_region_alloc(shadow);

	if (!region)
		return NULL;
	/* A VMCS must be cleared before its first VMPTRLD, whatever its bytes are. */
	preempt_disable();
	hw_vmclear(__pa(region));
	preempt_enable();
	return region;
}

int vmcs_init(struct vmcs *vmcs)
{
	memset(vmcs, 0, sizeof(*vmcs));
	INIT_LIST_HEAD(&vmcs->node);
	vmcs->cpu = -1;
	vmcs->region = vmcs_region_cleared(false);
	return vmcs->region ? 0 : -ENOMEM;
}

void vmcs_clear_regions(const struct vmcs *vmcs)
{
	int i;

	hw_vmclear(__pa(vmcs->region));
	for (i = 0; i < VMCS_SHADOWS; i++)
		if (vmcs->shadow[i])
			hw_vmclear(__pa(vmcs->shadow[i]));
}

void vmcs_clear_here(struct vmcs *vmcs)
{
	if (vmcs->cpu != smp_processor_id())
		return; /* hotplug or suspend has cleared it meanwhile */
	vmcs_clear_regions(vmcs);
	if (this_cpu_read(current_vmcs) == vmcs)
		this_cpu_write(current_vmcs, NULL);
	list_del_init(&vmcs->node);
	vmcs->launched = false;
	/* The VMCS is in memory before another CPU loads it: pairs with the acquire in vmcs_load(). */
	smp_store_release(&vmcs->cpu, -1);
}

static void clear_ipi(void *vmcs)
{
	vmcs_clear_here(vmcs);
}

/* Clears @vmcs and its shadows on the CPU where it is active. Interrupts on, for an IPI. */
static void vmcs_clear(struct vmcs *vmcs)
{
	int cpu = READ_ONCE(vmcs->cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, clear_ipi, vmcs, 1);
}

/* A processor may write an active VMCS to its memory at any time: so it is cleared, then freed. */
void vmcs_destroy(struct vmcs *vmcs)
{
	int i;

	if (!vmcs->region)
		return;
	vmcs_clear(vmcs);
	vmcs_region_free(vmcs->region);
	vmcs->region = NULL;
	for (i = 0; i < VMCS_SHADOWS; i++) {
		if (vmcs->shadow[i])
			vmcs_region_free(vmcs->shadow[i]);
		vmcs->shadow[i] = NULL;
	}
}

/* Hotplug may have cleared the VMCS that was current, which .cpu tells: then it is loaded anew. */
static __always_inline void switch_to(struct vmcs *vmcs)
{
	unsigned long flags;

	if (this_cpu_read(current_vmcs) == vmcs && vmcs->cpu >= 0)
		return;
	local_irq_save(flags);
	if (unlikely(vmcs->cpu < 0)) {
		vmxop_track(vmcs);
		vmcs->cpu = smp_processor_id();
	}
	hw_vmptrld(__pa(vmcs->region));
	this_cpu_write(current_vmcs, vmcs);
	local_irq_restore(flags);
}

void vmcs_switch(struct vmcs *vmcs)
{
	switch_to(vmcs);
}

/* A shadow is active as long as its owner is: vmcs_clear_here() clears both. */
void vmcs_load_shadow(struct vmcs_region *shadow)
{
	this_cpu_write(current_vmcs, NULL);
	hw_vmptrld(__pa(shadow));
}

/* Sends an IPI to the CPU where @vmcs is active: at most once for each move of a thread. */
bool vmcs_load(struct vmcs *vmcs)
{
	bool moved = smp_load_acquire(&vmcs->cpu) != smp_processor_id();

	if (moved)
		vmcs_clear(vmcs);
	switch_to(vmcs);
	return moved;
}
