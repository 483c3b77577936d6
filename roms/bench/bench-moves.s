# Large moves: REP MOVSD of 256 KiB between aligned places, and REP MOVSB of 64 KiB to an odd address.
.intel_syntax noprefix
.set COUNT, 800
.set EXPECTED, 0xCB538719
.include "lib.inc"
.set BYTES, 0x40000
.set ODD_BYTES, 0x10000
.set SOURCE, ARENA
.set TARGET, ARENA + 0x80000
.set ODD_TARGET, ARENA + 0x100001

name: .asciz "moves"

setup:
    fill_random SOURCE, BYTES
    ret

round:
    mov     esi, SOURCE
    mov     edi, TARGET
    mov     ecx, BYTES / 4
    rep     movsd
    mov     esi, TARGET + 0x1003
    mov     edi, ODD_TARGET
    mov     ecx, ODD_BYTES
    rep     movsb

    xor     eax, eax                # hash = (hash + dword) rotated left by 3, over 64 samples
    mov     esi, ODD_TARGET
1:  add     eax, [esi]
    rol     eax, 3
    add     esi, ODD_BYTES / 64
    cmp     esi, ODD_TARGET + ODD_BYTES
    jb      1b
    ret
