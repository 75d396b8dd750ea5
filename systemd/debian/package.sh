#!/bin/sh
# Makes the Debian package: `systemd/debian/package.sh VERSION FOLDER` leaves mailmill_VERSION_*.deb in FOLDER. What
# it needs is for `make deb` to install.
set -eu
version=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."

# The package's tools want debian/ at the top of a tree of their own.
tree=$folder/mailmill-$version
rm -rf "$tree"
mkdir -p "$tree"
cp -a receiver processor common schema tests systemd Makefile README.md "$tree"
cp -a systemd/debian "$tree/debian"

# The newest file's time, so that the same sources make the same package.
SOURCE_DATE_EPOCH=$(find "$tree" -type f -printf '%T@\n' | sort -n | tail -n 1 | cut -d. -f1)
export SOURCE_DATE_EPOCH
cat >"$tree/debian/changelog" <<EOT
mailmill ($version) unstable; urgency=medium

  * mailmill $version.

 -- mailmill maintainers <maintainers@mailmill.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
EOT

cd "$tree"
# Not of a make around this.
unset MAKEFLAGS MFLAGS MAKELEVEL BUILD CFLAGS
DEB_BUILD_OPTIONS="parallel=$(nproc)" dpkg-buildpackage --build=binary --unsigned-source --unsigned-changes \
    >"$folder/build.log" 2>&1 || { tail -n 30 "$folder/build.log" >&2; exit 1; }
rm -rf "$tree"
echo "$folder/mailmill_${version}_$(dpkg --print-architecture).deb"
