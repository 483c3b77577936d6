# Self-modifying code, patched and run once: before each call of a routine on a page of its own the
# immediate operand of its first instruction is written.
.intel_syntax noprefix
.set COUNT, 400
.set EXPECTED, 0x1F4A9A3C
.include "lib.inc"
.set TURNS, 1000
.set ROUTINE, ARENA

name: .asciz "patch"

template:
    add     eax, 0x12345678         # 05, then the immediate
    rol     eax, 7
    xor     eax, ecx
    ret
template_end:

setup:
    mov     esi, offset template
    mov     edi, ROUTINE
    mov     ecx, template_end - template
    rep     movsb
    ret

round:
    xor     eax, eax
    mov     ecx, TURNS
    mov     ebx, 0x9E3779B9
    mov     edx, ROUTINE
1:  mov     [ROUTINE + 1], ebx
    call    edx
    lea     ebx, [ebx + ebx * 4 + 1]
    dec     ecx
    jnz     1b
    ret
