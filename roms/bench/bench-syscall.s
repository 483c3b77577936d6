# System calls: a ring-3 loop that enters ring 0 through an interrupt gate (INT 80h) and comes back
# by IRET, 20,000 times a round.
.intel_syntax noprefix
.set COUNT, 280
.set EXPECTED, 0xC7D3F8F0
.include "lib.inc"
.set CALLS, 20000

name: .asciz "syscall"

setup:
    mov     eax, 0x80
    mov     ebx, offset system_call
    mov     dl, GATE_INTERRUPT3
    jmp     set_gate

round:
    mov     [kernel_esp], esp
    mov     eax, DATA3              # ring-0 data segments would be taken away by the IRETD
    mov     ds, eax
    mov     es, eax
    mov     fs, eax
    mov     gs, eax
    push    DATA3
    push    STACK3
    push    2                       # EFLAGS: interrupts stay masked
    push    CODE3
    push    offset user
    iretd

user:
    xor     ebx, ebx                # hash
    mov     ecx, CALLS
1:  mov     eax, 1
    int     0x80
    dec     ecx
    jnz     1b
    xor     eax, eax                # call 0: the round is over
    int     0x80

# EAX: 0 ends the round; any other: EBX = (EBX * 31 + ECX) xor EAX.
system_call:
    test    eax, eax
    jz      1f
    imul    ebx, ebx, 31
    add     ebx, ecx
    xor     ebx, eax
    iretd
1:  mov     esp, [kernel_esp]
    mov     eax, ebx
    ret

    .balign 4, 0
kernel_esp: .long 0
