// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why VMX instructions and entries of L1 fail: a ring of the last reports, for
 * ABYME_GET_ENTRY_REPORT and the tracepoint. Tour, stop 10.
 *
 * What a reader must know: a record keeps what is cheap to keep, a pointer to
 * the rule and a value; strings are made when somebody asks. Records are the
 * vCPU thread's alone.
 */
#include <linux/uaccess.h>
#include <vmx/report_text.h>

#include "cpu/regs.h"
#include "cpu/trace.h"
#include "nested/internal.h"

/* The value of the field that a failed check is about. */
static u64 field_value(const struct nested *n, const struct check *failed,
		       const struct check_ctx *c)
{
	u32 pdpte = (failed->field - VMCS_GUEST_PDPTE0) / 2;

	/* PDPTEs are not always in vmcs12: without EPT12 they come from L2's memory. */
	return c && pdpte < ARRAY_SIZE(c->pdpte) ? c->pdpte[pdpte]
						 : vmcs12_read(c ? c->v : n->v, failed->field);
}

void report_check(struct vcpu *vcpu, const struct check *failed, const struct check_ctx *c)
{
	struct nested *n = vcpu->nested;

	n->failed = failed;
	n->failed_value = field_value(n, failed, c);
}

static const char *report_sentence(const struct report *r)
{
	if (r->check)
		return r->check->message;
	switch (r->outcome) {
	case ABYME_ABORT: return vmabort_text(r->error);
	case ABYME_VMFAIL_VALID: return vmerr_text(r->error);
	case ABYME_ENTRY_REFUSED: return "all checks had passed: a bug of abyme's";
	case ABYME_L2_TRIPLE_FAULT: return "L1 was given the exit";
	default: return exit_name(r->error);
	}
}

/* Makes of a record what userspace gets, with field names and the rule in words. */
static void report_describe(const struct report *r, struct abyme_entry_report *to)
{
	const struct check *check = r->check;

	*to = (struct abyme_entry_report){
		.sequence = r->sequence,
		.l1_rip = r->rip,
		.vmcs12 = r->vmcs12,
		.value = r->value,
		.qualification = r->qualification,
		.outcome = r->outcome,
		.instruction = r->instruction,
		.error = r->error,
		.field = check && !check->operand ? check->field : ABYME_NO_FIELD,
		.l2 = r->l2,
	};
	strscpy(to->sentence, report_sentence(r), sizeof(to->sentence));
	if (!check)
		return;
	strscpy(to->check, check->id, sizeof(to->check));
	strscpy(to->section, check->section, sizeof(to->section));
	strscpy(to->operand, check->operand ?: vmcs12_field_name(check->field),
		sizeof(to->operand));
}

static void report_trace(struct vcpu *vcpu, const struct report *r)
{
	struct abyme_entry_report full;
	char line[REPORT_LINE];

	if (!trace_abyme_nested_entry_failed_enabled())
		return;
	report_describe(r, &full);
	report_text(line, sizeof(line), &full);
	trace_abyme_nested_entry_failed(vcpu->id, line);
}

void report_add(struct vcpu *vcpu, struct report r)
{
	struct nested *n = vcpu->nested;

	r.sequence = ++n->reports;
	if (r.outcome != ABYME_STATE_REFUSED) /* the state's VMCS has not become current */
		r.vmcs12 = n->vmcs12_ptr;
	n->report[r.sequence % ABYME_REPORTS] = r;
	report_trace(vcpu, &r);
	if (n->watch & ABYME_WATCH_REPORTS)
		vcpu_request(vcpu, REQ_LEAVE);
}

/* Called when vmcs12 already has L2's registers and the event that was being delivered. */
void report_triple_fault(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;
	struct report r = {
		.outcome = ABYME_L2_TRIPLE_FAULT,
		.instruction = EXIT_TRIPLE_FAULT,
		.rip = v->host_rip,
		.l2 = {
			.rip = v->guest_rip,
			.rsp = v->guest_rsp,
			.rflags = v->guest_rflags,
			.cr0 = v->guest_cr0,
			.cr3 = v->guest_cr3,
			.cr4 = v->guest_cr4,
			.efer = vcpu->efer,
			.cs_base = vmread(VMCS_GUEST_CS_BASE),
			.cs_selector = vmread(VMCS_GUEST_CS_SEL),
			.cs_access_rights = vmread(VMCS_GUEST_CS_AR),
			.vectoring = v->idt_vectoring_info,
			.vectoring_error = v->idt_vectoring_error,
		},
	};
	int i;

	for (i = 0; i < ABYME_LAST_EXITS; i++) {
		u64 number = n->exits_seen + i;

		r.l2.last_exits[i] = number < ABYME_LAST_EXITS
					     ? ABYME_NO_EXIT
					     : n->last_exits[number % ABYME_LAST_EXITS];
	}
	report_add(vcpu, r);
}

static int put_reports(const struct nested *n, u64 after, struct abyme_entry_report __user *user)
{
	u64 oldest = n->reports > ABYME_REPORTS ? n->reports - ABYME_REPORTS + 1 : 1, s;
	struct abyme_entry_report full;
	int count = 0;

	for (s = max(oldest, after + 1); s && s <= n->reports; s++, count++) {
		report_describe(&n->report[s % ABYME_REPORTS], &full);
		if (copy_to_user(&user[count], &full, sizeof(full)))
			return -EFAULT;
	}
	return count;
}

int nested_get_reports(struct vcpu *vcpu, struct abyme_entry_reports __user *user)
{
	const struct nested *n = vcpu->nested;
	int count = 0;
	u32 padding;
	u64 after;

	if (get_user(after, &user->after) || get_user(padding, &user->padding))
		return -EFAULT;
	if (padding)
		return -EINVAL;
	if (n)
		count = put_reports(n, after, user->report);
	if (count < 0)
		return count;
	if (put_user(n ? n->reports : 0, &user->newest) || put_user(count, &user->count))
		return -EFAULT;
	return 0;
}
