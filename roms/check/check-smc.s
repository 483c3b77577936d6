# Self-modifying and cross-modifying code: what was written is what runs (SDM 3A 8.1.3, 11.6).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "smc"
    .include "boot.inc"
    .include "lib.inc"

    .equ CODE, 0x60000              # two pages for code that the checks build
    .equ WINDOW, 0x800000           # linear page of the alias and remapping checks
    .equ RET, 0xC3
    .equ MOV_EAX, 0xB8              # MOV EAX, imm32

    .bss
    .balign 4096
directory:      .skip 4096
low_table:      .skip 4096
table:          .skip 4096
    .text

main:
    call    same_block
    call    elsewhere
    call    by_other_writes
    call    page_edges
    call    code_size
    call    map_pages
    call    by_paging
    jmp     finish

# MOV EAX, value; RET at `address`.
.macro put_function address, value
    mov     byte ptr [\address], MOV_EAX
    mov     dword ptr [\address + 1], \value
    mov     byte ptr [\address + 5], RET
.endm

same_block:
    try     "a store into the next instruction", "ok eax=00000055", "3A 11.6"
      mov   byte ptr [1f + 1], 0x55
1:    mov   eax, 0x11
    after
      show32 "eax", [saw_eax]
    endtry
    try     "a store into an instruction further on", "ok eax=00000055", "3A 11.6"
      mov   byte ptr [1f + 1], 0x55
      xor   ecx, ecx
      inc   ecx
      nop
1:    mov   eax, 0x11
    after
      show32 "eax", [saw_eax]
    endtry
    try     "a store that turns the next instruction into a jump", "ok eax=00000000", "3A 11.6"
      xor   eax, eax
      mov   word ptr [1f], 0x02EB
1:    nop
      nop
      inc   eax
      inc   eax
    after
      show32 "eax", [saw_eax]
    endtry
    try     "a store through a jump, as the manual asks for", "ok eax=00000055", "3A 8.1.3"
      mov   byte ptr [1f + 1], 0x55
      jmp   1f
1:    mov   eax, 0x11
    after
      show32 "eax", [saw_eax]
    endtry
    try     "a loop that changes its own operand each time: 0 + 1 + ... + 99", "ok edx=00001356 ecx=00000064", "3A 11.6"
      xor   ecx, ecx
      xor   edx, edx
1:    mov   [2f + 2], ecx
2:    add   edx, 0x7FFFFFFF
      inc   ecx
      cmp   ecx, 100
      jb    1b
    after
      show32 "edx", [saw_edx]
      show32 "ecx", [saw_ecx]
    endtry
    try     "a store into an earlier instruction of a loop", "ok eax=00000057", "3A 11.6"
      mov   ecx, 3
      xor   eax, eax
1:    add   eax, 1
      mov   byte ptr [1b + 2], 0x2B
      dec   ecx
      jnz   1b
    after
      show32 "eax", [saw_eax]
    endtry
    try     "a store of the same bytes changes nothing", "ok eax=00000011", "3A 11.6"
      mov   byte ptr [1f + 1], 0x11
1:    mov   eax, 0x11
    after
      show32 "eax", [saw_eax]
    endtry
    try     "an INT3 put over the next instruction", "#BP", "3A 11.6"
      mov   byte ptr [1f], 0xCC
1:    nop
    at
      nop
    endtry
    ret

elsewhere:
    put_function CODE, 0x11111111
    try     "a function that ran before is changed and called again", "ok first=11111111 second=22222222", "3A 11.6"
      mov   ebx, CODE
      call  ebx
      mov   ecx, eax
      mov   dword ptr [CODE + 1], 0x22222222
      call  ebx
    after
      show32 "first", [saw_ecx]
      show32 "second", [saw_eax]
    endtry
    put_function CODE, 0x11111111
    put_function CODE + 8, 0x22222222
    mov     byte ptr [CODE + 16], 0xE9              # JMP CODE, then JMP CODE + 8
    mov     dword ptr [CODE + 17], -21
    try     "the target of a direct jump is changed", "ok first=11111111 second=22222222", "3A 11.6"
      mov   ebx, CODE + 16
      call  ebx
      mov   ecx, eax
      add   dword ptr [CODE + 17], 8
      call  ebx
    after
      show32 "first", [saw_ecx]
      show32 "second", [saw_eax]
    endtry
    put_function CODE, 0x11111111
    try     "the function changes itself and returns", "ok first=11111111 second=00000033", "3A 11.6"
      mov   dword ptr [CODE + 5], 0x000105C7        # MOV DWORD PTR [60001h], 33h ; RET
      mov   dword ptr [CODE + 9], 0x00330006
      mov   dword ptr [CODE + 13], 0x00C30000
      mov   ebx, CODE
      call  ebx
      mov   ecx, eax
      call  ebx
    after
      show32 "first", [saw_ecx]
      show32 "second", [saw_eax]
    endtry
    put_function CODE, 0x11111111
    try     "data beside code on the same page: the code stays", "ok first=11111111 second=11111111", "3A 11.6"
      mov   ebx, CODE
      call  ebx
      mov   ecx, eax
      mov   dword ptr [CODE + 0x800], 0x12345678
      mov   dword ptr [CODE + 6], 0x12345678
      call  ebx
    after
      show32 "first", [saw_ecx]
      show32 "second", [saw_eax]
    endtry
    ret

# Each of these writes 22222222h over the operand at CODE + 1 in its own way.
.macro rewrite name, code:vararg
    put_function CODE, 0x11111111
    try     "\name", "ok first=11111111 second=22222222", "3A 11.6"
      mov   ebx, CODE
      call  ebx
      mov   ecx, eax
      mov   eax, 0x22222222
      \code
      call  ebx
    after
      show32 "first", [saw_ecx]
      show32 "second", [saw_eax]
    endtry
.endm

by_other_writes:
    rewrite "a PUSH onto code", call push_onto
    rewrite "an XCHG with code", xchg [ebx + 1], eax
    rewrite "an ADD to code", add dword ptr [ebx + 1], 0x11111111
    rewrite "a locked XADD to code", call add_locked
    rewrite "REP STOS over code", call store_string
    rewrite "REP MOVS over code", call move_string
    rewrite "four byte stores into code", call store_bytes
    rewrite "POP into code", call pop_into
    ret

add_locked:
    mov     eax, 0x11111111
    lock xadd [ebx + 1], eax
    ret
store_string:
    push    ecx
    lea     edi, [ebx + 1]
    mov     al, 0x22
    mov     ecx, 4
    rep     stosb
    pop     ecx
    ret
move_string:
    push    ecx
    mov     [scratch], eax
    mov     esi, offset scratch
    lea     edi, [ebx + 1]
    mov     ecx, 1
    rep     movsd
    pop     ecx
    ret
store_bytes:
    mov     [ebx + 1], al
    mov     [ebx + 3], al
    mov     [ebx + 2], al
    mov     [ebx + 4], al
    ret
push_onto:
    mov     edx, esp
    lea     esp, [ebx + 5]
    push    eax
    mov     esp, edx
    ret
pop_into:
    push    eax
    pop     dword ptr [ebx + 1]
    ret

    .include "smc-pages.inc"
