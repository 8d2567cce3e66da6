/* Lists, page by page, with memory bounded by one page. */
#ifndef KM_KUBE_LIST_H
#define KM_KUBE_LIST_H

#include "kube_mcp/kube/discovery.h"

enum km_list_form {
  KM_LIST_TABLE,         /* as=Table, rows with object metadata */
  KM_LIST_TABLE_BARE,    /* as=Table, rows without objects */
  KM_LIST_METADATA,      /* PartialObjectMetadataList */
  KM_LIST_OBJECTS,       /* whole objects */
  KM_LIST_TABLE_OBJECTS, /* as=Table, rows with whole objects */
};

struct km_list_query {
  const struct km_resource *resource;
  const char *ns;             /* NULL = all namespaces, or cluster-scoped */
  const char *name;           /* one object by field selector, or NULL */
  const char *label_selector; /* or NULL */
  const char *field_selector; /* or NULL */
  enum km_list_form form;
  int64_t page_size;
  const char *resume_token;     /* continue token to start from, or NULL */
  const char *resource_version; /* exact version to start from (with no token), or NULL */
};

struct km_list_page {
  yyjson_val *root;       /* the Table or List of this page; valid during the callback */
  const char *token;      /* with which this page was asked ("" = first) */
  const char *next_token; /* "" = this was the last */
  const char *resource_version;
  int64_t remaining; /* remainingItemCount after this page, -1 = unknown */
  bool inconsistent; /* the server's snapshot expired in between; continued from the same key */
};

/* Calls FN for each page until it returns false (whatever its reason, which is between it and DATA), an error occurs, or
 * the list ends. A 410 continues with the server's fresh token when it gives one, else it is the error (reason
 * "Expired"). Selectors are checked before anything is asked (kube/selector.h). Pages too large for the client's response limit are asked for again in smaller pieces. */
enum km_rc km_client_list(struct km_client *client, const struct km_list_query *query,
                          const struct km_kube_request *request,
                          bool (*fn)(const struct km_list_page *page, void *data), void *data,
                          struct km_error *err);

/* GETs one object (JSON) or, with TABLE, its one-row Table. */
enum km_rc km_client_get_object(struct km_client *client, const struct km_resource *resource, const char *ns,
                                const char *name, bool table, const struct km_kube_request *request,
                                struct km_arena *arena, yyjson_doc **ret, struct km_error *err);

#endif
