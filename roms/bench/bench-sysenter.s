# System calls by SYSENTER and SYSEXIT: 20,000 times a round from a ring-3 loop.
.intel_syntax noprefix
.set COUNT, 600
.set EXPECTED, 0xC7D3F8F0
.include "lib.inc"
.include "ring3.inc"
.set CALLS, 20000
.set IA32_SYSENTER_CS, 0x174
.set IA32_SYSENTER_ESP, 0x175
.set IA32_SYSENTER_EIP, 0x176

name: .asciz "sysenter"

.macro  write_msr number, value
    mov     ecx, \number
    mov     eax, \value
    xor     edx, edx
    wrmsr
.endm

door:
    write_msr IA32_SYSENTER_CS, CODE0
    write_msr IA32_SYSENTER_ESP, STACK_ENTRY
    write_msr IA32_SYSENTER_EIP, "offset system_call"
    ret

user:
    xor     ebx, ebx                # hash
    mov     esi, CALLS
1:  mov     eax, 1
    mov     ecx, esp                # SYSEXIT takes ESP from here
    mov     edx, offset 2f          # and EIP from here
    sysenter
2:  dec     esi
    jnz     1b
    end_user

# EBX = (EBX * 31 + ESI) xor EAX.
system_call:
    imul    ebx, ebx, 31
    add     ebx, esi
    xor     ebx, eax
    sysexit
