// Executes kernels that were compiled as C++: threads of a threadgroup as fibers
// with real barriers, simdgroups of 32. Kernels are compiled with the hooks of
// clang's thread sanitizer, whose place this file takes: every access of memory
// comes through access(), which knows the launch's buffers and what other
// threads did since the last barrier.
#include "fiber.h"
#include "metal_stdlib"
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef device
#undef constant
#undef threadgroup
#undef thread
#undef kernel
using metal::ulong;

enum { MOST = 1024, WIDTH = 32, STACK = 64 << 10, GUARD = 64 };
enum State { READY, AT_BARRIER, AT_SIMD, DONE };
enum Kind { SUM, PEAK, LARGEST, BEFORE, SHUFFLE, BARRIER };

struct Thread {
	void *at; // where it goes on
	State state;
	StandinPlace place;
	uint32_t matrices; // operations of matrices so far, as a hash
	char *stack;
};

struct Simd {
	int waiting;          // lanes at the operation
	Kind kind;            // of it
	uint32_t step;        // simdgroup barriers so far
	uint32_t parity;
	uint32_t in[WIDTH], arguments[WIDTH], out[2][WIDTH];
};

struct Range {
	uintptr_t from, to;
	bool writable;
	int index;
};

// Cell is the history of 4 bytes of threadgroup memory: the last write, and
// the last reads since.
struct Cell {
	uint32_t writeEpoch, writeStep, readEpoch, readStep;
	int16_t writer, reader;
	int16_t readSimd;
	bool guard; // it lies behind an array
};

extern char __start_standin_shared[] __attribute__((weak, visibility("hidden"))), __stop_standin_shared[] __attribute__((weak, visibility("hidden")));

static StandinKernel *kernels;
static Thread threads[MOST];
static Simd simds[MOST / WIDTH];
static Range ranges[40];
static int rangeCount, threadCount, atBarrier, done;
static Thread *now;
static void *scheduler;
static StandinKernel *running;
static void **buffers;
static uint32_t epoch;
static uintptr_t sharedSize; // bytes of threadgroup memory of all kernels
static Cell *cells;
static char *stacks;
static char message[400];
static bool failed;

extern "C" void standin_register(StandinKernel *k) {
	k->next = kernels;
	kernels = k;
}

// fail ends the launch from within a thread, or from the scheduler.
static void fail(const char *format, ...) {
	if (!failed) {
		failed = true;
		int n = snprintf(message, sizeof message, "%s", running->name);
		if (now) {
			metal::uint3 g = now->place.group;
			n += snprintf(message + n, sizeof message - n, ", threadgroup [%u %u %u], thread %u", g.x, g.y, g.z, now->place.tid);
		}
		n += snprintf(message + n, sizeof message - n, ": ");
		va_list l;
		va_start(l, format);
		vsnprintf(message + n, sizeof message - n, format, l);
		va_end(l);
	}
	if (now) {
		now->state = DONE;
		standin_switch(&now->at, scheduler);
	}
}

// SEVERAL and MANY stand for readers of one simdgroup, and of any.
enum { NOBODY = -1, SEVERAL = -2, MANY = -3 };

static void race(bool write, int other, const char *did) {
	char who[40];
	if (other < 0) snprintf(who, sizeof who, "several threads");
	else snprintf(who, sizeof who, "thread %d", other);
	fail("%s threadgroup memory that %s %s, with no barrier between", write ? "writes" : "reads", who, did);
}

// shared sees to it that no two threads touch threadgroup memory, one of them
// writing, without a barrier of theirs between.
static void shared(uintptr_t byte, int size, bool write) {
	int tid = now->place.tid, simd = now->place.simd;
	uint32_t step = simds[simd].step;
	for (uintptr_t c = byte / 4; c <= (byte + size - 1) / 4; c++) {
		Cell &m = cells[c];
		if (m.guard) fail("%s behind the end of threadgroup memory", write ? "writes" : "reads");
		if (m.writeEpoch == epoch && m.writer != tid && !(m.writer / WIDTH == simd && m.writeStep != step)) race(write, m.writer, "wrote");
		bool fresh = m.readEpoch == epoch && m.reader != NOBODY, here = m.readSimd == simd && m.reader != MANY;
		if (write) {
			if (fresh && m.reader != tid && !(here && m.readStep != step)) race(true, m.reader, "read");
			m.writeEpoch = epoch, m.writeStep = step, m.writer = tid, m.reader = NOBODY;
		} else if (!fresh || (here && m.readStep != step)) {
			m.readEpoch = epoch, m.readStep = step, m.reader = tid, m.readSimd = simd;
		} else if (m.reader != tid) {
			m.reader = here ? SEVERAL : MANY;
		}
	}
}

static void access(const void *p, unsigned long size, bool write) {
	uintptr_t at = (uintptr_t)p, byte = at - (uintptr_t)__start_standin_shared;
	if (byte < sharedSize) {
		shared(byte, size, write);
		return;
	}
	for (int i = 0; i < rangeCount; i++) {
		Range r = ranges[i];
		if (at < r.from || at + size > r.to || (write && !r.writable)) continue;
		if (i > 0) { // the one used most comes first
			ranges[i] = ranges[i - 1];
			ranges[i - 1] = r;
		}
		return;
	}
	if (p >= stacks && p < stacks + (unsigned long)MOST * STACK) return;
	Range *near = 0;
	unsigned long away = 0;
	for (int i = 0; i < rangeCount; i++) {
		unsigned long d = at < ranges[i].from ? ranges[i].from - at : at >= ranges[i].to ? at - ranges[i].to : 0;
		if (!near || d < away) near = &ranges[i], away = d;
	}
	if (!near) fail("%s %lu bytes at %p, where no buffer is", write ? "writes" : "reads", size, p);
	fail("%s %lu bytes at %ld of buffer(%d), which has %lu%s", write ? "writes" : "reads", size, (long)(at - near->from), near->index,
		(unsigned long)(near->to - near->from), near->writable ? "" : " and is const");
}

extern "C" float standin_trap() {
	fail("meets a type of weights that it does not know");
	return 0;
}

static void go() { standin_switch(&now->at, scheduler); }

// meet brings a simdgroup's lanes together; the last runs the operation.
static uint32_t meet(Kind kind, uint32_t v, uint32_t argument) {
	Simd &s = simds[now->place.simd];
	int lane = now->place.lane;
	s.in[lane] = v;
	uint32_t parity = s.parity % 2;
	if (s.waiting && s.kind != kind) fail("its simdgroup is at another operation");
	s.kind = kind;
	s.arguments[lane] = argument;
	if (++s.waiting < WIDTH) {
		now->state = AT_SIMD;
		go();
		return s.out[parity][lane];
	}
	uint32_t *out = s.out[parity];
	float a[WIDTH];
	switch (kind) {
	case SUM:
	case PEAK:
		memcpy(a, s.in, sizeof a);
		for (int m = WIDTH / 2; m > 0; m /= 2)
			for (int i = 0; i < m; i++) a[i] = kind == SUM ? a[i] + a[i + m] : a[i] > a[i + m] ? a[i] : a[i + m];
		for (int i = 0; i < WIDTH; i++) memcpy(&out[i], a, 4);
		break;
	case LARGEST:
		out[0] = 0;
		for (int i = 0; i < WIDTH; i++) out[0] = s.in[i] > out[0] ? s.in[i] : out[0];
		for (int i = 1; i < WIDTH; i++) out[i] = out[0];
		break;
	case BEFORE:
		out[0] = 0;
		for (int i = 1; i < WIDTH; i++) out[i] = out[i - 1] + s.in[i - 1];
		break;
	case SHUFFLE:
		for (int i = 0; i < WIDTH; i++) out[i] = s.in[s.arguments[i] % WIDTH];
		break;
	case BARRIER:
		s.step++;
	}
	for (int i = 0; i < WIDTH; i++) threads[now->place.simd * WIDTH + i].state = READY;
	s.waiting = 0;
	s.parity++;
	return out[lane];
}

extern "C" {

void standin_barrier(int) {
	now->state = AT_BARRIER;
	if (++atBarrier == threadCount) {
		for (int i = 0; i < threadCount; i++) {
			threads[i].state = READY;
			if (threads[i].matrices != threads[i / WIDTH * WIDTH].matrices) fail("lanes of its simdgroup went through other operations of matrices");
		}
		atBarrier = 0;
		epoch++;
		return;
	}
	go();
}

void standin_simd_barrier(int) { meet(BARRIER, 0, 0); }
float standin_sum(float v) { return metal::as_type<float>(meet(SUM, metal::as_type<uint32_t>(v), 0)); }
float standin_max(float v) { return metal::as_type<float>(meet(PEAK, metal::as_type<uint32_t>(v), 0)); }
uint32_t standin_largest(uint32_t v) { return meet(LARGEST, v, 0); }
uint32_t standin_before(uint32_t v) { return meet(BEFORE, v, 0); }
uint32_t standin_shuffle(uint32_t v, uint32_t from, int kind) {
	return meet(SHUFFLE, v, kind ? now->place.lane ^ from : from);
}

// Operations of matrices: the first lane does them, the others count them.
static bool first(uint32_t kind) {
	now->matrices = now->matrices * 31 + kind;
	return now->place.lane == 0;
}

void standin_load(float *m, const float *p, ulong stride, ulong column, ulong row, bool transpose) {
	if (!first(transpose ? 1 : 2)) return;
	p += row * stride + column;
	for (int i = 0; i < 8; i++, p += stride) {
		access(p, 32, false);
		for (int j = 0; j < 8; j++) m[transpose ? j * 8 + i : i * 8 + j] = p[j];
	}
}

void standin_store(const float *m, float *p, ulong stride, ulong column, ulong row, bool transpose) {
	if (!first(transpose ? 3 : 4)) return;
	p += row * stride + column;
	for (int i = 0; i < 8; i++, p += stride) {
		access(p, 32, true);
		for (int j = 0; j < 8; j++) p[j] = m[transpose ? j * 8 + i : i * 8 + j];
	}
}

void standin_multiply(float *d, const float *a, const float *b, const float *c) {
	if (!first(5)) return;
	typedef float Row __attribute__((ext_vector_type(8), aligned(4)));
	Row out[8];
	for (int i = 0; i < 8; i++) {
		Row s = 0;
		if (c) s = ((const Row *)c)[i];
		for (int k = 0; k < 8; k++) s += a[i * 8 + k] * ((const Row *)b)[k];
		out[i] = s;
	}
	memcpy(d, out, sizeof out);
}

void standin_fill(float *m, float v) {
	if (!first(6)) return;
	for (int i = 0; i < 64; i++) m[i] = v;
}

// The sanitizer's hooks.
#define HOOKS(n)                                                                          \
	void __tsan_read##n(void *p) {                                                        \
		if ((uintptr_t)p % (n > 8 ? 16 : n)) fail("reads %d bytes at an odd address", n); \
		access(p, n, false);                                                              \
	}                                                                                     \
	void __tsan_write##n(void *p) {                                                       \
		if ((uintptr_t)p % (n > 8 ? 16 : n)) fail("writes %d bytes at an odd address", n); \
		access(p, n, true);                                                               \
	}                                                                                     \
	void __tsan_unaligned_read##n(void *p) { access(p, n, false); }                       \
	void __tsan_unaligned_write##n(void *p) { access(p, n, true); }
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)
void __tsan_init() {}
void *__tsan_memcpy(void *to, const void *from, unsigned long n) {
	access(from, n, false);
	access(to, n, true);
	return memcpy(to, from, n);
}
void *__tsan_memset(void *to, int v, unsigned long n) {
	access(to, n, true);
	return memset(to, v, n);
}

// entry is run by every fiber: the kernel for its place, again and again.
static void entry() {
	for (;;) {
		running->call(buffers, now->place);
		now->state = DONE;
		done++;
		go();
	}
}

// standin_kernel describes a kernel's parameters, five values each: index, size,
// alignment, whether it is a pointer, whether it may be written; -1 where there
// is no such kernel.
int standin_kernel(const char *name, int32_t *out, int most) {
	for (StandinKernel *k = kernels; k; k = k->next) {
		if (strcmp(k->name, name)) continue;
		for (int i = 0; i < k->parameters && i < most; i++) {
			const StandinParameter &p = k->parameter[i];
			int32_t v[5] = {p.index, p.size, p.align, p.pointer, p.writable};
			memcpy(out + 5 * i, v, sizeof v);
		}
		return k->parameters;
	}
	return -1;
}

struct Launch {
	const char *name;
	uint32_t grid[3], block;
	void **buffers; // by index
	const uint64_t *bytes;
	int32_t count, errorSize;
	char *error;
};

// standin_run executes a launch and returns 0, or writes the mistake.
int standin_run(Launch *l) {
	running = kernels;
	while (running && strcmp(running->name, l->name)) running = running->next;
	sharedSize = __stop_standin_shared - __start_standin_shared;
	if (!stacks) {
		stacks = (char *)aligned_alloc(4096, (unsigned long)MOST * STACK);
		cells = (Cell *)calloc(sharedSize / 4 + 1, sizeof(Cell));
		for (uintptr_t i = 0; i < sharedSize / 4; i++) cells[i].guard = ((const uint32_t *)__start_standin_shared)[i] == STANDIN_GUARD;
	}
	buffers = l->buffers;
	rangeCount = 0;
	for (int i = 0; i < running->parameters; i++) {
		const StandinParameter &p = running->parameter[i];
		uintptr_t from = (uintptr_t)l->buffers[p.index];
		ranges[rangeCount++] = Range{from, from + l->bytes[p.index], p.writable, p.index};
	}
	threadCount = l->block;
	failed = false;
	now = 0;
	for (int i = 0; i < threadCount; i++) threads[i].at = fiber(stacks + (unsigned long)(i + 1) * STACK, entry);
	for (uint32_t z = 0; z < l->grid[2]; z++)
		for (uint32_t y = 0; y < l->grid[1]; y++)
			for (uint32_t x = 0; x < l->grid[0]; x++) {
				epoch++;
				atBarrier = done = 0;
				memset(simds, 0, threadCount / WIDTH * sizeof simds[0]);
				for (int i = 0; i < threadCount; i++) {
					threads[i].state = READY;
					threads[i].matrices = 0;
					threads[i].place = StandinPlace{{x, y, z}, (unsigned)i, (unsigned)i % WIDTH, (unsigned)i / WIDTH};
				}
				while (done < threadCount && !failed) {
					bool moved = false;
					for (int i = 0; i < threadCount && !failed; i++)
						while (threads[i].state == READY && !failed) {
							moved = true;
							now = &threads[i];
							standin_switch(&scheduler, now->at);
						}
					now = 0;
					if (!moved && done < threadCount && !failed)
						fail("%d threads wait at a barrier, %d at operations of simdgroups, %d are done", atBarrier, threadCount - atBarrier - done, done);
				}
				now = 0;
				if (failed) {
					snprintf(l->error, l->errorSize, "%s", message);
					return 1;
				}
			}
	return 0;
}
}
