# Stack instructions by operand size (of the code) and address size (of SS) (SDM 1 chapter 6,
# 2A ENTER, LEAVE, 2B PUSH, POP, PUSHA, POPA, RET).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "stack"
    .include "boot.inc"
    .include "lib.inc"

    .equ BOTTOM, V86_BASE + 0x8000      # both stacks of the checks lie here

main:
    call    operand_sizes
    call    small_stack
    call    small_code
    call    frames
    call    pointers
    jmp     finish

# Ring 3 on the 32-bit stack (flat): shows how far ESP moved and the dword it points at.
.macro big name, want, ref, code:vararg
    try3    "\name", "\want", "\ref"
      mov   esp, BOTTOM
      mov   eax, 0x12345678
      \code
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      mov   ebx, [saw_esp]
      show32 "top", [ebx]
    endtry
.endm

# The same on the 16-bit stack; the high half of ESP is AAAAh.
.macro small name, want, ref, code:vararg
    try3    "\name", "\want", "\ref"
      mov   cx, S16U
      mov   ss, cx
      mov   esp, 0xAAAA8000
      mov   eax, 0x12345678
      \code
    after
      show32 "esp", [saw_esp]
      movzx ebx, word ptr [saw_esp]
      show32 "top", [V86_BASE + ebx]
    endtry
.endm

operand_sizes:
    mov     dword ptr [BOTTOM], 0x11223344
    mov     dword ptr [BOTTOM + 4], 0x55667788
    mov     dword ptr [BOTTOM - 4], 0
    big     "32-bit stack, PUSH EAX", "ok moved=FFFFFFFC top=12345678", "2B PUSH", push eax
    mov     dword ptr [BOTTOM], 0x11223344
    big     "32-bit stack, PUSH AX", "ok moved=FFFFFFFE top=33445678", "2B PUSH", push ax
    big     "32-bit stack, PUSH imm8 is sign-extended", "ok moved=FFFFFFFC top=FFFFFFFE", "2B PUSH", push -2
    big     "32-bit stack, PUSH imm8 of 16 bits", "ok moved=FFFFFFFE top=3344FFFE", "2B PUSH", .byte 0x66, 0x6A, 0xFE
    big     "32-bit stack, PUSHF of 16 bits", "ok moved=FFFFFFFE top=33440002", "2B PUSHF", call push_flags_16
    big     "32-bit stack, POP EAX", "ok moved=00000004 top=55667788", "2B POP", pop eax
    big     "32-bit stack, POP AX", "ok moved=00000002 top=77881122", "2B POP", pop ax
    big     "32-bit stack, PUSHA of 16 bits: 16 bytes", "ok moved=FFFFFFF0 top=00000000", "2B PUSHA", call clear_and_pusha
    big     "32-bit stack, POPA of 16 bits: 16 bytes", "ok moved=00000010 top=00000000", "2B POPA", popaw
    big     "32-bit stack, RET of 16 bits takes two bytes, EIP is 16 bits", "ok moved=00000000 top=11223344", "2B RET", call near_16
    ret

# (called with a 32-bit CALL: the return address is taken away first)
push_flags_16:
    pop     edx
    push    2
    popfd
    pushfw
    jmp     edx
clear_and_pusha:
    pop     edx
    mov     edx, [esp - 4]
    xor     edi, edi
    xor     esi, esi
    pushaw
    jmp     edx
near_16:
    pop     edx
    mov     ecx, offset 1f
    push    cx
    .byte   0x66
    ret
1:  jmp     edx

small_stack:
    mov     dword ptr [BOTTOM], 0x11223344
    mov     dword ptr [BOTTOM + 4], 0x55667788
    small   "16-bit stack, PUSH EAX", "ok esp=AAAA7FFC top=12345678", "1 6.2.3", push eax
    mov     dword ptr [BOTTOM], 0x11223344
    small   "16-bit stack, PUSH AX", "ok esp=AAAA7FFE top=33445678", "1 6.2.3", push ax
    small   "16-bit stack, POP EAX", "ok esp=AAAA8004 top=55667788", "1 6.2.3", pop eax
    small   "16-bit stack, PUSHAD: 32 bytes", "ok esp=AAAA7FE0 top=00000000", "2B PUSHA", call clear_and_pushad
    small   "16-bit stack, PUSHAD stores all of ESP", "ok esp=AAAA7FE0 top=AAAA8000", "2B PUSHA", call pushad_esp
    small   "16-bit stack, PUSH ESP", "ok esp=AAAA7FFC top=AAAA8000", "2B PUSH", push esp
    mov     dword ptr [BOTTOM], 0x11223344
    try3    "16-bit stack, POP ESP loads all 32 bits", "ok esp=11223344", "2B POP"
      mov   cx, S16U
      mov   ss, cx
      mov   esp, 0xAAAA8000
      pop   esp
    after
      show32 "esp", [saw_esp]
    endtry
    try3    "16-bit stack, RET 2 moves SP only", "ok esp=AAAA8002", "2B RET"
      mov   cx, S16U
      mov   ss, cx
      mov   esp, 0xAAAA8000
      mov   ecx, offset 1f
      push  ecx
      ret   2
1:    nop
    after
      show32 "esp", [saw_esp]
    endtry
    try3    "16-bit stack, LEAVE: SP from BP, EBP popped whole", "ok esp=BBBB7004 ebp=CAFEF00D", "2A LEAVE"
      mov   cx, S16U
      mov   ss, cx
      mov   esp, 0xBBBB8000
      mov   dword ptr ss:[0x7000], 0xCAFEF00D
      mov   ebp, 0xAAAA7000
      leave
    after
      show32 "esp", [saw_esp]
      show32 "ebp", [saw_ebp]
    endtry
    try3    "16-bit stack, an address by ESP uses all of it: #SS", "#SS(0000)", "1 6.2.3"
      mov   cx, S16U
      mov   ss, cx
      mov   esp, 0xAAAA8000
    at
      mov   eax, [esp]
    endtry
    ret

clear_and_pushad:
    pop     edx
    mov     ebx, edx
    xor     edi, edi
    pushad
    jmp     ebx
pushad_esp:
    pop     ebx
    pushad
    add     sp, 12                      # EDI ESI EBP
    pop     eax
    push    eax
    sub     sp, 12
    mov     word ptr ss:[0x7FE0], ax
    shr     eax, 16
    mov     word ptr ss:[0x7FE2], ax
    jmp     ebx

# 16-bit code on the flat 32-bit stack.
small_code:
    try_in  MODE_CODE16U, "16-bit code, 32-bit stack: PUSH AX moves ESP by 2", "ok esp=00027FFE", "1 6.2.3"
      mov   ax, D3
      mov   ss, ax
      mov   esp, BOTTOM
      push  ax
    after
      show32 "esp", [saw_esp]
    endtry
    try_in  MODE_CODE16U, "16-bit code, 32-bit stack: PUSH EAX moves ESP by 4", "ok esp=00027FFC", "1 6.2.3"
      mov   ax, D3
      mov   ss, ax
      mov   esp, BOTTOM
      push  eax
    after
      show32 "esp", [saw_esp]
    endtry
    try_in  MODE_CODE16U, "16-bit code, 32-bit stack: CALL pushes IP", "ok esp=00027FFE ip=000E", "2A CALL"
      mov   ax, D3
      mov   ss, ax
      mov   esp, BOTTOM
      call  1f
      nop
1:    nop
    after
      show32 "esp", [saw_esp]
      show16 "ip", [BOTTOM - 2]
    endtry
    try_in  MODE_CODE16U, "16-bit code, 32-bit stack: LEAVE takes ESP from EBP, BP popped", "ok esp=00027002 ebp=0002F00D", "2A LEAVE"
      mov   ax, D3
      mov   ss, ax
      mov   ebp, V86_BASE + 0x7000
      mov   word ptr [ebp], 0xF00D
      leave
    after
      show32 "esp", [saw_esp]
      show32 "ebp", [saw_ebp]
    endtry
    ret

frames:
    try3    "ENTER 16, 0: pushes EBP, makes room", "ok moved=FFFFFFEC ebp=FFFFFFFC saved=11111111", "2A ENTER"
      mov   esp, BOTTOM
      mov   ebp, 0x11111111
      enter 16, 0
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      mov   eax, [saw_ebp]
      sub   eax, BOTTOM
      show_part "ebp", 8
      show32 "saved", [BOTTOM - 4]
    endtry
    try3    "ENTER 0, 1: pushes EBP and the frame pointer", "ok moved=FFFFFFF8 frame=00027FFC", "2A ENTER"
      mov   esp, BOTTOM
      mov   ebp, 0x11111111
      enter 0, 1
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      show32 "frame", [BOTTOM - 8]
    endtry
    mov     dword ptr [V86_BASE + 0x9000 - 4], 0xAAAAAAAA
    mov     dword ptr [V86_BASE + 0x9000 - 8], 0xBBBBBBBB
    try3    "ENTER 4, 3: copies two frame pointers", "ok moved=FFFFFFEC first=AAAAAAAA second=BBBBBBBB frame=00027FFC", "2A ENTER"
      mov   esp, BOTTOM
      mov   ebp, V86_BASE + 0x9000
      enter 4, 3
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      show32 "first", [BOTTOM - 8]
      show32 "second", [BOTTOM - 12]
      show32 "frame", [BOTTOM - 16]
    endtry
    try3    "ENTER 0, 32: the level counts modulo 32", "ok moved=FFFFFFFC", "2A ENTER"
      mov   esp, BOTTOM
      enter 0, 32
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
    endtry
    try3    "ENTER of 16 bits on a 32-bit stack: BP is pushed and set", "ok moved=FFFFFFFA ebp=11117FFE", "2A ENTER"
      mov   esp, BOTTOM
      mov   ebp, 0x11112222
      .byte 0x66
      enter 4, 0
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      show32 "ebp", [saw_ebp]
    endtry
    ret

pointers:
    mov     dword ptr [BOTTOM], 0x11223344
    big     "PUSH ESP pushes the old ESP", "ok moved=FFFFFFFC top=00028000", "2B PUSH", push esp
    big     "PUSH [ESP] reads with the old ESP", "ok moved=FFFFFFFC top=11223344", "2B PUSH", push dword ptr [esp]
    mov     dword ptr [BOTTOM + 4], 0x55667788
    big     "POP [ESP] writes with the new ESP", "ok moved=00000004 top=11223344", "2B POP", pop dword ptr [esp]
    mov     dword ptr [BOTTOM], V86_BASE + 0x9000
    try3    "POP ESP: the value, not the value plus four", "ok esp=00029000", "2B POP"
      mov   esp, BOTTOM
      pop   esp
    after
      show32 "esp", [saw_esp]
    endtry
    try3    "POPAD doesn't load ESP", "ok moved=00000020 edi=EEEEEEEE", "2B POPA"
      mov   esp, BOTTOM
      mov   dword ptr [BOTTOM], 0xEEEEEEEE
      mov   dword ptr [BOTTOM + 12], 0xDDDDDDDD
      popad
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      show32 "edi", [saw_edi]
    endtry
    try3    "PUSH FS of 32 bits moves ESP by four", "ok moved=FFFFFFFC low=0000", "2B PUSH"
      mov   esp, BOTTOM
      push  fs
    after
      mov   eax, [saw_esp]
      sub   eax, BOTTOM
      show_part "moved", 8
      show16 "low", [BOTTOM - 4]
    endtry
    ret
