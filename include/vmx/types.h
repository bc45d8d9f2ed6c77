/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The little that pure code needs, in the kernel and in userspace alike.
 *
 * Pure code (decoder, vmcs12, checks, interrupt controllers' state machines)
 * includes this and other pure headers only, so that it compiles into the
 * module and into the unit tests without a difference.
 */
#ifndef VMX_TYPES_H
#define VMX_TYPES_H

#ifdef __KERNEL__
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#ifndef __bitwise
#define __bitwise
#endif
#define __force
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __maybe_unused __attribute__((unused))
#define fallthrough __attribute__((fallthrough))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define BIT(n) (1UL << (n))
#define BIT_ULL(n) (1ULL << (n))
#define GENMASK(h, l) (((~0UL) >> (63 - (h))) & ((~0UL) << (l)))
#define GENMASK_ULL(h, l) (((~0ULL) >> (63 - (h))) & ((~0ULL) << (l)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define offsetofend(t, m) (offsetof(t, m) + sizeof(((t *)0)->m))
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))
#define min_t(t, a, b) ((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define max_t(t, a, b) ((t)(a) > (t)(b) ? (t)(a) : (t)(b))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a)-1)) == 0)

#define hweight64(x) __builtin_popcountll(x)
#define hweight32(x) __builtin_popcount(x)
/* Index of the lowest set bit; x must not be 0. */
#define __ffs(x) ((unsigned long)__builtin_ctzl(x))
/* Index of the highest set bit, from 1; 0 for 0. */
static inline int fls(u32 x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}
static inline int fls64(u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}
static inline u64 div_u64(u64 a, u32 b)
{
	return a / b;
}
static inline u64 div64_u64(u64 a, u64 b)
{
	return a / b;
}
static inline u64 mul_u64_u64_div_u64(u64 a, u64 b, u64 c)
{
	return (unsigned __int128)a * b / c;
}
static inline u64 mul_u64_u64_shr(u64 a, u64 b, unsigned int shift)
{
	return (unsigned __int128)a * b >> shift;
}
#endif /* __KERNEL__ */

/*
 * Guest physical addresses, by whose "physical" they are. sparse refuses a
 * mix-up; the conversions below are the only way across.
 */
typedef u64 __bitwise l1_gpa_t; /* what L1 calls physical */
typedef u64 __bitwise l2_gpa_t; /* what L2 calls physical */

static inline l1_gpa_t l1_gpa(u64 a)
{
	return (__force l1_gpa_t)a;
}
static inline l2_gpa_t l2_gpa(u64 a)
{
	return (__force l2_gpa_t)a;
}
static inline u64 l1_addr(l1_gpa_t a)
{
	return (__force u64)a;
}
static inline u64 l2_addr(l2_gpa_t a)
{
	return (__force u64)a;
}

/* "No address": what the SDM has VMPTRST store when there is no current VMCS. */
#define NO_GPA (~0ULL)

#endif
