/* Every tool of the product, in the order tools/list shows them. */
#include "kube_mcp/tools/toolbox.h"

#include "kube_mcp/base/banned.h"

extern const struct km_tool km_tool_config_contexts_list, km_tool_namespaces_list, km_tool_nodes_summary,
    km_tool_nodes_top, km_tool_pods_list, km_tool_pods_get, km_tool_pods_logs, km_tool_pods_top,
    km_tool_events_list, km_tool_resources_list, km_tool_resources_get, km_tool_resources_describe,
    km_tool_api_resources_list;

const struct km_tool *const km_tools[] = {
    &km_tool_config_contexts_list,
    &km_tool_namespaces_list,
    &km_tool_nodes_summary,
    &km_tool_nodes_top,
    &km_tool_pods_list,
    &km_tool_pods_get,
    &km_tool_pods_logs,
    &km_tool_pods_top,
    &km_tool_events_list,
    &km_tool_resources_list,
    &km_tool_resources_get,
    &km_tool_resources_describe,
    &km_tool_api_resources_list,
    NULL,
};

size_t km_tool_count(void)
{
  return KM_ARRAY_LEN(km_tools) - 1;
}
