// SPDX-License-Identifier: GPL-2.0-only
/*
 * irqfd: an eventfd that raises a GSI when it is signalled, without userspace.
 * KVM_IRQFD comes here; vhost and device models are what signals.
 *
 * The interrupt is raised right in the signaller's context, under the eventfd's
 * own lock with interrupts off: irqfd_signalled() is an entry in the eventfd's wait
 * queue.
 *
 * What a reader must know is how an irqfd ends, as it cannot be freed in that context:
 * irqfd_condemn() puts it on .dying, and irqfd_reap(), in a thread, unlinks all that are
 * there, waits once for readers, and frees them.
 *
 * Locks nest: irqchip.lock, then the eventfd's, then irqfds.lock. A user may
 * have as many irqfds as file descriptors, so nobody walks a list of them with
 * interrupts off.
 */
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat/eventfd.h"
#include "pc/chip.h"

struct irqfd {
	struct irqchip *chip;
	u32 gsi;
	struct eventfd_ctx *event;
	struct eventfd_ctx *resample; /* level-triggered: signalled at the EOI; or NULL */
	wait_queue_entry_t wait;
	poll_table table;
	struct list_head node;		/* in .items */
	struct list_head dying_node;	/* in .dying, or in the list of those taken from it */
	struct list_head resample_node; /* in its resampler's, if .resample */
};

/*
 * An EOI may be handled with interrupts off, right after its exit. More listeners of one GSI than
 * this are told by a thread.
 */
#define MOST_AT_ONCE 16

/* The resampling irqfds of one GSI. It exists as long as there is one of them. */
struct resampler {
	struct list_head irqfds; /* RCU; written under irqchip.lock */
	unsigned int count;	 /* of them */
	bool due;		 /* irqfd_resample() is to tell them */
	struct rcu_head rcu;
};

static void irqfd_raise(struct irqfd *irqfd)
{
	if (irqfd->resample) {
		irqchip_set_irq(irqfd->chip, IRQ_RESAMPLE, irqfd->gsi, true);
		return;
	}
	irqchip_set_irq(irqfd->chip, IRQ_USER, irqfd->gsi, true);
	irqchip_set_irq(irqfd->chip, IRQ_USER, irqfd->gsi, false);
}

/*
 * Puts @irqfd among those that irqfd_reap() is to free; more than once does no harm.
 * Context: a thread that holds irqchip.lock, or irqfd_hung_up() under the eventfd's
 * lock with interrupts off. irqfds.lock nests inside both.
 */
static void irqfd_condemn(struct irqfd *irqfd)
{
	struct irqfds *fds = &irqfd->chip->irqfds;
	unsigned long flags;

	spin_lock_irqsave(&fds->lock, flags);
	if (list_empty(&irqfd->dying_node))
		list_add_tail(&irqfd->dying_node, &fds->dying);
	spin_unlock_irqrestore(&fds->lock, flags);
}

/*
 * The eventfd was closed by its last user, so the irqfd goes too. The eventfd's
 * lock is held here, which irqfd_unlink() wants to take: work does the rest.
 */
static void irqfd_hung_up(struct irqfd *irqfd)
{
	irqfd_condemn(irqfd);
	schedule_work(&irqfd->chip->irqfds.reap);
}

/*
 * The eventfd was signalled or closed. Reading its count here keeps it from
 * overflowing, as nobody else reads it.
 * Context: the eventfd's lock held, interrupts off.
 * Return: whether the event was consumed; later waiters are not woken then.
 */
static int irqfd_signalled(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->event, &count);
		irqfd_raise(irqfd);
	}
	if (events & EPOLLHUP)
		irqfd_hung_up(irqfd);
	return !!(events & EPOLLIN);
}

/* Becomes the first waiter of the eventfd, as others that poll it would take its count. */
static void irqfd_attach(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct irqfd *irqfd = container_of(table, struct irqfd, table);

	add_wait_queue_priority(head, &irqfd->wait);
}

/* Is there a resampling irqfd at @gsi? Under rcu_read_lock(), or irqchip.lock. */
bool irqfds_watch(struct irqchip *chip, u32 gsi)
{
	return xa_load(&chip->irqfds.resamplers, gsi);
}

/*
 * The guest is done with @gsi: the pin goes down, and whoever still wants
 * attention raises it again. Context: under rcu_read_lock(), no raw lock held.
 */
void irqfds_acked(struct irqchip *chip, u32 gsi)
{
	struct resampler *resampler = xa_load(&chip->irqfds.resamplers, gsi);
	struct irqfd *irqfd;

	if (!resampler)
		return;
	irqchip_set_irq(chip, IRQ_RESAMPLE, gsi, false);
	if (READ_ONCE(resampler->count) > MOST_AT_ONCE) {
		WRITE_ONCE(resampler->due, true);
		schedule_work(&chip->irqfds.resample);
		return;
	}
	list_for_each_entry_rcu(irqfd, &resampler->irqfds, resample_node)
		eventfd_signal(irqfd->resample);
}

/* What irqfds_acked() leaves. Context: a thread, may sleep; takes irqchip.lock. */
static void irqfd_resample(struct work_struct *work)
{
	struct irqchip *chip = container_of(work, struct irqchip, irqfds.resample);
	struct resampler *resampler;
	struct irqfd *irqfd;
	unsigned long gsi;

	mutex_lock(&chip->lock);
	xa_for_each(&chip->irqfds.resamplers, gsi, resampler) {
		if (!xchg(&resampler->due, false))
			continue;
		list_for_each_entry(irqfd, &resampler->irqfds, resample_node) {
			eventfd_signal(irqfd->resample);
			cond_resched();
		}
	}
	mutex_unlock(&chip->lock);
}

/*
 * Return: the resampler of @gsi, made if there was none; NULL: no memory.
 * Context: irqchip.lock held, may sleep.
 */
static struct resampler *get_resampler(struct irqfds *fds, u32 gsi)
{
	struct resampler *resampler = xa_load(&fds->resamplers, gsi);

	if (resampler)
		return resampler;
	resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);
	if (!resampler)
		return NULL;
	INIT_LIST_HEAD(&resampler->irqfds);
	if (!xa_err(xa_store(&fds->resamplers, gsi, resampler, GFP_KERNEL_ACCOUNT)))
		return resampler;
	kfree(resampler);
	return NULL;
}

/* Context: irqchip.lock held. 0, -ENOMEM. */
static int add_resampler(struct irqfd *irqfd)
{
	struct resampler *resampler = get_resampler(&irqfd->chip->irqfds, irqfd->gsi);

	if (!resampler)
		return -ENOMEM;
	list_add_rcu(&irqfd->resample_node, &resampler->irqfds);
	WRITE_ONCE(resampler->count, resampler->count + 1);
	ioapic_update_eoi_vectors(irqfd->chip);
	return 0;
}

/*
 * The last one of a GSI takes the pin down, as nobody else would.
 * Context: irqchip.lock held.
 */
static void remove_resampler(struct irqfd *irqfd)
{
	struct irqchip *chip = irqfd->chip;
	struct resampler *resampler = xa_load(&chip->irqfds.resamplers, irqfd->gsi);

	list_del_rcu(&irqfd->resample_node);
	WRITE_ONCE(resampler->count, resampler->count - 1);
	if (!list_empty(&resampler->irqfds))
		return;
	xa_erase(&chip->irqfds.resamplers, irqfd->gsi);
	kfree_rcu(resampler, rcu);
	irqchip_set_irq(chip, IRQ_RESAMPLE, irqfd->gsi, false);
	ioapic_update_eoi_vectors(chip);
}

/*
 * After this nobody finds @irqfd any more, except who has found it already:
 * under RCU by its resampler. Removing it from the wait queue waits for
 * irqfd_signalled().
 * Context: irqchip.lock held.
 */
static void irqfd_unlink(struct irqfd *irqfd)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(irqfd->event, &irqfd->wait, &count);
	list_del(&irqfd->node);
	if (irqfd->resample)
		remove_resampler(irqfd);
}

static void free_irqfd(struct irqfd *irqfd)
{
	if (irqfd->resample)
		eventfd_ctx_put(irqfd->resample);
	eventfd_ctx_put(irqfd->event);
	kfree(irqfd);
}

/*
 * Frees all that are dying, with one grace period for all of them. Only
 * resampling irqfds are read under RCU.
 * Context: a thread, may sleep; takes irqchip.lock.
 */
static void irqfd_reap(struct work_struct *work)
{
	struct irqchip *chip = container_of(work, struct irqchip, irqfds.reap);
	struct irqfd *irqfd, *next;
	bool resampling = false;
	LIST_HEAD(dead);

	mutex_lock(&chip->lock);
	spin_lock_irq(&chip->irqfds.lock);
	list_splice_init(&chip->irqfds.dying, &dead);
	spin_unlock_irq(&chip->irqfds.lock);
	list_for_each_entry(irqfd, &dead, dying_node) {
		irqfd_unlink(irqfd);
		resampling |= !!irqfd->resample;
		cond_resched();
	}
	if (resampling)
		synchronize_rcu();
	list_for_each_entry_safe(irqfd, next, &dead, dying_node)
		free_irqfd(irqfd);
	mutex_unlock(&chip->lock);
}

void irqfds_init(struct irqchip *chip)
{
	struct irqfds *fds = &chip->irqfds;

	spin_lock_init(&fds->lock);
	INIT_LIST_HEAD(&fds->items);
	INIT_LIST_HEAD(&fds->dying);
	xa_init(&fds->resamplers);
	INIT_WORK(&fds->reap, irqfd_reap);
	INIT_WORK(&fds->resample, irqfd_resample);
}

/*
 * Condemns and frees all of them. Afterwards none is left and no work is under
 * way: the flush comes last, because until the eventfds are let go one may hang
 * up.
 */
void irqfds_destroy(struct irqchip *chip)
{
	struct irqfds *fds = &chip->irqfds;
	struct irqfd *irqfd;

	mutex_lock(&chip->lock);
	list_for_each_entry(irqfd, &fds->items, node)
		irqfd_condemn(irqfd);
	mutex_unlock(&chip->lock);
	irqfd_reap(&fds->reap);
	flush_work(&fds->reap);
	cancel_work_sync(&fds->resample);
}

/* Context: irqchip.lock held. Linear, but only userspace's own ioctl waits for it. */
static bool irqfd_in_use(struct irqfds *fds, const struct eventfd_ctx *event)
{
	struct irqfd *irqfd;

	list_for_each_entry(irqfd, &fds->items, node)
		if (irqfd->event == event)
			return true;
	return false;
}

/* Context: irqchip.lock held. 0; -EBUSY: the eventfd has a GSI already; -ENOMEM. */
static int irqfd_publish(struct irqfd *irqfd, struct file *file)
{
	struct irqfds *fds = &irqfd->chip->irqfds;
	int ret;

	if (irqfd_in_use(fds, irqfd->event))
		return -EBUSY;
	ret = irqfd->resample ? add_resampler(irqfd) : 0;
	if (ret)
		return ret;
	list_add_tail(&irqfd->node, &fds->items);
	/* Signalled before we came: raised now. The file can't hang up, we hold it. */
	if (vfs_poll(file, &irqfd->table) & EPOLLIN)
		irqfd_raise(irqfd);
	return 0;
}

/* Return: an irqfd that nobody can find yet, with a reference to the eventfd. */
static struct irqfd *alloc_irqfd(struct irqchip *chip, const struct kvm_irqfd *args,
				 struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return ERR_PTR(-ENOMEM);
	irqfd->chip = chip;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->dying_node);
	init_waitqueue_func_entry(&irqfd->wait, irqfd_signalled);
	init_poll_funcptr(&irqfd->table, irqfd_attach);
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
	ret = irqfd_publish(irqfd, file);
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

/* The file is held until the irqfd is in its wait queue: see irqfd_publish(). */
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

/* Deassigning what was never assigned is no error, as in KVM's API. */
int irqfd_deassign(struct irqchip *chip, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd;

	if (IS_ERR(event))
		return PTR_ERR(event);
	mutex_lock(&chip->lock);
	list_for_each_entry(irqfd, &chip->irqfds.items, node)
		if (irqfd->event == event && irqfd->gsi == args->gsi)
			irqfd_condemn(irqfd);
	mutex_unlock(&chip->lock);
	eventfd_ctx_put(event);
	irqfd_reap(&chip->irqfds.reap);
	return 0;
}
