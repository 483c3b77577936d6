# Integer work: CRC-32 (reflected polynomial EDB88320h) of 64 KiB by a table of 256 entries.
.intel_syntax noprefix
.set COUNT, 320
.set EXPECTED, 0x52C975FA
.include "lib.inc"
.set LENGTH, 65536
.set TABLE, ARENA
.set TEXT, ARENA + 0x1000

name: .asciz "crc"

setup:
    xor     ebx, ebx                # TABLE[ebx] = eight steps of division
1:  mov     eax, ebx
    mov     ecx, 8
2:  shr     eax, 1
    jnc     3f
    xor     eax, 0xEDB88320
3:  dec     ecx
    jnz     2b
    mov     [TABLE + ebx * 4], eax
    inc     ebx
    cmp     ebx, 256
    jb      1b

    mov     eax, 1
    mov     edi, TEXT
4:  next_random
    mov     ebx, eax
    shr     ebx, 24
    mov     [edi], bl
    inc     edi
    cmp     edi, TEXT + LENGTH
    jb      4b
    ret

round:
    mov     eax, 0xFFFFFFFF
    mov     esi, TEXT
    mov     ecx, LENGTH
1:  movzx   ebx, byte ptr [esi]
    inc     esi
    movzx   edx, al
    xor     ebx, edx
    shr     eax, 8
    xor     eax, [TABLE + ebx * 4]
    dec     ecx
    jnz     1b
    not     eax
    ret
