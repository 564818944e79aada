/* Leaky integrate-and-fire neurons over all time steps, fused with the pooling beside them: see lif.py for the
 * equations and lif_native.py for the caller.
 *
 * The neurons are walked through in tiles that stay in the cache: for each tile all time steps in turn. Forward
 * keeps nothing; backward computes the membranes of a tile again from the currents, then goes back in time.
 * The inner loops run over neighbouring neurons and are written to be vectorised by the compiler. Built with
 * contraction off: a fused multiply-add would round other than snnTorch, and spikes could differ.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __AVX__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 16")
#define MIN(a, b) ((a) < (b) ? (a) : (b))

enum { ATAN, FAST_SIGMOID, SIGMOID, TRIANGULAR };
enum { SUBTRACT, ZERO, NONE };
enum { POOL_NONE, POOL_MAX, POOL_AVG };

/* Numbers that a tile's membranes over all steps should have: they stay in the second-level cache. */
#define TRACE 131072
#define LARGEST_TILE 2048
#define PART 512 /* numbers of a tile between two requests for what comes next */

typedef struct {
    int64_t steps, images;           /* T, B */
    int64_t channels, height, width; /* of the currents */
    int64_t window;                  /* of the pooling, in pixels; its stride is the same */
    int32_t pool, pool_first;        /* which pooling; whether it comes before the neurons */
    int32_t fixed_input;             /* the currents are the same at every step: one step is stored */
    int32_t channels_last;
    int32_t reset, surrogate;
    int32_t by_channel; /* decay and threshold are arrays over channels */
    int32_t half;       /* bfloat16 instead of float32 */
    int32_t want_sums;  /* gradients of decay and threshold */
    int32_t threads;
} Layer;

static int pools_first(const Layer *l) { return l->pool != POOL_NONE && l->pool_first; }

static int pools_after(const Layer *l) { return l->pool != POOL_NONE && !l->pool_first; }

/* How a layer's values of one step divide into units, whole planes or rows of windows, and tiles of units. */
typedef struct {
    int64_t wide, narrow;            /* values of a unit before and after pooling (equal without) */
    int64_t neurons;                 /* neurons of a unit */
    int64_t units, units_per_image;  /* in all; channels-last rows do not cover rows that no window covers */
    int64_t image_wide, image_narrow; /* values of an image */
    int64_t wide_step, narrow_step;  /* values of a step */
    int64_t per_tile, tiles, parts;  /* parts: tiles of an image, where a tile may not reach into the next one */
    int64_t rows, pixel;             /* rows of windows in a unit; values side by side in a pixel */
    int past_spikes, past_grads;     /* whether these are written past the caches */
} Grid;

/* Results of so many bytes are no longer in a cache when they are read. Written past the caches, the memory that they
 * replace need not be read first. */
#define LARGE (8 << 20)

static int goes_past(const Layer *l, int64_t values) {
#ifdef __AVX__
    return !l->half && values * (int64_t)sizeof(float) >= LARGE;
#else
    (void)l, (void)values;
    return 0;
#endif
}

static Grid make_grid(const Layer *l) {
    Grid g;
    int64_t k = l->pool == POOL_NONE ? 1 : l->window;
    int64_t high = l->height / k, broad = l->width / k;
    g.image_wide = l->channels * l->height * l->width;
    g.image_narrow = l->channels * high * broad;
    g.wide_step = l->images * g.image_wide;
    g.narrow_step = l->images * g.image_narrow;
    g.pixel = l->channels_last ? l->channels : 1;
    if (l->pool == POOL_NONE) { /* one value a unit */
        g.wide = g.narrow = g.rows = 1;
        g.units_per_image = g.image_wide;
    } else if (l->channels_last) { /* a row of windows a unit */
        g.rows = 1;
        g.wide = k * l->width * l->channels;
        g.narrow = broad * l->channels;
        g.units_per_image = high;
    } else { /* a plane a unit */
        g.rows = high;
        g.wide = l->height * l->width;
        g.narrow = high * broad;
        g.units_per_image = l->channels;
    }
    g.neurons = pools_first(l) ? g.narrow : g.wide;
    g.units = g.units_per_image * l->images;
    g.past_spikes = goes_past(l, l->steps * g.narrow_step);
    g.past_grads = goes_past(l, (l->fixed_input ? 1 : l->steps) * g.wide_step);
    int64_t size = TRACE / (l->steps > 0 ? l->steps : 1);
    size = size < PART ? PART : MIN(size, LARGEST_TILE) / PART * PART;
    g.per_tile = size / (g.neurons > 0 ? g.neurons : 1);
    if (g.per_tile < 1) g.per_tile = 1;
    /* Rows of windows of two images are not neighbours where an image ends with rows without a window. */
    const int apart = l->pool != POOL_NONE && l->channels_last;
    if (apart) g.per_tile = MIN(g.per_tile, g.units_per_image);
    g.parts = apart ? (g.units_per_image + g.per_tile - 1) / g.per_tile : 0;
    g.tiles = apart ? g.parts * l->images : (g.units + g.per_tile - 1) / g.per_tile;
    return g;
}

typedef struct {
    int64_t wide_at, narrow_at; /* offsets within a step */
    int64_t units, wide, narrow, neurons;
} Tile;

static Tile find_tile(const Grid *g, int64_t index) {
    Tile t;
    if (g->parts) {
        int64_t image = index / g->parts, first = (index % g->parts) * g->per_tile;
        t.units = MIN(g->per_tile, g->units_per_image - first);
        t.wide_at = image * g->image_wide + first * g->wide;
        t.narrow_at = image * g->image_narrow + first * g->narrow;
    } else {
        int64_t first = index * g->per_tile;
        t.units = MIN(g->per_tile, g->units - first);
        t.wide_at = first * g->wide;
        t.narrow_at = first * g->narrow;
    }
    t.wide = t.units * g->wide;
    t.narrow = t.units * g->narrow;
    t.neurons = t.units * g->neurons;
    return t;
}

/* bfloat16 is the upper half of a float32. */
static const float *load(const void *base, int64_t at, int64_t n, float *buffer, int half) {
    if (!half) return (const float *)base + at;
    const uint16_t *from = (const uint16_t *)base + at;
    uint32_t *to = (uint32_t *)buffer;
    for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)from[i] << 16;
    return buffer;
}

static float *target(void *base, int64_t at, float *buffer, int half) {
    return half ? buffer : (float *)base + at;
}

static void store(void *base, int64_t at, int64_t n, const float *buffer, int half) {
    if (!half) return; /* it is there already: see target */
    uint16_t *to = (uint16_t *)base + at;
    const uint32_t *from = (const uint32_t *)buffer;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = from[i];
        uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16; /* to nearest, ties to even */
        int nan = (bits & 0x7FFFFFFF) > 0x7F800000;
        to[i] = (uint16_t)(nan ? 0x7FC0 : rounded);
    }
}

/* Past the caches, where that can be done. */
static void stream(float *to, const float *from, int64_t n) {
    int64_t i = 0;
#ifdef __AVX__
    for (; i < n && (uintptr_t)(to + i) % 32; i++) to[i] = from[i];
    for (; i + 8 <= n; i += 8) _mm256_stream_ps(to + i, _mm256_loadu_ps(from + i));
#endif
    for (; i < n; i++) to[i] = from[i];
}

/* What was written past the caches is there for other threads. */
static void settle(void) {
#ifdef __AVX__
    _mm_sfence();
#endif
}

static void put(void *base, int64_t at, int64_t n, const float *values, int half) {
    if (half) store(base, at, n, values, 1);
    else memcpy((float *)base + at, values, (size_t)n * sizeof(float));
}

/* Asks for the n numbers from `base + at` on, which may be NULL. */
INLINE void fetch(const float *base, int64_t at, int64_t n) {
    if (base)
        for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(base + at + i, 0, 3);
}

/* ---- the neurons ---- */

INLINE void step_row(int64_t n, const float *restrict x, const float *restrict before, float *restrict after,
                     float *restrict spikes, const float *restrict decay, const float *restrict level, int arrays,
                     int reset, int want_spikes) {
    const float b0 = decay[0], h0 = level[0];
    for (int64_t i = 0; i < n; i++) {
        const float b = arrays ? decay[i] : b0, h = arrays ? level[i] : h0;
        const float v = before[i];
        const int fired = v > h;
        float now = b * v;
        if (reset == ZERO) now = fired ? 0.0f : now;
        now = now + x[i];
        if (reset == SUBTRACT) now = now - (fired ? h : 0.0f);
        after[i] = now;
        if (want_spikes) spikes[i] = now > h ? 1.0f : 0.0f;
    }
}

#define STEP_CASE(R, A, S) step_row(n, x, before, after, spikes, decay, level, A, R, S)
static void step_part(int64_t n, const float *x, const float *before, float *after, float *spikes, const float *decay,
                      const float *level, int arrays, int reset) {
#define STEP_RESET(A, S)                            \
    do {                                            \
        if (reset == SUBTRACT)                      \
            STEP_CASE(SUBTRACT, A, S);              \
        else if (reset == ZERO)                     \
            STEP_CASE(ZERO, A, S);                  \
        else                                        \
            STEP_CASE(NONE, A, S);                  \
    } while (0)
    if (arrays) {
        if (spikes) STEP_RESET(1, 1);
        else STEP_RESET(1, 0);
    } else {
        if (spikes) STEP_RESET(0, 1);
        else STEP_RESET(0, 0);
    }
}

/* One step of a tile. ahead: n numbers that are read next; they are fetched on the way: they lie in other pages of memory,
 * where the processor's own prefetching would have to begin anew. past: where the spikes go
 * past the caches, instead of to `spikes`. NULL: none. */
static void step(int64_t n, const float *x, const float *before, float *after, float *spikes, const float *decay,
                 const float *level, int arrays, int reset, const float *ahead, float *past) {
    for (int64_t i = 0; i < n; i += PART) {
        const int64_t count = MIN(PART, n - i);
        fetch(ahead, i, count);
        /* What goes past the caches needs one small buffer only, which stays in the fastest of them. */
        float *part = past ? spikes : spikes + i;
        step_part(count, x + i, before + i, after + i, spikes ? part : NULL, arrays ? decay + i : decay,
                  arrays ? level + i : level, arrays, reset);
        if (past) stream(past + i, part, count);
    }
}

/* e^-x for x >= 0, to about one unit in the last place: 2^n e^r with |r| <= ln(2) / 2 and a Taylor polynomial. */
INLINE float exp_of_minus(float x) {
    union { float f; uint32_t i; } limited = {.f = x};
    limited.i = MIN(limited.i, 0x42AE0000u); /* 87: below e^-87 there are no normal numbers. Integers: no branch */
    const int n = (int)(limited.f * -1.44269504f - 0.5f);
    const float r = (-limited.f - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    union { int32_t i; float f; } scale = {.i = (n + 127) << 23};
    return p * scale.f;
}

INLINE float derivative(float u, int surrogate) {
    if (surrogate == ATAN) {
        const float z = u * 3.14159265f;
        return 1.0f / (z * z + 1.0f);
    }
    if (surrogate == FAST_SIGMOID) {
        const float z = fabsf(u) * 25.0f + 1.0f;
        return 1.0f / (z * z);
    }
    if (surrogate == SIGMOID) {
        const float e = exp_of_minus(fabsf(u) * 25.0f), below = e + 1.0f;
        return e * 25.0f / (below * below);
    }
    return u >= 0.0f ? -1.0f : 1.0f;
}

/* One step back. now, before: membranes at t and t - 1. later: l_{t+1}. out: l_t. */
INLINE void back_row(int64_t n, const float *restrict now, const float *restrict before,
                     const float *restrict spike_grad, const float *restrict membrane_grad,
                     const float *restrict later, float *restrict out, float *restrict decay_sums,
                     float *restrict level_sums, const float *restrict decay, const float *restrict level, int arrays,
                     int surrogate, int reset, int membrane, int sums) {
    const float b0 = decay[0], h0 = level[0];
    for (int64_t i = 0; i < n; i++) {
        const float b = arrays ? decay[i] : b0, h = arrays ? level[i] : h0;
        const float v = now[i];
        float l = b * later[i];
        if (reset == ZERO) l = v > h ? 0.0f : l;
        const float local = derivative(v - h, surrogate) * spike_grad[i];
        l = l + local;
        if (membrane) l = l + membrane_grad[i];
        out[i] = l;
        if (sums) {
            const float earlier = before[i];
            const int fired = earlier > h;
            decay_sums[i] += reset == ZERO && fired ? 0.0f : l * earlier;
            level_sums[i] -= reset == SUBTRACT && fired ? local + l : local;
        }
    }
}

typedef struct {
    int64_t n;
    const float *now, *before, *spike_grad, *membrane_grad, *later;
    float *out, *decay_sums, *level_sums;
    const float *decay, *level;
} Back;

#define BACK(A, S, R, M, P)                                                                                       \
    back_row(q->n, q->now, q->before, q->spike_grad, q->membrane_grad, q->later, q->out, q->decay_sums,           \
             q->level_sums, q->decay, q->level, A, S, R, M, P)
#define BACK_SUMS(A, S, R, M)              \
    do {                                   \
        if (sums) BACK(A, S, R, M, 1);     \
        else BACK(A, S, R, M, 0);          \
    } while (0)
#define BACK_MEMBRANE(A, S, R)                     \
    do {                                           \
        if (q->membrane_grad) BACK_SUMS(A, S, R, 1); \
        else BACK_SUMS(A, S, R, 0);                \
    } while (0)
#define BACK_RESET(A, S)                                      \
    do {                                                      \
        if (reset == SUBTRACT) BACK_MEMBRANE(A, S, SUBTRACT); \
        else if (reset == ZERO) BACK_MEMBRANE(A, S, ZERO);    \
        else BACK_MEMBRANE(A, S, NONE);                       \
    } while (0)
#define BACK_ARRAYS(S)                   \
    do {                                 \
        if (arrays) BACK_RESET(1, S);    \
        else BACK_RESET(0, S);           \
    } while (0)

static void back_part(const Back *q, int arrays, int surrogate, int reset, int sums) {
    if (surrogate == ATAN) BACK_ARRAYS(ATAN);
    else if (surrogate == FAST_SIGMOID) BACK_ARRAYS(FAST_SIGMOID);
    else if (surrogate == SIGMOID) BACK_ARRAYS(SIGMOID);
    else BACK_ARRAYS(TRIANGULAR);
}

/* ahead, past: as in `step`; what goes past the caches is `out`. */
static void back(const Back *whole, int arrays, int surrogate, int reset, int sums, const float *ahead, float *past) {
    for (int64_t i = 0; i < whole->n; i += PART) {
        const Back part = {
            .n = MIN(PART, whole->n - i),
            .now = whole->now + i,
            .before = whole->before + i,
            .spike_grad = whole->spike_grad + i,
            .membrane_grad = whole->membrane_grad ? whole->membrane_grad + i : NULL,
            .later = whole->later + i,
            .out = whole->out + i,
            .decay_sums = whole->decay_sums + i,
            .level_sums = whole->level_sums + i,
            .decay = arrays ? whole->decay + i : whole->decay,
            .level = arrays ? whole->level + i : whole->level,
        };
        fetch(ahead, i, part.n);
        back_part(&part, arrays, surrogate, reset, sums);
        if (past) stream(past + i, part.out, part.n);
    }
}

/* ---- the pooling ---- */

/* Window sizes that the compiler knows become straight code. */
#define EACH_SIZE(call)                             \
    if (max && l->window == 2) call(2, 1);          \
    else if (max && l->window == 3) call(3, 1);     \
    else if (max) call((int)l->window, 1);          \
    else if (l->window == 2) call(2, 0);            \
    else if (l->window == 3) call(3, 0);            \
    else call((int)l->window, 0);

/* The windows of one row: `expression` sees the number `at` of a window's first value, `to` of its result,
 * and the `gap` between values that are side by side. Written
 * once for values side by side (a row of one plane) and once for pixels of many channels, so that the inner loop runs
 * over neighbours in memory. */
#define EACH_WINDOW(expression)                               \
    if (pixel == 1) {                                         \
        for (int64_t to = 0; to < broad; to++) {              \
            const int64_t at = to * k, gap = 1;               \
            expression                                        \
        }                                                     \
    } else {                                                  \
        for (int64_t w = 0; w < broad; w++)                   \
            for (int64_t c = 0; c < pixel; c++) {             \
                const int64_t at = w * k * pixel + c, to = w * pixel + c, gap = pixel; \
                expression                                    \
            }                                                 \
    }

/* One row of windows. in: k lines of `width` pixels; out: `broad` pixels. */
INLINE void pool_row(const float *restrict in, float *restrict out, int64_t width, int64_t broad, int64_t pixel, int k,
                     int max) {
    const int64_t line = width * pixel;
    const float count = (float)(k * k);
    EACH_WINDOW({
        float value = in[at];
        UNROLLED for (int i = 1; i < k * k; i++) {
            const float other = in[at + i / k * line + i % k * gap];
            if (max) value = other > value ? other : value;
            else value += other;
        }
        out[to] = max ? value : value / count;
    })
}

/* The gradient of pool_row: to the first of the largest values, or to all alike. */
INLINE void unpool_row(const float *restrict in, const float *restrict grad, float *restrict out, int64_t width,
                       int64_t broad, int64_t pixel, int k, int max) {
    const int64_t line = width * pixel;
    const float count = (float)(k * k);
    EACH_WINDOW({
        const float slope = max ? grad[to] : grad[to] / count;
        float largest = in[at];
        UNROLLED for (int i = 1; i < k * k; i++) {
            const float other = in[at + i / k * line + i % k * gap];
            largest = other > largest ? other : largest;
        }
        float left = slope;
        UNROLLED for (int i = 0; i < k * k; i++) {
            const int64_t here = at + i / k * line + i % k * gap;
            const float given = in[here] == largest ? left : 0.0f;
            out[here] = max ? given : slope;
            left = in[here] == largest ? 0.0f : left;
        }
    })
    /* Columns that no window covers. */
    for (int dy = 0; dy < k; dy++)
        memset(out + dy * line + broad * k * pixel, 0, (size_t)((width - broad * k) * pixel) * sizeof(float));
}

/* unpool_row for the largest of 2 x 2 values side by side, which the compiler does not make vectors of by itself. */
static void unpool_pairs(const float *restrict upper, const float *restrict lower, const float *restrict grad,
                         float *restrict to_upper, float *restrict to_lower, int64_t broad) {
    for (int64_t w = 0; w < broad; w++) {
        const float a = upper[2 * w], b = upper[2 * w + 1], c = lower[2 * w], d = lower[2 * w + 1];
        const float ab = a < b ? b : a, cd = c < d ? d : c, largest = ab < cd ? cd : ab;
        const float all = grad[w];
        const float to_a = a == largest ? all : 0.0f, after_a = a == largest ? 0.0f : all;
        const float to_b = b == largest ? after_a : 0.0f, after_b = b == largest ? 0.0f : after_a;
        const float to_c = c == largest ? after_b : 0.0f, after_c = c == largest ? 0.0f : after_b;
        to_upper[2 * w] = to_a;
        to_upper[2 * w + 1] = to_b;
        to_lower[2 * w] = to_c;
        to_lower[2 * w + 1] = d == largest ? after_c : 0.0f;
    }
}

static void pool_units(const Layer *l, const Grid *g, int64_t units, const float *in, float *out) {
    const int64_t broad = l->width / l->window, line = l->width * g->pixel;
    const int max = l->pool == POOL_MAX;
    for (int64_t u = 0; u < units; u++)
        for (int64_t r = 0; r < g->rows; r++) {
            const float *from = in + u * g->wide + r * l->window * line;
            float *to = out + u * g->narrow + r * broad * g->pixel;
#define POOL(K, M) pool_row(from, to, l->width, broad, g->pixel, K, M)
            EACH_SIZE(POOL)
        }
}

static void unpool_units(const Layer *l, const Grid *g, int64_t units, const float *in, const float *grad, float *out) {
    const int64_t broad = l->width / l->window, line = l->width * g->pixel;
    const int max = l->pool == POOL_MAX;
    for (int64_t u = 0; u < units; u++) {
        for (int64_t r = 0; r < g->rows; r++) {
            const int64_t at = u * g->wide + r * l->window * line;
            const float *slope = grad + u * g->narrow + r * broad * g->pixel;
            if (max && l->window == 2 && g->pixel == 1 && l->width % 2 == 0) {
                unpool_pairs(in + at, in + at + line, slope, out + at, out + at + line, broad);
                continue;
            }
#define UNPOOL(K, M) unpool_row(in + at, slope, out + at, l->width, broad, g->pixel, K, M)
            EACH_SIZE(UNPOOL)
        }
        /* Rows of a plane that no window covers. */
        const int64_t covered = g->rows * l->window * line;
        if (covered < g->wide) memset(out + u * g->wide + covered, 0, (size_t)(g->wide - covered) * sizeof(float));
    }
}

/* ---- tiles ---- */

typedef struct {
    float *trace;                                  /* membranes of a tile: of step -1 (0), 0, 1, ... */
    float *one, *other, *total;                    /* a tile's neurons at one step */
    float *decay_sums, *level_sums;                /* over time, of each neuron */
    float *decay, *level;                          /* of each neuron, or one number */
    float *wide, *wide_too, *narrow, *narrow_too;  /* before and after pooling */
    float *zeros;
    float *all;
} Scratch;

static int make_scratch(Scratch *s, const Layer *l, const Grid *g) {
    const int64_t neurons = g->per_tile * g->neurons, wide = g->per_tile * g->wide, narrow = g->per_tile * g->narrow;
    float **parts[] = {&s->trace, &s->one, &s->other, &s->total, &s->decay_sums, &s->level_sums, &s->decay,
                       &s->level, &s->wide, &s->wide_too, &s->narrow, &s->narrow_too, &s->zeros};
    const int64_t sizes[] = {neurons * (l->steps + 1), neurons, neurons, neurons, neurons, neurons, neurons,
                             neurons, wide, wide, narrow, narrow, neurons};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]), LINE = 16 };
    int64_t total = 0;
    for (int i = 0; i < COUNT; i++) total += (sizes[i] / LINE + 1) * LINE; /* each begins with a cache line */
    s->all = NULL;
    if (posix_memalign((void **)&s->all, LINE * sizeof(float), (size_t)total * sizeof(float)) != 0) return 1;
    float *at = s->all;
    for (int i = 0; i < COUNT; i++) {
        *parts[i] = at;
        at += (sizes[i] / LINE + 1) * LINE;
    }
    memset(s->zeros, 0, (size_t)neurons * sizeof(float));
    return 0;
}

/* Neighbouring neurons of a tile whose channels are all the same (channels first) or follow each other (last). */
typedef struct {
    int64_t count, channel;
    int64_t next; /* by how much the channel of a neuron exceeds that of the one before: 0 or 1 */
} Run;

static Run run_at(const Layer *l, const Grid *g, const Tile *t, int64_t neuron) {
    const int64_t at = (pools_first(l) ? t->narrow_at : t->wide_at) + neuron;
    const int64_t plane = (pools_first(l) ? g->image_narrow : g->image_wide) / l->channels;
    Run r = {.next = l->channels_last};
    r.channel = l->channels_last ? at % l->channels : at / plane % l->channels;
    r.count = l->channels_last ? l->channels - r.channel : plane - at % plane;
    r.count = MIN(r.count, t->neurons - neuron);
    return r;
}

static void spread_parameters(const Layer *l, const Grid *g, const Tile *t, const float *decay, const float *level,
                              Scratch *s) {
    s->decay[0] = decay[0];
    s->level[0] = level[0];
    if (!l->by_channel) return;
    Run r;
    for (int64_t i = 0; i < t->neurons; i += r.count) {
        r = run_at(l, g, t, i);
        for (int64_t j = 0; j < r.count; j++) {
            s->decay[i + j] = decay[r.channel + j * r.next];
            s->level[i + j] = level[r.channel + j * r.next];
        }
    }
}

/* Where as many values as a tile has neurons lie that are read after those of step `at`: the currents of the next step, and
 * after the last step those of the next tile, which are its neighbours in memory. */
static const float *next_currents(const Layer *l, const Grid *g, const Tile *t, const void *x, int64_t at) {
    if (l->half || l->fixed_input) return NULL;
    const float *base = (const float *)x + t->wide_at;
    return at + 1 < l->steps ? base + (at + 1) * g->wide_step : base + t->wide;
}

/* Likewise, going back, the gradient of the spikes before those of step `at`. */
static const float *next_slopes(const Layer *l, const Grid *g, const Tile *t, const void *spike_grad, int64_t at) {
    if (l->half || !spike_grad || pools_after(l) || at < 1) return NULL;
    return (const float *)spike_grad + (at - 1) * g->narrow_step + t->narrow_at;
}

/* The currents of step `at` of a tile, pooled if that comes first. */
static const float *currents(const Layer *l, const Grid *g, const Tile *t, const void *x, int64_t at, Scratch *s) {
    const int64_t from = (l->fixed_input ? 0 : at * g->wide_step) + t->wide_at;
    const float *wide = load(x, from, t->wide, s->wide, l->half);
    if (!pools_first(l)) return wide;
    pool_units(l, g, t->units, wide, s->narrow);
    return s->narrow;
}

static void forward_tile(const Layer *l, const Grid *g, const Tile *t, const void *x, void *spikes, void *membrane,
                         Scratch *s) {
    float *before = s->one, *now = s->other;
    memset(before, 0, (size_t)t->neurons * sizeof(float));
    const float *row = l->fixed_input ? currents(l, g, t, x, 0, s) : NULL;
    for (int64_t at = 0; at < l->steps; at++) {
        if (!l->fixed_input) row = currents(l, g, t, x, at, s);
        const int64_t to = at * g->narrow_step + t->narrow_at;
        float *past = g->past_spikes ? (float *)spikes + to : NULL;
        float *out = past ? s->narrow_too : target(spikes, to, s->narrow_too, l->half);
        float *fired = pools_after(l) ? s->wide_too : out;
        const float *ahead = next_currents(l, g, t, x, at);
        step(t->neurons, row, before, now, fired, s->decay, s->level, l->by_channel, l->reset, ahead,
             pools_after(l) ? NULL : past);
        if (pools_after(l)) {
            pool_units(l, g, t->units, fired, out);
            if (past) stream(past, out, t->narrow);
        }
        store(spikes, to, t->narrow, out, l->half);
        if (membrane) put(membrane, to, t->neurons, now, l->half);
        float *swap = before;
        before = now;
        now = swap;
    }
}

static void trace_tile(const Layer *l, const Grid *g, const Tile *t, const void *x, const void *spike_grad,
                       Scratch *s) {
    memset(s->trace, 0, (size_t)t->neurons * sizeof(float));
    const float *row = l->fixed_input ? currents(l, g, t, x, 0, s) : NULL;
    for (int64_t at = 0; at < l->steps; at++) {
        if (!l->fixed_input) row = currents(l, g, t, x, at, s);
        float *before = s->trace + at * t->neurons;
        const float *ahead = at + 1 < l->steps ? next_currents(l, g, t, x, at) : next_slopes(l, g, t, spike_grad, at + 1);
        step(t->neurons, row, before, before + t->neurons, NULL, s->decay, s->level, l->by_channel, l->reset, ahead,
             NULL);
    }
}

/* The gradient of a tile's spikes at one step, where a pooling comes after them: to those that it let through. */
static const float *selected(const Layer *l, const Grid *g, const Tile *t, const float *now, const float *slope,
                             Scratch *s) {
    if (l->by_channel)
        for (int64_t i = 0; i < t->neurons; i++) s->wide[i] = now[i] > s->level[i] ? 1.0f : 0.0f;
    else
        for (int64_t i = 0; i < t->neurons; i++) s->wide[i] = now[i] > s->level[0] ? 1.0f : 0.0f;
    unpool_units(l, g, t->units, s->wide, slope, s->wide_too);
    return s->wide_too;
}

/* The gradient of a tile's currents of one step, from that of what the neurons got. */
static void put_current_grad(const Layer *l, const Grid *g, const Tile *t, const void *x, int64_t step_at,
                             const float *grad, void *x_grad, Scratch *s) {
    const int64_t to = step_at * g->wide_step + t->wide_at;
    if (!pools_first(l)) {
        put(x_grad, to, t->wide, grad, l->half);
        return;
    }
    float *past = g->past_grads ? (float *)x_grad + to : NULL;
    const float *row = load(x, to, t->wide, s->wide, l->half);
    float *spread = past ? s->wide_too : target(x_grad, to, s->wide_too, l->half);
    unpool_units(l, g, t->units, row, grad, spread);
    if (past) stream(past, spread, t->wide);
    else store(x_grad, to, t->wide, spread, l->half);
}

static void backward_tile(const Layer *l, const Grid *g, const Tile *t, const void *x, const void *spike_grad,
                          const void *membrane_grad, void *x_grad, Scratch *s) {
    const size_t row_bytes = (size_t)t->neurons * sizeof(float);
    trace_tile(l, g, t, x, spike_grad, s);
    if (l->want_sums) {
        memset(s->decay_sums, 0, row_bytes);
        memset(s->level_sums, 0, row_bytes);
    }
    if (l->fixed_input) memset(s->total, 0, row_bytes);
    /* Where l_t is the gradient as it stands it is written to its place at once, and read there for l_{t-1}, unless it is
     * written past the caches. */
    const int direct = !l->fixed_input && !pools_first(l) && !l->half;
    const int in_place = direct && !g->past_grads;
    const float *later = s->zeros;
    for (int64_t at = l->steps - 1; at >= 0; at--) {
        const int64_t narrow_at = at * g->narrow_step + t->narrow_at;
        const float *now = s->trace + (at + 1) * t->neurons;
        const float *slope = spike_grad ? load(spike_grad, narrow_at, t->narrow, s->narrow_too, l->half) : s->zeros;
        if (pools_after(l) && spike_grad) slope = selected(l, g, t, now, slope, s);
        float *out = in_place ? (float *)x_grad + at * g->wide_step + t->wide_at : later == s->one ? s->other : s->one;
        const Back q = {
            .n = t->neurons,
            .now = now,
            .before = now - t->neurons,
            .spike_grad = slope,
            .membrane_grad = membrane_grad ? load(membrane_grad, narrow_at, t->neurons, s->narrow, l->half) : NULL,
            .later = later,
            .out = out,
            .decay_sums = s->decay_sums,
            .level_sums = s->level_sums,
            .decay = s->decay,
            .level = s->level,
        };
        const float *ahead = at ? next_slopes(l, g, t, spike_grad, at) : next_currents(l, g, t, x, l->steps - 1);
        float *past = direct && !in_place ? (float *)x_grad + at * g->wide_step + t->wide_at : NULL;
        back(&q, l->by_channel, l->surrogate, l->reset, l->want_sums, ahead, past);
        if (l->fixed_input)
            for (int64_t i = 0; i < t->neurons; i++) s->total[i] += out[i];
        else if (!direct)
            put_current_grad(l, g, t, x, at, out, x_grad, s);
        later = out;
    }
    if (l->fixed_input) put_current_grad(l, g, t, x, 0, s->total, x_grad, s);
}

/* In four chains: an addition waits for the one before it. */
static double sum_of(const float *values, int64_t n) {
    double sums[4] = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) sums[j] += values[i + j];
    for (; i < n; i++) sums[0] += values[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void add_sums(const Layer *l, const Grid *g, const Tile *t, const Scratch *s, double *decay_grad,
                     double *level_grad) {
    Run r;
    for (int64_t i = 0; i < t->neurons; i += r.count) {
        if (l->by_channel) r = run_at(l, g, t, i);
        else r = (Run){.count = t->neurons, .channel = 0, .next = 0};
        if (!r.next) {
            decay_grad[r.channel] += sum_of(s->decay_sums + i, r.count);
            level_grad[r.channel] += sum_of(s->level_sums + i, r.count);
            continue;
        }
        for (int64_t j = 0; j < r.count; j++) {
            decay_grad[r.channel + j] += s->decay_sums[i + j];
            level_grad[r.channel + j] += s->level_sums[i + j];
        }
    }
}

/* Channels-last rows that no window covers belong to no tile. */
static void clear_uncovered(const Layer *l, const Grid *g, void *x_grad) {
    if (l->pool == POOL_NONE || !l->channels_last) return;
    const int64_t covered = g->units_per_image * g->wide, rest = g->image_wide - covered;
    const int64_t images = l->images * (l->fixed_input ? 1 : l->steps), size = l->half ? 2 : 4;
    for (int64_t i = 0; rest > 0 && i < images; i++)
        memset((char *)x_grad + (i * g->image_wide + covered) * size, 0, (size_t)(rest * size));
}

static int threads_of(const Layer *l, const Grid *g) {
#ifdef _OPENMP
    return (int)(g->tiles < 1 ? 1 : MIN((int64_t)l->threads, g->tiles));
#else
    (void)l, (void)g;
    return 1;
#endif
}

/* ---- what Python calls; 0 is success, 1 is no memory ---- */

/* x: currents. decay, level: one number, or one a channel. membrane: NULL where it is not wanted. */
int lif_forward(const Layer *l, const void *x, const float *decay, const float *level, void *spikes, void *membrane) {
    const Grid g = make_grid(l);
    int failed = 0;
#pragma omp parallel num_threads(threads_of(l, &g)) if (threads_of(l, &g) > 1) reduction(| : failed)
    {
        Scratch s;
        failed = make_scratch(&s, l, &g);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < g.tiles; i++) {
            if (failed) continue;
            const Tile t = find_tile(&g, i);
            spread_parameters(l, &g, &t, decay, level, &s);
            forward_tile(l, &g, &t, x, spikes, membrane, &s);
        }
        settle();
        free(s.all);
    }
    return failed;
}

/* spike_grad, membrane_grad: NULL where there is none. sums: threads x 2 x (channels or 1) numbers, 0 at first:
 * the gradients of decay and threshold, to be added up over the threads. */
int lif_backward(const Layer *l, const void *x, const float *decay, const float *level, const void *spike_grad,
                 const void *membrane_grad, void *x_grad, double *sums) {
    const Grid g = make_grid(l);
    const int64_t count = l->by_channel ? l->channels : 1;
    int failed = 0;
    clear_uncovered(l, &g, x_grad);
#pragma omp parallel num_threads(threads_of(l, &g)) if (threads_of(l, &g) > 1) reduction(| : failed)
    {
        Scratch s;
        failed = make_scratch(&s, l, &g);
        int thread = 0;
#ifdef _OPENMP
        thread = omp_get_thread_num();
#endif
        double *mine = sums + thread * 2 * count;
#pragma omp for schedule(static)
        for (int64_t i = 0; i < g.tiles; i++) {
            if (failed) continue;
            const Tile t = find_tile(&g, i);
            spread_parameters(l, &g, &t, decay, level, &s);
            backward_tile(l, &g, &t, x, spike_grad, membrane_grad, x_grad, &s);
            if (l->want_sums) add_sums(l, &g, &t, &s, mine, mine + count);
        }
        settle();
        free(s.all);
    }
    return failed;
}
