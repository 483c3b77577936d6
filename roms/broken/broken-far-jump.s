# PE is set, and 32-bit code follows without the far jump that loads CS.
.intel_syntax noprefix
.include "lib.inc"
    LOAD_IDT
    lgdt    [gdtr]
    mov     eax, cr0
    or      al, 1
    mov     cr0, eax
.code32
    mov     ax, DATA0
    mov     ds, ax
    mov     es, ax
    mov     ss, ax
    mov     esp, STACK0
    mov     dword ptr [0xB8000], 0x07410741
    call    print
1:  jmp     1b
print:
    mov     dword ptr [0xB8004], 0x07420742
    ret
