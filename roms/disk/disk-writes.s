# Writes one sector after another to the first disk, by programmed I/O, and says on COM1 what the
# disk has acknowledged: whoever kills the machine knows what must be on the disk.
#
#   W 0000002A      sector 2Ah is written; each of its 128 dwords is its number plus the dword's
#                   place shifted to the top byte
#   F 00000040      what was written so far is flushed; every 64 sectors
#   E ss ee n       the disk refused: its status, its error register, the sector; the end

.intel_syntax noprefix
.set IDE, 0x1F0
.set COM1, 0x3F8
.set BSY, 0x80
.set REFUSED, 0x21              # DF or ERR

.text
.code16
.global image
image:
    cli
    cld
    xor     ax, ax
    mov     ss, ax
    mov     sp, 0x7C00
    push    cs
    pop     ds
    mov     dx, COM1 + 3
    mov     al, 3               # 8 data bits, no parity
    out     dx, al
    xor     ebx, ebx            # the sector
next:
    call    select
    mov     al, 0x30            # WRITE SECTOR(S)
    call    command
    xor     ecx, ecx
    mov     dx, IDE
1:  mov     eax, ecx
    shl     eax, 24
    add     eax, ebx
    out     dx, eax
    inc     cl
    cmp     cl, 128
    jb      1b
    call    ready
    mov     al, 'W'
    call    tell
    test    bl, 63
    jnz     2f
    mov     al, 0xE7            # FLUSH CACHE
    call    command
    mov     al, 'F'
    call    tell
2:  inc     ebx
    jmp     next

# Sector EBX, one of them, of the master.
select:
    mov     eax, ebx
    shr     eax, 24
    or      al, 0xE0
    mov     dx, IDE + 6
    out     dx, al
    mov     dx, IDE + 2
    mov     al, 1
    out     dx, al
    mov     eax, ebx
    mov     cl, 3
1:  inc     dx
    out     dx, al
    shr     eax, 8
    dec     cl
    jnz     1b
    ret

command:
    mov     dx, IDE + 7
    out     dx, al
# Until the disk is no longer busy; doesn't come back if it refuses.
ready:
    mov     dx, IDE + 7
1:  in      al, dx
    test    al, BSY
    jnz     1b
    test    al, REFUSED
    jnz     refused
    ret

refused:
    mov     ah, al
    mov     al, 'E'
    call    send
    mov     al, ah
    call    two
    mov     dx, IDE + 1
    in      al, dx
    call    two
    call    number
    mov     dx, 0x604           # power off
    mov     ax, 0x2000
    out     dx, ax
    hlt

# AL and the sector's number.
tell:
    call    send
number:
    mov     al, ' '
    call    send
    mov     ecx, ebx
    mov     bp, 8
1:  rol     ecx, 4
    mov     al, cl
    call    digit
    dec     bp
    jnz     1b
    mov     al, '\n'
    jmp     send

# A blank and AL in two digits.
two:
    push    ax
    mov     al, ' '
    call    send
    pop     ax
    push    ax
    shr     al, 4
    call    digit
    pop     ax
digit:
    and     al, 15
    cmp     al, 10
    sbb     al, 0x69            # the old trick: 0..15 to '0'..'F'
    das
send:
    push    dx
    mov     dx, COM1
    out     dx, al
    pop     dx
    ret
