# Integer work: the sieve of Eratosthenes over one byte a number, then a hash of the primes.
.intel_syntax noprefix
.set COUNT, 100
.set EXPECTED, 0xF13566DA
.include "lib.inc"
.set LIMIT, 131072

name: .asciz "sieve"

setup:
    ret

round:
    mov     edi, ARENA              # all numbers may be prime
    mov     ecx, LIMIT / 4
1:  mov     dword ptr [edi], 0x01010101
    add     edi, 4
    dec     ecx
    jnz     1b

    mov     ebx, ARENA
    mov     esi, 2
2:  mov     ecx, esi                # strike out from the square of each prime
    imul    ecx, esi
    cmp     ecx, LIMIT
    jae     5f
    cmp     byte ptr [ebx + esi], 0
    je      4f
3:  mov     byte ptr [ebx + ecx], 0
    add     ecx, esi
    cmp     ecx, LIMIT
    jb      3b
4:  inc     esi
    jmp     2b

5:  xor     eax, eax                # hash = hash * 31 + prime
    mov     esi, 2
6:  cmp     byte ptr [ebx + esi], 0
    je      7f
    imul    eax, eax, 31
    add     eax, esi
7:  inc     esi
    cmp     esi, LIMIT
    jb      6b
    ret
