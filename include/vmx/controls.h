/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control bits of a VMCS, named as the SDM names them: "VM-Execution Control
 * Fields", "VM-Exit Control Fields", "VM-Entry Control Fields".
 */
#ifndef VMX_CONTROLS_H
#define VMX_CONTROLS_H

#include <vmx/types.h>

/* The control fields of 32 bits of which some bits may be L0's and others L1's. */
enum vmcs_ctl {
	CTL_PIN,
	CTL_PROC1,
	CTL_PROC2,
	CTL_EXIT,
	CTL_ENTRY,
	CTL_EXCEPTIONS,
	NR_VMCS_CTLS,
};

/* Pin-based VM-execution controls */
#define PIN_EXT_INT_EXITING BIT(0)
#define PIN_NMI_EXITING BIT(3)
#define PIN_VIRTUAL_NMIS BIT(5)
#define PIN_PREEMPT_TIMER BIT(6)
#define PIN_POSTED_INTR BIT(7)

/* Primary processor-based VM-execution controls */
#define PROC_INT_WINDOW BIT(2)
#define PROC_TSC_OFFSET BIT(3)
#define PROC_HLT BIT(7)
#define PROC_INVLPG BIT(9)
#define PROC_MWAIT BIT(10)
#define PROC_RDPMC BIT(11)
#define PROC_RDTSC BIT(12)
#define PROC_CR3_LOAD BIT(15)
#define PROC_CR3_STORE BIT(16)
#define PROC_TERTIARY BIT(17)
#define PROC_CR8_LOAD BIT(19)
#define PROC_CR8_STORE BIT(20)
#define PROC_TPR_SHADOW BIT(21)
#define PROC_NMI_WINDOW BIT(22)
#define PROC_MOV_DR BIT(23)
#define PROC_UNCOND_IO BIT(24)
#define PROC_IO_BITMAPS BIT(25)
#define PROC_MTF BIT(27)
#define PROC_MSR_BITMAPS BIT(28)
#define PROC_MONITOR BIT(29)
#define PROC_PAUSE BIT(30)
#define PROC_SECONDARY BIT(31)

/* Secondary processor-based VM-execution controls */
#define PROC2_APIC_ACCESS BIT(0)
#define PROC2_EPT BIT(1)
#define PROC2_DESC_TABLE BIT(2)
#define PROC2_RDTSCP BIT(3)
#define PROC2_X2APIC BIT(4)
#define PROC2_VPID BIT(5)
#define PROC2_WBINVD BIT(6)
#define PROC2_UNRESTRICTED BIT(7)
#define PROC2_APIC_REG_VIRT BIT(8)
#define PROC2_VIRT_INTR BIT(9)
#define PROC2_PAUSE_LOOP BIT(10)
#define PROC2_RDRAND BIT(11)
#define PROC2_INVPCID BIT(12)
#define PROC2_VMFUNC BIT(13)
#define PROC2_SHADOW_VMCS BIT(14)
#define PROC2_ENCLS BIT(15)
#define PROC2_RDSEED BIT(16)
#define PROC2_PML BIT(17)
#define PROC2_EPT_VE BIT(18)
#define PROC2_PT_CONCEAL BIT(19)
#define PROC2_XSAVES BIT(20)
#define PROC2_MODE_EXEC BIT(22)
#define PROC2_SUB_PAGE BIT(23)
#define PROC2_TSC_SCALING BIT(25)
#define PROC2_USER_WAIT BIT(26)

/* Tertiary processor-based VM-execution controls */
#define PROC3_SPEC_CTRL BIT_ULL(7)

/* VM-exit controls */
#define EXITC_SAVE_DEBUG BIT(2)
#define EXITC_HOST_64 BIT(9)
#define EXITC_LOAD_PERF_GLOBAL BIT(12)
#define EXITC_ACK_INT BIT(15)
#define EXITC_SAVE_PAT BIT(18)
#define EXITC_LOAD_PAT BIT(19)
#define EXITC_SAVE_EFER BIT(20)
#define EXITC_LOAD_EFER BIT(21)
#define EXITC_SAVE_PREEMPT_TIMER BIT(22)
#define EXITC_CLEAR_BNDCFGS BIT(23)
#define EXITC_CLEAR_UINV BIT(27)
#define EXITC_LOAD_CET BIT(28)
#define EXITC_LOAD_PKRS BIT(29)
#define EXITC_SAVE_PERF_GLOBAL BIT(30)
#define EXITC_SECONDARY BIT(31)

/* Secondary VM-exit controls */
#define EXITC2_LOAD_SPEC_CTRL BIT_ULL(2)
#define EXITC2_BUSY_STACK BIT_ULL(3)

/* VM-entry controls */
#define ENTRYC_LOAD_DEBUG BIT(2)
#define ENTRYC_GUEST_64 BIT(9)
#define ENTRYC_SMM BIT(10)
#define ENTRYC_DUAL_MONITOR BIT(11)
#define ENTRYC_LOAD_PERF_GLOBAL BIT(13)
#define ENTRYC_LOAD_PAT BIT(14)
#define ENTRYC_LOAD_EFER BIT(15)
#define ENTRYC_LOAD_BNDCFGS BIT(16)
#define ENTRYC_LOAD_UINV BIT(19)
#define ENTRYC_LOAD_CET BIT(20)
#define ENTRYC_LOAD_PKRS BIT(22)

/* Reserved controls that are 1 unless a TRUE capability MSR says otherwise. */
#define PIN_DEFAULT1 0x00000016u
#define PROC_DEFAULT1 0x0401e172u
#define EXITC_DEFAULT1 0x00036dffu
#define ENTRYC_DEFAULT1 0x000011ffu

/* EPT pointer */
#define EPTP_MEMTYPE GENMASK_ULL(2, 0)
#define EPTP_MEMTYPE_UC 0
#define EPTP_MEMTYPE_WB 6
#define EPTP_WALK GENMASK_ULL(5, 3)
#define EPTP_WALK_4 (3ull << 3)
#define EPTP_AD BIT_ULL(6)

/* EPT entries. SDM: "The Extended Page Table Mechanism (EPT)" */
#define EPTE_R BIT_ULL(0)
#define EPTE_W BIT_ULL(1)
#define EPTE_X BIT_ULL(2)
#define EPTE_RWX (EPTE_R | EPTE_W | EPTE_X)
#define EPTE_MEMTYPE_SHIFT 3
#define EPTE_MEMTYPE GENMASK_ULL(5, 3)
#define EPTE_IGNORE_PAT BIT_ULL(6)
#define EPTE_LARGE BIT_ULL(7)
#define EPTE_A BIT_ULL(8)
#define EPTE_D BIT_ULL(9)
#define EPTE_XU BIT_ULL(10)
#define EPTE_SUPPRESS_VE BIT_ULL(63)

/* INVEPT and INVVPID types */
#define INVEPT_SINGLE 1
#define INVEPT_ALL 2
#define INVVPID_ADDR 0
#define INVVPID_SINGLE 1
#define INVVPID_ALL 2
#define INVVPID_SINGLE_NON_GLOBAL 3

/* VM-function controls */
#define VMFUNC_EPTP_SWITCHING BIT_ULL(0)

#endif
