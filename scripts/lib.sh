# Shared by the scripts and the test suites: places, messages, and the tools that live in the cache.
# shellcheck shell=bash

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export KUBE_MCP_CACHE=${KUBE_MCP_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kube-mcp}

BOLD='' DIM='' RED='' GREEN='' PLAIN=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
fi
export BOLD DIM RED GREEN PLAIN

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
	warn "$@"
	exit 1
}

# A folder of the cache is named after the content of what defines it: a changed pin makes a new one.
cache_of() {
	local name=$1
	shift
	say "$KUBE_MCP_CACHE/$name/$(cat "$@" | sha256sum | cut -c 1-16)"
}

# Python environment with the MCP SDK and a pinned Node.js, the npm packages, and a Go where the machine has none.
export KUBE_MCP_TEST_PYTHON_ENV KUBE_MCP_TEST_NPM KUBE_MCP_TEST_GO_ENV
KUBE_MCP_TEST_PYTHON_ENV=$(cache_of python "$REPO/tests/conformance/requirements.txt")
KUBE_MCP_TEST_NPM=$(cache_of npm "$REPO/tests/conformance/package.json" "$REPO/tests/conformance/package-lock.json")
KUBE_MCP_TEST_GO_ENV=$(cache_of go "$REPO/tests/cluster/requirements.txt")
export KUBE_MCP_TEST_PYTHON=$KUBE_MCP_TEST_PYTHON_ENV/bin/python
export KUBE_MCP_TEST_NODE=$KUBE_MCP_TEST_PYTHON_ENV/bin/node
export KUBE_MCP_TEST_NODE_MODULES=$KUBE_MCP_TEST_NPM/node_modules

# go_is_enough: does the machine's Go build the modules of tests/cluster?
go_is_enough() {
	local want have
	command -v go >/dev/null || return 1
	want=$(awk '$1 == "go" { print $2; exit }' "$REPO/tests/cluster/go.mod")
	have=$(GOTOOLCHAIN=local go version | awk '{ sub(/^go/, "", $3); print $3 }')
	[ "$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)" = "$want" ]
}

# Puts the cached Go first where the machine's own does not do.
use_tools() {
	if ! go_is_enough && [ -x "$KUBE_MCP_TEST_GO_ENV/bin/go" ]; then
		export PATH=$KUBE_MCP_TEST_GO_ENV/bin:$PATH
	fi
}
