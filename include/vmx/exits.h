/* SPDX-License-Identifier: GPL-2.0-only */
/* Exit reasons and their names. SDM: "VMX Basic Exit Reasons". */
#ifndef VMX_EXITS_H
#define VMX_EXITS_H

#include <vmx/types.h>

enum vmx_exit {
#define X(number, name, text) EXIT_##name = number,
#include <vmx/exits.def>
#undef X
	NR_EXITS, /* one more than the highest */
};

/* The exit-reason field: bits 15:0 are the basic reason. */
#define EXIT_BASIC_MASK 0xffffu
#define EXIT_ENTRY_FAILED BIT(31)

static inline const char *exit_name(u32 reason)
{
	switch (reason & EXIT_BASIC_MASK) {
#define X(number, name, text) \
	case number:          \
		return text;
#include <vmx/exits.def>
#undef X
	}
	return "unknown exit";
}

#endif
