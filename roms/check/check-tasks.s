# Task switches by JMP, CALL, INT, IRET, in 32 and 16 bits: what is saved and loaded, busy bits,
# NT and the back link, and every check with its error code (SDM 3A chapter 7).
#
# #TS, #NP, #SS and #GP have a task of their own here, so that they can be told even where the
# new task has no usable stack; "in" is the back link of that task: the task that was current
# when the fault came (0048 the old one, 0080 the new one).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "tasks"
    .include "boot.inc"
    .include "lib.inc"

    .equ NEW, T0            # 32-bit task in tss_a
    .equ NEW16, T1          # 16-bit task in tss_b
    .equ CATCH, 0xE0        # E0 E8 F0 F8: the tasks of vectors 10 to 13

    .bss
catch_tss:      .skip 4 * 0x68
catch_stacks:   .skip 4 * 256
    .balign 4096
page_dir_1:     .skip 4096
page_dir_2:     .skip 4096
page_table_1:   .skip 4096
page_table_2:   .skip 4096
page_1:         .skip 4096
page_2:         .skip 4096
    .text

main:
    call    build_tasks
    call    switching
    call    switching_back
    call    address_space
    call    sixteen_bit
    call    initiators
    call    task_gates
    call    new_ldt
    call    new_cs
    call    new_ss
    call    new_data
    call    initiators_table
    call    task_privileges
    call    data_table
    call    other_selectors
    call    by_exception
    jmp     finish

build_tasks:
    desc    NEW, tss_a, 0x67, A_TSS32, 0
    desc    NEW16, tss_b, 0x2B, A_TSS16, 0
    mov     edi, offset tss_a
    mov     dword ptr [edi + 0x04], offset stack0 + 2048
    mov     dword ptr [edi + 0x08], D0
    mov     dword ptr [edi + 0x20], offset landing
    mov     dword ptr [edi + 0x24], 2
    mov     dword ptr [edi + 0x28], 0xA0A0A0A0
    mov     dword ptr [edi + 0x2C], 0xC0C0C0C0
    mov     dword ptr [edi + 0x30], 0xD0D0D0D0
    mov     dword ptr [edi + 0x34], 0xB0B0B0B0
    mov     dword ptr [edi + 0x38], offset stack1 + 4096
    mov     dword ptr [edi + 0x3C], 0xE0E0E0E0
    mov     dword ptr [edi + 0x40], 0x51515151
    mov     dword ptr [edi + 0x44], 0xD1D1D1D1
    mov     dword ptr [edi + 0x48], D0
    mov     dword ptr [edi + 0x4C], C0
    mov     dword ptr [edi + 0x50], D0
    mov     dword ptr [edi + 0x54], D0
    mov     dword ptr [edi + 0x58], D3
    mov     dword ptr [edi + 0x5C], 0
    mov     dword ptr [edi + 0x60], LDT_MAIN
    mov     dword ptr [edi + 0x64], 0x00680000
    mov     edi, offset tss_b                       # SP0 SS0, then IP FLAGS AX CX DX BX SP ...
    mov     dword ptr [edi + 0x02], 0xFF00 + (S16 << 16)
    mov     eax, offset landing
    mov     [edi + 0x0E], ax
    mov     word ptr [edi + 0x10], 2
    mov     word ptr [edi + 0x12], 0xA0A0
    mov     word ptr [edi + 0x14], 0xC0C0
    mov     word ptr [edi + 0x1A], 0xF000
    mov     word ptr [edi + 0x20], 0xD1D1
    mov     word ptr [edi + 0x22], D0
    mov     word ptr [edi + 0x24], C0
    mov     word ptr [edi + 0x26], S16
    mov     word ptr [edi + 0x28], D3
    mov     word ptr [edi + 0x2A], LDT_MAIN

    desc    CATCH + 0x00, catch_tss + 0x000, 0x67, A_TSS32, 0
    desc    CATCH + 0x08, catch_tss + 0x068, 0x67, A_TSS32, 0
    desc    CATCH + 0x10, catch_tss + 0x0D0, 0x67, A_TSS32, 0
    desc    CATCH + 0x18, catch_tss + 0x138, 0x67, A_TSS32, 0
    idt_gate 10, CATCH + 0x00, 0, A_TASKGATE
    idt_gate 11, CATCH + 0x08, 0, A_TASKGATE
    idt_gate 12, CATCH + 0x10, 0, A_TASKGATE
    idt_gate 13, CATCH + 0x18, 0, A_TASKGATE
    call    build_catch
    jmp     keep_tables

# The four catching tasks begin at catch_10 and so on, each time anew.
build_catch:
    mov     edi, offset catch_tss
    mov     eax, offset catch_10
    mov     edx, offset catch_stacks + 256
    mov     ecx, 4
1:  mov     [edi + 0x20], eax
    mov     dword ptr [edi + 0x24], 2
    mov     [edi + 0x38], edx
    mov     dword ptr [edi + 0x48], D0
    mov     dword ptr [edi + 0x4C], C0
    mov     dword ptr [edi + 0x50], D0
    mov     dword ptr [edi + 0x54], D0
    mov     dword ptr [edi + 0x64], 0x00680000
    add     edi, 0x68
    add     eax, catch_11 - catch_10
    add     edx, 256
    loop    1b
    ret

    .balign 16
catch_10:
    mov     eax, 10
    jmp     catch_any
    .balign 16
catch_11:
    mov     eax, 11
    jmp     catch_any
    .balign 16
    mov     eax, 12
    jmp     catch_any
    .balign 16
    mov     eax, 13
    jmp     catch_any
    .balign 16

catch_any:
    pop     dword ptr [saw_error]
    mov     [saw_vector], eax
    imul    eax, eax, 0x68
    movzx   eax, word ptr [catch_tss - 10 * 0x68 + eax]
    mov     [saw_link], eax
    mov     edx, [tss + 0x20]
    movzx   ecx, word ptr [tss + 0x4C]
    cmp     eax, TSS_MAIN
    je      1f
    mov     edx, [probe]                # the new task's EIP is told by `eip_in_new`
    mov     edx, [edx + 4]
    mov     ecx, C0
1:  mov     [saw_eip], edx
    mov     [saw_cs], ecx
    mov     eax, [tss + 0x24]
    mov     [saw_efl], eax
    call    build_catch
    jmp     body_over

# A new task that fails: JMP to it; where and with what.
.macro bad_task name, want, ref="3A 7.3 table 7-1"
    try     "\name", "\want", "\ref"
      ljmp  NEW, 0
    after
      show16 "in", [saw_link]
    endtry
.endm

    .include "tasks-switch.inc"
    .include "tasks-faults.inc"
    .include "tasks-table.inc"
