// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a virtual machine, and requests to all of its vCPUs.
 *
 * KVM_CREATE_VM comes here. A VM lives as long as an fd of it, of a vCPU of it,
 * or of its statistics (.refs), which may be longer than the process that made
 * it.
 *
 * What a reader must know is the order in vm_free(): first what can still call
 * into the VM stops (timers, eventfds, the memory notifier), then the vCPUs go,
 * then memory.
 */

#include <linux/cpumask.h>
#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "cpu/msr_filter.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "hw/vmxop.h"

struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id)
{
	struct vcpu *v;
	int i;

	/* Nearly always the ids are 0, 1, 2... in the order of creation. */
	if (id < vm_nr_vcpus(vm) && vm->vcpu[id]->id == id)
		return vm->vcpu[id];
	vm_for_each_vcpu(vm, i, v)
		if (v->id == id)
			return v;
	return NULL;
}

/*
 * Tour, stop 2. The first VM enters VMX operation on all CPUs: vmxop_get().
 * Return: a VM with one reference, or an ERR_PTR. Context: may sleep.
 */
struct vm *vm_create(void)
{
	struct vm *vm;
	int r;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->refs);
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->node);
	vm->mm = current->mm;
	vm->creator = task_pid_nr(current);
	clock_init_vm(vm);
	hyperv_init_vm(vm);

	r = vmxop_get();
	if (r)
		goto free;
	preempt_notifier_inc();
	r = ept_init(&vm->ept, &vm->mem.pool);
	if (r)
		goto put_vmx;
	r = buses_init(vm);
	if (r)
		goto free_ept;
	r = coalesced_init(vm);
	if (r)
		goto free_buses;
	r = vm_mem_init(vm);
	if (r)
		goto free_coalesced;
	mmgrab(vm->mm);
	return vm;

free_coalesced:
	coalesced_destroy(vm);
free_buses:
	buses_destroy(vm);
free_ept:
	ept_destroy(&vm->ept);
put_vmx:
	preempt_notifier_dec();
	vmxop_put();
free:
	clock_destroy_vm(vm);
	kfree(vm);
	return ERR_PTR(r);
}

void vm_get(struct vm *vm)
{
	kref_get(&vm->refs);
}

static void vm_free(struct kref *refs)
{
	struct vm *vm = container_of(refs, struct vm, refs);
	int i;

	clock_destroy_vm(vm); /* first, as a resume of the host looks at the VMs and their vCPUs */
	irqchip_destroy(vm);
	vm_mem_stop(vm); /* before the vCPUs: its notifier makes requests of them */
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_free(vm->vcpu[i]);
	buses_destroy(vm);
	coalesced_destroy(vm);
	vm_mem_destroy(vm);
	ept_destroy(&vm->ept);
	mmdrop(vm->mm);
	msr_filter_free(rcu_access_pointer(vm->msr_filter));
	mutex_destroy(&vm->lock);
	mutex_destroy(&vm->hyperv.lock);
	kfree(vm);
	preempt_notifier_dec();
	vmxop_put();
}

void vm_put(struct vm *vm)
{
	kref_put(&vm->refs, vm_free);
}

void vm_request(struct vm *vm, int req)
{
	struct vcpu *v;
	int i;

	vm_for_each_vcpu(vm, i, v) {
		vcpu_request(v, req);
		vcpu_kick(v);
	}
}

/* For an IPI that is sent for its side effect: when a CPU runs this it has left the guest. */
static void vm_nothing(void *unused)
{
}

/*
 * Makes the request of each vCPU, and collects in @cpus where one is in the
 * guest and has to leave it. Context: preemption off.
 */
static void collect_in_guest(struct vm *vm, int req, struct cpumask *cpus)
{
	struct vcpu *v;
	int i, cpu;

	vm_for_each_vcpu(vm, i, v) {
		vcpu_request(v, req);
		smp_mb__after_atomic(); /* the request before the mode: pairs with run.c's entry */
		/*
		 * The mode first: a vCPU that moves to another CPU in between has left the guest,
		 * and is not EXITING there.
		 */
		if (cmpxchg(&v->mode, VCPU_IN_GUEST, VCPU_EXITING) == VCPU_OUTSIDE)
			continue;
		cpu = READ_ONCE(v->cpu);
		if (cpu >= 0 && cpu != smp_processor_id())
			cpumask_set_cpu(cpu, cpus);
	}
}

/*
 * Context: any that may wait for other CPUs: interrupts on, no lock that an
 * interrupt takes.
 */
void vm_request_sync(struct vm *vm, int req)
{
	cpumask_var_t cpus;

	/* GFP_ATOMIC: notifiers may call this under a spinlock. */
	if (!zalloc_cpumask_var(&cpus, GFP_ATOMIC)) {
		vm_request(vm, req);
		on_each_cpu(vm_nothing, NULL, 1);
		return;
	}
	preempt_disable();
	collect_in_guest(vm, req, cpus);
	smp_call_function_many(cpus, vm_nothing, NULL, true);
	preempt_enable();
	free_cpumask_var(cpus);
}
