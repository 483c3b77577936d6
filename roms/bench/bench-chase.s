# Memory: a chain of pointers that visits 65,536 nodes, 64 bytes apart, in random order: 4 MiB, or
# 1024 pages, in one cycle.
.intel_syntax noprefix
.set COUNT, 120
.set EXPECTED, 0xB3E5CCE3
.include "lib.inc"
.set NODES, 65536
.set HOPS, NODES * 4

name: .asciz "chase"

# Sattolo's shuffle of the identity, in place, gives one cycle through all nodes; the links are
# first kept as numbers and then made addresses.
setup:
    xor     ecx, ecx
    mov     edi, ARENA
1:  mov     [edi], ecx
    add     edi, 64
    inc     ecx
    cmp     ecx, NODES
    jb      1b

    mov     ebx, 1                  # the generator's state
    mov     ecx, NODES - 1
2:  mov     eax, ebx
    next_random
    mov     ebx, eax
    mul     ecx                     # EDX = a random number below ECX
    shl     edx, 6
    mov     esi, ecx
    shl     esi, 6
    mov     eax, [ARENA + edx]
    xchg    eax, [ARENA + esi]
    mov     [ARENA + edx], eax
    dec     ecx
    jnz     2b

    mov     edi, ARENA
3:  shl     dword ptr [edi], 6
    add     dword ptr [edi], offset ARENA
    add     edi, 64
    cmp     edi, ARENA + NODES * 64
    jb      3b
    ret

round:
    xor     eax, eax                # hash = (hash + address) rotated left by 1
    mov     ebx, ARENA
    mov     ecx, HOPS
1:  mov     ebx, [ebx]
    add     eax, ebx
    rol     eax, 1
    dec     ecx
    jnz     1b
    ret
