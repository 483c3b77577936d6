# INT 15h, C2h: the functions of the mouse, whose results go to the debug console a line each, and
# a handler that says each packet there. Not compared on a screen; a key ends it.

.include "lib.inc"

.macro MOUSE function, bx=0
    mov ax, 0xC200 | \function
    mov bx, \bx
    int 0x15
    call status
.endm

.macro SAY_BX
    mov al, bh
    call hex
    mov al, bl
    call hex
    call line
.endm

main:
    MOUSE 5, 0x0300             # packets of three bytes
    SAY_BX
    MOUSE 0, 0x0100             # no handler yet: 05
    mov bx, offset packet
    push ds
    pop es
    mov ax, 0xC207
    int 0x15
    call status
    MOUSE 1
    SAY_BX
    MOUSE 4
    SAY_BX
    MOUSE 2, 0x0500             # 100 packets a second
    MOUSE 3, 0x0300             # 8 counts a millimetre
    MOUSE 3, 0x0400             # no such resolution: 02
    MOUSE 6, 0x0100             # scaling 1:1
    MOUSE 6, 0x0000             # status, resolution, rate
    mov al, bl
    call hex
    mov al, cl
    call hex
    mov al, dl
    call hex
    call line
    MOUSE 9                     # no such function: 01
    MOUSE 0, 0x0100
    mov si, offset text_ready
    call console
    xor ah, ah
    int 0x16
    MOUSE 0, 0x0000
    ret

# The handler: status, X, Y and Z lie above its return address.
packet:
    push bp
    mov bp, sp
    push ds
    pusha
    push cs
    pop ds
    mov al, 'P'
    out 0xE9, al
    mov al, [bp+12]
    call hex
    mov al, [bp+10]
    call hex
    mov al, [bp+8]
    call hex
    mov al, [bp+6]
    call hex
    call line
    popa
    pop ds
    pop bp
    retf

# AH and the carry on a line.
status:
    pushf
    pusha
    setc bl
    mov al, ah
    call hex
    mov al, bl
    call hex
    call line
    popa
    popf
    ret

hex:
    pusha
    mov ah, al
    mov al, ' '
    out 0xE9, al
    mov cx, 2
1:  rol ah, 4
    mov al, ah
    and al, 0x0F
    cmp al, 10
    sbb al, 0x69
    das
    out 0xE9, al
    loop 1b
    popa
    ret

line:
    mov al, '\n'
    out 0xE9, al
    ret

text_ready: .asciz "READY\n"
