/*
 * What `_native.pyx` needs from C, since Cython lacks it: facts about the build, numbers in the wire's byte order, bytes
 * that grow, change or are reused in place, views that are reused, constructors that are functions, the GIL, and a flag
 * that only one thread can set.
 */
#ifndef EVENTSTREAM_SHIM_H
#define EVENTSTREAM_SHIM_H

#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
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

/* Whether each thread has its own cache. The GIL protects a shared one, but not while lines are traced: the tracer runs
   Python code between any two of them, and another thread may run meanwhile. */
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

/* Resizes bytes that nobody else has seen, in place if possible. Unlike _PyBytes_Resize, it leaves the bytes as they are
   if memory is short, and returns NULL without an exception. */
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

/* Lets bytes whose content changes compute their hash again. */
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

/* Overwrites the whole content of a bytes object, and returns 1; does nothing, and returns 0, if anyone else has it. */
static inline int es_rewrite_bytes(PyObject *bytes, const void *data) {
    if (Py_REFCNT(bytes) != 1)
        return 0;
    memcpy(PyBytes_AS_STRING(bytes), data, PyBytes_GET_SIZE(bytes));
    es_forget_hash(bytes);
    return 1;
}

/*
 * The two objects of one kind that were made last, for reuse: once nobody else has one of them, it becomes the next object,
 * which saves freeing and allocating. There are two because a loop still has one message while it takes the next. `pause`
 * counts down the objects that are made without reuse, which does not help a program that keeps what it gets. Nothing is
 * reused under the address sanitizer, which would not see an object that is used after its end.
 */
typedef struct {
    PyObject *objects[2];
    Py_ssize_t room[2];
    int last;
    int pause;
    int last_pause;
} es_spares;

/* Without the GIL each thread has its own, of large bytes alone: those that it frees can be allocated again only when
   every other thread was seen not to use them, so two threads that decode write to ever new memory, at half the speed. */
#if ES_FREE_THREADED
enum { ES_MIN_SPARE = 131072, ES_MAX_SPARE = 1052672 }; /* to 1 MiB, and a message around it */
#else
enum { ES_MIN_SPARE = 2, ES_MAX_SPARE = 20480 }; /* to 16 KiB, and a message around it; shorter bytes are never new */
#endif
enum { ES_MAX_PAUSE = 63 };

/* Whether to reuse, or keep for reuse, an object that holds or shows `size` bytes. */
static inline int es_may_spare(es_spares *spares, Py_ssize_t size) {
    if (ES_ADDRESS_SANITIZER || size < ES_MIN_SPARE || size > ES_MAX_SPARE)
        return 0;
    if (spares->pause == 0)
        return 1;
    spares->pause--;
    return 0;
}

/* Whether the caller has the only reference. Without the GIL only the thread that made an object can know, from 3.14 on;
   what others did with the object before is seen to have happened before. */
static inline int es_is_own(PyObject *object) {
#if !ES_FREE_THREADED
    return Py_REFCNT(object) == 1;
#elif PY_VERSION_HEX < 0x030E0000
    return 0;
#elif defined(_MSC_VER)
    return PyUnstable_Object_IsUniquelyReferenced(object);
#else
    return PyUnstable_Object_IsUniquelyReferenced(object) && !__atomic_load_n(&object->ob_ref_shared, __ATOMIC_ACQUIRE);
#endif
}

/* Keeps a new object in place of the less recently used one, and returns it; NULL stays NULL. */
static PyObject *es_keep_spare(es_spares *spares, PyObject *made, Py_ssize_t room) {
    int i = !spares->last;
    PyObject *before = spares->objects[i];
    if (made == NULL)
        return NULL;
    Py_INCREF(made);
    spares->objects[i] = made;
    spares->room[i] = room;
    spares->last = i;
    if (before != NULL) {
        spares->last_pause = Py_MIN(2 * spares->last_pause + 1, ES_MAX_PAUSE);
        spares->pause = spares->last_pause;
        Py_DECREF(before); /* last: a weak reference to a view may run the caller's code, which may call a decoder */
    }
    return made;
}

static inline PyObject *es_use_spare(es_spares *spares, int i) {
    spares->last = i;
    spares->last_pause = 0;
    Py_INCREF(spares->objects[i]);
    return spares->objects[i];
}

/* Whether this spare can be reused for `size` bytes. They must fill at least half of its memory, so a caller that keeps
   them keeps at most twice what they hold. */
static inline int es_fits(const es_spares *spares, int i, Py_ssize_t size) {
    return size <= spares->room[i] && size >= spares->room[i] / 2 && es_is_own(spares->objects[i]);
}

/* Like PyBytes_FromStringAndSize(NULL, size): the caller writes the content. The bytes must not be resized. */
static inline PyObject *es_new_bytes(es_spares *spares, Py_ssize_t size) {
    PyObject *bytes;
    int i = spares->last;
    if (!es_may_spare(spares, size))
        return PyBytes_FromStringAndSize(NULL, size);
    if (!es_fits(spares, i, size)) {
        i = !i;
        if (!es_fits(spares, i, size))
            return es_keep_spare(spares, PyBytes_FromStringAndSize(NULL, size), size);
    }
    bytes = es_use_spare(spares, i);
    Py_SET_SIZE((PyVarObject *) bytes, size);
    PyBytes_AS_STRING(bytes)[size] = 0;
    es_forget_hash(bytes);
    return bytes;
}

/* At the end of the thread whose they are. */
static inline void es_drop_spares(es_spares *spares) {
    Py_CLEAR(spares->objects[0]);
    Py_CLEAR(spares->objects[1]);
}

/* Lets a view of bytes that nobody has seen yet show only a part of them. This takes a third of the time of a slice. */
static inline void es_narrow_view(PyObject *view, Py_ssize_t start, Py_ssize_t length) {
    Py_buffer *shown = PyMemoryView_GET_BUFFER(view);
    shown->buf = (char *) shown->buf + start;
    shown->len = length;
    shown->shape[0] = length;
}

/* The fields of a view are public only for macros, so they are used only in the versions for which they are known. */
#if PY_VERSION_HEX < 0x03100000
#  define ES_VIEWS_KNOWN 1
#else
#  define ES_VIEWS_KNOWN 0
#endif

/* Whether nobody else has this view, a view that was made from it, or a weak reference to it. */
static inline int es_is_own_view(PyObject *view) {
#if ES_VIEWS_KNOWN
    const PyMemoryViewObject *object = (PyMemoryViewObject *) view;
    return view != NULL && Py_REFCNT(view) == 1 && Py_REFCNT(object->mbuf) == 1 && object->weakreflist == NULL &&
           !(object->flags & _Py_MEMORYVIEW_RELEASED);
#else
    return 0;
#endif
}

/* Lets a view that shows the whole of one bytes object show the whole of another. */
static inline void es_move_view(PyObject *view, PyObject *bytes) {
#if ES_VIEWS_KNOWN
    PyMemoryViewObject *object = (PyMemoryViewObject *) view;
    Py_buffer *owner = &object->mbuf->master;
    PyObject *before = owner->obj;
    Py_INCREF(bytes);
    owner->obj = object->view.obj = bytes;
    owner->buf = object->view.buf = PyBytes_AS_STRING(bytes);
    owner->len = PyBytes_GET_SIZE(bytes);
    object->hash = -1;
    Py_DECREF(before);
#endif
}

/* Like memoryview(bytes)[start : start + length]. A spare view keeps the bytes alive. */
static inline PyObject *es_new_view(es_spares *spares, PyObject *bytes, Py_ssize_t start, Py_ssize_t length) {
    PyObject *view;
    int i = spares->last;
    if (es_is_own_view(spares->objects[i]) || es_is_own_view(spares->objects[i = !i])) {
        view = es_use_spare(spares, i);
        es_move_view(view, bytes);
        es_narrow_view(view, start, length);
        return view;
    }
    view = PyMemoryView_FromObject(bytes);
    if (view == NULL)
        return NULL;
    es_narrow_view(view, start, length); /* before it is kept, which may run the caller's code */
    return es_keep_spare(spares, view, 0);
}

/* Passes on a reference that the caller owns, in the way Cython takes one; NULL where an exception is set. */
static inline PyObject *es_owned(PyObject *owned) {
    return owned;
}

/* Keeps an object for ever, and uncounted: without the GIL, counting would pass its cache line from thread to thread. A
   count too large to be kept makes it immortal. */
static inline void es_keep_forever(PyObject *object) {
#if ES_FREE_THREADED
    Py_SET_REFCNT(object, PY_SSIZE_T_MAX);
#endif
}

/* Lets calls of the class, and of its `__new__`, call this function. */
static inline void es_set_new(PyTypeObject *type, newfunc new_) {
    type->tp_new = new_;
    type->tp_vectorcall = NULL;
    PyType_Modified(type);
}

/*
 * Handing over the GIL. A thread that waits for it sleeps, and waking it takes as long as the work on 96 KiB. So a thread
 * that wants the GIL back first stays awake, for a few microseconds at most, while another one that does such work has it:
 * that one soon releases it again. The flag says so; it is a hint, and may be wrong. Without a GIL nobody waits.
 *
 * Such work begins with es_gil_released and ends with es_await_gil, both without the GIL; then comes es_gil_taken.
 */
enum { ES_MAX_SPINS = 100 };

#if !ES_FREE_THREADED
static volatile int es_taken;
#endif

/* Waits as long as about 100 instructions take; on other CPUs not at all. */
static inline void es_relax(void) {
#if defined(_M_X64) || defined(_M_IX86)
    _mm_pause();
#elif defined(_M_ARM64)
    __isb(_ARM64_BARRIER_SY);
#elif defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb"); /* a yield takes no time at all */
#endif
}

static inline void es_gil_released(void) {
#if !ES_FREE_THREADED
    es_taken = 0;
#endif
}

static inline void es_await_gil(void) {
#if !ES_FREE_THREADED
    int spins;
    for (spins = 0; es_taken && spins < ES_MAX_SPINS; spins++)
        es_relax();
#endif
}

static inline void es_gil_taken(void) {
#if !ES_FREE_THREADED
    es_taken = 1;
#endif
}

/* Sets the flag, and returns whether it was set before. Under the GIL nothing can come between the two. */
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
