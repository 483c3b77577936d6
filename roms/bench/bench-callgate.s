# System calls by call gate: a ring-3 loop that enters ring 0 by a far CALL through a gate that copies
# two words, and comes back by a far RET, 20,000 times a round.
.intel_syntax noprefix
.set COUNT, 280
.set EXPECTED, 0xC7D3F8F0
.include "lib.inc"
.include "ring3.inc"
.set CALLS, 20000
.set CALL_GATE_TYPE, 0xEC00 + 2     # present, DPL 3, 32-bit call gate, two parameters

name: .asciz "callgate"

door:
    mov     eax, offset system_call
    mov     [call_gate], ax
    mov     word ptr [call_gate + 2], CODE0
    mov     word ptr [call_gate + 4], CALL_GATE_TYPE
    shr     eax, 16
    mov     [call_gate + 6], ax
    ret

user:
    xor     ebx, ebx                # hash
    mov     ecx, CALLS
1:  push    ecx
    push    1
    call    CALL_GATE:0             # the gate says where; the offset counts for nothing
    dec     ecx
    jnz     1b
    end_user

# EBX = (EBX * 31 + first parameter) xor second.
system_call:
    imul    ebx, ebx, 31
    add     ebx, [esp + 12]         # above the return address of two words
    xor     ebx, [esp + 8]
    retf    8
