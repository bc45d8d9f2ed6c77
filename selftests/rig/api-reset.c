// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client resets a vCPU, or loads another state, while L1 is in VMX operation or L2 runs: what
 * ends that, what must not, and what of it KVM_GET_* tells. Orders are QEMU's.
 */
#include <linux/kvm_para.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmx/exits.h>
#include <vmx/info.h>
#include "machine.h"

#define RAM (32u << 20)
#define IMAGE "/lib/abyme/guests/l2-meanwhile.elf"
#define MSR_FEATURE_CONTROL 0x3a
#define MSR_TSC 0x10
#define MSR_VMX_PINBASED 0x481
#define CR4_VMXE 0x2000
#define RESET_RIP 0xfff0
#define HEADER sizeof(struct kvm_nested_state)

enum {
	OFFSET_LAUNCH_STATE = 8,
#define F(name, encoding, width, member, offset, role, shadow) OFFSET_##name = offset,
#include <vmx/vmcs_fields.def>
#undef F
};

/* At a reset QEMU has no CPUID to set, and writes its chips after the vCPUs. */
static const enum part qemu_resets[] = {
	PART_FEATURE_CONTROL, PART_SREGS2,	 PART_NESTED,	 PART_REGS,
	PART_XSAVE,	      PART_XCRS,	 PART_MSRS,	 PART_EVENTS,
	PART_MP_STATE,	      PART_TSC_DEADLINE, PART_DEBUGREGS, PART_LAPIC,
	PART_IRQCHIP,	      PART_PIT,		 PART_END,
};

static struct vm *vm;
static int cpu_fd;
static struct machine boot, now;
static u8 status;

static void put32(u32 offset, u32 value)
{
	memcpy(now.nested.state.data.vmx[0].vmcs12 + offset, &value, sizeof(value));
}

static u32 get32(u32 offset)
{
	u32 value;

	memcpy(&value, now.nested.state.data.vmx[0].vmcs12 + offset, sizeof(value));
	return value;
}

/* A VM whose guest stands at its first instruction. */
static void begin(void)
{
	u32 entry;

	vm = vm_new(RAM);
	vm_irqchip(vm);
	entry = image_load(vm, IMAGE);
	if (!entry)
		tap_bail(IMAGE);
	image_start(vm, entry, true);
	cpu_fd = vm->cpu[0].fd;
	machine_get_all(vm, &boot, qemu_gets);
}

static bool is_in(bool l2)
{
	if (machine_get(vm, &now, PART_NESTED))
		tap_bail("KVM_GET_NESTED_STATE");
	return l2 ? now.nested.state.flags & KVM_STATE_NESTED_GUEST_MODE
		  : !now.nested.state.flags && now.nested.state.hdr.vmx.vmxon_pa != ~0ull;
}

/* Run until the guest marks a moment in L2, or in L1 in VMX operation. */
static void run_to(bool l2)
{
	do {
		if (image_run(vm, "# ", &status) != IMAGE_MARK)
			tap_bail("the image has no such moment");
	} while (!is_in(l2));
}

static int set_msr(u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return ioctl(cpu_fd, KVM_SET_MSRS, &m);
}

static bool out_of_vmx(void)
{
	return !machine_get(vm, &now, PART_NESTED) && now.nested.state.size == HEADER &&
	       now.nested.state.hdr.vmx.vmxon_pa == ~0ull && !now.nested.state.flags;
}

static bool runs_to_its_end(void)
{
	enum image_end end;

	do {
		end = image_run(vm, "# ", &status);
	} while (end == IMAGE_MARK);
	return end == IMAGE_DONE && !status;
}

static void resets(bool l2)
{
	const char *where = l2 ? "while L2 runs" : "in VMX operation";

	begin();
	run_to(l2);
	memset(vm->ram, 0, RAM);
	image_load(vm, IMAGE);
	machine_set_all(vm, &boot, qemu_resets);
	tap_ok(out_of_vmx(), "a reset %s, as QEMU makes it, ends VMX operation", where);
	tap_ok(runs_to_its_end(), "and the guest starts anew and runs to its end");
	vm_free(vm);
}

/* Without IA32_FEATURE_CONTROL first, it is what no processor in VMX operation takes. */
static void vmxe_stays(bool l2)
{
	struct kvm_sregs s;

	begin();
	run_to(l2);
	machine_get(vm, &now, PART_SREGS);
	s = now.sregs;
	s.cr4 &= ~(u64)CR4_VMXE;
	s.cr2 = 0x1234;
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_SREGS, &s), EINVAL,
		     l2 ? "CR4 without VMXE while L2 runs" : "CR4 without VMXE in VMX operation");
	ioctl(cpu_fd, KVM_GET_SREGS, &s);
	tap_ok(!memcmp(&s, &now.sregs, sizeof(s)) && is_in(l2), "and nothing has changed");
	vm_free(vm);
}

static void feature_control(void)
{
	u64 host_rip;

	begin();
	run_to(true);
	memcpy(&host_rip, now.nested.state.data.vmx[0].vmcs12 + OFFSET_HOST_RIP, sizeof(host_rip));
	tap_ok(set_msr(MSR_FEATURE_CONTROL, 5) == 1 && is_in(true),
	       "IA32_FEATURE_CONTROL may be set to 5 while L2 runs, and it runs on");
	tap_ok(set_msr(MSR_FEATURE_CONTROL, 0) == 1 && out_of_vmx(), "0 ends VMX operation");
	machine_get(vm, &now, PART_REGS);
	tap_ok(now.regs.rip == host_rip, "with L1 at its host state");
	tap_ok(set_msr(MSR_FEATURE_CONTROL, 0) == 1 && out_of_vmx(), "and once more is no error");
	vm_free(vm);
}

static void capabilities(void)
{
	struct kvm_msr_entry *e;

	begin();
	e = machine_msr(&boot, MSR_VMX_PINBASED);
	tap_ok(set_msr(e->index, e->data) == 1, "a VMX capability may be set");
	run_to(false);
	tap_ok(set_msr(e->index, e->data) == 1, "in VMX operation to what it is");
	tap_ok(set_msr(e->index, e->data & ~(1ull << 38)) == 0, "and to nothing else");
	vm_free(vm);
}

static void mp_states(void)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_INIT_RECEIVED };

	begin();
	run_to(false);
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_MP_STATE, &mp), EINVAL, "INIT in VMX root operation");
	mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_SET_MP_STATE, &mp), EINVAL, "SIPI in VMX root operation");
	vm_free(vm);
	begin();
	run_to(true);
	mp.mp_state = KVM_MP_STATE_INIT_RECEIVED;
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_MP_STATE, &mp), "L2 may wait for a SIPI");
	machine_get(vm, &now, PART_MP_STATE);
	machine_get(vm, &now, PART_NESTED);
	tap_ok(now.mp_state.mp_state == KVM_MP_STATE_INIT_RECEIVED &&
		       get32(OFFSET_GUEST_ACTIVITY) == 3,
	       "and it is L2's activity state");
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	EXPECT_OK(ioctl(cpu_fd, KVM_SET_MP_STATE, &mp), "then it runs again");
	tap_ok(runs_to_its_end(), "to its end");
	vm_free(vm);
}

static bool latched(void)
{
	return !machine_get(vm, &now, PART_EVENTS) && now.events.smi.latched_init;
}

static void latched_init(void)
{
	begin();
	run_to(false);
	tap_ok(!latched(), "no INIT is held back");
	now.events.smi.latched_init = 1;
	tap_ok(!machine_set(vm, &now, PART_EVENTS) && latched(), "one is, once it was set");
	machine_get(vm, &now, PART_MP_STATE);
	tap_ok(now.mp_state.mp_state == KVM_MP_STATE_RUNNABLE && is_in(false),
	       "VMX operation holds it back");
	latched();
	now.events.smi.latched_init = 0;
	now.events.flags &= ~(u32)KVM_VCPUEVENT_VALID_SMM;
	tap_ok(!machine_set(vm, &now, PART_EVENTS) && latched(), "what is not valid is not taken");
	now.events.smi.latched_init = 0;
	tap_ok(!machine_set(vm, &now, PART_EVENTS) && !latched(), "it can be taken away");
	now.events.smi.latched_init = 1;
	machine_set(vm, &now, PART_EVENTS);
	set_msr(MSR_FEATURE_CONTROL, 0);
	tap_ok(!latched() && !machine_get(vm, &now, PART_REGS) && now.regs.rip == RESET_RIP,
	       "and takes effect when VMX operation ends");
	vm_free(vm);
}

/* --- states in a new VM ---------------------------------------------------- */

/* @vm becomes another, whose vCPU has not run and has the same memory, CPUID and MSRs. */
static void into_new_vm(void)
{
	struct vm *old = vm;

	machine_get(vm, &now, PART_CPUID);
	machine_get_all(vm, &now, qemu_gets);
	vm = vm_new(RAM);
	memcpy(vm->ram, old->ram, RAM);
	vm_irqchip(vm);
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	vm_free(old);
	if (machine_set(vm, &now, PART_CPUID))
		tap_bail("KVM_SET_CPUID2");
}

static void cpuid_without_vmx(void)
{
	begin();
	run_to(true);
	into_new_vm();
	EXPECT_OK(machine_set(vm, &now, PART_NESTED), "a nested state before all but CPUID");
	vm_set_cpuid(vm, 0, false);
	tap_ok(machine_get(vm, &now, PART_NESTED) || now.nested.state.hdr.vmx.vmxon_pa == ~0ull,
	       "CPUID without VMX ends VMX operation");
	vm_free(vm);
}

/* As a state comes from KVM, whose KVM_GET_VCPU_EVENTS knows nothing of the event. */
static void event_of_the_entry(void)
{
	u32 event = INTR_VALID | INTR_TYPE_SOFT_EXC | 3;

	begin();
	run_to(true);
	into_new_vm();
	now.nested.state.flags |= KVM_STATE_NESTED_RUN_PENDING;
	put32(OFFSET_ENTRY_INTR_INFO, event);
	put32(OFFSET_ENTRY_INSN_LEN, 1);
	machine_set_all(vm, &now, qemu_sets);
	machine_get_all(vm, &now, qemu_gets);
	tap_ok(now.nested.state.flags & KVM_STATE_NESTED_RUN_PENDING &&
		       get32(OFFSET_ENTRY_INTR_INFO) == event && get32(OFFSET_ENTRY_INSN_LEN) == 1,
	       "an entry that is pending keeps its event when VCPU_EVENTS has none");
	tap_ok(!now.events.exception.injected && !now.events.exception.pending &&
		       !now.events.interrupt.injected && !now.events.nmi.injected,
	       "and VCPU_EVENTS has none afterwards");
	now.nested.state.flags &= ~(u16)KVM_STATE_NESTED_RUN_PENDING;
	machine_set_all(vm, &now, qemu_sets);
	machine_get(vm, &now, PART_NESTED);
	tap_ok(!(get32(OFFSET_ENTRY_INTR_INFO) & INTR_VALID), "without the flag it was delivered");
	vm_free(vm);
}

static void timer_before_tsc(void)
{
	u64 deadline, tsc;
	u32 pin;

	begin();
	run_to(true);
	into_new_vm();
	pin = get32(OFFSET_PIN_CTLS);
	tsc = machine_msr(&now, MSR_TSC)->data + (100ull << 32);
	deadline = (tsc + (1ull << 30)) >> 5;
	put32(OFFSET_PIN_CTLS, pin | 1u << 6);
	put32(OFFSET_GUEST_PREEMPT_TIMER, ~0u); /* of L1's later entries */
	now.nested.state.hdr.vmx.flags = KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE;
	now.nested.state.hdr.vmx.preemption_timer_deadline = deadline;
	machine_set_all(vm, &now, qemu_sets);
	set_msr(MSR_TSC, tsc);
	machine_get(vm, &now, PART_NESTED);
	tap_ok(now.nested.state.hdr.vmx.preemption_timer_deadline == deadline,
	       "the preemption timer's deadline stays while the TSC is set after it");
	tap_ok(image_run(vm, "# ", &status) == IMAGE_MARK && !machine_get(vm, &now, PART_NESTED) &&
		       get32(OFFSET_EXIT_REASON) == EXIT_VMCALL,
	       "and has not come when L2 runs");
	vm_free(vm);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	resets(true);
	resets(false);
	vmxe_stays(true);
	vmxe_stays(false);
	feature_control();
	capabilities();
	if (!dev_is_kvm()) { /* it has some of them otherwise */
		mp_states();
		latched_init();
		cpuid_without_vmx();
		event_of_the_entry();
		timer_before_tsc();
	}
	return tap_done();
}
