# Demand paging: 1024 pages are touched in a scattered order; each first touch is a page fault whose
# handler maps a frame. After a round all are unmapped again and the TLB is flushed by a CR3 load.
.intel_syntax noprefix
.set COUNT, 2000
.set EXPECTED, 0xFA858D00
.include "lib.inc"
.set PAGES, 1024
.set WINDOW, 0x40000000             # linear address of the pages
.set WINDOW_TABLE, 0x15000          # their page table
.set FRAMES, ARENA                  # 256 frames, used in turn

name: .asciz "fault"

setup:
    mov     dword ptr [PAGE_DIRECTORY + WINDOW / 0x400000 * 4], WINDOW_TABLE + PTE_PRESENT_WRITE_USER
    mov     edi, WINDOW_TABLE
    mov     ecx, PAGES
    xor     eax, eax
    rep     stosd
    mov     eax, 14
    mov     ebx, offset page_fault
    mov     dl, GATE_INTERRUPT0
    jmp     set_gate

round:
    mov     edi, FRAMES             # a number in each frame's first dword
    mov     ecx, 256
1:  mov     [edi], ecx
    add     edi, 0x1000
    dec     ecx
    jnz     1b

    xor     ebx, ebx                # faults taken so far
    xor     eax, eax                # hash of what the pages held
    xor     ebp, ebp                # hash of fault addresses and error codes
    xor     esi, esi                # page, by an odd stride
    mov     ecx, PAGES
2:  imul    eax, eax, 31
    test    ecx, 1
    jnz     3f
    add     eax, [WINDOW + esi]     # first touched by a read: error code 0
    add     [WINDOW + esi], ecx     # and mapped already when written
    jmp     4f
3:  mov     [WINDOW + esi], ecx     # first touched by a plain write: error code 2
    add     eax, [WINDOW + esi]
4:  add     esi, 389 * 0x1000
    and     esi, (PAGES - 1) * 0x1000
    dec     ecx
    jnz     2b

    mov     edi, WINDOW_TABLE
    mov     ecx, PAGES
    xor     edx, edx
5:  mov     [edi], edx
    add     edi, 4
    dec     ecx
    jnz     5b
    mov     edx, cr3
    mov     cr3, edx
    imul    eax, eax, 31            # hash = (pages * 31 + faults) xor addresses
    add     eax, ebx
    xor     eax, ebp
    ret

page_fault:
    pop     edx                     # the error code
    imul    ebp, ebp, 31
    add     ebp, edx
    mov     edx, cr2
    add     ebp, edx
    sub     edx, WINDOW
    shr     edx, 12
    mov     edi, ebx                # frame: faults modulo 256
    and     edi, 255
    shl     edi, 12
    add     edi, FRAMES + PTE_PRESENT_WRITE_USER
    mov     [WINDOW_TABLE + edx * 4], edi
    inc     ebx
    iretd
