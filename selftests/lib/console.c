// SPDX-License-Identifier: GPL-2.0-only
/* The serial console at 0x3f8 and a small printf. */
#include <stdarg.h>
#include "boot.h"

#define COM1 0x3f8
#define COM2 0x2f8
#define UART_LSR 5
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

static volatile u8 console_lock;

/* Wait for line status bits, but not for ever: there may be no such port. */
static void uart_wait(u16 base, u8 status)
{
	unsigned int spins = 1000000;

	while ((inb(base + UART_LSR) & status) != status && --spins)
		cpu_pause();
}

static void put_char(char c)
{
	uart_wait(COM1, LSR_THRE);
	outb(COM1, c);
}

static void console_take(void)
{
	while (__atomic_test_and_set(&console_lock, __ATOMIC_ACQUIRE))
		cpu_pause();
}

static void console_give(void)
{
	__atomic_clear(&console_lock, __ATOMIC_RELEASE);
}

struct out {
	char *at;
	char *end;
};

static void emit(struct out *o, char c)
{
	if (o->at < o->end)
		*o->at++ = c;
}

static void emit_number(struct out *o, u64 v, unsigned int base, int width, char pad, bool minus)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (minus)
		digits[n++] = '-';
	for (int i = n; i < width; i++)
		emit(o, pad);
	while (n)
		emit(o, digits[--n]);
}

static void emit_string(struct out *o, const char *s, int width)
{
	for (; *s; s++, width--)
		emit(o, *s);
	for (; width > 0; width--)
		emit(o, ' ');
}

static void emit_signed(struct out *o, s64 v, int width, char pad)
{
	emit_number(o, v < 0 ? -(u64)v : (u64)v, 10, width, pad, v < 0);
}

/* One conversion after '%'; returns where the format goes on. */
static const char *emit_conversion(struct out *o, const char *f, va_list *ap)
{
	char pad = ' ';
	int width = 0, longs = 0;

	if (*f == '-')
		f++;
	if (*f == '0')
		pad = *f++;
	while (*f >= '0' && *f <= '9')
		width = width * 10 + *f++ - '0';
	for (; *f == 'l'; f++)
		longs++;
	switch (*f) {
	case 'd': emit_signed(o, longs ? va_arg(*ap, long) : va_arg(*ap, int), width, pad); break;
	case 'u':
	case 'x':
		emit_number(o, longs ? va_arg(*ap, unsigned long) : va_arg(*ap, unsigned int),
			    *f == 'u' ? 10 : 16, width, pad, false);
		break;
	case 's': emit_string(o, va_arg(*ap, const char *), width); break;
	case 'c': emit(o, va_arg(*ap, int)); break;
	default: emit(o, *f);
	}
	return f + 1;
}

void puts_raw(const char *s)
{
	console_take();
	for (; *s; s++)
		put_char(*s);
	console_give();
}

int printf(const char *fmt, ...)
{
	char buf[256];
	struct out o = { buf, buf + sizeof(buf) - 1 };
	va_list ap;

	va_start(ap, fmt);
	while (*fmt) {
		if (*fmt == '%')
			fmt = emit_conversion(&o, fmt + 1, &ap);
		else
			emit(&o, *fmt++);
	}
	va_end(ap);
	*o.at = 0;
	puts_raw(buf);
	return o.at - buf;
}

static void uart_setup(u16 base)
{
	outb(base + 3, 0x80); /* divisor latch: 115200 baud */
	outb(base + 0, 1);
	outb(base + 1, 0);
	outb(base + 3, 3); /* 8 bits, no parity; no divisor latch */
	outb(base + 2, 7); /* FIFOs on and empty */
}

void console_init(void)
{
	uart_setup(COM1);
	uart_setup(COM2);
}

void machine_exit(u8 status)
{
	outb(COM2, status);
	uart_wait(COM2, LSR_TEMT);
	uart_wait(COM1, LSR_TEMT);
	for (const char *s = "Shutdown"; *s; s++)
		outb(0x8900, *s);
	outl(0xf4, status);
	for (;;)
		asm volatile("cli; hlt");
}

void *memcpy(void *to, const void *from, size_t n)
{
	size_t words = n / 8;
	void *ret = to;

	asm volatile("rep movsq; mov %3, %%rcx; rep movsb"
		     : "+D"(to), "+S"(from), "+c"(words)
		     : "r"(n % 8)
		     : "memory");
	return ret;
}

void *memset(void *to, int c, size_t n)
{
	size_t words = n / 8;
	void *ret = to;

	asm volatile("rep stosq; mov %2, %%rcx; rep stosb"
		     : "+D"(to), "+c"(words)
		     : "r"(n % 8), "a"(0x0101010101010101ULL * (u8)c)
		     : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
