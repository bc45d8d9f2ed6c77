#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme stat for ordinary users: one's own VMs without root, others' not at all.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
trap 'kill -9 $pid 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
chmod 755 "$dir"

if [ ! -s /etc/passwd ]; then # the rig's machine has no users
	printf 'root:x:0:0::/:/bin/sh\n' >/etc/passwd
	printf 'root:x:0:\n' >/etc/group
fi
# Whatever groups other tests have made, this one is of these two.
grep -q ':4242:' /etc/group || echo 'counters:x:4242:ada,bob' >>/etc/group
grep -q '^ada:' /etc/passwd || echo 'ada:x:1000:1000::/:/bin/sh' >>/etc/passwd
grep -q '^bob:' /etc/passwd || echo 'bob:x:1001:1001::/:/bin/sh' >>/etc/passwd
cp "$(command -v abyme)" abyme-for-all
# A guest that spins: a multiboot header, and a jump to itself.
header='\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000'
header="$header"'\000\000\000\000\000\000\000\000\040\000\020\000'
# shellcheck disable=SC2059 # the escapes are the point
printf "$header"'\346\020\353\374' >guest # 1: out %al,$0x10; jmp 1b
chmod 755 abyme-for-all guest
chown 0:4242 /dev/abyme
chmod 660 /dev/abyme

# by USER ARGUMENT...: abyme stat, as that user. Sets $status.
by()
{
	user=$1
	shift
	su "$user" -c "timeout 20 $dir/abyme-for-all stat $*" </dev/null >out 2>said
	status=$?
}

su ada -c "exec $dir/abyme-for-all run --memory 16M $dir/guest" </dev/null >/dev/null 2>&1 &
for _ in 1 2 3 4 5 6 7 8 9 10; do
	sleep 0.3
	pid=$(pidof abyme-for-all) && break
done
sleep 0.5

by ada --once
[ $status = 0 ] && grep -q "^VM $pid-" out && grep -qE '^io_exits +[1-9]' out && [ ! -s said ]
claim "a user of the group kvm sees the counters of a VM of hers" $?
grep -qE '^exit_io +[1-9]' out && grep -qE '^ept_pages +[1-9]' out
claim "by exit reason, and what the VM has as a whole" $?
by ada --once --pid "$pid"
[ $status = 0 ] && [ "$(grep -c "^VM $pid-" out)" = 1 ]
claim "and by its process" $?
by bob --once
[ $status = 0 ] && [ "$(cat out)" = \
	"no VM of yours runs on /dev/abyme; root sees all (sudo abyme stat)" ]
claim "another user of that group sees none, and who would" $?
by bob --once --pid "$pid"
[ $status = 4 ] && [ ! -s out ] && [ "$(wc -l <said)" = 1 ] &&
	grep -q "process $pid is not yours but user 1000's.*run sudo abyme stat --pid $pid" said
claim "nor by its process, which is said with what to do" $?
by bob --once --pid 4194304
[ $status = 0 ] && grep -q "^no VM of process 4194304 runs on /dev/abyme" out
claim "where there's no such process there's no VM" $?
abyme stat --once >out 2>said
[ $? = 0 ] && grep -q "^VM $pid-" out
claim "root sees it" $?

kill -9 "$pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	[ -d "/proc/$pid" ] || break
	sleep 0.3
done
by ada --once
[ $status = 0 ] && ! grep -q "^VM" out
claim "and nobody when it has ended" $?
users=$(awk '$1 == "abyme" { print $3 }' /proc/modules)
[ "$users" = 0 ]
claim "which nothing of all that keeps alive" $?

rmmod abyme
by ada --once
[ $status = 4 ] && grep -q "not loaded; load it (sudo modprobe abyme)" said
claim "without the module that is said" $?
modprobe abyme
end_claims
