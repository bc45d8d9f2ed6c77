/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the multiboot loader to C in long mode, on the first CPU and on those
 * that INIT-SIPI starts. Memory below 4 GiB is mapped to itself, accessible
 * from every privilege level.
 */
#include "layout.h"

#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x3

#define CR0_START 0x80010033 /* PG WP NE ET MP PE */
#define CR4_START 0x620 /* PAE, OSFXSR, OSXMMEXCPT */
#define EFER_START 0x901 /* NXE, LME, SCE */
#define MSR_EFER 0xc0000080

	.section .multiboot, "a"
	.align 4
	.long MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)

	.text
	.code32
	.globl start32
start32:
	cli
	cld
	mov %eax, boot_magic
	mov %ebx, boot_info
	lgdt gdt_descriptor
	ljmp $SEL_CODE32, $1f
1:	mov $boot_stack + STACK_SIZE, %esp
	call build_page_tables
	mov $boot_stack, %ebx

/* ebx: the lowest address of this CPU's stack. */
	.globl enter_long_mode
enter_long_mode:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov $CR4_START, %eax
	mov %eax, %cr4
	mov $page_pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	mov $EFER_START, %eax
	xor %edx, %edx
	wrmsr
	mov $CR0_START, %eax
	mov %eax, %cr0
	ljmp $SEL_CODE64, $2f
	.code64
2:	mov %ebx, %ebx
	lea STACK_SIZE(%rbx), %rsp
	xor %ebp, %ebp
	mov %rbx, %rdi
	call cpu_main
3:	cli
	hlt
	jmp 3b

	.code32
build_page_tables:
	mov $page_pml4, %edi
	lea 0x1007(%edi), %eax
	mov %eax, (%edi)		/* PML4[0] = the PDPT after it */
	lea 0x1000(%edi), %edx
	lea 0x2007(%edi), %eax
	mov $4, %ecx
1:	mov %eax, (%edx)		/* PDPT[i] = i-th page directory */
	add $8, %edx
	add $0x1000, %eax
	loop 1b
	lea 0x2000(%edi), %edx
	mov $0xe7, %eax			/* present, writable, user, A, D, 2 MiB */
	mov $2048, %ecx
2:	mov %eax, (%edx)
	add $8, %edx
	add $0x200000, %eax
	loop 2b
	ret

/* Copied to TRAMPOLINE; where a CPU wakes up in real mode after SIPI. */
	.code16
	.globl trampoline, trampoline_end
trampoline:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	incl (trampoline_count - trampoline)
	lgdtl (trampoline_gdt - trampoline)
	mov %cr0, %eax
	or $1, %al
	and $0x9fffffff, %eax		/* caches on */
	mov %eax, %cr0
	ljmpl $SEL_CODE32, $trampoline32
	.align 4
trampoline_gdt:
	.word GDT_SIZE - 1
	.long gdt
	.globl trampoline_count
trampoline_count:
	.long 0
trampoline_end:

	.code32
trampoline32:
	mov $SEL_DATA, %eax
	mov %eax, %ds
	mov ap_stack, %ebx
	jmp enter_long_mode

	.data
	.align 16
	.globl gdt, gdt_descriptor
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad 0x00cf93000000ffff	/* SEL_DATA */
	.quad 0x00af9b000000ffff	/* SEL_CODE64 */
	.quad 0x00009b000000ffff	/* SEL_CODE16 */
	.quad 0x000093000000ffff	/* SEL_DATA16 */
	.quad 0x00cffb000000ffff	/* SEL_UCODE32 */
	.quad 0x00cff3000000ffff	/* SEL_UDATA */
	.quad 0x00affb000000ffff	/* SEL_UCODE64 */
	.quad 0				/* SEL_SPARE */
	.fill MAX_CPUS * 2, 8, 0	/* SEL_TSS(n) */
gdt_descriptor:
	.word GDT_SIZE - 1
	.quad gdt
	.globl boot_magic, boot_info, ap_stack
boot_magic:
	.long 0
boot_info:
	.long 0
ap_stack:
	.long 0

	.bss
	.balign STACK_SIZE
	.globl boot_stack, page_pml4
boot_stack:
	.skip STACK_SIZE
	.balign 4096
page_pml4:				/* PML4, PDPT, four page directories */
	.skip 4096 * 6

	.section .note.GNU-stack, "", @progbits
