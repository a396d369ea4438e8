# cython: language_level=3
"""What another package can do with eventstream from C: decode, look at headers and payloads, and encode, without a
lookup of a Python attribute."""

from libc.stdint cimport uint8_t, uint32_t

from eventstream._native cimport (
    TYPE_STRING,
    Decoder,
    Field,
    Headers,
    Message,
    checksum,
    decode_message,
    encode_message,
    next_header,
    payload_of,
    require_api,
)

require_api()


def totals(const uint8_t[::1] stream not None, Py_ssize_t size, Decoder decoder not None):
    """Of a stream that is received in pieces: its messages, headers, bytes of text in these, and bytes of payload."""
    cdef Message message
    cdef Field field
    cdef Py_ssize_t start, length
    cdef size_t position, payload_length
    cdef size_t messages = 0, headers = 0, text = 0, payload = 0
    for start in range(0, stream.shape[0], size):
        length = min(size, stream.shape[0] - start)
        decoder.receive(&stream[start], length)
        while True:
            message = decoder.next_message()
            if message is None:
                break
            messages += 1
            position = 0
            while next_header(message.headers, &position, &field):
                headers += 1
                if field.type == TYPE_STRING:
                    text += field.value_length
            payload_of(message, &payload_length)
            payload += payload_length
    return messages, headers, text, payload


def fields(Headers headers not None, size_t position=0):
    """Name, type and value of each header, as they are in the block."""
    cdef Field field
    cdef list found = []
    while next_header(headers, &position, &field):
        found.append((field.name[: field.name_length], field.type, field.value[: field.value_length]))
    return found


def readdressed(const uint8_t[::1] wire not None, Headers headers not None):
    """The one message of these bytes, with other headers."""
    cdef Message message = decode_message(&wire[0], wire.shape[0])
    return with_headers(message, headers)


def with_headers(Message message not None, Headers headers not None):
    cdef size_t length
    cdef const uint8_t *payload = payload_of(message, &length)
    return encode_message(headers, payload, length)


def found(Headers headers not None, name):
    """A header by its name, and the number of all, without parsing them into Python's objects more often than once."""
    return headers.find(name, None), len(headers.mapping()), len(headers.raw)


def crc(const uint8_t[::1] data not None):
    cdef uint32_t value
    with nogil:
        value = checksum(0, &data[0], data.shape[0])
    return value
