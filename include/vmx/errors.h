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
#define VMX_ABORTS(X)                                                               \
	X(1, SAVE_MSR, "guest MSRs could not be saved")                             \
	X(2, HOST_PDPTE, "the host's page-directory-pointer-table entries are bad") \
	X(3, CORRUPT_VMCS, "the current VMCS is corrupted")                         \
	X(4, LOAD_MSR, "host MSRs could not be loaded")                             \
	X(5, MCE, "a machine-check event came during the exit")                     \
	X(6, HOST_32BIT, "the host was in IA-32e mode and is to leave it")

enum vmx_abort {
#define X(number, name, text) VMABORT_##name = number,
	VMX_ABORTS(X)
#undef X
};

static inline const char *vmabort_text(u32 indicator)
{
	switch (indicator) {
#define X(number, name, text) \
	case number: return text;
		VMX_ABORTS(X)
#undef X
	}
	return "unknown VMX abort";
}

#endif
