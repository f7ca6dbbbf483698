#!/usr/bin/env bash
# Runs kernelcheck in Bochs, on an emulated Skylake-X: for machines without AVX-512. Families to tanh took an hour and a half
# beside other jobs, channel_norm alone ten minutes with the build (--quick, Zen 3, 2026-11-28).
#
#     scripts/avx512_emulated.sh [kernelcheck's arguments; --isa avx512 is the default]
#
# Exits with kernelcheck's status; 77 if Debian's packages are missing, 124 after two hours, 125 if the
# emulated machine ended without a status. Needs no root. Works in build/avx512-emulated, one run at a time.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work="$root/build/avx512-emulated"
mkdir -p "$work/files/bin" "$work/disc"
exec 9>"$work/lock"
flock -n 9 || { echo "another run works in $work" >&2; exit 1; }
cd "$work"

syslinux=/usr/lib/syslinux/modules/bios/ldlinux.c32
missing=
while read -r package file; do
    [ -e "$file" ] || missing+=" $package"
done <<END
gcc /usr/bin/gcc
libc6-dev /usr/include/stdlib.h
cmake /usr/bin/cmake
ninja-build /usr/bin/ninja
bochs /usr/bin/bochs
bochs-term /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so
bochsbios /usr/share/bochs/BIOS-bochs-latest
busybox-static /bin/busybox
isolinux /usr/lib/ISOLINUX/isolinux.bin
syslinux-common $syslinux
xorriso /usr/bin/xorriso
END
if [ -n "$missing" ]; then
    echo "missing; as root: apt-get install --no-install-recommends$missing" >&2
    exit 77
fi

# Debian's kernel for virtual machines is fetched and unpacked, not installed: nothing here shall boot it.
if [ ! -e disc/linux ]; then
    kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" { print $2; exit }')
    if ! { [ -n "$kernel" ] && apt-get -qq -o APT::Sandbox::User=root download "$kernel" && dpkg-deb -x "$kernel"_*.deb kernel; }; then
        echo "no linux-image-cloud-amd64 to download; try apt-get update, as root" >&2
        exit 77
    fi
    mv kernel/boot/vmlinuz-* disc/linux
    rm -r kernel "$kernel"_*.deb
fi

# A static program needs no system around it.
cmake -S "$root/cmake" -B cmake -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_EXE_LINKER_FLAGS=-static \
    -DCMAKE_C_FLAGS="-include $root/Tests/kernelcheck/emulators.h" >build.log &&
    cmake --build cmake --target kernelcheck >>build.log || { cat build.log >&2; exit 1; }

cp cmake/kernelcheck/kernelcheck files/
cp /bin/busybox files/bin/
printf '%s\n' --isa avx512 "$@" >files/arguments # of two --isa, the last counts
cat >files/init <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
echo "kernelcheck starts"
/bin/busybox tr '\n' '\0' </arguments | /bin/busybox xargs -0 /bin/busybox sh -c '/kernelcheck "$@"; echo "kernelcheck ended: $?"' sh
/bin/busybox sleep 1 # the serial line may still have something to send
/bin/busybox poweroff -f
END
chmod +x files/init
(cd files && find . | /bin/busybox cpio -o -H newc | gzip -1) >disc/files 2>>build.log

# Linux mistrusts how Bochs 2.7 counts the bytes of XSAVES and would give up AVX altogether. Names for its
# tracing take half of the boot. After a panic it restarts by a triple fault, which ends Bochs.
cat >disc/isolinux.cfg <<'END'
DEFAULT kernelcheck
LABEL kernelcheck
  KERNEL /linux
  INITRD /files
  APPEND console=ttyS0 quiet mitigations=off clearcpuid=xsaves,xsavec initcall_blacklist=trace_eval_init init_on_alloc=0 panic=-1 reboot=triple
END
cp /usr/lib/ISOLINUX/isolinux.bin "$syslinux" disc/
xorriso -as mkisofs -quiet -o disc.iso -b isolinux.bin -c boot.cat \
    -no-emul-boot -boot-load-size 4 -boot-info-table disc 2>>build.log

# Skylake-X has the four parts of AVX-512 that the kernels name and, but for CD, no other.
cat >bochsrc <<'END'
cpu: model=corei7_skylake_x, ips=100000000, reset_on_triple_fault=0
memory: guest=512, host=512
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
config_interface: textconfig
display_library: term
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
ata0-master: type=cdrom, path=disc.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=serial
log: bochs.log
panic: action=fatal
END
printf 'c\nq\n' >commands # Debian's Bochs starts in its debugger: continue; quit at the end

# Bochs draws the screen on a terminal, here one that nobody sees. What counts comes by the serial line.
: >serial
TERM=vt100 timeout -k 10 2h script -qec "bochs -q -f bochsrc -rc commands" /dev/null </dev/null >screen 2>&1 9>&- &
emulator=$!
trap 'kill $emulator 2>/dev/null || true' EXIT
tail --pid=$emulator -n +1 -f serial | sed -un 's/\r$//; /^kernelcheck starts/,/^kernelcheck ended/p'
ended=0
wait $emulator || ended=$?

minutes=$(awk "BEGIN { printf \"%.1f\", $SECONDS / 60 }")
status=$(tr -d '\r' <serial | sed -n 's/^kernelcheck ended: \([0-9]*\)$/\1/p')
if [ -z "$status" ]; then
    tail -n 20 serial >&2
    echo "no status after $minutes minutes; see serial and bochs.log in $work" >&2
    [ $ended = 124 ] && exit 124
    exit 125
fi
echo "$minutes minutes, with the build and the boot"
exit "$status"
