/* SPDX-License-Identifier: CC0-1.0 */

/*
 * A ring buffer for bytes: a queue of fixed size that needs no memory allocation after it has been created.
 * Such buffers are used wherever a producer and a consumer work at different speeds, for instance between
 * a serial port and the program that reads from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct ring {
    unsigned char *bytes;
    size_t capacity;
    size_t head;  /* where the next byte will be read */
    size_t count; /* how many bytes are waiting */
};

/* Returns false if there is not enough memory. */
static bool ring_init(struct ring *ring, size_t capacity)
{
    ring->bytes = malloc(capacity);
    ring->capacity = ring->bytes ? capacity : 0;
    ring->head = 0;
    ring->count = 0;
    return ring->bytes != NULL;
}

static void ring_free(struct ring *ring)
{
    free(ring->bytes);
    ring->bytes = NULL;
    ring->capacity = 0;
    ring->count = 0;
}

/* Adds one byte; returns false and changes nothing if the buffer is full. */
static bool ring_put(struct ring *ring, unsigned char byte)
{
    if (ring->count == ring->capacity)
        return false;
    /* Keeping a count instead of a tail index makes "full" and "empty" easy to tell apart. */
    ring->bytes[(ring->head + ring->count) % ring->capacity] = byte;
    ring->count++;
    return true;
}

/* Takes the oldest byte; returns false if the buffer is empty. */
static bool ring_get(struct ring *ring, unsigned char *byte)
{
    if (ring->count == 0)
        return false;
    *byte = ring->bytes[ring->head];
    ring->head = (ring->head + 1) % ring->capacity;
    ring->count--;
    return true;
}

/* Adds as many bytes as there is room for and returns how many that were. */
static size_t ring_write(struct ring *ring, const void *source, size_t length)
{
    const unsigned char *bytes = source;
    size_t written = 0;

    while (written < length && ring_put(ring, bytes[written]))
        written++;
    return written;
}

int main(void)
{
    struct ring ring;
    unsigned char byte;

    if (!ring_init(&ring, 8)) {
        fputs("out of memory\n", stderr);
        return EXIT_FAILURE;
    }

    size_t written = ring_write(&ring, "abcdefghij", 10);
    printf("%zu of 10 bytes fit\n", written); /* 8 */
    for (int i = 0; i < 5; i++)
        ring_get(&ring, &byte); /* takes a, b, c, d and e */

    ring_write(&ring, "XYZ", 3); /* these bytes wrap around the end of the array */
    while (ring_get(&ring, &byte))
        putchar(byte);
    putchar('\n'); /* prints fghXYZ */

    ring_free(&ring);
    return EXIT_SUCCESS;
}
