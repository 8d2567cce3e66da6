/* resources_describe over objects that the test writes down. */
#include "tools/fixture.h"

#include "kube_mcp/base/banned.h"

/* What the cluster answers to a path that begins so. */
struct page {
  const char *path, *body; /* BODY with ' for " */
  int status;              /* 0 = 200 */
};

struct script {
  const struct page *pages;
  size_t count;
};

static bool serve_page(struct exchange *x, void *data, bool *ret_mine)
{
  const struct script *script = data;
  for (size_t i = 0; i < script->count; i++) {
    const struct page *page = &script->pages[i];
    if (strncmp(x->path, page->path, strlen(page->path)) != 0) {
      continue;
    }
    *ret_mine = true;
    if (page->status != 0) {
      return reply_status(x, page->status, "Forbidden", "no right to list these", "");
    }
    char *body = strdup(page->body);
    for (char *c = body; *c != '\0'; c++) {
      *c = *c == '\'' ? '"' : *c;
    }
    bool open = server_reply(x, 200, "Content-Type: application/json\r\n", body);
    free(body);
    return open;
  }
  *ret_mine = strstr(x->path, "/events?") != NULL;
  return *ret_mine ? server_reply(x, 200, "Content-Type: application/json\r\n",
                                  "{\"kind\":\"EventList\",\"metadata\":{},\"items\":[]}")
                   : true;
}

/* A cluster of PAGES, and what is said of one object in it. */
#define DESCRIBE(kit_, pages_, ...)                                                                          \
  struct script script = {.pages = (pages_), .count = KM_ARRAY_LEN(pages_)};                                 \
  struct kit *kit_ = kit_new(0);                                                                             \
  (kit_)->cluster.own = serve_page;                                                                          \
  (kit_)->cluster.own_data = &script;                                                                        \
  const char *text = expect((kit_), "resources_describe", __VA_ARGS__)

#define POD                                                                                                  \
  "{'kind':'Pod','apiVersion':'v1','metadata':{'name':'web-0','namespace':'shop','uid':'u',"                 \
  "'labels':{'app':'web','tier':'front'},'annotations':{'note':'a\\nb','kubectl.kubernetes.io/last-applied-" \
  "configuration':'{}'},'creationTimestamp':'2020-01-01T00:00:00Z','finalizers':['a/b'],"                    \
  "'ownerReferences':[{'kind':'ReplicaSet','name':'web','controller':true},{'kind':'X','name':'y'}]},"       \
  "'spec':{'nodeName':'n1','restartPolicy':'Always','priority':7,'schedulingGates':[{'name':'g'}],"          \
  "'tolerations':[{'key':'k','operator':'Exists','effect':'NoExecute','tolerationSeconds':300},"             \
  "{'key':'a','operator':'Equal','value':'b'}],"                                                             \
  "'initContainers':[{'name':'init','image':'init:1'}],"                                                     \
  "'containers':[{'name':'web','image':'web:2','command':['sh','-c','x'],"                                   \
  "'ports':[{'name':'http','containerPort':8080,'protocol':'TCP','hostPort':80},{'containerPort':9}],"       \
  "'resources':{'requests':{'cpu':'200m','memory':'1Gi'},'limits':{'cpu':'1'}},"                             \
  "'livenessProbe':{'httpGet':{'path':'/live','port':'http','scheme':'HTTPS'},'periodSeconds':5},"           \
  "'readinessProbe':{'exec':{'command':['cat','x']}},'startupProbe':{'tcpSocket':{'port':90}},"              \
  "'envFrom':[{'secretRef':{'name':'all'}}],"                                                                \
  "'env':[{'name':'PLAIN','value':'v'},"                                                                     \
  "{'name':'PASSWORD','valueFrom':{'secretKeyRef':{'name':'s','key':'k','optional':true}}},"                 \
  "{'name':'MODE','valueFrom':{'configMapKeyRef':{'name':'c','key':'m'}}},"                                  \
  "{'name':'IP','valueFrom':{'fieldRef':{'fieldPath':'status.podIP'}}}],"                                    \
  "'volumeMounts':[{'name':'config','mountPath':'/etc/web','readOnly':true,'subPath':'p'}]}],"               \
  "'volumes':[{'name':'config','configMap':{'name':'c','defaultMode':420}},"                                 \
  "{'name':'token','projected':{'defaultMode':420,'sources':[{'serviceAccountToken':"                        \
  "{'expirationSeconds':3607,'path':'token'}},{'configMap':{'name':'root'}}]}}]},"                           \
  "'status':{'phase':'Running','qosClass':'Burstable','hostIP':'10.0.0.9','podIPs':[{'ip':'10.1.0.1'},"      \
  "{'ip':'fd00::1'}],'conditions':[{'type':'Ready','status':'False','reason':'NotReady','message':'m'}],"    \
  "'containerStatuses':[{'name':'web','ready':false,'restartCount':4,'imageID':'web@sha256:0',"              \
  "'state':{'waiting':{'reason':'CrashLoopBackOff','message':'back-off'}},"                                  \
  "'lastState':{'terminated':{'exitCode':137,'reason':'OOMKilled','startedAt':'2020-01-01T00:00:00Z'}}}]}}"

static void test_a_pod(void **state)
{
  (void)state;
  static const struct page pages[] = {{"/api/v1/namespaces/shop/pods/web-0", POD, 0}};
  DESCRIBE(kit, pages, "{'kind':'pod','name':'web-0','namespace':'shop'}");
  static const char *const wanted[] = {
      "Pod: shop/web-0 (v1)\nlabels: app=web, tier=front\nannotations:\n  note: a b\n",
      "finalizers: a/b\n",
      "controlled by: ReplicaSet/web\nowned by: X/y\n",
      "status: Running\nnode: n1\nnode ip: 10.0.0.9\nips: 10.1.0.1, fd00::1\n",
      "priority: 7\n",
      "scheduling gates: g\n",
      "tolerations: k:NoExecute op=Exists for 300s, a=b\n",
      "conditions:\n  TYPE    STATUS   REASON     MESSAGE\n  Ready   False    NotReady   m\n",
      "init container init:\n  image: init:1\ncontainer web:\n  image: web:2\n",
      "  state: waiting, CrashLoopBackOff: back-off\n",
      "  last state: terminated, OOMKilled, exit code 137, started 2020-01-01T00:00:00Z (",
      "  ready: false\n  restarts: 4\n  image id: web@sha256:0\n",
      "  command: [sh, -c, x]\n",
      "  requests: cpu=200m, memory=1Gi\n  limits: cpu=1\n",
      "  ports: http 8080/TCP on host port 80, 9/TCP\n",
      "  liveness: http-get https://:http/live delay=0s timeout=1s period=5s success=1 failure=3\n",
      "  readiness: exec [cat, x] delay=0s",
      "  startup: tcp-socket :90 delay=0s",
      "  environment:\n    all of secret: all\n    PLAIN: v\n    PASSWORD: from key k of secret s, optional\n"
      "    MODE: from key m of configmap c\n    IP: from field status.podIP\n",
      "  mounts:\n    /etc/web: config (ro, path p)\n",
      "volumes:\n  config: configMap name=c\n  token: projected serviceAccountToken for 3607s, configMap "
      "root\n",
      "events: none\n",
  };
  for (size_t i = 0; i < KM_ARRAY_LEN(wanted); i++) {
    assert_contains(text, wanted[i]);
  }
  assert_null(strstr(text, "last-applied"));
  assert_null(strstr(text, "restart policy")); /* as usual */
  kit_free(kit);
}

static void test_a_deployment(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/apis/apps/v1/namespaces/shop/deployments/web",
       "{'kind':'Deployment','apiVersion':'apps/v1','metadata':{'name':'web','namespace':'shop','uid':'u1',"
       "'annotations':{'deployment.kubernetes.io/revision':'3'}},'spec':{'replicas':2,'strategy':{'type':"
       "'RollingUpdate','rollingUpdate':{'maxSurge':'25%'}},'selector':{'matchLabels':{'app':'web'},"
       "'matchExpressions':[{'key':'tier','operator':'In','values':['a','b']},{'key':'old','operator':"
       "'DoesNotExist'}]},'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
       "'image':'i:1'}]}}},'status':{'replicas':3}}",
       0},
      {"/apis/apps/v1/namespaces/shop/replicasets?",
       "{'kind':'ReplicaSetList','metadata':{},'items':["
       "{'metadata':{'name':'web-1','annotations':{'deployment.kubernetes.io/"
       "revision':'1'},'ownerReferences':"
       "[{'uid':'u1'}]},'spec':{'replicas':0}},"
       "{'metadata':{'name':'web-2','annotations':{'deployment.kubernetes.io/"
       "revision':'2'},'ownerReferences':"
       "[{'uid':'u1'}]},'spec':{'replicas':1},'status':{'replicas':1}},"
       "{'metadata':{'name':'web-3','annotations':{'deployment.kubernetes.io/"
       "revision':'3'},'ownerReferences':"
       "[{'uid':'u1'}]},'spec':{'replicas':2},'status':{'replicas':2,'readyReplicas':1}},"
       "{'metadata':{'name':'other','ownerReferences':[{'uid':'u2'}]},'spec':{'replicas':9}}]}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'deployment','name':'web','namespace':'shop'}");
  assert_contains(text, "selector: app=web,tier in (a,b),!old\n");
  assert_contains(text, "rolling update: maxSurge=25%\n");
  assert_contains(text, "old replicaset: web-2 (1/1 replicas created, 0 ready, revision 2)\n");
  assert_contains(text, "new replicaset: web-3 (2/2 replicas created, 1 ready, revision 3)\n");
  assert_contains(text, "older revisions: 1 replicasets without pods\n");
  assert_contains(text, "pod template:\n  labels: app=web\n  container c:\n    image: i:1\n");
  assert_null(strstr(text, "other"));
  kit_free(kit);
}

#define SERVICE                                                                                              \
  "{'kind':'Service','apiVersion':'v1','metadata':{'name':'web','namespace':'shop'},'spec':{'type':"         \
  "'ClusterIP','clusterIPs':['10.96.0.1'],'ports':[{'name':'http','port':80,'targetPort':'web'},"            \
  "{'port':443,'targetPort':8443,'nodePort':30443}]}}"

static void test_a_service(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/namespaces/shop/services/web", SERVICE, 0},
      {"/apis/discovery.k8s.io/v1/namespaces/shop/"
       "endpointslices?limit=10&labelSelector=kubernetes.io%2Fservice-name%3Dweb",
       "{'kind':'EndpointSliceList','metadata':{},'items':[{'ports':[{'port':8080},{'port':8443}],'endpoints'"
       ":["
       "{'addresses':['10.1.0.1'],'conditions':{'ready':true}},{'addresses':['10.1.0.2'],'conditions':"
       "{'ready':false}},{'addresses':['fd00::3'],'conditions':{}}]}]}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'service','name':'web','namespace':'shop'}");
  assert_contains(
      text, "  NAME   PORT   TARGET   NODE PORT\n  http   80     web\n         443    8443     30443\n");
  assert_contains(text, "endpoints: 10.1.0.1:8080, 10.1.0.1:8443, [fd00::3]:8080, [fd00::3]:8443\n"
                        "endpoints not ready: 10.1.0.2:8080, 10.1.0.2:8443\n");
  kit_free(kit);
}

/* What is not allowed is said in its place; the rest is there. */
static void test_sections_not_allowed(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/namespaces/shop/services/web", SERVICE, 0},
      {"/apis/discovery.k8s.io/", "", 403},
      {"/api/v1/namespaces/shop/events", "", 403},
  };
  DESCRIBE(kit, pages, "{'kind':'service','name':'web','namespace':'shop'}");
  assert_contains(text, "ips: 10.96.0.1\n");
  assert_contains(text, "endpoints: (not allowed: ");
  assert_contains(text, "events: (not allowed: ");
  kit_free(kit);
}

static void test_a_node(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/nodes/n1",
       "{'kind':'Node','apiVersion':'v1','metadata':{'name':'n1'},'spec':{'taints':[{'key':'a','effect':"
       "'NoSchedule'}]},'status':{'allocatable':{'cpu':'2','memory':'4Gi','pods':'110'},'nodeInfo':"
       "{'kubeletVersion':'v1.36.3'}}}",
       0},
      {"/api/v1/pods?limit=10&fieldSelector=spec.nodeName%3Dn1%2Cstatus.phase%21%3DSucceeded",
       "{'kind':'PodList','metadata':{},'items':[{'metadata':{'namespace':'shop','name':'web'},'spec':"
       "{'containers':[{'resources':{'requests':{'cpu':'500m','memory':'1Gi'},'limits':{'memory':'2Gi'}}},"
       "{'resources':{}}]}},{'metadata':{'namespace':'shop','name':'db'},'spec':{'initContainers':[{'"
       "resources':"
       "{'limits':{'cpu':'1500m'}}}],'containers':[{'resources':{'requests':{'cpu':'500m'},'limits':"
       "{'cpu':'1'}}}]}}]}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'node','name':'n1'}");
  assert_contains(text, "Node: n1 (v1)\n");
  assert_contains(text, "taints:\n  key=a effect=NoSchedule\n");
  assert_contains(text, "allocated cpu: requests 1 (50%), limits 1500m (75%)\n");
  assert_contains(text, "allocated memory: requests 1Gi (25%), limits 2Gi (50%)\n");
  assert_contains(text, "pods (2):\n  NAMESPACE   NAME   CPU REQUESTS   CPU LIMITS");
  assert_contains(text, "  shop        web    500m (25%)     0 (0%)        1Gi (25%)         2Gi (50%)");
  kit_free(kit);
}

static void test_secrets_and_configmaps(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/namespaces/shop/secrets/s",
       "{'kind':'Secret','apiVersion':'v1','metadata':{'name':'s','namespace':'shop'},'type':'Opaque',"
       "'data':{'password':'Y2FuYXJ5LWluLWEtc2VjcmV0'}}",
       0},
      {"/api/v1/namespaces/shop/configmaps/c",
       "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'shop'},'data':{'a':'"
       "one\\ntwo\\n',"
       "'b':''},'binaryData':{'z':'AAEC/w=='}}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'secret','name':'s','namespace':'shop'}");
  assert_contains(text, "type: Opaque\ndata:\n  password: <redacted 18 bytes, fingerprint ");
  assert_null(strstr(text, CANARY));
  assert_null(strstr(text, "Y2Fu"));
  text = expect(kit, "resources_describe", "{'kind':'configmap','name':'c','namespace':'shop'}");
  assert_contains(text, "keys: 3\na (8 bytes):\n  one\n  two\nb (0 bytes):\nz: 4 bytes, binary\n");
  kit_free(kit);
}

/* One resource as aggregated discovery tells it. */
#define SERVED(group_, plural_, kind_)                                                                       \
  "{'metadata':{'name':'" group_ "'},'versions':[{'version':'v1','resources':[{'resource':'" plural_         \
  "','responseKind':{'group':'" group_ "','version':'v1','kind':'" kind_                                     \
  "'},'scope':'Namespaced','singularResource':'" plural_ "','verbs':['get','list']}]}]}"
#define DISCOVERY                                                                                                                                              \
  "{'kind':'APIGroupDiscoveryList','apiVersion':'apidiscovery.k8s.io/v2','metadata':{},'items':[" SERVED(                                                      \
      "rbac.authorization.k8s.io", "roles",                                                                                                                    \
      "Role") "," SERVED("batch", "cronjobs",                                                                                                                  \
                         "CronJob") "," SERVED("autoscaling", "horizontalpodautoscalers",                                                                      \
                                               "HorizontalPodAutoscaler") "," SERVED("networking.k8s.io",                                                      \
                                                                                     "ingresses",                                                              \
                                                                                     "Ingress") "," SERVED("networking.k8s.io",                                \
                                                                                                           "networkpolicies",                                  \
                                                                                                           "NetworkPolicy") "," SERVED("policy",               \
                                                                                                                                       "poddisruptionbudgets", \
                                                                                                                                       "PodDisruptionBudget") "]}"
#define NAMED(kind_, version_, rest_)                                                                        \
  "{'kind':'" kind_ "','apiVersion':'" version_ "','metadata':{'name':'x','namespace':'shop'}," rest_ "}"

static void test_many_kinds(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles/x",
       NAMED("Role", "rbac.authorization.k8s.io/v1",
             "'rules':[{'apiGroups':['','apps'],'resources':['pods','deployments'],'verbs':['get','list'],"
             "'resourceNames':['web']},{'nonResourceURLs':['/metrics'],'verbs':['get']}]"),
       0},
      {"/apis/batch/v1/namespaces/shop/cronjobs/x",
       NAMED("CronJob", "batch/v1",
             "'spec':{'schedule':'*/5 * * * "
             "*','suspend':true,'jobTemplate':{'spec':{'completions':2,'template':"
             "{'spec':{'containers':[{'name':'c','image':'i:9'}]}}}}},'status':{'active':[{'name':'x-1'}]}"),
       0},
      {"/apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers/x",
       NAMED("HorizontalPodAutoscaler", "autoscaling/v2",
             "'spec':{'maxReplicas':5,'scaleTargetRef':{'kind':'Deployment','name':'web'},'metrics':["
             "{'type':'Resource','resource':{'name':'cpu','target':{'averageUtilization':70}}},"
             "{'type':'Pods','pods':{'metric':{'name':'rps'},'target':{'averageValue':'1k'}}}]},"
             "'status':{'currentMetrics':[{'type':'Resource','resource':{'name':'cpu','current':"
             "{'averageUtilization':45,'averageValue':'90m'}}}]}"),
       0},
      {"/apis/networking.k8s.io/v1/namespaces/shop/ingresses/x",
       NAMED("Ingress", "networking.k8s.io/v1",
             "'spec':{'defaultBackend':{'service':{'name':'web','port':{'number':80}}},'rules':[{'host':'a.b'"
             ",'http':"
             "{'paths':[{'path':'/"
             "','pathType':'Prefix','backend':{'service':{'name':'web','port':{'name':'http'}}}},"
             "{'path':'/r','backend':{'resource':{'kind':'Bucket','name':'b'}}}]}}]}"),
       0},
      {"/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/x",
       NAMED("NetworkPolicy", "networking.k8s.io/v1",
             "'spec':{'podSelector':{},'policyTypes':['Ingress','Egress'],'ingress':[{},{'from':[{'ipBlock':{"
             "'cidr':'10.0.0.0/8'}}],'ports':[{'port':80}]}]}"),
       0},
      {"/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?",
       "{'kind':'EndpointSliceList','metadata':{},'items':[]}", 0},
      {"/apis/policy/v1/namespaces/shop/poddisruptionbudgets/x",
       NAMED("PodDisruptionBudget", "policy/v1",
             "'spec':{'minAvailable':'50%','selector':{'matchLabels':{'app':'web'}}},'status':{'"
             "disruptionsAllowed':0}"),
       0},
      {"/api/v1/namespaces/shop/limitranges/x",
       NAMED(
           "LimitRange", "v1",
           "'spec':{'limits':[{'type':'Container','default':{'cpu':'1'},'max':{'cpu':'2','memory':'1Gi'}}]}"),
       0},
      {"/api/v1/namespaces/shop/resourcequotas/x",
       NAMED("ResourceQuota", "v1", "'status':{'hard':{'pods':'10'},'used':{'pods':'3'}}"), 0},
      {"/api/v1/namespaces/shop/persistentvolumeclaims/x",
       NAMED("PersistentVolumeClaim", "v1", "'spec':{'volumeName':'pv'},'status':{'phase':'Bound'}"), 0},
      {"/api/v1/namespaces/shop/pods?",
       "{'kind':'PodList','metadata':{},'items':[{'metadata':{'name':'user'},'spec':{'volumes':[{'name':'d',"
       "'persistentVolumeClaim':{'claimName':'x'}}]}},{'metadata':{'name':'other'},'spec':{'volumes':[{'name'"
       ":'d',"
       "'persistentVolumeClaim':{'claimName':'y'}}]}}]}",
       0},
      {"/apis", DISCOVERY, 0},
      {"/api",
       "{'kind':'APIGroupDiscoveryList','apiVersion':'apidiscovery.k8s.io/v2','metadata':{},'items':[]}", 0},
  };
  static const struct {
    const char *kind, *wanted[3];
  } cases[] = {
      {"roles",
       {"  VERBS       NAMES   URLS       RESOURCES\n"
        "  get, list   web                pods, pods.apps, deployments, deployments.apps\n"
        "  get                 /metrics\n"}},
      {"cronjobs", {"schedule: */5 * * * *\n", "active jobs: x-1\ncompletions: 2\n", "    image: i:9\n"}},
      {"horizontalpodautoscalers",
       {"scales: Deployment/web\n", "  Resource cpu: 45% (90m) of 70%\n", "  Pods rps: unknown of 1k\n"}},
      {"ingresses",
       {"  a.b    /      Prefix      web:http\n",
        "  a.b    /r                 resource={kind=Bucket name=b}\n",
        "endpoints of web: none ready\nevents"}},
      {"networkpolicies.networking.k8s.io",
       {"ingress allowed: ports any; from any\n",
        "ingress allowed: ports [{port=80}]; from [{ipBlock={cidr=10.0.0.0/8}}]\n",
        "egress allowed: none: the selected pods are isolated\n"}},
      {"poddisruptionbudgets", {"min available: 50%\nselector: app=web\ndisruptions allowed: 0\n"}},
      {"limitrange",
       {"  TYPE        RESOURCE   MIN   MAX   DEFAULT REQUEST   DEFAULT LIMIT   LIMIT/REQUEST\n",
        "  Container   cpu              2                       1\n",
        "  Container   memory           1Gi\n"}},
      {"resourcequota", {"  RESOURCE   USED   HARD\n  pods       3      10\n"}},
      {"persistentvolumeclaim", {"status: Bound\nvolume: pv\nused by: user\n"}},
  };
  struct script script = {.pages = pages, .count = KM_ARRAY_LEN(pages)};
  struct kit *kit = kit_new(0);
  kit->cluster.own = serve_page;
  kit->cluster.own_data = &script;
  for (size_t i = 0; i < KM_ARRAY_LEN(cases); i++) {
    const char *text =
        expect(kit, "resources_describe", "{'kind':'%s','name':'x','namespace':'shop'}", cases[i].kind);
    for (size_t j = 0; j < KM_ARRAY_LEN(cases[i].wanted) && cases[i].wanted[j] != NULL; j++) {
      assert_contains(text, cases[i].wanted[j]);
    }
  }
  kit_free(kit);
}

/* Kinds that nobody wrote sections for. */
static void test_other_kinds(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/namespaces/shop/endpoints/e",
       "{'kind':'Endpoints','apiVersion':'v1','metadata':{'name':'e','namespace':'shop'},'spec':{'x':[1,'two'"
       "],"
       "'y':{'z':null}},'status':{'phase':'Good','conditions':[{'type':'Fine','status':'True'}]}}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'endpoints','name':'e','namespace':'shop'}");
  assert_contains(
      text, "Endpoints: shop/e (v1)\nspec:\n  x:\n  - 1\n  - two\n  \"y\":\n    z: null\nstatus:\n  phase: "
            "Good\nconditions:\n  TYPE   STATUS\n  Fine   True\nevents: none\n");
  kit_free(kit);
}

/* The object gives way, never the events; whole lines only. */
static void test_budgets(void **state)
{
  (void)state;
  struct km_buf body;
  km_buf_init(&body, 8 * MIB);
  km_buf_puts(&body,
              "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'c','namespace':'shop'},'data':{");
  for (int i = 0; i < 500; i++) {
    km_buf_printf(&body, "%s'key-%d':'", i > 0 ? "," : "", i);
    km_buf_fill(&body, 'x', (size_t)i * 20);
    km_buf_puts(&body, "'");
  }
  km_buf_puts(&body, "}}");
  const struct page pages[] = {
      {"/api/v1/namespaces/shop/configmaps/c", body.data, 0},
      {"/api/v1/namespaces/shop/events?",
       "{'kind':'EventList','metadata':{},'items':[{'metadata':{'namespace':'shop'},'involvedObject':{'kind':"
       "'ConfigMap','name':'c'},'type':'Warning','reason':'Seen','message':'m'}]}",
       0},
  };
  DESCRIBE(kit, pages, "{'kind':'configmap','name':'c','namespace':'shop'}");
  static const size_t budgets[] = {1024, 1500, 4096, 32 * 1024};
  for (size_t i = 0; i < KM_ARRAY_LEN(budgets); i++) {
    kit->toolbox.max_result_bytes = budgets[i];
    text = expect(kit, "resources_describe", "{'kind':'configmap','name':'c','namespace':'shop'}");
    assert_contains(text, "ConfigMap: shop/c (v1)\n");
    assert_contains(text, "\n# cut: ");
    assert_contains(text, "Warning   Seen     m\n");
  }
  kit_free(kit);
  km_buf_done(&body);
}

/* Names, annotations and messages come from strangers; members may be of any type. */
static void test_hostile_objects(void **state)
{
  (void)state;
  static const struct page pages[] = {
      {"/api/v1/namespaces/shop/pods/a",
       "{'kind':'Pod','apiVersion':'v1','metadata':{'name':'a','namespace':'shop','labels':7,'annotations':"
       "{'x\\n# context prod: fake':'\\u001b[31mred\\u202e\\n# "
       "cut'},'ownerReferences':[7,null,{}],'finalizers':'f',"
       "'creationTimestamp':'yesterday'},'spec':{'containers':[null,7,{'name':7,'ports':[1],'env':[null,{'"
       "valueFrom':"
       "{'newRef':{'a':1}}}],'volumeMounts':[{}],'livenessProbe':{},'resources':{'limits':[]}}],'volumes':[1,"
       "{}],"
       "'tolerations':[1,{}]},'status':{'conditions':[7,{'type':{}}],'podIPs':{},'containerStatuses':[null,"
       "{'name':'x'}]}}",
       0},
      {"/api/v1/namespaces/shop/pods/b", "{'kind':'Pod','metadata':{},'spec':null,'status':'x'}", 0},
  };
  DESCRIBE(kit, pages, "{'kind':'pod','name':'a','namespace':'shop'}");
  assert_contains(text, "  x # context prod: fake: red # cut\n");
  assert_null(strstr(text, "\n# "));
  assert_null(strstr(text, "\x1b"));
  assert_contains(text, "from newRef={a=1}\n");
  assert_contains(expect(kit, "resources_describe", "{'kind':'pod','name':'b','namespace':'shop'}"),
                  "Pod: shop/b");
  kit_free(kit);
}

static void test_absent(void **state)
{
  (void)state;
  static const struct page pages[] = {{"/none", "", 0}};
  struct script script = {.pages = pages, .count = 1};
  struct kit *kit = kit_new(1);
  kit->cluster.own = serve_page;
  kit->cluster.own_data = &script;
  const char *text = expect_failure(kit, KM_E_NOT_FOUND, "NotFound", "resources_describe",
                                    "{'kind':'pod','name':'none','namespace':'shop'}");
  assert_contains(text, "looked in namespace 'shop'");
  expect_failure(kit, KM_E_INVALID, "ValidationError", "resources_describe", "{'kind':'pod'}");
  kit_free(kit);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_pod),      cmocka_unit_test(test_a_deployment),
      cmocka_unit_test(test_a_service),  cmocka_unit_test(test_sections_not_allowed),
      cmocka_unit_test(test_a_node),     cmocka_unit_test(test_secrets_and_configmaps),
      cmocka_unit_test(test_many_kinds), cmocka_unit_test(test_other_kinds),
      cmocka_unit_test(test_budgets),    cmocka_unit_test(test_hostile_objects),
      cmocka_unit_test(test_absent),
  };
  km_log_init(KM_LOG_CRITICAL, KM_LOG_TEXT);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
