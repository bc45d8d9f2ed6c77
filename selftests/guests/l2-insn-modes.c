// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VMX instructions in 32-bit and 16-bit code, at each privilege level and in
 * the modes that do not have them; an L1 without long mode. SDM: "VMX Instruction
 * Reference", "Segment Limit Checking", "Effect of VMX Root Operation on CR0".
 */
#include "irqchip.h"
#include "modes.h"
#include "vmx.h"

/* --- 32-bit code in VMX operation ------------------------------------------- */

extern u32 trip_vector, trip_error, trip_cr2, trip_flags, trip_reason;
extern const u8 trip_stubs[], trip_exit[], trip_leave_16[], trip_leave_16_end[];
void trip_32(void);

/* What trip_32() goes by. */
struct {
	u32 offset;
	u16 selector;
} __packed trip_target;
struct {
	u16 limit;
	u32 base;
} __packed trip_idt;
u64 trip_vmxon, trip_vmcs;
u32 trip_tr;

/* Segments for 32-bit code, where other CPUs' TSSs would be. */
#define SLOT(n) (SEL_TSS(1) + 8 * (n))
#define SEL_TSS32 SLOT(0)
#define SEL_TRIP16 SLOT(1)    /* 16-bit code, a copy in code_16 */
#define SEL_SMALL SLOT(2)     /* 4 KiB at LOW_SCRATCH */
#define SEL_READ_ONLY SLOT(3) /* flat data */
#define SEL_EXEC_ONLY SLOT(4) /* flat code that cannot be read */
#define SEL_DOWN SLOT(5)      /* at LOW_SCRATCH, valid from 0x1000 on */
#define SEL_CODE64_1 SLOT(6)  /* code and data of rings 1 and 2 */
#define SEL_DATA_1 SLOT(7)
#define SEL_CODE64_2 SLOT(8)
#define SEL_DATA_2 SLOT(9)

/* As in a descriptor, bits 8 to 23 of its second word: type, S, DPL, P, L, D/B, G. */
static void describe(u16 sel, u32 base, u32 limit, u16 bits)
{
	gdt[sel / 8] = (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)bits << 40 |
		       (u64)(limit & 0xf0000) << 32 | (u64)(base >> 24) << 56;
}

static u8 code_16[64];
u64 slot; /* an operand */

static void describe_all(void)
{
	static u32 tss[26];

	tss[1] = (u64)page_alloc() + 4096; /* ESP0 */
	tss[2] = SEL_DATA;
	describe(SEL_TSS32, (u64)tss, sizeof(tss) - 1, 0x0089);
	describe(SEL_TRIP16, (u64)code_16, 0xffff, 0x009b);
	describe(SEL_SMALL, LOW_SCRATCH, 0xfff, 0x4093);
	describe(SEL_READ_ONLY, 0, 0xfffff, 0xc091);
	describe(SEL_EXEC_ONLY, 0, 0xfffff, 0xc099);
	describe(SEL_DOWN, LOW_SCRATCH, 0xfff, 0x4097);
	describe(SEL_CODE64_1, 0, 0xfffff, 0xa0bb);
	describe(SEL_DATA_1, 0, 0xfffff, 0xc0b3);
	describe(SEL_CODE64_2, 0, 0xfffff, 0xa0db);
	describe(SEL_DATA_2, 0, 0xfffff, 0xc0d3);
}

static struct {
	u16 offset0, selector;
	u8 zero, type;
	u16 offset16;
} idt_32[32];

static void describe_traps(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(idt_32); i++) {
		u64 stub = (u64)trip_stubs + 16 * i;

		idt_32[i].offset0 = stub;
		idt_32[i].selector = SEL_CODE32;
		idt_32[i].type = 0x8e;
		idt_32[i].offset16 = stub >> 16;
	}
	trip_idt.limit = sizeof(idt_32) - 1;
	trip_idt.base = (u64)idt_32;
}

/* PAE tables over the same page directories. */
static u64 pae_tables(void)
{
	static u64 pdpt[4] __aligned(32);

	for (u32 i = 0; i < 4; i++)
		pdpt[i] = ((u64)page_pml4 + 0x2000 + 0x1000 * i) | 1;
	return (u64)pdpt;
}

/* 32-bit paging, all in pages of 4 MiB. */
static u64 large_tables(void)
{
	static u32 directory[1024] __aligned(4096);

	for (u32 i = 0; i < 1024; i++)
		directory[i] = i << 22 | 0x87;
	return (u64)directory;
}

/* PAE or 32-bit paging, for L1 and its L2. */
static u64 paging_cr3, paging_cr4;

static void use_pae(bool pae)
{
	paging_cr3 = pae ? pae_tables() : large_tables();
	paging_cr4 = pae ? CR4_PAE : CR4_PSE;
}

#define TRIP_CR0 (CR0_PG | CR0_NE | CR0_ET | CR0_PE)

/* Run it at a far address, with L1's VMCS current or outside VMX operation. */
static u64 trip(u16 selector, u32 offset)
{
	struct table_pointer idt;

	asm volatile("sidt %0" : "=m"(idt));
	describe_traps();
	trip_target.selector = selector;
	trip_target.offset = offset;
	trip_tr = SEL_TSS32;
	gdt[SEL_TSS32 / 8] &= ~(2ULL << 40); /* not busy */
	mode_trip(TRIP_CR0, paging_cr3, paging_cr4 | CR4_VMXE, trip_32);
	asm volatile("lidt %0" : : "m"(idt));
	tss_init(this_cpu());
	if (trip_vector != NO_TRAP)
		return VM_TRAP(trip_vector);
	if (trip_flags & RFLAGS_CF)
		return VM_FAIL_INVALID;
	return trip_flags & RFLAGS_ZF ? VM_FAIL_VALID(trip_reason) : VM_OK;
}

/* A VMCS that trips make current. */
static struct l1_vmx *prepare(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	describe_all();
	use_pae(true);
	trip_vmxon = (u64)vmx->vmxon;
	trip_vmcs = (u64)vmx->vmcs;
	return vmx;
}

/* After a trip VMX operation is off; on again, to look at the VMCS. */
static void vmx_again(void)
{
	struct l1_vmx *vmx = l1_vmx();

	write_cr4(read_cr4() | CR4_VMXE);
	EXPECT_OUTCOME(vmxon(trip_vmxon), VM_OK);
	EXPECT_OUTCOME(vmptrld(trip_vmcs), VM_OK);
	vmx->vmcs = (void *)trip_vmcs;
	vmx->on = true;
}

static u64 trip_from_vmx(u16 selector, u32 offset)
{
	if (l1_vmx()->on)
		l1_vmxoff();
	return trip(selector, offset);
}

static u64 in_32(const u8 *code)
{
	return trip_from_vmx(SEL_CODE32, (u64)code);
}

static u64 in_16(const u8 *code, const u8 *end)
{
	memcpy(code_16, code, end - code);
	memcpy(code_16 + (end - code), trip_leave_16, trip_leave_16_end - trip_leave_16);
	return trip_from_vmx(SEL_TRIP16, 0);
}

/* clang-format off */
#define CODE_32(name, code)                                                       \
	extern const u8 name[];                                                   \
	asm(".pushsection .text\n .code32\n" #name ": " code "\n jmp trip_done\n" \
	    ".code64\n .popsection\n")
#define CODE_16(name, code)                                                     \
	extern const u8 name[], name##_end[];                                   \
	asm(".pushsection .text\n .code16\n" #name ": " code "\n" #name "_end:\n" \
	    ".code64\n .popsection\n")
/* clang-format on */
#define IN_16(name) in_16(name, name##_end)

/* --- what they do there ------------------------------------------------------ */

u32 field;

CODE_32(store_pointer, "vmptrst slot");
CODE_32(clear_load, "vmclear slot; jbe trip_done; vmptrld slot");
CODE_32(load_pointer, "vmptrld slot");

static void pointers(void)
{
	prepare();
	EXPECT_OUTCOME(in_32(store_pointer), VM_OK);
	GUEST_EXPECT(slot, trip_vmcs);
	EXPECT_OUTCOME(in_32(clear_load), VM_OK);
	slot = trip_vmxon;
	EXPECT_OUTCOME(in_32(load_pointer), VM_FAIL_VALID(VMERR_VMPTRLD_VMXON_PTR));
	slot = trip_vmcs | 1ULL << 63;
	EXPECT_OUTCOME(in_32(load_pointer), VM_FAIL_VALID(VMERR_VMPTRLD_BAD_ADDRESS));
}

CODE_32(write_read, "mov field, %eax; mov $0x89abcdef, %ebx; vmwrite %ebx, %eax; jbe trip_done\n"
		    "vmread %eax, slot");
CODE_32(write_halves, "mov field, %eax; vmwrite slot, %eax; jbe trip_done\n"
		      "inc %eax; vmwrite slot + 4, %eax; jbe trip_done\n"
		      "vmread %eax, %ebx; mov %ebx, slot; dec %eax; vmread %eax, slot + 4");

/* 32 bits are written and read; what a field has above them is cleared. */
static void data(void)
{
	static const u32 wide[] = { VMCS_GUEST_RIP, VMCS_HOST_RIP, VMCS_TSC_OFFSET };

	for (u32 i = 0; i < ARRAY_SIZE(wide); i++) {
		prepare();
		field = wide[i];
		l1_vmwrite(field, 0x1111222233334444);
		slot = ~0ULL;
		EXPECT_OUTCOME(in_32(write_read), VM_OK);
		GUEST_EXPECT(slot, 0xffffffff89abcdef);
		vmx_again();
		GUEST_EXPECT(l1_vmread(field), 0x89abcdef);
	}
	slot = 0x5555666677778888;
	EXPECT_OUTCOME(in_32(write_halves), VM_OK);
	GUEST_EXPECT(slot, 0x7777888855556666);
	vmx_again();
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x5555666677778888);
	field = 0x6fff;
	EXPECT_OUTCOME(in_32(write_read), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	field = VMCS_GUEST_RIP + 1;
	EXPECT_OUTCOME(in_32(write_read), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
}

u32 inv_type, inv_operand[4];
CODE_32(inv_ept, "mov inv_type, %eax; invept inv_operand, %eax");
CODE_32(inv_vpid, "mov inv_type, %eax; invvpid inv_operand, %eax");

static void invalidation(void)
{
	prepare();
	l1_need_proc2(PROC2_EPT | PROC2_VPID);
	inv_type = INVEPT_ALL;
	EXPECT_OUTCOME(in_32(inv_ept), VM_OK);
	inv_type = INVEPT_SINGLE;
	EXPECT_OUTCOME(in_32(inv_ept), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	inv_type = INVVPID_SINGLE;
	EXPECT_OUTCOME(in_32(inv_vpid), VM_FAIL_VALID(VMERR_BAD_INV_OPERAND));
	inv_operand[0] = 1;
	EXPECT_OUTCOME(in_32(inv_vpid), VM_OK);
	inv_operand[0] = 0;
}

/* --- addresses and segments -------------------------------------------------- */

#define LOW(offset) (*(volatile u64 *)(LOW_SCRATCH + (offset)))

CODE_32(addr_16, "mov $0x5678fff0, %ebx; mov $0x1234a020, %esi; vmptrst 0x10(%bx,%si)");
CODE_32(addr_16_bp, "mov $0xffffa000, %ebp; vmptrst 0x28(%bp)");
CODE_16(by_16, "vmptrst 0xa030; jbe 1f; mov $0xa038, %ebx; vmptrst (%ebx); jbe 1f\n"
	       "mov $0x681e, %eax; vmread %eax, 0xa040; 1:");

static void address_sizes(void)
{
	prepare();
	l1_vmwrite(VMCS_GUEST_RIP, 0x1111222233334444);
	LOW(0x20) = LOW(0x28) = LOW(0x30) = LOW(0x38) = LOW(0x40) = ~0ULL;
	EXPECT_OUTCOME(in_32(addr_16), VM_OK);
	GUEST_EXPECT(LOW(0x20), trip_vmcs);
	EXPECT_OUTCOME(in_32(addr_16_bp), VM_OK);
	GUEST_EXPECT(LOW(0x28), trip_vmcs);
	EXPECT_OUTCOME(IN_16(by_16), VM_OK);
	GUEST_EXPECT(LOW(0x30), trip_vmcs);
	GUEST_EXPECT(LOW(0x38), trip_vmcs);
	GUEST_EXPECT(LOW(0x40), 0xffffffff33334444);
}

u32 seg; /* loaded by the code below */
u32 at;	 /* the operand's offset */

CODE_32(by_fs, "mov seg, %eax; mov %eax, %fs; mov at, %eax; vmptrst %fs:(%eax)");
CODE_32(by_ds, "mov at, %ebx; mov seg, %eax; mov %eax, %ds; vmptrst (%ebx)");
CODE_32(load_by_ds, "mov at, %ebx; mov seg, %eax; mov %eax, %ds; vmptrld (%ebx)");
CODE_32(by_ss, "mov at, %ebp; mov seg, %eax; mov %eax, %ss; mov $0x800, %esp; vmptrst (%ebp)");
CODE_32(by_cs, "vmptrst %cs:slot");
CODE_32(load_by_cs, "vmptrld %cs:slot");

#define EXPECT_FAULT(outcome, vector)                     \
	do {                                              \
		EXPECT_OUTCOME(outcome, VM_TRAP(vector)); \
		GUEST_EXPECT(trip_error, 0);              \
	} while (0)

static u64 with_segment(const u8 *code, u32 selector, u32 offset)
{
	seg = selector;
	at = offset;
	return in_32(code);
}

static void limits(void)
{
	prepare();
	LOW(0x50) = LOW(0xff8) = 0;
	EXPECT_OUTCOME(with_segment(by_fs, SEL_SMALL, 0x50), VM_OK);
	GUEST_EXPECT(LOW(0x50), trip_vmcs);
	EXPECT_OUTCOME(with_segment(by_fs, SEL_SMALL, 0xff8), VM_OK);
	GUEST_EXPECT(LOW(0xff8), trip_vmcs);
	EXPECT_FAULT(with_segment(by_fs, SEL_SMALL, 0xff9), VEC_GP);
	EXPECT_FAULT(with_segment(by_fs, SEL_SMALL, 0xfffffff8), VEC_GP);
	EXPECT_FAULT(with_segment(by_ds, SEL_SMALL, 0x1000), VEC_GP);
	EXPECT_OUTCOME(with_segment(by_ss, SEL_SMALL, 0x50), VM_OK);
	EXPECT_FAULT(with_segment(by_ss, SEL_SMALL, 0xff9), VEC_SS);
}

static void expand_down(void)
{
	prepare();
	LOW(0x1000) = 0;
	EXPECT_OUTCOME(with_segment(by_fs, SEL_DOWN, 0x1000), VM_OK);
	GUEST_EXPECT(LOW(0x1000), trip_vmcs);
	EXPECT_FAULT(with_segment(by_fs, SEL_DOWN, 0xfff), VEC_GP);
	EXPECT_FAULT(with_segment(by_fs, SEL_DOWN, 0), VEC_GP);
}

static void segment_rights(void)
{
	prepare();
	slot = trip_vmcs;
	EXPECT_FAULT(with_segment(by_fs, 0, (u64)&slot), VEC_GP);
	EXPECT_FAULT(with_segment(by_ds, SEL_READ_ONLY, (u64)&slot), VEC_GP);
	EXPECT_OUTCOME(with_segment(load_by_ds, SEL_READ_ONLY, (u64)&slot), VM_OK);
	EXPECT_FAULT(in_32(by_cs), VEC_GP);
	EXPECT_OUTCOME(in_32(load_by_cs), VM_OK);
	EXPECT_FAULT(trip_from_vmx(SEL_EXEC_ONLY, (u64)load_by_cs), VEC_GP);
}

#define HOLE 0x3ff00000ULL /* a page that is taken away */

static void page_faults(void)
{
	prepare();
	*page_entry(HOLE) = 0;
	invlpg(HOLE);
	EXPECT_OUTCOME(with_segment(by_ds, SEL_DATA, HOLE + 8), VM_TRAP(VEC_PF));
	GUEST_EXPECT(trip_error, 2);
	GUEST_EXPECT(trip_cr2, HOLE + 8);
	EXPECT_OUTCOME(with_segment(load_by_ds, SEL_DATA, HOLE - 4), VM_TRAP(VEC_PF));
	GUEST_EXPECT(trip_error, 0);
	GUEST_EXPECT(trip_cr2, HOLE);
	*page_entry(HOLE) = HOLE | 7;
	invlpg(HOLE);
}

/* --- devices ------------------------------------------------------------------ */

CODE_32(read_to, "mov field, %eax; mov at, %ebx; vmread %eax, (%ebx)");
CODE_32(write_from, "mov field, %eax; mov at, %ebx; vmwrite (%ebx), %eax");

static void device_operands(void)
{
	static const u32 fields[] = { VMCS_HOST_RIP, VMCS_GUEST_RIP };

	apic_enable();
	for (u32 i = 0; i < ARRAY_SIZE(fields); i++) {
		prepare();
		field = fields[i];
		l1_vmwrite(field, 0x30);
		apic_write(APIC_TPR, 0);
		EXPECT_OUTCOME(with_segment(read_to, 0, APIC_PAGE + APIC_TPR), VM_OK);
		GUEST_EXPECT(apic_read(APIC_TPR), 0x30);
		EXPECT_OUTCOME(with_segment(write_from, 0, APIC_PAGE + APIC_VERSION), VM_OK);
		vmx_again();
		GUEST_EXPECT(l1_vmread(field), apic_read(APIC_VERSION));
		l1_vmwrite(field, 1); /* IOAPIC's version, by its index register */
		EXPECT_OUTCOME(with_segment(read_to, 0, IOAPIC_PAGE), VM_OK);
		EXPECT_OUTCOME(with_segment(write_from, 0, IOAPIC_PAGE + 0x10), VM_OK);
		vmx_again();
		GUEST_EXPECT(l1_vmread(field), ioapic_read(1));
	}
	apic_write(APIC_TPR, 0);
}

/* --- privilege levels, and modes without VMX instructions ----------------------- */

/* VMXON first: outside VMX operation VMCALL may be a hypercall. */
#define INSNS(I)                               \
	I(vmxon, "vmxon trip_vmxon")           \
	I(vmxoff, "vmxoff")                    \
	I(vmclear, "vmclear trip_vmcs")        \
	I(vmptrld, "vmptrld trip_vmcs")        \
	I(vmptrst, "vmptrst slot")             \
	I(vmlaunch, "vmlaunch")                \
	I(vmresume, "vmresume")                \
	I(vmcall, "vmcall")                    \
	I(invept, "invept inv_operand, %" A)   \
	I(invvpid, "invvpid inv_operand, %" A) \
	I(vmread, "vmread %" A ", slot")       \
	I(vmwrite, "vmwrite slot, %" A)

struct insn_code {
	const u8 *code, *end;
	const char *name;
};

/* INT3 behind each tells that it did not trap. */
#define CODE_OF(bits, name, text) \
	"insn" #bits "_" #name ": " text "; int3\n insn" #bits "_" #name "_end:\n"
#define SYMBOLS_OF(bits, name) extern const u8 insn##bits##_##name[], insn##bits##_##name##_end[];
#define ROW_OF(bits, name) { insn##bits##_##name, insn##bits##_##name##_end, #name },

#define A "rax"
#define CODE64(name, text) CODE_OF(64, name, text)
asm(".pushsection .text\n" INSNS(CODE64) ".popsection\n");
#undef A
#define A "eax"
#define CODE32(name, text) CODE_OF(32, name, text)
asm(".pushsection .text\n .code32\n" INSNS(CODE32) ".code64\n .popsection\n");
#define SYMBOLS64(name, text) SYMBOLS_OF(64, name)
#define SYMBOLS32(name, text) SYMBOLS_OF(32, name)
INSNS(SYMBOLS64)
INSNS(SYMBOLS32)
#define ROW64(name, text) ROW_OF(64, name)
#define ROW32(name, text) ROW_OF(32, name)
static const struct insn_code insns_64[] = { INSNS(ROW64) };
static const struct insn_code insns_32[] = { INSNS(ROW32) };

void ring_trip(u64 cs, u64 ss, const u8 *code, u64 *rsp0);
extern const u8 ring_back[];
extern u64 ring_rsp;
static u64 ring_error;
static u32 ring_vector;

static void on_ring_trap(struct trap_frame *frame)
{
	ring_vector = frame->vector;
	ring_error = frame->error;
	frame->cs = SEL_CODE64;
	frame->ss = SEL_DATA;
	frame->rip = (u64)ring_back;
	frame->rsp = ring_rsp;
	frame->rflags = RFLAGS_FIXED;
}

static void watch_rings(trap_handler_t handler)
{
	static const u8 vectors[] = { VEC_UD, VEC_GP, VEC_BP, VEC_PF };

	for (u32 i = 0; i < ARRAY_SIZE(vectors); i++)
		on_trap(vectors[i], handler);
}

static void insns_trap(u64 cs, u64 ss, const struct insn_code *insns, u32 count, u32 vector)
{
	watch_rings(on_ring_trap);
	for (u32 i = 0; i < count; i++) {
		unsigned int before = claim_failures();

		ring_trip(cs, ss, insns[i].code, (u64 *)((u8 *)this_cpu()->tss + 4));
		GUEST_EXPECT(ring_vector, vector);
		GUEST_EXPECT(ring_error, 0);
		if (claim_failures() != before)
			printf("# %s, CS 0x%x\n", insns[i].name, (unsigned int)cs);
	}
	watch_rings(NULL);
}

static void each_insn_traps(u64 cs, u64 ss, const struct insn_code *insns, u32 vector)
{
	insns_trap(cs, ss, insns, ARRAY_SIZE(insns_64), vector);
}

static void privilege_levels(void)
{
	prepare();
	each_insn_traps(SEL_CODE64_1 | 1, SEL_DATA_1 | 1, insns_64, VEC_GP);
	each_insn_traps(SEL_CODE64_2 | 2, SEL_DATA_2 | 2, insns_64, VEC_GP);
	each_insn_traps(SEL_UCODE64, SEL_UDATA, insns_64, VEC_GP);
}

/* Outside VMX operation VMXON raises #GP there, with CR4.VMXE clear #UD. */
static void privilege_levels_outside(void)
{
	prepare();
	l1_vmxoff();
	insns_trap(SEL_CODE64_1 | 1, SEL_DATA_1 | 1, insns_64, 1, VEC_UD);
	insns_trap(SEL_UCODE64, SEL_UDATA, insns_64, 1, VEC_UD);
	write_cr4(read_cr4() | CR4_VMXE);
	insns_trap(SEL_CODE64_1 | 1, SEL_DATA_1 | 1, insns_64, 1, VEC_GP);
	insns_trap(SEL_CODE64_2 | 2, SEL_DATA_2 | 2, insns_64, 1, VEC_GP);
	insns_trap(SEL_UCODE64, SEL_UDATA, insns_64, 1, VEC_GP);
	write_cr4(read_cr4() & ~CR4_VMXE);
}

static void compatibility_mode(void)
{
	prepare();
	each_insn_traps(SEL_CODE32, SEL_DATA, insns_32, VEC_UD);
	each_insn_traps(SEL_UCODE32, SEL_UDATA, insns_32, VEC_UD);
	l1_vmxoff();
	write_cr4(read_cr4() | CR4_VMXE);
	insns_trap(SEL_CODE32, SEL_DATA, insns_32, 1, VEC_UD);
	write_cr4(read_cr4() & ~CR4_VMXE);
}

/* IRET to LOW_SCRATCH in virtual-8086 mode. */
CODE_32(to_vm86, "push $0; push $0; push $0xa00; push $0xa00; push $0xa00; push $0xff0\n"
		 "push $0x20002; push $0xa00; push $0; iret");

static void in_vm86(u32 count)
{
	for (u32 i = 0; i < count; i++) {
		memcpy((void *)LOW_SCRATCH, insns_32[i].code, insns_32[i].end - insns_32[i].code);
		trip_vector = 0;
		EXPECT_FAULT(in_32(to_vm86), VEC_UD);
	}
}

static void vm86_mode(void)
{
	prepare();
	in_vm86(ARRAY_SIZE(insns_32));
	trip_vmcs = 0; /* outside VMX operation */
	in_vm86(1);
}

/* Counts #UD of each instruction in CX; DX says where to go on. */
#define REAL_INSN(text) "mov $0xa000 + (1f - real_code), %dx; " text "; 1:\n"
CODE_16(real_code,
	"movw $0xa000 + (real_ud - real_code), 0x18; movw $0, 0x1a\n"
	"mov %cr4, %eax; or $0x2000, %eax; mov %eax, %cr4; xor %cx, %cx\n" REAL_INSN(
		"vmxon 0xa900") REAL_INSN("vmxoff") REAL_INSN("vmptrld 0xa900")
		REAL_INSN("vmclear 0xa900") REAL_INSN("vmptrst 0xa900") REAL_INSN(
			"vmlaunch") REAL_INSN("vmresume") REAL_INSN("vmread %eax, %ebx")
			REAL_INSN("vmwrite %eax, %ebx") REAL_INSN("invept 0xa900, %eax") REAL_INSN(
				"invvpid 0xa900, %eax") "movzwl %cx, %eax; ret\n"
							"real_ud: inc %cx; mov %sp, %bp; mov %dx, (%bp); iret");

static void real_mode(void)
{
	struct table_pointer idt;

	asm volatile("sidt %0" : "=m"(idt));
	GUEST_EXPECT(real_trip(real_code, real_code_end - real_code), 11);
	asm volatile("lidt %0" : : "m"(idt));
}

/* --- an L1 without long mode ------------------------------------------------------ */

CODE_32(launch, "vmlaunch");
CODE_32(l2_32, "mov $0x600d, %eax; vmcall");

static void host_32(void)
{
	l1_clear(VMCS_EXIT_CTLS, EXITC_HOST_64 | EXITC_LOAD_EFER);
	l1_vmwrite(VMCS_HOST_CR0, TRIP_CR0);
	l1_vmwrite(VMCS_HOST_CR3, paging_cr3);
	l1_vmwrite(VMCS_HOST_CR4, paging_cr4 | CR4_VMXE);
	l1_vmwrite(VMCS_HOST_CS_SEL, SEL_CODE32);
	l1_vmwrite(VMCS_HOST_TR_SEL, SEL_TSS32);
	l1_vmwrite(VMCS_HOST_RIP, (u64)trip_exit);
	l1_vmwrite(VMCS_HOST_RSP, LOW_SCRATCH + 0xff0);
}

static void guest_32(void)
{
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64 | ENTRYC_LOAD_EFER);
	l1_vmwrite(VMCS_GUEST_CR0, TRIP_CR0);
	l1_vmwrite(VMCS_GUEST_CR3, paging_cr3);
	l1_vmwrite(VMCS_GUEST_CR4, paging_cr4 | CR4_VMXE);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, ((u64 *)pae_tables())[i]);
	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE32);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)l2_32);
	l1_vmwrite(VMCS_GUEST_RSP, LOW_SCRATCH + 0xfe0);
}

static void runs_l2(void)
{
	prepare();
	host_32();
	guest_32();
	trip_reason = ~0u;
	EXPECT_OUTCOME(in_32(launch), VM_OK);
	GUEST_EXPECT(trip_reason, EXIT_VMCALL);
}

static void runs_l2_without_pae(void)
{
	prepare();
	use_pae(false);
	host_32();
	guest_32();
	trip_reason = ~0u;
	EXPECT_OUTCOME(in_32(launch), VM_OK);
	GUEST_EXPECT(trip_reason, EXIT_VMCALL);
	EXPECT_OUTCOME(in_32(store_pointer), VM_OK);
	GUEST_EXPECT(slot, trip_vmcs);
}

/* Each with the other's paging. */
static void paging_differs(void)
{
	for (u32 i = 0; i < 2; i++) {
		prepare();
		use_pae(i);
		host_32();
		use_pae(!i);
		guest_32();
		use_pae(i);
		trip_reason = ~0u;
		EXPECT_OUTCOME(in_32(launch), VM_OK);
		GUEST_EXPECT(trip_reason, EXIT_VMCALL);
	}
}

static void wants_32bit_host(void)
{
	prepare();
	host_32();
	guest_32();
	l1_set(VMCS_EXIT_CTLS, EXITC_HOST_64);
	EXPECT_OUTCOME(in_32(launch), VM_FAIL_VALID(VMERR_BAD_HOST_STATE));
	vmx_again();
	l1_clear(VMCS_EXIT_CTLS, EXITC_HOST_64);
	l1_set(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	EXPECT_OUTCOME(in_32(launch), VM_FAIL_VALID(VMERR_BAD_HOST_STATE));
}

CLAIMS = { { pointers, "VMPTRST, VMCLEAR and VMPTRLD in 32-bit code" },
	   { data, "VMREAD and VMWRITE in 32-bit code: 32 bits at a time" },
	   { invalidation, "INVEPT and INVVPID in 32-bit code" },
	   { address_sizes, "16-bit addresses, and 16-bit code" },
	   { limits, "segment limits: #GP, on the stack #SS" },
	   { expand_down, "expand-down segments" },
	   { segment_rights, "null, read-only and code segments: #GP" },
	   { page_faults, "#PF with 32-bit addresses" },
	   { device_operands, "VMREAD and VMWRITE with registers of the APICs as operands" },
	   { privilege_levels, "at CPL 1, 2 and 3 each VMX instruction raises #GP" },
	   { privilege_levels_outside, "outside VMX operation VMXON raises #GP there too" },
	   { compatibility_mode, "in compatibility mode #UD" },
	   { vm86_mode, "in virtual-8086 mode #UD" },
	   { real_mode, "in real mode #UD" },
	   { runs_l2, "an L1 without long mode runs an L2" },
	   { runs_l2_without_pae, "so does one with 32-bit paging" },
	   { paging_differs, "L2's paging need not be L1's" },
	   { wants_32bit_host, "its host and its guest cannot be 64-bit: error 8" },
	   END_OF_CLAIMS };
