# Floating point on the x87 unit, 53 bits precise: the product of two matrices of 24 x 24 doubles,
# then at each element of the first a polynomial by Horner's rule, a square root, a division and a
# comparison.
.intel_syntax noprefix
.set COUNT, 600
.set EXPECTED, 0x376308A2
.include "lib.inc"
.set SIZE, 24
.set ELEMENTS, SIZE * SIZE
.set LEFT, ARENA
.set RIGHT, ARENA + 0x2000
.set PRODUCT, ARENA + 0x4000
.set VALUES, ARENA + 0x6000

name: .asciz "x87"

    .balign 8, 0
scale:          .double 4.656612873077392578125e-10     # 2^-31
one:            .double 1.0
coefficients:   .double 0.5, -0.25, 0.75, -0.125, 0.875, -1.5, 0.0625, 1.0
control:        .word 0x27F         # round to nearest, 53 bits, all exceptions masked
    .balign 4, 0
drawn:          .long 0

# Both matrices: random numbers from -1 to 1.
setup:
    fninit
    fldcw   [control]
    mov     eax, 1
    mov     edi, LEFT
1:  next_random
    mov     [drawn], eax
    fild    dword ptr [drawn]
    fmul    qword ptr [scale]
    fstp    qword ptr [edi]
    add     edi, 8
    cmp     edi, LEFT + ELEMENTS * 8
    jne     2f
    mov     edi, RIGHT
2:  cmp     edi, RIGHT + ELEMENTS * 8
    jne     1b
    ret

round:
    mov     esi, LEFT               # its row
    mov     edi, PRODUCT
    mov     ebp, SIZE
1:  xor     edx, edx                # column
2:  lea     ebx, [RIGHT + edx * 8]
    xor     ecx, ecx
    fldz
3:  fld     qword ptr [esi + ecx * 8]
    fmul    qword ptr [ebx]
    faddp   st(1), st
    add     ebx, SIZE * 8
    inc     ecx
    cmp     ecx, SIZE
    jb      3b
    fstp    qword ptr [edi]
    add     edi, 8
    inc     edx
    cmp     edx, SIZE
    jb      2b
    add     esi, SIZE * 8
    dec     ebp
    jnz     1b

    xor     ecx, ecx
4:  fld     qword ptr [LEFT + ecx * 8]
    fld     qword ptr [coefficients]
    .irp    n, 1, 2, 3, 4, 5, 6, 7
    fmul    st, st(1)
    fadd    qword ptr [coefficients + \n * 8]
    .endr
    fst     st(1)                   # y y
    fmul    st, st(1)
    fadd    qword ptr [one]
    fsqrt
    fdivr   qword ptr [one]         # r = 1 / sqrt(y * y + 1)
    fcomi   st, st(1)
    fcmovb  st, st(1)               # the greater of r and y
    fstp    qword ptr [VALUES + ecx * 8]
    fstp    st(0)
    inc     ecx
    cmp     ecx, ELEMENTS
    jb      4b

    xor     eax, eax                # hash = (hash + dword) rotated left by 3
    xor     ecx, ecx
5:  add     eax, [PRODUCT + ecx * 4]
    rol     eax, 3
    add     eax, [VALUES + ecx * 4]
    rol     eax, 3
    inc     ecx
    cmp     ecx, ELEMENTS * 2
    jb      5b
    ret
