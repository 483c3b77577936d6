# INT 10h in the text modes: cursor, teletype, attributes, windows, pages, strings, reading back.

.include "lib.inc"

main:
    MODE 3
    SAY "teletype: bell \a, back\b\bwards, return ....\rTELETYPE\r\n"
    SAY "a line of a hundred characters wraps: "
    mov cx, 100
1:  mov al, cl
    and al, 15
    add al, 'a'
    call say_char
    loop 1b
    NEWLINE
    SAY "page, row and column, cursor lines: "
    BIOS 0x0300
    SAY_WORD dx
    SAY_WORD cx
    BIOS 0x0F00
    SAY_WORD ax
    SAY_WORD bx
    SHOT "teletype"

    # Every attribute, then characters that keep it.
    MODE 3
    xor si, si
2:  mov ax, si
    mov dh, al
    shr dh, 4
    add dh, 2
    mov dl, al
    and dl, 0x0F
    shl dl, 2
    mov ah, 0x02
    xor bh, bh
    int 0x10
    mov bx, si
    and bl, 0x7F                # nothing blinks
    mov ax, 0x0923
    mov cx, 3
    int 0x10
    inc si
    cmp si, 256
    jb 2b
    AT 20, 0
    BIOS 0x0941, 0x001E, 90     # over the end of the row
    BIOS 0x0A42, 0x004F, 10     # keeps the attributes
    AT 23, 0
    BIOS 0x0800
    SAY_WORD ax
    AT 20, 9
    BIOS 0x0800
    AT 23, 5
    SAY_WORD ax
    SHOT "attributes"

    # Windows up, down and cleared.
    MODE 3
    mov cx, 24
3:  SAY "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-=+*/\r\n"
    loop 3b
    BIOS 0x0603, 0x1F00, 0x0205, 0x0A14
    BIOS 0x0702, 0x2E00, 0x0220, 0x0A30
    BIOS 0x0600, 0x4F00, 0x0C05, 0x0F30
    BIOS 0x0601, 0x5700, 0x1000, 0x1005
    BIOS 0x0714, 0x6000, 0x1210, 0x1615
    BIOS 0x0601, 0x3000, 0x1138, 0x30FF # clipped at the edges
    SHOT "windows"

    # Scrolling by teletype in the attribute of the last row.
    MODE 3
    AT 24, 0
    BIOS 0x0920, 0x0070, 80
    SAY "last row, then a feed"
    SAY "\r\nand another\r\n"
    SHOT "feed"

    # Pages.
    MODE 3
    BIOS 0x0200, 0x0100, 0, 0x0503
    BIOS 0x0950, 0x011A, 8
    BIOS 0x0200, 0x0700, 0, 0x0604
    BIOS 0x0951, 0x072B, 8
    SAY "page 0"
    BIOS 0x0501
    SHOT "page1"
    SAY "teletype goes to the page that shows"
    SHOT "page1b"
    BIOS 0x0507
    SHOT "page7"
    BIOS 0x0500
    BIOS 0x0300, 0x0100
    SAY_WORD dx
    SHOT "page0"

    # Strings in their four forms.
    MODE 3
    push ds
    pop es
    mov bp, offset string_plain
    BIOS 0x1300, 0x001F, 12, 0x0205
    BIOS 0x1301, 0x002F, 12, 0x0305
    BIOS 0x0300
    AT 10, 0
    SAY_WORD dx
    mov bp, offset string_coloured
    BIOS 0x1302, 0x0000, 6, 0x0505
    BIOS 0x1303, 0x0000, 6, 0x0605
    BIOS 0x0300
    AT 11, 0
    SAY_WORD dx
    mov bp, offset string_plain
    BIOS 0x1301, 0x0074, 12, 0x184A     # over the end of the screen
    SHOT "strings"

    MODE 1
    SAY "forty columns wide, so that this wraps before it ends"
    BIOS 0x0F00
    NEWLINE
    SAY_WORD ax
    BIOS 0x0920, 0x0020, 100
    SHOT "columns40"

    MODE 7
    SAY "monochrome: "
    BIOS 0x0F00
    SAY_WORD ax
    AT 2, 0
    BIOS 0x094E, 0x0007, 5
    AT 3, 0
    BIOS 0x0942, 0x000F, 5
    AT 4, 0
    BIOS 0x0955, 0x0001, 5
    AT 5, 0
    BIOS 0x0952, 0x0070, 5
    AT 6, 0
    BIOS 0x0948, 0x0000, 5
    BIOS 0x0601, 0x7000, 0x0A0A, 0x0C14
    AT 4, 0
    BIOS 0x0800
    AT 8, 0
    SAY_WORD ax
    SHOT "monochrome"

    # A mode set that keeps the memory.
    MODE 3
    SAY "kept"
    BIOS 0x0083
    BIOS 0x0100, 0, 0x2000
    BIOS 0x0F00
    AT 1, 0
    SAY_WORD ax
    SHOT "kept"
    ret

string_plain: .ascii "plain string"
string_coloured: .ascii "c\x11o\x22l\x33o\x44u\x55r\x66"
