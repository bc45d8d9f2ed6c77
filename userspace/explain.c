// SPDX-License-Identifier: GPL-2.0-only
/* abyme run --explain: why the guest's VMX instructions and VM entries fail, as it happens. */
#include <inttypes.h>
#include <sys/ioctl.h>
#include <vmx/report_text.h>

#include "explain.h"

#define VECTORING_VALID (1u << 31)

static void print_last_exits(FILE *to, const struct abyme_l2_state *l2)
{
	const char *separator = "";

	fprintf(to, "  its last exits: ");
	for (int i = 0; i < ABYME_LAST_EXITS; i++) {
		if (l2->last_exits[i] == ABYME_NO_EXIT)
			continue;
		fprintf(to, "%s%s", separator, report_exit_text(l2->last_exits[i]));
		separator = ", ";
	}
	fprintf(to, "\n");
}

static void print_l2(FILE *to, const struct abyme_l2_state *l2)
{
	fprintf(to,
		"  L2 rip 0x%llx rsp 0x%llx rflags 0x%llx cr0 0x%llx cr3 0x%llx cr4 0x%llx efer "
		"0x%llx\n",
		l2->rip, l2->rsp, l2->rflags, l2->cr0, l2->cr3, l2->cr4, l2->efer);
	fprintf(to, "  L2 cs 0x%x base 0x%llx access rights 0x%x\n", l2->cs_selector, l2->cs_base,
		l2->cs_access_rights);
	if (l2->vectoring & VECTORING_VALID)
		fprintf(to,
			"  vector 0x%x was being delivered, information 0x%x, error code 0x%x\n",
			l2->vectoring & 0xff, l2->vectoring, l2->vectoring_error);
	print_last_exits(to, l2);
}

void explain_print(FILE *to, const struct abyme_entry_report *report)
{
	char line[REPORT_LINE];

	report_text(line, sizeof(line), report);
	fprintf(to, "%s\n", line);
	if (report->outcome == ABYME_L2_TRIPLE_FAULT)
		print_l2(to, &report->l2);
}

/* The file is locked for all lines together, so that those of several vCPUs don't mix. */
void explain_new(struct vcpu *vcpu, FILE *to)
{
	struct abyme_entry_reports reports = { .after = vcpu->explained };

	if (ioctl(vcpu->fd, ABYME_GET_ENTRY_REPORT, &reports) || reports.newest == vcpu->explained)
		return;
	flockfile(to);
	if (reports.newest - vcpu->explained > reports.count)
		fprintf(to, "%" PRIu64 " more failed, too fast to be told\n",
			(uint64_t)(reports.newest - vcpu->explained - reports.count));
	for (unsigned int i = 0; i < reports.count; i++)
		explain_print(to, &reports.report[i]);
	funlockfile(to);
	vcpu->explained = reports.newest;
}
