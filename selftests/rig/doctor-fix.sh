#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# abyme doctor --fix, --dry-run and --undo: what they change, and that all of it comes back.
# shellcheck source=selftests/rig/claim.inc
. "$(dirname "$0")/claim.inc"
dir=$(mktemp -d)
cd "$dir" || exit 1
journal=/var/lib/abyme/doctor.undo
huge=/sys/kernel/mm/transparent_hugepage/enabled
rule=/etc/udev/rules.d/60-abyme.rules
lsmod | grep -q '^kvm_intel' && modprobe -r kvm_intel
[ ! -c /dev/abyme ] || modprobe -r abyme

# What the rig lacks of a distribution: groups, users, their tools, udev's directory.
mkdir -p /etc/udev/rules.d /var/lib /usr/sbin
printf 'root:x:0:\nkvm:x:106:grace\nusers:x:100:ada\n' >/etc/group
printf 'root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\ngrace:x:1001:1001::/:/bin/sh\n' \
	>/etc/passwd
cat >/usr/sbin/usermod <<'END'
#!/bin/sh
[ "$1 $2" = "-aG kvm" ] && sed -i "s/^kvm:.*/&,$3/" /etc/group
END
cat >/usr/sbin/gpasswd <<'END'
#!/bin/sh
[ "$1 $3" = "-d kvm" ] && sed -i "/^kvm:/s/,$2//" /etc/group
END
chmod +x /usr/sbin/usermod /usr/sbin/gpasswd
echo never >$huge

# All that --fix may change, as text.
state()
{
	lsmod | awk '$1 ~ /^(abyme|kvm_intel)$/ { print $1 }' | sort
	cat $huge /etc/group
	ls /etc/udev/rules.d
	[ ! -c /dev/abyme ] || stat -c '%u:%g:%a' /dev/abyme
	[ ! -e $journal ] || cat $journal
}

# says STATUS TEXT ARGUMENT...: abyme doctor, run by sudo for ada, ends so and says this.
says()
{
	want=$1 text=$2
	shift 2
	SUDO_USER=ada timeout 60 abyme doctor "$@" </dev/null >said 2>&1
	[ $? = "$want" ] && grep -q -- "$text" said
	claim "doctor $*: $text" $?
}

# also TEXT: and it said this, too
also()
{
	grep -q -- "$1" said
	claim "and: $1" $?
}

unchanged()
{
	state | cmp -s - "$1"
	claim "$2" $?
}

# hold NODE: a process has it open, until release.
hold()
{
	sh -c 'exec sleep 1000' <"$1" &
	holder=$!
	sleep 0.2
}

release()
{
	kill $holder
	wait $holder 2>/dev/null
}

says 2 "opposites" --fix --undo
says 2 "leave it out with --fix" --fix --json
says 2 "goes with --fix only" --dry-run

# --- a dry run
state >before
says 2 "^would *module *load the module abyme (modprobe abyme)" --fix --dry-run
also "^would *rule *write the udev rule $rule"
also "^would *group *add ada to the group kvm (usermod -aG kvm ada)"
also "^would *hugepages *write madvise to $huge (it has never)"
unchanged before "a dry run changes nothing"

mknod mem c 1 1
chmod 600 mem
SUDO_USER=ada abyme doctor --fix --dry-run --device "$dir/mem" >said 2>&1
! grep -q "mem.*owner" said
claim "a node that is not ours is not given away" $?

# --- without root
cp "$(command -v abyme)" /tmp/abyme-for-all
chmod 755 /tmp/abyme-for-all
su ada -c "/tmp/abyme-for-all doctor --fix" >said 2>&1
[ $? = 4 ] && grep -q "takes root; run sudo abyme doctor --fix" said
claim "--fix without root says what it takes" $?
su ada -c "/tmp/abyme-for-all doctor --undo" >said 2>&1
[ $? = 4 ] && grep -q "takes root; run sudo abyme doctor --undo" said
claim "and so does --undo" $?
su ada -c "/tmp/abyme-for-all doctor --fix --dry-run" >said 2>&1
[ $? = 2 ] && grep -q "^would *group *add ada" said
claim "a dry run takes none" $?
unchanged before "and nothing has changed"

# --- there and back
says 0 "^fix *module *load the module abyme" --fix
also "^fix *rule"
also "^fix *access *give /dev/abyme owner, group and mode 0:106:660 (it has 0:0:660)"
also "^fix *group *add ada"
also "^fix *hugepages"
also "^This machine can run guests, and they can be hypervisors"
[ -c /dev/abyme ] && grep -q '\[madvise\]' $huge && grep -q '^kvm:x:106:grace,ada$' /etc/group &&
	[ "$(stat -c %g:%a /dev/abyme)" = 106:660 ] && grep -q 'KERNEL=="abyme", GROUP="kvm"' $rule
claim "each step did what it said" $?
state >fixed
says 0 "can be hypervisors" --fix
! grep -q "^fix" said
claim "the second time there is nothing to mend" $?
unchanged fixed "and nothing changes"
says 0 "^undo .*write never to $huge" --undo
[ "$(grep '^undo' said | sed 's/undo *//; s/ .*//' | tr '\n' ' ')" = "write take give remove remove " ]
claim "the last change goes first" $?
unchanged before "--undo takes back all of it"
says 0 "There is nothing to take back" --undo
unchanged before "twice is harmless"

# --- what others did meanwhile stays
says 0 "^fix *hugepages" --fix
echo always >$huge
echo '# mine' >>$rule
says 0 "it was changed since, and stays as it is" --undo
grep -q '\[always\]' $huge && grep -q '# mine' $rule && [ ! -e $journal ]
claim "what others changed since stays theirs" $?
rm $rule
echo never >$huge
modprobe abyme
says 0 "^fix *hugepages" --fix
says 0 "^undo" --undo
[ -c /dev/abyme ]
claim "a module that --fix did not load stays loaded" $?
modprobe -r abyme
unchanged before "and all else is as before"

# --- a step that fails, and an end halfway
mv /usr/sbin/usermod usermod
says 4 "^failed *group *there is no usermod here" --fix
also "^ *-> add the user to the group"
! grep -q join $journal && grep -q load $journal
claim "the journal has what was done, and not what failed" $?
mv usermod /usr/sbin/usermod
printf 'write\tanother-bo' >>$journal
says 0 "^undo *remove the module abyme" --undo
unchanged before "what ends --fix halfway leaves what --undo needs"
printf 'load\tbefore-the-reboot\tabyme\t\t\n' >$journal
modprobe abyme
says 0 "a reboot has done that" --undo
[ -c /dev/abyme ]
claim "what a reboot took back is left alone" $?
modprobe -r abyme
printf 'join\tx\tada\t\tkvm\nsomething else\n' >$journal
says 4 "not what abyme doctor writes" --undo
rm $journal

# --- in use
says 0 "^fix *module" --fix
hold /dev/abyme
says 4 "^failed .*abyme" --undo
also "mend that, and run abyme doctor --undo again"
release
says 0 "^undo *remove the module abyme" --undo
unchanged before "what could not be taken back is taken back later"

# --- KVM: one that holds VT-x though idle, as newer kernels do, and one with a VM
if load_idle_kvm 2>/dev/null; then
	modprobe abyme
	state >with_kvm
	says 0 "^fix *hugepages" --fix
	lsmod | grep -q '^kvm_intel'
	claim "an idle KVM that holds nothing stays" $?
	says 0 "^undo" --undo
	unchanged with_kvm "and is there as before"
	mount -t tmpfs none /sys/module/kvm/parameters
	echo Y >/sys/module/kvm/parameters/enable_virt_at_load
	hold /dev/kvm
	says 2 "^left *owner *kvm_intel holds VT-x (its VMs are running)" --fix
	also "-> stop KVM's virtual machines"
	lsmod | grep -q '^kvm_intel'
	claim "KVM in use is left alone" $?
	release
	says 0 "^undo" --undo
	says 0 "^fix *owner *remove the module kvm_intel (modprobe -r kvm_intel)" --fix
	! lsmod | grep -q '^kvm_intel'
	claim "an idle KVM that holds VT-x goes" $?
	says 0 "^undo *load the module kvm_intel" --undo
	unchanged with_kvm "and comes back"
	modprobe -r kvm_intel
fi
[ -c /dev/abyme ] || modprobe abyme
rm -r "$dir"
end_claims
