// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on the host-state area, that is, on what L1 wants to be after an exit:
 * the rows of host.def. A failure is VMfailValid(8). Tour, stop 10.
 * SDM: "Checks on Host-State Area".
 */
#include "nested/check/common.h"

static bool host_64(const struct check_ctx *c)
{
	return has_exit(c->v, EXITC_HOST_64);
}

static bool host_efer_valid(const struct check_ctx *c)
{
	u64 long_mode = EFER_BIT_LME | EFER_BIT_LMA;

	return (c->v->host_efer & long_mode) == (host_64(c) ? long_mode : 0);
}

const struct check *check_host(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/host.def"
	return NULL;
}
