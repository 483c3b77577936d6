# INT 10h in the CGA's graphics modes 4, 5 and 6: dots, text, scrolling, palettes.

.include "lib.inc"

main:
    MODE 4
    call dots
    AT 10, 2
    mov byte ptr [ink], 1
    SAY "cyan "
    mov byte ptr [ink], 2
    SAY "magenta "
    mov byte ptr [ink], 3
    SAY "white "
    AT 12, 4
    BIOS 0x0958, 0x0002, 5
    BIOS 0x0959, 0x0081, 3      # exclusive or
    BIOS 0x0D00, 0, 12, 96
    AT 14, 0
    call say_byte
    AT 10, 3
    BIOS 0x0800
    AT 15, 0
    SAY_WORD ax
    SHOT "mode4"
    BIOS 0x0B00, 0x0001         # background blue
    BIOS 0x0B00, 0x0100
    SHOT "palette0"
    BIOS 0x0B00, 0x0012         # green, and bright
    SHOT "bright"
    BIOS 0x0602, 0x0000, 0x0A03, 0x1010
    BIOS 0x0701, 0x5500, 0x0012, 0x0518
    SHOT "scroll4"

    MODE 5
    SAY "mode 5"
    call dots
    SHOT "mode5"

    MODE 6
    mov byte ptr [ink], 1
    SAY "mode 6: 640 dots in two colours\r\n"
    call dots
    AT 12, 30
    BIOS 0x0957, 0x0001, 20
    AT 12, 35
    BIOS 0x0957, 0x0081, 5
    BIOS 0x0D00, 0, 0, 50
    AT 20, 0
    call say_byte
    AT 0, 3
    BIOS 0x0800
    AT 21, 0
    SAY_WORD ax
    SHOT "mode6"
    BIOS 0x0603, 0xFF00, 0x0A10, 0x1030
    SHOT "scroll6"

    # The upper half of the characters, whose shapes vector 1Fh points to.
    MODE 4
    mov byte ptr [ink], 3
    push ds
    pop es
    mov bp, offset shapes
    BIOS 0x1120
    mov al, 0x80
    call say_char
    mov al, 0x81
    call say_char
    SHOT "upper"
    ret

# A diagonal and a frame.
dots:
    mov dx, 40
1:  mov cx, dx
    mov al, dl
    mov ah, 0x0C
    xor bh, bh
    int 0x10
    add cx, 100
    mov al, 3
    mov ah, 0x0C
    int 0x10
    mov cx, 0
    mov ax, 0x0C01
    int 0x10
    mov cx, 319
    mov ax, 0x0C02
    int 0x10
    mov cx, dx
    mov ax, 0x0C81
    int 0x10
    inc dx
    cmp dx, 200
    jb 1b
    ret

shapes:
    .byte 0xFF, 0x81, 0xBD, 0xA5, 0xA5, 0xBD, 0x81, 0xFF
    .byte 0x18, 0x3C, 0x7E, 0xFF, 0xFF, 0x7E, 0x3C, 0x18
