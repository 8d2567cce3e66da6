/* Kubeconfig files and what kubectl makes of them: the expected texts are the output of `kubectl config view --raw
 * --flatten -o json` (kubectl 1.32), one line per context with what the context leads to. */
#ifndef KM_TESTS_MERGE_CASES_H
#define KM_TESTS_MERGE_CASES_H

#define MAX_FILES 8

struct merge_case {
  const char *name;
  struct {
    const char *path, *text;
  } files[MAX_FILES];
  const char *list; /* $KUBECONFIG, relative to the folder of the files */
  const char *expected;
};

/* clang-format off */
#define HEADER "apiVersion: v1\nkind: Config\n"
#define FILE_A HEADER "clusters:\n" \
  "- cluster: {server: \"https://a:1\"}\n" \
  "  name: shared\n" \
  "- cluster: {server: \"https://only-a:1\"}\n" \
  "  name: only-a\n" \
  "users:\n" \
  "- name: shared\n" \
  "  user: {token: token-a}\n" \
  "contexts:\n" \
  "- context: {cluster: shared, user: shared}\n" \
  "  name: one\n"
#define FILE_B HEADER "current-context: two\n" \
  "clusters:\n" \
  "- cluster: {server: \"https://b:1\", tls-server-name: name-b}\n" \
  "  name: shared\n" \
  "- cluster: {server: \"https://only-b:1\"}\n" \
  "  name: only-b\n" \
  "users:\n" \
  "- name: shared\n" \
  "  user: {username: bob, password: builder}\n" \
  "contexts:\n" \
  "- context: {cluster: only-b, user: shared, namespace: b}\n" \
  "  name: one\n" \
  "- context: {cluster: only-b, user: shared, namespace: b}\n" \
  "  name: two\n"

static const struct merge_case merge_cases[] = {
    {
        .name = "the first file wins whole entries",
        .files = {{"a", FILE_A},
                  {"b", FILE_B}},
        .list = "a:b",
        .expected = "current two\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | bearer=token-a\n",
    },
    {
        .name = "order decides",
        .files = {{"a", FILE_A},
                  {"b", FILE_B}},
        .list = "b:a",
        .expected = "current two\n"
                    "one | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | basic=bob:builder\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | basic=bob:builder\n",
    },
    {
        .name = "missing files and empty parts are passed over",
        .files = {{"a", FILE_A},
                  {"b", FILE_B}},
        .list = ":a::missing:b:",
        .expected = "current two\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | bearer=token-a\n",
    },
    {
        .name = "a file named twice counts once",
        .files = {{"a", FILE_A},
                  {"b", FILE_B}},
        .list = "a:b:a:b",
        .expected = "current two\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | bearer=token-a\n",
    },
    {
        .name = "the first current-context that is set wins",
        .files = {{"a", HEADER "current-context: \"\"\n"},
                  {"b", HEADER "current-context: two\n"},
                  {"c", HEADER "clusters:\n"
                  "- cluster: {server: \"https://a:1\"}\n"
                  "  name: shared\n"
                  "- cluster: {server: \"https://only-a:1\"}\n"
                  "  name: only-a\n"
                  "users:\n"
                  "- name: shared\n"
                  "  user: {token: token-a}\n"
                  "contexts:\n"
                  "- context: {cluster: shared, user: shared}\n"
                  "  name: one\n"
                  "current-context: one\n"},
                  {"d", FILE_B}},
        .list = "a:b:c:d",
        .expected = "current two\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | bearer=token-a\n",
    },
    {
        .name = "current-context may come from the last file",
        .files = {{"a", FILE_A},
                  {"b", FILE_B}},
        .list = "a:b:missing",
        .expected = "current two\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n"
                    "two | cluster=only-b | user=shared | namespace=b | server=https://only-b:1 | bearer=token-a\n",
    },
    {
        .name = "context, cluster and user from three files",
        .files = {{"a", HEADER "contexts:\n"
                  "- {name: x, context: {cluster: c, user: u, namespace: ns}}\n"
                  "current-context: x\n"},
                  {"b", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://c:6443\", proxy-url: \"socks5://p:1\", disable-compression: true}}\n"},
                  {"c", HEADER "users:\n"
                  "- {name: u, user: {token: t}}\n"}},
        .list = "a:b:c",
        .expected = "current x\n"
                    "x | cluster=c | user=u | namespace=ns | server=https://c:6443 | proxy=socks5://p:1 | uncompressed=true | bearer=t\n",
    },
    {
        .name = "fields of one entry are not mixed from two files",
        .files = {{"a", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://first\"}}\n"
                  "users:\n"
                  "- {name: u, user: {username: u1}}\n"},
                  {"b", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://second\", tls-server-name: t, certificate-authority-data: Q0E=}}\n"
                  "users:\n"
                  "- {name: u, user: {username: u2, password: p2, as: x}}\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c, user: u}}\n"}},
        .list = "a:b",
        .expected = "current -\n"
                    "x | cluster=c | user=u | server=https://first | basic=u1:\n",
    },
    {
        .name = "paths are relative to the file that names them",
        .files = {{"one/cfg", HEADER "clusters:\n"
                  "- {name: c1, cluster: {server: \"https://1\", certificate-authority: ca.crt}}\n"
                  "users:\n"
                  "- {name: u1, user: {client-certificate: tls/c.crt, client-key: ../keys/k.pem}}\n"},
                  {"two/cfg", HEADER "clusters:\n"
                  "- {name: c2, cluster: {server: \"https://2\", certificate-authority: ca.crt}}\n"
                  "users:\n"
                  "- {name: u2, user: {client-certificate: ../one/tls/c.crt, client-key: k.pem}}\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c1, user: u1}}\n"
                  "- {name: z, context: {cluster: c2, user: u2}}\n"},
                  {"one/ca.crt", "CA of one"},
                  {"two/ca.crt", "CA of two"},
                  {"one/tls/c.crt", "CERT of one"},
                  {"keys/k.pem", "KEY beside"},
                  {"two/k.pem", "KEY of two"}},
        .list = "one/cfg:two/cfg",
        .expected = "current -\n"
                    "x | cluster=c1 | user=u1 | server=https://1 | ca=CA of one | cert=CERT of one | key=KEY beside\n"
                    "z | cluster=c2 | user=u2 | server=https://2 | ca=CA of two | cert=CERT of one | key=KEY of two\n",
    },
    {
        .name = "data stands for files",
        .files = {{"a", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://c\", certificate-authority-data: Q0EgZGF0YQ==}}\n"
                  "users:\n"
                  "- {name: u, user: {client-certificate-data: Q0VSVCBkYXRh, client-key-data: S0VZIGRhdGE=}}\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c, user: u}}\n"}},
        .list = "a",
        .expected = "current -\n"
                    "x | cluster=c | user=u | server=https://c | ca=CA data | cert=CERT data | key=KEY data\n",
    },
    {
        .name = "Base64 may be folded over lines",
        .files = {{"a", HEADER "clusters:\n"
                  "- name: c\n"
                  "  cluster:\n"
                  "    server: https://c\n"
                  "    certificate-authority-data: |\n"
                  "      Q0EgZGF0YSBv\n"
                  "      ZiBzb21lIGxlbmd0aA==\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c, user: \"\"}}\n"}},
        .list = "a",
        .expected = "current -\n"
                    "x | cluster=c | user= | server=https://c | ca=CA data of some length\n",
    },
    {
        .name = "a kubeconfig may be JSON",
        .files = {{"a", "{\"kind\": \"Config\", \"apiVersion\": \"v1\", \"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"https://c/p\\u00e4th\", \"insecure-skip-tls-verify\": true}}], \"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\\\"q\"}}], \"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"c\", \"user\": \"u\"}}], \"current-context\": \"x\"}"}},
        .list = "a",
        .expected = "current x\n"
                    "x | cluster=c | user=u | server=https://c/päth | insecure=true | bearer=t\"q\n",
    },
    {
        .name = "aliases and merge keys",
        .files = {{"a", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://c\"}}\n"
                  "users:\n"
                  "- name: u\n"
                  "  user: &base {token: t, as: joe, as-uid: \"7\", as-groups: [g1, g2], as-user-extra: {k: [v1, v2], l: [w]}}\n"
                  "- name: v\n"
                  "  user: *base\n"
                  "- name: w\n"
                  "  user: {<<: *base, as: jim}\n"
                  "contexts:\n"
                  "- {name: u, context: {cluster: c, user: u}}\n"
                  "- {name: v, context: {cluster: c, user: v}}\n"
                  "- {name: w, context: {cluster: c, user: w}}\n"}},
        .list = "a",
        .expected = "current -\n"
                    "u | cluster=c | user=u | server=https://c | bearer=t | as=joe | uid=7 | group=g1 | group=g2 | extra=k:v1 | extra=k:v2 | extra=l:w\n"
                    "v | cluster=c | user=v | server=https://c | bearer=t | as=joe | uid=7 | group=g1 | group=g2 | extra=k:v1 | extra=k:v2 | extra=l:w\n"
                    "w | cluster=c | user=w | server=https://c | bearer=t | as=jim | uid=7 | group=g1 | group=g2 | extra=k:v1 | extra=k:v2 | extra=l:w\n",
    },
    {
        .name = "keys are case-sensitive and unknown ones ignored",
        .files = {{"a", HEADER "Clusters: nonsense\n"
                  "extra: [1]\n"
                  "preferences: {colors: true}\n"
                  "clusters:\n"
                  "- name: c\n"
                  "  cluster: {server: \"https://c\", Server: \"https://d\", unknown: {a: [b]}, extensions: []}\n"
                  "users:\n"
                  "- {name: u, user: {Token: no, tokenfile: no, USERNAME: no, token: yes-this}}\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c, user: u, extensions: []}}\n"}},
        .list = "a",
        .expected = "current -\n"
                    "x | cluster=c | user=u | server=https://c | bearer=yes-this\n",
    },
    {
        .name = "only the first document counts",
        .files = {{"a", FILE_A "---\n" FILE_B}},
        .list = "a",
        .expected = "current -\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n",
    },
    {
        .name = "an empty file and one of comments add nothing",
        .files = {{"a", ""},
                  {"b", "# nothing\n"
                  "---\n"},
                  {"c", FILE_A}},
        .list = "a:b:c",
        .expected = "current -\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n",
    },
    {
        .name = "apiVersion and kind may be left out",
        .files = {{"a", "clusters:\n"
                  "- cluster: {server: \"https://a:1\"}\n"
                  "  name: shared\n"
                  "- cluster: {server: \"https://only-a:1\"}\n"
                  "  name: only-a\n"
                  "users:\n"
                  "- name: shared\n"
                  "  user: {token: token-a}\n"
                  "contexts:\n"
                  "- context: {cluster: shared, user: shared}\n"
                  "  name: one\n"}},
        .list = "a",
        .expected = "current -\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n",
    },
    {
        .name = "nulls and empty strings mean unset",
        .files = {{"a", HEADER "current-context:\n"
                  "users:\n"
                  "- name: u\n"
                  "  user: {token: null, tokenFile: \"\", client-certificate: , as-groups: null, as-user-extra: {}, username: joe, password: ~}\n"
                  "clusters:\n"
                  "- {name: c, cluster: {server: \"https://c\", certificate-authority: \"\", insecure-skip-tls-verify: null}}\n"
                  "- {name: d}\n"
                  "contexts:\n"
                  "- {name: x, context: {cluster: c, user: u, namespace: \"\"}}\n"}},
        .list = "a",
        .expected = "current -\n"
                    "x | cluster=c | user=u | server=https://c | basic=joe:\n",
    },
    {
        .name = "any name will do",
        .files = {{"a", HEADER "clusters:\n"
                  "- {name: \"arn:aws:eks:eu-west-1:1234:cluster/pröd\", cluster: {server: \"https://c\"}}\n"
                  "users:\n"
                  "- {name: \"a b\", user: {token: t}}\n"
                  "contexts:\n"
                  "- {name: \"kubernetes-admin@prod/eu 1\", context: {cluster: \"arn:aws:eks:eu-west-1:1234:cluster/pröd\", user: \"a b\"}}\n"
                  "- {name: \"1.20\", context: {cluster: \"arn:aws:eks:eu-west-1:1234:cluster/pröd\", user: \"a b\"}}\n"
                  "current-context: \"1.20\"\n"}},
        .list = "a",
        .expected = "current 1.20\n"
                    "1.20 | cluster=arn:aws:eks:eu-west-1:1234:cluster/pröd | user=a b | server=https://c | bearer=t\n"
                    "kubernetes-admin@prod/eu 1 | cluster=arn:aws:eks:eu-west-1:1234:cluster/pröd | user=a b | server=https://c | bearer=t\n",
    },
    {
        .name = "carriage returns and a byte order mark",
        .files = {{"a", "\xEF\xBB\xBF" "apiVersion: v1\r\n"
                  "kind: Config\r\n"
                  "clusters:\r\n"
                  "- cluster: {server: \"https://a:1\"}\r\n"
                  "  name: shared\r\n"
                  "- cluster: {server: \"https://only-a:1\"}\r\n"
                  "  name: only-a\r\n"
                  "users:\r\n"
                  "- name: shared\r\n"
                  "  user: {token: token-a}\r\n"
                  "contexts:\r\n"
                  "- context: {cluster: shared, user: shared}\r\n"
                  "  name: one\r\n"}},
        .list = "a",
        .expected = "current -\n"
                    "one | cluster=shared | user=shared | server=https://a:1 | bearer=token-a\n",
    },
    {
        .name = "long lists keep every entry",
        .files = {{"a", HEADER "clusters:\n"
                  "- {name: c, cluster: {server: \"https://c\"}}\n"
                  "users:\n"
                  "- {name: u, user: {token: t}}\n"
                  "contexts:\n"
                  "- {name: n00, context: {cluster: c, user: u, namespace: s0}}\n"
                  "- {name: n01, context: {cluster: c, user: u, namespace: s1}}\n"
                  "- {name: n02, context: {cluster: c, user: u, namespace: s2}}\n"
                  "- {name: n03, context: {cluster: c, user: u, namespace: s3}}\n"
                  "- {name: n04, context: {cluster: c, user: u, namespace: s4}}\n"
                  "- {name: n05, context: {cluster: c, user: u, namespace: s5}}\n"
                  "- {name: n06, context: {cluster: c, user: u, namespace: s6}}\n"
                  "- {name: n07, context: {cluster: c, user: u, namespace: s7}}\n"
                  "- {name: n08, context: {cluster: c, user: u, namespace: s8}}\n"
                  "- {name: n09, context: {cluster: c, user: u, namespace: s9}}\n"
                  "- {name: n10, context: {cluster: c, user: u, namespace: s10}}\n"
                  "- {name: n11, context: {cluster: c, user: u, namespace: s11}}\n"},
                  {"b", HEADER "contexts:\n"
                  "- {name: n10, context: {cluster: c, user: u}}\n"
                  "- {name: n11, context: {cluster: c, user: u}}\n"
                  "- {name: n12, context: {cluster: c, user: u}}\n"
                  "- {name: n13, context: {cluster: c, user: u}}\n"}},
        .list = "a:b",
        .expected = "current -\n"
                    "n00 | cluster=c | user=u | namespace=s0 | server=https://c | bearer=t\n"
                    "n01 | cluster=c | user=u | namespace=s1 | server=https://c | bearer=t\n"
                    "n02 | cluster=c | user=u | namespace=s2 | server=https://c | bearer=t\n"
                    "n03 | cluster=c | user=u | namespace=s3 | server=https://c | bearer=t\n"
                    "n04 | cluster=c | user=u | namespace=s4 | server=https://c | bearer=t\n"
                    "n05 | cluster=c | user=u | namespace=s5 | server=https://c | bearer=t\n"
                    "n06 | cluster=c | user=u | namespace=s6 | server=https://c | bearer=t\n"
                    "n07 | cluster=c | user=u | namespace=s7 | server=https://c | bearer=t\n"
                    "n08 | cluster=c | user=u | namespace=s8 | server=https://c | bearer=t\n"
                    "n09 | cluster=c | user=u | namespace=s9 | server=https://c | bearer=t\n"
                    "n10 | cluster=c | user=u | namespace=s10 | server=https://c | bearer=t\n"
                    "n11 | cluster=c | user=u | namespace=s11 | server=https://c | bearer=t\n"
                    "n12 | cluster=c | user=u | server=https://c | bearer=t\n"
                    "n13 | cluster=c | user=u | server=https://c | bearer=t\n",
    },
};
/* clang-format on */

#endif
