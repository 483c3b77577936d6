# INT 13h: what a diskette and a fixed disk say of themselves, reading, errors. The fixed disk, if
# there is one, has in each block its number, as a 32-bit word over and over.

.include "lib.inc"

.equ BUFFER, 0xA000
.equ PACKET, 0x9800

# INT 13h with all registers given; prints AH and the carry, and keeps all registers.
.macro DISK ax, bx=BUFFER, cx=0, dx=0
    mov ax, \ax
    mov bx, \bx
    mov cx, \cx
    mov dx, \dx
    int 0x13
    call say_status
.endm

main:
    MODE 3
    SAY "diskette 08h: "
    push es
    DISK 0x0800, 0, 0, 0
    SAY_WORD bx
    SAY_WORD cx
    SAY_WORD dx
    mov al, es:[di+3]           # 512-byte sectors, 18 a track
    call say_byte
    mov al, es:[di+4]
    call say_byte
    pop es
    SAY "\r\nread 1: "
    DISK 0x0201, BUFFER, 1, 0
    call say_byte
    SAY_WORD [BUFFER+510]
    SAY "\r\nread 3 over the end of side 0: "
    DISK 0x0203, BUFFER, 0x0011, 0
    SAY "\r\nstatus 01h: "
    DISK 0x0100
    SAY "\r\nsector 0, head 2, function 22h, drive 3: "
    DISK 0x0201, BUFFER, 0, 0
    DISK 0x0201, BUFFER, 1, 0x0200
    DISK 0x2200, BUFFER, 1, 0
    SAY "\r\nverify: "
    DISK 0x0402, BUFFER, 1, 0
    SAY "\r\nover a multiple of 64 KiB: "
    push es
    push 0x1FF0
    pop es
    DISK 0x0202, 0x0000, 1, 0
    pop es
    SAY "\r\nwritten and read back on track 79: "
    mov di, BUFFER
    mov ax, 0x1234
    mov cx, 256
    rep stosw
    DISK 0x0301, BUFFER, 0x4F12, 0x0100
    mov word ptr [BUFFER], 0
    DISK 0x0201, BUFFER, 0x4F12, 0x0100
    SAY_WORD [BUFFER]
    SAY "\r\ntrack 78 formatted, and read: "
    mov di, BUFFER
    mov ax, 0x004E              # cylinder, head
    mov dx, 0x0201              # number, size
    mov cx, 18
1:  mov [di], ax
    mov [di+2], dx
    add di, 4
    inc dl
    loop 1b
    DISK 0x0512, BUFFER, 0x4E01, 0x0000
    DISK 0x0201, BUFFER, 0x4E12, 0x0000
    SHOT "diskette"

    MODE 3
    SAY "fixed disk 08h: "
    push es
    push di
    DISK 0x0800, 0, 0, 0x80
    pop di
    pop es
    mov al, cl                  # the peer keeps the last cylinder for itself
    call say_byte
    SAY_WORD dx
    SAY "\r\n15h: "
    mov ax, 0x1500
    mov dx, 0x80
    int 0x13
    SAY_WORD ax
    SAY "\r\n41h: "
    mov ax, 0x4100
    mov bx, 0x55AA
    mov dx, 0x80
    int 0x13
    setc al                     # the version differs
    call say_byte
    SAY_WORD bx
    SAY "\r\nread 0/1/1 and 3/2/5: "
    DISK 0x0201, BUFFER, 0x0001, 0x0180
    SAY_WORD [BUFFER]
    DISK 0x0202, BUFFER, 0x0305, 0x0280
    call say_byte
    SAY_WORD [BUFFER]
    SAY_WORD [BUFFER+1022]
    SAY_WORD [BUFFER+1020]
    SAY "\r\nbeyond the last cylinder: "
    DISK 0x0201, BUFFER, 0x4001, 0x0080
    SAY "\r\n42h, block 4660: "
    mov dword ptr [PACKET], 0x00020010
    mov dword ptr [PACKET+4], BUFFER
    mov dword ptr [PACKET+8], 4660
    mov dword ptr [PACKET+12], 0
    call packet
    SAY_WORD [BUFFER]
    SAY_WORD [BUFFER+512]
    SAY_WORD [PACKET+2]
    SAY "\r\n42h beyond the end, and far beyond: "
    mov dword ptr [PACKET+8], 8192
    call packet
    mov dword ptr [PACKET+12], 1
    call packet
    SAY "\r\n48h: "
    mov word ptr [PACKET], 0x1A
    mov si, PACKET
    mov ax, 0x4800
    mov dx, 0x80
    int 0x13
    call say_status
    SAY_WORD [PACKET+4]
    SAY_WORD [PACKET+8]
    SAY_WORD [PACKET+12]
    SAY_WORD [PACKET+16]
    SAY_WORD [PACKET+18]
    SAY_WORD [PACKET+24]
    SAY "\r\nwritten and read back: "
    mov dword ptr [BUFFER], 0x5AA5C33C
    mov dword ptr [PACKET], 0x00010010
    mov dword ptr [PACKET+4], BUFFER
    mov dword ptr [PACKET+8], 8191
    mov dword ptr [PACKET+12], 0
    mov si, PACKET
    mov ax, 0x4300
    mov dx, 0x80
    int 0x13
    call say_status
    mov dword ptr [BUFFER], 0
    call packet
    SAY_WORD [BUFFER]
    SAY_WORD [BUFFER+2]
    SAY "\r\nverify 44h, seek 47h, ready 10h, recalibrate 11h, reset 0Dh: "
    mov ax, 0x4400
    call packet_of
    mov ax, 0x4700
    call packet_of
    DISK 0x1000, 0, 0, 0x80
    DISK 0x1100, 0, 0, 0x80
    DISK 0x0D00, 0, 0, 0x80
    SAY "\r\nno such drive: "
    DISK 0x0201, BUFFER, 1, 0x85
    SHOT "fixed"
    ret

packet:
    mov ax, 0x4200
packet_of:
    mov si, PACKET
    mov dx, 0x80
    int 0x13

# Prints AH and the carry. Keeps all registers.
say_status:
    pushf
    pusha
    setc al
    call say_word
    popa
    popf
    ret
