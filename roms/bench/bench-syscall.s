# System calls: a ring-3 loop that enters ring 0 through an interrupt gate (INT 80h) and comes back
# by IRET, 20,000 times a round.
.intel_syntax noprefix
.set COUNT, 280
.set EXPECTED, 0xC7D3F8F0
.include "lib.inc"
.include "ring3.inc"
.set CALLS, 20000

name: .asciz "syscall"

door:
    mov     eax, 0x80
    mov     ebx, offset system_call
    mov     dl, GATE_INTERRUPT3
    jmp     set_gate

user:
    xor     ebx, ebx                # hash
    mov     ecx, CALLS
1:  mov     eax, 1
    int     0x80
    dec     ecx
    jnz     1b
    end_user

# EBX = (EBX * 31 + ECX) xor EAX.
system_call:
    imul    ebx, ebx, 31
    add     ebx, ecx
    xor     ebx, eax
    iretd
