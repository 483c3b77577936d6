# Memory: copies 256 KiB by a loop of loads and stores, forwards by dwords and back by bytes, and
# hashes the result.
.intel_syntax noprefix
.set COUNT, 200
.set EXPECTED, 0xD15304F4
.include "lib.inc"
.set DWORDS, 65536
.set BYTES, 65536
.set SOURCE, ARENA
.set TARGET, ARENA + 0x80000

name: .asciz "copy"

setup:
    mov     eax, 1
    xor     ecx, ecx
1:  next_random
    mov     [SOURCE + ecx * 4], eax
    inc     ecx
    cmp     ecx, DWORDS
    jb      1b
    ret

round:
    mov     esi, SOURCE
    mov     edi, TARGET
    mov     ecx, DWORDS / 4
1:  mov     eax, [esi]
    mov     ebx, [esi + 4]
    mov     edx, [esi + 8]
    mov     ebp, [esi + 12]
    mov     [edi], eax
    mov     [edi + 4], ebx
    mov     [edi + 8], edx
    mov     [edi + 12], ebp
    add     esi, 16
    add     edi, 16
    dec     ecx
    jnz     1b

    mov     ecx, BYTES              # the target's first 64 KiB again, each byte one further on
2:  mov     al, [TARGET + ecx - 1]
    mov     [TARGET + ecx], al
    dec     ecx
    jnz     2b

    xor     eax, eax                # hash = (hash + dword) rotated left by 3
3:  add     eax, [TARGET + ecx * 4]
    rol     eax, 3
    inc     ecx
    cmp     ecx, DWORDS
    jb      3b
    ret
