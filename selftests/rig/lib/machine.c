// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include "../machine.h"

#define MSR_IA32_FEATURE_CONTROL 0x3a
#define MSR_IA32_TSC_DEADLINE 0x6e0

/*
 * QEMU reads events and the MP state first, as both can change others, and writes its LAPIC
 * when the device is loaded, which is before the vCPUs are.
 */
const enum part qemu_gets[] = {
	PART_EVENTS,	PART_MP_STATE, PART_REGS, PART_XSAVE, PART_XCRS,
	PART_SREGS2,	PART_MSRS,     PART_SSP,  PART_LAPIC, PART_NESTED,
	PART_DEBUGREGS, PART_IRQCHIP,  PART_PIT,  PART_CLOCK, PART_END,
};

const enum part qemu_sets[] = {
	PART_CPUID,	   PART_CLOCK,	   PART_PIT,
	PART_IRQCHIP,	   PART_LAPIC,	   PART_FEATURE_CONTROL,
	PART_SREGS2,	   PART_NESTED,	   PART_REGS,
	PART_XSAVE,	   PART_XCRS,	   PART_MSRS,
	PART_SSP,	   PART_EVENTS,	   PART_MP_STATE,
	PART_TSC_DEADLINE, PART_DEBUGREGS, PART_END,
};

const enum part firecracker_gets[] = {
	PART_MP_STATE,	PART_REGS,  PART_SREGS,	  PART_XSAVE,	PART_XCRS,
	PART_DEBUGREGS, PART_LAPIC, PART_TSC_KHZ, PART_CPUID,	PART_MSRS,
	PART_EVENTS,	PART_PIT,   PART_CLOCK,	  PART_IRQCHIP, PART_END,
};

const enum part firecracker_sets[] = {
	PART_TSC_KHZ, PART_CPUID,     PART_MP_STATE, PART_REGS, PART_SREGS,	   PART_XSAVE,
	PART_XCRS,    PART_DEBUGREGS, PART_LAPIC,    PART_MSRS, PART_TSC_DEADLINE, PART_EVENTS,
	PART_PIT,     PART_CLOCK,     PART_IRQCHIP,  PART_END,
};

const enum part cloud_hypervisor_gets[] = {
	PART_CPUID,  PART_MP_STATE, PART_REGS,	 PART_SREGS, PART_XSAVE,
	PART_XCRS,   PART_LAPIC,    PART_FPU,	 PART_MSRS,  PART_SSP,
	PART_EVENTS, PART_TSC_KHZ,  PART_NESTED, PART_CLOCK, PART_END,
};

const enum part cloud_hypervisor_sets[] = {
	PART_CPUID, PART_MP_STATE, PART_REGS,	PART_SREGS,   PART_XSAVE,
	PART_XCRS,  PART_LAPIC,	   PART_FPU,	PART_TSC_KHZ, PART_MSRS,
	PART_SSP,   PART_EVENTS,   PART_NESTED, PART_CLOCK,   PART_END,
};

/* --- parts that are more than one structure ----------------------------- */

static int get_msrs(struct vm *vm, struct machine *m)
{
	struct {
		struct kvm_msr_list head;
		u32 index[MACHINE_MSRS];
	} list = { .head.nmsrs = MACHINE_MSRS };

	if (ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list))
		return -1;
	m->msrs.head.nmsrs = list.head.nmsrs;
	for (u32 i = 0; i < list.head.nmsrs; i++)
		m->msrs.entries[i] = (struct kvm_msr_entry){ .index = list.index[i] };
	errno = EINVAL;
	return ioctl(vm->cpu[0].fd, KVM_GET_MSRS, &m->msrs) == (int)list.head.nmsrs ? 0 : -1;
}

static int set_msrs(struct vm *vm, struct machine *m)
{
	int done = ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &m->msrs);

	if (done == (int)m->msrs.head.nmsrs)
		return 0;
	if (done >= 0) {
		tap_note("MSR 0x%x = 0x%llx is refused", m->msrs.entries[done].index,
			 m->msrs.entries[done].data);
		errno = EINVAL;
	}
	return -1;
}

struct kvm_msr_entry *machine_msr(struct machine *m, u32 index)
{
	for (u32 i = 0; i < m->msrs.head.nmsrs; i++)
		if (m->msrs.entries[i].index == index)
			return &m->msrs.entries[i];
	return NULL;
}

static int set_one_msr(struct vm *vm, struct machine *m, u32 index)
{
	const struct kvm_msr_entry *saved = machine_msr(m, index);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };

	if (!saved)
		return 0;
	one.entry = *saved;
	errno = EINVAL;
	return ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &one) == 1 ? 0 : -1;
}

static int do_chips(struct vm *vm, struct machine *m, unsigned long request)
{
	for (u32 i = 0; i < ARRAY_SIZE(m->chip); i++) {
		m->chip[i].chip_id = i;
		if (ioctl(vm->fd, request, &m->chip[i]))
			return -1;
	}
	return 0;
}

#define REG_SSP (KVM_REG_X86 | KVM_REG_SIZE_U64 | 3ull << 32)

/* KVM before Linux 6.18 has no list of such registers. */
static int do_ssp(struct vm *vm, struct machine *m, unsigned long request)
{
	struct {
		struct kvm_reg_list head;
		u64 id[1];
	} list = { .head.n = 1 };
	struct kvm_one_reg reg = { .id = REG_SSP, .addr = (u64)&m->ssp };

	if (ioctl(vm->cpu[0].fd, KVM_GET_REG_LIST, &list))
		return errno == ENOTTY || errno == EINVAL ? 0 : -1;
	return list.head.n ? ioctl(vm->cpu[0].fd, request, &reg) : 0;
}

/* --- the table ---------------------------------------------------------- */

/* @get and @set of one structure, of the vCPU or of the VM; 0: see below. */
static const struct {
	const char *name;
	unsigned long get, set;
	size_t offset;
	bool of_vm;
} parts[] = {
#define ONE(name, member) KVM_GET_##name, KVM_SET_##name, offsetof(struct machine, member)
	[PART_CPUID] = { "CPUID2", 0, KVM_SET_CPUID2, offsetof(struct machine, cpuid) },
	[PART_FEATURE_CONTROL] = { "IA32_FEATURE_CONTROL" },
	[PART_SREGS] = { "SREGS", ONE(SREGS, sregs) },
	[PART_SREGS2] = { "SREGS2", ONE(SREGS2, sregs2) },
	[PART_NESTED] = { "NESTED_STATE", 0, KVM_SET_NESTED_STATE,
			  offsetof(struct machine, nested) },
	[PART_REGS] = { "REGS", ONE(REGS, regs) },
	[PART_XSAVE] = { "XSAVE", ONE(XSAVE, xsave) },
	[PART_FPU] = { "FPU", ONE(FPU, fpu) },
	[PART_XCRS] = { "XCRS", ONE(XCRS, xcrs) },
	[PART_TSC_KHZ] = { "TSC_KHZ" },
	[PART_MSRS] = { "MSRS" },
	[PART_SSP] = { "SSP" },
	[PART_EVENTS] = { "VCPU_EVENTS", ONE(VCPU_EVENTS, events) },
	[PART_MP_STATE] = { "MP_STATE", ONE(MP_STATE, mp_state) },
	[PART_TSC_DEADLINE] = { "IA32_TSC_DEADLINE" },
	[PART_DEBUGREGS] = { "DEBUGREGS", ONE(DEBUGREGS, debugregs) },
	[PART_LAPIC] = { "LAPIC", ONE(LAPIC, lapic) },
	[PART_IRQCHIP] = { "IRQCHIP" },
	[PART_PIT] = { "PIT2", ONE(PIT2, pit), true },
	[PART_CLOCK] = { "CLOCK", ONE(CLOCK, clock), true },
#undef ONE
};

const char *part_name(enum part part)
{
	return parts[part].name;
}

static int simple(struct vm *vm, struct machine *m, enum part part, unsigned long request)
{
	return ioctl(parts[part].of_vm ? vm->fd : vm->cpu[0].fd, request,
		     (u8 *)m + parts[part].offset);
}

int machine_get(struct vm *vm, struct machine *m, enum part part)
{
	int fd = vm->cpu[0].fd;

	switch (part) {
	case PART_CPUID:
		m->cpuid.head.nent = ARRAY_SIZE(m->cpuid.entries);
		return ioctl(fd, KVM_GET_CPUID2, &m->cpuid);
	case PART_NESTED:
		memset(&m->nested, 0, sizeof(m->nested));
		m->nested.state.size = sizeof(m->nested);
		return ioctl(fd, KVM_GET_NESTED_STATE, &m->nested);
	case PART_MSRS: return get_msrs(vm, m);
	case PART_SSP: return do_ssp(vm, m, KVM_GET_ONE_REG);
	case PART_IRQCHIP: return do_chips(vm, m, KVM_GET_IRQCHIP);
	case PART_TSC_KHZ:
		m->tsc_khz = ioctl(fd, KVM_GET_TSC_KHZ, 0);
		return m->tsc_khz > 0 ? 0 : -1;
	default: return simple(vm, m, part, parts[part].get);
	}
}

int machine_set(struct vm *vm, struct machine *m, enum part part)
{
	struct kvm_clock_data clock = { .clock = m->clock.clock };

	switch (part) {
	case PART_FEATURE_CONTROL: return set_one_msr(vm, m, MSR_IA32_FEATURE_CONTROL);
	case PART_TSC_DEADLINE: return set_one_msr(vm, m, MSR_IA32_TSC_DEADLINE);
	case PART_MSRS: return set_msrs(vm, m);
	case PART_SSP: return do_ssp(vm, m, KVM_SET_ONE_REG);
	case PART_IRQCHIP: return do_chips(vm, m, KVM_SET_IRQCHIP);
	case PART_TSC_KHZ: return ioctl(vm->cpu[0].fd, KVM_SET_TSC_KHZ, m->tsc_khz);
	case PART_CLOCK: return ioctl(vm->fd, KVM_SET_CLOCK, &clock);
	default: return simple(vm, m, part, parts[part].set);
	}
}

void machine_get_all(struct vm *vm, struct machine *m, const enum part *list)
{
	for (; *list != PART_END; list++)
		if (machine_get(vm, m, *list))
			tap_bail(part_name(*list));
}

void machine_set_all(struct vm *vm, struct machine *m, const enum part *list)
{
	for (; *list != PART_END; list++)
		if (machine_set(vm, m, *list))
			tap_bail(part_name(*list));
}
