// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the facts mean: one row for each thing that running or nesting needs,
 * each with what is the case and what mends it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest_cpuid.h"
#include "doctor.h"
#include "memory.h"
#include "units.h"

#define FEATURE_LOCKED 0x1
#define FEATURE_VMX 0x4 /* outside SMX */

#define SAY(f, ...) snprintf((f)->what, sizeof((f)->what), __VA_ARGS__)
#define MEND(f, ...) snprintf((f)->mend, sizeof((f)->mend), __VA_ARGS__)

/* The step that mends a finding. */
static void fix_subject(struct finding *f, enum change_kind kind, const char *subject)
{
	f->fix.kind = kind;
	snprintf(f->fix.subject, sizeof(f->fix.subject), "%s", subject);
}

/* How each hypervisor exposes VT-x to a VM. */
static const struct {
	const char *signature, *name, *mend;
} hypervisors[] = {
	{ "KVMKVMKVM", "KVM",
	  "on the host: sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1 (not on a "
	  "host with abyme); then, with this VM off, give it VT-x: QEMU -cpu host,+vmx; libvirt "
	  "<cpu mode='host-passthrough'><feature policy='require' name='vmx'/></cpu>" },
	{ "Microsoft Hv", "Hyper-V",
	  "on the host, with this VM off: Set-VMProcessor -VMName NAME "
	  "-ExposeVirtualizationExtensions $true" },
	{ "VMwareVMware", "VMware",
	  "with this VM off: set vhv.enable = \"TRUE\" in its .vmx file (Expose hardware-assisted "
	  "virtualization to the guest OS)" },
	{ "VBoxVBoxVBox", "VirtualBox",
	  "with this VM off: VBoxManage modifyvm NAME --nested-hw-virt on" },
	{ "XenVMMXenVMM", "Xen", "set nestedhvm=1 and hap=1 in this VM's xl configuration" },
	{ "TCGTCGTCGTCG", "QEMU without hardware virtualization (TCG)",
	  "TCG has no VT-x to offer, whatever -cpu says: use -accel kvm -cpu host,+vmx, or an "
	  "emulator with VT-x such as Bochs" },
	{ "bhyve bhyve ", "bhyve", "bhyve has no nested virtualization: use another hypervisor" },
	{ NULL, "an unknown hypervisor",
	  "ask whoever runs it to turn on nested virtualization for this VM" },
};

static const char abyme_mend[] = "start this VM with abyme run --nested";

static unsigned int hypervisor_row(const struct facts *facts)
{
	unsigned int i = 0;

	while (hypervisors[i].signature && strcmp(hypervisors[i].signature, facts->signature))
		i++;
	return i;
}

static const char *hypervisor_name(const struct facts *facts)
{
	return facts->in_abyme ? "abyme" : hypervisors[hypervisor_row(facts)].name;
}

static bool is_intel(const struct facts *facts)
{
	return !strcmp(facts->vendor, "GenuineIntel");
}

static enum verdict check_processor(const struct facts *facts, struct finding *f)
{
	if (is_intel(facts)) {
		SAY(f, "an Intel processor (%s)", facts->vendor);
		return VERDICT_OK;
	}
	SAY(f, "this processor is not Intel's (%s), so it has no VT-x", facts->vendor);
	MEND(f, "use a machine with an Intel processor, or an emulated one: make run");
	return VERDICT_BAD;
}

static enum verdict check_level(const struct facts *facts, struct finding *f)
{
	if (facts->hypervisor)
		SAY(f, "this is a VM under %s", hypervisor_name(facts));
	else
		SAY(f, "this is no VM");
	return VERDICT_NOTE;
}

static enum verdict check_vtx(const struct facts *facts, struct finding *f)
{
	if (facts->cpuid_vmx) {
		SAY(f, "the processor has VT-x");
		return VERDICT_OK;
	}
	if (!facts->hypervisor && !is_intel(facts))
		return VERDICT_SKIP; /* nothing that firmware could turn on */
	if (!facts->hypervisor) {
		SAY(f, "this processor shows no VT-x");
		MEND(f,
		     "turn on Intel Virtualization Technology in the firmware's setup, if it's there");
		return VERDICT_BAD;
	}
	SAY(f, "VT-x isn't exposed to this VM");
	if (facts->in_abyme)
		MEND(f, "%s", abyme_mend);
	else if (is_intel(facts) || !facts->signature[0])
		MEND(f, "%s", hypervisors[hypervisor_row(facts)].mend);
	else
		MEND(f, "move the VM to a host with an Intel processor; there: %s",
		     hypervisors[hypervisor_row(facts)].mend);
	return VERDICT_BAD;
}

static enum verdict check_firmware(const struct facts *facts, struct finding *f)
{
	bool locked = facts->feature_control & FEATURE_LOCKED;

	if (!facts->cpuid_vmx)
		return VERDICT_SKIP;
	if (facts->feature_control_known && locked && !(facts->feature_control & FEATURE_VMX)) {
		SAY(f, "firmware turned VT-x off (IA32_FEATURE_CONTROL is locked without it)");
		MEND(f,
		     "turn on Intel Virtualization Technology in the firmware's setup, then switch "
		     "off and on");
		return VERDICT_BAD;
	}
	if (facts->cpuinfo_vmx || (facts->feature_control_known && locked)) {
		SAY(f, "firmware leaves VT-x on");
		return VERDICT_OK;
	}
	if (facts->feature_control_known) {
		SAY(f,
		    "firmware left IA32_FEATURE_CONTROL open; the kernel may still turn VT-x on");
		return VERDICT_NOTE;
	}
	SAY(f, "the kernel doesn't list vmx, so firmware may have turned VT-x off");
	MEND(f, "sudo modprobe msr, then ask again as root");
	return VERDICT_UNKNOWN;
}

/* What abyme can't do without, as /proc/cpuinfo names it. */
static const char *const required_flags[] = { "ept", "ept_ad", "vpid", "invvpid",
					      "unrestricted_guest" };

/* @flags: words with a space before and after each. */
static bool has_flag(const char *flags, const char *word)
{
	char spaced[32];

	snprintf(spaced, sizeof(spaced), " %s ", word);
	return strstr(flags, spaced);
}

static enum verdict check_features(const struct facts *facts, struct finding *f)
{
	char missing[200] = "";

	if (facts->device_is_kvm || !facts->cpuid_vmx)
		return VERDICT_SKIP;
	if (!facts->vmx_flags[0]) {
		SAY(f,
		    "the kernel doesn't say which features of VT-x there are; abyme checks when it "
		    "is loaded");
		return VERDICT_UNKNOWN;
	}
	for (size_t i = 0; i < sizeof(required_flags) / sizeof(required_flags[0]); i++)
		if (!has_flag(facts->vmx_flags, required_flags[i]))
			snprintf(missing + strlen(missing), sizeof(missing) - strlen(missing),
				 " %s", required_flags[i]);
	if (!missing[0]) {
		SAY(f, "VT-x has EPT with A/D flags, VPID and unrestricted guest");
		return VERDICT_OK;
	}
	SAY(f, "VT-x lacks what abyme needs:%s", missing);
	if (facts->hypervisor)
		MEND(f, "give this VM the host's processor unchanged: QEMU -cpu host,+vmx; libvirt "
			"<cpu mode='host-passthrough'/>");
	else
		MEND(f, "use a processor of Intel's Haswell generation or later");
	return VERDICT_BAD;
}

static enum verdict check_shadowing(const struct facts *facts, struct finding *f)
{
	if (facts->device_is_kvm || !facts->vmx_flags[0])
		return VERDICT_SKIP;
	if (has_flag(facts->vmx_flags, "shadow_vmcs"))
		SAY(f, "VMCS shadowing is there: guest hypervisors run at their best");
	else
		SAY(f, "there is no VMCS shadowing: guest hypervisors work, but slower");
	return VERDICT_NOTE;
}

static enum verdict check_module(const struct facts *facts, struct finding *f)
{
	bool loaded = facts->device_is_kvm ? facts->kvm_loaded : facts->abyme_loaded;

	if (loaded) {
		SAY(f, "the module %s is loaded", facts->device_is_kvm ? "kvm" : "abyme");
		return VERDICT_OK;
	}
	/* The device decides: what is built in need not show as a module. */
	if (!facts->device_error)
		return VERDICT_SKIP;
	SAY(f, "the module %s is not loaded%s", facts->device_is_kvm ? "kvm" : "abyme",
	    facts->signed_only ? ", and this kernel takes signed modules only" : "");
	if (!facts->cpuid_vmx)
		return VERDICT_BAD; /* nor can it be */
	if (facts->signed_only && !facts->device_is_kvm)
		MEND(f, "sudo modprobe abyme; if it is refused, sign abyme.ko with a key that is "
			"enrolled (mokutil), or turn Secure Boot and module.sig_enforce off");
	else
		MEND(f, "sudo modprobe %s", facts->device_is_kvm ? "kvm_intel" : "abyme");
	return VERDICT_BAD;
}

/* Also where only signed modules are taken: it may be signed, and modprobe says if it is not. */
static void fix_module(const struct facts *facts, struct finding *f)
{
	if (facts->cpuid_vmx)
		fix_subject(f, CHANGE_LOAD, facts->device_is_kvm ? "kvm_intel" : "abyme");
}

/* Does kvm_intel hold VT-x though nothing uses it? */
static bool kvm_in_the_way(const struct facts *facts)
{
	return facts->kvm_intel_loaded && !facts->kvm_intel_users && facts->kvm_keeps_vtx;
}

static enum verdict check_owner(const struct facts *facts, struct finding *f)
{
	if (facts->device_is_kvm)
		return VERDICT_SKIP;
	if (facts->kvm_intel_users > 0 || facts->kvm_keeps_vtx) {
		SAY(f, "kvm_intel holds VT-x (%s)",
		    facts->kvm_intel_users > 0 ? "its VMs are running" : "from its loading on");
		MEND(f, "stop KVM's virtual machines, then sudo modprobe -r kvm_intel%s",
		     facts->kvm_keeps_vtx ? ", or load kvm with enable_virt_at_load=0" : "");
		return VERDICT_BAD;
	}
	if (facts->other_module[0]) {
		SAY(f, "the module %s may hold VT-x while its virtual machines run",
		    facts->other_module);
		MEND(f, "sudo modprobe -r %s", facts->other_module);
		return VERDICT_NOTE;
	}
	if (facts->kvm_intel_loaded)
		SAY(f, "kvm_intel is loaded and idle; it and abyme can't run VMs at the same time");
	else
		SAY(f, "no other hypervisor's module is loaded");
	return VERDICT_OK;
}

static void fix_owner(const struct facts *facts, struct finding *f)
{
	if (kvm_in_the_way(facts))
		fix_subject(f, CHANGE_UNLOAD, "kvm_intel");
}

/* "rule", "access" and "group" are abyme's device's: KVM's comes with the system. */
static enum verdict check_rule(const struct facts *facts, struct finding *f)
{
	if (facts->device_is_kvm || !facts->udev || facts->udev_rule)
		return VERDICT_SKIP;
	SAY(f, "no udev rule gives %s to the group " DEVICE_GROUP, facts->device);
	MEND(f, "sudo cp scripts/60-abyme.rules " UDEV_RULES);
	return VERDICT_NOTE;
}

static void fix_rule(const struct facts *facts, struct finding *f)
{
	(void)facts;
	fix_subject(f, CHANGE_RULE, UDEV_RULE);
}

#define MODE_ALL 0006
#define MODE_GROUP 0660

static enum verdict check_access(const struct facts *facts, struct finding *f)
{
	/* A node that opens and is none of ours, a disk's say, is nobody's business here. */
	if (facts->device_is_kvm || !facts->node_there ||
	    (facts->device_error && facts->device_error != EACCES) ||
	    (facts->node_mode & MODE_ALL) == MODE_ALL)
		return VERDICT_SKIP;
	if (!facts->group_there) {
		SAY(f, "there is no group " DEVICE_GROUP " that %s could belong to", facts->device);
		MEND(f, "sudo groupadd --system " DEVICE_GROUP);
		return VERDICT_NOTE;
	}
	if (facts->node_gid == facts->group && (facts->node_mode & MODE_GROUP) == MODE_GROUP)
		return VERDICT_SKIP;
	SAY(f, "%s isn't open to the group " DEVICE_GROUP, facts->device);
	MEND(f, "sudo chgrp " DEVICE_GROUP " %s && sudo chmod 660 %s", facts->device,
	     facts->device);
	return VERDICT_NOTE;
}

static void fix_access(const struct facts *facts, struct finding *f)
{
	if (!facts->group_there)
		return;
	fix_subject(f, CHANGE_OWN, facts->device);
	snprintf(f->fix.before, sizeof(f->fix.before), "%u:%u:%o", facts->node_uid, facts->node_gid,
		 facts->node_mode);
	snprintf(f->fix.after, sizeof(f->fix.after), "%u:%u:%o", facts->node_uid, facts->group,
		 facts->node_mode | MODE_GROUP);
}

static enum verdict check_group(const struct facts *facts, struct finding *f)
{
	/* Who may open it though not a member, as at a seat, needs nothing. */
	if (facts->device_is_kvm || !facts->group_there || !facts->user[0] ||
	    facts->user_in_group || (!facts->root && !facts->device_error))
		return VERDICT_SKIP;
	SAY(f, "%s is not in the group " DEVICE_GROUP ", which may open %s", facts->user,
	    facts->device);
	MEND(f, "sudo usermod -aG " DEVICE_GROUP " %s, then log in again", facts->user);
	return VERDICT_NOTE;
}

static void fix_group(const struct facts *facts, struct finding *f)
{
	fix_subject(f, CHANGE_JOIN, facts->user);
	strcpy(f->fix.after, DEVICE_GROUP);
}

static enum verdict check_device(const struct facts *facts, struct finding *f)
{
	if (!facts->device_error) {
		SAY(f, "%s is there and may be opened", facts->device);
		return VERDICT_OK;
	}
	SAY(f, "%s", facts->device_text);
	return VERDICT_BAD;
}

/*
 * The module that keeps the device asked about from VT-x: one that is there and may hold it, else
 * the usual one.
 */
static const char *rival(const struct facts *facts)
{
	bool kvm_holds = facts->kvm_intel_loaded &&
			 (facts->kvm_intel_users || facts->kvm_keeps_vtx);
	bool usual = facts->device_is_kvm ? facts->abyme_loaded : kvm_holds;

	if (!usual && facts->other_module[0])
		return facts->other_module;
	return facts->device_is_kvm ? "abyme" : "kvm_intel";
}

static enum verdict check_vm(const struct facts *facts, struct finding *f)
{
	if (facts->vm_error < 0)
		return VERDICT_SKIP;
	if (!facts->vm_error) {
		SAY(f, "%s creates a VM", facts->device);
		return VERDICT_OK;
	}
	SAY(f, "%s can't create a VM: %s", facts->device, strerror(facts->vm_error));
	if (facts->vm_error == EBUSY)
		MEND(f, "free VT-x: stop other virtual machines, then sudo modprobe -r %s",
		     rival(facts));
	else
		MEND(f, "sudo dmesg | grep -iE 'abyme|kvm' says why");
	return VERDICT_BAD;
}

static enum verdict check_nesting(const struct facts *facts, struct finding *f)
{
	if (facts->device_error)
		return VERDICT_SKIP;
	if (facts->device_vmx) {
		SAY(f, "%s offers VMX to its guests: they can be hypervisors", facts->device);
		return VERDICT_OK;
	}
	SAY(f, "%s doesn't offer VMX to its guests", facts->device);
	if (facts->device_is_kvm && facts->kvm_nested == 'N')
		MEND(f, "sudo modprobe -r kvm_intel && sudo modprobe kvm_intel nested=1");
	else if (facts->device_is_kvm)
		MEND(f, "KVM nests VT-x on Intel processors with kvm_intel only");
	else
		MEND(f, "sudo dmesg | grep abyme says which feature is missing");
	return VERDICT_BAD;
}

/* What abyme run gives when it isn't told. */
#define MEMORY_USUAL (512 * MIB)

static enum verdict check_memory(const struct facts *facts, struct finding *f)
{
	if (!facts->memory_free)
		return VERDICT_SKIP;
	SAY(f, "%s of this machine's %s are free; a guest's --memory holds its own guests too",
	    size_text(facts->memory_free).text, size_text(facts->memory_total).text);
	if (facts->memory_free < MEMORY_USUAL)
		MEND(f, "give this machine more memory, or the guest less than the usual %s",
		     size_text(MEMORY_USUAL).text);
	return VERDICT_NOTE;
}

static enum verdict check_huge_pages(const struct facts *facts, struct finding *f)
{
	if (strcmp(facts->huge_pages, "never"))
		return VERDICT_SKIP;
	SAY(f, "transparent huge pages are off: guests run slower, with larger tables");
	MEND(f, "echo madvise | sudo tee " HUGE_PAGES);
	return VERDICT_NOTE;
}

static void fix_huge_pages(const struct facts *facts, struct finding *f)
{
	fix_subject(f, CHANGE_WRITE, HUGE_PAGES);
	strcpy(f->fix.before, facts->huge_pages);
	strcpy(f->fix.after, "madvise");
}

static const struct {
	const char *id;
	enum blocks blocks;
	enum blocks blocks_kvm; /* with --device /dev/kvm, which runs on AMD's processors too */
	enum verdict (*check)(const struct facts *facts, struct finding *finding);
	/* Fills in finding->fix when doctor --fix may mend it; NULL: it never may. */
	void (*fix)(const struct facts *facts, struct finding *finding);
} rules[] = {
	{ "processor", BLOCKS_RUN, BLOCKS_NEST, check_processor, NULL },
	{ "level", BLOCKS_NOTHING, BLOCKS_NOTHING, check_level, NULL },
	{ "vt-x", BLOCKS_RUN, BLOCKS_NEST, check_vtx, NULL },
	{ "firmware", BLOCKS_RUN, BLOCKS_RUN, check_firmware, NULL },
	{ "features", BLOCKS_RUN, BLOCKS_NOTHING, check_features, NULL },
	{ "shadowing", BLOCKS_NOTHING, BLOCKS_NOTHING, check_shadowing, NULL },
	{ "rule", BLOCKS_NOTHING, BLOCKS_NOTHING, check_rule, fix_rule },
	{ "owner", BLOCKS_RUN, BLOCKS_NOTHING, check_owner, fix_owner },
	{ "module", BLOCKS_RUN, BLOCKS_RUN, check_module, fix_module },
	{ "access", BLOCKS_NOTHING, BLOCKS_NOTHING, check_access, fix_access },
	{ "group", BLOCKS_NOTHING, BLOCKS_NOTHING, check_group, fix_group },
	{ "device", BLOCKS_RUN, BLOCKS_RUN, check_device, NULL },
	{ "vm", BLOCKS_RUN, BLOCKS_RUN, check_vm, NULL },
	{ "nesting", BLOCKS_NEST, BLOCKS_NEST, check_nesting, NULL },
	{ "memory", BLOCKS_NOTHING, BLOCKS_NOTHING, check_memory, NULL },
	{ "hugepages", BLOCKS_NOTHING, BLOCKS_NOTHING, check_huge_pages, fix_huge_pages },
};

_Static_assert(sizeof(rules) / sizeof(rules[0]) <= FINDINGS_MAX, "raise FINDINGS_MAX");

unsigned int doctor_judge(const struct facts *facts, struct finding findings[FINDINGS_MAX])
{
	unsigned int count = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct finding *f = &findings[count];

		*f = (struct finding){ .id = rules[i].id };
		f->verdict = rules[i].check(facts, f);
		if (f->verdict == VERDICT_BAD)
			f->blocks = facts->device_is_kvm ? rules[i].blocks_kvm : rules[i].blocks;
		if (rules[i].fix && (f->verdict == VERDICT_BAD || f->verdict == VERDICT_NOTE))
			rules[i].fix(facts, f);
		count += f->verdict != VERDICT_SKIP;
	}
	return count;
}

int doctor_status(const struct finding *findings, unsigned int count)
{
	enum blocks worst = BLOCKS_NOTHING;

	for (unsigned int i = 0; i < count; i++)
		if (findings[i].blocks > worst)
			worst = findings[i].blocks;
	return worst; /* nothing 0, nesting 1, running 2 */
}
