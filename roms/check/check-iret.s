# IRET: same ring, outer rings, 16-bit, to VM86, nested tasks; each check with its error code
# (SDM 2A IRET, 3A 6.12, 7.4, 20.2.2).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "iret"
    .include "boot.inc"
    .include "lib.inc"

main:
    call    same_ring
    call    same_ring_faults
    call    outer_ring
    call    outer_ring_faults
    call    flags
    call    to_v86
    call    nested
    call    return_tables
    call    sixteen_bit_checks
    call    flag_tables
    call    nested_tables
    jmp     finish

# IRETD in ring 0 (or `mode`) to CS:landing.
.macro iret_to cs, name, want, mode=MODE_RING0, efl=2
    try_in  \mode, "\name", "\want", "2A IRET"
      push  \efl
      push  \cs
      push  offset landing
    at
      iretd
    endtry
.endm

same_ring:
    try     "IRETD, same ring: takes 12 bytes", "ok cs=0008 used=00", "2A IRET"
      push  2
      push  C0
      push  offset landing
      iretd
    after
      show16 "cs", [saw_cs]
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    try     "IRET with a 16-bit operand: takes 6 bytes, EIP zero-extended", "ok used=00", "2A IRET"
      push  word ptr 2
      push  word ptr C0
      mov   eax, offset landing
      push  ax
      .byte 0x66
      iretd
    after
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    try3    "IRETD in ring 3 to ring 3", "ok cs=001B ss=0023 used=00", "2A IRET"
      push  2
      push  C3
      push  offset landing
      iretd
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack3 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    ret

same_ring_faults:
    desc    0, 0, 0xFFFFF, A_XR, F_32 + F_PAGES     # entry 0 is never looked at
    iret_to 0, "IRETD to a null selector: #GP(0)", "#GP(0000)"
    iret_to 0x200, "IRETD beyond the GDT limit: #GP(selector)", "#GP(0200)"
    iret_to D0, "IRETD to data: #GP(selector)", "#GP(0010)"
    iret_to TSS_MAIN, "IRETD to a TSS: #GP(selector)", "#GP(0048)"
    iret_to C0, "IRETD from ring 3 to RPL 0: #GP(selector)", "#GP(0008)", MODE_RING3
    iret_to C3 & ~3, "IRETD to DPL 3 with RPL 0: #GP(selector)", "#GP(0018)"
    desc    T0, 0, 0xFFFFF, A_XR_CONF + DPL3, F_32 + F_PAGES
    iret_to T0, "IRETD to conforming DPL 3 with RPL 0: #GP(selector)", "#GP(0080)"
    desc    T0, 0, 0xFFFFF, A_XR + NOT_PRESENT, F_32 + F_PAGES
    iret_to T0, "IRETD to code not present: #NP(selector)", "#NP(0080)"
    desc    T0, 0, 0xFFF, A_XR, F_32
    iret_to T0, "IRETD beyond the limit: #GP(0)", "#GP(0000)"
    iret_to 0x0F, "IRETD to an empty LDT entry: #GP(selector with TI)", "#GP(000C)", MODE_RING3
    try     "IRETD that fails leaves ESP and EFLAGS", "#GP(0200) used=0C if=0", "2A IRET"
      push  0x202
      push  0x200
      push  offset landing
    at
      iretd
    after
      mov   eax, offset stack_probe + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
      show_bits "if", [saw_efl], 9
    endtry
    desc    T0, V86_BASE, 0xFFF, A_RW, F_32
    try     "IRETD with 8 bytes on the stack: #SS(0)", "#SS(0000) esp=00000FF8", "2A IRET"
      mov   ax, T0
      mov   ss, ax
      mov   esp, 0xFF8
    at
      iretd
    after
      show32 "esp", [saw_esp]
    endtry
    ret

# IRETD from ring 0 to CS:landing with SS:stack3 top.
.macro iret_out cs, ss, name, want, efl=2
    try     "\name", "\want", "2A IRET"
      push  \ss
      push  offset stack3 + 4096
      push  \efl
      push  \cs
      push  offset landing
    at
      iretd
    endtry
.endm

outer_ring:
    try     "IRETD to ring 3: SS:ESP and EFLAGS from the stack", "ok cs=001B ss=0023 used=00 iopl=3", "2A IRET"
      push  D3
      push  offset stack3 + 4096
      push  0x3002
      push  C3
      push  offset landing
      iretd
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      mov   eax, offset stack3 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
      show_bits "iopl", [saw_efl], 12, 3
    endtry
    try     "IRET with a 16-bit operand to ring 3: 10 bytes", "ok cs=001B ss=0023 sp=0100", "2A IRET"
      push  word ptr D3
      push  word ptr 0x100
      push  word ptr 2
      push  word ptr C3
      mov   eax, offset landing
      push  ax
      .byte 0x66
      iretd
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
      show16 "sp", [saw_esp]
    endtry
    try_in  MODE_RING1, "IRETD from ring 1 to ring 2", "ok cs=003A ss=0042", "2A IRET"
      push  D2
      push  offset stack2 + 4096
      push  2
      push  C2
      push  offset landing
      iretd
    after
      show16 "cs", [saw_cs]
      show16 "ss", [saw_ss]
    endtry
    desc    T0, 0, 0xFFFFF, A_XR_CONF, F_32 + F_PAGES
    try     "IRETD to ring 3 nulls data segments of inner rings only", "ok ds=0000 es=0023 fs=0000 gs=0080", "2A IRET"
      push  D3
      push  offset stack3 + 4096
      push  2
      push  C3
      push  offset landing
      mov   ax, D0
      mov   ds, ax
      mov   ax, D3
      mov   es, ax
      mov   ax, C0
      mov   fs, ax
      mov   ax, T0
      mov   gs, ax
      iretd
    after
      show16 "ds", [saw_ds]
      show16 "es", [saw_es]
      show16 "fs", [saw_fs]
      show16 "gs", [saw_gs]
    endtry
    desc    T0, V86_BASE, 0xFFFF, A_RW + DPL3, 0
    try     "IRETD to a 16-bit stack of ring 3", "ok sp=0100 ss=0083", "2A IRET"
      push  T0 + 3
      push  0x100
      push  2
      push  C3
      push  offset landing
      iretd
    after
      show16 "sp", [saw_esp]
      show16 "ss", [saw_ss]
    endtry
    ret

outer_ring_faults:
    iret_out C3, 0, "IRETD to ring 3, SS null: #GP(0)", "#GP(0000)"
    iret_out C3, 0x203, "IRETD to ring 3, SS beyond the GDT limit: #GP(SS)", "#GP(0200)"
    iret_out C3, D3 & ~3, "IRETD to ring 3, SS with RPL 0: #GP(SS)", "#GP(0020)"
    iret_out C3, D0 + 3, "IRETD to ring 3, SS with DPL 0: #GP(SS)", "#GP(0010)"
    iret_out C3, C3, "IRETD to ring 3, SS is code: #GP(SS)", "#GP(0018)"
    desc    T0, 0, 0xFFFFF, A_RO + DPL3, F_32
    iret_out C3, T0 + 3, "IRETD to ring 3, SS read-only: #GP(SS)", "#GP(0080)"
    desc    T0, 0, 0xFFFFF, A_RW + DPL3 + NOT_PRESENT, F_32
    iret_out C3, T0 + 3, "IRETD to ring 3, SS not present: #SS(SS)", "#SS(0080)"
    iret_out C0 + 3, D3, "IRETD to ring 3, CS with DPL 0: #GP(CS)", "#GP(0008)"
    desc    T0, 0, 0xFFFFF, A_XR + DPL3 + NOT_PRESENT, F_32 + F_PAGES
    iret_out T0 + 3, D3, "IRETD to ring 3, CS not present: #NP(CS)", "#NP(0080)"
    desc    T0, 0, 0xFFFFF, A_XR + DPL3 + NOT_PRESENT, F_32 + F_PAGES
    iret_out T0 + 3, 0, "IRETD to ring 3, CS not present and SS null: #NP first", "#NP(0080)"
    desc    T0, 0, 0xFFF, A_XR + DPL3, F_32
    iret_out T0 + 3, D3, "IRETD to ring 3 beyond the limit: #GP(0)", "#GP(0000)"
    desc    T0, 0, 0xFFF, A_XR + DPL3, F_32
    iret_out T0 + 3, D0 + 3, "IRETD to ring 3 beyond the limit, SS with DPL 0: SS is asked first", "#GP(0010)"
    desc    T1, V86_BASE, 0xFFF, A_RW, F_32
    try     "IRETD to ring 3 with 12 bytes on the stack: #SS(0)", "#SS(0000)", "2A IRET"
      mov   ax, T1
      mov   ss, ax
      mov   esp, 0xFF4
      mov   dword ptr ss:[0xFF4], offset landing
      mov   dword ptr ss:[0xFF8], C3
      mov   dword ptr ss:[0xFFC], 2
    at
      iretd
    endtry
    ret

# Which flags each ring may change (2A IRET, POPF; 3A 2.3).
flags:
    try     "ring 0: IRETD loads IF, IOPL, NT, RF, AC, ID", "ok efl=00247202", "2A IRET"
      push  0x247202
      push  C0
      push  offset landing
      iretd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000               # the #UD sets RF in its frame
      show_part "efl", 8
    endtry
    try3    "ring 3, IOPL 0: IRETD changes neither IF nor IOPL", "ok efl=00244002", "2A IRET"
      push  0x247202
      push  C3
      push  offset landing
      iretd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    body_flags 0x3002
    try3    "ring 3, IOPL 3: IRETD changes IF", "ok efl=00003202", "2A IRET"
      push  0x0202
      push  C3
      push  offset landing
      iretd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    try3    "ring 3: IRETD with VM set in the image: VM isn't loaded", "ok vm=0", "2A IRET"
      push  0x20002
      push  C3
      push  offset landing
      iretd
    after
      show_bits "vm", [saw_efl], 17
    endtry
    try     "16-bit IRET leaves the high half of EFLAGS", "ok efl=00240002", "2A IRET"
      push  0x240002
      popfd
      push  word ptr 2
      push  word ptr C0
      mov   eax, offset landing
      push  ax
      .byte 0x66
      iretd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    try     "reserved bits: 1 reads 1, 3, 5 and 15 read 0", "ok efl=00000002", "1 3.4.3"
      push  0x802A
      push  C0
      push  offset landing
      iretd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    ret

to_v86:
    mov     byte ptr [V86_BASE + 0x100], 0xF4       # HLT
    try     "IRETD with VM set in ring 0: to VM86, nine dwords", "#GP(0000)+far cs=2000 ip=0100 ss=3000 sp=0200 es=1111 ds=2222 fs=3333 gs=4444 iopl=3 vm=1", "3A 20.2.2"
      push  0x4444
      push  0x3333
      push  0x2222
      push  0x1111
      push  0x3000
      push  0x0200
      push  0x23002
      push  V86_SEG
      push  0x100
      iretd
    after
      show16 "cs", [saw_cs]
      show16 "ip", [saw_eip]
      show16 "ss", [saw_ss]
      show16 "sp", [saw_esp]
      show16 "es", [saw_v86_es]
      show16 "ds", [saw_v86_ds]
      show16 "fs", [saw_v86_fs]
      show16 "gs", [saw_v86_gs]
      show_bits "iopl", [saw_efl], 12, 3
      show_bits "vm", [saw_efl], 17
    endtry
    try     "IRETD to VM86 with EIP above FFFFh: #GP(0)", "#GP(0000) vm=0", "2A IRET"
      push  0
      push  0
      push  0
      push  0
      push  0x3000
      push  0x0200
      push  0x20002
      push  V86_SEG
      push  0x10000
    at
      iretd
    after
      show_bits "vm", [saw_efl], 17
    endtry
    desc    T0, V86_BASE, 0xFFF, A_RW, F_32
    try     "IRETD to VM86 with 32 bytes on the stack: #SS(0)", "#SS(0000) vm=0 esp=00000FE0", "2A IRET"
      mov   ax, T0
      mov   ss, ax
      mov   esp, 0xFE0
      mov   dword ptr ss:[0xFE0], 0x100
      mov   dword ptr ss:[0xFE4], V86_SEG
      mov   dword ptr ss:[0xFE8], 0x20002
    at
      iretd
    after
      show_bits "vm", [saw_efl], 17
      show32 "esp", [saw_esp]
    endtry
    ret

# NT set: IRET is a task switch to the back link of the current TSS.
nested:
    try     "NT set, back link null: #TS(0)", "#TS(0000)", "2A IRET, 3A 6.15"
      mov   word ptr [tss], 0
      push  0x4002
      popfd
    at
      iretd
    endtry
    try     "NT set, back link local: #TS(selector)", "#TS(0004)", "2A IRET"
      mov   word ptr [tss], 4
      push  0x4002
      popfd
    at
      iretd
    endtry
    try     "NT set, back link beyond the GDT limit: #TS(selector)", "#TS(0200)", "2A IRET"
      mov   word ptr [tss], 0x200
      push  0x4002
      popfd
    at
      iretd
    endtry
    try     "NT set, back link of data: #TS(selector)", "#TS(0010)", "2A IRET"
      mov   word ptr [tss], D0
      push  0x4002
      popfd
    at
      iretd
    endtry
    try     "NT set, back link of a TSS that isn't busy: #TS(selector)", "#TS(0058)", "2A IRET"
      mov   word ptr [tss], TSS_DF
      push  0x4002
      popfd
    at
      iretd
    endtry
    desc    T0, tss_a, 0x67, A_TSS32_BUSY + NOT_PRESENT, 0
    try     "NT set, back link of a TSS not present: #NP(selector)", "#NP(0080)", "2A IRET"
      mov   word ptr [tss], T0
      push  0x4002
      popfd
    at
      iretd
    endtry
    ret

    .include "iret-table.inc"
