/*
 * aws-c-event-stream, AWS's codec in C, timed in C: no call of Python lies in what is measured.
 *
 * The functions are those of awscrt's extension, by their addresses. The structs are what `event_stream.h`, `byte_buf.h`
 * and `array_list.h` of awscrt 0.26.1 declare. Each work does what a program in C would: it owns what it decoded, that is a
 * copy of the message and a list of its headers, and frees it.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct byte_buf {
    size_t len;
    uint8_t *buffer;
    size_t capacity;
    void *allocator;
};

struct array_list {
    void *alloc;
    size_t current_size;
    size_t length;
    size_t item_size;
    void *data;
};

struct message {
    void *alloc;
    struct byte_buf buffer;
};

struct options {
    void (*on_payload)(void *decoder, struct byte_buf *payload, int8_t final, void *user_data);
    void (*on_prelude)(void *decoder, void *prelude, void *user_data);
    void (*on_header)(void *decoder, void *prelude, void *header, void *user_data);
    void (*on_complete)(void *decoder, uint32_t crc, void *user_data);
    void (*on_error)(void *decoder, void *prelude, int error, const char *text, void *user_data);
    void *user_data;
};

struct codec {
    void *allocator;
    int (*message_init)(struct message *, void *alloc, const struct array_list *headers, const struct byte_buf *payload);
    int (*from_buffer_copy)(struct message *, void *alloc, const struct byte_buf *);
    int (*headers)(const struct message *, struct array_list *);
    void (*clean_up)(struct message *);
    int (*list_init)(struct array_list *, void *alloc);
    void (*list_clean_up)(struct array_list *);
    int (*add_string)(struct array_list *, const char *name, uint8_t name_length, const char *value, uint16_t length, int8_t copy);
    void (*decoder_init)(void *decoder, void *alloc, const struct options *);
    int (*pump)(void *decoder, const struct byte_buf *);
    void (*decoder_clean_up)(void *decoder);
    uint32_t (*crc32)(const uint8_t *data, int length, uint32_t previous);
};

/* The clock of this thread, in seconds. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Every work returns the seconds that it took, or a negative number if the codec failed. */

double es_decode(const struct codec *codec, const uint8_t *wire, size_t length, long loops)
{
    const struct byte_buf buffer = {length, (uint8_t *)wire, length, NULL};
    struct array_list headers;
    struct message message;
    double start = now();

    while (loops-- > 0) {
        if (codec->from_buffer_copy(&message, codec->allocator, &buffer) || codec->list_init(&headers, codec->allocator))
            return -1;
        if (codec->headers(&message, &headers))
            return -1;
        codec->list_clean_up(&headers);
        codec->clean_up(&message);
    }
    return now() - start;
}

/* What the callbacks keep of a stream: the payload, copied as it comes, and how many headers there were. */
struct received {
    uint8_t *payload;
    size_t length, headers, messages;
};

static void on_payload(void *decoder, struct byte_buf *payload, int8_t final, void *user_data)
{
    struct received *received = user_data;

    (void)decoder, (void)final;
    received->payload = realloc(received->payload, received->length + payload->len);
    memcpy(received->payload + received->length, payload->buffer, payload->len);
    received->length += payload->len;
}

static void on_prelude(void *decoder, void *prelude, void *user_data)
{
    (void)decoder, (void)prelude, (void)user_data;
}

static void on_header(void *decoder, void *prelude, void *header, void *user_data)
{
    (void)decoder, (void)prelude, (void)header;
    ((struct received *)user_data)->headers++;
}

static void on_complete(void *decoder, uint32_t crc, void *user_data)
{
    struct received *received = user_data;

    (void)decoder, (void)crc;
    free(received->payload);
    received->payload = NULL;
    received->length = 0;
    received->messages++;
}

static void on_error(void *decoder, void *prelude, int error, const char *text, void *user_data)
{
    (void)decoder, (void)prelude, (void)error, (void)text, (void)user_data;
}

double es_stream(const struct codec *codec, const uint8_t *wire, size_t length, size_t piece, long loops)
{
    static max_align_t decoder[512]; /* larger than the struct */
    struct received received = {0};
    const struct options options = {on_payload, on_prelude, on_header, on_complete, on_error, &received};
    double start;
    size_t position;

    codec->decoder_init(decoder, codec->allocator, &options);
    start = now();
    while (loops-- > 0) {
        for (position = 0; position < length; position += piece) {
            size_t left = length - position;
            const struct byte_buf buffer = {left < piece ? left : piece, (uint8_t *)wire + position, length, NULL};
            if (codec->pump(decoder, &buffer))
                return -1;
        }
    }
    start = now() - start;
    codec->decoder_clean_up(decoder);
    free(received.payload);
    return received.messages ? start : -1;
}

/* Headers that are all strings: names and values in turn, each ended by a zero. The list is made once. */
double es_encode(const struct codec *codec, const char *texts, int count, const uint8_t *payload, size_t length, long loops)
{
    const struct byte_buf buffer = {length, (uint8_t *)payload, length, NULL};
    struct array_list headers;
    struct message message;
    double start;

    if (codec->list_init(&headers, codec->allocator))
        return -1;
    while (count-- > 0) {
        const char *value = texts + strlen(texts) + 1;
        if (codec->add_string(&headers, texts, (uint8_t)strlen(texts), value, (uint16_t)strlen(value), 1))
            return -1;
        texts = value + strlen(value) + 1;
    }
    start = now();
    while (loops-- > 0) {
        if (codec->message_init(&message, codec->allocator, &headers, &buffer))
            return -1;
        codec->clean_up(&message);
    }
    start = now() - start;
    codec->list_clean_up(&headers);
    return start;
}

/* What a message's two checksums cost: that of 8 bytes, and that of all behind them. */

double es_their_checksum(const struct codec *codec, const uint8_t *wire, size_t length, long loops)
{
    volatile uint32_t crc = 0;
    double start = now();

    while (loops-- > 0) {
        crc = codec->crc32(wire, 8, 0);
        crc = codec->crc32(wire + 8, (int)(length - 12), crc);
    }
    return now() - start;
}

double es_our_checksum(uint32_t (*crc32)(uint32_t, const uint8_t *, size_t), const uint8_t *wire, size_t length, long loops)
{
    volatile uint32_t crc = 0;
    double start = now();

    while (loops-- > 0) {
        crc = crc32(0, wire, 8);
        crc = crc32(crc, wire + 8, length - 12);
    }
    return now() - start;
}
