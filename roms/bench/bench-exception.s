# Exceptions: a ring-3 loop that runs into UD2; the handler of #UD looks at the instruction, steps
# over it, and returns. 20,000 times a round.
.intel_syntax noprefix
.set COUNT, 280
.set EXPECTED, 0x16D064F0
.include "lib.inc"
.include "ring3.inc"
.set CALLS, 20000
.set INVALID_OPCODE, 6

name: .asciz "exception"

door:
    mov     eax, INVALID_OPCODE
    mov     ebx, offset invalid_opcode
    mov     dl, GATE_INTERRUPT0
    jmp     set_gate

user:
    xor     ebx, ebx                # hash
    mov     ecx, CALLS
1:  ud2
    dec     ecx
    jnz     1b
    end_user

# EBX = (EBX * 31 + ECX) xor the instruction's word.
invalid_opcode:
    mov     edx, [esp]              # its EIP
    movzx   eax, word ptr [edx]
    imul    ebx, ebx, 31
    add     ebx, ecx
    xor     ebx, eax
    add     edx, 2
    mov     [esp], edx
    iretd
