// SPDX-License-Identifier: GPL-2.0-only
/*
 * How Firecracker, Cloud Hypervisor, crosvm and kvmtool start a VM, each as a list of steps in
 * the order and with the values of its source, until a guest of a few bytes has written to the
 * serial port; and how the first two take a snapshot and go on from it in another VM.
 */
#include <asm/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>
#include "machine.h"

#define RAM (16u << 20)
#define ENTRY64 0x100000
#define ENTRY16_SEGMENT 0x1000
#define PML4 0x9000
#define GDT 0x500
#define IDT 0x520
#define APIC_LVT0 0x350
#define APIC_LVT1 0x360
#define MODE_NMI (4u << 8)
#define MODE_EXTINT (7u << 8)

static struct vm *vm;
static struct machine saved;
static char said[16];

/* "hi", a moment for a snapshot, "ok", and the keyboard controller's reset. */
extern const u8 guest64[], guest64_end[], guest16[], guest16_end[];

#define GUEST(name, bits)                                                                   \
#name ": .code" #bits "\n"                                                          \
	      "mov $0x3f8, %dx; mov $'h', %al; out %al, %dx; mov $'i', %al; out %al, %dx\n" \
	      "out %al, $0x80\n"                                                            \
	      "mov $'o', %al; out %al, %dx; mov $'k', %al; out %al, %dx\n"                  \
	      "mov $0xfe, %al; out %al, $0x64; 1: jmp 1b\n" #name "_end: .code64\n"
asm(".pushsection .rodata\n" GUEST(guest64, 64) GUEST(guest16, 16) ".popsection\n");

/* --- steps: 0 or more is well -------------------------------------------------- */

static long api_version(u64 want)
{
	vm->dev = dev_open();
	return ioctl(vm->dev, KVM_GET_API_VERSION, 0) == (int)want ? 0 : -1;
}

static long has(u64 cap)
{
	errno = ENOTTY;
	return vm_cap(vm->dev, cap) > 0 ? 0 : -1;
}

static long may_have(u64 cap)
{
	return vm_cap(vm->dev, cap);
}

static long create_vm(u64 type)
{
	vm->run_size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->fd = ioctl(vm->dev, KVM_CREATE_VM, type);
	return vm->fd;
}

static long tss_addr(u64 addr)
{
	return ioctl(vm->fd, KVM_SET_TSS_ADDR, addr);
}

static long identity_map(u64 addr)
{
	return ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr);
}

static long irqchip(u64 unused)
{
	return ioctl(vm->fd, KVM_CREATE_IRQCHIP, unused);
}

static long split_irqchip(u64 pins)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = pins };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static long pit2(u64 flags)
{
	struct kvm_pit_config pit = { .flags = flags };

	return ioctl(vm->fd, KVM_CREATE_PIT2, &pit);
}

static long memory(u64 size)
{
	vm->ram_size = size;
	vm->ram = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	memcpy(vm->ram + ENTRY64, guest64, guest64_end - guest64);
	memcpy(vm->ram + ENTRY16_SEGMENT * 16, guest16, guest16_end - guest16);
	return vm_set_region(vm->fd, 0, 0, 0, size, vm->ram);
}

static long vcpu(u64 unused)
{
	return vm_add_cpu(vm) + unused;
}

static long cpuid(u64 nested)
{
	vm_set_cpuid(vm, 0, nested);
	return 0;
}

static long emulated_cpuid(u64 room)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = room };

	return ioctl(vm->dev, KVM_GET_EMULATED_CPUID, &c);
}

static long msr_list(u64 room)
{
	struct {
		struct kvm_msr_list head;
		u32 index[512];
	} list = { .head.nmsrs = room };

	return ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list);
}

#define MSR(number, value)                         \
	{                                          \
		.index = (number), .data = (value) \
	}

/* What a kernel that is entered at its 32- or 64-bit entry finds in its MSRs. */
static const struct kvm_msr_entry boot_msrs[] = {
	MSR(0x174, 0),	    MSR(0x175, 0),	MSR(0x176, 0),		 MSR(0xc0000081, 0),
	MSR(0xc0000083, 0), MSR(0xc0000102, 0), MSR(0xc0000084, 0),	 MSR(0xc0000082, 0),
	MSR(0x10, 0),	    MSR(0x1a0, 1),	MSR(0x2ff, 1 << 11 | 6),
};

/* crosvm also: all of memory cached but what lies below 4 GiB for devices. */
static const struct kvm_msr_entry mtrrs[] = {
	MSR(0x250, 0x0606060606060606), MSR(0x258, 0x0606060606060606),	   MSR(0x259, 0),
	MSR(0x268, 0x0606060606060606), MSR(0x26f, 0x0606060606060606),	   MSR(0x200, 0xd0000000),
	MSR(0x201, 0xfff0000800),	MSR(0x2ff, 1 << 11 | 1 << 10 | 6),
};

static long put_msrs(const struct kvm_msr_entry *entries, u32 count)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[16];
	} m = { .head.nmsrs = count };

	memcpy(m.entries, entries, count * sizeof(*entries));
	errno = EINVAL;
	return ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &m) == (int)count ? 0 : -1;
}

static long msrs(u64 count)
{
	return put_msrs(boot_msrs, count);
}

static long mtrr_msrs(u64 count)
{
	return put_msrs(mtrrs, count);
}

static long regs64(u64 rsi)
{
	struct kvm_regs r = { .rflags = 2,
			      .rip = ENTRY64,
			      .rsp = 0x8ff0,
			      .rbp = 0x8ff0,
			      .rsi = rsi };

	return ioctl(vm->cpu[0].fd, KVM_SET_REGS, &r);
}

static long fpu(u64 mxcsr)
{
	struct kvm_fpu f = { .fcw = 0x37f, .mxcsr = mxcsr };

	return ioctl(vm->cpu[0].fd, KVM_SET_FPU, &f);
}

static struct kvm_segment segment(u16 selector, u8 type, bool code)
{
	return (struct kvm_segment){ .selector = selector,
				     .limit = 0xfffff,
				     .type = type,
				     .present = 1,
				     .s = 1,
				     .l = code,
				     .db = !code,
				     .g = 1 };
}

static long sregs64(u64 unused)
{
	u64 *table = (u64 *)(vm->ram + PML4);
	struct kvm_sregs s;

	if (ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s))
		return -1;
	table[0] = (PML4 + 0x1000) | 3;
	table[512] = (PML4 + 0x2000) | 3;
	for (u64 i = 0; i < 512; i++)
		table[1024 + i] = i << 21 | 0x83;
	s.gdt = (struct kvm_dtable){ .base = GDT, .limit = 31 };
	s.idt = (struct kvm_dtable){ .base = IDT, .limit = 7 };
	s.cs = segment(8, 11, true);
	s.ds = s.es = s.fs = s.gs = s.ss = segment(16, 3, false);
	s.tr = (struct kvm_segment){ .selector = 24,
				     .limit = 0xfffff,
				     .type = 11,
				     .present = 1,
				     .g = 1 };
	s.cr0 |= 0x80000001;
	s.cr3 = PML4;
	s.cr4 |= 0x20;
	s.efer |= 0x500;
	return ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s) + unused;
}

static long real_mode(u64 selector)
{
	struct kvm_regs r = { .rflags = 2, .rsp = 0x8000, .rbp = 0x8000 };
	struct kvm_sregs s;

	if (ioctl(vm->cpu[0].fd, KVM_GET_SREGS, &s))
		return -1;
	s.cs.selector = s.ds.selector = s.es.selector = s.ss.selector = s.fs.selector =
		s.gs.selector = selector;
	s.cs.base = s.ds.base = s.es.base = s.ss.base = s.fs.base = s.gs.base = selector << 4;
	return ioctl(vm->cpu[0].fd, KVM_SET_SREGS, &s) ?: ioctl(vm->cpu[0].fd, KVM_SET_REGS, &r);
}

/* LINT0 is the 8259As', LINT1 is NMI. */
static long lint(u64 unused)
{
	struct kvm_lapic_state l;
	u32 lvt;

	if (ioctl(vm->cpu[0].fd, KVM_GET_LAPIC, &l))
		return -1;
	memcpy(&lvt, l.regs + APIC_LVT0, 4);
	lvt = (lvt & ~0x700u) | MODE_EXTINT;
	memcpy(l.regs + APIC_LVT0, &lvt, 4);
	memcpy(&lvt, l.regs + APIC_LVT1, 4);
	lvt = (lvt & ~0x700u) | MODE_NMI;
	memcpy(l.regs + APIC_LVT1, &lvt, 4);
	return ioctl(vm->cpu[0].fd, KVM_SET_LAPIC, &l) + unused;
}

static long routing(u64 gsis)
{
	struct kvm_irq_routing *r = calloc(1, sizeof(*r) + gsis * sizeof(r->entries[0]));
	long result;

	r->nr = gsis;
	for (u64 i = 0; i < gsis; i++)
		r->entries[i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = i },
		};
	result = ioctl(vm->fd, KVM_SET_GSI_ROUTING, r);
	free(r);
	return result;
}

static long irqfd(u64 gsi)
{
	struct kvm_irqfd i = { .fd = eventfd(0, EFD_NONBLOCK), .gsi = gsi };

	return ioctl(vm->fd, KVM_IRQFD, &i);
}

/* A virtio device's notification register. */
static long ioeventfd(u64 addr)
{
	struct kvm_ioeventfd e = {
		.fd = eventfd(0, EFD_NONBLOCK),
		.addr = addr,
		.len = 4,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &e);
}

static long irq_line(u64 gsi)
{
	struct kvm_irq_level l = { .irq = gsi, .level = 1 };
	long r = ioctl(vm->fd, KVM_IRQ_LINE, &l);

	l.level = 0;
	return r ?: ioctl(vm->fd, KVM_IRQ_LINE, &l);
}

static long tsc_khz(u64 unused)
{
	return ioctl(vm->cpu[0].fd, KVM_GET_TSC_KHZ, unused);
}

/* --- running it ------------------------------------------------------------------ */

static bool run_until(u16 port)
{
	struct kvm_run *run = vm->cpu[0].run;

	for (;;) {
		if (ioctl(vm->cpu[0].fd, KVM_RUN, 0) || run->exit_reason != KVM_EXIT_IO) {
			tap_note("exit %u", run->exit_reason);
			return false;
		}
		if (run->io.port == 0x3f8 && strlen(said) < sizeof(said) - 1)
			said[strlen(said)] = ((char *)run)[run->io.data_offset];
		if (run->io.port == port)
			return true;
	}
}

static long runs(u64 unused)
{
	memset(said, 0, sizeof(said));
	return run_until(0x80) && !strcmp(said, "hi") ? (long)unused : -1;
}

static long ends(u64 unused)
{
	return run_until(0x64) && !strcmp(said, "hiok") ? (long)unused : -1;
}

static void finish(void)
{
	vm->cpu[0].run->immediate_exit = 1;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	vm->cpu[0].run->immediate_exit = 0;
}

/* --- the lists --------------------------------------------------------------------- */

struct step {
	const char *name;
	long (*take)(u64 arg);
	u64 arg;
};

#define STEP(take, ...)                                       \
	{                                                     \
#take "(" #__VA_ARGS__ ")", take, __VA_ARGS__ \
	}
#define HAS(cap)                         \
	{                                \
#cap, has, KVM_CAP_##cap \
	}

static const struct step firecracker[] = {
	STEP(api_version, 12),
	HAS(IRQCHIP),
	HAS(IOEVENTFD),
	HAS(IRQFD),
	HAS(USER_MEMORY),
	HAS(SET_TSS_ADDR),
	HAS(PIT2),
	HAS(PIT_STATE2),
	HAS(ADJUST_CLOCK),
	HAS(DEBUGREGS),
	HAS(MP_STATE),
	HAS(VCPU_EVENTS),
	HAS(XCRS),
	HAS(XSAVE),
	HAS(EXT_CPUID),
	HAS(NR_MEMSLOTS),
	STEP(create_vm, 0),
	STEP(msr_list, 512),
	HAS(XSAVE2),
	STEP(tss_addr, 0xfffbd000),
	STEP(memory, RAM),
	STEP(irqchip, 0),
	STEP(pit2, KVM_PIT_SPEAKER_DUMMY),
	STEP(vcpu, 0),
	STEP(cpuid, 0),
	STEP(msrs, 11),
	STEP(regs64, 0x7000),
	STEP(fpu, 0x1f80),
	STEP(sregs64, 0),
	STEP(lint, 0),
	STEP(irqfd, 5),
	STEP(ioeventfd, 0xc0001050),
	STEP(routing, 24),
	STEP(runs, 0),
	{},
};

static const struct step cloud_hypervisor[] = {
	STEP(api_version, 12),
	HAS(IMMEDIATE_EXIT),
	HAS(IOEVENTFD),
	HAS(IRQCHIP),
	HAS(IRQFD),
	HAS(IRQ_ROUTING),
	HAS(MP_STATE),
	HAS(SET_IDENTITY_MAP_ADDR),
	HAS(SET_TSS_ADDR),
	HAS(ADJUST_CLOCK),
	HAS(EXT_CPUID),
	HAS(GET_TSC_KHZ),
	HAS(TSC_DEADLINE_TIMER),
	HAS(USER_MEMORY),
	HAS(USER_NMI),
	HAS(VCPU_EVENTS),
	HAS(XCRS),
	HAS(XSAVE),
	STEP(create_vm, 0),
	STEP(identity_map, 0xfeffc000),
	STEP(tss_addr, 0xfeffd000),
	STEP(split_irqchip, 24),
	STEP(memory, RAM),
	STEP(vcpu, 0),
	STEP(msr_list, 512),
	STEP(cpuid, 0),
	STEP(msrs, 11),
	STEP(regs64, 0x7000),
	STEP(sregs64, 0),
	STEP(fpu, 0x1f80),
	STEP(lint, 0),
	STEP(tsc_khz, 0),
	STEP(runs, 0),
	{},
};

static const struct step crosvm[] = {
	STEP(api_version, 12),
	STEP(may_have, KVM_CAP_READONLY_MEM),
	STEP(create_vm, 0),
	STEP(memory, RAM),
	STEP(tss_addr, 0xfffbd000),
	STEP(identity_map, 0xfffbc000),
	STEP(irqchip, 0),
	STEP(pit2, KVM_PIT_SPEAKER_DUMMY),
	STEP(routing, 24),
	STEP(irqfd, 4),
	STEP(ioeventfd, 0xd0000000),
	STEP(vcpu, 0),
	STEP(emulated_cpuid, 128),
	STEP(cpuid, 0),
	STEP(mtrr_msrs, 8),
	STEP(msrs, 10),
	STEP(regs64, 0x7000),
	STEP(fpu, 0x1f80),
	STEP(sregs64, 0),
	STEP(lint, 0),
	STEP(runs, 0),
	STEP(ends, 0),
	{},
};

/* The PIT before the irqchip; the guest begins in real mode. */
static const struct step kvmtool[] = {
	STEP(api_version, 12),
	STEP(create_vm, 0),
	HAS(COALESCED_MMIO),
	HAS(SET_TSS_ADDR),
	HAS(PIT2),
	HAS(USER_MEMORY),
	HAS(IRQ_ROUTING),
	HAS(IRQCHIP),
	HAS(HLT),
	HAS(IRQ_INJECT_STATUS),
	HAS(EXT_CPUID),
	STEP(tss_addr, 0xfffbd000),
	STEP(pit2, 0),
	STEP(irqchip, 0),
	STEP(memory, RAM),
	STEP(vcpu, 0),
	STEP(lint, 0),
	STEP(routing, 24),
	STEP(irq_line, 4),
	STEP(cpuid, 0),
	STEP(real_mode, ENTRY16_SEGMENT),
	STEP(fpu, 0x1f80),
	STEP(msrs, 10),
	STEP(runs, 0),
	STEP(ends, 0),
	{},
};

static bool walk(const char *client, const struct step *step)
{
	vm = calloc(1, sizeof(*vm));
	for (; step->name; step++) {
		errno = 0;
		if (step->take(step->arg) < 0) {
			tap_note("%s: %s: %s", client, step->name, strerror(errno));
			return false;
		}
	}
	return true;
}

/* The VM as it is in a new one, with a copy of its memory. */
static bool snapshot(const enum part *gets, const enum part *sets, bool split)
{
	struct vm *old = vm;

	finish();
	machine_get_all(vm, &saved, gets);
	vm = vm_new(RAM);
	memcpy(vm->ram, old->ram, RAM);
	if (split)
		split_irqchip(24);
	else
		vm_irqchip(vm);
	vm_add_cpu(vm);
	machine_set_all(vm, &saved, sets);
	vm_free(old);
	return !ends(0);
}

int main(void)
{
	int dev = dev_open();
	bool split = vm_cap(dev, KVM_CAP_SPLIT_IRQCHIP) > 0;

	close(dev);
	tap_ok(walk("Firecracker", firecracker), "Firecracker starts a VM");
	tap_ok(snapshot(firecracker_gets, firecracker_sets, false),
	       "and goes on from its snapshot");
	vm_free(vm);
	tap_ok(walk("crosvm", crosvm), "crosvm starts a VM");
	vm_free(vm);
	tap_ok(walk("kvmtool", kvmtool), "kvmtool starts a VM");
	vm_free(vm);
	if (!split) {
		tap_skip("no KVM_CAP_SPLIT_IRQCHIP", "Cloud Hypervisor starts a VM");
		tap_skip("no KVM_CAP_SPLIT_IRQCHIP", "and goes on from its snapshot");
		return tap_done();
	}
	tap_ok(walk("Cloud Hypervisor", cloud_hypervisor), "Cloud Hypervisor starts a VM");
	tap_ok(snapshot(cloud_hypervisor_gets, cloud_hypervisor_sets, true),
	       "and goes on from its snapshot");
	vm_free(vm);
	return tap_done();
}
