# Address spaces: CR3 goes round four page directories, and after each switch 32 pages are read and
# written that every space maps to frames of its own.
.intel_syntax noprefix
.set COUNT, 500
.set EXPECTED, 0xEB72E000
.include "lib.inc"
.set SPACES, 4
.set PAGES, 32
.set SWITCHES, 512                  # a round
.set WINDOW, 0x40000000             # linear address of the pages
.set DIRECTORIES, ARENA             # a page each
.set TABLES, ARENA + 0x10000        # of the window, a page each
.set FRAMES, ARENA + 0x20000        # 32 a space

name: .asciz "spaces"

setup:
    xor     ebx, ebx                # space
1:  mov     esi, PAGE_DIRECTORY     # the low 16 MiB are the same in all
    mov     edi, ebx
    shl     edi, 12
    mov     eax, edi
    lea     edx, [edi + TABLES + PTE_PRESENT_WRITE_USER]
    add     edi, DIRECTORIES
    mov     ecx, 1024
    rep     movsd
    mov     [DIRECTORIES + eax + WINDOW / 0x400000 * 4], edx
    lea     edi, [eax + TABLES]
    shl     eax, 5                  # 32 frames
    add     eax, FRAMES + PTE_PRESENT_WRITE_USER
    mov     ecx, PAGES
2:  stosd
    add     eax, 0x1000
    dec     ecx
    jnz     2b
    inc     ebx
    cmp     ebx, SPACES
    jb      1b
    ret

round:
    mov     edi, FRAMES             # a number in each frame's first dword
    mov     ecx, SPACES * PAGES
1:  mov     [edi], ecx
    add     edi, 0x1000
    dec     ecx
    jnz     1b

    xor     eax, eax                # hash = hash * 31 + what the page held
    mov     ecx, SWITCHES
2:  mov     edx, ecx
    and     edx, SPACES - 1
    shl     edx, 12
    add     edx, DIRECTORIES
    mov     cr3, edx
    mov     esi, WINDOW
3:  imul    eax, eax, 31
    add     eax, [esi]
    add     [esi], ecx
    add     esi, 0x1000
    cmp     esi, WINDOW + PAGES * 0x1000
    jb      3b
    dec     ecx
    jnz     2b
    mov     edx, PAGE_DIRECTORY
    mov     cr3, edx
    ret
