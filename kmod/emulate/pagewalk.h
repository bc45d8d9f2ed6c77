/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A walk of a guest's page tables as its processor would do it: 32-bit, PAE
 * and 4-level paging, access rights, accessed and dirty flags.
 *
 * SDM volume 3, chapter "Paging". Left out: 5-level paging and supervisor keys, which no
 * guest is offered; and shadow stacks, to which L0 makes no access.
 */
#ifndef EMULATE_PAGEWALK_H
#define EMULATE_PAGEWALK_H

#include "emulate/fault.h"
#include "mem/trail.h"

enum paging {
	PAGING_NONE,
	PAGING_32,
	PAGING_PAE,
	PAGING_4LEVEL,
};

struct pagewalk_ops {
	/*
	 * Memory of paging structures: one aligned entry of 4 or 8 bytes.
	 * Return: 0, or an errno other than -EFAULT that ends the walk.
	 */
	int (*read)(void *ctx, u64 gpa, u64 *entry, u8 size);
	/* Return: 0, also if it cannot be written and stays; -ESTALE: it has changed; or errno. */
	int (*update)(void *ctx, u64 gpa, u64 old, u64 new, u8 size);
};

/* The registers on which a walk depends, and how it gets at memory. */
struct pagewalk {
	const struct pagewalk_ops *ops;
	void *ctx;
	u8 paging; /* enum paging */
	u8 maxphyaddr;
	bool pse; /* CR4.PSE; only for PAGING_32 */
	bool gbpages;
	bool wp;  /* CR0.WP */
	bool nxe; /* EFER.NXE */
	bool smep;
	bool smap;
	bool ac;  /* RFLAGS.AC */
	bool pke; /* CR4.PKE; only for PAGING_4LEVEL */
	u32 pkru; /* protection keys of user pages: two bits each */
	u64 cr3;
	u64 pdpte[4]; /* PAGING_PAE: the processor's registers */
};

/* For what a translation is asked: the walk faults if the access is not allowed. */
struct access {
	bool write;
	bool fetch;
	bool user;		 /* CPL 3, and not a system access */
	bool implicit;		 /* supervisor, whatever the CPL: descriptor tables and the like */
	bool peek;		 /* userspace looks: nothing is changed, and L1 is owed no exit */
	struct mem_trail *trail; /* filled by a walk that succeeds; may be NULL */
};

/* A walk that finds a changed entry begins again so many times, then gives up with -EAGAIN. */
#define PAGEWALK_MAX_RETRIES 64

/* A page that was found. */
struct page_found {
	u64 gpa; /* of the linear address itself, not of the page's first byte */
	bool user;
	bool writable;
	bool nx;
};

/*
 * @linear: canonical, or 32 bits wide.
 * Return: 0 with *found; -EFAULT with *fault; or what a callback returned.
 */
int pagewalk(const struct pagewalk *w, u64 linear, const struct access *access,
	     struct page_found *found, struct x86_fault *fault);

#endif
