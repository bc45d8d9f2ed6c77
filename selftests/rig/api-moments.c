// SPDX-License-Identifier: GPL-2.0-only
/*
 * Userspace reads and sets a vCPU's state when the vCPU is in the middle of something: an entry was
 * refused, an instruction waits for userspace, a debugger looks on, L2 runs. Nothing is lost, comes
 * twice, or goes to the other level.
 */
#include <string.h>
#include <vmx/controls.h>
#include <vmx/exits.h>
#include <vmx/info.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define CODE 0x500
#define HANDLER 0x700
#define VEC_UD 6
#define FLAG_TF 0x100
#define MSR_EFER 0xc0000080u
#define LAPIC_MSI 0xfee00000u
#define MSI_INIT (5 << 8)
#define RESET_RIP 0xfff0

/* Ports of L1 and L2; the handler is that of each vector. */
enum { L2_BEGINS = 0x20, REASON, RFLAGS, HANDLED, L2_GOES_ON = 0x26 };

enum {
#define F(name, encoding, width, member, offset, role, shadow) OFFSET_##name = offset,
#include <vmx/vmcs_fields.def>
#undef F
};

static struct vm *vm;
static struct kvm_run *run;
static int fd;

extern const u8 l1_code[], l1_exit[], l2_code[], l2_more[], handler[], code_end[];

/* L1 tells the exit's reason and L2's RFLAGS, moves L2 past its CPUID, and resumes it. */
asm(".pushsection .rodata\n"
    "l1_code:" L1_ENTERS "l1_exit: nop; mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21\n"
    "mov $0x6820, %edx; vmread %rdx, %rax; out %eax, $0x22\n"
    "mov $0x681e, %edx; vmread %rdx, %rax; add $2, %rax; vmwrite %rax, %rdx\n"
    "vmresume; out %al, $0x24\n"
    "l2_code: out %al, $0x20; cpuid; l2_more: nop; out %al, $0x26; hlt\n"
    "handler: out %al, $0x23; iretq\n"
    "code_end:\n"
    ".popsection\n");

static u64 code_at(const u8 *label)
{
	return L1_CODE + (label - l1_code);
}

static void must(int r, const char *what)
{
	if (r < 0)
		tap_bail(what);
}

static struct kvm_regs regs_now(void)
{
	struct kvm_regs regs;

	must(ioctl(fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

static void take(struct vm *v)
{
	vm = v;
	vm_add_cpu(vm);
	fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
}

/* @code: of real mode. A #UD is told by port HANDLED. */
static void real_machine(bool irqchip, const u8 *code, size_t size)
{
	static const u8 on_ud[] = { 0xe6, HANDLED, 0xf4 }; /* out; hlt */

	vm = vm_new(1 << 20);
	if (irqchip)
		vm_irqchip(vm);
	take(vm);
	vm_set_cpuid(vm, 0, false);
	memcpy(vm->ram + CODE, code, size);
	memcpy(vm->ram + HANDLER, on_ud, sizeof(on_ud));
	*(u32 *)(vm->ram + VEC_UD * 4) = HANDLER;
	vm_real_mode(vm, 0, CODE);
}

static void l1_machine(const u64 (*more)[2], int more_count)
{
	take(vm_new(L1_RAM));
	vm_set_cpuid(vm, 0, true);
	l1_put(vm,
	       &(struct l1_setup){ .exit_rip = code_at(l1_exit),
				   .l2_rip = code_at(l2_code),
				   .more = more,
				   .more_count = more_count },
	       l1_code, handler - l1_code);
	memcpy(vm->ram + L1_HANDLER, handler, code_end - handler);
}

/* The next exit is OUT to @port. Return: the value; ~0: it is something else. */
static u32 out_to(u16 port)
{
	u32 value = 0;
	int reason = vm_run(vm, 0);

	if (reason != KVM_EXIT_IO || run->io.port != port) {
		tap_note("exit %d at %#llx, port %#x", reason, regs_now().rip,
			 reason == KVM_EXIT_IO ? run->io.port : 0);
		return ~0u;
	}
	memcpy(&value, (u8 *)run + run->io.data_offset, run->io.size);
	return value;
}

static void debug(u32 control, u64 at)
{
	struct kvm_guest_debug dbg = { .control = control ? control | KVM_GUESTDBG_ENABLE : 0 };

	dbg.arch.debugreg[0] = at;
	dbg.arch.debugreg[7] = at ? 0x402 : 0x400;
	must(ioctl(fd, KVM_SET_GUEST_DEBUG, &dbg), "KVM_SET_GUEST_DEBUG");
}

/* Ends what the last exit left open, and no more. */
static void settle(void)
{
	run->immediate_exit = 1;
	ioctl(fd, KVM_RUN, 0);
	run->immediate_exit = 0;
}

static void send(u32 data)
{
	struct kvm_msi msi = { .address_lo = LAPIC_MSI, .data = data };

	must(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), "KVM_SIGNAL_MSI");
}

/* The event of an entry that the processor refused. */
static void refused_entry(void)
{
	static const u8 code[] = { 0xf4 }; /* hlt */
	struct kvm_vcpu_events none, events;
	struct kvm_sregs good, bad;

	real_machine(false, code, sizeof(code));
	must(ioctl(fd, KVM_GET_SREGS, &good), "KVM_GET_SREGS");
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &none), "KVM_GET_VCPU_EVENTS");
	bad = good;
	bad.tr.type = 1;
	bad.tr.present = 0;
	events = none;
	events.exception.injected = 1;
	events.exception.nr = VEC_UD;
	must(ioctl(fd, KVM_SET_SREGS, &bad), "KVM_SET_SREGS");
	must(ioctl(fd, KVM_SET_VCPU_EVENTS, &events), "KVM_SET_VCPU_EVENTS");
	if (vm_run(vm, 0) != KVM_EXIT_FAIL_ENTRY) {
		tap_skip("the processor takes this TR", "the event of an entry that was refused");
		vm_free(vm);
		return;
	}
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	tap_ok(events.exception.injected && events.exception.nr == VEC_UD,
	       "the event of an entry that was refused is still in the state");
	must(ioctl(fd, KVM_SET_SREGS, &good), "KVM_SET_SREGS");
	must(ioctl(fd, KVM_SET_VCPU_EVENTS, &none), "KVM_SET_VCPU_EVENTS");
	tap_ok(vm_run(vm, 0) == KVM_EXIT_HLT, "and is delivered to nobody once it is taken out");
	vm_free(vm);
}

/* Registers in kvm_run are all of one moment. */
static void registers_at_init(void)
{
	static const u8 code[] = { 0xe6, 0x10, 0xf4 }; /* out; hlt */
	struct kvm_sync_regs *sync;
	struct kvm_regs regs;

	real_machine(true, code, sizeof(code));
	sync = &run->s.regs;
	out_to(0x10);
	send(MSI_INIT);
	run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	settle();
	regs = regs_now();
	tap_ok(!memcmp(&regs, &sync->regs, sizeof(regs)) && !(sync->sregs.cr0 & ~0x60000010ull),
	       "registers in kvm_run are those after an INIT, if the events are");
	run->kvm_valid_regs = 0;
	vm_free(vm);
}

/* RDMSR waits for userspace, and the vCPU is another before it answers. */
static void msr_and_init(void)
{
	static const u8 code[] = { 0x66, 0xb9, 0xff, 0, 0, 0, 0x0f, 0x32, 0xf4 };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
				      .args[0] = KVM_MSR_EXIT_REASON_UNKNOWN };
	struct kvm_mp_state mp;
	struct kvm_regs before;

	real_machine(true, code, sizeof(code)); /* mov $0xff, %ecx; rdmsr; hlt */
	must(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_X86_USER_SPACE_MSR");
	tap_ok(vm_run(vm, 0) == KVM_EXIT_X86_RDMSR, "RDMSR waits for userspace");
	run->msr.error = 0;
	run->msr.data = 0x1234567887654321;
	send(MSI_INIT);
	must(ioctl(fd, KVM_GET_MP_STATE, &mp), "KVM_GET_MP_STATE");
	before = regs_now();
	settle();
	tap_ok(before.rip == RESET_RIP && regs_now().rip == RESET_RIP &&
		       regs_now().rax == before.rax,
	       "after an INIT its answer is nobody's");
	vm_free(vm);
}

/* A breakpoint of the debugger's, taken away while the other level runs. */
static void breakpoint_of_l1(void)
{
	l1_machine(NULL, 0);
	debug(KVM_GUESTDBG_USE_HW_BP, code_at(l1_exit));
	tap_ok(out_to(L2_BEGINS) != ~0u, "L2 runs, with a breakpoint in L1");
	debug(0, 0);
	tap_ok(out_to(REASON) == EXIT_CPUID, "taken away there it does not hit in L1");
	vm_free(vm);
}

static void breakpoint_of_l2(void)
{
	l1_machine(NULL, 0);
	out_to(L2_BEGINS);
	debug(KVM_GUESTDBG_USE_HW_BP, code_at(l2_more));
	tap_ok(out_to(REASON) == EXIT_CPUID, "L1 runs, with a breakpoint in L2");
	debug(0, 0);
	out_to(RFLAGS);
	tap_ok(out_to(L2_GOES_ON) != ~0u, "taken away there it does not hit in L2");
	vm_free(vm);
}

/* The debugger's TF is not L2's, for L1 either. */
static void step_into_exit(void)
{
	u32 rflags;

	l1_machine(NULL, 0);
	out_to(L2_BEGINS);
	debug(KVM_GUESTDBG_SINGLESTEP, 0);
	tap_ok(vm_run(vm, 0) == KVM_EXIT_DEBUG, "a step in L2");
	debug(KVM_GUESTDBG_SINGLESTEP, 0);
	tap_ok(out_to(REASON) == EXIT_CPUID, "the next is an exit to L1");
	rflags = out_to(RFLAGS);
	tap_ok(rflags != ~0u && !(rflags & FLAG_TF), "which does not see the debugger's TF");
	debug(0, 0);
	tap_ok(out_to(L2_GOES_ON) != ~0u, "nor does L2 trap without the debugger");
	vm_free(vm);
}

/* What no processor accepts, by MSRs this time. */
static void efer_of_l2(void)
{
	l1_machine(NULL, 0);
	out_to(L2_BEGINS);
	l1_set_msr(vm, MSR_EFER, 0);
	tap_ok(out_to(REASON) == EXIT_TRIPLE_FAULT,
	       "an EFER that userspace breaks in L2 is a triple fault of L2's");
	vm_free(vm);
}

static union {
	struct kvm_nested_state state;
	u8 room[sizeof(struct kvm_nested_state) + 2 * KVM_STATE_NESTED_VMX_VMCS_SIZE];
} nested;

static void get_nested(void)
{
	memset(&nested, 0, sizeof(nested));
	nested.state.size = sizeof(nested);
	must(ioctl(fd, KVM_GET_NESTED_STATE, &nested), "KVM_GET_NESTED_STATE");
}

/* Events are set before the nested state of an L2 that takes another's place. */
static void events_first(void)
{
	struct kvm_vcpu_events events;

	l1_machine(NULL, 0);
	out_to(L2_BEGINS);
	settle();
	get_nested();
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	events.exception.injected = 1;
	events.exception.nr = VEC_UD;
	must(ioctl(fd, KVM_SET_VCPU_EVENTS, &events), "KVM_SET_VCPU_EVENTS");
	EXPECT_OK(ioctl(fd, KVM_SET_NESTED_STATE, &nested), "one L2 takes another's place");
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	tap_ok(events.exception.injected && events.exception.nr == VEC_UD,
	       "the event that was set before is still there");
	vm_free(vm);
}

/* L1's entry has an NMI for L2, and L2 an exception that came after it. */
static void exception_behind_event(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .args[0] = 1 };
	u32 nmi = INTR_VALID | INTR_TYPE_NMI | VEC_NMI;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;

	l1_machine(NULL, 0);
	must(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_EXCEPTION_PAYLOAD");
	out_to(L2_BEGINS);
	settle();
	get_nested();
	nested.state.flags |= KVM_STATE_NESTED_RUN_PENDING;
	memcpy(nested.state.data.vmx[0].vmcs12 + OFFSET_ENTRY_INTR_INFO, &nmi, sizeof(nmi));
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	events.exception.pending = 1;
	events.exception.nr = VEC_UD;
	must(ioctl(fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	vm_free(vm);
	l1_machine(NULL, 0);
	must(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_EXCEPTION_PAYLOAD");
	must(ioctl(fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	EXPECT_OK(ioctl(fd, KVM_SET_NESTED_STATE, &nested), "an event of L1's entry waits");
	must(ioctl(fd, KVM_SET_VCPU_EVENTS, &events), "KVM_SET_VCPU_EVENTS");
	must(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), "KVM_GET_VCPU_EVENTS");
	tap_ok(events.exception.pending && events.exception.nr == VEC_UD,
	       "an exception that is pending beside it is kept");
	vm_free(vm);
}

int main(void)
{
	refused_entry();
	registers_at_init();
	msr_and_init();
	breakpoint_of_l1();
	breakpoint_of_l2();
	step_into_exit();
	efer_of_l2();
	events_first();
	exception_behind_event();
	return tap_done();
}
