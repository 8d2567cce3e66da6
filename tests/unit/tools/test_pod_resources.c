/* What pods request and what limits them, by the scheduler's rules. */
#include "kube/fixture.h"

#include "../../../src/tools/pod_resources.h"

#include "kube_mcp/base/banned.h"

#define CPU(name, text) "{'name':'" name "','resources':{'requests':{'cpu':'" text "'}}}"
#define SIDECAR(text)   "{'name':'s','restartPolicy':'Always','resources':{'requests':{'cpu':'" text "'}}}"

static const struct {
  const char *pod;
  int64_t milli; /* -1 = unknown */
} requests[] = {
    {"{}", -1},
    {"{'spec':{'containers':[{'name':'a'}]}}", -1},
    {"{'spec':{'containers':[" CPU("a", "100m") "," CPU("b", "1") "]}}", 1100},
    /* Init containers run before, one after the other. */
    {"{'spec':{'containers':[" CPU("a", "100m") "],'initContainers':[" CPU("i", "50m") "," CPU("j",
                                                                                               "70m") "]}}",
     100},
    {"{'spec':{'containers':[" CPU("a", "100m") "],'initContainers':[" CPU("i", "300m") "," CPU("j",
                                                                                                "200m") "]}}",
     300},
    /* Sidecars go on running: beside the containers, and beside the init containers that follow. */
    {"{'spec':{'containers':[" CPU("a", "100m") "],'initContainers':[" SIDECAR("50m") "]}}", 150},
    {"{'spec':{'containers':[" CPU("a", "100m") "],'initContainers':[" SIDECAR("50m") "," CPU("i",
                                                                                              "300m") "]}}",
     350},
    {"{'spec':{'containers':[" CPU("a", "100m") "],'initContainers':[" CPU("i",
                                                                           "300m") "," SIDECAR("50m") "]}}",
     300},
    {"{'spec':{'containers':[" CPU("a",
                                   "100m") "],'initContainers':[" SIDECAR("50m") "," SIDECAR("60m") "]}}",
     210},
    /* Pod-level figures take their place, overhead comes on top. */
    {"{'spec':{'resources':{'requests':{'cpu':'2'}},'containers':[" CPU("a", "100m") "]}}", 2000},
    {"{'spec':{'overhead':{'cpu':'250m'},'containers':[" CPU("a", "100m") "]}}", 350},
    {"{'spec':{'overhead':{'cpu':'250m'},'resources':{'requests':{'cpu':'2'}},'containers':[]}}", 2250},
    /* Resized in place: the largest counts, unless the node can never grant what is wanted. */
    {"{'spec':{'containers':[" CPU(
         "a", "100m") "]},'status':{'containerStatuses':[{'name':'a','allocatedResources':"
                      "{'cpu':'400m'},'resources':{'requests':{'cpu':'200m'}}}]}}",
     400},
    {"{'spec':{'containers':[" CPU(
         "a", "900m") "]},'status':{'containerStatuses':[{'name':'a','allocatedResources':"
                      "{'cpu':'400m'}}]}}",
     900},
    {"{'spec':{'containers':[" CPU(
         "a",
         "900m") "]},'status':{'conditions':[{'type':'PodResizePending','reason':"
                 "'Infeasible'}],'containerStatuses':[{'name':'a','allocatedResources':{'cpu':'400m'}}]}}",
     400},
    /* Nonsense counts for nothing. */
    {"{'spec':{'containers':[" CPU("a", "many") "," CPU("b", "-5") "," CPU("c", "1e40") "," CPU(
         "d", "10m") ",7]}}",
     10},
};

static void test_requests(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(MIB);
  for (size_t i = 0; i < KM_ARRAY_LEN(requests); i++) {
    struct amount amount = pod_request(json_of(arena, requests[i].pod), COMPUTE_CPU);
    int64_t milli = amount.known ? (int64_t)(amount.value / 1000000) : -1;
    if (milli != requests[i].milli) {
      fail_msg("%s: %lld, not %lld", requests[i].pod, (long long)milli, (long long)requests[i].milli);
    }
    assert_false(pod_request(json_of(arena, requests[i].pod), COMPUTE_MEMORY).known);
  }
  km_arena_free(arena);
}

#define LIMIT(text)           "{'resources':{'limits':{'memory':'" text "'}}}"
#define LIMITED_SIDECAR(text) "{'restartPolicy':'Always','resources':{'limits':{'memory':'" text "'}}}"

static const struct {
  const char *pod;
  int64_t mebibytes; /* -1 = unbounded */
} limits[] = {
    {"{'spec':{'containers':[" LIMIT("64Mi") "," LIMIT("1Gi") "]}}", 1088},
    {"{'spec':{'containers':[" LIMIT("64Mi") ",{}]}}", -1}, /* one without a limit may take all */
    {"{'spec':{'containers':[" LIMIT("64Mi") "],'initContainers':[" LIMITED_SIDECAR("6Mi") "]}}", 70},
    {"{'spec':{'containers':[" LIMIT("64Mi") "],'initContainers':[{'restartPolicy':'Always'}]}}", -1},
    {"{'spec':{'containers':[" LIMIT("64Mi") "],'initContainers':[{}]}}", 64},
    {"{'spec':{'resources':{'limits':{'memory':'9Mi'}},'containers':[{}]}}", 9},
    {"{'spec':{'overhead':{'memory':'10Mi'},'containers':[" LIMIT("64Mi") "]}}", 74},
    {"{'spec':{'overhead':{'memory':'10Mi'},'containers':[]}}", -1},
};

static void test_limits(void **state)
{
  (void)state;
  struct km_arena *arena = km_arena_new(MIB);
  for (size_t i = 0; i < KM_ARRAY_LEN(limits); i++) {
    struct amount amount = pod_limit(json_of(arena, limits[i].pod), COMPUTE_MEMORY);
    int64_t mebibytes = amount.known ? (int64_t)(amount.value / 1000000000 / (1024 * 1024)) : -1;
    if (mebibytes != limits[i].mebibytes) {
      fail_msg("%s: %lld, not %lld", limits[i].pod, (long long)mebibytes, (long long)limits[i].mebibytes);
    }
  }
  km_arena_free(arena);
}

static void test_percentages(void **state)
{
  (void)state;
  assert_int_equal(percent_of(1, 3), 33);
  assert_int_equal(percent_of(3, 1), 300);
  assert_int_equal(percent_of(0, 5), 0);
  assert_int_equal(percent_of(5, 0), -1);
  km_nano huge = (km_nano)INT64_MAX * 1000000000 * 1000000;
  assert_int_equal(percent_of(huge, huge), 100);
  assert_int_equal(percent_of(huge, 1), INT32_MAX);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_requests),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_percentages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
