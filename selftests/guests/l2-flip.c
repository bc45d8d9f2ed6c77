// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each field of a VMCS that enters: 0, all ones, and each bit flipped. The
 * verdicts are printed, a character for each attempt, so that transcripts of
 * different hypervisors and of the bare processor can be compared:
 *
 *	.	L2 ran			7, 8	VMfailValid(7), (8)
 *	g	exit 33			p, n, l	exit 33, qualification 2, 3, 4
 *	m	exit 34			?	anything else
 *
 * The claims hold when L1 survives and a proper L2 enters afterwards.
 * SDM: "VM Entries".
 */
#include "vmx.h"

struct field {
	u32 encoding;
	const char *name;
};

#define FIELD(name)                \
	{                          \
		VMCS_##name, #name \
	}
#define SEGMENT(s)                                                               \
	FIELD(GUEST_##s##_SEL), FIELD(GUEST_##s##_LIMIT), FIELD(GUEST_##s##_AR), \
		FIELD(GUEST_##s##_BASE)

static const struct field control_fields[] = {
	FIELD(PIN_CTLS),    FIELD(PROC_CTLS),	    FIELD(PROC2_CTLS),	     FIELD(EXIT_CTLS),
	FIELD(ENTRY_CTLS),  FIELD(ENTRY_INTR_INFO), FIELD(CR3_TARGET_COUNT), FIELD(VPID),
	FIELD(EPT_POINTER), FIELD(MSR_BITMAP),	    FIELD(ENTRY_INSN_LEN),
};
static const struct field host_fields[] = {
	FIELD(HOST_ES_SEL),	  FIELD(HOST_DS_SEL),	    FIELD(HOST_FS_SEL),
	FIELD(HOST_GS_SEL),	  FIELD(HOST_FS_BASE),	    FIELD(HOST_GS_BASE),
	FIELD(HOST_SYSENTER_ESP), FIELD(HOST_SYSENTER_EIP), FIELD(HOST_PAT),
};
static const struct field guest_fields[] = {
	SEGMENT(ES),
	SEGMENT(CS),
	SEGMENT(SS),
	SEGMENT(DS),
	SEGMENT(FS),
	SEGMENT(GS),
	SEGMENT(LDTR),
	SEGMENT(TR),
	FIELD(GUEST_CR0),
	FIELD(GUEST_CR4),
	FIELD(GUEST_EFER),
	FIELD(GUEST_PAT),
	FIELD(GUEST_DR7),
	FIELD(GUEST_DEBUGCTL),
	FIELD(GUEST_RFLAGS),
	FIELD(GUEST_INTERRUPTIBILITY),
	FIELD(GUEST_ACTIVITY),
	FIELD(GUEST_PENDING_DBG),
	FIELD(GUEST_SYSENTER_ESP),
	FIELD(GUEST_SYSENTER_EIP),
	FIELD(GUEST_GDTR_BASE),
	FIELD(GUEST_IDTR_BASE),
	FIELD(GUEST_GDTR_LIMIT),
	FIELD(GUEST_IDTR_LIMIT),
	FIELD(LINK_POINTER),
};

static void l2_vmcalls(void)
{
	for (;;)
		asm volatile("vmcall" : : : "memory");
}

static char verdict(u64 how)
{
	u64 q = 0;

	if (how == VM_FAIL_VALID(VMERR_BAD_CONTROLS))
		return '7';
	if (how == VM_FAIL_VALID(VMERR_BAD_HOST_STATE))
		return '8';
	if (how >= VM_OK)
		return '?';
	if (!(how & EXIT_ENTRY_FAILED))
		return '.';
	vmread(VMCS_EXIT_QUAL, &q);
	if ((how & EXIT_BASIC_MASK) == EXIT_BAD_MSR_LOAD)
		return 'm';
	return q == ENTRYQ_PDPTE ? 'p' : q == ENTRYQ_NMI ? 'n' : q == ENTRYQ_LINK ? 'l' : 'g';
}

/* A VMCS as new, whatever the last L2 made of it, and L1 comes back for sure. */
static void refill(struct l1_vmx *vmx)
{
	l1_fill_vmcs(vmx, l2_vmcalls);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
	l1_set(VMCS_PIN_CTLS, PIN_PREEMPT_TIMER);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, 20000);
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, 0);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, 0);
}

static char attempt(struct l1_vmx *vmx, u32 field, u64 v)
{
	refill(vmx);
	l1_vmwrite(field, v);
	return verdict(l1_run());
}

static void flip(struct l1_vmx *vmx, const struct field *f)
{
	static const u8 widths[] = { 16, 64, 32, 64 };
	u32 bits = widths[vmcs_enc_width(f->encoding)];
	char line[68];
	u64 old;

	refill(vmx);
	old = l1_vmread(f->encoding);
	line[0] = attempt(vmx, f->encoding, 0);
	line[1] = attempt(vmx, f->encoding, ~0ULL);
	for (u32 i = 0; i < bits; i++)
		line[2 + i] = attempt(vmx, f->encoding, old ^ (1ULL << i));
	line[2 + bits] = 0;
	printf("# %s %s\n", f->name, line);
}

static void flip_all(const struct field *fields, u32 count)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcalls);

	l1_need_pin(PIN_PREEMPT_TIMER);
	for (u32 i = 0; i < count; i++)
		flip(vmx, &fields[i]);
	refill(vmx);
	EXPECT_EXIT(EXIT_VMCALL);
}

static void controls(void)
{
	flip_all(control_fields, ARRAY_SIZE(control_fields));
}
static void host(void)
{
	flip_all(host_fields, ARRAY_SIZE(host_fields));
}
static void guest(void)
{
	flip_all(guest_fields, ARRAY_SIZE(guest_fields));
}

CLAIMS = { { controls, "each bit of the controls" },
	   { host, "each bit of host state that L1 survives" },
	   { guest, "each bit of guest state" },
	   END_OF_CLAIMS };
