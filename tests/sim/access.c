/* Who may do what: the recorded RBAC roles and bindings, evaluated as the API server does (no aggregation is needed: the
 * recording has the aggregated rules). */
#include <string.h>

#include "kube_mcp/base/str.h"
#include "kube_mcp/codec/json.h"
#include "sim.h"

#include "kube_mcp/base/banned.h"

#define RBAC "rbac.authorization.k8s.io"

bool sim_in_group(const struct sim_identity *who, const char *group)
{
  for (size_t i = 0; i < who->group_count; i++) {
    if (km_streq(who->groups[i], group)) {
      return true;
    }
  }
  return false;
}

static bool contains(yyjson_val *texts, const char *wanted)
{
  size_t i, max;
  yyjson_val *text;
  yyjson_arr_foreach(texts, i, max, text)
  {
    if (km_streq(yyjson_get_str(text), "*") || km_streq(yyjson_get_str(text), wanted)) {
      return true;
    }
  }
  return false;
}

static bool rules_allow(yyjson_val *rules, const struct sim_access *access)
{
  size_t i, max;
  yyjson_val *rule;
  yyjson_arr_foreach(rules, i, max, rule)
  {
    yyjson_val *names = km_json_arr(rule, "resourceNames");
    if (contains(km_json_arr(rule, "verbs"), access->verb) &&
        contains(km_json_arr(rule, "apiGroups"), access->group) &&
        contains(km_json_arr(rule, "resources"), access->resource) &&
        (yyjson_arr_size(names) == 0 || contains(names, access->name))) {
      return true;
    }
  }
  return false;
}

static bool is_subject(yyjson_val *subjects, const struct sim_identity *who)
{
  size_t i, max;
  yyjson_val *subject;
  yyjson_arr_foreach(subjects, i, max, subject)
  {
    const char *kind = km_json_str(subject, "kind"), *name = km_json_str(subject, "name");
    const char *ns = km_json_str(subject, "namespace");
    char account[256];
    (void)snprintf(account, sizeof(account), "system:serviceaccount:%s:%s", ns == NULL ? "" : ns, name);
    if ((km_streq(kind, "User") && km_streq(name, who->user)) ||
        (km_streq(kind, "Group") && sim_in_group(who, name)) ||
        (km_streq(kind, "ServiceAccount") && km_streq(account, who->user))) {
      return true;
    }
  }
  return false;
}

/* The rules that BINDING, of namespace NS, refers to. */
static yyjson_val *bound_rules(const struct sim_cluster *cluster, yyjson_val *binding, const char *ns)
{
  yyjson_val *reference = km_json_obj(binding, "roleRef");
  bool wide = km_streq(km_json_str(reference, "kind"), "ClusterRole");
  const struct sim_object *role =
      sim_object_find(sim_resource_find(cluster, RBAC, wide ? "clusterroles" : "roles"), wide ? "" : ns,
                      km_json_str(reference, "name"));
  return role == NULL ? NULL : km_json_arr(role->root, "rules");
}

static bool bindings_allow(const struct sim_cluster *cluster, const char *plural, const char *ns,
                           const struct sim_identity *who, const struct sim_access *access)
{
  const struct sim_resource *bindings = sim_resource_find(cluster, RBAC, plural);
  for (size_t i = 0; bindings != NULL && i < bindings->count; i++) {
    const struct sim_object *binding = &bindings->objects[i];
    if (km_streq(binding->ns, ns) && is_subject(km_json_arr(binding->root, "subjects"), who) &&
        rules_allow(bound_rules(cluster, binding->root, ns), access)) {
      return true;
    }
  }
  return false;
}

bool sim_allowed(const struct sim_cluster *cluster, const struct sim_identity *who,
                 const struct sim_access *access)
{
  bool everyones =
      km_starts_with(access->resource, "selfsubject") && !sim_in_group(who, "system:unauthenticated");
  return everyones || sim_in_group(who, "system:masters") ||
         bindings_allow(cluster, "clusterrolebindings", "", who, access) ||
         (access->ns[0] != '\0' && bindings_allow(cluster, "rolebindings", access->ns, who, access));
}

/* --- reviews ------------------------------------------------------------------------------------------------------------ */

static const char *text_or_empty(yyjson_val *object, const char *key)
{
  const char *text = km_json_str(object, key);
  return text == NULL ? "" : text;
}

static void review_access(const struct sim_request *request, struct sim_answer *answer)
{
  struct km_error err;
  yyjson_doc *doc = NULL;
  if (request->body[0] != '{') {
    sim_fail(
        answer, 415, "UnsupportedMediaType", "{}",
        "the body of the request was in an unknown format - accepted media types include: application/json");
    return;
  }
  if (km_json_parse(request->arena, request->body, strlen(request->body), KM_JSON_MAX_DEPTH, &doc, &err) !=
      KM_OK) {
    sim_fail(answer, 400, "BadRequest", NULL, "couldn't get version/kind; json parse error: %s", err.message);
    return;
  }
  yyjson_val *wanted = km_json_at(yyjson_doc_get_root(doc), "spec", "resourceAttributes", NULL);
  const char *subresource = text_or_empty(wanted, "subresource");
  const char *resource = text_or_empty(wanted, "resource");
  struct sim_access access = {
      .verb = text_or_empty(wanted, "verb"),
      .group = text_or_empty(wanted, "group"),
      .resource =
          *subresource == '\0' ? resource : km_arena_printf(request->arena, "%s/%s", resource, subresource),
      .ns = text_or_empty(wanted, "namespace"),
      .name = text_or_empty(wanted, "name"),
  };
  answer->status = 201;
  km_buf_puts(&answer->body,
              "{\"kind\":\"SelfSubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\","
              "\"metadata\":{},\"spec\":");
  km_json_write_val(km_json_obj(yyjson_doc_get_root(doc), "spec"), false, &answer->body);
  km_buf_printf(&answer->body, ",\"status\":{\"allowed\":%s}}\n",
                sim_allowed(request->cluster, request->who, &access) ? "true" : "false");
}

static void review_self(const struct sim_request *request, struct sim_answer *answer)
{
  answer->status = 201;
  km_buf_printf(&answer->body,
                "{\"kind\":\"SelfSubjectReview\",\"apiVersion\":\"authentication.k8s.io/"
                "v1\",\"metadata\":{},\"status\":"
                "{\"userInfo\":{\"username\":\"%s\",\"groups\":[",
                request->who->user);
  for (size_t i = 0; i < request->who->group_count; i++) {
    km_buf_printf(&answer->body, "%s\"%s\"", i == 0 ? "" : ",", request->who->groups[i]);
  }
  km_buf_puts(&answer->body, "]}}}\n");
}

bool sim_review(const struct sim_request *request, const struct sim_target *target, struct sim_answer *answer)
{
  if (km_streq(target->plural, "selfsubjectaccessreviews")) {
    review_access(request, answer);
  } else if (km_streq(target->plural, "selfsubjectreviews")) {
    review_self(request, answer);
  } else {
    return false;
  }
  return true;
}
