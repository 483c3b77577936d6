# INT 10h, 11h and 12h: the fonts, the rows that follow from them, and text of fewer lines.

.include "lib.inc"

main:
    MODE 3
    BIOS 0x1112                 # 8x8: fifty rows
    BIOS 0x0100, 0, 0x2000
    call table
    call numbers
    mov dh, 49
    call last_row
    SHOT "rows50"
    mov cx, 45
1:  NEWLINE
    loop 1b
    SAY "scrolled in fifty rows"
    SHOT "scroll50"
    BIOS 0x1111                 # 8x14
    BIOS 0x0100, 0, 0x2000
    AT 5, 0
    call numbers
    SHOT "rows28"
    MODE 3
    call table
    BIOS 0x1102                 # the font alone
    SHOT "small"
    BIOS 0x1104
    SHOT "usual"

    # Two characters of our own, of sixteen lines.
    push ds
    pop es
    mov bp, offset shapes
    BIOS 0x1100, 0x1000, 2, 'A'
    AT 20, 0
    SAY "A and B are new: BABA"
    SHOT "user"
    # A second font, for characters whose attribute has bit 3 set.
    BIOS 0x1102, 0x0001
    BIOS 0x1103, 0x0004
    AT 21, 0
    BIOS 0x0941, 0x0007, 3
    AT 21, 4
    BIOS 0x0941, 0x000F, 3
    SHOT "twofonts"

    # Where fonts are: compared with each other, not with an address.
    MODE 3
    mov bx, 0x0600
    call first_bytes
    mov bx, 0x0300
    call first_bytes
    mov bx, 0x0200
    call first_bytes
    mov bx, 0x0400
    call first_bytes
    SHOT "where"

    # Text of 350 and 200 lines.
    BIOS 0x1201, 0x0030
    SAY_WORD ax
    MODE 3
    SAY "text of 350 lines "
    call numbers
    SHOT "lines350"
    BIOS 0x1200, 0x0030
    MODE 3
    SAY "text of 200 lines "
    call numbers
    SHOT "lines200"
    BIOS 0x1202, 0x0030
    MODE 3
    SAY "text of 400 lines "
    call numbers
    SHOT "lines400"

    # Fonts in a graphics mode.
    MODE 0x12
    mov byte ptr [ink], 0x0E
    BIOS 0x1123, 3
    SAY "8x8 in mode 12h\r\n"
    call numbers
    BIOS 0x1122, 1
    SAY "8x14 in mode 12h\r\n"
    call numbers
    SHOT "mode12"

    # What the adapter says of itself.
    MODE 3
    BIOS 0x1200, 0xFF10
    SAY_WORD bx
    SAY_WORD cx
    BIOS 0x1A00
    SAY_WORD ax
    SAY_WORD bx
    push ds
    pop es
    mov di, 0x9000
    BIOS 0x1B00                 # that it is there, and what it copies from the BIOS data area
    call say_byte
    NEWLINE
    mov si, 0x9004              # up to the CRTC's port; the CGA's registers differ
    mov cx, 0x64 - 0x49 + 1
    call bytes
    mov si, 0x9022
    mov cx, 3
    call bytes
    SHOT "about"
    ret

bytes:
    lodsb
    call say_byte
    loop bytes
    ret

# All characters, 64 a row, but for three shades: whether their last column is repeated in the ninth
# is something the peer's display has its own mind about.
table:
    xor bx, bx
2:  mov ax, bx
    sub al, 0xB0
    cmp al, 3
    jb 5f
    mov ax, bx
    mov dl, al
    and dl, 0x3F
    mov dh, al
    shr dh, 6
    add dh, 2
    push bx
    xor bh, bh
    mov ah, 0x02
    int 0x10
    pop bx
    mov al, bl
    push bx
    mov bx, 7
    mov cx, 1
    mov ah, 0x0A
    int 0x10
    pop bx
5:  inc bl
    jnz 2b
    AT 8, 0
    ret

# Lines in a character, rows, columns and page size, from the BIOS and its data area.
numbers:
    mov ax, 0x1130
    mov bx, 0x0100
    push bp
    push es
    int 0x10
    pop es
    pop bp
    SAY_WORD cx
    xor dh, dh
    SAY_WORD dx
    push ds
    push 0x40
    pop ds
    mov ax, [0x4A]
    mov bx, [0x4C]
    mov cx, [0x84]              # rows, height
    pop ds
    call say_word
    SAY_WORD bx
    SAY_WORD cx
    NEWLINE
    ret

last_row:
    xor dl, dl
    xor bh, bh
    mov ah, 0x02
    int 0x10
    SAY "the last row"
    ret

# The second half of the letter A in the font BH.
first_bytes:
    push es
    mov ax, 0x1130
    push bp
    int 0x10
    mov si, bp
    pop bp
    add si, 0x41 * 8
    mov cx, 8
3:  mov al, es:[si]
    call say_byte
    inc si
    loop 3b
    NEWLINE
    pop es
    ret

shapes:
    .byte 0xFF, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0xFF
    .byte 0xFF, 0x81, 0xBD, 0xBD, 0xBD, 0xBD, 0x81, 0xFF
    .byte 0x00, 0x18, 0x18, 0x3C, 0x3C, 0x7E, 0x7E, 0xFF
    .byte 0xFF, 0x7E, 0x7E, 0x3C, 0x3C, 0x18, 0x18, 0x00
