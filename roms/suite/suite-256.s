# INT 10h in mode 13h: its colours, dots, text, and the DAC's functions.

.include "lib.inc"

main:
    MODE 0x13
    call bars
    SHOT "palette"
    AT 1, 1
    mov byte ptr [ink], 0x2C
    SAY "text in colour 2C\r\n\n"
    mov byte ptr [ink], 0xB0
    SAY "and in B0"
    AT 5, 5
    BIOS 0x0941, 0x0048, 4
    AT 5, 6
    BIOS 0x0800
    AT 7, 0
    SAY_WORD ax
    BIOS 0x0C3F, 0, 319, 199
    BIOS 0x0D00, 0, 319, 199
    call say_byte
    BIOS 0x0F00
    SAY_WORD ax
    SHOT "text"
    BIOS 0x0603, 0x2000, 0x0302, 0x0A10
    BIOS 0x0702, 0x0C00, 0x0C12, 0x1424
    SHOT "scroll"

    push ds
    pop es
    mov di, offset colours
    BIOS 0x1012, 0x0020, 4, di
    BIOS 0x1010, 0x0030, 0x3F15, 0x2A00
    SHOT "block"
    BIOS 0x1015, 0x0021         # reads one
    AT 9, 0
    SAY_WORD cx
    SAY_WORD dx
    mov di, offset buffer
    BIOS 0x1017, 0x0020, 4, di
    mov cx, 12
    mov si, offset buffer
1:  lodsb
    call say_byte
    loop 1b
    SHOT "read"
    BIOS 0x101B, 0x0000, 256
    SHOT "grey"
    MODE 0x93                   # keeps the memory, loads the colours anew
    SHOT "kept"

    # Greys and no colours at all, by mode set.
    BIOS 0x1200, 0x0033
    MODE 0x13
    call bars
    SHOT "greyset"
    BIOS 0x1201, 0x0033
    BIOS 0x1201, 0x0031
    BIOS 0x1010, 0x0001, 0x003F, 0x3F00
    MODE 0x13
    call bars
    SHOT "palettekept"
    BIOS 0x1200, 0x0031
    MODE 0x13
    call bars
    BIOS 0x1201, 0x0036         # screen off and on again
    BIOS 0x1200, 0x0036
    SHOT "restored"
    ret

# 16 x 16 squares of ten dots.
bars:
    push es
    push 0xA000
    pop es
    xor di, di
    xor dx, dx                  # line
1:  mov ax, dx
    mov bl, 12
    div bl
    shl al, 4
    mov bl, al                  # first colour of the row
    mov cx, 16
2:  push cx
    mov cx, 20
    mov al, bl
    rep stosb
    inc bl
    pop cx
    loop 2b
    inc dx
    cmp dx, 192
    jb 1b
    pop es
    ret

colours: .byte 63, 0, 0, 0, 63, 0, 0, 0, 63, 63, 63, 0
buffer:  .fill 16, 1, 0
