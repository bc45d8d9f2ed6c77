/* SPDX-License-Identifier: GPL-2.0-only */
/* Where things are in a guest image, for C and assembler. */
#ifndef LIB_LAYOUT_H
#define LIB_LAYOUT_H

#define MAX_CPUS 8

/* A stack is aligned to its size; struct cpu sits at its lowest address. */
#define STACK_SIZE 0x4000

/* Below 1 MiB: code for real mode, and the page that INIT-SIPI starts at. */
#define TRAMPOLINE 0x8000
/* Scratch for 16-bit code and for images that want a fixed low page. */
#define LOW_SCRATCH 0xa000

/* Pages for page_alloc(): 16 MiB from here. A guest needs 32 MiB. */
#define POOL_BASE 0xc00000
#define POOL_END 0x1c00000

#define SEL_CODE32 0x08
#define SEL_DATA 0x10
#define SEL_CODE64 0x18
#define SEL_CODE16 0x20
#define SEL_DATA16 0x28
/* SYSRET wants 32-bit code, data, 64-bit code in this order. */
#define SEL_UCODE32 0x33
#define SEL_UDATA 0x3b
#define SEL_UCODE64 0x43
#define SEL_SPARE 0x48
#define SEL_TSS(n) (0x50 + 16 * (n))
#define GDT_SIZE SEL_TSS(MAX_CPUS)

/* The gate through which user_call() comes back. */
#define VECTOR_USER_RETURN 0x80

#endif
