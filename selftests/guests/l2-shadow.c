// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing: L2's VMREAD and VMWRITE act on the VMCS that the link
 * pointer names, where L1's bitmaps let them. SDM: "VMREAD", "VMWRITE",
 * "VMREAD-Bitmap and VMWRITE-Bitmap Addresses", "Shadow VMCS".
 */
#include "vmx.h"

#define BITMAP_BYTES 4096
#define UNKNOWN_FIELD 0x0ffe /* of no field, and within the bitmaps */

/* What L2 does, and how that ended; L1's and L2's memory is the same. */
static struct {
	u64 field, value;
	u64 outcome;
} l2;

struct shadow {
	struct l1_vmx *vmx;
	u8 *region; /* the shadow VMCS */
	u8 *read_bitmap, *write_bitmap;
};

static void allow(u8 *bitmap, u32 field)
{
	bitmap[field / 8] &= ~BIT(field % 8);
}

static void current_is(void *region)
{
	EXPECT_OUTCOME(vmptrld((u64)region), VM_OK);
}

static void shadow_put(const struct shadow *s, u64 field, u64 value)
{
	current_is(s->region);
	EXPECT_OUTCOME(vmwrite(field, value), VM_OK);
	EXPECT_OUTCOME(vmclear((u64)s->region), VM_OK);
	current_is(s->vmx->vmcs);
}

static u64 shadow_get(const struct shadow *s, u64 field)
{
	u64 value;

	current_is(s->region);
	value = l1_vmread(field);
	EXPECT_OUTCOME(vmclear((u64)s->region), VM_OK);
	current_is(s->vmx->vmcs);
	return value;
}

static u8 *new_shadow_region(struct l1_vmx *vmx)
{
	u8 *region = page_alloc();

	*(u32 *)region = (vmx->caps.basic & BASIC_REVISION) | BIT(31);
	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	return region;
}

/* A VMCS with VMCS shadowing on, and bitmaps in which every access exits. */
static struct shadow prepare(void (*code)(void))
{
	struct shadow s = { .vmx = l1_prepare(code) };

	l1_need_proc2(PROC2_SHADOW_VMCS);
	s.region = new_shadow_region(s.vmx);
	s.read_bitmap = page_alloc();
	s.write_bitmap = page_alloc();
	memset(s.read_bitmap, 0xff, BITMAP_BYTES);
	memset(s.write_bitmap, 0xff, BITMAP_BYTES);
	l1_use_proc2(PROC2_SHADOW_VMCS);
	l1_vmwrite(VMCS_VMREAD_BITMAP, (u64)s.read_bitmap);
	l1_vmwrite(VMCS_VMWRITE_BITMAP, (u64)s.write_bitmap);
	l1_vmwrite(VMCS_LINK_POINTER, (u64)s.region);
	return s;
}

static void l2_reads(void)
{
	for (;;) {
		l2.outcome = vmread(l2.field, &l2.value);
		l2_vmcall(0);
	}
}

static void l2_writes(void)
{
	for (;;) {
		l2.outcome = vmwrite(l2.field, l2.value);
		l2_vmcall(0);
	}
}

/* Let L2 do one access, which is not to exit, and go on after its VMCALL. */
static void access(u64 field, u64 value, u64 outcome)
{
	l2.field = field;
	l2.value = value;
	l2.outcome = 0;
	EXPECT_EXIT(EXIT_VMCALL);
	EXPECT_OUTCOME(l2.outcome, outcome);
	l1_skip_insn();
}

static void without(void)
{
	l1_prepare(l2_reads);
	l2.field = VMCS_GUEST_RIP;
	EXPECT_EXIT(EXIT_VMREAD);
	l1_restart_l2(l2_writes);
	EXPECT_EXIT(EXIT_VMWRITE);
}

static void reads(void)
{
	struct shadow s = prepare(l2_reads);

	allow(s.read_bitmap, VMCS_GUEST_RIP);
	allow(s.read_bitmap, VMCS_HOST_SYSENTER_EIP);
	allow(s.read_bitmap, VMCS_EXIT_REASON);
	shadow_put(&s, VMCS_GUEST_RIP, 0x123456789abcULL);
	shadow_put(&s, VMCS_HOST_SYSENTER_EIP, 0x4321);
	access(VMCS_GUEST_RIP, 0, VM_OK);
	GUEST_EXPECT(l2.value, 0x123456789abcULL);
	access(VMCS_HOST_SYSENTER_EIP, 0, VM_OK);
	GUEST_EXPECT(l2.value, 0x4321);
	access(VMCS_EXIT_REASON, ~0ULL, VM_OK);
	GUEST_EXPECT(l2.value, shadow_get(&s, VMCS_EXIT_REASON));
}

static void writes(void)
{
	struct shadow s = prepare(l2_writes);

	allow(s.write_bitmap, VMCS_GUEST_RSP);
	allow(s.write_bitmap, VMCS_HOST_RSP);
	shadow_put(&s, VMCS_GUEST_RSP, 1);
	shadow_put(&s, VMCS_HOST_RSP, 2);
	access(VMCS_GUEST_RSP, 0x1111, VM_OK);
	access(VMCS_HOST_RSP, 0x2222, VM_OK);
	GUEST_EXPECT(shadow_get(&s, VMCS_GUEST_RSP), 0x1111);
	GUEST_EXPECT(shadow_get(&s, VMCS_HOST_RSP), 0x2222);
	GUEST_EXPECT(l1_vmread(VMCS_HOST_RSP) == 0x2222, 0);
}

/* What L2 wrote it reads after an exit, and after L1 took the shadow VMCS in between. */
static void l2_writes_then_reads(void)
{
	for (u64 i = 1;; i++) {
		u64 v = 0;

		l2.outcome = vmwrite(VMCS_GUEST_RFLAGS, i);
		l2_vmcall(0);
		l2.outcome = vmread(VMCS_GUEST_RFLAGS, &v);
		l2.value = v;
		l2_vmcall(i);
	}
}

static void kept(void)
{
	struct shadow s = prepare(l2_writes_then_reads);

	allow(s.read_bitmap, VMCS_GUEST_RFLAGS);
	allow(s.write_bitmap, VMCS_GUEST_RFLAGS);
	for (u64 i = 1; i < 6; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
		if (i & 1)
			shadow_put(&s, VMCS_GUEST_RFLAGS,
				   shadow_get(&s, VMCS_GUEST_RFLAGS) + 0x100);
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(l2.value, i & 1 ? i + 0x100 : i);
		l1_skip_insn();
	}
}

static void l2_writes_port(void)
{
	for (u64 i = 1;; i++) {
		l2.outcome = vmwrite(VMCS_GUEST_RFLAGS, i);
		outb(0x80, i);
		vmread(VMCS_GUEST_RFLAGS, &l2.value);
		l2_vmcall(i);
	}
}

/* To port 0x80 whoever is under L1 may take the state of all and put it back. */
static void kept_over_io(void)
{
	struct shadow s = prepare(l2_writes_port);

	allow(s.read_bitmap, VMCS_GUEST_RFLAGS);
	allow(s.write_bitmap, VMCS_GUEST_RFLAGS);
	for (u64 i = 1; i < 4; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(l2.value, i);
		l1_skip_insn();
	}
	GUEST_EXPECT(shadow_get(&s, VMCS_GUEST_RFLAGS), 3);
}

/* A bit of one bitmap means nothing to the other, and is looked at in each access. */
static void bitmaps(void)
{
	struct shadow s = prepare(l2_reads);

	allow(s.write_bitmap, VMCS_GUEST_CR3);
	l2.field = VMCS_GUEST_CR3;
	EXPECT_EXIT(EXIT_VMREAD);
	l1_restart_l2(l2_writes);
	access(VMCS_GUEST_CR3, 0x5000, VM_OK);
	s.write_bitmap[VMCS_GUEST_CR3 / 8] = 0xff;
	EXPECT_EXIT(EXIT_VMWRITE);
	allow(s.read_bitmap, VMCS_GUEST_CR3);
	l1_restart_l2(l2_reads);
	access(VMCS_GUEST_CR3, 0, VM_OK);
	GUEST_EXPECT(l2.value, 0x5000);
}

static void no_link(void)
{
	struct shadow s = prepare(l2_reads);

	allow(s.read_bitmap, VMCS_GUEST_RIP);
	allow(s.write_bitmap, VMCS_GUEST_RIP);
	l1_vmwrite(VMCS_LINK_POINTER, NO_GPA);
	access(VMCS_GUEST_RIP, 0x77, VM_FAIL_INVALID);
	GUEST_EXPECT(l2.value, 0x77);
	l1_restart_l2(l2_writes);
	access(VMCS_GUEST_RIP, 0, VM_FAIL_INVALID);
}

/* The error's number goes to the current VMCS, and L2 cannot see that one. */
static void unknown(void)
{
	struct shadow s = prepare(l2_reads);

	memset(s.read_bitmap, 0, BITMAP_BYTES);
	memset(s.write_bitmap, 0, BITMAP_BYTES);
	shadow_put(&s, VMCS_INSN_ERROR, 0x55);
	access(UNKNOWN_FIELD, 0x77, VM_FAIL_VALID(0x55));
	GUEST_EXPECT(l2.value, 0x77);
	GUEST_EXPECT(l1_vmread(VMCS_INSN_ERROR), VMERR_UNSUPPORTED_FIELD);
	l1_restart_l2(l2_writes);
	access(UNKNOWN_FIELD, 0, VM_FAIL_VALID(0x55));
}

/* Encodings that no bitmap has a bit for. */
static void beyond_bitmaps(void)
{
	struct shadow s = prepare(l2_reads);

	memset(s.read_bitmap, 0, BITMAP_BYTES);
	memset(s.write_bitmap, 0, BITMAP_BYTES);
	l2.field = 0x8000;
	EXPECT_EXIT(EXIT_VMREAD);
	l1_restart_l2(l2_reads);
	l2.field = 1ULL << 63 | VMCS_GUEST_RIP;
	EXPECT_EXIT(EXIT_VMREAD);
	l1_restart_l2(l2_writes);
	EXPECT_EXIT(EXIT_VMWRITE);
}

static void read_only_field(void)
{
	struct shadow s = prepare(l2_writes);

	allow(s.write_bitmap, VMCS_EXIT_QUAL);
	if (!(s.vmx->caps.misc & MISC_VMWRITE_ANY)) {
		access(VMCS_EXIT_QUAL, 5, VM_FAIL_VALID(VMERR_READ_ONLY_FIELD));
		return;
	}
	access(VMCS_EXIT_QUAL, 5, VM_OK);
	GUEST_EXPECT(shadow_get(&s, VMCS_EXIT_QUAL), 5);
}

static u64 in_memory;

static void l2_memory(void)
{
	in_memory = 0x600d;
	asm volatile("vmwrite %0, %1" : : "m"(in_memory), "r"((u64)VMCS_GUEST_CR4) : "cc");
	in_memory = 0;
	asm volatile("vmread %1, %0" : "=m"(in_memory) : "r"((u64)VMCS_GUEST_CR4) : "cc");
	l2_vmcall(0);
}

static void memory_operand(void)
{
	struct shadow s = prepare(l2_memory);

	allow(s.read_bitmap, VMCS_GUEST_CR4);
	allow(s.write_bitmap, VMCS_GUEST_CR4);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(in_memory, 0x600d);
}

/* The upper half of a 64-bit field has an encoding and so a bit of its own. */
static void high_half(void)
{
	struct shadow s = prepare(l2_reads);

	shadow_put(&s, VMCS_TSC_OFFSET, 0x1122334455667788ULL);
	allow(s.read_bitmap, VMCS_TSC_OFFSET | 1);
	access(VMCS_TSC_OFFSET | 1, 0, VM_OK);
	GUEST_EXPECT(l2.value, 0x11223344);
	l2.field = VMCS_TSC_OFFSET;
	EXPECT_EXIT(EXIT_VMREAD);
}

static void cannot_be_entered(void)
{
	struct shadow s = prepare(l2_reads);

	current_is(s.region);
	EXPECT_OUTCOME(vmlaunch(s.vmx), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmresume(s.vmx), VM_FAIL_INVALID);
}

static void vmxon_region(void)
{
	struct l1_vmx *vmx = l1_vmxon();
	u32 *region = page_alloc();

	l1_need_proc2(PROC2_SHADOW_VMCS);
	EXPECT_OUTCOME(vmxoff(), VM_OK);
	*region = (vmx->caps.basic & BASIC_REVISION) | BIT(31);
	EXPECT_OUTCOME(vmxon((u64)region), VM_FAIL_INVALID);
	EXPECT_OUTCOME(vmxon((u64)vmx->vmxon), VM_OK);
}

static void expect_bad_link(void)
{
	EXPECT_EXIT(EXIT_BAD_GUEST_STATE | EXIT_ENTRY_FAILED);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), ENTRYQ_LINK);
}

static void link_revision(void)
{
	struct shadow s = prepare(l2_reads);
	u32 *plain = page_alloc();

	allow(s.read_bitmap, VMCS_GUEST_RIP);
	*plain = s.vmx->caps.basic & BASIC_REVISION;
	l1_vmwrite(VMCS_LINK_POINTER, (u64)plain);
	expect_bad_link();
	*plain ^= BIT(31) | 1;
	expect_bad_link();
	*plain ^= 1; /* it is a shadow VMCS now, and was never active before */
	access(VMCS_GUEST_RIP, 0, VM_OK);
	l1_clear(VMCS_PROC2_CTLS, PROC2_SHADOW_VMCS);
	expect_bad_link();
}

/* It is read from memory at each entry, also while the processor holds the rest. */
static void link_revision_again(void)
{
	struct shadow s = prepare(l2_reads);
	u32 *region = (u32 *)s.region, good = *region;

	allow(s.read_bitmap, VMCS_GUEST_RIP);
	access(VMCS_GUEST_RIP, 0, VM_OK);
	*region ^= 1;
	expect_bad_link();
	*region = good;
	access(VMCS_GUEST_RIP, 0, VM_OK);
	*region ^= 1;
	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	GUEST_EXPECT(*region, good ^ 1);
	l1_clear(VMCS_PROC2_CTLS, PROC2_SHADOW_VMCS);
	*region = good ^ BIT(31);
	EXPECT_EXIT(EXIT_VMREAD);
	*region ^= 1;
	expect_bad_link();
}

static void bitmap_addresses(void)
{
	struct shadow s = prepare(l2_reads);

	allow(s.read_bitmap, VMCS_GUEST_RIP);
	l1_vmwrite(VMCS_VMREAD_BITMAP, (u64)s.read_bitmap + 8);
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	l1_vmwrite(VMCS_VMREAD_BITMAP, (u64)s.read_bitmap);
	l1_vmwrite(VMCS_VMWRITE_BITMAP, 1ULL << 62);
	EXPECT_OUTCOME(l1_run(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	l1_vmwrite(VMCS_VMWRITE_BITMAP, (u64)s.write_bitmap);
	access(VMCS_GUEST_RIP, 0, VM_OK);
}

/* --- without VMCLEAR ---------------------------------------------------------------- */

#define OTHERS 6 /* more VMCSs than a hypervisor may keep active by itself */

static void active_put(const struct shadow *s, u8 *region, u64 field, u64 value)
{
	current_is(region);
	EXPECT_OUTCOME(vmwrite(field, value), VM_OK);
	current_is(s->vmx->vmcs);
}

static u64 active_get(const struct shadow *s, u8 *region, u64 field)
{
	u64 value;

	current_is(region);
	value = l1_vmread(field);
	current_is(s->vmx->vmcs);
	return value;
}

/* Of memory alone: a copy of the region is a VMCS that the processor has nothing of. */
static u64 cleared_get(const struct shadow *s, u8 *region, u64 field)
{
	u8 *copy = page_alloc();

	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	memcpy(copy, region, 4096);
	return active_get(s, copy, field);
}

static void allow_both(const struct shadow *s, u32 field)
{
	allow(s->read_bitmap, field);
	allow(s->write_bitmap, field);
}

static void expect_l2_reads(u64 field, u64 value)
{
	l1_restart_l2(l2_reads);
	access(field, 0, VM_OK);
	GUEST_EXPECT(l2.value, value);
}

static void l2_write(u64 field, u64 value)
{
	l1_restart_l2(l2_writes);
	access(field, value, VM_OK);
}

static void use_others(const struct shadow *s)
{
	u8 *region;

	for (int i = 0; i < OTHERS; i++) {
		region = page_alloc();
		*(u32 *)region = s->vmx->caps.basic & BASIC_REVISION;
		EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
		active_put(s, region, VMCS_GUEST_RFLAGS, 0x9000 + i);
	}
}

static void active_and_linked(void)
{
	struct shadow s = prepare(l2_reads);

	allow_both(&s, VMCS_GUEST_RFLAGS);
	allow_both(&s, VMCS_HOST_RSP);
	for (u64 i = 0x100; i < 0x500; i += 0x100) {
		active_put(&s, s.region, VMCS_GUEST_RFLAGS, i + 1);
		active_put(&s, s.region, VMCS_HOST_RSP, i + 2);
		if (i & 0x100)
			use_others(&s);
		expect_l2_reads(VMCS_GUEST_RFLAGS, i + 1);
		expect_l2_reads(VMCS_HOST_RSP, i + 2);
		l2_write(VMCS_GUEST_RFLAGS, i + 3);
		l2_write(VMCS_HOST_RSP, i + 4);
		if (i & 0x200)
			use_others(&s);
		GUEST_EXPECT(active_get(&s, s.region, VMCS_GUEST_RFLAGS), i + 3);
		GUEST_EXPECT(active_get(&s, s.region, VMCS_HOST_RSP), i + 4);
	}
	GUEST_EXPECT(cleared_get(&s, s.region, VMCS_GUEST_RFLAGS), 0x403);
	GUEST_EXPECT(cleared_get(&s, s.region, VMCS_HOST_RSP), 0x404);
}

static void linked_in_turn(void)
{
	struct shadow s = prepare(l2_reads);
	u8 *region[] = { s.region, new_shadow_region(s.vmx) };

	allow_both(&s, VMCS_GUEST_RFLAGS);
	for (u64 i = 0; i < 2; i++)
		active_put(&s, region[i], VMCS_GUEST_RFLAGS, i);
	for (u64 i = 0; i < 8; i++) {
		l1_vmwrite(VMCS_LINK_POINTER, (u64)region[i % 2]);
		expect_l2_reads(VMCS_GUEST_RFLAGS, i);
		l2_write(VMCS_GUEST_RFLAGS, i + 2);
		if (i == 4)
			use_others(&s);
	}
	l1_vmwrite(VMCS_LINK_POINTER, NO_GPA);
	for (u64 i = 0; i < 2; i++)
		GUEST_EXPECT(cleared_get(&s, region[i], VMCS_GUEST_RFLAGS), i + 8);
}

/* Which the SDM leaves open: here nothing is lost, as on a processor that has all in memory. */
static void becomes_shadow(void)
{
	struct shadow s = prepare(l2_reads);
	u8 *region = page_alloc();

	allow_both(&s, VMCS_GUEST_RFLAGS);
	*(u32 *)region = s.vmx->caps.basic & BASIC_REVISION;
	EXPECT_OUTCOME(vmclear((u64)region), VM_OK);
	active_put(&s, region, VMCS_GUEST_RFLAGS, 0x55);
	*(u32 *)region |= BIT(31);
	l1_vmwrite(VMCS_LINK_POINTER, (u64)region);
	expect_l2_reads(VMCS_GUEST_RFLAGS, 0x55);
	l2_write(VMCS_GUEST_RFLAGS, 0x66);
	l1_vmwrite(VMCS_LINK_POINTER, NO_GPA);
	*(u32 *)region ^= BIT(31);
	GUEST_EXPECT(active_get(&s, region, VMCS_GUEST_RFLAGS), 0x66);
	GUEST_EXPECT(cleared_get(&s, region, VMCS_GUEST_RFLAGS), 0x66);
}

CLAIMS = { { without, "without VMCS shadowing VMREAD and VMWRITE of L2 exit" },
	   { reads, "L2's VMREAD reads the shadow VMCS" },
	   { writes, "L2's VMWRITE writes the shadow VMCS, and not the current one" },
	   { kept, "what L2 wrote outlasts exits, and L1 changes it in between" },
	   { kept_over_io, "what L2 wrote outlasts port I/O of L2" },
	   { bitmaps, "each bitmap decides on its own instruction, each time" },
	   { no_link, "with a link pointer of all ones they fail with VMfailInvalid" },
	   { unknown, "a field that does not exist: VM-instruction error 12 in L2" },
	   { beyond_bitmaps, "an encoding with a bit above 14 exits" },
	   { read_only_field, "L2 writes a read-only field where VMX_MISC[29] lets it" },
	   { memory_operand, "operands in memory" },
	   { high_half, "the upper half of a 64-bit field has its own bit" },
	   { cannot_be_entered, "VMLAUNCH and VMRESUME of a shadow VMCS: VMfailInvalid" },
	   { vmxon_region, "a VMXON region has no shadow bit" },
	   { link_revision, "the linked region's shadow bit is that of the control" },
	   { link_revision_again, "and its revision counts at each entry" },
	   { bitmap_addresses, "an unaligned or too wide bitmap address: error 7" },
	   { active_and_linked, "a shadow VMCS is linked, and read again, without VMCLEAR" },
	   { linked_in_turn, "two are linked in turn without VMCLEAR" },
	   { becomes_shadow, "an active VMCS becomes a shadow VMCS" },
	   END_OF_CLAIMS };
