// SPDX-License-Identifier: GPL-2.0-only
/* CPUID: the device's offer, made one vCPU's own. */
#include <string.h>

#include "guest_cpuid.h"

#define ECX1_VMX (1u << 5)
#define ECX1_PDCM (1u << 15)
#define ECX1_X2APIC (1u << 21)
#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_HYPERVISOR (1u << 31)
#define EDX1_HTT (1u << 28)
#define ECX80000001_SVM (1u << 2)
#define ECX80000001_TOPOEXT (1u << 22)

#define LEVEL_SMT 1
#define LEVEL_CORE 2

struct kvm_cpuid_entry2 *cpuid_find(struct cpuid_table *table, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < table->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &table->entry[i];

		if (e->function == function &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

static struct kvm_cpuid_entry2 *add(struct cpuid_table *table, uint32_t function, uint32_t index,
				    uint32_t flags)
{
	struct kvm_cpuid_entry2 *e;

	if (table->head.nent >= CPUID_ENTRIES_MAX)
		return NULL;
	e = &table->entry[table->head.nent++];
	*e = (struct kvm_cpuid_entry2){ .function = function, .index = index, .flags = flags };
	return e;
}

static void drop_function(struct cpuid_table *table, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < table->head.nent; i++)
		if (table->entry[i].function != function)
			table->entry[kept++] = table->entry[i];
	table->head.nent = kept;
}

bool cpuid_has_vmx(struct cpuid_table *table)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(table, 1, 0);

	return e && (e->ecx & ECX1_VMX);
}

void cpuid_vendor(struct cpuid_table *table, char name[13])
{
	struct kvm_cpuid_entry2 *e = cpuid_find(table, 0, 0);

	memset(name, 0, 13);
	if (!e)
		return;
	memcpy(name, &e->ebx, 4);
	memcpy(name + 4, &e->edx, 4);
	memcpy(name + 8, &e->ecx, 4);
}

/* Bits of an APIC id that number @count things. */
static unsigned int id_bits(unsigned int count)
{
	return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

static void shape_features(struct kvm_cpuid_entry2 *e, const struct cpuid_wish *wish,
			   unsigned int id)
{
	uint32_t shown = 1u << id_bits(wish->cpus);

	e->ebx = (e->ebx & 0xffff) | (shown > 255 ? 255 : shown) << 16 | id << 24;
	e->ecx |= ECX1_X2APIC | ECX1_HYPERVISOR;
	/* No performance counters: saving and loading them costs each nested exit. */
	e->ecx &= ~ECX1_PDCM;
	if (!wish->nested)
		e->ecx &= ~ECX1_VMX;
	if (wish->tsc_deadline)
		e->ecx |= ECX1_TSC_DEADLINE;
	e->edx &= ~EDX1_HTT;
	if (wish->cpus > 1)
		e->edx |= EDX1_HTT;
}

/* All processors are cores of one package, one thread each. */
static void shape_caches(struct cpuid_table *table, unsigned int cpus)
{
	uint32_t cores = (1u << id_bits(cpus)) - 1;

	for (uint32_t i = 0; i < table->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &table->entry[i];
		unsigned int level = e->eax >> 5 & 7;
		uint32_t sharing = level >= 3 ? cores : 0;

		if (e->function == 4 && (e->eax & 0x1f))
			e->eax = (e->eax & 0x3fff) | sharing << 14 | (cores & 0x3f) << 26;
	}
}

static void add_level(struct cpuid_table *table, uint32_t index, uint32_t type, uint32_t shift,
		      uint32_t count, unsigned int id)
{
	struct kvm_cpuid_entry2 *e = add(table, 0xb, index, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

	if (!e)
		return;
	e->eax = shift;
	e->ebx = count;
	e->ecx = index | type << 8;
	e->edx = id;
}

static void shape_topology(struct cpuid_table *table, unsigned int cpus, unsigned int id)
{
	struct kvm_cpuid_entry2 *basic = cpuid_find(table, 0, 0);

	drop_function(table, 0xb);
	drop_function(table, 0x1f);
	add_level(table, 0, LEVEL_SMT, 0, 1, id);
	add_level(table, 1, LEVEL_CORE, id_bits(cpus), cpus, id);
	add_level(table, 2, 0, 0, 0, id);
	if (basic && basic->eax < 0xb)
		basic->eax = 0xb;
}

/* AMD counts cores elsewhere. KVM runs there too, and is what we compare with. */
static void shape_amd(struct cpuid_table *table, const struct cpuid_wish *wish)
{
	struct kvm_cpuid_entry2 *features = cpuid_find(table, 0x80000001, 0);
	struct kvm_cpuid_entry2 *sizes = cpuid_find(table, 0x80000008, 0);
	char vendor[13];

	cpuid_vendor(table, vendor);
	if (strcmp(vendor, "AuthenticAMD"))
		return;
	if (features)
		features->ecx &= ~ECX80000001_TOPOEXT;
	if (features && !wish->nested)
		features->ecx &= ~ECX80000001_SVM;
	if (sizes)
		sizes->ecx = (wish->cpus - 1) | id_bits(wish->cpus) << 12;
	drop_function(table, 0x80000026);
}

static void add_signature(struct cpuid_table *table)
{
	struct kvm_cpuid_entry2 *e;
	const char signature[12] = CPUID_ABYME_SIGNATURE;

	drop_function(table, CPUID_ABYME_BASE);
	e = add(table, CPUID_ABYME_BASE, 0, 0);
	if (!e)
		return;
	e->eax = CPUID_ABYME_BASE;
	memcpy(&e->ebx, signature, 4);
	memcpy(&e->ecx, signature + 4, 4);
	memcpy(&e->edx, signature + 8, 4);
}

void cpuid_shape(struct cpuid_table *table, const struct cpuid_wish *wish, unsigned int id)
{
	struct kvm_cpuid_entry2 *features = cpuid_find(table, 1, 0);
	struct kvm_cpuid_entry2 *counters = cpuid_find(table, 0xa, 0);

	if (features)
		shape_features(features, wish, id);
	if (counters)
		counters->eax = counters->ebx = counters->ecx = counters->edx = 0;
	shape_caches(table, wish->cpus);
	shape_topology(table, wish->cpus, id);
	shape_amd(table, wish);
	add_signature(table);
}
