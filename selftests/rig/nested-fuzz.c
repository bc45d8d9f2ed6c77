// SPDX-License-Identifier: GPL-2.0-only
/*
 * nested-fuzz [-v] [-n ROUNDS] [-s SEED] [IMAGE...]: nested states of a running L2, turned over.
 * Each is taken or refused with an errno that abyme(4) has; what is refused changes nothing;
 * what is taken runs to something that is defined. NESTED_FUZZ_ROUNDS in the environment is the
 * default of -n.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmx/info.h>
#include "shake.h"

#define PAGE 4096u
#define HEADER sizeof(struct kvm_nested_state)
#define VMCS12_SIZE KVM_STATE_NESTED_VMX_VMCS_SIZE
#define RFLAGS_IF 0x200ull

static struct vm *vm;
static struct machine base, before, after;
static u8 *edge; /* the state ends where the page after it cannot be read */
static u32 taken, refused, odd, exits;
static bool verbose;

static const struct {
	const char *name;
	u16 offset;
	u8 bytes;
} fields[] = {
#define u16_bytes 2
#define u32_bytes 4
#define u64_bytes 8
#define nat_bytes 8
#define F(name, encoding, width, member, offset, role, shadow) { #name, offset, width##_bytes },
#include <vmx/vmcs_fields.def>
#undef F
};

enum {
#define F(name, encoding, width, member, offset, role, shadow) OFFSET_##name = offset,
#include <vmx/vmcs_fields.def>
#undef F
};

/* --- what may happen -------------------------------------------------------- */

/* All that KVM_SET_NESTED_STATE could have changed. */
static void look(struct machine *m)
{
	static const enum part parts[] = { PART_NESTED,	  PART_REGS,	  PART_SREGS2, PART_EVENTS,
					   PART_MP_STATE, PART_DEBUGREGS, PART_END };

	memset(m, 0, sizeof(*m));
	machine_get_all(vm, m, parts);
}

static void complain(const char *what, const char *why)
{
	if (odd++ < 20)
		tap_note("%s: %s", what, why);
}

static void back_to_base(void)
{
	shake_back(vm);
	machine_set_all(vm, &base, qemu_sets + 1 /* but CPUID */);
	look(&before);
}

/* The state at @edge, of which @readable bytes are there. */
static void try(const char *what, u32 readable)
{
	const char *wrong;
	int r, error;

	if (verbose)
		tap_note("%s", what);
	r = ioctl(vm->cpu[0].fd, KVM_SET_NESTED_STATE, edge + sizeof(base.nested) - readable);
	error = errno;

	if (!r) {
		taken++;
		wrong = shake_run(vm, &exits);
		if (wrong)
			complain(what, wrong);
		back_to_base();
		return;
	}
	refused++;
	if (error != EINVAL && error != EFAULT)
		complain(what, strerror(error));
	look(&after);
	if (memcmp(&before, &after, sizeof(after))) {
		complain(what, "refused, and something has changed");
		back_to_base();
	}
}

static struct kvm_nested_state *fresh(void)
{
	return memcpy(edge, &base.nested, sizeof(base.nested));
}

/* --- one thing at a time ------------------------------------------------------- */

static void put_field(u32 i, u64 value)
{
	fresh();
	memcpy(edge + HEADER + fields[i].offset, &value, fields[i].bytes);
	try(fields[i].name, sizeof(base.nested));
}

static void each_field(void)
{
	u64 value, interesting[] = { 0, ~0ull, 1, 0x1000, 1ull << 63, 0xfffffffffffff000 };

	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		value = 0;
		memcpy(&value, base.nested.room + HEADER + fields[i].offset, fields[i].bytes);
		for (u32 j = 0; j < ARRAY_SIZE(interesting); j++)
			put_field(i, interesting[j]);
		put_field(i, value ^ 1ull << shake_draw() % (8 * fields[i].bytes));
		put_field(i, shake_draw());
	}
}

/* Another processor's capabilities are other control bits. */
static void each_control_bit(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		u32 value;

		if (!strstr(fields[i].name, "_CTLS") || fields[i].bytes != 4)
			continue;
		memcpy(&value, base.nested.room + HEADER + fields[i].offset, 4);
		for (u32 bit = 0; bit < 32; bit++)
			put_field(i, value ^ 1u << bit);
	}
}

static void header(void)
{
	struct kvm_nested_state *s;

	for (u32 bit = 0; bit < 16; bit++) {
		s = fresh();
		s->flags ^= 1u << bit;
		try("flags", sizeof(base.nested));
		s = fresh();
		s->hdr.vmx.smm.flags ^= 1u << bit;
		try("smm.flags", sizeof(base.nested));
		s = fresh();
		s->hdr.vmx.flags ^= 1u << bit;
		s->hdr.vmx.preemption_timer_deadline = shake_draw();
		try("vmx.flags", sizeof(base.nested));
		s = fresh();
		s->format = bit + 1;
		try("format", sizeof(base.nested));
	}
	for (u32 bit = 0; bit < 64; bit++) {
		s = fresh();
		s->hdr.vmx.vmxon_pa ^= 1ull << bit;
		try("vmxon_pa", sizeof(base.nested));
		s = fresh();
		s->hdr.vmx.vmcs12_pa ^= 1ull << bit;
		try("vmcs12_pa", sizeof(base.nested));
	}
	s = fresh();
	s->hdr.vmx.vmxon_pa = s->hdr.vmx.vmcs12_pa;
	try("one address for both", sizeof(base.nested));
	s = fresh();
	s->hdr.vmx.vmxon_pa = ~0ull;
	try("no vmxon_pa", sizeof(base.nested));
	s = fresh();
	s->hdr.vmx.vmcs12_pa = ~0ull;
	try("no vmcs12_pa", sizeof(base.nested));
	s = fresh();
	s->flags = 0;
	try("L2 does not run", sizeof(base.nested));
}

static void sizes(void)
{
	static const u32 lengths[] = { 0,
				       1,
				       HEADER - 1,
				       HEADER,
				       HEADER + 1,
				       HEADER + VMCS12_SIZE - 1,
				       HEADER + VMCS12_SIZE,
				       HEADER + 2 * VMCS12_SIZE - 1,
				       HEADER + 2 * VMCS12_SIZE,
				       1u << 30,
				       ~0u };

	for (u32 i = 0; i < ARRAY_SIZE(lengths); i++) {
		fresh()->size = lengths[i];
		try("size", sizeof(base.nested));
	}
	/* What .size promises ends at a page that is not there. */
	for (u32 i = 0; i < 9; i++) {
		u32 readable = lengths[i];

		memcpy(edge + sizeof(base.nested) - readable, &base.nested, readable);
		try("truncated", readable);
	}
}

/* --- many things ----------------------------------------------------------------- */

static void turn_over(void)
{
	u8 *s = (u8 *)fresh();

	for (u32 many = 1 + shake_draw() % 4; many; many--) {
		u32 i = shake_draw() % ARRAY_SIZE(fields), j = shake_draw() % ARRAY_SIZE(fields);
		u64 value = shake_draw();

		switch (shake_draw() % 6) {
		case 0: memcpy(s + HEADER + fields[i].offset, &value, fields[i].bytes); break;
		case 1:
			s[HEADER + fields[i].offset + value % fields[i].bytes] ^=
				1u << (value >> 60) % 8;
			break;
		case 2:
			memcpy(s + HEADER + fields[i].offset, s + HEADER + fields[j].offset,
			       fields[i].bytes);
			break;
		case 3: s[shake_draw() % HEADER] ^= 1u << value % 8; break;
		case 4: s[HEADER + shake_draw() % VMCS12_SIZE] = value; break;
		default: s[HEADER + VMCS12_SIZE + shake_draw() % VMCS12_SIZE] = value;
		}
	}
	try("turned over", sizeof(base.nested));
}

/* --- where it begins -------------------------------------------------------------- */

static void take_base(const char *image)
{
	vm = shake_start(image, true);
	machine_get(vm, &base, PART_CPUID);
	machine_get_all(vm, &base, qemu_gets);
	base.regs.rflags |= RFLAGS_IF;
	base.nested.room[HEADER + OFFSET_GUEST_RFLAGS + 1] |= RFLAGS_IF >> 8;
	shake_keep(vm);
	back_to_base();
}

static void fuzz(const char *image, u32 rounds)
{
	take_base(image);
	taken = refused = odd = 0;
	header();
	tap_note("headers: %u taken, %u refused", taken, refused);
	sizes();
	each_control_bit();
	tap_note("controls: %u taken, %u refused", taken, refused);
	each_field();
	tap_note("fields: %u taken, %u refused", taken, refused);
	for (u32 i = 0; i < rounds; i++)
		turn_over();
	tap_ok(!odd && taken && refused, "states of %s, turned over, are taken or refused whole",
	       image);
	tap_note("%u taken, %u refused", taken, refused);
	vm_free(vm);
}

static u8 *map(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		tap_bail("mmap");
	return p;
}

int main(int argc, char **argv)
{
	size_t room = (sizeof(base.nested) + PAGE - 1) / PAGE * PAGE;
	const char *env = getenv("NESTED_FUZZ_ROUNDS");
	u32 rounds = env ? atoi(env) : 200;
	int opt;

	while ((opt = getopt(argc, argv, "n:s:v")) != -1) {
		switch (opt) {
		case 'n': rounds = atoi(optarg); break;
		case 'v': verbose = true; break;
		case 's': shake_seed = strtoull(optarg, NULL, 0) | 1; break;
		default: tap_bail("usage: nested-fuzz [-v] [-n ROUNDS] [-s SEED] [IMAGE...]");
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	edge = map(room + PAGE);
	mprotect(edge + room, PAGE, PROT_NONE);
	edge += room - sizeof(base.nested);
	if (optind == argc)
		fuzz("l2-meanwhile", rounds);
	for (int i = optind; i < argc; i++)
		fuzz(argv[i], rounds);
	return tap_done();
}
