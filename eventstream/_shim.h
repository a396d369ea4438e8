/*
 * What `_native.pyx` needs of C that Cython does not have: what it is compiled for, a number in the wire's byte order, bytes
 * that grow, change or are reused in place, constructors that are functions, and a flag that two threads cannot both set.
 */
#ifndef EVENTSTREAM_SHIM_H
#define EVENTSTREAM_SHIM_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(Py_GIL_DISABLED) && defined(_MSC_VER)
#  include <intrin.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#  define ES_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#  if __has_feature(address_sanitizer)
#    define ES_ADDRESS_SANITIZER 1
#  endif
#endif
#ifndef ES_ADDRESS_SANITIZER
#  define ES_ADDRESS_SANITIZER 0
#endif

#ifdef Py_GIL_DISABLED
#  define ES_FREE_THREADED 1
#else
#  define ES_FREE_THREADED 0
#endif

/* Whether each thread has a cache of its own. The GIL protects a shared one, but not where lines are traced: the tracer
   runs code of Python between any two of them, in which another thread may have its turn. */
#if ES_FREE_THREADED || (defined(CYTHON_TRACE) && CYTHON_TRACE)
#  define ES_CACHE_PER_THREAD 1
#else
#  define ES_CACHE_PER_THREAD 0
#endif

/* Stores the number with its highest byte first; compilers do not always make one store of four. */
static inline void es_store_u32(uint8_t *data, uint32_t value) {
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap32(value);
    memcpy(data, &value, 4);
#else
    data[0] = (uint8_t) (value >> 24);
    data[1] = (uint8_t) (value >> 16);
    data[2] = (uint8_t) (value >> 8);
    data[3] = (uint8_t) value;
#endif
}

/* Resizes bytes that nobody else has seen, where they are if possible. As _PyBytes_Resize, but where memory is short
   the bytes stay as they are, and NULL comes back without an exception. */
static inline PyObject *es_resize_bytes(PyObject *bytes, Py_ssize_t size) {
#ifdef Py_TRACE_REFS
    PyObject *resized = PyBytes_FromStringAndSize(NULL, size);
    if (resized == NULL) {
        PyErr_Clear();
        return NULL;
    }
    memcpy(PyBytes_AS_STRING(resized), PyBytes_AS_STRING(bytes), Py_MIN(size, PyBytes_GET_SIZE(bytes)));
    Py_DECREF(bytes);
#else
    PyObject *resized = (PyObject *) PyObject_Realloc(bytes, offsetof(PyBytesObject, ob_sval) + size + 1);
    if (resized == NULL)
        return NULL;
    Py_SET_SIZE((PyVarObject *) resized, size);
    PyBytes_AS_STRING(resized)[size] = 0;
#endif
    return resized;
}

/* Bytes whose content changes have another hash. */
static inline void es_forget_hash(PyObject *bytes) {
#if defined(_MSC_VER)
#  pragma warning(push)
#  pragma warning(disable : 4996)
#elif defined(__GNUC__)
#  pragma GCC diagnostic push
#  pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif
    ((PyBytesObject *) bytes)->ob_shash = -1;
#if defined(_MSC_VER)
#  pragma warning(pop)
#elif defined(__GNUC__)
#  pragma GCC diagnostic pop
#endif
}

/* Overwrites a bytes object with as many bytes, and returns 1; does nothing, and returns 0, if somebody else has it. */
static inline int es_rewrite_bytes(PyObject *bytes, const void *data) {
    if (Py_REFCNT(bytes) != 1)
        return 0;
    memcpy(PyBytes_AS_STRING(bytes), data, PyBytes_GET_SIZE(bytes));
    es_forget_hash(bytes);
    return 1;
}

/*
 * The last bytes of at most ES_MAX_SPARE that were made from it, for reuse: once nobody else has them, they are made into
 * the next ones, which spares freeing and allocating. There are two, as a loop still has one message while it takes the
 * next. `pause` counts the bytes that are made without it: a program that keeps what it gets has no use for it.
 */
typedef struct {
    PyObject *bytes[2];
    Py_ssize_t room[2];
    int next;
    int pause;
    int last_pause;
} es_spares;

enum { ES_MAX_SPARE = 4096, ES_MAX_PAUSE = 63 };

static PyObject *es_replace_spare(es_spares *spares, int i, Py_ssize_t size) {
    PyObject *before = spares->bytes[i];
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL)
        return NULL;
    Py_INCREF(bytes);
    spares->bytes[i] = bytes;
    spares->room[i] = size;
    if (before != NULL) {
        Py_DECREF(before);
        spares->last_pause = Py_MIN(2 * spares->last_pause + 1, ES_MAX_PAUSE);
        spares->pause = spares->last_pause;
    }
    return bytes;
}

/* As PyBytes_FromStringAndSize(NULL, size); what is in the bytes is still to be written. They must not be resized. At least
   half of the memory is used, so whoever keeps them keeps at most twice what they hold. Without the GIL nobody can say
   that nobody else has an object; and the address sanitizer is to see who still uses one. */
static inline PyObject *es_new_bytes(es_spares *spares, Py_ssize_t size) {
    PyObject *bytes;
    int i;
    if (ES_FREE_THREADED || ES_ADDRESS_SANITIZER || size < 2 || size > ES_MAX_SPARE)
        return PyBytes_FromStringAndSize(NULL, size);
    if (spares->pause) {
        spares->pause--;
        return PyBytes_FromStringAndSize(NULL, size);
    }
    i = spares->next;
    spares->next = !i;
    bytes = spares->bytes[i];
    if (bytes == NULL || Py_REFCNT(bytes) != 1 || size > spares->room[i] || size < spares->room[i] / 2)
        return es_replace_spare(spares, i, size);
    spares->last_pause = 0;
    Py_SET_SIZE((PyVarObject *) bytes, size);
    PyBytes_AS_STRING(bytes)[size] = 0;
    es_forget_hash(bytes);
    Py_INCREF(bytes);
    return bytes;
}

/* A reference that the caller owns, as Cython takes it from a function; NULL where an exception is set. */
static inline PyObject *es_owned(PyObject *owned) {
    return owned;
}

/* Calls of the class, and of its `__new__`, call this function. */
static inline void es_set_new(PyTypeObject *type, newfunc new_) {
    type->tp_new = new_;
    type->tp_vectorcall = NULL;
    PyType_Modified(type);
}

/* Sets the flag and tells whether it was set. Under the GIL nothing can come between the two. */
static inline int es_test_and_set(int *flag) {
#if defined(Py_GIL_DISABLED) && defined(_MSC_VER)
    return _InterlockedExchange((volatile long *) flag, 1);
#elif defined(Py_GIL_DISABLED)
    return __atomic_exchange_n(flag, 1, __ATOMIC_ACQUIRE);
#else
    int was = *flag;
    *flag = 1;
    return was;
#endif
}

static inline void es_clear(int *flag) {
#if defined(Py_GIL_DISABLED) && defined(_MSC_VER)
    _InterlockedExchange((volatile long *) flag, 0);
#elif defined(Py_GIL_DISABLED)
    __atomic_store_n(flag, 0, __ATOMIC_RELEASE);
#else
    *flag = 0;
#endif
}

#endif
