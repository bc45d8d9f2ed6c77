#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The launcher: how guests end, what the console carries, and what each of a
# user's mistakes is told. DEVICE=/dev/kvm tries it on KVM.
device=${DEVICE:-/dev/abyme}
failed=0
number=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

claim()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - $1"
	else
		echo "not ok $number - $1"
		sed 's/^/# /' said
		failed=1
	fi
}

# image NAME CODE: a multiboot image of 32 header bytes, loaded at 1 MiB, and code.
image()
{
	header='\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000'
	header="$header"'\000\000\000\000\000\000\000\000\040\000\020\000'
	# shellcheck disable=SC2059 # the escapes are the point
	printf "$header$2" >"$1"
}

# ends STATUS WHAT IMAGE OPTION...: the guest's run ends with this status.
ends()
{
	want=$1 what=$2
	shift 2
	timeout 20 abyme run --device "$device" --memory 16M "$@" <in >out 2>said
	got=$?
	[ $got = "$want" ]
	claim "$what: status $want (was $got)" $?
}

# refused STATUS TEXT ARGUMENT...: abyme says TEXT in one line and changes nothing.
refused()
{
	want=$1 text=$2
	shift 2
	timeout 20 abyme "$@" </dev/null >out 2>said
	[ $? = "$want" ] && [ "$(wc -l <said)" = 1 ] && grep -q -- "$text" said
	claim "abyme $*: $text" $?
}

: >in
image debug-exit '\260\003\346\364\364'				# out 3, 0xf4
image keyboard '\260\376\346\144\364'				# out 0xfe, 0x64
image reset '\146\272\371\014\260\006\356\364'			# out 6, 0xcf9
image power-off '\146\272\004\006\146\270\000\064\146\357\364'	# out 0x3400, 0x604
image triple-fault '\017\013'					# ud2, without an IDT
# Echo what comes in until "q", polling.
image echo '\146\272\375\003\354\250\001\164\373\146\272\370\003\354\074\161\164\003\356\353\353\260\000\346\364\364'

ends 7 "debug exit of 3" debug-exit
ends 6 "reset by the keyboard controller" keyboard
ends 6 "reset by port 0xcf9" reset
ends 0 "power-off" power-off
ends 8 "triple fault" triple-fault
grep -q "rip  0000000000100020" said
claim "a triple fault shows where it was" $?
ends 7 "two vCPUs" debug-exit --cpus 2
ends 7 "more modules than one" debug-exit --initrd echo --module "power-off,a b"

seq 1 9999 >text
{ cat text; printf q; } >in
ends 1 "the console carries a file" echo
cmp -s text out
claim "and every byte of it" $?
: >in

head -c 600 /dev/zero >zeros
: >empty
# 3 MiB of image, loaded at 1 MiB.
{ cat debug-exit; head -c 3145728 /dev/zero; } >big
mkfifo pipe
refused 4 "no such file" run --device "$device" nothing
refused 4 "is empty" run --device "$device" empty
refused 4 "not a regular file" run --device "$device" pipe
refused 4 "is a directory" run --device "$device" /
refused 4 "neither a Linux bzImage" run --device "$device" zeros
refused 4 "no such file" run --device "$device" --initrd nothing debug-exit
refused 4 "outside --memory" run --device "$device" --memory 2M big
refused 2 "too little" run --memory 0 debug-exit
refused 4 "more than this machine has" run --device "$device" --memory 1000T debug-exit
refused 2 "not a size" run --memory much debug-exit
refused 2 "unknown unit" run --memory 5Q debug-exit
refused 2 "1 to 254" run --cpus 0 debug-exit
refused 2 "1 to 254" run --cpus 255 debug-exit
refused 2 "not a whole number" run --cpus two debug-exit
refused 4 "there is no /dev/nothing" run --device /dev/nothing debug-exit
refused 4 "doesn't speak the KVM API" run --device /dev/null debug-exit
refused 2 "did you mean --memory" run --mem 5M debug-exit
refused 2 "did you mean --cpus" run -smp 2 debug-exit
refused 2 "given twice" run --nested --nested debug-exit
refused 2 "two images" run debug-exit echo
refused 2 "no image" run
refused 2 "did you mean abyme run" runn
refused 2 "did you mean --json" doctor --jason
refused 2 "keep one of them" stat --once --interval 1

# A stranger is told which group to join.
mknod node c "$(printf %d "0x$(stat -c %t "$device")")" "$(printf %d "0x$(stat -c %T "$device")")"
chown 0:42 node
chmod 660 node
chmod 755 "$dir"
if [ ! -s /etc/passwd ]; then	# the rig's machine has no users
	printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >/etc/passwd
	printf 'root:x:0:\nkvm:x:42:\n' >/etc/group
fi
group=$(awk -F: '$3 == 42 { print $1 }' /etc/group)
if su -s /bin/sh -c true nobody 2>/dev/null && [ -n "$group" ]; then
	su -s /bin/sh -c "abyme run --device $dir/node debug-exit" nobody </dev/null >out 2>said
	[ $? = 4 ] && grep -q "join its group $group" said
	claim "a stranger is told which group to join" $?
fi

abyme stat --once --device "$device" >out 2>said
grep -q "^no VM runs" out
claim "abyme stat sees that no VM is left" $?
abyme doctor --device "$device" >said 2>&1
status=$?
[ $status -le 1 ]
claim "abyme doctor finds that guests run here" $?
abyme doctor --device "$device" --json >said 2>&1
[ $? = $status ] && grep -q '"can_run": true' said
claim "and says so to programs" $?
for command in run doctor stat; do
	abyme $command --help >out 2>said && grep -q "^Usage: abyme $command" out
	claim "abyme $command has help" $?
done
echo "1..$number"
exit $failed
