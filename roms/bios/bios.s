# The Cloister BIOS: what the processor runs first, and what boot sectors call.
#
# The whole program is one 64 KiB real-mode segment, F000h, linked at offset 0. Begin reading
# in reset.inc (the first instruction a PC ever executes), then post.inc (power-on), then
# whichever service you need; README.md has the map.
#
# Each service is entered by a software interrupt with its function number in AH. frame.inc
# explains the one calling convention they all share.

.intel_syntax noprefix
.code16
.text

.include "const.inc"            # addresses, ports, bit names
.include "frame.inc"            # how a service is entered and left
.include "reset.inc"            # F000:FFF0, and what follows it
.include "post.inc"             # power-on: the order in which the machine is brought up
.include "chips.inc"            # 8259A, 8254, 8237, A20
.include "apic.inc"             # letting them through a local APIC
.include "vectors.inc"          # the interrupt vector table, default handlers
.include "print.inc"            # text for people
.include "clock.inc"            # INT 8, INT 1Ah, INT 70h, waiting
.include "keyboard.inc"         # 8042, INT 9
.include "keymap.inc"           # scan code -> character
.include "keyread.inc"          # INT 16h
.include "mouse.inc"            # INT 15h, C2h, INT 74h
.include "video.inc"            # INT 10h: dispatch and state
.include "vmode.inc"            # INT 10h: mode set
.include "vtable.inc"           # the modes' registers
.include "vdac.inc"             # and colours
.include "vtext.inc"            # INT 10h: characters and scrolling
.include "vgraph.inc"           # INT 10h: characters in the graphics modes
.include "vscroll.inc"          # INT 10h: scrolling in the graphics modes
.include "vdot.inc"             # INT 10h: dots in the graphics modes
.include "vfont.inc"            # INT 10h: the shapes of characters
.include "vcolor.inc"           # INT 10h: colours
.include "vselect.inc"          # INT 10h: switches and state
.include "vbe.inc"              # INT 10h: VESA modes
.include "disk.inc"             # INT 13h: dispatch
.include "floppy.inc"           # INT 13h: diskettes
.include "fdc.inc"              # the 82077 and its DMA channel
.include "fformat.inc"          # INT 13h: formatting
.include "fixed.inc"            # INT 13h: fixed disks
.include "edd.inc"              # INT 13h: the 41h-48h extensions
.include "ide.inc"              # the ATA commands, and finding the drives
.include "memory.inc"           # INT 12h, and INT 15h: how much memory, and where
.include "system.inc"           # INT 11h, INT 15h: A20, waiting, the machine's identity
.include "apm.inc"              # INT 15h, 53h: switching off
.include "move.inc"             # INT 15h, 87h: copying beyond 1 MiB
.include "serial.inc"           # INT 14h, INT 17h
.include "boot.inc"             # INT 18h, INT 19h
