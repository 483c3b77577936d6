# INT 10h, 4Fh: VESA modes: what is said of them, and pictures drawn through the window.

.include "lib.inc"

.equ BLOCK, 0x9000              # for the information blocks

main:
    MODE 3
    push ds
    pop es
    mov di, BLOCK
    mov dword ptr [BLOCK], 0x32454256
    BIOS 0x4F00
    SAY_WORD ax
    SAY_WORD [BLOCK]            # VESA
    SAY_WORD [BLOCK+2]
    NEWLINE
    mov si, offset modes
1:  lodsw
    or ax, ax
    jz 2f
    call about
    jmp 1b
2:  SAY "no such mode: "
    mov cx, 0x1F0
    mov ax, 0x4F01
    mov di, BLOCK
    int 0x10
    SAY_WORD ax
    BIOS 0x4F02, 0x01F0
    SAY_WORD ax
    BIOS 0x4F03
    SAY_WORD ax
    SAY_WORD bx
    SHOT "about"

    mov ax, 0x101
    mov di, 640
    call picture
    SHOT "mode101"
    BIOS 0x4F08, 0x0800         # the DAC with 8 bits a component
    push bx
    mov dx, 0x3C8
    xor al, al
    out dx, al
    inc dx
8:  mov ah, al                  # red rises, green falls, blue rises three times as fast
    out dx, al
    not al
    out dx, al
    mov al, ah
    add al, al
    add al, ah
    out dx, al
    mov al, ah
    inc al
    jnz 8b
    SHOT "dac8"

    # A line twice as long as what shows, and the start moved.
    BIOS 0x4F06, 0x0000, 1280
    mov [kept], ax
    mov [kept+2], bx
    mov [kept+4], cx
    BIOS 0x4F07, 0x0000, 320, 10
    mov [kept+6], ax
    SHOT "panned"
    BIOS 0x4F07, 0x0001
    mov [kept+8], cx
    mov [kept+10], dx
    BIOS 0x4F05, 0x0000, 0, 3
    BIOS 0x4F05, 0x0100
    mov [kept+12], dx
    BIOS 0x4F03
    mov [kept+14], bx
    MODE 3
    pop bx
    SAY_WORD bx
    NEWLINE
    mov si, offset kept
    mov cx, 8
3:  lodsw
    call say_word
    loop 3b
    SHOT "numbers"

    mov ax, 0x111               # 640x480, 16 bits
    mov di, 1280
    call picture
    SHOT "mode111"
    mov ax, 0x115               # 800x600, 24 bits
    mov di, 2400
    call picture
    SHOT "mode115"
    mov ax, 0x103               # 800x600, 256 colours
    mov di, 800
    call picture
    SHOT "mode103"
    push ds
    pop es
    mov di, offset colours4
    BIOS 0x4F09, 0x0000, 4, 16
    SHOT "palette"
    BIOS 0x4F02, 0x0003         # back by way of 4F02h
    BIOS 0x0100, 0, 0x2000
    SAY "text again "
    BIOS 0x4F03
    SAY_WORD bx
    SHOT "back"
    ret

# What 4F01h says of mode AX.
about:
    call say_word
    mov cx, ax
    mov ax, 0x4F01
    mov di, BLOCK
    int 0x10
    call say_word
    mov al, [BLOCK]
    and al, 0x9B                # whether the BIOS draws text in it is its own affair
    call say_byte
    SAY_WORD [BLOCK+4]
    SAY_WORD [BLOCK+8]
    SAY_WORD [BLOCK+16]
    SAY_WORD [BLOCK+18]
    SAY_WORD [BLOCK+20]
    mov al, [BLOCK+25]
    call say_byte
    mov al, [BLOCK+27]
    call say_byte
    mov bx, BLOCK+31
    mov cx, 8
4:  mov al, [bx]
    call say_byte
    inc bx
    loop 4b
    NEWLINE
    ret

# Sets mode AX and fills its first 300 lines of DI bytes, each byte (line + column / 8).
picture:
    mov [line_bytes], di
    mov bx, ax
    mov ax, 0x4F02
    int 0x10
    push es
    push 0xA000
    pop es
    xor dx, dx                  # the window's place
    call window
    xor di, di
    xor si, si                  # line
5:  xor cx, cx                  # column
6:  mov ax, cx
    shr ax, 3
    add ax, si
    stosb
    or di, di
    jnz 7f
    inc dx
    call window
7:  inc cx
    cmp cx, [line_bytes]
    jb 6b
    inc si
    cmp si, 300
    jb 5b
    pop es
    ret

window:
    pusha
    mov ax, 0x4F05
    xor bx, bx
    int 0x10
    popa
    ret

modes:      .word 0x100, 0x101, 0x103, 0x105, 0x107, 0x10D, 0x10E, 0x10F, 0x110, 0x111, 0x112
            .word 0x113, 0x114, 0x115, 0x116, 0x117, 0x118, 0x11A, 0x142, 0
line_bytes: .word 0
kept:       .fill 8, 2, 0
colours4:   .byte 0, 0, 63, 0, 0, 63, 0, 0, 63, 0, 0, 0, 63, 63, 63, 0
