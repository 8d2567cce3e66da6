/* Time. Monotonic nanoseconds for deadlines, wall milliseconds for what people read. Tests install a fake clock. */
#ifndef KM_BASE_CLOCK_H
#define KM_BASE_CLOCK_H

#include <stdint.h>

#define KM_NS_PER_MS ((uint64_t)1000000)
#define KM_NS_PER_S  ((uint64_t)1000000000)

uint64_t km_clock_ns(void);     /* monotonic */
int64_t km_clock_wall_ms(void); /* since the Unix epoch */

/* Test only: replaces both readings; NULL restores the real ones. */
struct km_clock {
  uint64_t (*monotonic_ns)(void);
  int64_t (*wall_ms)(void);
};
void km_clock_install(const struct km_clock *clock);

/* A point in monotonic time; 0 means "never". */
typedef uint64_t km_deadline;
km_deadline km_deadline_in_ms(int64_t ms); /* ms <= 0: never */
km_deadline km_deadline_min(km_deadline a, km_deadline b);
/* Milliseconds left: 0 when passed, INT64_MAX when never. */
int64_t km_deadline_left_ms(km_deadline deadline);

#endif
