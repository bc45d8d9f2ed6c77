// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which blocks of kmod/nested have run. Only in a module that is built with
 * COVER=1: the compiler calls __sanitizer_cov_trace_pc() in each basic block,
 * and "modprobe abyme cover=1" makes /proc/abyme_cover, which lists where it
 * was called from, as offsets from that function. scripts/oracle-coverage makes
 * lines of them.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#define REACH (1 << 20) /* bytes on either side of the function */

void __sanitizer_cov_trace_pc(void);

static u8 seen[2 * REACH / 8];

/* Context: any; a lost race costs one mark, which the next pass sets. */
void notrace __sanitizer_cov_trace_pc(void)
{
	u64 at = _RET_IP_ - (unsigned long)__sanitizer_cov_trace_pc + REACH;

	if (at < 2 * REACH)
		seen[at / 8] |= BIT(at % 8);
}

static int show(struct seq_file *file, void *unused)
{
	int at;

	for (at = 0; at < 2 * REACH; at++)
		if (seen[at / 8] & BIT(at % 8))
			seq_printf(file, "%d\n", at - REACH);
	return 0;
}

/* The file is never taken away, and so the module stays. */
static int set(const char *value, const struct kernel_param *param)
{
	__module_get(THIS_MODULE);
	return proc_create_single("abyme_cover", 0400, NULL, show) ? 0 : -ENOMEM;
}

static const struct kernel_param_ops ops = { .set = set };

module_param_cb(cover, &ops, NULL, 0);
