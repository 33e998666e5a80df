# SPDX-License-Identifier: Apache-2.0
"""The bare root file system of a sandbox: a shell, small tools, CA certificates, nothing else.

It is barer than provided.al2023: static programs only, so that a helper which leans on a shared
library, on git or on curl of the image fails here.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
DEVICES = ("null", "zero", "full", "random", "urandom")
FOLDERS = (
    "dev", "etc/pki/tls/certs", "etc/profile.d", "etc/ssl", "mnt", "opt", "proc", "tmp", "usr/bin",
    "usr/sbin", "usr/local/bin", "var/lang", "var/runtime", "var/task",
)  # fmt: skip
LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "etc/ssl/certs": "../pki/tls/certs",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
}

USER_ID = 993
PASSWD = f"""root:x:0:0:root:/root:/bin/bash
sbx_user1051:x:{USER_ID}:{USER_ID}::/home/sbx_user1051:/sbin/nologin
"""
GROUP = f"root:x:0:\nsbx_user1051:x:{USER_ID}:\n"

# Programs of busybox that the image has: none that reaches the network or changes the system.
APPLETS = frozenset(
    """
[ [[ awk base64 basename bunzip2 bzcat bzip2 cat chgrp chmod chown chroot cksum clear cmp comm cp
cpio crc32 cut date dd df diff dirname dmesg du echo egrep env expand expr factor fallocate false
fgrep find flock fold free getopt grep groups gunzip gzip head hexdump hostid hostname id install
ionice ipcs kill killall last less link ln logname ls md5sum mkdir mkfifo mknod mktemp more mount
mountpoint mv nice nl nohup nproc od paste patch pgrep pidof pkill printenv printf ps pwd readlink
realpath renice rev rm rmdir sed seq setsid sha1sum sha256sum sha512sum shred shuf sleep sort split
stat strings stty sum sync tac tail tar taskset tee test time timeout top touch tr true truncate tty
umount uname unexpand uniq unlink unshare unxz unzip uptime usleep wc which who whoami xargs xxd xz
xzcat yes zcat
""".split()  # noqa: SIM905
)

# Like Amazon Linux 2023's: PATH is added to, and profile.d is read.
PROFILE = """pathmunge() {
    case ":${PATH}:" in
        *:"$1":*) ;;
        *) if [ "$2" = "after" ]; then PATH=$PATH:$1; else PATH=$1:$PATH; fi ;;
    esac
}
if [ "$EUID" = "0" ]; then
    pathmunge /usr/sbin
    pathmunge /usr/local/sbin
else
    pathmunge /usr/local/sbin after
    pathmunge /usr/sbin after
fi
HOSTNAME=$(/usr/bin/hostname 2>/dev/null)
HISTSIZE=1000
export PATH HOSTNAME HISTSIZE
for i in /etc/profile.d/*.sh; do
    if [ -r "$i" ]; then . "$i" >/dev/null; fi
done
unset i
unset -f pathmunge
"""
# Like Debian's: PATH is replaced.
REPLACING_PROFILE = """PATH="/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
export PATH
"""


def _static_program(*places: str) -> Path:
    for place in places:
        path = Path(place)
        if path.is_file() and b"ld-linux" not in path.read_bytes()[:4096]:
            return path
    raise RuntimeError(
        f"the sandbox needs a static program at one of {', '.join(places)}: "
        "the packages busybox-static and bash-static (make setup installs them)"
    )


def bare_root(folder: Path, replacing_profile: bool = False) -> Path:
    """Makes the root file system in `folder` once, and returns it."""
    ready = folder / "etc" / "profile"
    if ready.exists():
        return folder
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, target in LINKS.items():
        (folder / name).symlink_to(target)
    for name in DEVICES:
        (folder / "dev" / name).touch()
    programs = folder / "usr" / "bin"
    shutil.copy(_static_program("/bin/bash-static", "/usr/bin/bash-static"), programs / "bash")
    (programs / "sh").symlink_to("bash")
    busybox = _static_program("/bin/busybox", "/usr/bin/busybox")
    shutil.copy(busybox, programs / "busybox")
    listing = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    for applet in set(listing.stdout.split()).intersection(APPLETS):
        (programs / applet).symlink_to("busybox")
    bundle = next((path for path in map(Path, CA_BUNDLES) if path.is_file()), None)
    if bundle is None:
        raise RuntimeError("the sandbox needs the machine's CA certificates (ca-certificates)")
    shutil.copy(bundle, folder / "etc/pki/tls/certs/ca-bundle.crt")
    texts = {
        "passwd": PASSWD,
        "group": GROUP,
        "hosts": "127.0.0.1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        "resolv.conf": Path("/etc/resolv.conf").read_text()
        if Path("/etc/resolv.conf").exists()
        else "",
        "system-release": "Amazon Linux release 2023 (Amazon Linux)\n",
    }
    for name, text in texts.items():
        (folder / "etc" / name).write_text(text)
    ready.write_text(REPLACING_PROFILE if replacing_profile else PROFILE)
    return folder
