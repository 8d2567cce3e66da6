# Shared by build, up and down: places, versions, and the handling of processes.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
STATE=$(realpath -m "${KUBE_MCP_CLUSTER_DIR:-$REPO/build/cluster}")
CACHE=${KUBE_MCP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kube-mcp}/cluster
CLUSTERS=(prod staging)
# In the order in which they start; down stops them in reverse.
PROCESSES=(etcd kube-apiserver kube-controller-manager kube-scheduler node-agent)
KUBE_PROGRAMS=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl)
OWN_PROGRAMS=(setup seed agent)

say() { printf '%s\n' "$*"; }
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_go() {
	local want have
	want=$(awk '$1 == "go" { print $2; exit }' "$HERE/go.mod")
	command -v go >/dev/null || die "Go is not installed: install Go $want or newer, or name another cluster in KUBE_MCP_TEST_KUBECONFIG"
	have=$(go version | awk '{ sub(/^go/, "", $3); print $3 }')
	[ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ] ||
		die "Go $have is too old: install Go $want or newer, or name another cluster in KUBE_MCP_TEST_KUBECONFIG"
	GO_VERSION=$have
}

hash_of() { sha256sum | cut -c 1-16; }

# Sets KUBE_VERSION, KUBE_BIN and OWN_BIN. The Kubernetes binaries depend on the pins alone,
# our own programs also on their sources: editing the agent does not rebuild Kubernetes.
locate() {
	need_go
	KUBE_VERSION=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$HERE/go.mod")
	local pins
	pins=$({ cat "$HERE/go.mod" "$HERE/go.sum"; say "go$GO_VERSION"; } | hash_of)
	KUBE_BIN=$CACHE/$pins/bin
	OWN_BIN=$CACHE/$({ say "$pins"; (cd "$HERE" && find "${OWN_PROGRAMS[@]}" -name '*.go' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); } | hash_of)/bin
}

# The path of a Kubernetes program: from KUBEBUILDER_ASSETS where that has it, else from the cache.
kube_program() {
	if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$1" ]; then
		say "$KUBEBUILDER_ASSETS/$1"
	else
		say "$KUBE_BIN/$1"
	fi
}

pid_file() { say "$STATE/$1/run/$2.pid"; }
log_file() { say "$STATE/$1/log/$2.log"; }

# is_ours CLUSTER NAME PID: a process of ours runs the named program and names its cluster's directory.
is_ours() {
	local program=${2/node-agent/agent} first
	[ -r "/proc/$3/cmdline" ] || return 1
	first=$(tr '\0' '\n' <"/proc/$3/cmdline" 2>/dev/null | head -n 1) || true
	[ "${first##*/}" = "$program" ] && grep -qF -- "$STATE/$1/" "/proc/$3/cmdline" 2>/dev/null
}

# running_pid CLUSTER NAME: prints the pid. A pid file may be stale after a crash, its number even a
# stranger's by now, or it may be missing while the process lives: then the process table tells.
running_pid() {
	local file pid candidate
	file=$(pid_file "$1" "$2")
	if [ -f "$file" ]; then
		pid=$(cat "$file")
		if [ -n "$pid" ] && is_ours "$1" "$2" "$pid"; then
			say "$pid"
			return 0
		fi
		rm -f "$file"
	fi
	for candidate in $(grep -lF -- "$STATE/$1/" /proc/[0-9]*/cmdline 2>/dev/null); do
		pid=${candidate#/proc/}
		pid=${pid%/cmdline}
		if is_ours "$1" "$2" "$pid"; then
			mkdir -p "${file%/*}"
			say "$pid" >"$file"
			say "$pid"
			return 0
		fi
	done
	return 1
}

# start CLUSTER NAME COMMAND...: runs it in its own session, so that it outlives the calling shell.
start() {
	local cluster=$1 name=$2 log
	shift 2
	log=$(log_file "$cluster" "$name")
	# Keep one earlier log; none grows without bound across restarts.
	[ ! -s "$log" ] || mv -f "$log" "$log.1"
	setsid nohup "$@" >"$log" 2>&1 </dev/null 9>&- &
	local pid=$! i
	# Until it has become the program, it looks like a copy of this shell.
	for ((i = 0; i < 100; i++)); do
		! is_ours "$cluster" "$name" "$pid" || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02
	done
	say "$pid" >"$(pid_file "$cluster" "$name")"
}

# stop CLUSTER NAME: asks politely, insists after ten seconds.
stop() {
	local pid i
	pid=$(running_pid "$1" "$2") || return 0
	kill "$pid" 2>/dev/null || true
	for ((i = 0; i < 100; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	for ((i = 0; i < 50; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	rm -f "$(pid_file "$1" "$2")"
}

# One up or down at a time per state directory; running processes do not inherit the lock.
lock_state() {
	mkdir -p "$STATE"
	chmod 700 "$STATE"
	exec 9>"$STATE/lock"
	flock -w 300 9 || die "another up or down still works in $STATE: wait for it, or end it"
}
