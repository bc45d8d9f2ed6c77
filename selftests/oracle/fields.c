// SPDX-License-Identifier: GPL-2.0-only
/* The table of fields, and numbers that are made from numbers. */
#include "oracle.h"

const struct field_info fields[NR_FIELDS] = {
#define F(name_, encoding_, width, member, offset, role_, shadow_) \
	[F_##name_] = { .encoding = encoding_,                     \
			.role = ROLE_##role_,                      \
			.shadow = SHADOW_##shadow_,                \
			.name = #name_ },
#include <vmx/vmcs_fields.def>
#undef F
};

/*
 * Fields that are not compared: they depend on time, hold what the library
 * needs, or their control is not offered on every side.
 */
static const bool left_out[NR_FIELDS] = {
	[F_POSTED_INTR_VECTOR] = true,
	[F_EPTP_INDEX] = true,
	[F_GUEST_INTR_STATUS] = true,
	[F_PML_INDEX] = true,
	[F_EXECUTIVE_VMCS] = true,
	[F_PML_ADDR] = true,
	[F_POSTED_INTR_DESC] = true,
	[F_EOI_BITMAP0] = true,
	[F_EOI_BITMAP1] = true,
	[F_EOI_BITMAP2] = true,
	[F_EOI_BITMAP3] = true,
	[F_VE_INFO_ADDR] = true,
	[F_XSS_BITMAP] = true,
	[F_ENCLS_BITMAP] = true,
	[F_TSC_MULTIPLIER] = true,
	[F_GUEST_PERF_GLOBAL_CTRL] = true,
	[F_GUEST_BNDCFGS] = true,
	[F_HOST_PERF_GLOBAL_CTRL] = true,
	[F_PLE_GAP] = true,
	[F_PLE_WINDOW] = true,
	[F_GUEST_SMBASE] = true,
	[F_GUEST_PREEMPT_TIMER] = true,
	[F_INSN_ERROR] = true,
	[F_IO_RCX] = true,
	[F_IO_RSI] = true,
	[F_IO_RDI] = true,
	[F_IO_RIP] = true,
	[F_HOST_RSP] = true,
};

/* This side's VMCS has not got it. */
static bool lacking[NR_FIELDS];

struct field_list writable_fields, exit_fields, guest_fields, rare_fields, host_fields;

static void add(struct field_list *list, enum field f)
{
	list->at[list->count++] = f;
}

static void sort_in(enum field f)
{
	if (fields[f].role == ROLE_EXIT) {
		add(&exit_fields, f);
		return;
	}
	add(&writable_fields, f);
	if (fields[f].role == ROLE_HOST)
		add(&host_fields, f);
	if (fields[f].role == ROLE_GUEST)
		add(fields[f].shadow == SHADOW_NONE ? &rare_fields : &guest_fields, f);
}

void fields_find(void)
{
	u64 v;

	for (u32 i = 0; i < NR_FIELDS; i++) {
		lacking[i] = !left_out[i] && vmread(fields[i].encoding, &v) != VM_OK;
		if (lacking[i])
			printf("L %s lacking\n", fields[i].name);
		if (field_compared(i))
			sort_in(i);
	}
}

bool field_compared(enum field f)
{
	return !left_out[f] && !lacking[f];
}

/* The finalizer of splitmix64. */
static u64 scramble(u64 v)
{
	v ^= v >> 30;
	v *= 0xbf58476d1ce4e5b9ULL;
	v ^= v >> 27;
	v *= 0x94d049bb133111ebULL;
	return v ^ v >> 31;
}

u64 mix(u64 a, u64 b)
{
	return scramble(a * 3 + b + 0x9e3779b97f4a7c15ULL);
}

u64 rng_next(struct rng *r)
{
	r->state += 0x9e3779b97f4a7c15ULL;
	return scramble(r->state);
}

u64 rng_edge(struct rng *r)
{
	static const u64 edges[] = {
		0,
		1,
		~0ULL,
		0x7f,
		0x80,
		0xff,
		0xffff,
		0x10000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		0x100000000,
		0x7fffffffffff,
		0x800000000000,
		0xffff7fffffffffff,
		0xffff800000000000,
		0x7fffffffffffffff,
		0x8000000000000000,
		L2_DATA,
		L2_CODE,
	};

	switch (rng_below(r, 4)) {
	case 0: return 1ULL << rng_below(r, 64);
	case 1: return rng_next(r) >> rng_below(r, 64);
	default: return RNG_PICK(r, edges);
	}
}
