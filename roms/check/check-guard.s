# Guards of the supervisor: SMEP, SMAP, UMIP (SDM 3A 2.5, 4.6, 4.7; 2A STAC, CLAC, SGDT).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "guard"
    .include "boot.inc"
    .include "lib.inc"

    .equ CR0_WP, 0x10000
    .equ CR0_PG, 0x80000000
    .equ CR4_UMIP, 0x800
    .equ CR4_SMEP, 0x100000
    .equ CR4_SMAP, 0x200000
    .equ AC, 0x40000
    .equ WINDOW, 0x800000           # one page: user or supervisor
    .equ FRAME, 0x200000

    .bss
    .balign 4096
directory:      .skip 4096
low_table:      .skip 4096
table:          .skip 4096
    .text

main:
    call    features
    mov     dword ptr [base_cr4], CR4_UMIP
    call    restore_machine
    call    umip
    mov     dword ptr [base_cr4], 0
    call    map_pages
    call    fetches
    call    data
    mov     dword ptr [base_cr4], 0
    and     dword ptr [base_cr0], ~CR0_PG
    call    restore_machine
    jmp     finish

features:
    try     "CPUID leaf 7: SMEP, SMAP, UMIP are there", "ok smep=1 smap=1 umip=1", "2A CPUID"
      mov   eax, 7
      xor   ecx, ecx
      cpuid
    after
      show_bits "smep", [saw_ebx], 7
      show_bits "smap", [saw_ebx], 20
      show_bits "umip", [saw_ecx], 2
    endtry
    try     "STAC and CLAC in ring 0", "ok set=1 clear=0", "2B STAC"
      .byte 0x0F, 0x01, 0xCB
      pushfd
      pop   ebx
      .byte 0x0F, 0x01, 0xCA
      pushfd
      pop   ecx
    after
      show_bits "set", [saw_ebx], 18
      show_bits "clear", [saw_ecx], 18
    endtry
    try3    "STAC in ring 3: #UD", "#UD", "2B STAC"
      .byte 0x0F, 0x01, 0xCB
      nop
    endtry
    try_in  MODE_RING1, "CLAC in ring 1: #UD", "#UD", "2A CLAC"
      .byte 0x0F, 0x01, 0xCA
      nop
    endtry
    tryv    "STAC in VM86: #UD", "#UD", "2B STAC"
      .byte 0x0F, 0x01, 0xCB
      nop
    endtry
    ret

.macro one mode, name, want, code:vararg
    try_in  \mode, "\name", "\want", "3A 2.5, 2B"
      \code
    endtry
.endm

umip:
    one     MODE_RING3, "UMIP: SGDT in ring 3: #GP(0)", "#GP(0000)", sgdt [scratch]
    one     MODE_RING3, "UMIP: SIDT in ring 3: #GP(0)", "#GP(0000)", sidt [scratch]
    one     MODE_RING3, "UMIP: SLDT in ring 3: #GP(0)", "#GP(0000)", sldt ax
    one     MODE_RING3, "UMIP: STR in ring 3: #GP(0)", "#GP(0000)", str ax
    one     MODE_RING3, "UMIP: SMSW in ring 3: #GP(0)", "#GP(0000)", smsw ax
    one     MODE_RING1, "UMIP: STR in ring 1: #GP(0)", "#GP(0000)", str ax
    one     MODE_RING0, "UMIP: STR in ring 0: allowed", "ok", str ax
    one     MODE_RING0, "UMIP: SGDT in ring 0: allowed", "ok", sgdt [scratch]
    one     MODE_V86, "UMIP: SMSW in VM86: #GP(0)", "#GP(0000)", smsw ax
    one     MODE_V86, "UMIP: SGDT in VM86: #GP(0)", "#GP(0000)", sgdtw ds:[0]
    one     MODE_V86, "UMIP: SLDT in VM86: still #UD", "#UD", sldt ax
    one     MODE_RING3, "UMIP: LAR in ring 3: allowed", "ok", lar eax, ecx
    ret

# The first 4 MiB to itself for ring 0 alone; directory entries allow ring 3.
map_pages:
    mov     edi, offset low_table
    mov     eax, 3
    mov     ecx, 1024
1:  stosd
    add     eax, 0x1000
    loop    1b
    mov     dword ptr [directory], offset low_table + 7
    mov     dword ptr [directory + (WINDOW >> 22) * 4], offset table + 7
    mov     byte ptr [FRAME + 0x800], 0xC3
    mov     dword ptr [base_cr3], offset directory
    or      dword ptr [base_cr0], CR0_PG
    mov     eax, [base_cr3]
    mov     cr3, eax
    mov     eax, [base_cr0]
    mov     cr0, eax
    ret

# An access in ring 0 to the window with this entry, under these bits of CR4.
.macro touch cr4, pte, name, want, code:vararg
    mov     dword ptr [table], FRAME + \pte
    mov     dword ptr [base_cr4], \cr4
    call    restore_machine
    try     "\name", "\want", "3A 4.6, 4.7"
      \code
    endtry
.endm

fetches:
    touch   0, 7, "user page, ring 0 fetch, SMEP clear", "ok", call WINDOW + 0x800
    touch   CR4_SMEP, 7, "user page, ring 0 fetch, SMEP: error 11h", "#PF(0011)+far", call WINDOW + 0x800
    touch   CR4_SMEP, 3, "supervisor page, ring 0 fetch, SMEP", "ok", call WINDOW + 0x800
    touch   CR4_SMEP, 6, "absent page, ring 0 fetch, SMEP: error 10h", "#PF(0010)+far", call WINDOW + 0x800
    touch   CR4_SMEP, 7, "user page, ring 0 read, SMEP", "ok", mov eax, [WINDOW]
    touch   CR4_SMAP, 7, "user page, ring 0 fetch, SMAP alone", "ok", call WINDOW + 0x800
    ret

data:
    touch   CR4_SMAP, 7, "user page, ring 0 read, SMAP: error 1", "#PF(0001)", mov eax, [WINDOW]
    touch   CR4_SMAP, 7, "user page, ring 0 write, SMAP: error 3", "#PF(0003)", mov [WINDOW], eax
    touch   CR4_SMAP, 3, "supervisor page, ring 0 read, SMAP", "ok", mov eax, [WINDOW]
    touch   0, 7, "user page, ring 0 read, SMAP clear", "ok", mov eax, [WINDOW]
    try     "user page, ring 0 read and write, SMAP with AC set", "ok", "3A 4.6"
      mov   eax, CR4_SMAP
      mov   cr4, eax
      .byte 0x0F, 0x01, 0xCB
      mov   eax, [WINDOW]
      mov   [WINDOW + 8], eax
      .byte 0x0F, 0x01, 0xCA
    endtry
    try     "... and after CLAC: error 1", "#PF(0001)", "3A 4.6"
      mov   eax, CR4_SMAP
      mov   cr4, eax
      .byte 0x0F, 0x01, 0xCB
      mov   eax, [WINDOW]
      .byte 0x0F, 0x01, 0xCA
    at
      mov   eax, [WINDOW]
    endtry
    mov     dword ptr [table], FRAME + 7
    desc    T0, WINDOW, 0x3F, A_LDT, 0
    desc    8, 0, 0xFFFFF, A_RW+1, F_32, ldt
    mov     eax, [ldt + 8]
    mov     [FRAME + 8], eax
    mov     eax, [ldt + 12]
    mov     [FRAME + 12], eax
    try     "a descriptor on a user page, SMAP: AC doesn't help an implicit access: error 1", "#PF(0001)", "3A 4.6"
      mov   ax, T0
      lldt  ax
      mov   eax, CR4_SMAP
      mov   cr4, eax
      .byte 0x0F, 0x01, 0xCB
      mov   ax, 0x0C
    at
      mov   fs, ax
    endtry
    ret
