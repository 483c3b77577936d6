# Self-modifying code that isn't: a loop that writes to variables beside it, on its own page.
.intel_syntax noprefix
.set COUNT, 400
.set EXPECTED, 0x25168B55
.include "lib.inc"
.set TURNS, 16384

name: .asciz "beside"

setup:
    ret

round:
    xor     eax, eax
    mov     edi, offset table
    mov     ecx, 16
    rep     stosd
    mov     ecx, TURNS
    mov     [total], ecx
1:  mov     edx, ecx
    and     edx, 15
    add     [table + edx * 4], ecx
    mov     eax, [table + edx * 4]
    add     eax, [total]
    rol     eax, 3
    mov     [total], eax
    dec     ecx
    jnz     1b
    ret

    .balign 512, 0                  # the same page, lines away
total:  .long 0
    .balign 64, 0
table:  .fill 16, 4, 0
