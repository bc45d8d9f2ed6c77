/* SPDX-License-Identifier: GPL-2.0-only */
/* VM-instruction errors and VMX aborts, with their texts. */
#ifndef VMX_ERRORS_H
#define VMX_ERRORS_H

#include <vmx/types.h>

enum vmx_error {
#define X(number, name, text) VMERR_##name = number,
#include <vmx/errors.def>
#undef X
};

static inline const char *vmerr_text(u32 error)
{
	switch (error) {
#define X(number, name, text) \
	case number:          \
		return text;
#include <vmx/errors.def>
#undef X
	}
	return "unknown VM-instruction error";
}

/* What VMX aborts leave in the VMX-abort indicator. SDM: "VMX Aborts". */
enum vmx_abort {
	VMABORT_SAVE_MSR = 1,
	VMABORT_HOST_PDPTE = 2,
	VMABORT_CORRUPT_VMCS = 3,
	VMABORT_LOAD_MSR = 4,
	VMABORT_MCE = 5,
	VMABORT_HOST_32BIT = 6,
};

#endif
