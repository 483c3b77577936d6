# Arithmetic flags: long additions that carry from limb to limb across INC-free pointer updates and
# DEC, then a mill of conditions over random numbers (SETcc, CMOVcc, SBB, RCL, and jumps on parity,
# sign and overflow).
.intel_syntax noprefix
.set COUNT, 100
.set EXPECTED, 0x11830613
.include "lib.inc"
.set LIMBS, 64
.set ADDITIONS, 1024
.set DRAWS, 65536
.set FIRST, ARENA
.set SECOND, ARENA + 0x1000

name: .asciz "flags"

setup:
    ret

round:
    mov     edi, FIRST              # Fibonacci numbers modulo 2^2048
    mov     ecx, 2 * 0x1000 / 4
    xor     eax, eax
1:  mov     [edi], eax
    add     edi, 4
    dec     ecx
    jnz     1b
    mov     dword ptr [SECOND], 1
    mov     esi, FIRST
    mov     edi, SECOND
    mov     ebp, ADDITIONS
2:  mov     ecx, LIMBS
    push    esi
    push    edi
    clc
3:  mov     eax, [edi]              # DEC and LEA leave the carry alone
    adc     [esi], eax
    lea     esi, [esi + 4]
    lea     edi, [edi + 4]
    dec     ecx
    jnz     3b
    pop     esi                     # the sum becomes the second number
    pop     edi
    dec     ebp
    jnz     2b

    mov     edx, [edi]              # the mill starts from the last sum's lowest limb
    mov     eax, edx
    xor     ebx, ebx
    mov     ebp, DRAWS
4:  next_random
    xor     ecx, ecx
    cmp     eax, edx
    setb    cl                      # ebx += below + less + equal
    setl    ch
    add     bl, cl
    add     bl, ch
    cmovb   edx, eax                # CF of ADD bl, ch
    cmp     eax, ebx
    rcl     ebx, 1                  # CF of CMP comes in from the right
    jo      5f                      # OF of a rotate by 1: MSB of the result xor CF
    xor     edx, 0x5A5A5A5A
5:  sbb     edx, eax                # CF of RCL, or 0 after XOR
    jpe     6f
    not     ebx
6:  jns     7f                      # NOT changes no flag
    neg     edx
7:  dec     ebp
    jnz     4b
    lea     eax, [ebx + edx]
    ret
