/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In a module that is built with FAULTS=1 this comes before each file: whatever takes memory, or
 * calls what does, first asks whether it is to fail. What is taken and given back is counted as
 * well. faults.c has the other half; the test is selftests/rig/alloc-fails.c.
 */
#ifndef FAULTS_H
#define FAULTS_H

/* As the sources that have it define it: that of printk.h would be another. */
#define pr_fmt(fmt) "abyme: " fmt

#include <linux/anon_inodes.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>
#include <asm/fpu/api.h>

/* Is the call at that place the one that fails? Once only. Context: any. */
bool fault_here(const char *file, int line);
/* One more, or one less, is held; @p may be an error or NULL. Value: @p. */
void *fault_got(const void *p);
void fault_gave(const void *p);

#define FAULT() fault_here(__FILE__, __LINE__)

/* A name that is a macro in newer kernels stays what it was in these. */
#define PLAIN(type, name, parameters, arguments)   \
	static inline type plain_##name parameters \
	{                                          \
		return name arguments;             \
	}
PLAIN(void *, kzalloc, (size_t n, gfp_t gfp), (n, gfp))
PLAIN(void *, kcalloc, (size_t n, size_t size, gfp_t gfp), (n, size, gfp))
PLAIN(void *, kvmalloc, (size_t n, gfp_t gfp), (n, gfp))
PLAIN(void *, kvzalloc, (size_t n, gfp_t gfp), (n, gfp))
PLAIN(void *, kvcalloc, (size_t n, size_t size, gfp_t gfp), (n, size, gfp))
PLAIN(void *, kvmalloc_array, (size_t n, size_t size, gfp_t gfp), (n, size, gfp))
PLAIN(void *, memdup_user, (const void __user *from, size_t n), (from, n))
PLAIN(void *, vmemdup_user, (const void __user *from, size_t n), (from, n))
PLAIN(void *, __vmalloc, (unsigned long n, gfp_t gfp), (n, gfp))
PLAIN(unsigned long, get_zeroed_page, (gfp_t gfp), (gfp))
PLAIN(unsigned long, __get_free_pages, (gfp_t gfp, unsigned int order), (gfp, order))
PLAIN(struct page *, alloc_page, (gfp_t gfp), (gfp))
PLAIN(bool, zalloc_cpumask_var, (cpumask_var_t * mask, gfp_t gfp), (mask, gfp))
PLAIN(bool, fpu_alloc_guest_fpstate, (struct fpu_guest * fpu), (fpu))
PLAIN(int, init_srcu_struct, (struct srcu_struct * srcu), (srcu))
#undef PLAIN

#undef kzalloc
#undef kcalloc
#undef kvmalloc
#undef kvzalloc
#undef kvcalloc
#undef kvmalloc_array
#undef memdup_user
#undef vmemdup_user
#undef __vmalloc
#undef get_zeroed_page
#undef __get_free_pages
#undef __get_free_page
#undef alloc_page
#undef zalloc_cpumask_var
#undef fpu_alloc_guest_fpstate
#undef init_srcu_struct

#define OR_NULL(call) (FAULT() ? NULL : fault_got(call))
#define OR_ERROR(call) (FAULT() ? ERR_PTR(-ENOMEM) : fault_got(call))
#define OR_ADDRESS(call) (FAULT() ? 0UL : (unsigned long)fault_got((void *)(call)))
#define OR_ENOMEM(call) (FAULT() ? -ENOMEM : (call))

#define kzalloc(n, gfp) (!((gfp)&__GFP_NOFAIL) && FAULT() ? NULL : fault_got(plain_kzalloc(n, gfp)))
#define kcalloc(n, size, gfp) OR_NULL(plain_kcalloc(n, size, gfp))
#define kvmalloc(n, gfp) OR_NULL(plain_kvmalloc(n, gfp))
#define kvzalloc(n, gfp) OR_NULL(plain_kvzalloc(n, gfp))
#define kvcalloc(n, size, gfp) OR_NULL(plain_kvcalloc(n, size, gfp))
#define kvmalloc_array(n, size, gfp) OR_NULL(plain_kvmalloc_array(n, size, gfp))
#define memdup_user(from, n) OR_ERROR(plain_memdup_user(from, n))
#define vmemdup_user(from, n) OR_ERROR(plain_vmemdup_user(from, n))
#define __vmalloc(n, gfp) OR_NULL(plain___vmalloc(n, gfp))
#define get_zeroed_page(gfp) OR_ADDRESS(plain_get_zeroed_page(gfp))
#define __get_free_pages(gfp, order) OR_ADDRESS(plain___get_free_pages(gfp, order))
#define __get_free_page(gfp) __get_free_pages(gfp, 0)
/* Given back by its address. */
#define alloc_page(gfp)                                                      \
	({                                                                   \
		struct page *page_ = FAULT() ? NULL : plain_alloc_page(gfp); \
                                                                             \
		fault_got(page_);                                            \
		page_;                                                       \
	})
#define zalloc_cpumask_var(mask, gfp) (!FAULT() && plain_zalloc_cpumask_var(mask, gfp))
#define fpu_alloc_guest_fpstate(fpu) (!FAULT() && plain_fpu_alloc_guest_fpstate(fpu))
#define init_srcu_struct(srcu) OR_ENOMEM(plain_init_srcu_struct(srcu))

/* What takes memory in the module's name. */
#define anon_inode_getfile(name, fops, priv, flags) \
	(FAULT() ? ERR_PTR(-ENOMEM) : anon_inode_getfile(name, fops, priv, flags))
#define get_unused_fd_flags(flags) OR_ENOMEM(get_unused_fd_flags(flags))
#define misc_register(device) OR_ENOMEM(misc_register(device))
#define mmu_notifier_register(notifier, mm) OR_ENOMEM(mmu_notifier_register(notifier, mm))
#define cpuhp_setup_state(state, name, up, down) \
	OR_ENOMEM((cpuhp_setup_state)(state, name, up, down))
#define xa_store(xa, index, entry, gfp) \
	(FAULT() ? XA_ERROR(-ENOMEM) : xa_store(xa, index, entry, gfp))

#define GIVE(call, p)          \
	do {                   \
		fault_gave(p); \
		call;          \
	} while (0)
#define kfree(p) GIVE((kfree)(p), p)
#define kvfree(p) GIVE((kvfree)(p), p)
#define vfree(p) GIVE((vfree)(p), p)
#undef free_page
#define free_pages(address, order) GIVE((free_pages)(address, order), (void *)(address))
#define free_page(address) free_pages(address, 0)
#undef kfree_rcu
#define kfree_rcu(p, member) GIVE(kvfree_rcu(p, member), p)

#endif
