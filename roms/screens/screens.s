# One picture in each mode of the VGA and of Bochs's VBE, by registers alone: no BIOS sets a
# mode here. Boots from a diskette. The byte at offset 3 of the boot sector says which picture;
# whoever starts this patches it. When it is drawn, 'D' goes to port E9h and the processor halts.
#
# The same pictures are taken of QEMU (`cargo xtask pictures`) and kept beside this file.

.intel_syntax noprefix
.code16
.text
.globl start

start:
    jmp short begin
    nop
scene:
    .byte 0                             # offset 3: the number of the picture
begin:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7C00
    cld
    sti
    mov ax, offset image_sectors + 0x01FF   # the rest of the track; DL is the drive
    mov bx, 0x7E00
    mov cx, 2
    mov dh, 0
    int 0x13
    cli
    jc halt
    jmp draw
halt:
    hlt
    jmp halt

.org 510
    .word 0xAA55

draw:
    movzx bx, byte ptr [scene]
    cmp bx, offset SCENES
    jae halt
    shl bx, 2
    mov si, [scenes + bx]               # the registers of its mode
    push word ptr [scenes + bx + 2]     # what draws it
    or si, si
    jz draw_now
    call set_mode
    call set_colors
draw_now:
    pop ax
    call ax
    mov al, 'D'
    out 0xE9, al
    jmp halt

# A row: the mode's registers (0: none), the routine.
.balign 2
scenes:
    .word mode_text_80, text_8x16       # 0   80x25, 9 dots
    .word mode_text_40, text_8x16       # 1   40x25, 8 dots twice as wide
    .word mode_text_50, text_8x8        # 2   80x50, 8 dots
    .word mode_04, cga                  # 3   320x200, 4 colours
    .word mode_06, cga                  # 4   640x200, 2 colours
    .word mode_0d, planar_200           # 5   320x200, 16 colours
    .word mode_0e, planar_200           # 6   640x200, 16 colours
    .word mode_10, planar_350           # 7   640x350, 16 colours
    .word mode_11, planar_480           # 8   640x480, 2 colours
    .word mode_12, write_modes          # 9   640x480, 16 colours, by all write modes
    .word mode_13, chained              # 10  320x200, 256 colours
    .word mode_x, unchained             # 11  320x240, 256 colours, second page, split
    .word mode_13, vbe_8                # 12  VBE, one depth after the other
    .word mode_13, vbe_15               # 14
    .word mode_13, vbe_16               # 15
    .word mode_13, vbe_24               # 16
    .word mode_13, vbe_32               # 17
    .word mode_13, vbe_8_wide_dac       # 18
    .word mode_12, read_modes           # 19  640x480, what read modes 0 and 1 gave
.equ SCENES, (. - scenes) / 4

.include "modes.inc"                    # the registers
.include "set.inc"                      # setting them
.include "paint.inc"                    # pictures in text and planes
.include "vbe.inc"                      # pictures by VBE

font_8x16:
    .incbin "../bios/font-8x16.bin"
font_8x8:
    .incbin "../bios/font-8x8.bin"
