// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU has and what userspace says that it has: the MSRs to be saved, the VMX
 * capability MSRs, and a CPUID that promises more than the processor has.
 */
#include <stdio.h>
#include <string.h>
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define EXIT_REASON_BAD_GUEST_STATE (0x80000000 | 33)
#define REASON 0x21 /* the port to which L1 writes the exit's reason */

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[256];
} supported;

static struct vm *vm;
static int fd;

/* --- CPUID and MSRs ------------------------------------------------------- */

static void new_vcpu(bool irqchip)
{
	vm = vm_new(L1_RAM);
	if (irqchip)
		vm_irqchip(vm);
	vm_add_cpu(vm);
	fd = vm->cpu[0].fd;
}

static struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *table, u32 function, u32 index)
{
	static struct kvm_cpuid_entry2 none;

	for (u32 i = 0; i < table->nent; i++)
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	return &none;
}

static int set_cpuid(const void *table)
{
	return ioctl(fd, KVM_SET_CPUID2, table);
}

static int get_msr(u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = index };
	int r = ioctl(fd, KVM_GET_MSRS, &m);

	*value = m.entry.data;
	return r;
}

static int set_msr(u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return ioctl(fd, KVM_SET_MSRS, &m);
}

static u64 msr_of_device(u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = index };

	return ioctl(vm->dev, KVM_GET_MSRS, &m) == 1 ? m.entry.data : 0;
}

/* --- the list of MSRs ------------------------------------------------------ */

enum how { NO_CPUID, WITHOUT_VMX, WITH_ALL };

/* A client reads all that the list has, and gives up at the first that cannot be read. */
static void each_msr_of_the_list(enum how how, const char *what)
{
	static struct {
		struct kvm_msr_list head;
		u32 indices[1024];
	} list;
	u32 unread = 0, refused = 0;
	u64 value;

	list.head.nmsrs = ARRAY_SIZE(list.indices);
	new_vcpu(true);
	if (how == WITHOUT_VMX)
		leaf(&supported.head, 1, 0)->ecx &= ~(1u << 5);
	if (how != NO_CPUID && set_cpuid(&supported))
		tap_bail("KVM_SET_CPUID2");
	leaf(&supported.head, 1, 0)->ecx |= 1u << 5;
	if (ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list))
		tap_bail("KVM_GET_MSR_INDEX_LIST");
	for (u32 i = 0; i < list.head.nmsrs; i++) {
		if (get_msr(list.indices[i], &value) != 1)
			unread = list.indices[i];
		else if (set_msr(list.indices[i], value) != 1)
			refused = list.indices[i];
	}
	tap_ok(!unread && !refused, "%s: each MSR of the list is read, and taken back", what);
	if (unread || refused)
		tap_note("0x%x is not read, 0x%x not taken", unread, refused);
	vm_free(vm);
}

/* --- VMX capabilities ------------------------------------------------------ */

/* Instructions that L2 may use if L1 may. */
static const struct {
	const char *name;
	u32 function, index, edx, ebx, eax; /* the bits in CPUID */
	u32 control;
} shared[] = {
	{ "RDTSCP", 0x80000001, 0, 1u << 27, 0, 0, PROC2_RDTSCP },
	{ "INVPCID", 7, 0, 0, 1u << 10, 0, PROC2_INVPCID },
	{ "XSAVES", 0xd, 1, 0, 0, 1u << 3, PROC2_XSAVES },
};

static bool may_proc2(u32 control)
{
	u64 value;

	return get_msr(VMX_MSR_PROC2, &value) == 1 && value >> 32 & control;
}

static void comes_back_with_cpuid(int i)
{
	static typeof(supported) less;
	struct kvm_cpuid_entry2 *e;

	new_vcpu(true);
	if (!(msr_of_device(VMX_MSR_PROC2) >> 32 & shared[i].control)) {
		tap_skip("the processor lacks it", "%s", shared[i].name);
		vm_free(vm);
		return;
	}
	less = supported;
	leaf(&less.head, 7, 0)->ecx &= ~(1u << 22); /* RDPID, which has RDTSCP's control as well */
	e = leaf(&less.head, shared[i].function, shared[i].index);
	e->edx &= ~shared[i].edx;
	e->ebx &= ~shared[i].ebx;
	e->eax &= ~shared[i].eax;
	set_cpuid(&supported);
	tap_ok(may_proc2(shared[i].control), "L1 with %s may let L2 use it", shared[i].name);
	set_cpuid(&less);
	tap_ok(!may_proc2(shared[i].control), "without it, it may not");
	set_cpuid(&supported);
	tap_ok(may_proc2(shared[i].control), "and it may again when CPUID has it again");
	set_cpuid(&less);
	if (!dev_is_kvm()) /* which leaves it to userspace */
		tap_ok(set_msr(VMX_MSR_PROC2, msr_of_device(VMX_MSR_PROC2)) == 1 &&
			       !may_proc2(shared[i].control),
		       "without it not by the capability either");
	vm_free(vm);
}

static void userspace_takes_away(void)
{
	u64 value;

	new_vcpu(true);
	set_cpuid(&supported);
	get_msr(VMX_MSR_PROC2, &value);
	tap_ok(set_msr(VMX_MSR_PROC2, value & ~((u64)PROC2_EPT << 32)) == 1,
	       "userspace takes EPT away");
	leaf(&supported.head, 1, 0)->ebx ^= 1 << 24;
	set_cpuid(&supported);
	tap_ok(!may_proc2(PROC2_EPT), "and CPUID does not bring it back");
	leaf(&supported.head, 1, 0)->ebx ^= 1 << 24;
	tap_ok(set_msr(VMX_MSR_PROC2, value) == 1 && may_proc2(PROC2_EPT), "userspace does");
	tap_ok(set_msr(VMX_MSR_PROC2, value | 1ull << 63) == 0, "what is not offered is refused");
	vm_free(vm);
}

static void posted_interrupts(void)
{
	u64 device, value;

	new_vcpu(false);
	set_cpuid(&supported);
	device = msr_of_device(VMX_MSR_TRUE_PIN);
	get_msr(VMX_MSR_TRUE_PIN, &value);
	tap_ok(!(value >> 32 & PIN_POSTED_INTR), "without an irqchip no posted interrupts");
	tap_ok(set_msr(VMX_MSR_TRUE_PIN, device) == 1 && get_msr(VMX_MSR_TRUE_PIN, &value) == 1 &&
		       !(value >> 32 & PIN_POSTED_INTR),
	       "whatever userspace writes");
	vm_free(vm);
}

static void in_vmx_operation(void)
{
	struct kvm_nested_state state = {
		.size = sizeof(state),
		.format = KVM_STATE_NESTED_FORMAT_VMX,
		.hdr.vmx = { .vmxon_pa = 0x1000, .vmcs12_pa = -1ull },
	};
	u64 value;

	new_vcpu(true);
	set_cpuid(&supported);
	if (ioctl(fd, KVM_SET_NESTED_STATE, &state))
		tap_bail("KVM_SET_NESTED_STATE");
	get_msr(VMX_MSR_PROC2, &value);
	tap_ok(set_msr(VMX_MSR_PROC2, value & ~((u64)PROC2_EPT << 32)) == 0 && may_proc2(PROC2_EPT),
	       "in VMX operation the capabilities stay");
	if (!dev_is_kvm())
		tap_ok(set_msr(VMX_MSR_PROC2, value) == 1, "and are taken as they are");
	state.hdr.vmx.vmxon_pa = -1ull;
	state.hdr.vmx.flags = 1u << 31;
	tap_ok(ioctl(fd, KVM_SET_NESTED_STATE, &state) && errno == EINVAL &&
		       set_msr(VMX_MSR_PROC2, value & ~((u64)PROC2_EPT << 32)) == 0,
	       "a state outside it with a flag that nobody knows is refused");
	state.hdr.vmx.flags = 0;
	ioctl(fd, KVM_SET_NESTED_STATE, &state);
	tap_ok(set_msr(VMX_MSR_PROC2, value & ~((u64)PROC2_EPT << 32)) == 1 &&
		       !may_proc2(PROC2_EPT),
	       "outside they are userspace's to set");
	vm_free(vm);
}

/* --- wider than the processor ---------------------------------------------- */

extern const u8 l1_code[], l1_exit[], l2_code[], l1_end[];

asm(".pushsection .rodata\n"
    "l1_code:" L1_ENTERS "l1_exit: mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21\n"
    "l2_code: out %al, $0x20; hlt\n"
    "l1_end:\n"
    ".popsection\n");

static u32 width;

static void promise_52_bits(void)
{
	static typeof(supported) wide;

	new_vcpu(true);
	wide = supported;
	width = leaf(&wide.head, 0x80000008, 0)->eax & 0xff;
	leaf(&wide.head, 0x80000008, 0)->eax |= 0xff;
	leaf(&wide.head, 0x80000008, 0)->eax &= ~0xffu | 52;
	EXPECT_OK(set_cpuid(&wide), "a CPUID with addresses of 52 bits");
	EXPECT_OK(ioctl(fd, KVM_GET_CPUID2, &wide), "KVM_GET_CPUID2");
	tap_ok((leaf(&wide.head, 0x80000008, 0)->eax & 0xff) == width,
	       "shows the guest as many as the processor has");
}

static void l1_within_the_processor(void)
{
	struct kvm_sregs s;

	promise_52_bits();
	vm_long_mode(vm, 0, L1_HANDLER);
	ioctl(fd, KVM_GET_SREGS, &s);
	s.cr3 |= 1ull << width;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_SREGS, &s), EINVAL, "a CR3 that the processor refuses");
	vm_flat_mode(vm, 0, 0x8000);
	ioctl(fd, KVM_GET_SREGS, &s);
	s.cr3 |= 1ull << width;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_SREGS, &s), EINVAL, "the same without paging");
	vm_free(vm);
}

/* L1's own check finds it: the processor never sees it. */
static void l2_within_the_processor(void)
{
	u64 more[][2] = { { VMCS_GUEST_CR3, LONG_TABLES } };
	struct l1_setup setup = { .exit_rip = L1_CODE + (l1_exit - l1_code),
				  .l2_rip = L1_CODE + (l2_code - l1_code),
				  .more = more,
				  .more_count = 1 };
	struct kvm_run *run;
	u32 reason = 0;

	promise_52_bits();
	more[0][1] |= 1ull << width;
	l1_put(vm, &setup, l1_code, l1_end - l1_code);
	run = vm->cpu[0].run;
	if (!ioctl(fd, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_IO && run->io.port == REASON)
		memcpy(&reason, (u8 *)run + run->io.data_offset, sizeof(reason));
	tap_ok(reason == EXIT_REASON_BAD_GUEST_STATE, "L2 with such a CR3 fails its entry");
	tap_ok(stat_value(ioctl(fd, KVM_GET_STATS_FD, NULL), "nested_entry_refused") == 0,
	       "by a check, not by the processor");
	tap_note("exit %u, reason 0x%x", run->exit_reason, reason);
	vm_free(vm);
}

static void xsave_within_the_processor(void)
{
	static typeof(supported) wide;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_cpuid_entry2 *e;

	new_vcpu(true);
	wide = supported;
	e = leaf(&wide.head, 0xd, 0);
	e->eax = e->edx = e->ecx = ~0u;
	if (!dev_is_kvm()) /* which wants a permission for some */
		EXPECT_OK(set_cpuid(&wide), "a CPUID with each component of XSAVE");
	xcrs.xcrs[0].value = 1ull << 62 | 1;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XCRS, &xcrs), EINVAL, "XCR0 takes none that is not there");
	vm_free(vm);
}

/* RDTSCP and RDPID depend on one control, and either may be had without the other. */
static void rdpid_alone(void)
{
	static const u8 code[] = { 0xf3, 0x0f, 0xc7, 0xf8, 0xe6, 0x10 }; /* rdpid eax; out 0x10 */
	static const char what[] = "RDPID without RDTSCP in CPUID";
	struct kvm_cpuid_entry2 *e = leaf(&supported.head, 0x80000001, 0);
	u32 edx = e->edx;

	if (!(leaf(&supported.head, 7, 0)->ecx & 1u << 22)) {
		tap_skip("no RDPID", what);
		return;
	}
	new_vcpu(false);
	e->edx &= ~(1u << 27);
	EXPECT_OK(set_cpuid(&supported), "a CPUID without RDTSCP");
	e->edx = edx;
	memcpy(vm->ram + 0x1000, code, sizeof(code));
	vm_real_mode(vm, 0, 0x1000);
	tap_ok(vm_run(vm, 0) == KVM_EXIT_IO && vm->cpu[0].run->io.port == 0x10, what);
	vm_free(vm);
}

/* What has state, or needs paging, that abyme does not have: it is hidden on each processor. */
static void hides(void)
{
	static const struct {
		u32 index, bit;
		enum { EAX, EBX, ECX, EDX } reg; /* of leaf 7 */
		const char *name;
	} hidden[] = {
		{ 0, 4, EBX, "HLE" },
		{ 0, 11, EBX, "RTM, whose bits of debug registers would be missing" },
		{ 0, 16, EDX, "TSXLDTRK" },
		{ 0, 16, ECX, "5-level paging" },
		{ 0, 31, ECX, "protection keys for supervisor pages" },
		{ 0, 5, EDX, "user interrupts" },
		{ 0, 22, EDX, "AMX-BF16" },
		{ 0, 24, EDX, "AMX-TILE" },
		{ 0, 25, EDX, "AMX-INT8" },
		{ 1, 17, EAX, "FRED" },
		{ 1, 26, EAX, "linear-address masking" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		const struct kvm_cpuid_entry2 *e = leaf(&supported.head, 7, hidden[i].index);
		const u32 reg[] = { e->eax, e->ebx, e->ecx, e->edx };

		tap_ok(!(reg[hidden[i].reg] >> hidden[i].bit & 1), "%s: hidden", hidden[i].name);
	}
}

/* A guest with an invariant TSC takes it for its clock, whatever L0 says of kvmclock. */
static void invariant_tsc(void)
{
	bool offered = leaf(&supported.head, 0x80000007, 0)->edx & (1u << 8), unstable;
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	if (!file || !fgets(line, sizeof(line), file))
		tap_bail("/proc/cmdline");
	fclose(file);
	unstable = strstr(line, "tsc=unstable");
	tap_ok(offered == !unstable, "an invariant TSC is offered where the host's is stable");
}

int main(void)
{
	int dev = dev_open();

	supported.head.nent = ARRAY_SIZE(supported.entries);
	if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, &supported))
		tap_bail("KVM_GET_SUPPORTED_CPUID");
	if (!dev_is_kvm()) { /* which lists MSRs that a vCPU without the feature has not */
		each_msr_of_the_list(NO_CPUID, "no CPUID");
		each_msr_of_the_list(WITHOUT_VMX, "CPUID without VMX");
	}
	each_msr_of_the_list(WITH_ALL, "all of CPUID");
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		comes_back_with_cpuid(i);
	userspace_takes_away();
	if (!dev_is_kvm()) {
		posted_interrupts();
		hides();
		invariant_tsc();
	}
	in_vmx_operation();
	if (!dev_is_kvm()) {
		l1_within_the_processor();
		l2_within_the_processor();
	}
	rdpid_alone();
	xsave_within_the_processor();
	return tap_done();
}
