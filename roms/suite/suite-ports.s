# INT 14h and 17h, the alarm of 1Ah with 4Ah, and 1Ch, as far as PCs agree about them.

.include "lib.inc"

main:
    MODE 3
    SAY "serial port: set up, "
    mov ax, 0x00E3              # 9600 baud, 8 bits, no parity, one stop bit
    xor dx, dx
    int 0x14
    and ax, 0x6000              # nothing to send, nothing being sent
    call say_word
    SAY "sent, "
    mov ax, 0x0141
    xor dx, dx
    int 0x14
    and ah, 0x80
    call say_word
    SAY "nothing received in time, "
    mov ah, 2
    xor dx, dx
    int 0x14
    and ah, 0x80
    mov al, ah
    call say_byte
    SAY "its status "
    mov ah, 3
    xor dx, dx
    int 0x14
    and ax, 0x6000
    call say_word

    SAY "\r\nprinter: set up, "
    mov ah, 1
    xor dx, dx
    int 0x17
    and ah, 0x29                # no paper, fault, time out
    mov al, ah
    call say_byte
    SAY "printed, "
    mov ax, 0x0041
    xor dx, dx
    int 0x17
    and ah, 0x29
    call say_word
    SAY "its status "
    mov ah, 2
    xor dx, dx
    int 0x17
    and ah, 0x29
    mov al, ah
    call say_byte

    SAY "\r\nticks that 1Ch saw in a second: "
    cli
    push dword ptr [0x1C * 4]
    mov dword ptr [0x1C * 4], offset tick
    sti
    mov dword ptr [ticks], 0
    mov eax, [0x046C]
    add eax, 19
1:  hlt
    cmp [0x046C], eax
    jb 1b
    cmp dword ptr [ticks], 18   # 19 where none is late
    setae al
    call say_byte
    cli
    pop dword ptr [0x1C * 4]
    sti

    SAY "\r\nalarm: set, "
    mov ah, 3
    mov cx, 0x1234
    mov dx, 0x5600
    int 0x1A
    cli
    push dword ptr [0x4A * 4]
    mov dword ptr [0x4A * 4], offset alarm
    sti
    mov ah, 6
    mov cx, 0x1234
    mov dx, 0x5800
    int 0x1A
    call say_carry
    SAY "set again, "
    mov ah, 6
    mov cx, 0x1234
    mov dx, 0x5900
    int 0x1A
    call say_carry
    SAY "rung within four seconds: "
    mov eax, [0x046C]
    add eax, 73
2:  hlt
    cmp byte ptr [rung], 0
    jne 3f
    cmp [0x046C], eax
    jb 2b
3:  mov al, [rung]
    call say_byte
    mov ah, 2
    int 0x1A
    SAY "at "
    SAY_WORD cx
    mov al, dh
    call say_byte
    mov ah, 7
    int 0x1A
    cli
    pop dword ptr [0x4A * 4]
    sti
    SHOT "ports"
    ret

tick:
    inc dword ptr cs:[ticks]
    iret

alarm:
    mov byte ptr cs:[rung], 1
    iret

.include "carry.inc"

ticks: .long 0
rung:  .byte 0
