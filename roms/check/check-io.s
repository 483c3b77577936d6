# I/O privilege: IOPL and the permission bitmap of the TSS, with its edges; CLI, STI and POPF
# (SDM 1 chapter 18 "Input/Output", 3A 5.9, 7.2.1).
#
# Only ports whose access has no effect are used: 80h and its neighbours (DMA page latches that
# nothing here depends on) and the unused 5F0h range. Values read are never shown.

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "io"
    .include "boot.inc"
    .include "lib.inc"

    .equ BITMAP, 0x68               # its offset in the long TSS

    .bss
    .balign 16
long_tss:       .skip BITMAP + 0x102
    .text

main:
    mov     esi, offset tss
    mov     edi, offset long_tss
    mov     ecx, 0x68
    rep     movsb
    mov     dword ptr [long_tss + 0x64], BITMAP << 16
    call    iopl
    call    bitmap
    call    bitmap_limits
    call    string_io
    call    interrupt_flag
    jmp     finish

# The long TSS becomes the current one, with a limit that ends `bytes` into the bitmap; byte 10h
# of the bitmap (ports 80h-87h) and byte 11h are `mask`.
.macro use_bitmap mask=0, bytes=0x101
    desc    T0, long_tss, (BITMAP+\bytes-1), A_TSS32, 0
    mov     word ptr [long_tss + BITMAP + 0x10], \mask
    mov     ax, T0
    ltr     ax
.endm

iopl:
    try     "ring 0, IOPL 0: allowed", "ok", "1 18.5.1"
      out   0x80, al
    endtry
    try3    "ring 3, IOPL 0, no bitmap: OUT #GP(0)", "#GP(0000)", "1 18.5.1"
      out   0x80, al
    endtry
    try3    "ring 3, IOPL 0, no bitmap: IN #GP(0)", "#GP(0000)", "1 18.5.1"
      in    al, 0x80
    endtry
    body_flags 0x2002
    try3    "ring 3, IOPL 2, no bitmap: #GP(0)", "#GP(0000)", "1 18.5.1"
      out   0x80, al
    endtry
    body_flags 0x3002
    try3    "ring 3, IOPL 3, no bitmap: allowed", "ok", "1 18.5.1"
      out   0x80, al
      in    eax, 0x80
    endtry
    body_flags 0x1002
    try_in  MODE_RING1, "ring 1, IOPL 1: allowed", "ok", "1 18.5.1"
      out   0x80, al
    endtry
    body_flags 0x1002
    try_in  MODE_RING2, "ring 2, IOPL 1: #GP(0)", "#GP(0000)", "1 18.5.1"
      out   0x80, al
    endtry
    ret

# An access in ring 3 with IOPL 0 under the bitmap set up before.
.macro port name, want, code:vararg
    try3    "\name", "\want", "1 18.5.2"
      mov   edx, 0x87
    at
      \code
    endtry
.endm

bitmap:
    use_bitmap 0
    port    "bit clear: OUT allowed", "ok", out 0x80, al
    use_bitmap 0
    port    "bits clear: dword IN allowed", "ok", in eax, 0x80
    use_bitmap 0x0001
    port    "bit of 80h set: byte at 80h #GP(0)", "#GP(0000)", out 0x80, al
    use_bitmap 0x0001
    port    "bit of 80h set: byte at 81h allowed", "ok", out 0x81, al
    use_bitmap 0x0002
    port    "bit of 81h set: word at 80h #GP(0)", "#GP(0000)", out 0x80, ax
    use_bitmap 0x0004
    port    "bit of 82h set: word at 80h allowed", "ok", out 0x80, ax
    use_bitmap 0x0008
    port    "bit of 83h set: dword at 80h #GP(0)", "#GP(0000)", in eax, 0x80
    use_bitmap 0x0010
    port    "bit of 84h set: dword at 80h allowed", "ok", in eax, 0x80
    use_bitmap 0x0100
    port    "bit of 88h set: byte at 87h allowed", "ok", in al, dx
    use_bitmap 0x0100
    port    "bit of 88h set: word at 87h #GP(0), across two bytes of the bitmap", "#GP(0000)", in ax, dx
    use_bitmap 0x0400
    port    "bit of 8Ah set: dword at 87h #GP(0)", "#GP(0000)", in eax, dx
    use_bitmap 0x0800
    port    "bit of 8Bh set: dword at 87h allowed", "ok", in eax, dx
    use_bitmap 0xFFFF
    body_flags 0x3002
    port    "all bits set but IOPL 3: allowed", "ok", in eax, dx
    use_bitmap 0xFFFF
    try     "all bits set in ring 0: allowed", "ok", "1 18.5.2"
      in    al, 0x80
    endtry
    use_bitmap 0
    try_in  MODE_RING1, "ring 1, IOPL 0, bit clear: allowed", "ok", "1 18.5.2"
      in    al, 0x80
    endtry
    use_bitmap 0xFFFF
    try_in  MODE_RING1, "ring 1, IOPL 0, bit set: #GP(0)", "#GP(0000)", "1 18.5.2"
      in    al, 0x80
    endtry
    ret

bitmap_limits:
    use_bitmap 0, 0x10
    port    "bitmap ends before the port's byte: #GP(0)", "#GP(0000)", in al, 0x80
    use_bitmap 0, 0x11
    port    "bitmap ends with the port's byte: two are read: #GP(0)", "#GP(0000)", in al, 0x80
    use_bitmap 0, 0x12
    port    "bitmap ends one byte after the port's byte: allowed", "ok", in al, 0x80
    use_bitmap 0, 0x12
    try3    "port far beyond the bitmap: #GP(0)", "#GP(0000)", "1 18.5.2"
      mov   edx, 0x5F0
    at
      in    al, dx
    endtry
    use_bitmap 0
    mov     word ptr [long_tss + 0x66], BITMAP + 0x101
    port    "bitmap base beyond the TSS limit: #GP(0)", "#GP(0000)", in al, 0x80
    use_bitmap 0
    mov     word ptr [long_tss + 0x66], 0xFFFF
    port    "bitmap base FFFFh: #GP(0)", "#GP(0000)", in al, 0x80
    use_bitmap 0
    mov     word ptr [long_tss + 0x66], BITMAP + 0x20
    mov     word ptr [long_tss + BITMAP + 0x30], 1
    port    "bitmap base moved: its own bit counts", "#GP(0000)", in al, 0x80
    mov     word ptr [long_tss + BITMAP + 0x30], 0
    mov     word ptr [long_tss + 0x66], BITMAP
    use_bitmap 0, 0x101
    mov     word ptr [tss_a + 2], 0x800
    mov     word ptr [tss_a + 4], T1
    desc    T1, stack0, 0xFFFF, A_RW, F_32
    desc    T0, tss_a, 0x6B, A_TSS16, 0
    mov     ax, T0
    ltr     ax
    port    "16-bit TSS: it has no bitmap: #GP(0)", "#GP(0000)", in al, 0x80
    ret

string_io:
    use_bitmap 0x0001
    try3    "OUTS, bit set: #GP(0), ESI kept", "#GP(0000) esi=00", "1 18.5.2"
      mov   edx, 0x80
      mov   esi, offset scratch
    at
      outsb
    after
      show_rel "esi", [saw_esi], scratch
    endtry
    use_bitmap 0
    try3    "REP OUTS, bits clear: allowed", "ok esi=03 ecx=00000000", "2B OUTS"
      mov   edx, 0x80
      mov   ecx, 3
      mov   esi, offset scratch
      rep   outsb
    after
      show_rel "esi", [saw_esi], scratch
      show32 "ecx", [saw_ecx]
    endtry
    use_bitmap 0x0001
    try3    "INS, bit set: #GP(0)", "#GP(0000)", "1 18.5.2"
      mov   edx, 0x80
      mov   edi, offset scratch
    at
      insb
    endtry
    use_bitmap 0x0001
    try3    "REP INS with ECX 0, bit clear elsewhere: nothing", "ok", "2A INS"
      mov   edx, 0x82
      xor   ecx, ecx
      rep   insb
    endtry
    desc    T1, scratch, 0x0F, A_RO + DPL3, F_32
    use_bitmap 0
    try3    "INS into a read-only segment: #GP(0), EDI kept", "#GP(0000) edi=00000000", "2A INS"
      mov   ax, T1 + 3
      mov   es, ax
      mov   edx, 0x80
      xor   edi, edi
    at
      insb
    after
      show32 "edi", [saw_edi]
    endtry
    ret

interrupt_flag:
    try3    "CLI, ring 3, IOPL 0: #GP(0)", "#GP(0000)", "2A CLI"
      cli
    endtry
    try3    "STI, ring 3, IOPL 0: #GP(0)", "#GP(0000)", "2B STI"
      sti
    endtry
    body_flags 0x3002
    try3    "STI, ring 3, IOPL 3: IF set", "ok if=1", "2B STI"
      sti
      nop
    after
      show_bits "if", [saw_efl], 9
    endtry
    body_flags 0x1202
    try_in  MODE_RING1, "CLI, ring 1, IOPL 1: IF clear", "ok if=0", "2A CLI"
      cli
    after
      show_bits "if", [saw_efl], 9
    endtry
    body_flags 0x1002
    try_in  MODE_RING2, "STI, ring 2, IOPL 1: #GP(0)", "#GP(0000)", "2B STI"
      sti
    endtry
    try3    "POPF, ring 3, IOPL 0: neither IF nor IOPL change, no fault", "ok if=0 iopl=0 nt=1", "2B POPF"
      push  0x7202
      popfd
    after
      show_bits "if", [saw_efl], 9
      show_bits "iopl", [saw_efl], 12, 3
      show_bits "nt", [saw_efl], 14
    endtry
    body_flags 0x3002
    try3    "POPF, ring 3, IOPL 3: IF changes, IOPL doesn't", "ok if=1 iopl=3", "2B POPF"
      push  0x0202
      popfd
    after
      show_bits "if", [saw_efl], 9
      show_bits "iopl", [saw_efl], 12, 3
    endtry
    body_flags 0x1002
    try_in  MODE_RING1, "POPF, ring 1, IOPL 1: IF changes, IOPL doesn't", "ok if=1 iopl=1", "2B POPF"
      push  0x3202
      popfd
    after
      show_bits "if", [saw_efl], 9
      show_bits "iopl", [saw_efl], 12, 3
    endtry
    try     "POPF, ring 0: IF and IOPL change; VM, VIF and VIP don't", "ok if=1 iopl=2 vm=0 vif=0 vip=0", "2B POPF"
      push  0x1A2202
      popfd
    after
      show_bits "if", [saw_efl], 9
      show_bits "iopl", [saw_efl], 12, 3
      show_bits "vm", [saw_efl], 17
      show_bits "vif", [saw_efl], 19
      show_bits "vip", [saw_efl], 20
    endtry
    body_flags 0x0202
    try3    "PUSHF, ring 3: shows IF and IOPL, never VM or RF", "ok pushed=00000202", "2B PUSHF"
      pushfd
      pop   eax
    after
      show32 "pushed", [saw_eax]
    endtry
    ret
