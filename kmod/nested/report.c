// SPDX-License-Identifier: GPL-2.0-only
/* Why an entry of L1 failed, in words. */
#include "nested/internal.h"

void report_check(struct vcpu *vcpu, const struct check *failed, const char *what)
{
	struct nested *n = vcpu->nested;

	n->failed = failed;
	pr_debug("abyme: vcpu %u, L1 rip 0x%lx: %s: %s=0x%llx: %s [SDM: %s]\n", vcpu->id,
		 vcpu_rip(vcpu), what, vmcs12_field_name(failed->field),
		 vmcs12_read(n->v, failed->field), failed->message, failed->section);
}
