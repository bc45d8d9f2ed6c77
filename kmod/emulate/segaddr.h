/* SPDX-License-Identifier: GPL-2.0-only */
/* From segment and offset to a linear address, with the checks of the processor. */
#ifndef EMULATE_SEGADDR_H
#define EMULATE_SEGADDR_H

#include <vmx/gpr.h>
#include "emulate/fault.h"

/* A segment register, and the modes on which its checks depend. */
struct segaddr {
	enum segreg seg;
	u64 base;
	u32 limit; /* in bytes, granularity applied */
	u8 type;   /* access rights 3:0: code, conforming or expand-down, readable or writable */
	bool big;  /* D/B */
	bool unusable;
	bool mode_64;	     /* CS.L in long mode: no limits, canonical addresses */
	bool protected_mode; /* CR0.PE and not virtual-8086: types are checked */
};

/*
 * The linear address of @size bytes at @offset.
 * Return: 0 with *linear; -EFAULT with *fault: #SS for SS, else #GP, code 0.
 * SDM volume 3: "Limit Checking", "Type Checking", "Canonical Addressing".
 */
int segaddr_linear(const struct segaddr *s, u64 offset, u32 size, bool write, bool fetch,
		   u64 *linear, struct x86_fault *fault);

#endif
