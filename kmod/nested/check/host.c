// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on the host-state area, that is, on what L1 wants to be after an exit:
 * the rows of host.def. A failure is VMfailValid(8). Tour, stop 10.
 * SDM: "Checks on Host-State Area".
 */
#include "nested/check/common.h"

/* RPL and TI must be 0 in each selector. */
static bool host_sel_valid(u16 sel)
{
	return !(sel & 7);
}

static bool host_efer_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	u64 want = has_exit(v, EXITC_HOST_64) ? EFER_BIT_LME | EFER_BIT_LMA : 0;

	return (v->host_efer & (EFER_BIT_LME | EFER_BIT_LMA)) == want;
}

static bool host_64(const struct check_ctx *c)
{
	return has_exit(c->v, EXITC_HOST_64);
}

const struct check *check_host(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/host.def"
	return NULL;
}
