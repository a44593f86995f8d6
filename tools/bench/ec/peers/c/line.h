/* The line protocol of the workers written in C.
 *
 * In:  OP K M SIZE STRIPES MS
 * Out: {"iters":N,"bytes":N,"ns":N,"ok":true}; iters 0 means: this worker has no such operation.
 *
 * A stripe is k data, m parity and k spare shards, back to back; the arena begins on 2 MiB. A ring
 * of many stripes is kept while the shape stays the same. A single stripe is placed anew each time,
 * for how its pages happen to fall into the caches is luck, which rounds must not share.
 */
#ifndef LINE_H
#define LINE_H

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHARDS_MAX = 256, ARENA_ALIGNMENT = 2 << 20 };
/* Between two looks at the clock lies this much data at least. */
enum { BYTES_BETWEEN_CLOCKS = 2 << 20 };

typedef struct {
    char op[16];
    int k, m, stripes;
    size_t size;
    double ms;
    size_t stripe_bytes;
    uint8_t *arena;
} Request;

typedef struct {
    uint64_t iters, ns;
} Timing;

static inline uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void place_arena(Request *request)
{
    static Request kept;
    size_t bytes = request->stripe_bytes * (size_t)request->stripes;

    if (request->stripes > 1 && kept.arena != NULL && kept.k == request->k &&
        kept.m == request->m && kept.size == request->size && kept.stripes == request->stripes) {
        request->arena = kept.arena;
        return;
    }
    if (posix_memalign((void **)&request->arena, ARENA_ALIGNMENT, bytes) != 0) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(1);
    }
    free(kept.arena); /* only now, or the new pages would be the old ones */
    uint64_t x = 88172645463325252u;
    for (size_t at = 0; at < bytes; at += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        memcpy(request->arena + at, &x, bytes - at < 8 ? bytes - at : 8);
    }
    kept = *request;
}

/* Reads the next request; 0 at the end of the input. */
static inline int next_request(Request *request)
{
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "%15s %d %d %zu %d %lf", request->op, &request->k, &request->m,
                   &request->size, &request->stripes, &request->ms) != 6 ||
            request->k < 1 || request->m < 1 || request->k + request->m > SHARDS_MAX ||
            request->size < 1 || request->stripes < 1) {
            fprintf(stderr, "not a request: %s", line);
            continue;
        }
        request->stripe_bytes = (size_t)(2 * request->k + request->m) * request->size;
        place_arena(request);
        return 1;
    }
    return 0;
}

static inline uint8_t *shard(const Request *r, int stripe, int index)
{
    return r->arena + r->stripe_bytes * (size_t)stripe + (size_t)index * r->size;
}

static inline void answer(Timing t, size_t bytes, int ok)
{
    printf("{\"iters\":%llu,\"bytes\":%zu,\"ns\":%llu,\"ok\":%s}\n", (unsigned long long)t.iters,
           bytes, (unsigned long long)t.ns, ok ? "true" : "false");
    fflush(stdout);
}

/* Runs CALL over the stripes in turn until the time is up; CALL sees the number `stripe`. */
#define TIMED(request, timing, CALL)                                                              \
    do {                                                                                          \
        int turns = 1 + (int)(BYTES_BETWEEN_CLOCKS / ((size_t)(request).k * (request).size));     \
        int stripe = 0;                                                                           \
        uint64_t begun = cpu_ns(), limit = (uint64_t)((request).ms * 1e6);                        \
        (timing).iters = 0;                                                                       \
        do {                                                                                      \
            for (int turn = 0; turn < turns; turn++) {                                            \
                CALL;                                                                             \
                stripe = stripe + 1 == (request).stripes ? 0 : stripe + 1;                        \
            }                                                                                     \
            (timing).iters += (uint64_t)turns;                                                    \
            (timing).ns = cpu_ns() - begun;                                                       \
        } while ((timing).ns < limit);                                                            \
    } while (0)

#endif
