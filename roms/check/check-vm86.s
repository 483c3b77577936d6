# Virtual-8086 mode and its extensions (SDM 3A chapter 20).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "vm86"
    .include "boot.inc"
    .include "lib.inc"

    .equ IOPL3, 0x3002
    .equ CR4_VME, 1
    .equ CR4_PVI, 2
    .equ VIF, 0x80000
    .equ VIP, 0x100000
    .equ REDIRECTION, 0x68          # in the long TSS: 32 bytes, then the I/O bitmap
    .equ IO_BITMAP, 0x88

    .bss
    .balign 16
long_tss:       .skip IO_BITMAP + 0x81
    .text

main:
    mov     esi, offset tss
    mov     edi, offset long_tss
    mov     ecx, 0x68
    rep     movsb
    mov     dword ptr [long_tss + 0x64], IO_BITMAP << 16
    mov     byte ptr [long_tss + IO_BITMAP + 0x80], 0xFF
    call    entry_and_exit
    call    iopl_sensitive
    call    privileged
    call    addressing
    call    interrupts
    call    ports
    call    exit_stacks
    call    exit_gates
    call    entry_images
    mov     dword ptr [base_cr4], CR4_VME
    call    restore_machine
    call    vme_flags
    call    vme_interrupts
    mov     dword ptr [base_cr4], CR4_PVI
    call    restore_machine
    call    protected_virtual_interrupts
    mov     dword ptr [base_cr4], 0
    jmp     finish

# The task with a redirection bitmap and an I/O bitmap becomes the current one.
.macro use_long_tss
    desc    T0, long_tss, IO_BITMAP + 0x80, A_TSS32, 0
    mov     ax, T0
    ltr     ax
.endm

# A VM86 body of plain bytes or instructions.
.macro v86 efl, name, want, ref, code:vararg
    body_flags \efl
    tryv    "\name", "\want", "\ref"
      \code
      nop
    endtry
.endm

entry_and_exit:
    body_flags IOPL3
    tryv    "INT n to ring 0: 36 bytes on the stack of the TSS, data segments null", "int 30+2 used=24 ss=0010 ds=0000 es=0000 fs=0000 gs=0000 vm=1", "3A 20.3.1.1"
      int   0x30
    after
      mov   eax, offset stack0 + 4096 - 8           # the stub pushes two dwords
      sub   eax, [saw_handler_esp]
      show_part "used", 2
      show16 "ss", [saw_handler_ss]
      show16 "ds", [saw_ds]
      show16 "es", [saw_es]
      show16 "fs", [saw_fs]
      show16 "gs", [saw_gs]
      show_bits "vm", [saw_efl], 17
    endtry
    body_flags IOPL3
    tryv    "the frame holds the VM86 segments", "int 30 cs=ok ss=3333 sp=0044 es=1111 ds=2222 fs=4444 gs=5555", "3A 20.3.1.1"
      mov   ax, 0x1111
      mov   es, ax
      mov   ax, 0x2222
      mov   ds, ax
      mov   ax, 0x4444
      mov   fs, ax
      mov   ax, 0x5555
      mov   gs, ax
      mov   ax, 0x3333
      mov   ss, ax
      mov   sp, 0x44
      int   0x30
    at
      nop
    after
      mov   esi, offset text_cs_ok
      call  append
      show16 "ss", [saw_ss]
      show16 "sp", [saw_esp]
      show16 "es", [saw_v86_es]
      show16 "ds", [saw_v86_ds]
      show16 "fs", [saw_v86_fs]
      show16 "gs", [saw_v86_gs]
    endtry
    idt_gate 0x31, C0, landing, A_INT32 + DPL3
    body_flags IOPL3
    tryv    "handler's EFLAGS: VM, IF, TF, NT, RF clear", "ok efl=00003002", "2A INT n"
      int   0x31
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    idt_gate 0x31, C0, landing, A_INT16 + DPL3
    body_flags IOPL3
    tryv    "16-bit gate from VM86: 18 bytes", "ok used=12", "2A INT n"
      int   0x31
    after
      mov   eax, offset stack0 + 4096
      sub   eax, [saw_esp]
      show_part "used", 2
    endtry
    idt_gate 0x31, C1, landing, A_INT32 + DPL3
    v86     IOPL3, "gate to ring 1 from VM86: #GP(selector)", "#GP(0028)", "2A INT n", int 0x31
    desc    T1, 0, 0xFFFFF, A_XR_CONF, F_32 + F_PAGES
    idt_gate 0x31, T1, landing, A_INT32 + DPL3
    v86     IOPL3, "gate to conforming code from VM86: #GP(selector)", "#GP(0088)", "2A INT n", int 0x31
    idt_gate 0x31, C3, landing, A_INT32 + DPL3
    v86     IOPL3, "gate to ring 3 code from VM86: #GP(selector)", "#GP(0018)", "2A INT n", int 0x31
    ret

text_cs_ok: .asciz " cs=ok"

iopl_sensitive:
    v86     2, "CLI, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", cli
    v86     2, "STI, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", sti
    v86     2, "PUSHF, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", pushfw
    v86     2, "POPF, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", popfw
    v86     2, "PUSHFD, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", pushfd
    v86     2, "POPFD, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", popfd
    v86     2, "INT n, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", int 0x30
    v86     2, "IRET, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", iretw
    v86     2, "IRETD, IOPL 0: #GP(0)", "#GP(0000)", "3A 20.2.7", iretd
    v86     0x2002, "CLI, IOPL 2: #GP(0)", "#GP(0000)", "3A 20.2.7", cli
    idt_gate 3, C0, stubs + 3*16, A_INT32 + DPL3
    v86     2, "INT3, IOPL 0, gate DPL 3: taken", "#BP+1", "3A 20.2.7", int3
    v86     2, "INT3, IOPL 0, gate DPL 0: #GP(vector)", "#GP(001A)", "2A INT n", int3
    body_flags IOPL3
    tryv    "STI and CLI, IOPL 3: IF changes", "ok pushed=3202 if=0", "3A 20.2.7"
      sti
      pushfw
      cli
    after
      movzx eax, word ptr [V86_BASE + 0xFFEE]
      show_part "pushed", 4
      show_bits "if", [saw_efl], 9
    endtry
    body_flags IOPL3
    tryv    "POPF, IOPL 3: IF and NT change, IOPL doesn't", "ok efl=00027202", "2B POPF"
      push  word ptr 0x4202
      popfw
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    body_flags IOPL3
    tryv    "POPFD, IOPL 3: VM and IOPL are kept, RF is cleared, AC loaded", "ok efl=00063002", "2B POPF"
      push  dword ptr 0x00040002
      popfd
    after
      mov   eax, [saw_efl]
      and   eax, ~0x10000
      show_part "efl", 8
    endtry
    body_flags IOPL3
    tryv    "IRET, IOPL 3: stays in VM86, IOPL kept", "ok cs=0000 iopl=3 vm=1 sp=FFF0", "2A IRET"
      push  word ptr 2
      push  word ptr 0
      push  offset landing
      iretw
    after
      show16 "cs", [saw_cs]
      show_bits "iopl", [saw_efl], 12, 3
      show_bits "vm", [saw_efl], 17
      show16 "sp", [saw_esp]
    endtry
    body_flags IOPL3
    tryv    "IRETD, IOPL 3, EIP above FFFFh: #GP(0)", "#GP(0000)", "2A IRET"
      push  dword ptr 2
      push  dword ptr 0
      push  dword ptr 0x10000
    at
      iretd
    endtry
    ret

privileged:
    v86     IOPL3, "HLT: #GP(0)", "#GP(0000)", "3A 20.2.7", hlt
    v86     IOPL3, "MOV from CR0: #GP(0)", "#GP(0000)", "3A 5.9", mov eax, cr0
    v86     IOPL3, "MOV to CR3: #GP(0)", "#GP(0000)", "3A 5.9", mov cr3, eax
    v86     IOPL3, "MOV from DR6: #GP(0)", "#GP(0000)", "3A 5.9", mov eax, dr6
    v86     IOPL3, "LGDT: #GP(0)", "#GP(0000)", "3A 5.9", lgdtw ds:[0]
    v86     IOPL3, "LIDT: #GP(0)", "#GP(0000)", "3A 5.9", lidtw ds:[0]
    v86     IOPL3, "LMSW: #GP(0)", "#GP(0000)", "3A 5.9", lmsw ax
    v86     IOPL3, "CLTS: #GP(0)", "#GP(0000)", "3A 5.9", clts
    v86     IOPL3, "INVD: #GP(0)", "#GP(0000)", "3A 5.9", invd
    v86     IOPL3, "WBINVD: #GP(0)", "#GP(0000)", "3A 5.9", wbinvd
    v86     IOPL3, "INVLPG: #GP(0)", "#GP(0000)", "3A 5.9", invlpg ds:[0]
    v86     IOPL3, "RDMSR: #GP(0)", "#GP(0000)", "3A 5.9", rdmsr
    v86     IOPL3, "WRMSR: #GP(0)", "#GP(0000)", "3A 5.9", wrmsr
    v86     IOPL3, "LLDT: #UD", "#UD", "2A LLDT", lldt ax
    v86     IOPL3, "LTR: #UD", "#UD", "2A LTR", ltr ax
    v86     IOPL3, "SLDT: #UD", "#UD", "2B SLDT", sldt ax
    v86     IOPL3, "STR: #UD", "#UD", "2B STR", str ax
    v86     IOPL3, "LAR: #UD", "#UD", "2A LAR", lar ax, cx
    v86     IOPL3, "LSL: #UD", "#UD", "2A LSL", lsl ax, cx
    v86     IOPL3, "VERR: #UD", "#UD", "2B VERR", verr ax
    v86     IOPL3, "VERW: #UD", "#UD", "2B VERR", verw ax
    v86     IOPL3, "ARPL: #UD", "#UD", "2A ARPL", arpl ax, cx
    v86     2, "SMSW: allowed", "ok", "2B SMSW", smsw ax
    v86     2, "SGDT: allowed", "ok", "2B SGDT", sgdtw ds:[0]
    v86     2, "SIDT: allowed", "ok", "2B SIDT", sidtw ds:[0]
    ret

addressing:
    mov     dword ptr [0x12340], 0xCAFEF00D
    body_flags 2
    tryv    "a segment load is a shift by four", "ok eax=CAFEF00D", "3A 20.1.2"
      mov   ax, 0x1234
      mov   ds, ax
      mov   eax, ds:[0]
    after
      show32 "eax", [saw_eax]
    endtry
    v86     2, "word at FFFFh: #GP(0)", "#GP(0000)", "3A 20.2", mov ax, ds:[0xFFFF]
    body_flags 2
    tryv    "word at SS:FFFFh: #SS(0)", "#SS(0000)", "3A 20.2"
      mov   bp, 0xFFFF
    at
      mov   ax, [bp]
    endtry
    body_flags 2
    tryv    "32-bit offset above FFFFh: #GP(0)", "#GP(0000)", "3A 20.2"
      mov   ebx, 0x10000
    at
      mov   al, [ebx]
    endtry
    body_flags 2
    tryv    "PUSH with SP 1: #SS(0)", "#SS(0000)", "2B PUSH"
      mov   sp, 1
    at
      push  ax
    endtry
    body_flags 2
    tryv    "far JMP: no descriptor is read", "ok cs=0000", "3A 20.1"
      .byte 0xEA
      .word landing, 0
    after
      show16 "cs", [saw_cs]
    endtry
    mov     dword ptr [V86_BASE], 0x12345678
    body_flags 2
    tryv    "code segment is writable", "ok", "3A 20.2"
      mov   cs:[0xFFF0], ax            # beyond the image
    endtry
    ret

interrupts:
    v86     IOPL3, "INT n, IOPL 3, gate DPL 0: #GP(vector)", "#GP(0102)", "3A 20.3.1", int 0x20
    v86     IOPL3, "INT n, IOPL 3, beyond the IDT: #GP(vector)", "#GP(0282)", "2A INT n", int 0x50
    v86     2, "UD2 in VM86: to the monitor", "#UD", "3A 20.3", .byte 0x0F,0x0B,0x90
    v86     2, "DIV by zero in VM86: to the monitor", "#DE", "3A 20.3", aam 0
    idt_gate 0x31, T1, 0, A_TASKGATE + DPL3
    desc    T1, tss_a, 0x67, A_TSS32, 0
    mov     dword ptr [tss_a + 0x20], offset landing
    mov     dword ptr [tss_a + 0x24], 2
    mov     dword ptr [tss_a + 0x38], offset stack1 + 4096
    mov     dword ptr [tss_a + 0x4C], C0
    mov     dword ptr [tss_a + 0x50], D0
    body_flags IOPL3
    tryv    "INT n through a task gate: VM and segments are saved in the TSS", "ok tr=0088 oldvm=1 oldds=2000 oldss=2000 vm=0 nt=1", "3A 20.3.2"
      int   0x31
    after
      show16 "tr", [saw_tr]
      show_bits "oldvm", [tss + 0x24 + LEFT], 17
      show16 "oldds", [tss + 0x54 + LEFT]
      show16 "oldss", [tss + 0x50 + LEFT]
      show_bits "vm", [saw_efl], 17
      show_bits "nt", [saw_efl], 14
    endtry
    idt_gate 0x31, T1, 0, A_TASKGATE + DPL3
    desc    T1, tss_a, 0x67, A_TSS32, 0
    mov     dword ptr [tss_a + 0x20], offset back_to_v86
    mov     dword ptr [tss_a + 0x24], 2
    mov     dword ptr [tss_a + 0x38], offset stack1 + 4096
    mov     dword ptr [tss_a + 0x4C], C0
    mov     dword ptr [tss_a + 0x50], D0
    body_flags IOPL3
    tryv    "... and IRET goes back into VM86", "ok vm=1 tr=0048 ds=2000", "3A 20.3.2"
      int   0x31
    after
      show_bits "vm", [saw_efl], 17
      show16 "tr", [saw_tr]
      show16 "ds", [saw_v86_ds]
    endtry
    body_flags IOPL3
    tryv    "TF in VM86: trap to the monitor, BS set", "#DB bs=1 vm=1 tf=1 handlertf=0", "3B 17.3.1.4"
      push  word ptr 0x102
      popfw
      nop
    at
      nop
    after
      show_bits "bs", [saw_dr6], 14
      show_bits "vm", [saw_efl], 17
      show_bits "tf", [saw_efl], 8
      show_bits "handlertf", [saw_handler_efl], 8
    endtry
    mov     eax, offset V86_BASE + 0x40
    mov     dr0, eax
    mov     eax, 0x00010002                         # G0, on write, one byte
    mov     dr7, eax
    body_flags 2
    tryv    "a breakpoint register in VM86: linear addresses", "#DB b=1 vm=1", "3B 17.2.1"
      mov   ds:[0x40], al
    at
      nop
    after
      show_bits "b", [saw_dr6], 0
      show_bits "vm", [saw_efl], 17
    endtry
    ret

back_to_v86:
    iretd

ports:
    v86     IOPL3, "IN, no I/O bitmap: #GP(0) whatever the IOPL", "#GP(0000)", "3A 20.2.8", in al, 0x80
    use_long_tss
    and     byte ptr [long_tss + IO_BITMAP + 0x10], 0xFE    # port 80h
    v86     2, "OUT, bitmap bit clear, IOPL 0: allowed", "ok", "3A 20.2.8", out 0x80, al
    use_long_tss
    mov     byte ptr [long_tss + IO_BITMAP + 0x10], 2       # port 81h
    v86     IOPL3, "OUT, bitmap bit set, IOPL 3: #GP(0)", "#GP(0000)", "3A 20.2.8", out 0x81, al
    use_long_tss
    v86     IOPL3, "word OUT across a set bit: #GP(0)", "#GP(0000)", "3A 20.2.8", out 0x80, ax
    ret

    .include "vm86-table.inc"
    .include "vm86-vme.inc"
