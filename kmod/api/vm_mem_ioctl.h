/* SPDX-License-Identifier: GPL-2.0-only */
/* ioctls of a VM that are about its memory; errors are told in vm_mem_ioctl.c. */
#ifndef API_VM_MEM_IOCTL_H
#define API_VM_MEM_IOCTL_H

#include <linux/compiler.h>

struct vm;

/* Context: the process of the VM, no lock held. */
long vm_set_user_memory_region(struct vm *vm, void __user *arg);
long vm_get_dirty_log(struct vm *vm, void __user *arg);
long vm_clear_dirty_log(struct vm *vm, void __user *arg);
long vm_set_tss_addr(struct vm *vm, void __user *arg);
long vm_set_identity_map_addr(struct vm *vm, void __user *arg);

#endif
