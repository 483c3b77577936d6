# Short moves and fills, as compilers and libraries make them: REP MOVSD, MOVSB, STOSD and STOSB of
# one to sixteen units each.
.intel_syntax noprefix
.set COUNT, 600
.set EXPECTED, 0xD5E44B2E
.include "lib.inc"
.set TURNS, 4096
.set SOURCE, ARENA                  # 4 KiB
.set TARGET, ARENA + 0x2000

name: .asciz "short"

setup:
    fill_random SOURCE, 0x1000
    ret

round:
    xor     ebx, ebx                # hash
    mov     ebp, TURNS
1:  mov     edx, ebp                # units: 1 to 16
    and     edx, 15
    inc     edx
    mov     esi, ebp                # from: anywhere in the first half
    and     esi, 0x7FF
    add     esi, SOURCE
    mov     edi, TARGET
    mov     ecx, edx
    rep     movsd
    mov     ecx, edx
    rep     movsb
    mov     eax, ebx
    mov     ecx, edx
    rep     stosd
    mov     ecx, edx
    rep     stosb
    sub     edi, TARGET             # hash = (hash + end + two dwords) rotated left by 5
    add     ebx, edi
    add     ebx, [TARGET + edx * 4]
    add     ebx, [TARGET + edi - 4]
    rol     ebx, 5
    dec     ebp
    jnz     1b
    mov     eax, ebx
    ret
