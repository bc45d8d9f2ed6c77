// SPDX-License-Identifier: GPL-2.0-only
/* What an L1 that runs under mini can be asked and have done to it. */
#include <abyme.h>
#include <stdio.h>
#include <string.h>
#include <vmx/info.h>
#include <vmx/report_text.h>
#include "nested.h"

static union {
	struct kvm_nested_state state;
	u8 room[sizeof(struct kvm_nested_state) + 2 * KVM_STATE_NESTED_VMX_VMCS_SIZE];
} s;

enum {
	OFFSET_LAUNCH_STATE = 8,
#define F(name, encoding, width, member, offset, role, shadow) OFFSET_##name = offset,
#include <vmx/vmcs_fields.def>
#undef F
};

static void put32(u32 offset, u32 value)
{
	memcpy(s.state.data.vmx[0].vmcs12 + offset, &value, sizeof(value));
}

/* KVM's vmcs12 of a running L2 is as L1 had it before the entry. */
static void as_kvm_leaves_it(void)
{
	if (!(s.state.flags & KVM_STATE_NESTED_GUEST_MODE) ||
	    (s.state.flags & KVM_STATE_NESTED_RUN_PENDING))
		return;
	put32(OFFSET_LAUNCH_STATE, 0);
	put32(OFFSET_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | 0x20);
}

u32 nested_take_state(int fd)
{
	memset(&s, 0, sizeof(s));
	s.state.size = sizeof(s);
	return ioctl(fd, KVM_GET_NESTED_STATE, &s) ? 0 : s.state.size;
}

int nested_give_state(int fd)
{
	as_kvm_leaves_it();
	return ioctl(fd, KVM_SET_NESTED_STATE, &s);
}

void nested_break_state(void)
{
	memset(s.state.data.vmx[0].vmcs12 + OFFSET_GUEST_RFLAGS, 0, 8);
}

int nested_watch(int fd, bool on)
{
	struct abyme_watch watch = { .flags = on ? ABYME_WATCH_EXITS : 0 };

	return ioctl(fd, ABYME_SET_WATCH, &watch);
}

void nested_print_reports(int fd)
{
	static struct abyme_entry_reports reports;
	char line[REPORT_LINE];

	if (ioctl(fd, ABYME_GET_ENTRY_REPORT, &reports))
		return;
	fprintf(stderr, "mini: the last %u of %llu reports\n", reports.count, reports.newest);
	for (u32 i = 0; i < reports.count; i++) {
		report_text(line, sizeof(line), &reports.report[i]);
		fprintf(stderr, "mini: report %llu: %s\n", reports.report[i].sequence, line);
	}
}
