# When MMX and SSE may be used and how they fault: CR0.EM and TS, CR4.OSFXSR and OSXMMEXCPT,
# pending x87 exceptions, alignment, MXCSR's reserved bits, #XM (SDM 1 10 and 11, 3A 2.5, 13.1).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "simd"
    .include "boot.inc"
    .include "lib.inc"

    .equ CR0_EM, 4
    .equ CR0_TS, 8
    .equ CR0_NE, 0x20
    .equ CR4_OSFXSR, 0x200
    .equ CR4_OSXMMEXCPT, 0x400
    .equ IMAGE, V86_BASE            # 16-byte aligned, a kilobyte of it ours

main:
    mov     dword ptr [base_cr4], CR4_OSFXSR + CR4_OSXMMEXCPT
    call    restore_machine
    call    switches
    call    pending
    call    alignment
    call    mxcsr
    call    exceptions
    call    images
    mov     dword ptr [base_cr4], 0
    xor     eax, eax
    mov     cr4, eax
    jmp     finish

# Sets bits of CR0; loses EAX.
.macro cr0_set bits
      mov   eax, cr0
      or    eax, \bits
      mov   cr0, eax
.endm

# Leaves only these bits in CR4; loses EAX.
.macro cr4_only bits
      mov   eax, \bits
      mov   cr4, eax
.endm

.macro set_mxcsr value
      mov   dword ptr [scratch], \value
      ldmxcsr [scratch]
.endm

switches:
    .irp insn, "addps xmm0, xmm1", "movaps xmm0, xmm1", "paddb xmm0, xmm1", "cvtpi2ps xmm0, mm0", "ldmxcsr [scratch]", "stmxcsr [scratch]", "movd xmm0, eax", "movq2dq xmm0, mm0"
    try     "OSFXSR clear, \insn: #UD", "#UD", "3A 2.5, 13.1.3"
      cr4_only 0
    at
      \insn
    endtry
    try     "EM, \insn: #UD", "#UD", "3A 2.5, table 13-1"
      cr0_set CR0_EM
    at
      \insn
    endtry
    try     "TS, \insn: #NM", "#NM", "3A 2.5, table 13-1"
      cr0_set CR0_TS
    at
      \insn
    endtry
    .endr
    try     "EM and TS, addps: #UD", "#UD", "3A 2.5, table 13-1"
      cr0_set CR0_EM + CR0_TS
    at
      addps xmm0, xmm1
    endtry
    .irp insn, "paddb mm0, mm1", "pavgb mm0, mm1", "pmovmskb eax, mm0", emms
    try     "OSFXSR clear, \insn: runs", "ok", "3A 2.5"
      cr4_only 0
    at
      \insn
    endtry
    try     "EM, \insn: #UD", "#UD", "3A table 12-1"
      cr0_set CR0_EM
    at
      \insn
    endtry
    try     "TS, \insn: #NM", "#NM", "3A table 12-1"
      cr0_set CR0_TS
    at
      \insn
    endtry
    .endr
    .irp insn, sfence, lfence, mfence, pause, "prefetchnta [scratch]", "movnti [scratch], eax", "clflush [scratch]"
    try     "EM and TS, OSFXSR clear, \insn: runs", "ok", "3A 2.5"
      cr4_only 0
      cr0_set CR0_EM + CR0_TS
    at
      \insn
    endtry
    .endr
    .irp bit, EM, TS
    try     "\bit: FXSAVE is #NM", "#NM", "2A FXSAVE"
      cr0_set CR0_\bit
    at
      fxsave [IMAGE]
    endtry
    try     "\bit: FXRSTOR is #NM", "#NM", "2A FXRSTOR"
      cr0_set CR0_\bit
    at
      fxrstor [IMAGE]
    endtry
    .endr
    ret

# Zero divide is pending in the x87 unit, and reported as #MF.
.macro divided
      cr0_set CR0_NE
      fninit
      mov   word ptr [scratch], 0x037B
      fldcw [scratch]
      fld1
      fldz
      .byte 0xDE, 0xF9
.endm

pending:
    .irp insn, "paddb mm0, mm1", "movq mm0, [scratch]", emms, "cvtpi2ps xmm0, mm0", "cvtps2pi mm0, xmm0", "movdq2q mm0, xmm0"
    try     "an x87 exception is pending, \insn: #MF", "#MF", "3A 13.1.6, 1 9.6"
      divided
    at
      \insn
    after
      fninit
    endtry
    .endr
    .irp insn, "addps xmm0, xmm1", "cvtpi2pd xmm0, [scratch]", "fxsave [IMAGE]"
    try     "an x87 exception is pending, \insn: runs", "ok", "3A 13.1.6, 2A"
      divided
    at
      \insn
    after
      fninit
    endtry
    .endr
    ret

alignment:
    .irp insn, "movaps xmm0, [IMAGE + 8]", "movaps [IMAGE + 4], xmm0", "addps xmm0, [IMAGE + 1]", "movntps [IMAGE + 8], xmm0", "pand xmm0, [IMAGE + 8]", "fxsave [IMAGE + 8]", "fxrstor [IMAGE + 4]"
    try     "\insn: #GP(0)", "#GP(0000)", "3A 6.15, 2A"
      \insn
    endtry
    .endr
    .irp insn, "movups xmm0, [IMAGE + 1]", "movups [IMAGE + 3], xmm0", "addss xmm0, [IMAGE + 1]", "movq mm0, [IMAGE + 1]", "movlps xmm0, [IMAGE + 3]"
    try     "\insn: runs", "ok", "2A, 2B"
      \insn
    after
      emms
    endtry
    .endr
    ret

mxcsr:
    try     "LDMXCSR of a reserved bit: #GP(0), nothing loaded", "#GP(0000) mxcsr=1F80", "2A LDMXCSR"
      set_mxcsr 0x1F80
      mov   dword ptr [scratch], 0x10000
    at
      ldmxcsr [scratch]
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
    endtry
    try     "LDMXCSR of every bit that is there", "ok mxcsr=FFFF", "1 10.2.3, 11.6.6"
      set_mxcsr 0xFFFF
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
      set_mxcsr 0x1F80
    endtry
    try     "FXRSTOR of a reserved bit of MXCSR: #GP(0)", "#GP(0000)", "2A FXRSTOR"
      fxsave [IMAGE]
      or    byte ptr [IMAGE + 26], 1
    at
      fxrstor [IMAGE]
    endtry
    ret

# 1.0 in XMM0, 0 in XMM1, and an MXCSR.
.macro about_to_divide value
      set_mxcsr \value
      mov   dword ptr [scratch], 0x3F800000
      movss xmm0, [scratch]
      xorps xmm1, xmm1
.endm

exceptions:
    try     "zero divide masked: runs and sets its flag", "ok mxcsr=1F84", "1 11.5.2.3"
      about_to_divide 0x1F80
      divss xmm0, xmm1
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
    endtry
    try     "zero divide unmasked: #XM, the flag set", "#XM mxcsr=1D84", "1 11.5.2.3"
      about_to_divide 0x1D80
    at
      divss xmm0, xmm1
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
    endtry
    try     "zero divide unmasked, OSXMMEXCPT clear: #UD, the flag set", "#UD mxcsr=1D84", "3A 2.5"
      cr4_only CR4_OSFXSR
      about_to_divide 0x1D80
    at
      divss xmm0, xmm1
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
    endtry
    try     "the destination of a faulting DIVSS stays", "#XM low=3F800000", "1 11.5.2.3"
      about_to_divide 0x1D80
    at
      divss xmm0, xmm1
    after
      movd  eax, xmm0
      mov   [scratch], eax
      show32 "low", [scratch]
    endtry
    try     "a flag that was set before raises nothing", "ok", "1 10.2.3.2"
      about_to_divide 0x1D84
      addss xmm0, xmm0
    endtry
    try     "a misaligned operand comes before #XM", "#GP(0000) mxcsr=1D80", "3A 6.9"
      about_to_divide 0x1D80
    at
      divps xmm0, [IMAGE + 4]
    after
      stmxcsr [scratch]
      show16 "mxcsr", [scratch]
      set_mxcsr 0x1F80
    endtry
    ret

images:
    try     "PADDB leaves TOP 0 and eight full registers", "ok top=0 tags=FF", "1 9.6.2"
      fninit
      fld1
      paddb mm0, mm1
      fxsave [IMAGE]
      mov   ax, [IMAGE + 2]
      shr   ax, 11
      mov   [scratch], eax
    after
      show_bits "top", [scratch], 0, 7
      show8 "tags", [IMAGE + 4]
    endtry
    try     "EMMS empties them", "ok tags=00", "1 9.6.3"
      emms
      fxsave [IMAGE]
    after
      show8 "tags", [IMAGE + 4]
    endtry
    try     "FXSAVE stores XMM7 at 272, FXRSTOR loads it", "ok low=12345678", "2A FXSAVE"
      mov   eax, 0x12345678
      movd  xmm7, eax
      fxsave [IMAGE]
      pxor  xmm7, xmm7
      fxrstor [IMAGE]
      movd  [scratch], xmm7
    after
      show32 "low", [scratch]
    endtry
    ret
