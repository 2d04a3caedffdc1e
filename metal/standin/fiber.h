// Threads of a threadgroup, one stack each, which change over by calls.
#pragma once

// standin_switch keeps where it is in *from and goes on at to.
extern "C" void standin_switch(void **from, void *to);

#if defined(__x86_64__)
asm(R"(
.globl standin_switch
standin_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
)");
// fiber gives where a stack that begins with entry is switched to.
static inline void *fiber(char *top, void (*entry)()) {
	void **p = (void **)top;
	*--p = 0; // where entry would return to: stacks are 16-aligned at calls
	*--p = (void *)entry;
	for (int i = 0; i < 6; i++) *--p = 0;
	return p;
}
#elif defined(__aarch64__)
#ifdef __APPLE__
#define SWITCH "_standin_switch"
#else
#define SWITCH "standin_switch"
#endif
asm(".globl " SWITCH "\n.p2align 2\n" SWITCH ":\n" R"(
	sub sp, sp, #160
	stp x19, x20, [sp]
	stp x21, x22, [sp, #16]
	stp x23, x24, [sp, #32]
	stp x25, x26, [sp, #48]
	stp x27, x28, [sp, #64]
	stp x29, x30, [sp, #80]
	stp d8, d9, [sp, #96]
	stp d10, d11, [sp, #112]
	stp d12, d13, [sp, #128]
	stp d14, d15, [sp, #144]
	mov x9, sp
	str x9, [x0]
	mov sp, x1
	ldp x19, x20, [sp]
	ldp x21, x22, [sp, #16]
	ldp x23, x24, [sp, #32]
	ldp x25, x26, [sp, #48]
	ldp x27, x28, [sp, #64]
	ldp x29, x30, [sp, #80]
	ldp d8, d9, [sp, #96]
	ldp d10, d11, [sp, #112]
	ldp d12, d13, [sp, #128]
	ldp d14, d15, [sp, #144]
	add sp, sp, #160
	ret
)");
static inline void *fiber(char *top, void (*entry)()) {
	void **p = (void **)(top - 160);
	for (int i = 0; i < 20; i++) p[i] = 0;
	p[11] = (void *)entry;
	return p;
}
#endif
