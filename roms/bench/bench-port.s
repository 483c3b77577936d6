# Port I/O: the interrupt mask register of the master PIC (port 21h) is written and read back, and
# each value shown on port 80h.
.intel_syntax noprefix
.set COUNT, 800
.set EXPECTED, 0x7F482000
.include "lib.inc"
.set TURNS, 16384

name: .asciz "port"

setup:
    ret

round:
    xor     ebx, ebx
    mov     ecx, TURNS
1:  mov     al, cl
    out     0x21, al
    out     0x80, al
    in      al, 0x21
    imul    ebx, ebx, 31            # hash = hash * 31 + mask read
    movzx   eax, al
    add     ebx, eax
    dec     ecx
    jnz     1b
    mov     al, 0xFF
    out     0x21, al
    mov     eax, ebx
    ret
