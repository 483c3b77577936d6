# The tour: a teaching kernel that walks an x86 processor through its rings, checks every
# step, and switches the machine off.
#
# The acts are played in the order of the `.include` lines below, which is also the order to
# read them in. Each act is one file and holds both sides of its story: what ring 3 does and
# what ring 0 answers. The pieces are sorted into sections, and within a section the acts
# follow one another, so that `.kernel` is one straight program until it drops to ring 3, and
# `.user` is one straight program from there on:
#
#     .boot     the boot sector, at 0000:7C00 because the BIOS puts it there
#     .tables   GDT, IDT and the two task-state segments        supervisor, writable
#     .real     16-bit code of acts 1 and 2                     supervisor, writable
#     .kernel   32-bit code of ring 0                           supervisor, writable
#     .expected faults that the tour provokes on purpose        supervisor, writable
#     .open     the voice, and the 8086 program of act 9        readable by ring 3
#     .words    every sentence                                  readable by ring 3
#     .user     32-bit code of ring 3                           readable by ring 3
#
# "SDM" is the Intel 64 and IA-32 Architectures Software Developer's Manual; README.md says
# which edition the section numbers are from.

    .intel_syntax noprefix

    .include "layout.inc"           # where things lie in memory; names of bits and selectors
    .include "words.inc"            # the macros that speak, check and provoke

    .include "boot.inc"             # the boot sector
    .include "tables.inc"           # GDT, IDT, TSS
    .include "voice.inc"            # port E9h and the text screen
    .include "faults.inc"           # where every exception arrives
    .include "surprise.inc"         # what happens when a check fails

    .include "act1_real.inc"        # real mode
    .include "act2_protected.inc"   # GDT, CR0.PE, a far jump
    .include "act3_paging.inc"      # CR3, CR0.PG, rights of a page
    .include "act4_ring3.inc"       # down to ring 3 by IRET
    .include "act5_doors.inc"       # up again: interrupt gate, call gate
    .include "act5_sysenter.inc"    #           SYSENTER and SYSEXIT
    .include "act5_task.inc"        #           task gate
    .include "act6_refused.inc"     # what ring 3 may not do
    .include "act7_leaks.inc"       # what ring 3 may do, though it tells or lies
    .include "act8_pagefault.inc"   # a page fault mapped and retried; two refused
    .include "act9_vm86.inc"        # virtual-8086 mode under a monitor
    .include "act10_poweroff.inc"   # the end
