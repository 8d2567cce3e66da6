/* Attributes and the few macros every layer uses. */
#ifndef KM_BASE_COMPILER_H
#define KM_BASE_COMPILER_H

#include <stddef.h>

#define KM_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#define KM_MUST_USE                   __attribute__((warn_unused_result))
#define KM_UNUSED                     __attribute__((unused))
#define KM_NORETURN                   __attribute__((noreturn))

/* Runs FN(&variable) when the variable leaves its scope. */
#define KM_CLEANUP(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of a KM_CLEANUP variable. */
#define KM_TAKE(p)                                                                                           \
  __extension__({                                                                                            \
    __typeof__(p) _taken = (p);                                                                              \
    (p) = NULL;                                                                                              \
    _taken;                                                                                                  \
  })

/* Defined when AddressSanitizer watches: allocators of ours then keep out of its way. */
#if defined(__SANITIZE_ADDRESS__)
#define KM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KM_ASAN 1
#endif
#endif

/* PTR without its const, for interfaces that lack the const but only read. */
static inline void *km_unconst(const void *ptr)
{
  union {
    const void *in;
    void *out;
  } view = {.in = ptr};
  return view.out;
}

#define KM_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that holds MEMBER at PTR. */
#define KM_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A broken invariant of our own: prints where and aborts. Never for input. */
#define KM_ASSERT(cond) ((cond) ? (void)0 : km_assert_failed(#cond, __FILE__, __LINE__))
KM_NORETURN void km_assert_failed(const char *condition, const char *file, int line);

#endif
