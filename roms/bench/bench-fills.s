# Large fills: REP STOSD of 256 KiB, and REP STOSB of 64 KiB at an odd address.
.intel_syntax noprefix
.set COUNT, 1000
.set EXPECTED, 0xFFBFFFFE
.include "lib.inc"
.set BYTES, 0x40000
.set ODD_BYTES, 0x10000
.set TARGET, ARENA
.set ODD_TARGET, ARENA + 0x80001

name: .asciz "fills"

setup:
    ret

round:
    mov     eax, 0x5EED1234
    mov     edi, TARGET
    mov     ecx, BYTES / 4
    rep     stosd
    mov     al, 0xA7
    mov     edi, ODD_TARGET
    mov     ecx, ODD_BYTES
    rep     stosb

    xor     eax, eax                # hash = (hash + both dwords) rotated left by 3, over 64 samples
    xor     ecx, ecx
1:  add     eax, [TARGET + ecx * 4]
    add     eax, [ODD_TARGET + ecx]
    rol     eax, 3
    add     ecx, ODD_BYTES / 64
    cmp     ecx, ODD_BYTES
    jb      1b
    ret
