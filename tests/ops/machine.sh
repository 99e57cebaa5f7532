#!/bin/sh
# machine.sh ROOT FOLDER SCRIPT: a Debian machine for a test. It boots systemd on the tree ROOT in namespaces of its own, runs
# FOLDER/SCRIPT there as root by sh, prints what that prints, and exits with its code.
#
# The machine sees FOLDER, read-only, as /srv/given. What it writes goes to memory; ROOT stays as it is. Its network is its own loopback
# and nothing else, so that fixed ports are free. It is gone as soon as this script ends, however that happens. Only root may do
# all this.
set -eu

if [ "${4:-}" != inside ]; then
    exec unshare --mount --net --propagation private "$0" "$@" inside
fi

root=$1 folder=$2 script=$3

# In memory: the tree as it will be, with what is written on top of ROOT.
mount -t tmpfs -o mode=0755 machine /mnt
mkdir /mnt/written /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$root,upperdir=/mnt/written,workdir=/mnt/work" /mnt/root
cd /mnt/root

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup # where the kernel has groups of version 1, too
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=0755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p srv/given mnt/old
mount --bind "$folder" srv/given
mount -o remount,bind,ro srv/given
# A machine keeps its name; one without an id would ask for a first boot.
echo 0123456789abcdef0123456789abcdef >etc/machine-id
ip link set lo up

# Nobody logs in. A getty would wait for its terminal with all files of systemd's open, listening sockets among them.
ln -s /dev/null etc/systemd/system/getty.target
ln -s /dev/null etc/systemd/system/console-getty.service

# The script is a service, the last one to start; the machine ends with it.
touch srv/output srv/console dev/console
mount --bind srv/console dev/console
cat >etc/systemd/system/given.service <<END
[Unit]
After=multi-user.target
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate
[Service]
Type=oneshot
WorkingDirectory=/root
Environment=HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
StandardOutput=file:/srv/output
StandardError=file:/srv/output
ExecStart=/bin/sh /srv/given/$script
ExecStopPost=/bin/sh -c 'echo \$EXIT_STATUS >/srv/code'
END
mkdir -p etc/systemd/system/given.target.wants
ln -s /etc/systemd/system/given.service etc/systemd/system/given.target.wants/given.service
printf '[Unit]\nRequires=multi-user.target\nAfter=multi-user.target\nAllowIsolate=yes\n' >etc/systemd/system/given.target
ln -sf /etc/systemd/system/given.target etc/systemd/system/default.target

# Not chroot: in one of those the kernel allows no user namespaces, which units ask for.
pivot_root . mnt/old
cd /
umount -l /mnt/old

# A control group of its own, which it sees as the root of all. In one that they share, a machine removes a group of another's that it
# finds empty, just before that one starts a service in it (219/CGROUP).
group=/sys/fs/cgroup/machine-$$
mkdir "$group"
env -i container=machine PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    unshare --pid --fork --kill-child --ipc --uts --mount-proc \
    sh -c "echo 0 >$group/cgroup.procs && exec unshare --cgroup sh -c '
        umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec /lib/systemd/systemd --log-target=console'" \
    </dev/null || true # it ends by a signal, as a machine that is switched off
# Its processes have ended; the kernel may need a moment to see them gone.
for _ in 1 2 3 4 5; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 1
done
cat /srv/output
if [ ! -e /srv/code ]; then
    echo "machine.sh: the machine ended before the script did:" >&2
    cat /srv/console >&2
    exit 125
fi
exit "$(cat /srv/code)"
