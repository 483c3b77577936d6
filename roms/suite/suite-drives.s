# INT 13h with two diskette drives and four fixed disks: each has its number in its blocks, and what
# one is written to doesn't show on another.

.include "lib.inc"

.equ BUFFER, 0xA000
.equ PACKET, 0x9800

main:
    MODE 3
    SAY "diskettes: drives, last block's place, what is read\r\n"
    mov byte ptr [drive], 0
    call diskette
    mov byte ptr [drive], 1
    call diskette
    mov byte ptr [drive], 2
    call diskette
    SAY "disks: blocks, their words by 42h and 02h, and after a write to the third\r\n"
    mov byte ptr [drive], 0x80
1:  call disk
    inc byte ptr [drive]
    cmp byte ptr [drive], 0x85
    jb 1b
    mov dword ptr [BUFFER], 0xD15C0003
    mov byte ptr [drive], 0x82
    mov ax, 0x4300
    call block
    call say_status
    NEWLINE
    mov byte ptr [drive], 0x80
2:  mov ax, 0x4200
    call block
    SAY_WORD [BUFFER+2]
    inc byte ptr [drive]
    cmp byte ptr [drive], 0x84
    jb 2b
    SAY "\r\nthe count in the BIOS data area: "
    mov al, [0x475]
    call say_byte
    SHOT "drives"
    ret

diskette:
    mov al, [drive]
    call say_byte
    mov ah, 8
    mov dl, [drive]
    push es
    int 0x13
    pop es
    jc 3f
    SAY_WORD cx
    SAY_WORD dx
    mov ax, 0x0201
    mov bx, BUFFER
    mov cx, 0x0002
    mov dh, 0
    mov dl, [drive]
    int 0x13
    call say_status
    cmp byte ptr [drive], 0     # A's second sector is a part of this program
    je 4f
    SAY_WORD [BUFFER]
    jmp 4f
3:  SAY "no drive"
4:  NEWLINE
    ret

disk:
    mov al, [drive]
    call say_byte
    mov word ptr [PACKET], 0x1A
    mov si, PACKET
    mov ah, 0x48
    mov dl, [drive]
    int 0x13
    jc 5f
    SAY_WORD [PACKET+18]
    SAY_WORD [PACKET+16]
    mov ax, 0x4200
    call block
    call say_status
    SAY_WORD [BUFFER]
    SAY_WORD [BUFFER+2]
    mov ax, 0x0201
    mov bx, BUFFER
    mov cx, 0x0003
    mov dh, 1
    mov dl, [drive]
    int 0x13
    SAY_WORD [BUFFER]
    SAY_WORD [BUFFER+2]
    jmp 6f
5:  SAY "no drive"
6:  NEWLINE
    ret

# Reads or writes block 1000 of [drive].
block:
    mov dword ptr [PACKET], 0x00010010
    mov dword ptr [PACKET+4], BUFFER
    mov dword ptr [PACKET+8], 1000
    mov dword ptr [PACKET+12], 0
    mov si, PACKET
    mov dl, [drive]
    int 0x13
    ret

say_status:
    pushf
    pusha
    setc al
    call say_word
    popa
    popf
    ret

drive: .byte 0
