# Self-modifying code, generated and run often: a routine of 64 random instructions is written, then
# run a thousand times; eight such routines a round, in one buffer.
.intel_syntax noprefix
.set COUNT, 400
.set EXPECTED, 0xCBDFA168
.include "lib.inc"
.set ROUTINES, 8
.set LENGTH, 64
.set RUNS, 1000
.set BUFFER, ARENA

name: .asciz "generate"

    .balign 4, 0
# What can be generated: bytes of opcode, bytes of immediate, opcode.
forms:
    .byte   1, 4, 0x05, 0           # add eax, imm
    .byte   1, 4, 0x35, 0           # xor eax, imm
    .byte   1, 4, 0x2D, 0           # sub eax, imm
    .byte   2, 4, 0x69, 0xC0        # imul eax, eax, imm
    .byte   2, 1, 0xC1, 0xC0        # rol eax, imm
    .byte   2, 0, 0x01, 0xD8        # add eax, ebx
    .byte   2, 0, 0x31, 0xC3        # xor ebx, eax
    .byte   2, 0, 0xF7, 0xD8        # neg eax

setup:
    ret

round:
    mov     ebp, ROUTINES
    mov     eax, 1                  # the generator's state
    xor     ebx, ebx                # hash
1:  push    ebx
    mov     edi, BUFFER
    mov     ecx, LENGTH
2:  next_random                     # its top three bits choose the form
    mov     edx, eax
    shr     edx, 29
    movzx   ebx, word ptr [forms + edx * 4 + 2]
    mov     [edi], bx
    movzx   ebx, byte ptr [forms + edx * 4]
    add     edi, ebx
    movzx   ebx, byte ptr [forms + edx * 4 + 1]
    next_random                     # an odd immediate; a rotate's is taken modulo 32
    mov     edx, eax
    or      edx, 1
    mov     [edi], edx
    add     edi, ebx
    dec     ecx
    jnz     2b
    mov     byte ptr [edi], 0xC3    # ret

    pop     ebx
    push    eax
    mov     eax, ebp
    mov     esi, BUFFER
    mov     ecx, RUNS
3:  call    esi
    dec     ecx
    jnz     3b
    xor     ebx, eax
    pop     eax
    dec     ebp
    jnz     1b
    mov     eax, ebx
    ret
