# Paging: two levels, large pages, PAE with NX, write protection, accessed and dirty bits, error
# codes, stale translations (SDM 3A chapter 4). No check depends on what a processor may, but
# need not, keep in its TLB.

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "paging"
    .include "boot.inc"
    .include "lib.inc"

    .equ CR0_WP, 0x10000
    .equ CR0_PG, 0x80000000
    .equ CR4_PSE, 0x10
    .equ CR4_PAE, 0x20
    .equ CR4_PGE, 0x80
    .equ MSR_EFER, 0xC0000080
    .equ EFER_NXE, 0x800
    .equ PRESENT, 1
    .equ WRITE, 2
    .equ USER, 4
    .equ ACCESSED, 0x20
    .equ DIRTY, 0x40
    .equ LARGE, 0x80
    .equ GLOBAL, 0x100
    .equ WINDOW, 0x800000           # linear address of the page under test; its table is `table`
    .equ FRAME, 0x400000            # physical page behind it, and the next one
    .equ FRAME2, 0x402000
    .equ LARGE_FRAME, 0x400000

    .bss
    .balign 4096
directory:      .skip 4096          # PAE: the first of four directories
directory_2:    .skip 4096          # two-level: table of the second 4 MiB; PAE: a table of PDPTEs
low_table:      .skip 4096          # the first 4 MiB (PAE: 2 MiB) to itself
table:          .skip 4096          # the window
pdpt:           .skip 32
    .text

main:
    mov     dword ptr [FRAME], 0x11111111
    mov     dword ptr [FRAME + 0xFFC], 0x11111111
    mov     dword ptr [FRAME + 0x1000], 0x22222222
    mov     dword ptr [FRAME2], 0x33333333
    mov     byte ptr [FRAME + 0x800], 0xC3          # RET
    call    map_two_level
    call    rights_user
    call    rights_supervisor
    call    accessed_dirty
    call    crossings
    call    stale
    call    large_pages
    call    global_pages
    call    descriptor_tables
    call    leave_paging
    call    pae
    jmp     finish

    .include "paging-legacy.inc"
    .include "paging-crossing.inc"
    .include "paging-pae.inc"
