#!/bin/bash
# Boots a real systemd as PID 1 on a clean Debian, whose changes are thrown away: `unshare … systemd_boot.sh DIRECTORY DEBIAN
# REPOSITORY`. It has this process' network, and nothing runs in it but what is started there.
set -euo pipefail
directory=$1 debian=$2 repository=$3
root=$directory/root

mount --make-rprivate /
mkdir -p "$directory/layer" "$root"
mount -t tmpfs tmpfs "$directory/layer"
mkdir "$directory/layer/upper" "$directory/layer/work"
mount -t overlay overlay -o "lowerdir=$debian,upperdir=$directory/layer/upper,workdir=$directory/layer/work" "$root"
mkdir -p "$root$repository"
mount --bind "$repository" "$root$repository"
mount -o remount,bind,ro "$root$repository"

mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"

# Version 1 of control groups, by which limits of memory are enforced here.
mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
for controller in memory pids cpu freezer; do
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller"
done
mkdir "$root/sys/fs/cgroup/systemd"
mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"

rm -rf "$root"/etc/systemd/system/*.wants
# What would change the kernel that all share.
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-binfmt systemd-random-seed; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
# What would empty /tmp, where the files of this test are.
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"
cat >"$root/etc/systemd/system/machine.target" <<'TARGET'
[Unit]
Description=Nothing but what tests start
Requires=basic.target
After=basic.target
AllowIsolate=yes
TARGET

# Not chroot: in one, a service cannot have users of its own (PrivateUsers=).
cd "$root"
mkdir oldroot
pivot_root . oldroot
mount --make-rshared /
exec /usr/bin/env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=journal --show-status=no
