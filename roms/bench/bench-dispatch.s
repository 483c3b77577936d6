# Indirect jumps: a bytecode interpreter that dispatches through a jump table. The bytecode is a
# loop of 15,000 passes over two accumulators and a counter.
.intel_syntax noprefix
.set COUNT, 140
.set EXPECTED, 0x39AC35C4
.include "lib.inc"
.set PASSES, 15000

name: .asciz "dispatch"

.set OP_LITERAL, 0                  # A = the next byte
.set OP_ADD, 1                      # A += B
.set OP_XOR, 2                      # A ^= B
.set OP_ROTATE, 3                   # A = A rotated left by 5
.set OP_SWAP, 4
.set OP_MULTIPLY, 5                 # A *= 0x10DCD
.set OP_SUBTRACT, 6                 # A -= the next byte
.set OP_SKIP_EVEN, 7                # skip as many bytes as the next byte says if A is even
.set OP_COUNT_DOWN, 8               # counter -= 1; back by the next byte unless it is 0
.set OP_HALT, 9

program:
    .byte   OP_LITERAL, 77
    .byte   OP_SWAP
    .byte   OP_LITERAL, 200
program_loop:
    .byte   OP_ADD
    .byte   OP_ROTATE
    .byte   OP_SKIP_EVEN, 3
    .byte   OP_XOR
    .byte   OP_SUBTRACT, 9
    .byte   OP_SWAP
    .byte   OP_MULTIPLY
    .byte   OP_ADD
    .byte   OP_XOR
    .byte   OP_SKIP_EVEN, 1
    .byte   OP_ROTATE
    .byte   OP_SWAP
    .byte   OP_COUNT_DOWN, program_loop_end - program_loop
program_loop_end:
    .byte   OP_HALT

    .balign 4, 0
handlers:
    .long   do_literal, do_add, do_xor, do_rotate, do_swap, do_multiply, do_subtract
    .long   do_skip_even, do_count_down, do_halt

setup:
    ret

.macro  dispatch
    movzx   ecx, byte ptr [esi]
    inc     esi
    jmp     [handlers + ecx * 4]
.endm

round:                              # EAX: A, EBX: B, EBP: the counter, ESI: the bytecode
    xor     eax, eax
    xor     ebx, ebx
    mov     ebp, PASSES
    mov     esi, offset program
    dispatch
do_literal:
    movzx   eax, byte ptr [esi]
    inc     esi
    dispatch
do_add:
    add     eax, ebx
    dispatch
do_xor:
    xor     eax, ebx
    dispatch
do_rotate:
    rol     eax, 5
    dispatch
do_swap:
    xchg    eax, ebx
    dispatch
do_multiply:
    imul    eax, eax, 0x10DCD
    dispatch
do_subtract:
    movzx   ecx, byte ptr [esi]
    inc     esi
    sub     eax, ecx
    dispatch
do_skip_even:
    movzx   ecx, byte ptr [esi]
    inc     esi
    test    al, 1
    jnz     1f
    add     esi, ecx
1:  dispatch
do_count_down:
    movzx   ecx, byte ptr [esi]
    inc     esi
    dec     ebp
    jz      2f
    sub     esi, ecx
2:  dispatch
do_halt:
    xor     eax, ebx
    ret
