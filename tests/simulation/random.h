/* Random numbers from a seed: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014). The same seed gives the same numbers on every machine. */
#ifndef SIMULATION_RANDOM_H
#define SIMULATION_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *random);

/* 0 up to `bound` - 1; 0 for 0. */
size_t random_below(struct random *random, size_t bound);

/* True once in `times`. */
bool random_once_in(struct random *random, size_t times);

#endif
