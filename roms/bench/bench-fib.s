# Calls: Fibonacci's numbers by recursion, arguments on the stack.
.intel_syntax noprefix
.set COUNT, 60
.set EXPECTED, 0x00183901
.include "lib.inc"
.set DEPTH, 24

name: .asciz "fib"

setup:
    ret

round:
    xor     ebx, ebx                # calls
    push    DEPTH
    call    fib
    add     esp, 4
    imul    eax, eax, 31            # hash = fib * 31 + calls
    add     eax, ebx
    ret

fib:
    push    ebp
    mov     ebp, esp
    push    esi
    inc     ebx
    mov     eax, [ebp + 8]
    cmp     eax, 2
    jb      1f
    dec     eax
    push    eax
    call    fib
    mov     esi, eax
    mov     eax, [ebp + 8]
    sub     eax, 2
    mov     [esp], eax
    call    fib
    add     esp, 4
    add     eax, esi
1:  pop     esi
    leave
    ret
