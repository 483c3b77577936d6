# String instructions: REP STOS, MOVS, CMPS and SCAS over runs from 8 bytes to 4 KiB.
.intel_syntax noprefix
.set COUNT, 1000
.set EXPECTED, 0x4F7356A9
.include "lib.inc"
.set SMALL, ARENA                   # 64 copies of 8 to 71 bytes
.set SOURCE, ARENA + 0x10000
.set TARGET, ARENA + 0x20000

name: .asciz "string"

setup:
    fill_random SOURCE, 0x10000
    ret

round:
    mov     edi, TARGET             # clear 64 KiB, a page a time
    mov     ebx, 16
1:  mov     eax, ebx
    mov     ecx, 1024
    rep     stosd
    dec     ebx
    jnz     1b

    mov     esi, SOURCE             # copy it, a page a time
    mov     edi, TARGET
    mov     ebx, 16
2:  mov     ecx, 1024
    rep     movsd
    dec     ebx
    jnz     2b

    mov     ebx, 8                  # short copies of a growing number of bytes, one after another
    mov     esi, SOURCE
    mov     edi, SMALL
3:  mov     ecx, ebx
    rep     movsb
    inc     ebx
    cmp     ebx, 72
    jb      3b

    mov     esi, SOURCE             # equal as far as the byte that differs
    mov     edi, TARGET
    xor     byte ptr [TARGET + 30000], 0xFF
    mov     ecx, 0x10000
    repe    cmpsb
    mov     ebx, ecx

    mov     edi, SMALL              # length of the text up to the first 0Ah, and of the next ones
    mov     byte ptr [SMALL + 2527], 0x0A
    xor     edx, edx
4:  mov     al, 0x0A
    mov     ecx, 0x10000
    repne   scasb
    imul    edx, edx, 31
    add     edx, ecx
    cmp     edi, SMALL + 2528
    jb      4b

    mov     eax, ebx                # hash = (hash + dword) rotated left by 3
    mov     esi, SMALL
    mov     ecx, 2528 / 4
5:  add     edx, eax
    rol     edx, 3
    lodsd
    dec     ecx
    jnz     5b
    lea     eax, [edx + eax]
    ret
