// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters as files: /sys/kernel/debug/abyme/PID-FD/COUNTER. `abyme stat` reads
 * them.
 *
 * A directory is published when a VM's fd is made, and goes in vm_free(), while
 * the vCPUs are still there: debugfs_remove() waits for readers.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "api/counters.h"
#include "cpu/stats.h"
#include "cpu/vm.h"

static struct dentry *top;

/* A counter's file knows its index; its directory knows the VM. */
static ssize_t counter_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct vm *vm = d_inode(file->f_path.dentry->d_parent)->i_private;
	int index = (long)file_inode(file)->i_private;
	char text[24];
	int n;

	n = scnprintf(text, sizeof(text), "%llu\n", counter_value(vm, NULL, index));
	return simple_read_from_buffer(to, size, pos, text, n);
}

static const struct file_operations counter_fops = {
	.owner = THIS_MODULE,
	.read = counter_read,
	.llseek = default_llseek,
};

void stats_setup(void)
{
	top = debugfs_create_dir("abyme", NULL);
}

void stats_teardown(void)
{
	debugfs_remove(top);
}

void stats_vm_publish(struct vm *vm, int fd)
{
	char name[COUNTER_NAME_SIZE];
	struct dentry *dir;
	long i;

	if (IS_ERR_OR_NULL(top))
		return;
	snprintf(name, sizeof(name), "%d-%d", task_pid_nr(current), fd);
	/* A VM whose fd is closed, and reused, may live on through its vCPUs' fds. */
	dir = debugfs_lookup(name, top);
	if (dir) {
		dput(dir);
		return;
	}
	dir = debugfs_create_dir(name, top);
	if (IS_ERR(dir))
		return;
	d_inode(dir)->i_private = vm;
	for (i = 0; i < counters_count(); i++) {
		counter_name(i, name);
		debugfs_create_file(name, 0444, dir, (void *)i, &counter_fops);
	}
	vm->debugfs = dir;
}

void stats_vm_unpublish(struct vm *vm)
{
	debugfs_remove(vm->debugfs);
	vm->debugfs = NULL;
}
