# Self-modifying code as a compiler at run time makes it: a filter of eight rules is written, each of
# which loads a word of a record, compares it and adds to a score or doesn't, and every fourth leaves a
# mark in the record; then it is run on 64 records. Eight filters a round, one behind the other.
.intel_syntax noprefix
.set COUNT, 1500
.set EXPECTED, 0x62EC2768
.include "lib.inc"
.set FILTERS, 8
.set RULES, 8
.set RECORDS, 64
.set WORDS, 16                      # of a record
.set TABLE, ARENA
.set CODE, ARENA + 0x10000
.set CODE_BYTES, 0x200              # of a filter

name: .asciz "filter"

setup:
    ret

# A rule is   8B 56 d8        mov edx, [esi + d8]
#             81 FA imm32     cmp edx, imm32
#             72 05           jb over
#             05 imm32        add eax, imm32
#       over:
# and behind every fourth stands   89 46 d8   mov [esi + d8], eax.
round:
    mov     edi, TABLE
    mov     ecx, RECORDS * WORDS
    mov     eax, 1
1:  next_random
    mov     [edi], eax
    add     edi, 4
    dec     ecx
    jnz     1b

    xor     ebx, ebx                # hash
    mov     ebp, FILTERS
    mov     edi, CODE
2:  push    edi
    mov     ecx, RULES
3:  mov     word ptr [edi], 0x568B
    next_random
    mov     edx, eax
    shr     edx, 28
    shl     edx, 2
    mov     [edi + 2], dl
    mov     word ptr [edi + 3], 0xFA81
    next_random
    mov     [edi + 5], eax
    mov     word ptr [edi + 9], 0x0572
    mov     byte ptr [edi + 11], 0x05
    next_random
    mov     [edi + 12], eax
    add     edi, 16
    test    ecx, 3
    jnz     4f
    mov     word ptr [edi], 0x4689
    mov     [edi + 2], dl
    add     edi, 3
4:  dec     ecx
    jnz     3b
    mov     byte ptr [edi], 0xC3    # ret
    pop     edi

    push    eax
    mov     esi, TABLE
    mov     ecx, RECORDS
    mov     eax, ebx
5:  call    edi
    add     esi, WORDS * 4
    dec     ecx
    jnz     5b
    mov     ebx, eax
    pop     eax
    add     edi, CODE_BYTES
    dec     ebp
    jnz     2b
    mov     eax, ebx
    ret
