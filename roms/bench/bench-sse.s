# SSE and SSE2 over memory: a clamped a*x + y with some square roots over 4096 floats, the same numbers
# widened to doubles and summed, and a mill of packed integers.
.intel_syntax noprefix
.set COUNT, 1500
.set EXPECTED, 0x6F18D3D8
.set WITH_SSE, 1
.include "lib.inc"
.set FLOATS, 4096
.set FIRST, ARENA                   # from -1 to 1
.set SECOND, ARENA + 0x4000         # the same
.set RESULT, ARENA + 0x8000

name: .asciz "sse"

    .balign 16, 0
scale:      .float 4.656612873077392578125e-10, 4.656612873077392578125e-10     # 2^-31
            .float 4.656612873077392578125e-10, 4.656612873077392578125e-10
factor:     .float 0.75, -0.5, 1.25, -1.75
highest:    .float 1.5, 1.5, 1.5, 1.5
absolute:   .long 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF, 0x7FFFFFFF
half:       .double 0.5, 0.5
multiplier: .long 0x9E3779B1, 0, 0x85EBCA77, 0
control:    .long 0x1F80            # round to nearest, all exceptions masked

setup:
    ldmxcsr [control]
    mov     eax, 1
    mov     edi, FIRST
1:  next_random
    mov     [edi], eax
    add     edi, 4
    cmp     edi, FIRST + FLOATS * 8
    jb      1b
    mov     edi, FIRST
2:  cvtdq2ps xmm0, [edi]
    mulps   xmm0, [scale]
    movaps  [edi], xmm0
    add     edi, 16
    cmp     edi, FIRST + FLOATS * 8
    jb      2b
    ret

round:
    xor     ecx, ecx                # |min(factor * first + second, highest)|; of four in eight its root
    movaps  xmm7, [factor]
    movaps  xmm6, [absolute]
1:  movaps  xmm0, [FIRST + ecx]
    movaps  xmm1, [FIRST + ecx + 16]
    mulps   xmm0, xmm7
    mulps   xmm1, xmm7
    addps   xmm0, [SECOND + ecx]
    addps   xmm1, [SECOND + ecx + 16]
    minps   xmm0, [highest]
    minps   xmm1, [highest]
    andps   xmm0, xmm6
    andps   xmm1, xmm6
    sqrtps  xmm0, xmm0
    movaps  [RESULT + ecx], xmm0
    movaps  [RESULT + ecx + 16], xmm1
    add     ecx, 32
    cmp     ecx, FLOATS * 4
    jb      1b

    xorps   xmm2, xmm2              # sums of doubles: sum = sum * 0.5 + result * first
    xor     ecx, ecx
    movapd  xmm5, [half]
2:  cvtps2pd xmm0, [RESULT + ecx]
    cvtps2pd xmm1, [FIRST + ecx]
    mulpd   xmm0, xmm1
    mulpd   xmm2, xmm5
    addpd   xmm2, xmm0
    add     ecx, 8
    cmp     ecx, FLOATS * 4
    jb      2b

    pxor    xmm0, xmm0              # integers: h = low dword of (h ^ x) * multiplier, swapped, + x
    xor     ecx, ecx
    movdqa  xmm7, [multiplier]
3:  movdqa  xmm1, [RESULT + ecx]
    pxor    xmm0, xmm1
    pshufd  xmm3, xmm0, 0xF5        # dwords 1 1 3 3
    pmuludq xmm0, xmm7              # two products of 64 bits, of dwords 0 and 2
    pmuludq xmm3, xmm7              # of dwords 1 and 3
    psrlq   xmm0, 7
    paddq   xmm0, xmm3
    paddd   xmm0, xmm1
    add     ecx, 16
    cmp     ecx, FLOATS * 4
    jb      3b

    pxor    xmm0, xmm2              # the eight dwords, folded into one
    pshufd  xmm1, xmm0, 0x4E
    paddd   xmm0, xmm1
    pshufd  xmm1, xmm0, 0xB1
    paddd   xmm0, xmm1
    movd    eax, xmm0
    ret
