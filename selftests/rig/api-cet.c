// SPDX-License-Identifier: GPL-2.0-only
/*
 * CET through the API: its MSRs, CR4.CET, SSP by KVM_GET_ONE_REG and KVM_SET_ONE_REG, where the
 * processor has it, and that nothing of it is there where it has not.
 */
#include <string.h>
#include "vm.h"

#define REG_MSR(msr) (KVM_REG_X86 | KVM_REG_SIZE_U64 | 2ull << 32 | (msr))
#define REG_SSP (KVM_REG_X86 | KVM_REG_SIZE_U64 | 3ull << 32)
#define MSR_LSTAR 0xc0000082
#define MSR_U_CET 0x6a0
#define MSR_S_CET 0x6a2
#define MSR_PL0_SSP 0x6a4
#define MSR_SSP_TABLE 0x6a8
#define MSR_XSS 0xda0
#define NON_CANONICAL (1ull << 47)

static struct vm *vm;
static int fd;
static bool offered;

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[256];
} cpuid;

static struct kvm_cpuid_entry2 *leaf(u32 function, u32 index)
{
	for (u32 i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == function && cpuid.entries[i].index == index)
			return &cpuid.entries[i];
	return NULL;
}

/* 1: done. */
static int one_msr(unsigned long request, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	int r = ioctl(fd, request, &m);

	*value = m.entry.data;
	return r;
}

static int set_msr(u32 index, u64 value)
{
	return one_msr(KVM_SET_MSRS, index, &value);
}

static int one_reg(unsigned long request, u64 id, u64 *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (u64)value };

	return ioctl(fd, request, &reg);
}

static u64 regs_listed(void)
{
	struct {
		struct kvm_reg_list head;
		u64 id[2];
	} list = { .head.n = 2 };

	EXPECT_OK(ioctl(fd, KVM_GET_REG_LIST, &list), "KVM_GET_REG_LIST");
	if (list.head.n)
		tap_ok(list.id[0] == REG_SSP, "it has SSP");
	return list.head.n;
}

static void registers(void)
{
	u64 v = 0xffff800000001000;

	tap_ok(vm_cap(vm->fd, KVM_CAP_ONE_REG) == 1, "KVM_CAP_ONE_REG");
	EXPECT_OK(one_reg(KVM_SET_ONE_REG, REG_MSR(MSR_LSTAR), &v), "an MSR by its id");
	v = 0;
	EXPECT_OK(one_reg(KVM_GET_ONE_REG, REG_MSR(MSR_LSTAR), &v), "and back");
	tap_ok(v == 0xffff800000001000, "has the value");
	v = 1ull << 63;
	EXPECT_ERRNO(one_reg(KVM_SET_ONE_REG, REG_MSR(MSR_LSTAR), &v), EINVAL, "a bad value");
	EXPECT_ERRNO(one_reg(KVM_GET_ONE_REG, REG_MSR(0x12345678), &v), EINVAL, "no such MSR");
	EXPECT_ERRNO(one_reg(KVM_GET_ONE_REG, REG_SSP + 1, &v), EINVAL, "no such register");
	EXPECT_ERRNO(one_reg(KVM_GET_ONE_REG, REG_MSR(MSR_LSTAR) ^ KVM_REG_SIZE_U64, &v), EINVAL,
		     "another size");
	EXPECT_ERRNO(one_reg(KVM_GET_ONE_REG, REG_MSR(MSR_LSTAR), NULL), EFAULT, "to NULL");
	EXPECT_ERRNO(one_reg(KVM_SET_ONE_REG, REG_MSR(MSR_LSTAR), NULL), EFAULT, "from NULL");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_ONE_REG, NULL), EFAULT, "KVM_GET_ONE_REG of NULL");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_REG_LIST, NULL), EFAULT, "KVM_GET_REG_LIST to NULL");
}

/* A guest without CET, be it that the processor has none. */
static void without(void)
{
	u64 v = 0x1000;

	tap_ok(!regs_listed(), "without shadow stacks there is nothing in the list");
	EXPECT_ERRNO(one_reg(KVM_SET_ONE_REG, REG_SSP, &v), EINVAL, "nor SSP");
	EXPECT_ERRNO(one_reg(KVM_GET_ONE_REG, REG_SSP, &v), EINVAL, "to be read");
	for (u32 msr = MSR_PL0_SSP; msr <= MSR_SSP_TABLE; msr++)
		tap_ok(!set_msr(msr, 0x1000), "MSR 0x%x takes no value", msr);
	tap_ok(!set_msr(MSR_U_CET, 1) && !set_msr(MSR_S_CET, 1), "nor do U_CET and S_CET");
	tap_ok(set_msr(MSR_U_CET, 0) == offered && set_msr(MSR_SSP_TABLE, 0) == offered,
	       "0 they take if they are in the list");
	tap_ok(!set_msr(MSR_XSS, 1 << 11), "IA32_XSS has no bit 11");
}

static void lists(void)
{
	struct {
		struct kvm_msr_list head;
		u32 index[256];
	} list = { .head.nmsrs = 256 };
	u32 n = 0;

	EXPECT_OK(ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list), "KVM_GET_MSR_INDEX_LIST");
	for (u32 i = 0; i < list.head.nmsrs; i++)
		n += list.index[i] >= MSR_U_CET && list.index[i] <= MSR_SSP_TABLE;
	tap_ok(n == (offered ? 7 : 0), "has %u of CET's MSRs", n);
}

static void state(void)
{
	struct kvm_sregs s;
	u64 v;

	tap_ok(regs_listed() == 1, "one register is no MSR");
	tap_ok(set_msr(MSR_S_CET, 5) == 1 && set_msr(MSR_U_CET, 1) == 1, "S_CET and U_CET");
	tap_ok(!set_msr(MSR_S_CET, 1 << 6), "not with a reserved bit");
	tap_ok(!set_msr(MSR_S_CET, 0xc00), "nor with SUPPRESS and TRACKER");
	tap_ok(set_msr(MSR_PL0_SSP, 0x1008) == 1 && !set_msr(MSR_PL0_SSP, 2), "PL0_SSP is aligned");
	tap_ok(!set_msr(MSR_SSP_TABLE, NON_CANONICAL), "the table's address is canonical");
	v = 0x7ffffffff000;
	EXPECT_OK(one_reg(KVM_SET_ONE_REG, REG_SSP, &v), "SSP");
	v = 0;
	EXPECT_OK(one_reg(KVM_GET_ONE_REG, REG_SSP, &v), "comes back");
	tap_ok(v == 0x7ffffffff000, "as it was");
	v = 2;
	EXPECT_ERRNO(one_reg(KVM_SET_ONE_REG, REG_SSP, &v), EINVAL, "not aligned");
	v = NON_CANONICAL;
	EXPECT_ERRNO(one_reg(KVM_SET_ONE_REG, REG_SSP, &v), EINVAL, "not canonical");
	ioctl(fd, KVM_GET_SREGS, &s);
	s.cr4 |= 1 << 23;
	s.cr0 &= ~(1ull << 16);
	EXPECT_ERRNO(ioctl(fd, KVM_SET_SREGS, &s), EINVAL, "CR4.CET without CR0.WP");
	s.cr0 |= 1 << 16;
	EXPECT_OK(ioctl(fd, KVM_SET_SREGS, &s), "CR4.CET with it");
}

/* What a table offers by halves. */
static void halves(void)
{
	leaf(7, 0)->ecx &= ~(1u << 7);
	EXPECT_OK(ioctl(fd, KVM_SET_CPUID2, &cpuid), "branch tracking alone");
	tap_ok(!regs_listed(), "has no SSP");
	tap_ok(!set_msr(MSR_S_CET, 1) && set_msr(MSR_S_CET, 4) == 1, "S_CET has ENDBR_EN only");
	tap_ok(!set_msr(MSR_PL0_SSP, 8), "and there is no PL0_SSP");
	set_msr(MSR_S_CET, 0);
	leaf(7, 0)->ecx |= 1u << 7;
	leaf(7, 0)->edx &= ~(1u << 20);
	EXPECT_OK(ioctl(fd, KVM_SET_CPUID2, &cpuid), "shadow stacks alone");
	tap_ok(set_msr(MSR_S_CET, 1) == 1 && !set_msr(MSR_S_CET, 4), "S_CET has no ENDBR_EN");
	leaf(7, 0)->edx |= 1u << 20;
}

static void new_cpu(void)
{
	vm = vm_new(1u << 20);
	vm_irqchip(vm);
	vm_add_cpu(vm);
	fd = vm->cpu[0].fd;
}

int main(void)
{
	new_cpu();
	cpuid.head.nent = ARRAY_SIZE(cpuid.entries);
	if (ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuid))
		tap_bail("KVM_GET_SUPPORTED_CPUID");
	offered = leaf(7, 0) && (leaf(7, 0)->ecx & 1 << 7) && (leaf(7, 0)->edx & 1 << 20);
	tap_note("CET is %soffered", offered ? "" : "not ");
	registers();
	lists();
	without();
	if (!offered) {
		tap_skip("no CET", "what it has");
		return tap_done();
	}
	EXPECT_OK(ioctl(fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
	state();
	vm_free(vm);
	new_cpu();
	halves();
	return tap_done();
}
