// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads and judges the processor's VMX capabilities, once, when the module is
 * loaded. Tour, stop 1.
 *
 * What a reader must know: everything that is a row of must_haves[] is simply
 * used by the rest of the module. Other features are asked for by hw_has_*() or
 * ctl_may().
 */

#define pr_fmt(fmt) "abyme: " fmt

#include <linux/printk.h>
#include <asm/cpufeature.h>

#include "compat/msr.h"
#include "hw/caps.h"

struct vmx_caps hw_caps;
bool hw_la57;
static struct vmx_caps first_caps; /* hw_caps before anybody took something away */

/* The features without which abyme refuses to load, by the names that the SDM gives them. */
static const struct must_have {
	const void *word; /* in hw_caps */
	size_t size;
	u64 bits;
	const char *name;
} must_haves[] = {
#define NEED(word, bits, name)                                  \
	{                                                       \
		&hw_caps.word, sizeof(hw_caps.word), bits, name \
	}
	NEED(basic, BASIC_TRUE_CTLS, "TRUE control capability MSRs"),
	NEED(pin.may, PIN_EXT_INT_EXITING, "external-interrupt exiting"),
	NEED(pin.may, PIN_NMI_EXITING, "NMI exiting"),
	NEED(pin.may, PIN_VIRTUAL_NMIS, "virtual NMIs"),
	NEED(proc.may, PROC_SECONDARY, "secondary processor-based controls"),
	NEED(proc.may, PROC_MSR_BITMAPS, "MSR bitmaps"),
	NEED(proc.may, PROC_IO_BITMAPS, "I/O bitmaps"),
	NEED(proc.may, PROC_TSC_OFFSET, "TSC offsetting"),
	NEED(proc.may, PROC_HLT, "HLT exiting"),
	NEED(proc.may, PROC_TPR_SHADOW, "TPR shadow"),
	NEED(proc2.may, PROC2_EPT, "EPT"),
	NEED(proc2.may, PROC2_VPID, "VPID"),
	NEED(proc2.may, PROC2_UNRESTRICTED, "unrestricted guest"),
	NEED(exit.may, EXITC_HOST_64, "64-bit host"),
	NEED(exit.may, EXITC_SAVE_EFER | EXITC_LOAD_EFER, "saving and loading of EFER at exits"),
	NEED(exit.may, EXITC_SAVE_PAT | EXITC_LOAD_PAT, "saving and loading of PAT at exits"),
	NEED(entry.may, ENTRYC_LOAD_EFER, "loading of EFER at entries"),
	NEED(entry.may, ENTRYC_LOAD_PAT, "loading of PAT at entries"),
	NEED(ept_vpid, EPTCAP_WALK_4, "EPT with 4 levels"),
	NEED(ept_vpid, EPTCAP_WB, "EPT with write-back memory type"),
	NEED(ept_vpid, EPTCAP_2M, "EPT with 2 MiB pages"),
	NEED(ept_vpid, EPTCAP_AD, "EPT accessed and dirty flags"),
	NEED(ept_vpid, EPTCAP_INVEPT | EPTCAP_INVEPT_SINGLE | EPTCAP_INVEPT_ALL,
	     "INVEPT of single and all contexts"),
	NEED(ept_vpid, EPTCAP_INVVPID | EPTCAP_INVVPID_SINGLE | EPTCAP_INVVPID_ALL,
	     "INVVPID of single and all contexts"),
#undef NEED
};

/* An MSR that the processor does not have counts as one that offers nothing. */
static u64 read_msr(u32 index)
{
	u64 value = 0;

	rdmsrq_safe(index, &value);
	return value;
}

/*
 * The TRUE MSRs say more exactly which controls may be 0. SDM: "Reserved
 * Controls and Default Settings".
 */
static void read_caps(struct vmx_caps *c)
{
	bool true_ctls;

	c->basic = read_msr(VMX_MSR_BASIC);
	true_ctls = c->basic & BASIC_TRUE_CTLS;
	c->pin = ctl_from_msr(read_msr(true_ctls ? VMX_MSR_TRUE_PIN : VMX_MSR_PIN));
	c->proc = ctl_from_msr(read_msr(true_ctls ? VMX_MSR_TRUE_PROC : VMX_MSR_PROC));
	c->exit = ctl_from_msr(read_msr(true_ctls ? VMX_MSR_TRUE_EXIT : VMX_MSR_EXIT));
	c->entry = ctl_from_msr(read_msr(true_ctls ? VMX_MSR_TRUE_ENTRY : VMX_MSR_ENTRY));
	if (ctl_may(c->proc, PROC_SECONDARY))
		c->proc2 = ctl_from_msr(read_msr(VMX_MSR_PROC2));
	if (c->proc2.may & (PROC2_EPT | PROC2_VPID))
		c->ept_vpid = read_msr(VMX_MSR_EPT_VPID);
	if (ctl_may(c->proc2, PROC2_VMFUNC))
		c->vmfunc = read_msr(VMX_MSR_VMFUNC);
	c->misc = read_msr(VMX_MSR_MISC);
	c->cr0_fixed0 = read_msr(VMX_MSR_CR0_FIXED0);
	c->cr0_fixed1 = read_msr(VMX_MSR_CR0_FIXED1);
	c->cr4_fixed0 = read_msr(VMX_MSR_CR4_FIXED0);
	c->cr4_fixed1 = read_msr(VMX_MSR_CR4_FIXED1);
	c->vmcs_enum = read_msr(VMX_MSR_VMCS_ENUM);
}

/*
 * Firmware may have locked IA32_FEATURE_CONTROL with VT-x disabled. If it has left the MSR
 * unlocked, enable_here() sets and locks it.
 */
static int check_enabled(void)
{
	u64 ctl;

	if (!cpuid_ecx(0) || !(cpuid_ecx(1) & BIT(5))) {
		pr_err("this processor has no VT-x, or the hypervisor that this machine runs under does not expose it. 'abyme doctor' says what to do.\n");
		return -ENODEV;
	}
	if (rdmsrq_safe(VMX_MSR_FEATURE_CONTROL, &ctl)) {
		pr_err("IA32_FEATURE_CONTROL can't be read, so VT-x can't be switched on.\n");
		return -ENODEV;
	}
	if ((ctl & FEATCTL_LOCKED) && !(ctl & FEATCTL_VMX)) {
		pr_err("VT-x is switched off and locked by the firmware. Enable it in the firmware's setup (often called VT-x or Virtualization Technology) and switch the machine off and on.\n");
		return -EPERM;
	}
	return 0;
}

static bool is_there(const struct must_have *m)
{
	u64 have = m->size == sizeof(u32) ? *(const u32 *)m->word : *(const u64 *)m->word;

	return (have & m->bits) == m->bits;
}

static int check_must_haves(void)
{
	int i, missing = 0;

	for (i = 0; i < ARRAY_SIZE(must_haves); i++) {
		const struct must_have *m = &must_haves[i];

		if (is_there(m))
			continue;
		pr_err("this processor's VT-x lacks %s, which abyme needs.\n", m->name);
		missing++;
	}
	return missing ? -ENODEV : 0;
}

bool caps_same_here(void)
{
	struct vmx_caps here = {};

	read_caps(&here);
	return !memcmp(&here, &first_caps, sizeof(here));
}

int caps_init(void)
{
	int r = check_enabled();

	if (r)
		return r;
	read_caps(&first_caps);
	hw_caps = first_caps;
	hw_la57 = native_read_cr4() & X86_CR4_LA57;
	return check_must_haves();
}
