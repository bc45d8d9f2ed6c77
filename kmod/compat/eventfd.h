/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef COMPAT_EVENTFD_H
#define COMPAT_EVENTFD_H

#include <linux/eventfd.h>

#ifdef HAVE_EVENTFD_SIGNAL_COUNT
#define eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

#endif
