// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host is found as it was left: a process's own registers, FPU state,
 * segment bases and debug registers, and the processor's MSRs, before, between
 * and after runs of a guest that changes all of its own.
 */
#include <asm/prctl.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "vm.h"

struct state {
	u64 msr[24];
	bool has_msr[24];
	u32 mxcsr;
	u16 fcw;
	u64 fs, gs;
	u16 sel[6];
	u8 gdt[10], idt[10];
	u64 xcr0;
	u64 flags;
};

static const struct {
	u32 index;
	const char *name;
} msrs[] = {
	{ 0xc0000080, "EFER" },
	{ 0xc0000081, "STAR" },
	{ 0xc0000082, "LSTAR" },
	{ 0xc0000083, "CSTAR" },
	{ 0xc0000084, "FMASK" },
	{ 0x174, "SYSENTER_CS" },
	{ 0x175, "SYSENTER_ESP" },
	{ 0x176, "SYSENTER_EIP" },
	{ 0x277, "PAT" },
	{ 0x1b, "APIC_BASE" },
	{ 0xc0000103, "TSC_AUX" },
	{ 0x3a, "FEATURE_CONTROL" },
	{ 0xc0000102, "KERNEL_GS_BASE" },
	{ 0x1d9, "DEBUGCTL" },
	{ 0x1a0, "MISC_ENABLE" },
	{ 0xda0, "XSS" },
	{ 0x6a0, "U_CET" },
	{ 0x6a2, "S_CET" },
	{ 0x6a4, "PL0_SSP" },
	{ 0x6a7, "PL3_SSP" },
	{ 0x6a8, "INTERRUPT_SSP_TABLE_ADDR" },
	{ 0x2ff, "MTRR_DEF_TYPE" },
	{ 0xe1, "UMWAIT_CONTROL" },
};

static int msr_fd;

static void read_msrs(struct state *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		s->has_msr[i] = pread(msr_fd, &s->msr[i], 8, msrs[i].index) == 8;
	}
}

static void read_state(struct state *s)
{
	u32 lo, hi, flags_c;

	memset(s, 0, sizeof(*s));
	read_msrs(s);
	asm volatile("fnstcw %0; stmxcsr %1" : "=m"(s->fcw), "=m"(s->mxcsr));
	syscall(SYS_arch_prctl, ARCH_GET_FS, &s->fs);
	syscall(SYS_arch_prctl, ARCH_GET_GS, &s->gs);
	asm volatile(
		"mov %%cs, %0; mov %%ds, %1; mov %%es, %2; mov %%fs, %3; mov %%gs, %4; mov %%ss, %5"
		: "=r"(s->sel[0]), "=r"(s->sel[1]), "=r"(s->sel[2]), "=r"(s->sel[3]),
		  "=r"(s->sel[4]), "=r"(s->sel[5]));
	asm volatile("sgdt %0; sidt %1" : "=m"(s->gdt), "=m"(s->idt));
	asm volatile("cpuid" : "=c"(flags_c) : "a"(1), "c"(0) : "ebx", "edx");
	if (flags_c & 1 << 27) {
		asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		s->xcr0 = lo | (u64)hi << 32;
	}
	asm volatile("pushfq; popq %0" : "=r"(s->flags));
	s->flags &= ~0x8d5ull;
}

static void compare(const struct state *a, const struct state *b, const char *when)
{
	for (size_t i = 0; i < ARRAY_SIZE(msrs); i++) {
		tap_ok(a->has_msr[i] == b->has_msr[i] && a->msr[i] == b->msr[i], "%s, %s%s",
		       msrs[i].name, when, a->has_msr[i] ? "" : ": there is none");
		if (a->msr[i] != b->msr[i])
			tap_note("%#lx, %#lx", a->msr[i], b->msr[i]);
	}
	tap_ok(a->fcw == b->fcw && a->mxcsr == b->mxcsr, "FCW and MXCSR, %s", when);
	tap_ok(a->fs == b->fs && a->gs == b->gs, "FS and GS bases, %s", when);
	tap_ok(!memcmp(a->sel, b->sel, sizeof(a->sel)), "selectors, %s", when);
	tap_ok(!memcmp(a->gdt, b->gdt, 10), "GDTR with its limit, %s", when);
	tap_ok(!memcmp(a->idt, b->idt, 10), "IDTR with its limit, %s", when);
	tap_ok(a->xcr0 == b->xcr0, "XCR0, %s", when);
	tap_ok(a->flags == b->flags, "RFLAGS, %s", when);
}

/* A 64-bit guest that changes every register that an exit does not switch. */
static const u8 code[] = {
	0xb9, 0x82, 0x00, 0x00, 0xc0, /* mov $LSTAR, %ecx */
	0xb8, 0x78, 0x56, 0x34, 0x12, /* mov $0x12345678, %eax */
	0x31, 0xd2,		      /* xor %edx, %edx */
	0x0f, 0x30,		      /* wrmsr */
	0xb9, 0x84, 0x00, 0x00, 0xc0, /* mov $FMASK, %ecx */
	0x0f, 0x30,		      /* wrmsr */
	0xb9, 0x81, 0x00, 0x00, 0xc0, /* mov $STAR, %ecx */
	0x0f, 0x30,		      /* wrmsr */
	0xb9, 0x02, 0x01, 0x00, 0xc0, /* mov $KERNEL_GS_BASE, %ecx */
	0x0f, 0x30,		      /* wrmsr */
	0x66, 0x0f, 0xef, 0xc0,	      /* pxor %xmm0, %xmm0 */
	0x66, 0x0f, 0xef, 0xff,	      /* pxor %xmm7, %xmm7 */
	0x0f, 0x23, 0xc0,	      /* mov %eax, %dr0 */
	0xe7, 0x80,		      /* out %eax, $0x80 */
	0xf4,			      /* hlt */
};

/* Where guests have CET: values of theirs in the MSRs that no VMCS switches. Else false. */
static bool with_cet(struct vm *vm)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[3];
	} m = { .head.nmsrs = 3,
		.entry = { { 0x6a4, 0, 0x1118 }, { 0x6a7, 0, 0x2228 }, { 0x6a0, 0, 1 } } };

	return ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &m) == 3;
}

static void with_user_wait(struct vm *vm)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} m = { .head.nmsrs = 1, .entry = { { 0xe1, 0, 0x5554 } } };

	ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &m);
}

static struct vm *small_guest(void)
{
	struct vm *vm = vm_new(1 << 20);
	struct kvm_sregs s;

	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	vm_flat_mode(vm, 0, 0x1000);
	ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s);
	s.cr4 |= 0x200; /* OSFXSR */
	s.cr0 &= ~0x4ull;
	with_user_wait(vm);
	if (with_cet(vm)) {
		s.cr0 |= 1 << 16;
		s.cr4 |= 1 << 23;
	}
	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	memcpy(vm->ram + 0x1000, code, sizeof(code));
	return vm;
}

/* KVM_RUN between a load and a store of XMM registers that nothing else touches. */
static void run_with_xmm(struct vm *vm, u32 want)
{
	static const u64 in[2]
		__attribute__((aligned(16))) = { 0x1122334455667788, 0x99aabbccddeeff00 };
	u64 out[3][2] __attribute__((aligned(16)));
	long ret;

	asm volatile("movdqa %4, %%xmm0; movdqa %4, %%xmm7; movdqa %4, %%xmm15; syscall;"
		     "movdqa %%xmm0, %1; movdqa %%xmm7, %2; movdqa %%xmm15, %3"
		     : "=a"(ret), "=m"(out[0]), "=m"(out[1]), "=m"(out[2])
		     : "m"(in), "a"(SYS_ioctl), "D"(vm->cpu[0].fd), "S"(KVM_RUN), "d"(0)
		     : "rcx", "r11", "memory", "xmm0", "xmm7", "xmm15");
	tap_ok(!ret && vm->cpu[0].run->exit_reason == want, "the guest has changed its registers");
	if (ret || vm->cpu[0].run->exit_reason != want)
		tap_note("answered %ld, exit %u", ret, vm->cpu[0].run->exit_reason);
	for (int i = 0; i < 3; i++)
		tap_ok(!memcmp(out[i], in, 16), "an XMM register survives KVM_RUN");
}

/* A data breakpoint of a traced process hits before and after its KVM_RUN. */
static volatile u64 watched;

static int traced(void)
{
	struct vm *vm;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	watched = 1;
	vm = small_guest();
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	watched = 2;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	watched = 3;
	return 0;
}

static void debug_registers(void)
{
	int status, hits = 0, pid = fork();

	if (!pid)
		_exit(traced());
	waitpid(pid, &status, 0);
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), &watched) ||
	    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[7]), 0xd0001ul)) {
		ptrace(PTRACE_KILL, pid, 0, 0);
		waitpid(pid, &status, 0);
		tap_skip("no debug registers here", "breakpoints of the host's processes");
		return;
	}
	ptrace(PTRACE_CONT, pid, 0, 0);
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		hits += WSTOPSIG(status) == SIGTRAP;
		ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status));
	}
	tap_ok(hits == 3, "a process's data breakpoint hits before and after KVM_RUN");
	if (hits != 3)
		tap_note("%d hits", hits);
}

/* A VM exit clears IA32_DEBUGCTL. */
static void debugctl(void)
{
	struct vm *vm = small_guest();
	u64 lbr = 1, off = 0, now = 0;

	if (pwrite(msr_fd, &lbr, 8, 0x1d9) != 8 || pread(msr_fd, &now, 8, 0x1d9) != 8 || !now) {
		tap_skip("no branch records here", "IA32_DEBUGCTL");
		vm_free(vm);
		return;
	}
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	if (pread(msr_fd, &now, 8, 0x1d9) != 8)
		now = 0;
	tap_ok(now == lbr, "the host's IA32_DEBUGCTL survives KVM_RUN");
	(void)!pwrite(msr_fd, &off, 8, 0x1d9);
	vm_free(vm);
}

/* A GS selector brings the base of its descriptor when the host takes it back. */
static void selector_and_kernel_gs_base(void)
{
	struct vm *vm = small_guest();
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} m = { .head.nmsrs = 1, .entry[0].index = 0xc0000102 };
	u16 old, now;

	asm volatile("mov %%gs, %0; mov %1, %%gs" : "=&r"(old) : "r"(0x2b)); /* __USER_DS */
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	ioctl(vm->cpu[0].fd, KVM_GET_MSRS, &m);
	asm volatile("mov %%gs, %0; mov %1, %%gs" : "=&r"(now) : "r"((u32)old));
	tap_ok(now == 0x2b, "a GS selector survives KVM_RUN");
	tap_ok(m.entry[0].data == 0x12345678, "and leaves the guest's KERNEL_GS_BASE alone");
	tap_note("%#x, %#llx", now, m.entry[0].data);
	vm_free(vm);
}

#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE 0x5001
#endif

/*
 * A shadow stack for this process, where the kernel has them: from here on each return of it is
 * proof that PL3_SSP and U_CET are the process's own. Who calls this may not return.
 */
static inline __attribute__((always_inline)) bool own_shadow_stack(long what)
{
	long ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(SYS_arch_prctl), "D"(what), "S"(1ul)
		     : "rcx", "r11", "memory");
	return !ret;
}

static u64 ssp(void)
{
	u64 now = 0; /* it stays where there is none: RDSSP is a NOP then */

	asm volatile(".byte 0xf3, 0x48, 0x0f, 0x1e, 0xc8" /* rdsspq %rax */ : "+a"(now));
	return now;
}

/* Another process has its turn, with its own FPU state: has it come to its end? */
static bool other_process(void)
{
	clock_t end = clock() + CLOCKS_PER_SEC / 50;
	int status;

	if (!fork()) {
		while (clock() < end)
			;
		_exit(0);
	}
	return wait(&status) > 0 && !status;
}

/*
 * Does a process keep its shadow stack while another has its turn? With Bochs 3.0 it does not, and
 * dies at a return: the component of XSAVES that has U_CET and PL3_SSP is taken for one in its
 * initial state just if it is not. So a child tries.
 */
static bool keeps_shadow_stack(void)
{
	int status;

	if (!fork()) {
		own_shadow_stack(ARCH_SHSTK_ENABLE);
		_exit(!other_process() || !ssp());
	}
	return wait(&status) > 0 && !status;
}

int main(void)
{
	struct state before, during, after;
	struct vm *vm;
	cpu_set_t one;
	bool kept;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (access("/dev/cpu/0/msr", R_OK) && system("modprobe msr"))
		tap_bail("no /dev/cpu/0/msr, and no module for it");
	msr_fd = open("/dev/cpu/0/msr", O_RDWR);
	if (msr_fd < 0)
		tap_bail("/dev/cpu/0/msr");
	dev_open();
	kept = keeps_shadow_stack() && own_shadow_stack(ARCH_SHSTK_ENABLE);
	tap_note(kept ? "this process has a shadow stack"
		      : "no shadow stack: there is none, or the processor does not keep it");
	read_state(&before);
	vm = small_guest();
	run_with_xmm(vm, KVM_EXIT_IO);
	read_state(&during);
	run_with_xmm(vm, KVM_EXIT_HLT);
	vm_free(vm);
	read_state(&after);
	compare(&before, &during, "with a vCPU loaded");
	compare(&before, &after, "after the VM is gone");
	debug_registers();
	selector_and_kernel_gs_base();
	debugctl();
	exit(tap_done());
}
