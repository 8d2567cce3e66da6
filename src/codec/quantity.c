/* Kubernetes quantities, read exactly into billionths and printed as kubectl does.
 *
 * quantity := ["+" | "-"] digits ["." digits] [suffix]
 * suffix   := "Ki" ... "Ei" | "n" "u" "m" "k" "M" "G" "T" "P" "E" | ("e" | "E") ["+" | "-"] digits
 *
 * All arithmetic is on 128-bit integers and checked: what does not fit is refused, never wrapped. Keeps no state. */
#include "kube_mcp/codec/value.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "kube_mcp/base/compiler.h"

#include "kube_mcp/base/banned.h"

__extension__ typedef unsigned __int128 wide;

#define NANO_DIGITS  9
#define MAX_EXPONENT 9999
#define NANO         ((km_nano)1000000000)
#define KI           ((km_nano)1024)
#define MI           2 /* steps of 1024 */
/* 10^29 in billionths. */
#define MAX_VALUE ((wide)10000000000000000000ULL * 10000000000000000000ULL)

/* A number as written: DIGITS times 10^EXPONENT times 2^BITS. */
struct written {
  bool negative;
  wide digits;
  int exponent;
  unsigned bits;
};

struct text {
  const char *at, *end;
};

static bool at_digit(const struct text *in)
{
  return in->at < in->end && *in->at >= '0' && *in->at <= '9';
}

static bool take(struct text *in, char c)
{
  if (in->at == in->end || *in->at != c) {
    return false;
  }
  in->at++;
  return true;
}

static bool put_digit(struct written *number, char digit)
{
  return !__builtin_mul_overflow(number->digits, (wide)10, &number->digits) &&
         !__builtin_add_overflow(number->digits, (wide)(digit - '0'), &number->digits);
}

/* Zeros at the end of the fraction add nothing and must not use up the digits there is room for. */
static bool take_fraction(struct text *in, struct written *number, bool *any)
{
  int zeros = 0;
  for (; at_digit(in); in->at++) {
    *any = true;
    if (*in->at == '0') {
      zeros++;
      continue;
    }
    for (; zeros > 0; zeros--, number->exponent--) {
      if (!put_digit(number, '0')) {
        return false;
      }
    }
    if (!put_digit(number, *in->at)) {
      return false;
    }
    number->exponent--;
  }
  return true;
}

static bool take_number(struct text *in, struct written *number)
{
  bool any = false;
  number->negative = take(in, '-');
  if (!number->negative) {
    (void)take(in, '+');
  }
  for (; at_digit(in); in->at++) {
    any = true;
    if (!put_digit(number, *in->at)) {
      return false;
    }
  }
  return (!take(in, '.') || take_fraction(in, number, &any)) && any;
}

/* After "e" or "E". */
static bool take_exponent(struct text *in, struct written *number)
{
  bool negative = take(in, '-');
  if (!negative) {
    (void)take(in, '+');
  }
  if (!at_digit(in)) {
    return false;
  }
  int exponent = 0;
  for (; at_digit(in); in->at++) {
    exponent = exponent > MAX_EXPONENT ? exponent : exponent * 10 + (*in->at - '0');
  }
  number->exponent += negative ? -exponent : exponent;
  return true;
}

static bool take_suffix(struct text *in, struct written *number)
{
  static const char binary[] = {'K', 'M', 'G', 'T', 'P', 'E'};
  static const struct {
    char name;
    int exponent;
  } decimal[] = {{'n', -9}, {'u', -6}, {'m', -3}, {'k', 3}, {'M', 6},
                 {'G', 9},  {'T', 12}, {'P', 15}, {'E', 18}};
  size_t left = (size_t)(in->end - in->at);
  const char *unit = left == 2 && in->at[1] == 'i' ? memchr(binary, in->at[0], sizeof(binary)) : NULL;
  if (unit != NULL) {
    number->bits = 10 * (unsigned)(unit - binary + 1);
    in->at += 2;
    return true;
  }
  for (size_t i = 0; left == 1 && i < KM_ARRAY_LEN(decimal); i++) {
    if (take(in, decimal[i].name)) {
      number->exponent += decimal[i].exponent;
      return true;
    }
  }
  return left == 0 || ((take(in, 'e') || take(in, 'E')) && take_exponent(in, number));
}

static bool multiply(wide *value, wide factor, unsigned times)
{
  for (; times > 0; times--) {
    if (__builtin_mul_overflow(*value, factor, value)) {
      return false;
    }
  }
  return true;
}

/* Rounds up, which in steps comes to the same as at once. */
static void divide(wide *value, wide factor, unsigned times)
{
  for (; times > 0 && *value > 1; times--) {
    *value = *value / factor + (*value % factor != 0);
  }
}

/* Tens below one are taken as twos and fives: the twos cancel against BITS, which keeps more fractions in range. */
static bool to_nano(const struct written *number, km_nano *ret)
{
  int tens = number->exponent + NANO_DIGITS;
  unsigned down = tens < 0 ? (unsigned)-tens : 0;
  unsigned shared = down < number->bits ? down : number->bits;
  wide value = number->digits;
  if (value > 0) {
    if (!multiply(&value, 2, number->bits - shared) || !multiply(&value, 10, tens > 0 ? (unsigned)tens : 0)) {
      return false;
    }
    divide(&value, 5, shared);
    divide(&value, 10, down - shared);
  }
  if (value > MAX_VALUE) {
    return false;
  }
  *ret = number->negative ? -(km_nano)value : (km_nano)value;
  return true;
}

bool km_quantity_parse(const char *text, size_t len, km_nano *ret)
{
  struct text in = {.at = text, .end = text + len};
  struct written number = {0};
  return take_number(&in, &number) && take_suffix(&in, &number) && in.at == in.end && to_nano(&number, ret);
}

/* No value that km_quantity_parse returns needs more than 64 bits once it is divided by UNIT billionths; others are cut. */
static unsigned long long in_units(km_nano magnitude, km_nano unit)
{
  km_nano count = magnitude / unit;
  return count > (km_nano)ULLONG_MAX ? ULLONG_MAX : (unsigned long long)count;
}

void km_quantity_print_cpu(char *out, size_t size, km_nano value)
{
  const km_nano milli = NANO / 1000;
  const char *sign = value < 0 ? "-" : "";
  km_nano magnitude = value < 0 ? -value : value;
  magnitude += (milli - magnitude % milli) % milli;
  bool whole = magnitude % NANO == 0;
  (void)snprintf(out, size, "%s%llu%s", sign, in_units(magnitude, whole ? NANO : milli), whole ? "" : "m");
}

void km_quantity_print_memory(char *out, size_t size, km_nano value)
{
  static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  const char *sign = value < 0 ? "-" : "";
  km_nano magnitude = value < 0 ? -value : value;
  km_nano unit = NANO;
  size_t chosen = 0;
  while (chosen + 1 < KM_ARRAY_LEN(units) && magnitude >= unit * KI &&
         (chosen < MI || magnitude % (unit * KI) == 0)) {
    unit *= KI;
    chosen++;
  }
  (void)snprintf(out, size, "%s%llu%s", sign, in_units(magnitude, unit), units[chosen]);
}
