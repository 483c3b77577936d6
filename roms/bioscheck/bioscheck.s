# Checks the services of a BIOS from outside, as a boot program sees them.
#
# Boots from a 1.44M diskette (writable: the last track is written) and, where there is a fixed
# disk, reads it and writes its last block. One line a check goes to the screen and to the
# debug console, port E9h; the last line is "DONE bios N passed, M failed". Every call is made
# with all registers filled with patterns and on a stack of its own, and all that a service
# may not change is compared afterwards.

.intel_syntax noprefix
.code16
.text

.include "boot.inc"             # the boot sector
.include "call.inc"             # calling a service, comparing what it changed
.include "report.inc"           # the lines
.include "system.inc"           # INT 11h, 12h, 15h
.include "clock.inc"            # INT 1Ah, the tick, waiting
.include "keyboard.inc"         # INT 16h
.include "video.inc"            # INT 10h
.include "floppy.inc"           # INT 13h, diskettes
.include "fixed.inc"            # INT 13h, fixed disks

main:
    call check_system
    call check_memory_map
    call check_move
    call check_clock
    call check_keyboard
    call check_video
    call check_floppy
    call check_floppy_errors
    call check_fixed
    jmp finish

marker: .ascii "the end of the image"
