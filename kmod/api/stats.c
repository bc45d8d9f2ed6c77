// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: a file of four parts that describes itself: header, id,
 * descriptors, data. See "Binary statistics" in the kernel's description of the
 * KVM API. What is counted is in counters.c.
 *
 * What a reader must know: each read builds the whole image anew and gives the
 * part that was asked for. The reader may be another process than the VM's: it
 * got the VM's fd, and sees counters, none of the guest's memory.
 */
#include "cpu/stats.h"

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "api/counters.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"

#define ID_SIZE COUNTER_NAME_SIZE
/* The kernel's own headers may have room for a name in the structure; userspace's have none. */
#define DESC_SIZE (offsetof(struct kvm_stats_desc, name) + COUNTER_NAME_SIZE)

struct stats_file {
	struct vm *vm;	   /* a reference, which keeps the vCPU as well */
	struct vcpu *vcpu; /* NULL: the whole VM */
	char id[ID_SIZE];
};

/*
 * The image: header, id, descriptors, values. Sizes in bytes; values are
 * aligned, as each part is a multiple of 8 bytes long.
 */
static size_t data_offset(void)
{
	return sizeof(struct kvm_stats_header) + ID_SIZE + counters_count() * DESC_SIZE;
}

static size_t image_size(void)
{
	return data_offset() + counters_count() * sizeof(u64);
}

static void stats_fill_header(struct kvm_stats_header *header)
{
	*header = (struct kvm_stats_header){
		.name_size = COUNTER_NAME_SIZE,
		.num_desc = counters_count(),
		.id_offset = sizeof(*header),
		.desc_offset = sizeof(*header) + ID_SIZE,
		.data_offset = data_offset(),
	};
}

/* Counts, not times or bytes: a base of 10 to the power 0 says that there's no unit. */
static void fill_desc(struct kvm_stats_desc *desc, int index)
{
	desc->flags = counter_type(index) | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
	desc->size = 1;
	desc->offset = index * sizeof(u64);
	counter_name(index, desc->name);
}

/* @image: zeroed, image_size() bytes. */
static void fill_image(const struct stats_file *stats, char *image)
{
	char *desc = image + sizeof(struct kvm_stats_header) + ID_SIZE;
	u64 *data = (u64 *)(image + data_offset());
	int i;

	stats_fill_header((struct kvm_stats_header *)image);
	memcpy(image + sizeof(struct kvm_stats_header), stats->id, ID_SIZE);
	for (i = 0; i < counters_count(); i++) {
		fill_desc((struct kvm_stats_desc *)(desc + i * DESC_SIZE), i);
		data[i] = counter_value(stats->vm, stats->vcpu, i);
	}
}

/*
 * Readers seek as they like, and descriptors do not change, so that nothing has to be kept from
 * one read to the next. Values of one read belong together as far as a running vCPU lets them.
 */
static ssize_t stats_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	char *image = kvzalloc(image_size(), GFP_KERNEL);
	ssize_t n;

	if (!image)
		return -ENOMEM;
	fill_image(file->private_data, image);
	n = simple_read_from_buffer(to, size, pos, image, image_size());
	kvfree(image);
	return n;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *stats = file->private_data;

	vm_put(stats->vm);
	kfree(stats);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

/* Takes @stats over, also on failure. Unlike other fds of KVM's it can be read at an offset. */
static long stats_install(struct stats_file *stats, const char *name)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto free;
	file = anon_inode_getfile(name, &stats_fops, stats, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto free;
	}
	file->f_mode |= FMODE_PREAD;
	vm_get(stats->vm);
	fd_install(fd, file);
	return fd;

free:
	kfree(stats);
	return fd;
}

long stats_vm_fd(struct vm *vm)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);

	if (!stats)
		return -ENOMEM;
	stats->vm = vm;
	snprintf(stats->id, ID_SIZE, "kvm-%d", vm->creator);
	return stats_install(stats, "abyme-vm-stats");
}

long stats_vcpu_fd(struct vcpu *vcpu)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);

	if (!stats)
		return -ENOMEM;
	stats->vm = vcpu->vm;
	stats->vcpu = vcpu;
	snprintf(stats->id, ID_SIZE, "kvm-%d/vcpu-%u", vcpu->vm->creator, vcpu->id);
	return stats_install(stats, "abyme-vcpu-stats");
}
