# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts; sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/abyme
me=${0##*/}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

# lock NAME: hold an exclusive lock in the cache until this shell ends.
lock()
{
	mkdir -p "$cache/lock"
	exec {lock_fd}>"$cache/lock/$1"
	flock -n "$lock_fd" && return
	say "waiting for another copy that prepares $1"
	flock "$lock_fd"
}

# newest PACKAGE: the version that apt would install, empty when unknown.
newest()
{
	apt-cache policy "$1" 2>/dev/null |
		awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# unpack PACKAGE DIR: fetch a package and unpack it there, installing nothing.
unpack()
(
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp" # as root apt downloads as its own user
	if ! (cd "$tmp" && apt-get -q download "$1") >"$tmp/log" 2>&1 ||
	   ! dpkg -x "$tmp"/*.deb "$2" 2>>"$tmp/log"; then
		cat "$tmp/log" >&2
		die "cannot fetch the package $1; try: apt-get update"
	fi
)
