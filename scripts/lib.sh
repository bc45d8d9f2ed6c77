# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts; sourced, never run.
# shellcheck shell=bash

# shellcheck disable=SC2034 # for those who source this
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export HOME=${HOME:-~} # the user's own, if it is unset
cache=${XDG_CACHE_HOME:-$HOME/.cache}/abyme
me=${0##*/}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }

# make and the rig's --add take neither a space nor a colon in a path, and the scripts change
# directories.
case $cache in
*[[:space:]:]*) die "the cache's path '$cache' has a space or a colon;" \
	"set XDG_CACHE_HOME to one that has neither" ;;
/*) ;;
*) die "the cache's path '$cache' does not begin with /; set XDG_CACHE_HOME to one that does" ;;
esac

# lock NAME: hold an exclusive lock in the cache until this shell ends.
lock()
{
	mkdir -p "$cache/lock"
	exec {lock_fd}>"$cache/lock/$1"
	flock -n "$lock_fd" && return
	say "waiting for another copy that prepares $1"
	flock "$lock_fd"
}

# Where the environment is emptied apt needs these still: NAME=VALUE.
proxies=()
for name in {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY; do
	[ -z "${!name:-}" ] || proxies+=("$name=${!name}")
done
unset name

# What apt is told; empty: the machine's own sources. use_suite fills it.
suite_apt=()

# newest PACKAGE: the version that apt would install, empty when unknown.
newest()
{
	# A name that there is not, apt takes for a pattern: linux-source-6.1 is in linux-source-6.12.
	# Only C keeps apt from translating: for another locale LANGUAGE may have the last word.
	LC_ALL=C apt-cache "${suite_apt[@]}" policy "$1" 2>/dev/null |
		awk -v name="$1:" '/^[^ ]/ { this = $0 == name }
			this && $1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

# unpack PACKAGE DIR: fetch a package and unpack it there, installing nothing.
unpack()
(
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	chmod 755 "$tmp" # as root apt downloads as its own user
	if ! (cd "$tmp" && apt-get "${suite_apt[@]}" -q download "$1") >"$tmp/log" 2>&1 ||
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

# inside ROOT COMMAND...: in the system whose files are in ROOT, with processes and mounts of its
# own. As root.
inside()
{
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --pid --fork --kill-child sh -c '
		mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
		mount -t tmpfs tmpfs "$0/tmp" && exec chroot "$0" "$@"' "$1" \
		env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		DEBIAN_FRONTEND=noninteractive "${proxies[@]}" "${@:2}"
}

# use_suite SUITE: from here on apt is as on a machine of SUITE with nothing installed, with a
# state of its own in the cache; the machine's own sources and packages stay as they are. Its
# lists are fetched once a day. The lock of SUITE is held till this shell ends.
use_suite()
{
	local state=$cache/apt/$1 mirror line strict=()
	lock "apt-$1"
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	mirror=$(debian_mirror) || :
	[ -n "$mirror" ] || [ -s "$state/sources.list" ] || die "apt has no source of Debian's packages"
	# The machine's own mirror may have changed. A new time alone would have apt build its cache anew.
	line="deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main"
	[ -z "$mirror" ] || grep -qsxF "$line" "$state/sources.list" || echo "$line" >"$state/sources.list"
	[ -e "$state/status" ] || : >"$state/status"
	suite_apt=(-o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o Dir::State="$state" -o Dir::State::lists="$state/lists"
		-o Dir::State::status="$state/status" -o Dir::Cache="$state"
		-o APT::Sandbox::User=root -o Debug::NoLocking=true)
	# That it reaches no mirror is for apt a warning only, and so it is where there are older lists.
	[ -n "$(newest libc6)" ] || strict=(-o APT::Update::Error-Mode=any)
	if [ ${#strict[@]} -gt 0 ] || [ -z "$(find "$state/updated" -mtime -1 2>/dev/null)" ]; then
		apt-get "${suite_apt[@]}" "${strict[@]}" -q update >/dev/null ||
			die "cannot fetch the package lists of $1"
		touch "$state/updated"
	fi
}

# unpacked SUITE NAME PACKAGE...: the cache's directory with root/, where these packages of SUITE
# and all that they need on an empty machine are unpacked, and version, a file with that of the
# first.
unpacked()
{
	local suite=$1 name=$2 version dir file
	shift 2
	use_suite "$suite"
	version=$(newest "$1")
	[ -n "$version" ] || die "$suite has no package $1"
	dir=$cache/$name/$(printf '%s' "$version $*" | tr -c '[:alnum:].+~-' '_')
	if [ ! -e "$dir/complete" ]; then
		say "fetching $name of $suite"
		rm -rf "$dir"
		mkdir -p "$dir/root" "$dir/debs/partial"
		if ! apt-get "${suite_apt[@]}" -q -y -o Dir::Cache::archives="$dir/debs" \
			--no-install-recommends --download-only install "$@" >"$dir/log" 2>&1; then
			tail -n 5 "$dir/log" >&2
			die "cannot fetch $name of $suite"
		fi
		for file in "$dir"/debs/*.deb; do
			dpkg -x "$file" "$dir/root"
		done
		rm -r "$dir/debs"
		echo "$version" >"$dir/version"
		touch "$dir/complete"
	fi
	echo "$dir"
}
