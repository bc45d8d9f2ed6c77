// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX operation is entered on every CPU when the first VM is made, and left
 * when the last one goes. CPU hotplug, suspend, reboot and a crash kernel find
 * each CPU as if abyme were not there. Tour, stop 2.
 *
 * What a reader must know: a CPU in VMX root operation ignores INIT, so leaving
 * it on is not an option at any of these points. Each has a callback here.
 * users_lock is for the number of users and for who has the kernel's slot for a
 * crash; what belongs to a CPU is changed on that CPU with interrupts off.
 */

#define pr_fmt(fmt) "abyme: " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/tlbflush.h>

#include "compat/compat.h"
#include "compat/msr.h"
#include "hw/caps.h"
#include "hw/insn.h"
#include "hw/vmcs.h"
#include "hw/vmxop.h"

struct vmx_cpu {
	struct list_head active;   /* the CPU's active VMCSs; used there only, interrupts off */
	struct vmcs_region *vmxon; /* VMXON region */
	bool on;
};

static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpus);
static DEFINE_MUTEX(users_lock);
static int users;
static enum cpuhp_state hp_state;
static bool vmx_is_over; /* VMX is off for good: see vmxop_over() */
static bool kvm_present; /* kvm_intel is loaded */
static bool emergency_registered;

#define NR_VPIDS 65536
static DECLARE_BITMAP(vpids, NR_VPIDS);
static DEFINE_SPINLOCK(vpids_lock);

bool vmxop_on_here(void)
{
	return this_cpu_read(vmx_cpus.on);
}

bool vmxop_over(void)
{
	return READ_ONCE(vmx_is_over);
}

void vmxop_track(struct vmcs *vmcs)
{
	list_add(&vmcs->node, this_cpu_ptr(&vmx_cpus.active));
}

/* Clears every VMCS that is active on this CPU. Context: interrupts off. */
static void clear_active(struct vmx_cpu *c)
{
	struct vmcs *v, *next;

	list_for_each_entry_safe(v, next, &c->active, node)
		vmcs_clear_here(v);
}

/*
 * Puts this CPU into VMX operation. Context: interrupts off. Return: 0; -EBUSY: another
 * hypervisor has VMX; -ENODEV: the CPU is not like the others; or the error of VMXON.
 */
static int enable_here(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	u64 ctl;
	int r;

	if (c->on)
		return 0;
	if (native_read_cr4() & X86_CR4_VMXE)
		return -EBUSY;
	if (!caps_same_here())
		return -ENODEV;
	rdmsrq_safe(VMX_MSR_FEATURE_CONTROL, &ctl);
	if (!(ctl & FEATCTL_LOCKED))
		wrmsrq_safe(VMX_MSR_FEATURE_CONTROL, ctl | FEATCTL_LOCKED | FEATCTL_VMX);
	cr4_set_bits(X86_CR4_VMXE);
	compat_pt_off();
	c->on = true; /* already, as on_crash() may come in between; a VMXOFF too many does no harm */
	r = hw_vmxon(__pa(c->vmxon));
	if (r) {
		c->on = false;
		compat_pt_on();
		cr4_clear_bits(X86_CR4_VMXE);
		return r;
	}
	/* Translations that an earlier user of VMX tagged may still be there. */
	hw_invept(INVEPT_ALL, 0);
	hw_invvpid(INVVPID_ALL, 0, 0);
	return 0;
}

/* Ends VMX operation on this CPU, which then has nothing of abyme's. Context: interrupts off. */
static void disable_here(void *unused)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);

	/* A vCPU may have loaded its MSRs also where VMX could not be switched on again. */
	msrs_restore_host();
	if (!c->on)
		return;
	clear_active(c);
	hw_vmxoff();
	c->on = false;
	compat_pt_on();
	cr4_clear_bits(X86_CR4_VMXE);
}

/* Hotplug callbacks run on the CPU itself, with interrupts on, and may sleep. */
static int hp_online(unsigned int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpus, cpu);
	unsigned long flags;
	int r;

	if (!c->active.next)
		INIT_LIST_HEAD(&c->active);
	if (!c->vmxon)
		c->vmxon = vmcs_region_alloc(false);
	if (!c->vmxon)
		return -ENOMEM;
	local_irq_save(flags);
	r = vmxop_over() ? 0 : enable_here(); /* the CPU comes online without VMX, too */
	local_irq_restore(flags);
	if (r) {
		vmcs_region_free(c->vmxon);
		c->vmxon = NULL;
	}
	if (r == -EBUSY)
		pr_err_ratelimited(
			"VT-x is in use by another hypervisor on CPU %u. Stop its VMs and unload it (modprobe -r kvm_intel) and try again.\n",
			cpu);
	else if (r == -ENODEV)
		pr_err_ratelimited(
			"the VT-x of CPU %u is another than that of the CPU on which abyme was loaded. Load abyme again if its microcode was changed since; else take the CPU offline.\n",
			cpu);
	else if (r)
		pr_err_ratelimited(
			"the processor refused VMXON on CPU %u. 'abyme doctor' may know why.\n",
			cpu);
	return r;
}

static int hp_offline(unsigned int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpus, cpu);
	unsigned long flags;

	local_irq_save(flags);
	disable_here(NULL);
	local_irq_restore(flags);
	vmcs_region_free(c->vmxon);
	c->vmxon = NULL;
	return 0;
}

/* A suspend unplugs all CPUs but the last, which comes here. Context: interrupts off. */
static void pm_suspend(void)
{
	disable_here(NULL);
}

static void pm_resume(void)
{
	if (vmxop_over() || !enable_here())
		return;
	WRITE_ONCE(vmx_is_over, true);
	pr_err("VT-x could not be switched on again after the suspend. Stop all VMs and load abyme again.\n");
}

DEFINE_SYSCORE(vmxop_power, pm_suspend, pm_resume);

/*
 * An INIT from the reboot code would stay pending in VMX root operation, and
 * the next kernel, if this is kexec, would find VMX on. VMs may still run and
 * new ones be made, so VMX is off for good from here on.
 */
static int on_reboot(struct notifier_block *nb, unsigned long what, void *unused)
{
	WRITE_ONCE(vmx_is_over, true);
	on_each_cpu(disable_here, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_nb = { .notifier_call = on_reboot };

/*
 * A crash: called on each CPU, with interrupts off or in an NMI. The lists may
 * be half changed, so VMCSs are cleared as far as the list leads; then VMX goes
 * off.
 */
static void on_crash(void)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	struct vmcs *v;

	if (!(__read_cr4() & X86_CR4_VMXE) || !c->on)
		return;
	list_for_each_entry(v, &c->active, node) {
		vmcs_clear_regions(v);
	}
	hw_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
}

/*
 * The kernel has one slot for such a callback, and warns when it is taken.
 * KVM's callback switches VMX off just as well, so while kvm_intel is loaded
 * the slot is KVM's. Context of both functions: users_lock held.
 */
static void register_emergency(void)
{
	if (kvm_present)
		return;
	compat_register_emergency(on_crash);
	emergency_registered = true;
}

static void unregister_emergency(void)
{
	if (!emergency_registered)
		return;
	compat_unregister_emergency(on_crash);
	emergency_registered = false;
}

/* Watches kvm_intel: COMING is before a module's init runs, GOING after its exit. */
static int on_module(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *module = data;

	if (strcmp(module->name, "kvm_intel") ||
	    (state != MODULE_STATE_COMING && state != MODULE_STATE_GOING))
		return NOTIFY_DONE;
	mutex_lock(&users_lock);
	kvm_present = state == MODULE_STATE_COMING;
	if (kvm_present)
		unregister_emergency();
	else if (users)
		register_emergency();
	mutex_unlock(&users_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_nb = { .notifier_call = on_module };

/*
 * The notifier tells of modules loaded later. kvm_intel, if loaded now, is found by its name. A
 * reboot is watched also without a VM: the first one must not be made once it has begun.
 */
void vmxop_setup(void)
{
	struct kobject *kvm;

	register_reboot_notifier(&reboot_nb);
	register_module_notifier(&module_nb); /* cannot fail */
	kvm = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, "kvm_intel");
	mutex_lock(&users_lock);
	kvm_present |= !!kvm;
	mutex_unlock(&users_lock);
	kobject_put(kvm);
}

void vmxop_teardown(void)
{
	unregister_module_notifier(&module_nb);
	unregister_reboot_notifier(&reboot_nb);
}

/*
 * Enters VMX operation on all CPUs: cpuhp_setup_state() calls hp_online() on each, and if one
 * fails undoes it on the others. on_crash() is there before the first is in it, and until the
 * last has left. Context: users_lock held, may sleep.
 */
static int vmxop_start(void)
{
	int r;

	register_emergency();
	r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "abyme:online", hp_online, hp_offline);
	if (r < 0) {
		unregister_emergency();
		return r;
	}
	hp_state = r;
	register_syscore(&vmxop_power);
	return 0;
}

static void vmxop_stop(void)
{
	unregister_syscore(&vmxop_power);
	cpuhp_remove_state(hp_state);
	unregister_emergency();
}

int vmxop_get(void)
{
	int r = 0;

	mutex_lock(&users_lock);
	if (vmxop_over())
		r = -ESHUTDOWN;
	else if (!users)
		r = vmxop_start();
	if (!r)
		users++;
	mutex_unlock(&users_lock);
	return r;
}

void vmxop_put(void)
{
	mutex_lock(&users_lock);
	if (!--users)
		vmxop_stop();
	mutex_unlock(&users_lock);
}

/* Runs on each CPU. The CPU's number is stored one higher, as 0 stands for none. */
static void read_vmxe(void *taken)
{
	if (native_read_cr4() & X86_CR4_VMXE)
		atomic_set(taken, smp_processor_id() + 1);
}

int vmxop_check_free(void)
{
	atomic_t taken = ATOMIC_INIT(0);

	on_each_cpu(read_vmxe, &taken, 1);
	if (!atomic_read(&taken))
		return 0;
	pr_err("VT-x is in use by another hypervisor on CPU %d. Stop its VMs and unload it (modprobe -r kvm_intel) and load abyme again.\n",
	       atomic_read(&taken) - 1);
	return -EBUSY;
}

/*
 * VPID 0 is the host's own, so 1 is the first. A vCPU that gets none works as well: without a
 * VPID the processor flushes at each entry and exit.
 */
u16 vpid_alloc(void)
{
	unsigned long vpid;

	spin_lock(&vpids_lock);
	vpid = find_next_zero_bit(vpids, NR_VPIDS, 1);
	if (vpid < NR_VPIDS)
		__set_bit(vpid, vpids);
	spin_unlock(&vpids_lock);
	return vpid < NR_VPIDS ? vpid : 0;
}

void vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpids_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpids_lock);
}
