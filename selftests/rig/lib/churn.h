/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest whose memory changes under it; see churn.c. */
#ifndef RIG_CHURN_H
#define RIG_CHURN_H

#include "../vm.h"

/*
 * Before anything is in @vm's memory: lay it into two slots that meet at @keep, so that
 * churn_start() may change it in the way @how:
 *   drop	mappings go, the pages stay in a file;
 *   share	another process has the pages too, so that written ones move;
 *   lose	also the pages go, and the slot, from @keep on.
 * With each slots come and go and the dirty log is switched. Return: false if there is
 * no such way.
 */
bool churn_prepare(struct vm *vm, const char *how, size_t keep);
bool churn_loses(void);
/* From now on, for ever. */
void churn_start(void);

#endif
