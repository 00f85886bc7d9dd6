/* The status page, as it is in its file. */
    .section .rodata
    .globl status_page
    .hidden status_page
    .type status_page, %object
status_page:
    .incbin "gateway/page.html"
    .byte 0
    .size status_page, . - status_page

    .section .note.GNU-stack, "", %progbits
