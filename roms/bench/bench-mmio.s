# Memory-mapped I/O: the VGA's memory in planes at A0000h, where each access goes through the device:
# byte stores in write mode 0 with a rotate, copies through the latches in write mode 1, and reads
# that load them.
.intel_syntax noprefix
.set COUNT, 1200
.set EXPECTED, 0x840F4000
.include "lib.inc"
.set BYTES, 2048
.set PLANES, 0xA0000
.set SEQUENCER, 0x3C4
.set GRAPHICS, 0x3CE

name: .asciz "mmio"

# Writes a register that an index port selects.
.macro  select port, index, value
    mov     dx, \port
    mov     ax, \value << 8 | \index
    out     dx, ax
.endm

setup:
    select  SEQUENCER, 4, 0x06      # planes: neither chained nor odd and even
    select  SEQUENCER, 2, 0x0F      # all four are written
    select  GRAPHICS, 0, 0          # set/reset: nothing
    select  GRAPHICS, 1, 0
    select  GRAPHICS, 6, 0x05       # graphics, 64 KiB at A0000h
    select  GRAPHICS, 8, 0xFF       # all bits are written
    ret

round:
    select  GRAPHICS, 5, 0          # write mode 0, read mode 0
    select  GRAPHICS, 3, 0x03       # rotated right by 3
    mov     ecx, BYTES - 1
1:  mov     [PLANES + ecx], cl
    dec     ecx
    jns     1b

    select  GRAPHICS, 3, 0
    select  GRAPHICS, 5, 1          # write mode 1: the latches, backwards into the next 2 KiB
    xor     ecx, ecx
    mov     edi, PLANES + 2 * BYTES - 1
2:  mov     al, [PLANES + ecx]
    mov     [edi], al
    dec     edi
    inc     ecx
    cmp     ecx, BYTES
    jb      2b

    select  GRAPHICS, 4, 2          # plane 2 is read
    xor     ebx, ebx                # hash = hash * 31 + byte
    xor     ecx, ecx
3:  movzx   eax, byte ptr [PLANES + BYTES + ecx]
    imul    ebx, ebx, 31
    add     ebx, eax
    inc     ecx
    cmp     ecx, BYTES
    jb      3b
    select  GRAPHICS, 4, 0
    mov     eax, ebx
    ret
