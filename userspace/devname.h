/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_DEVNAME_H
#define ABYME_DEVNAME_H

#include <stdbool.h>

/* The last part of @path. */
const char *devname_of(const char *path);

/* Is /dev/@name abyme's? It may have another name, also KVM's, by the module's parameter devname. */
bool devname_is_abymes(const char *name);

#endif
