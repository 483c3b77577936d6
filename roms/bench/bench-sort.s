# Branchy integer work: insertion sort of 1024 random numbers.
.intel_syntax noprefix
.set COUNT, 100
.set EXPECTED, 0xDC9EB2F6
.include "lib.inc"
.set ITEMS, 1024

name: .asciz "sort"

setup:
    ret

round:
    mov     eax, 1
    xor     ecx, ecx
1:  next_random
    mov     [ARENA + ecx * 4], eax
    inc     ecx
    cmp     ecx, ITEMS
    jb      1b

    mov     ecx, 1
2:  mov     eax, [ARENA + ecx * 4]
    mov     edx, ecx
3:  mov     ebx, [ARENA + edx * 4 - 4]
    cmp     ebx, eax
    jbe     4f
    mov     [ARENA + edx * 4], ebx
    dec     edx
    jnz     3b
4:  mov     [ARENA + edx * 4], eax
    inc     ecx
    cmp     ecx, ITEMS
    jb      2b

    xor     eax, eax                # hash = hash * 31 + item
    xor     ecx, ecx
5:  imul    eax, eax, 31
    add     eax, [ARENA + ecx * 4]
    inc     ecx
    cmp     ecx, ITEMS
    jb      5b
    ret
