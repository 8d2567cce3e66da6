/* cmocka with the headers it needs, and the assertions it lacks. */
#ifndef KM_TESTS_UNIT_TESTING_H
#define KM_TESTS_UNIT_TESTING_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube_mcp/base/compiler.h"

#if defined(__has_feature) /* clang */
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#endif

/* Under valgrind or a sanitizer, where a bound on processor time says little. */
static inline bool runs_slowly(void)
{
#ifdef SANITIZED
  return true;
#else
  const char *preloaded = getenv("LD_PRELOAD");
  return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
#endif
}

/* Fails unless TEXT contains PART. */
#define assert_contains(text, part) assert_contains_at((text), (part), __FILE__, __LINE__)
static inline void assert_contains_at(const char *text, const char *part, const char *file, int line)
{
  if (strstr(text, part) == NULL) {
    print_error("\"%s\" is not in: %s\n", part, text);
    _fail(file, line);
  }
}

/* Fails unless FN(DATA), run in a child process, ends it by abort(). */
#define assert_aborts(fn, data) assert_aborts_at((fn), (data), __FILE__, __LINE__)
static inline void assert_aborts_at(void (*fn)(void *data), void *data, const char *file, int line)
{
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    (void)signal(SIGABRT, SIG_DFL); /* cmocka reports it otherwise */
    if (freopen("/dev/null", "w", stderr) != NULL) {
      fn(data);
    }
    _exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status) ||
      WTERMSIG(status) != SIGABRT) {
    print_error("did not abort, status %d\n", status);
    _fail(file, line);
  }
}

#endif
