"""The figures as the tables of docs/performance.md."""

from cluster import REPO, fail

DOCUMENT = REPO / "docs/performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PEER = "kubernetes-mcp-server 0.0.67"
MIB = 1024.0


def mib(kib):
    return f"{kib / MIB:.1f} MiB"


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def start_rows(figures):
    start, idle, size = figures["start_ms"], figures["idle"], figures["binary_bytes"]
    yield row(f"exec to the first `tools/list` answer, 100 contexts, median (starting `cat` alone: {start['cat']:.1f} ms)",
              "10 ms", f"{start['kube-mcp']:.1f} ms", f"{start['peer']:.1f} ms")
    yield row("idle resident, 100 contexts known", "10 MiB", mib(idle["kube-mcp"]["rss_kib"]), mib(idle["peer"]["rss_kib"]))
    written = [f"{idle[who]['private_dirty_kib'] / MIB:.1f} ({idle[who]['private_kib'] / MIB:.1f}) MiB"
               for who in ("kube-mcp", "peer")]
    yield row("of it private: written (with the library pages that no other process maps at the time)", "3 MiB", *written)
    yield row("stripped binary", "1.5 MiB", f"{size['kube-mcp'] / MIB / MIB:.2f} MiB", f"{size['peer'] / MIB / MIB:.1f} MiB")


def read_rows(figures):
    reads = figures["reads"]
    tools = sorted({case.split("@")[0] for case in reads})
    for tool in tools:
        many = reads[f"{tool}@64"]
        share = {who: f"{100 * many[who]['rate'] / many['raw']['rate']:.0f} %" for who in ("kube-mcp", "peer")}
        yield row(f"`{tool}` at 64 connections, share of the raw API server's throughput", "80 %, then 90 %",
                  share["kube-mcp"], share["peer"])
    for tool in tools:
        one = reads[f"{tool}@1"]
        added = {who: f"{one[who]['p50_ms'] - one['raw']['p50_ms']:.2f} ms" for who in ("kube-mcp", "peer")}
        yield row(f"`{tool}`: latency added to the raw request, median", "0.25 ms", added["kube-mcp"], added["peer"])
    pings = {who: 1e6 / p["cpu_us"] for who, p in figures["pings"].items()}
    yield row("pings over HTTP per second of the server's processor time", f"2x the peer's: {2 * pings['peer']:.0f}",
              f"{pings['kube-mcp']:.0f}", f"{pings['peer']:.0f}")
    loaded = figures["loaded_rss_kib"]
    yield row("resident after that load", "–", mib(loaded["kube-mcp"]), mib(loaded["peer"]))


def times_raw(seconds, who):
    return f"{1000 * seconds[who]:.0f} ms ({seconds[who] / seconds['raw']:.2f}x)"


def list_rows(figures):
    listing, search = figures["listing"], figures["search"]
    seconds, peak, eight = listing["seconds"], listing["peak_kib"], listing["eight"]
    yield row("`pods_list` over 5,000 pods in all namespaces, median (the API server's own Table without objects: "
              f"{1000 * seconds['raw']:.0f} ms)", "2x", times_raw(seconds, "kube-mcp"), times_raw(seconds, "peer"))
    yield row("peak resident meanwhile", "24 MiB", mib(peak["kube-mcp"]), mib(peak["peer"]))
    yield row("eight of those at once, three times: peak resident", "48 MiB",
              *(mib(eight[who]["peak_kib"]) for who in ("kube-mcp", "peer")))
    yield row("resident afterwards, more than before", "nothing",
              *(mib(eight[who]["retained_kib"]) for who in ("kube-mcp", "peer")))
    if search is not None:
        yield row("`pods_list` with `where` over 10,000 whole pods, median (raw fetch of the same pages: "
                  f"{1000 * search['seconds']['raw']:.0f} ms)", "1.2x", times_raw(search["seconds"], "kube-mcp"), "has none")
        yield row("peak resident meanwhile", "32 MiB", mib(search["peak_kib"]), "has none")


def load_rows(reads):
    for case, r in reads.items():
        tool, connections = case.split("@")
        raw = r["raw"]["rate"]
        cells = [f"{raw:.0f}/s, {r['raw']['p50_ms']:.2f} ms"]
        for who in ("kube-mcp", "peer"):
            cells.append(f"{r[who]['rate']:.0f}/s ({100 * r[who]['rate'] / raw:.0f} %), {r[who]['p50_ms']:.2f} ms, "
                         f"{r[who]['cpu_us']:.0f} µs")
        yield row(f"`{tool}`, {connections}", *cells)


def report(figures):
    lines = [
        f"Measured {figures['date']} with `tests/bench/run` on {figures['machine']}; API server {figures['api_server']}. "
        "Load, servers, API server and etcd shared the same cores.",
        "",
        row("what", "budget", "kube-mcp", PEER),
        "|---|---|---|---|",
        *start_rows(figures),
        *read_rows(figures),
        *(list_rows(figures) if "listing" in figures else []),
        "",
        "Throughput in requests per second (share of the raw API server), median latency in ms, and the server's processor "
        "time per request in µs:",
        "",
        row("read, connections", "raw API server", "kube-mcp", "kubernetes-mcp-server"),
        "|---|---|---|---|",
        *load_rows(figures["reads"]),
    ]
    return "\n".join(lines)


def write_document(text):
    document = DOCUMENT.read_text()
    if BEGIN not in document or END not in document:
        fail(f"{DOCUMENT} has lost its marks {BEGIN} and {END}")
    head, rest = document.split(BEGIN, 1)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END, 1)[1]}")
