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

# The mirror and component that apt has Debian's own packages from: URI.
debian_mirror()
{
	apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(RELEASE)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
}

# apt_of SUITE ARGUMENT...: apt-get as on a machine of SUITE with nothing installed, with a
# state of its own in the cache; the machine's own sources and packages stay as they are.
apt_of()
{
	local suite=$1 state=$cache/apt/$1 mirror
	shift
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	if [ ! -e "$state/sources.list" ]; then
		mirror=$(debian_mirror)
		[ -n "$mirror" ] || die "apt has no source of Debian's packages"
		: >"$state/status"
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
			>"$state/sources.list"
	fi
	apt-get -q -y -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$state" -o Dir::State::lists="$state/lists" \
		-o Dir::State::status="$state/status" -o Dir::Cache="$state" \
		-o APT::Sandbox::User=root -o Debug::NoLocking=true "$@"
}

# newest_of SUITE PACKAGE: its newest version there. The lists are fetched once a day.
newest_of()
{
	local state=$cache/apt/$1 version
	if [ -z "$(find "$state/updated" -mtime -1 2>/dev/null)" ]; then
		apt_of "$1" update >/dev/null || die "cannot fetch the package lists of $1"
		touch "$state/updated"
	fi
	version=$(apt_of "$1" --print-uris --no-install-recommends --download-only install "$2" |
		sed -n "s/^Inst.*//;s/^'.*' $2_\([^_]*\)_.*/\1/p")
	[ -n "$version" ] || die "$1 has no package $2"
	printf '%s\n' "${version//%3a/:}"
}

# unpack_all SUITE DIR PACKAGE...: these packages, and all that they need on an empty machine,
# into DIR/root.
unpack_all()
{
	local suite=$1 dir=$2 log=$2/log file
	shift 2
	mkdir -p "$dir/root" "$dir/debs/partial"
	if ! apt_of "$suite" -o Dir::Cache::archives="$dir/debs" --no-install-recommends \
		--download-only install "$@" >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		die "cannot fetch $* of $suite"
	fi
	for file in "$dir"/debs/*.deb; do
		dpkg -x "$file" "$dir/root"
	done
	rm -r "$dir/debs"
}
