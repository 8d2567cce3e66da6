/* Label and field selectors: a list of requirements that all must hold, refused in the API server's words. */
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define MAX_REQUIREMENTS 32
#define MAX_VALUES       64

enum operation { EXISTS, ABSENT, IN, NOT_IN };

struct requirement {
  const char *key;
  enum operation operation;
  const char *values[MAX_VALUES];
  size_t count;
};

struct sim_selector {
  bool fields;
  size_t count;
  struct requirement requirements[MAX_REQUIREMENTS];
};

static const char *trimmed(struct km_arena *arena, const char *text, size_t len)
{
  while (len > 0 && text[0] == ' ') {
    text++;
    len--;
  }
  while (len > 0 && text[len - 1] == ' ') {
    len--;
  }
  return km_arena_strndup(arena, text, len);
}

/* "a, b)" after the opening bracket. */
static bool parse_values(struct km_arena *arena, const char *text, struct requirement *ret,
                         struct km_error *err)
{
  const char *end = strchr(text, ')');
  if (end == NULL) {
    km_error_set(err, KM_E_INVALID,
                 "unable to parse requirement: found '', expected: ',', ')' or identifier");
    return false;
  }
  for (const char *comma; text <= end && ret->count < MAX_VALUES; text = comma + 1) {
    comma = memchr(text, ',', (size_t)(end - text));
    comma = comma == NULL ? end : comma;
    ret->values[ret->count++] = trimmed(arena, text, (size_t)(comma - text));
  }
  return true;
}

/* TEXT is one requirement, blanks trimmed. */
static bool parse_requirement(struct km_arena *arena, const char *text, struct requirement *ret,
                              struct km_error *err)
{
  const char *in = strstr(text, " in "), *not_in = strstr(text, " notin ");
  const char *bracket = strchr(text, '(');
  const char *equals = strchr(text, '=');
  if ((in != NULL || not_in != NULL) && bracket != NULL) {
    const char *word = in != NULL ? in : not_in;
    *ret = (struct requirement){.key = trimmed(arena, text, (size_t)(word - text)),
                                .operation = in != NULL ? IN : NOT_IN};
    return parse_values(arena, bracket + 1, ret, err);
  }
  if (equals != NULL) {
    bool negated = equals > text && equals[-1] == '!';
    const char *value = equals + (equals[1] == '=' ? 2 : 1);
    *ret = (struct requirement){.key = trimmed(arena, text, (size_t)(equals - text) - (negated ? 1 : 0)),
                                .operation = negated ? NOT_IN : IN,
                                .values = {trimmed(arena, value, strlen(value))},
                                .count = 1};
    return true;
  }
  bool absent = text[0] == '!';
  *ret = (struct requirement){.key = trimmed(arena, text + absent, strlen(text + absent)),
                              .operation = absent ? ABSENT : EXISTS};
  if (strpbrk(ret->key, " ()<>") != NULL) {
    km_error_set(err, KM_E_INVALID,
                 "unable to parse requirement: found '%.60s', expected: ',' or 'end of string'", ret->key);
    return false;
  }
  return true;
}

static struct sim_selector *parse(struct km_arena *arena, const char *text, struct km_error *err)
{
  struct sim_selector *selector = KM_ARENA_NEW(arena, struct sim_selector);
  while (*text != '\0' && selector->count < MAX_REQUIREMENTS) {
    size_t len = strcspn(text, ",(");
    if (text[len] == '(') {
      const char *close = strchr(text, ')');
      len = close == NULL ? strlen(text) : (size_t)(close - text) + 1;
    }
    if (!parse_requirement(arena, trimmed(arena, text, len), &selector->requirements[selector->count++],
                           err)) {
      return NULL;
    }
    text += len;
    text += strspn(text, ", ");
  }
  return selector;
}

struct sim_selector *sim_labels_parse(struct km_arena *arena, const char *text, struct km_error *err)
{
  return parse(arena, text, err);
}

/* The fields beside name and namespace that a resource can be selected by. */
static const struct {
  const char *plural, *fields;
} selectable[] = {
    {"pods", " spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
             "status.phase "
             "status.podIP status.nominatedNodeName "},
    {"events", " involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
               "involvedObject.apiVersion involvedObject.fieldPath reason reportingComponent source type "},
    {"secrets", " type "},
    {"namespaces", " status.phase "},
    {"nodes", " spec.unschedulable "},
    {"jobs", " status.successful "},
};

static bool is_selectable(struct km_arena *arena, const char *plural, const char *field)
{
  if (km_streq(field, "metadata.name") || km_streq(field, "metadata.namespace")) {
    return true;
  }
  for (size_t i = 0; i < KM_ARRAY_LEN(selectable); i++) {
    if (km_streq(selectable[i].plural, plural)) {
      return strstr(selectable[i].fields, km_arena_printf(arena, " %s ", field)) != NULL;
    }
  }
  return false;
}

static bool has_own_fields(const char *plural)
{
  for (size_t i = 0; i < KM_ARRAY_LEN(selectable); i++) {
    if (km_streq(selectable[i].plural, plural)) {
      return true;
    }
  }
  return false;
}

struct sim_selector *sim_fields_parse(struct km_arena *arena, const char *text,
                                      const struct sim_target *target, struct km_error *err)
{
  struct sim_selector *selector = parse(arena, text, err);
  for (size_t i = 0; selector != NULL && i < selector->count; i++) {
    const struct requirement *requirement = &selector->requirements[i];
    if (requirement->count == 0) {
      km_error_set(err, KM_E_INVALID, "invalid selector: '%.100s'; can't understand '%.100s'", text,
                   requirement->key);
      return NULL;
    }
    if (is_selectable(arena, target->plural, requirement->key)) {
      continue;
    }
    if (has_own_fields(target->plural)) {
      km_error_set(err, KM_E_INVALID, "field label not supported: %.100s", requirement->key);
    } else {
      km_error_set(err, KM_E_INVALID,
                   "\"%.100s\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                   requirement->key);
    }
    return NULL;
  }
  if (selector != NULL) {
    selector->fields = true;
  }
  return selector;
}

/* The value of "spec.nodeName", with the text of what is absent. */
static const char *field_value(yyjson_val *root, const char *path, char *number, size_t size)
{
  yyjson_val *val = root;
  while (val != NULL && *path != '\0') {
    size_t len = strcspn(path, ".");
    val = yyjson_obj_getn(val, path, len);
    path += len + (path[len] == '.' ? 1 : 0);
  }
  if (yyjson_is_bool(val)) {
    return yyjson_get_bool(val) ? "true" : "false";
  }
  if (yyjson_is_int(val)) {
    (void)snprintf(number, size, "%lld", (long long)yyjson_get_sint(val));
    return number;
  }
  return yyjson_is_str(val) ? yyjson_get_str(val) : "";
}

static bool holds(const struct requirement *requirement, const char *value)
{
  bool found = false;
  for (size_t i = 0; value != NULL && i < requirement->count; i++) {
    found = found || km_streq(value, requirement->values[i]);
  }
  switch (requirement->operation) {
  case EXISTS: return value != NULL;
  case ABSENT: return value == NULL;
  case IN: return found;
  case NOT_IN: return !found;
  }
  return false;
}

bool sim_selector_matches(const struct sim_selector *selector, const struct sim_object *object)
{
  yyjson_val *labels = km_json_at(object->root, "metadata", "labels", NULL);
  for (size_t i = 0; selector != NULL && i < selector->count; i++) {
    const struct requirement *requirement = &selector->requirements[i];
    char number[32];
    const char *value = selector->fields ? field_value(object->root, requirement->key, number, sizeof(number))
                                         : km_json_str(labels, requirement->key);
    if (!holds(requirement, value)) {
      return false;
    }
  }
  return true;
}
