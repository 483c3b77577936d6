# INT 11h, 12h, 15h, 16h and 1Ah, as far as PCs agree about them.

.include "lib.inc"

.equ BLOCK, 0x9000
.equ FAR_BLOCK, 0xA000

main:
    MODE 3
    SAY "equipment (display, diskettes): "
    int 0x11
    and ax, 0x00F1
    call say_word
    SAY "\r\nbase memory: "
    int 0x12
    call say_word
    SAY "\r\n88h, E801h: "
    mov ah, 0x88
    int 0x15
    setc bl
    call say_word
    mov ax, 0xE801
    xor cx, cx
    xor dx, dx
    int 0x15
    setc bl
    SAY_WORD cx
    SAY_WORD dx

    SAY "\r\nA20: how, and on: "
    mov ax, 0x2403
    int 0x15
    call say_carry
    mov ax, 0x2401
    int 0x15
    call say_carry
    mov ax, 0x2402
    int 0x15
    call say_carry
    call say_byte
    mov ax, 0x2400              # off: FFFF:0510 is 0000:0500
    int 0x15
    call say_carry
    call wraps
    mov ax, 0x2401
    int 0x15
    call say_carry
    call wraps

    SAY "\r\nblock move, to 1 MiB and back: "
    mov di, BLOCK
    mov cx, 24
    xor ax, ax
    rep stosw
    mov word ptr [BLOCK+0x10], 0xFFFF
    mov word ptr [BLOCK+0x12], FAR_BLOCK
    mov byte ptr [BLOCK+0x15], 0x93
    mov word ptr [BLOCK+0x18], 0xFFFF
    mov byte ptr [BLOCK+0x1C], 0x10
    mov byte ptr [BLOCK+0x1D], 0x93
    mov dword ptr [FAR_BLOCK], 0x600DCAFE
    call move
    mov dword ptr [FAR_BLOCK], 0
    mov byte ptr [BLOCK+0x14], 0x10
    mov word ptr [BLOCK+0x12], 0
    mov byte ptr [BLOCK+0x1C], 0
    mov word ptr [BLOCK+0x1A], FAR_BLOCK
    call move
    SAY_WORD [FAR_BLOCK]
    SAY_WORD [FAR_BLOCK+2]

    SAY "\r\nmodel: "
    mov ah, 0xC0
    push es
    int 0x15
    call say_carry
    mov al, es:[bx+2]
    call say_byte
    pop es
    SAY "\r\nunknown functions: "
    mov ax, 0x7F00
    int 0x15
    call say_status
    mov ax, 0x2477
    int 0x15
    call say_status
    SAY "\r\n4Fh hands the key back: "
    mov ax, 0x4F1E
    stc
    int 0x15
    call say_carry
    call say_word

    SAY "\r\nwaits 100 ms by 86h, ticks of 1Ah meanwhile: "
    call at_tick
    mov cx, 0x0001
    mov dx, 0x86A0
    mov ah, 0x86
    int 0x15
    call say_carry
    mov eax, [0x046C]
    sub eax, [ticks]
    cmp ax, 1                   # 1 or 2 of them; more where the host is busy
    setae al
    call say_byte
    SAY "\r\n1Ah sets and gets the ticks: "
    mov ah, 1
    mov cx, 0x0007
    mov dx, 0x1234
    int 0x1A
    mov ah, 0
    int 0x1A
    SAY_WORD cx
    shr dx, 4
    SAY_WORD dx
    SAY "\r\nclock set and read: "
    mov ah, 3
    mov cx, 0x1234
    mov dx, 0x5600
    int 0x1A
    mov ah, 5
    mov cx, 0x2024
    mov dx, 0x0229
    int 0x1A
    mov ah, 2
    int 0x1A
    call say_carry
    SAY_WORD cx
    mov ah, 4
    int 0x1A
    call say_carry
    SAY_WORD cx
    SAY_WORD dx

    SAY "\r\nkeys put into the buffer, seen and read: "
    mov ah, 5
    mov cx, 0x1E61
    int 0x16
    call say_byte
    mov ah, 5
    mov cx, 0x48E0              # a grey arrow
    int 0x16
    mov ah, 1
    int 0x16
    call say_zero
    call say_word
    mov ah, 0
    int 0x16
    call say_word
    mov ah, 0x11
    int 0x16
    call say_zero
    call say_word
    mov ah, 0x10
    int 0x16
    call say_word
    mov ah, 1
    int 0x16
    call say_zero
    mov ah, 5
    mov cx, 0x48E0
    int 0x16
    mov ah, 0
    int 0x16
    call say_word
    mov ah, 2
    int 0x16
    call say_byte
    mov ah, 0x12
    int 0x16
    call say_word
    SHOT "system"
    ret

move:
    mov ah, 0x87
    mov si, BLOCK
    mov cx, 2
    push ds
    pop es
    int 0x15
    call say_status
    ret

# Is the byte at FFFF:0510 that at 0000:0500?
wraps:
    push es
    push 0xFFFF
    pop es
    mov byte ptr [0x0500], 0x11
    mov byte ptr es:[0x0510], 0x22
    mov al, [0x0500]
    pop es
    call say_byte
    ret

# Waits for the beginning of a tick.
at_tick:
    mov eax, [0x046C]
1:  cmp eax, [0x046C]
    je 1b
    mov eax, [0x046C]
    mov [ticks], eax
    ret

ticks: .long 0

say_status:                     # AH and the carry
    pushf
    pusha
    setc al
    call say_word
    popa
    popf
    ret

.include "carry.inc"

say_zero:
    pushf
    pusha
    setz al
    add al, '0'
    call say_char
    mov al, ' '
    call say_char
    popa
    popf
    ret
