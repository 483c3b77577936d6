# INT 10h in the modes of four planes, 0Dh to 12h: dots, text, scrolling, pages, palette.

.include "lib.inc"

.macro PLANAR mode, name
    MODE \mode
    call picture
    SHOT "\name"
.endm

main:
    PLANAR 0x0D, "mode0d"
    PLANAR 0x0E, "mode0e"
    PLANAR 0x10, "mode10"
    PLANAR 0x11, "mode11"
    PLANAR 0x12, "mode12"
    BIOS 0x0602, 0x0300, 0x0203, 0x0810
    BIOS 0x0703, 0x0500, 0x0213, 0x0820
    BIOS 0x0600, 0x0200, 0x0A10, 0x0C18
    SHOT "scroll12"
    AT 29, 0
    SAY "the last row feeds\r\n"
    SHOT "feed12"
    BIOS 0x1000, 0x0401         # colour 1 looks like 4
    BIOS 0x1010, 0x003F, 0x2010, 0x3000
    SHOT "palette12"

    # A page that shows while another is drawn on.
    MODE 0x0D
    BIOS 0x0200, 0x0100, 0, 0x0304
    BIOS 0x0947, 0x010C, 9
    BIOS 0x0C0E, 0x0100, 100, 60
    SAY "page 0"
    BIOS 0x0501
    SHOT "page1"
    BIOS 0x0D00, 0x0100, 100, 60
    BIOS 0x0500
    MODE 0x0D
    call say_byte
    SHOT "page0"

    # Reading characters back.
    MODE 0x12
    mov byte ptr [ink], 0x0C
    SAY "Read"
    AT 0, 2
    BIOS 0x0800
    AT 2, 0
    SAY_WORD ax
    SHOT "read12"
    ret

# Sixteen colours as letters and as dots, plain and exclusive or.
picture:
    mov byte ptr [ink], 0
1:  mov al, [ink]
    and al, 0x0F
    add al, 'A'
    call say_char
    inc byte ptr [ink]
    cmp byte ptr [ink], 16
    jb 1b
    mov byte ptr [ink], 0x0B
    SAY "\r\nsecond row"
    AT 1, 3
    BIOS 0x0948, 0x008E, 4      # exclusive or
    mov dx, 60
2:  mov cx, dx
    shl cx, 1
    mov al, dl
    and al, 0x0F
    mov ah, 0x0C
    xor bh, bh
    int 0x10
    inc cx
    mov ah, 0x0C
    int 0x10
    mov cx, 10
    mov ax, 0x0C07
    int 0x10
    mov ax, 0x0C85
    int 0x10
    inc dx
    cmp dx, 150
    jb 2b
    BIOS 0x0D00, 0, 160, 80
    AT 3, 0
    call say_byte
    BIOS 0x0F00
    SAY_WORD ax
    ret
