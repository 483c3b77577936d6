# The first sector of a disk that `cloister disk create --fat` makes: finds the active partition and
# starts its boot sector, as the first program of every PC disk does.
#
# It moves itself to 0600h, out of the way of the sector that belongs at 7C00h; that one gets DL =
# the drive and SI = its entry of the partition table. The table is at its end, bytes 446 to 509.

.intel_syntax noprefix
.set MOVED, 0x600 - 0x7C00      # from where it is linked to where it runs
.set TABLE_AT, 446 + MOVED

.text
.code16
.global image
image:
    cli
    cld
    xor     ax, ax
    mov     ss, ax
    mov     sp, 0x7C00
    mov     ds, ax
    mov     es, ax
    sti
    mov     si, 0x7C00
    mov     di, 0x600
    mov     cx, 256
    rep     movsw
    jmp     0:moved + MOVED
moved:
    mov     si, offset image + TABLE_AT
    mov     cx, 4
1:  test    byte ptr [si], 0x80
    jnz     found
    add     si, 16
    loop    1b
    mov     bx, offset none_active + MOVED
    jmp     stop
found:
    mov     eax, [si + 8]       # its first sector
    mov     [packet + MOVED + 8], eax
    push    si
    mov     si, offset packet + MOVED
    mov     ah, 0x42            # extended read
    int     0x13
    pop     si
    mov     bx, offset unreadable + MOVED
    jc      stop
    mov     bx, offset no_program + MOVED
    cmp     word ptr [0x7DFE], 0xAA55
    jne     stop
    jmp     0:0x7C00

# Says what BX points to, and waits for ever.
stop:
    mov     si, bx
1:  lodsb
    test    al, al
    jz      2f
    mov     ah, 0x0E
    mov     bx, 7
    int     0x10
    jmp     1b
2:  hlt
    jmp     2b

    .balign 4
packet:
    .byte   16, 0
    .word   1, 0x7C00, 0
    .quad   0
none_active:
    .asciz  "No partition of this disk is active."
unreadable:
    .asciz  "The active partition can't be read."
no_program:
    .asciz  "The active partition doesn't begin with a boot program."
