/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the system "abyme", with the fields that KVM's have, so that
 * tools made for those need few changes. They read the VMCS only while they are
 * enabled.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM abyme

#if !defined(GUEST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define GUEST_TRACE_H

#include <linux/tracepoint.h>
#include <vmx/exits.h>
#include <vmx/info.h>
#include <vmx/report_text.h>
#include <vmx/vmcs.h>

#include "cpu/vcpu.h"

/* clang-format off */

/* Room for the longest name of <vmx/exits.def>. Records have the name, so that tools show it. */
#define TRACE_EXIT_NAME 40
#define show_entry_failed(reason) ((reason) & EXIT_ENTRY_FAILED ? " (entry failed)" : "")
#define show_intr_type(info)                                      \
	__print_symbolic((info) & INTR_TYPE_MASK,                 \
			 { INTR_TYPE_EXT, "IRQ" },                \
			 { INTR_TYPE_NMI, "NMI" },                \
			 { INTR_TYPE_HARD_EXC, "exception" },     \
			 { INTR_TYPE_SOFT_INT, "INT n" },         \
			 { INTR_TYPE_PRIV_SW_EXC, "INT1" },       \
			 { INTR_TYPE_SOFT_EXC, "INT3 or INTO" },  \
			 { INTR_TYPE_OTHER, "MTF" })


/* The vCPU enters the guest: L1 or L2. Context: interrupts off, VMCS loaded. */
TRACE_EVENT(abyme_entry,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, rip)
		__field(bool, l2)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu->id;
		__entry->rip = vcpu_rip(vcpu);
		__entry->l2 = vcpu->in_l2;
	),
	TP_printk("vcpu %u, rip 0x%llx%s", __entry->vcpu_id, __entry->rip,
		  __entry->l2 ? " (L2)" : "")
);

/* A VM exit, as the processor reported it. Context: VMCS loaded. */
TRACE_EVENT(abyme_exit,
	TP_PROTO(struct vcpu *vcpu),
	TP_ARGS(vcpu),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, exit_reason)
		__array(char, name, TRACE_EXIT_NAME)
		__field(u64, guest_rip)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, intr_info)
		__field(u32, error_code)
		__field(bool, l2)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu->id;
		__entry->exit_reason = vcpu->exit_reason;
		strscpy(__entry->name, exit_name(vcpu->exit_reason), TRACE_EXIT_NAME);
		__entry->guest_rip = vcpu_rip(vcpu);
		__entry->info1 = vcpu_exit_qual(vcpu);
		__entry->info2 = vcpu->idt_vectoring;
		__entry->intr_info = vmread(VMCS_EXIT_INTR_INFO);
		__entry->error_code = vmread(VMCS_EXIT_INTR_ERROR);
		__entry->l2 = vcpu->in_l2;
	),
	TP_printk("vcpu %u reason %s%s%s rip 0x%llx info1 0x%016llx info2 0x%016llx intr_info 0x%08x error_code 0x%08x",
		  __entry->vcpu_id, __entry->name,
		  show_entry_failed(__entry->exit_reason), __entry->l2 ? " (L2)" : "",
		  __entry->guest_rip, __entry->info1, __entry->info2, __entry->intr_info,
		  __entry->error_code)
);

/* RDMSR or WRMSR; @exception: it ended in #GP. */
TRACE_EVENT(abyme_msr,
	TP_PROTO(bool write, u32 ecx, u64 data, bool exception),
	TP_ARGS(write, ecx, data, exception),

	TP_STRUCT__entry(
		__field(bool, write)
		__field(u32, ecx)
		__field(u64, data)
		__field(bool, exception)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->ecx = ecx;
		__entry->data = data;
		__entry->exception = exception;
	),
	TP_printk("msr_%s %x = 0x%llx%s", __entry->write ? "write" : "read", __entry->ecx,
		  __entry->data, __entry->exception ? " (#GP)" : "")
);

/* @count items of @size bytes at @port; @val: the first item. */
TRACE_EVENT(abyme_pio,
	TP_PROTO(bool write, u16 port, u32 size, u32 count, u32 val),
	TP_ARGS(write, port, size, count, val),

	TP_STRUCT__entry(
		__field(bool, write)
		__field(u16, port)
		__field(u32, size)
		__field(u32, count)
		__field(u32, val)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->port = port;
		__entry->size = size;
		__entry->count = count;
		__entry->val = val;
	),
	TP_printk("pio_%s at 0x%x size %u count %u val 0x%x%s",
		  __entry->write ? "write" : "read", __entry->port, __entry->size,
		  __entry->count, __entry->val, __entry->count > 1 ? "(...)" : "")
);

/* A read is traced once its value is known. */
TRACE_EVENT(abyme_mmio,
	TP_PROTO(bool write, u32 len, u64 gpa, u64 val),
	TP_ARGS(write, len, gpa, val),

	TP_STRUCT__entry(
		__field(bool, write)
		__field(u32, len)
		__field(u64, gpa)
		__field(u64, val)
	),
	TP_fast_assign(
		__entry->write = write;
		__entry->len = len;
		__entry->gpa = gpa;
		__entry->val = val;
	),
	TP_printk("mmio %s len %u gpa 0x%llx val 0x%llx", __entry->write ? "write" : "read",
		  __entry->len, __entry->gpa, __entry->val)
);

/* An event is given to the processor for the next entry; @info as in the VMCS. */
TRACE_EVENT(abyme_inj,
	TP_PROTO(u32 vcpu_id, u32 info, u32 error_code),
	TP_ARGS(vcpu_id, info, error_code),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, info)
		__field(u32, error_code)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->info = info;
		__entry->error_code = error_code;
	),
	TP_printk("vcpu %u %s 0x%x error_code 0x%x", __entry->vcpu_id,
		  show_intr_type(__entry->info), __entry->info & INTR_VECTOR,
		  __entry->error_code)
);

/* L1's VMLAUNCH or VMRESUME passed the checks: L2 goes on at @rip. */
TRACE_EVENT(abyme_nested_entry,
	TP_PROTO(u32 vcpu_id, u64 vmcs12, u64 rip, u32 intr_info),
	TP_ARGS(vcpu_id, vmcs12, rip, intr_info),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, vmcs12)
		__field(u64, rip)
		__field(u32, intr_info)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->vmcs12 = vmcs12;
		__entry->rip = rip;
		__entry->intr_info = intr_info;
	),
	TP_printk("vcpu %u vmcs12 0x%llx rip 0x%llx event_inj 0x%08x", __entry->vcpu_id,
		  __entry->vmcs12, __entry->rip, __entry->intr_info)
);

/* L1 is given a VM exit of L2, with what vmcs12 says of it. */
TRACE_EVENT(abyme_nested_exit,
	TP_PROTO(u32 vcpu_id, u32 exit_reason, u64 rip, u64 info1, u64 info2, u32 intr_info,
		 u32 error_code),
	TP_ARGS(vcpu_id, exit_reason, rip, info1, info2, intr_info, error_code),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, exit_reason)
		__array(char, name, TRACE_EXIT_NAME)
		__field(u64, guest_rip)
		__field(u64, info1)
		__field(u64, info2)
		__field(u32, intr_info)
		__field(u32, error_code)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->exit_reason = exit_reason;
		strscpy(__entry->name, exit_name(exit_reason), TRACE_EXIT_NAME);
		__entry->guest_rip = rip;
		__entry->info1 = info1;
		__entry->info2 = info2;
		__entry->intr_info = intr_info;
		__entry->error_code = error_code;
	),
	TP_printk("vcpu %u reason %s%s rip 0x%llx info1 0x%016llx info2 0x%016llx intr_info 0x%08x error_code 0x%08x",
		  __entry->vcpu_id, __entry->name,
		  show_entry_failed(__entry->exit_reason), __entry->guest_rip, __entry->info1,
		  __entry->info2, __entry->intr_info, __entry->error_code)
);

/* A VMX instruction or entry of L1 failed; @line as "abyme run --explain" prints it. */
TRACE_EVENT(abyme_nested_entry_failed,
	TP_PROTO(u32 vcpu_id, const char *line),
	TP_ARGS(vcpu_id, line),

	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__array(char, line, REPORT_LINE)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		strscpy(__entry->line, line, REPORT_LINE);
	),
	TP_printk("vcpu %u %s", __entry->vcpu_id, __entry->line)
);

/* clang-format on */

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH cpu
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
