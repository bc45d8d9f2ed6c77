// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that raises a GSI when it is signalled, without userspace.
 *
 * The interrupt is raised right in the signaller's context, under the
 * eventfd's own lock with interrupts off. Locks nest: irqchip.lock, then the
 * eventfd's, then irqfds.lock.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "compat/eventfd.h"
#include "irqchip/chip.h"

struct irqfd {
	struct irqchip *chip;
	u32 gsi;
	struct eventfd_ctx *event;
	struct eventfd_ctx *resample; /* level-triggered: signalled at the EOI; or NULL */
	wait_queue_entry_t wait;
	poll_table table;
	struct list_head node;		/* in items or dying */
	struct list_head resample_node; /* in resampling, if .resample */
};

static void raise(struct irqfd *irqfd)
{
	if (irqfd->resample) {
		irqchip_set_irq(irqfd->chip, IRQ_RESAMPLE, irqfd->gsi, true);
		return;
	}
	irqchip_set_irq(irqfd->chip, IRQ_USER, irqfd->gsi, true);
	irqchip_set_irq(irqfd->chip, IRQ_USER, irqfd->gsi, false);
}

/* The eventfd was closed by its last user: the irqfd goes too, but not from here. */
static void hung_up(struct irqfd *irqfd)
{
	struct irqfds *fds = &irqfd->chip->irqfds;
	unsigned long flags;

	spin_lock_irqsave(&fds->lock, flags);
	if (!list_empty(&irqfd->node)) /* else it's being freed already */
		list_move(&irqfd->node, &fds->dying);
	spin_unlock_irqrestore(&fds->lock, flags);
	schedule_work(&fds->reap);
}

/* Context: the eventfd's lock held, interrupts off. */
static int signalled(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->event, &count);
		raise(irqfd);
	}
	if (events & EPOLLHUP)
		hung_up(irqfd);
	return !!(events & EPOLLIN);
}

static void attach(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct irqfd, table);

	add_wait_queue_priority(head, &irqfd->wait);
}

/* Is a resampling irqfd at @gsi? Under rcu_read_lock(), or irqchip.lock. */
bool irqfds_watch(struct irqchip *chip, u32 gsi)
{
	struct irqfd *irqfd;

	list_for_each_entry_rcu(irqfd, &chip->irqfds.resampling, resample_node,
				lockdep_is_held(&chip->lock))
		if (irqfd->gsi == gsi)
			return true;
	return false;
}

/*
 * The guest is done with @gsi: the pin goes down, and whoever still has
 * something to say will raise it again. Context: under rcu_read_lock(), no
 * raw lock held.
 */
void irqfds_acked(struct irqchip *chip, u32 gsi)
{
	struct irqfd *irqfd;
	bool lowered = false;

	list_for_each_entry_rcu(irqfd, &chip->irqfds.resampling, resample_node) {
		if (irqfd->gsi != gsi)
			continue;
		if (!lowered)
			irqchip_set_irq(chip, IRQ_RESAMPLE, gsi, false);
		lowered = true;
		eventfd_signal(irqfd->resample);
	}
}

static void remove_resampler(struct irqfd *irqfd)
{
	struct irqchip *chip = irqfd->chip;

	list_del_rcu(&irqfd->resample_node);
	synchronize_rcu();
	if (!irqfds_watch(chip, irqfd->gsi))
		irqchip_set_irq(chip, IRQ_RESAMPLE, irqfd->gsi, false);
	ioapic_update_eoi_vectors(chip);
}

static void add_resampler(struct irqfd *irqfd)
{
	list_add_rcu(&irqfd->resample_node, &irqfd->chip->irqfds.resampling);
	ioapic_update_eoi_vectors(irqfd->chip);
}

/* Context: irqchip.lock held; in no list but that of resamplers. */
static void free_irqfd(struct irqfd *irqfd)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(irqfd->event, &irqfd->wait, &count);
	if (irqfd->resample) {
		remove_resampler(irqfd);
		eventfd_ctx_put(irqfd->resample);
	}
	eventfd_ctx_put(irqfd->event);
	kfree(irqfd);
}

static struct irqfd *take_dying(struct irqfds *fds)
{
	struct irqfd *irqfd;

	spin_lock_irq(&fds->lock);
	irqfd = list_first_entry_or_null(&fds->dying, struct irqfd, node);
	if (irqfd)
		list_del_init(&irqfd->node);
	spin_unlock_irq(&fds->lock);
	return irqfd;
}

static void reap(struct work_struct *work)
{
	struct irqchip *chip = container_of(work, struct irqchip, irqfds.reap);
	struct irqfd *irqfd;

	mutex_lock(&chip->lock);
	while ((irqfd = take_dying(&chip->irqfds)))
		free_irqfd(irqfd);
	mutex_unlock(&chip->lock);
}

void irqfds_init(struct irqchip *chip)
{
	struct irqfds *fds = &chip->irqfds;

	spin_lock_init(&fds->lock);
	INIT_LIST_HEAD(&fds->items);
	INIT_LIST_HEAD(&fds->dying);
	INIT_LIST_HEAD(&fds->resampling);
	INIT_WORK(&fds->reap, reap);
}

/* All of them go. Afterwards none is left and no work is under way. */
void irqfds_destroy(struct irqchip *chip)
{
	struct irqfds *fds = &chip->irqfds;

	spin_lock_irq(&fds->lock);
	list_splice_init(&fds->items, &fds->dying);
	spin_unlock_irq(&fds->lock);
	reap(&fds->reap);
	flush_work(&fds->reap);
}

/* Context: irqfds.lock held. */
static bool in_use(struct irqfds *fds, const struct eventfd_ctx *event)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &fds->items, node)
		if (irqfd->event == event)
			return true;
	return false;
}

/* Context: irqchip.lock held. 0; -EBUSY: the eventfd has a GSI already. */
static int publish(struct irqfd *irqfd, struct file *file)
{
	struct irqfds *fds = &irqfd->chip->irqfds;

	spin_lock_irq(&fds->lock);
	if (in_use(fds, irqfd->event)) {
		spin_unlock_irq(&fds->lock);
		return -EBUSY;
	}
	list_add_tail(&irqfd->node, &fds->items);
	spin_unlock_irq(&fds->lock);
	if (irqfd->resample)
		add_resampler(irqfd);
	/* Signalled before we came: raised now. The file can't hang up, we hold it. */
	if (vfs_poll(file, &irqfd->table) & EPOLLIN)
		raise(irqfd);
	return 0;
}

static struct irqfd *alloc_irqfd(struct irqchip *chip, const struct kvm_irqfd *args,
				 struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return ERR_PTR(-ENOMEM);
	irqfd->chip = chip;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->node);
	init_waitqueue_func_entry(&irqfd->wait, signalled);
	init_poll_funcptr(&irqfd->table, attach);
	irqfd->event = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->event)) {
		void *error = ERR_CAST(irqfd->event);

		kfree(irqfd);
		return error;
	}
	return irqfd;
}

static int add_resamplefd(struct irqfd *irqfd, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *resample;

	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	resample = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(resample))
		return PTR_ERR(resample);
	irqfd->resample = resample;
	return 0;
}

static int assign_file(struct irqchip *chip, const struct kvm_irqfd *args, struct file *file)
{
	struct irqfd *irqfd = alloc_irqfd(chip, args, file);
	int ret;

	if (IS_ERR(irqfd))
		return PTR_ERR(irqfd);
	ret = add_resamplefd(irqfd, args);
	if (ret)
		goto put_event;
	mutex_lock(&chip->lock);
	ret = publish(irqfd, file);
	mutex_unlock(&chip->lock);
	if (!ret)
		return 0;
	if (irqfd->resample)
		eventfd_ctx_put(irqfd->resample);
put_event:
	eventfd_ctx_put(irqfd->event);
	kfree(irqfd);
	return ret;
}

int irqfd_assign(struct irqchip *chip, const struct kvm_irqfd *args)
{
	struct file *file = fget(args->fd);
	int ret;

	if (!file)
		return -EBADF;
	ret = assign_file(chip, args, file);
	fput(file);
	return ret;
}

/* Context: irqchip.lock held. Those of @event and @gsi go to the dying. */
static void condemn(struct irqfds *fds, const struct eventfd_ctx *event, u32 gsi)
{
	struct irqfd *irqfd, *next;

	spin_lock_irq(&fds->lock);
	list_for_each_entry_safe(irqfd, next, &fds->items, node)
		if (irqfd->event == event && irqfd->gsi == gsi)
			list_move(&irqfd->node, &fds->dying);
	spin_unlock_irq(&fds->lock);
}

int irqfd_deassign(struct irqchip *chip, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(args->fd);

	if (IS_ERR(event))
		return PTR_ERR(event);
	condemn(&chip->irqfds, event, args->gsi);
	eventfd_ctx_put(event);
	reap(&chip->irqfds.reap);
	return 0;
}
