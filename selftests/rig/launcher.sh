#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The launcher: how guests end, what the console carries, and what each of a
# user's mistakes is told. DEVICE=/dev/kvm tries it on KVM.
device=${DEVICE:-/dev/abyme}
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

# image NAME CODE: a multiboot image of 32 header bytes, loaded at 1 MiB, and code.
image()
{
	header='\002\260\255\033\000\000\001\000\376\117\121\344\000\000\020\000\000\000\020\000'
	header="$header"'\000\000\000\000\000\000\000\000\040\000\020\000'
	# shellcheck disable=SC2059 # the escapes are the point
	printf "$header$2" >"$1"
}

# put FILE OFFSET BYTES: write over a part of it.
put()
{
	# shellcheck disable=SC2059 # the escapes are the point
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# ends STATUS WHAT IMAGE OPTION...: the guest's run ends with this status.
ends()
{
	want=$1 what=$2
	shift 2
	timeout 20 abyme run --device "$device" --memory "${memory:-16M}" "$@" <in >out 2>said
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

# alive PID: it runs, and is no zombie.
alive()
{
	grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

# endless REDIRECTED-TO IMAGE: start a guest that doesn't end by itself.
endless()
{
	abyme run --device "$device" --memory 16M "$2" </dev/null >"$1" 2>said &
	pid=$!
	sleep 0.5
}

# died SIGNAL: the endless guest, within some seconds, of this signal.
died()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		alive $pid || break
		sleep 0.5
	done
	alive $pid && kill -9 $pid
	wait $pid
	[ $? = $((128 + $1)) ]
}

lines=$(dmesg | wc -l)
: >in
image debug-exit '\260\003\346\364\364'				# out 3, 0xf4
image keyboard '\260\376\346\144\364'				# out 0xfe, 0x64
image reset '\146\272\371\014\260\006\356\364'			# out 6, 0xcf9
image power-off '\146\272\004\006\146\270\000\064\146\357\364'	# out 0x3400, 0x604
# out 0x78, 0x3f8, and power-off: a line that does not end.
image part-of-line '\146\272\370\003\260\170\356\146\272\004\006\146\270\000\064\146\357\364'
image triple-fault '\017\013'					# ud2, without an IDT
# Echo what comes in until "q", polling.
image echo '\146\272\375\003\354\250\001\164\373\146\272\370\003\354\074\161\164\003\356\353\353\260\000\346\364\364'
image flood '\146\272\370\003\260\170\356\353\375'		# "x" for ever
image gap '\146\272\000\020\354\346\364\364'			# what an empty port reads as, as debug exit
image nowhere '\270\000\000\000\320\377\340'		# a jump to 0xd0000000, where nothing is

ends 7 "debug exit of 3" debug-exit
memory=16
ends 7 "as scripts call it, memory in MiB" --kernel debug-exit --initrd echo --append "a b" --cpus 1
memory=
ends 255 "a port without a device reads as ones" gap
ends 6 "reset by the keyboard controller" keyboard
ends 6 "reset by port 0xcf9" reset
ends 0 "power-off" power-off
ends 8 "triple fault" triple-fault
grep -q "rip  0000000000100020" said
claim "a triple fault shows where it was" $?
ends 12 "code where no memory is" nowhere
grep -q "can't emulate an instruction" said && grep -q "rip  00000000d0000000" said
claim "and why and where is shown" $?
ends 7 "two vCPUs" debug-exit --cpus 2
ends 7 "more modules than one" debug-exit --initrd echo --module "power-off,a b"

# --- output that nobody takes
timeout 20 abyme run --device "$device" --memory 16M flood <in 2>said >/dev/full
[ $? = 16 ] && grep -q "standard output can't be written: No space" said
claim "a full disk ends the run, and is named: status 16" $?
timeout 20 abyme run --device "$device" --memory 16M part-of-line <in 2>said >/dev/full
[ $? = 16 ] && grep -q "standard output can't be written: No space" said
claim "so it does when the guest has ended well: status 16" $?
mkfifo stuck
# shellcheck disable=SC2217 # that it doesn't read is the point
sleep 30 <stuck &
sleeper=$!
endless stuck flood
kill -TERM $pid
died 15
claim "SIGTERM ends it while nobody reads its output" $?
kill $sleeper
{ timeout 20 abyme run --device "$device" --memory 16M flood <in 2>said; echo $? >status; } |
	head -c 3 >out
[ "$(cat status)" = 141 ] && [ ! -s said ]
claim "a reader that goes away ends it by SIGPIPE, silently" $?

# --- signals
for signal in 1 2 3 15; do
	endless /dev/null echo
	# What a shell starts in the background ignores SIGINT and SIGQUIT.
	case $signal in
	2|3) ! { kill -$signal $pid; sleep 0.3; } || alive $pid; ignored=$?; kill -15 $pid
		died 15 && [ $ignored = 0 ]
		claim "signal $signal stays ignored when it was" $? ;;
	*) kill -$signal $pid; died $signal; claim "signal $signal ends it" $? ;;
	esac
done

seq 1 2999 >text
{ cat text; printf q; } >in
ends 1 "the console carries a file" echo
cmp -s text out
claim "and every byte of it" $?
: >in

head -c 600 /dev/zero >zeros
: >empty
# 3 MiB of image, loaded at 1 MiB.
{ cat debug-exit; head -c 3145728 /dev/zero; } >big
# Files of 5 GiB, of which nothing is on the disk.
cp debug-exit huge
truncate -s 5368709120 huge hole
# A bzImage's header of 64-bit Linux, which promises 1 MiB, and nothing after it.
head -c 1024 /dev/zero >cut-off
put cut-off $((0x1f4)) '\000\000\001\000'	# syssize
put cut-off $((0x1fe)) '\125\252'		# boot_flag
put cut-off $((0x202)) 'HdrS\017\002\001'	# version
put cut-off $((0x211)) '\001'			# loadflags
put cut-off $((0x236)) '\003'			# xloadflags
mkfifo pipe
refused 4 "no such file" run --device "$device" nothing
refused 4 "is empty" run --device "$device" empty
refused 4 "not a regular file" run --device "$device" pipe
refused 4 "is a directory" run --device "$device" /
refused 4 "neither a Linux bzImage" run --device "$device" zeros
refused 4 "is cut off: its header promises" run --device "$device" cut-off
refused 4 "more than its 32-bit addresses reach" run --device "$device" huge
refused 4 "neither a Linux bzImage" run --device "$device" hole
refused 4 "no such file" run --device "$device" --initrd nothing debug-exit
refused 4 "is empty" run --device "$device" --initrd empty debug-exit
refused 4 "is a directory" run --device "$device" --initrd / debug-exit
refused 4 "not a regular file" run --device "$device" --initrd /dev/null debug-exit
refused 4 "doesn't fit below 3 GiB" run --device "$device" --memory 16M --initrd hole debug-exit
refused 4 "doesn't fit in --memory 2 MiB" run --device "$device" --memory 2M --initrd big debug-exit
refused 4 "no such file" run --device "$device" --module nothing debug-exit
refused 4 "outside --memory" run --device "$device" --memory 2M big
refused 2 "too little" run --memory 0 debug-exit
refused 4 "more than this machine has" run --device "$device" --memory 1000T debug-exit
total=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
refused 4 "more than this machine has" run --device "$device" --memory $((total + 256)) debug-exit
memory=$((total - 8))
ends 7 "more than is free now" debug-exit
memory=
grep -q "more than the .* that this machine has free" said
claim "and it says so" $?
refused 2 "not a size" run --memory much debug-exit
refused 2 "not a size" run --memory -1 debug-exit
refused 2 "more than any machine has" run --memory 18446744073709551616 debug-exit
refused 2 "more than any machine has" run --memory 20000000T debug-exit
refused 2 "no multiple of 4K" run --memory 4097K debug-exit
refused 2 "unknown unit" run --memory 5Q debug-exit
refused 2 "1 to 254" run --cpus 0 debug-exit
refused 2 "1 to 254" run --cpus 255 debug-exit
refused 2 "not a whole number" run --cpus two debug-exit
[ "$device" != /dev/abyme ] ||
	refused 4 "ask for 64 or fewer" run --device "$device" --cpus 65 debug-exit
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
refused 2 "takes no value" doctor --json=yes
refused 2 "takes no argument" doctor now
refused 2 "1 to 3600" stat --interval 0
refused 4 "neither abyme's device nor KVM's" stat --once --device /dev/nothing

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
	chmod 600 debug-exit
	chmod 666 node
	su -s /bin/sh -c "abyme run --device $dir/node $dir/debug-exit" nobody </dev/null >out 2>said
	[ $? = 4 ] && grep -q "you may not read it" said
	claim "and that a file is not for reading" $?
	su -s /bin/sh -c "abyme stat --device /dev/kvm" nobody </dev/null >out 2>said
	[ $? = 4 ] && grep -q "sudo abyme stat" said
	claim "and who may see KVM's counters" $?
	chmod 600 node
	su -s /bin/sh -c "abyme doctor --device $dir/node" nobody </dev/null >out 2>said
	[ $? = 2 ] && grep -q "give it to the group kvm" out
	claim "and by abyme doctor how the device gets a group" $?
fi

mkdir nodev
if mount -t tmpfs -o nodev none nodev; then
	mknod nodev/node c 10 200
	refused 4 "refused even to root" run --device nodev/node echo
	umount nodev
fi

# --- stat: a VM's table, refreshed
endless /dev/null echo
abyme stat --once --device "$device" --pid $pid >out 2>said
grep -q "^VM $pid-" out && grep -qE '^[a-z_]*exits +[1-9]' out
claim "abyme stat shows a VM's exits" $?
abyme stat --device "$device" >out 2>said &
stat=$!
tries=0
while [ "$(grep -c "^VM $pid-" out)" -lt 2 ] && [ $tries -lt 60 ]; do
	sleep 0.5
	tries=$((tries + 1))
done
kill $stat
[ $tries -lt 60 ] && grep -q "per second" out
claim "again each second, with what came since" $?
kill -9 $pid
wait $pid 2>/dev/null
sleep 0.5
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
! dmesg | tail -n +$((lines + 1)) | grep ' abyme: ' >said
claim "nothing of all that is in the kernel log" $?
for command in run doctor stat; do
	abyme $command --help >out 2>said && grep -q "^Usage: abyme $command" out
	claim "abyme $command has help" $?
done
end_claims
