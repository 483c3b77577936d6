# Interrupts are on, and the PICs are as the BIOS left them.
.intel_syntax noprefix
.include "lib.inc"
    PROTECTED
    GATE    8, double_fault
    LOAD_IDT
    OUTB    0x21, 0xFE
    sti
1:  hlt
    jmp     1b
double_fault:                       # a kernel's panic
    cli
    hlt
