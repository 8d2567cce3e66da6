"""Selectors are refused before they are sent exactly when the API server would refuse them."""
from urllib.parse import quote

from harness import case, check, equal

NAME = "a" * 63
LABELS = [
    # legal, with every oddity of the grammar
    "app", "!app", "! app", "app=web", "app==web", "app!=web", " app = web ", "app=", "app!=", "app=,tier", "app in (web)",
    "app in(web,api)", "app notin (web)", "app in ()", "app in (,)", "app in (web,)", "app in (,web)", "app in (a,,b)",
    "app in (,,a)", "in=b", "in in (in)", "notin", "app=in", "app=notin", "app in (in,notin)", "weight>1",
    "weight<9223372036854775807", "weight > 007", "app.kubernetes.io/name=web", "a/b", "A=B", "a_b.c-d=e_f.g-h", "1=2",
    "app,app", "a=b,c!=d,!e,f in (g),h>1", f"{NAME}={NAME}", f"{NAME}.{NAME}.{NAME}.{'a' * 61}/a", "x--y.z/a", "app\tin\n(web)",
    # not legal
    ",", "app,", "app,,tier", "=web", "app web", "app not in (web)", "app=web tier", "a=b=c", "a===b", "!a=b", "!!a", "!", "a in (",
    "a in b", "a in (b c)", "a in (b", "a in (b,,", "a in (=)", "a in (b) c", "a=(b)", "a>b", "a>", "a>1.5",
    "a>-1", "a>+1", "a<9223372036854775808", "a>=1", 'a="b"', "a=web-*", "a=-b", "a=b.", "a in (b,c-)", f"a={NAME}a", "-a", "a.=b",
    f"{NAME}a", f"{NAME}.{NAME}.{NAME}.{'a' * 62}/a", "A.io/b", "a..b/c", "a-.b/c", "a.-b/c", "/a", "a/", "a/b/c", "é=b", "a=é",
    "a;b", "a|b", "a=b&c=d",
]
FIELDS = [
    ",", "status.phase=Running", "status.phase==Running", "status.phase!=Running", "status.phase=",
    "status.phase=Running,metadata.name!=x", ",status.phase=Running,,", "status.phase= Running", "metadata.name=a\\,b",
    "metadata.name=a\\=b", "metadata.name=a\\\\", "metadata.name=a:b",
    "status.phase", "status.phase in (Running)", "status.phase>1", "=Running", "!=Running", "status.phase = Running",
    "metadata.name=a=b", "metadata.name===b", "metadata.name=a\\b", "metadata.name=\\", "metadata.name=a,b",
]


def agree(world, parameter, argument, selectors):
    for selector in selectors:
        status, answer = world.api(f"/api/v1/namespaces/shop/pods?limit=1&{parameter}={quote(selector)}")
        check(status in (200, 400), "an answer about the selector", selector, status, answer)
        mine = world.call("pods_list", namespace="shop", limit=1, **{argument: selector})
        if status == 200:
            mine.ok()
        else:
            mine.fails("ValidationError", f"{argument}: column ")


@case(cluster=True)
def label_selectors_as_the_server_takes_them(world):
    agree(world, "labelSelector", "label_selector", LABELS)


@case(cluster=True)
def field_selectors_as_the_server_takes_them(world):
    agree(world, "fieldSelector", "field_selector", FIELDS)


@case()
def a_bad_selector_is_never_sent(world):
    answer = world.call("pods_list", label_selector='app="web"').fails("ValidationError", "label_selector: column 5: ", "quotes")
    equal(answer.error.get("http_status"), None, "no answer of the cluster")
    world.call("pods_list", field_selector="status.phase").fails("ValidationError", "field_selector: column 13: ", "expected = or !=")
