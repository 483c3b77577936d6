# Which fault comes first, and what a faulting instruction leaves behind: nothing (SDM 3A 6.5,
# 6.9 table 6-2, 2B REP).

    .intel_syntax noprefix
    .include "macros.inc"
    rom     "faults"
    .include "boot.inc"
    .include "lib.inc"
    .include "window.inc"

    .equ ABSENT, WINDOW + 0x1000    # the second page of the window, absent unless said otherwise
    .equ EDGE, WINDOW + 0xFFE       # two bytes before it

main:
    call    map_two_level
    page
    call    keep_tables
    call    order
    call    arithmetic
    call    exchanges
    call    stack
    call    twice
    call    transfers
    call    strings
    and     dword ptr [base_cr0], ~CR0_PG
    call    restore_machine
    jmp     finish

order:
    desc    T0, WINDOW, 0xFFF, A_RW, F_32
    try     "limit before page: beyond the limit on an absent page: #GP", "#GP(0000)", "3A 4.1, 5.3"
      mov   ax, T0
      mov   es, ax
    at
      mov   eax, es:[0x1000]
    endtry
    desc    T0, WINDOW, 0xFFF, A_RW, F_32
    try     "limit before page: a dword that begins inside: #GP", "#GP(0000)", "3A 5.3"
      mov   ax, T0
      mov   es, ax
    at
      mov   eax, es:[0xFFE]
    endtry
    desc    T0, WINDOW, 0x1FFF, A_RO, F_32
    try     "type before page: a write to read-only data on an absent page: #GP", "#GP(0000)", "3A 5.5"
      mov   ax, T0
      mov   es, ax
    at
      mov   es:[0x1000], eax
    endtry
    try3    "privilege before page: LGDT of an absent operand in ring 3: #GP", "#GP(0000)", "3A 6.9"
      lgdt  [ABSENT]
    endtry
    try3    "privilege before page: INVLPG in ring 3: #GP", "#GP(0000)", "3A 6.9"
      invlpg [ABSENT]
    endtry
    try     "INVLPG of an absent page in ring 0: nothing", "ok", "2A INVLPG"
      invlpg [ABSENT]
    endtry
    try     "LOCK before page: LOCK CMP of an absent operand: #UD", "#UD", "3A 6.9 table 6-2"
      .byte 0xF0, 0x39, 0x05
      .long ABSENT
    endtry
    try     "page before division: DIV by an absent operand: #PF", "#PF(0000)", "3A 6.9"
      xor   edx, edx
    at
      div   dword ptr [ABSENT]
    endtry
    try     "page before bounds: BOUND of an absent operand: #PF", "#PF(0000)", "3A 6.9"
      bound eax, [ABSENT]
    endtry
    try     "page before selector: LES of an absent operand: #PF, nothing loaded", "#PF(0000) eax=11111111 es=0010", "3A 6.9"
      mov   eax, 0x11111111
    at
      les   eax, [ABSENT]
    after
      show32 "eax", [saw_eax]
      show16 "es", [saw_es]
    endtry
    desc    T0, WINDOW, 0x1FFF, A_XR, F_32
    mov     byte ptr [WINDOW + 0xFFF], 0x90
    try     "an absent page after the last instruction: #PF on the fetch behind it", "#PF(0000)+far eip=00001000 cr2=00801000", "3A 4.7"
      ljmp  T0, 0xFFF
    after
      show32 "eip", [saw_eip]
      show32 "cr2", [saw_cr2]
    endtry
    desc    T0, WINDOW, 0x0FFF, A_XR, F_32
    try     "limit before page on a fetch: #GP", "#GP(0000)+far eip=00001000", "3A 6.9 table 6-2"
      ljmp  T0, 0xFFF
    after
      show32 "eip", [saw_eip]
    endtry
    ret

# An instruction on the absent page that would change flags or a register: neither changes.
.macro keeps name, want, code:vararg
    try     "\name", "\want flags=03 eax=12345678", "3A 6.5"
      mov   eax, 0x12345678
      stc
      push  0x03
      popfd
    at
      \code
    after
      mov   eax, [saw_efl]
      and   eax, 0x8D5
      or    eax, 2
      show_part "flags", 2
      show32 "eax", [saw_eax]
    endtry
.endm

arithmetic:
    mov     word ptr [EDGE], 0
    keeps   "ADD to an absent operand", "#PF(0002)", add [ABSENT], eax
    keeps   "ADD of an absent operand", "#PF(0000)", add eax, [ABSENT]
    keeps   "INC of an absent operand", "#PF(0002)", inc dword ptr [ABSENT]
    keeps   "NEG across into an absent page", "#PF(0002)", neg dword ptr [EDGE]
    keeps   "ADC across into an absent page", "#PF(0002)", adc [EDGE], eax
    keeps   "SHL of an absent operand", "#PF(0002)", shl dword ptr [ABSENT], 4
    keeps   "SHLD of an absent operand", "#PF(0002)", shld [ABSENT], eax, 4
    keeps   "BTS of an absent operand", "#PF(0002)", bts dword ptr [ABSENT], 1
    keeps   "BTS with a register offset into an absent page", "#PF(0002)", bts [ABSENT - 0x2468ACC], eax
    keeps   "IMUL of an absent operand", "#PF(0000)", imul eax, [ABSENT]
    keeps   "MUL of an absent operand", "#PF(0000)", mul dword ptr [ABSENT]
    keeps   "BSF of an absent operand", "#PF(0000)", bsf eax, [ABSENT]
    keeps   "SETC to an absent operand", "#PF(0002)", setc [ABSENT]
    keeps   "CMOVNC of an absent operand, condition false: #PF all the same", "#PF(0000)", cmovnc eax, [ABSENT]
    keeps   "SHL by 0 of an absent operand: #PF all the same", "#PF(0002)", shl dword ptr [ABSENT], 0
    ret

exchanges:
    keeps   "XADD", "#PF(0002)", xadd [ABSENT], eax
    keeps   "XADD across into an absent page", "#PF(0002)", xadd [EDGE], eax
    keeps   "XCHG across into an absent page", "#PF(0002)", xchg [EDGE], eax
    keeps   "CMPXCHG across into an absent page", "#PF(0002)", cmpxchg [EDGE], ecx
    keeps   "CMPXCHG8B across into an absent page", "#PF(0002)", cmpxchg8b [WINDOW + 0xFFC]
    try     "stores across that fault leave the bytes before the page", "ok bytes=0000", "3A 6.5"
      nop
    after
      show16 "bytes", [EDGE]
    endtry
    ret

    .include "faults-restart.inc"
