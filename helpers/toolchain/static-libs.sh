#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# static-libs.sh ARCH [LIBRARY]: builds the static libraries of the Lambda artifacts from Debian's
# sources, or one of them with those that it needs, and prints the prefix they are installed under
# (include/, lib/, licenses/).
set -euo pipefail
. "$(dirname "$0")/common.sh"
arch=$1
# shellcheck source=static-env.sh
. "$toolchain/static-env.sh"

license() { # license NAME FILE: keeps a licence text beside the library's version
    mkdir -p "$prefix/licenses/$1"
    cp "$2" "$prefix/licenses/$1/LICENSE"
    printf 'Debian source package %s %s\n' "$1" "$(cat "$work/$1/version")" \
        >"$prefix/licenses/$1/VERSION"
}

unpack() {
    "$toolchain/source.sh" "$1" "$work/$1"
    cd "$work/$1/source"
}

build_zlib() {
    unpack zlib
    CFLAGS="$static_cflags" ./configure --static --prefix="$prefix"
    make -j"$jobs" libz.a
    cp libz.a "$prefix/lib/"
    cp zlib.h zconf.h "$prefix/include/"
    license zlib LICENSE
}

build_cjson() {
    unpack cjson
    # shellcheck disable=SC2086 # flags are words
    "$CC" $static_cflags -c cJSON.c -o cJSON.o
    "$AR" rcsD "$prefix/lib/libcjson.a" cJSON.o
    mkdir -p "$prefix/include/cjson"
    cp cJSON.h "$prefix/include/cjson/"
    license cjson LICENSE
}

build_libdeflate() {
    unpack libdeflate
    local source
    for source in lib/*.c lib/*/*.c; do
        # shellcheck disable=SC2086
        "$CC" $static_cflags -I. -c "$source" -o "$(printf '%s' "$source" | tr / _).o"
    done
    "$AR" rcsD "$prefix/lib/libdeflate.a" ./*.o
    cp libdeflate.h "$prefix/include/"
    license libdeflate COPYING
}

build_libmicrohttpd() {
    unpack libmicrohttpd
    ./configure --build="$(uname -m)-linux-gnu" --host="$host" --prefix="$prefix" \
        --disable-shared --disable-https --disable-doc --disable-examples --disable-tools \
        --disable-curl --disable-dauth --disable-bauth --disable-sendfile CFLAGS="$static_cflags"
    make -j"$jobs" -C src/microhttpd libmicrohttpd.la
    cp src/microhttpd/.libs/libmicrohttpd.a "$prefix/lib/"
    cp src/include/microhttpd.h "$prefix/include/"
    license libmicrohttpd COPYING
}

build_libzip() {
    unpack libzip
    cmake -S . -B build -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$cpu" \
        -DCMAKE_C_COMPILER="$(command -v "$CC")" -DCMAKE_AR="$(command -v "$AR")" \
        -DCMAKE_RANLIB="$(command -v "$RANLIB")" -DCMAKE_C_FLAGS="$static_cflags" \
        -DCMAKE_BUILD_TYPE=None -DBUILD_SHARED_LIBS=OFF -DBUILD_TOOLS=OFF -DBUILD_REGRESS=OFF \
        -DBUILD_EXAMPLES=OFF -DBUILD_DOC=OFF -DENABLE_BZIP2=OFF -DENABLE_LZMA=OFF \
        -DENABLE_ZSTD=OFF -DENABLE_OPENSSL=OFF -DENABLE_GNUTLS=OFF -DENABLE_MBEDTLS=OFF \
        -DENABLE_COMMONCRYPTO=OFF -DZLIB_LIBRARY="$zlib/lib/libz.a" \
        -DZLIB_INCLUDE_DIR="$zlib/include"
    cmake --build build --parallel "$jobs" --target zip
    cp build/lib/libzip.a "$prefix/lib/"
    cp lib/zip.h build/zipconf.h "$prefix/include/"
    license libzip LICENSE
}

build_openssl() {
    unpack openssl
    # OpenSSL looks for its files where provided.al2023 has them. musl has no ucontext: no-async.
    ./Configure "$openssl_target" no-shared no-module no-dso no-engine no-async no-tests no-legacy \
        no-apps no-docs no-comp no-ssl3 no-weak-ssl-ciphers no-srp no-gost no-idea no-seed \
        no-rc2 no-rc4 no-md2 no-mdc2 no-whirlpool no-cms no-ts no-ct no-quic no-dtls \
        no-secure-memory --prefix=/usr --openssldir=/etc/pki/tls "CFLAGS=$static_cflags"
    make -j"$jobs" build_generated libcrypto.a libssl.a
    cp libcrypto.a libssl.a "$prefix/lib/"
    cp -R include/openssl "$prefix/include/"
    find "$prefix/include/openssl" -name '*.in' -delete
    license openssl LICENSE.txt
}

build_curl() {
    unpack curl
    ./configure --build="$(uname -m)-linux-gnu" --host="$host" --prefix="$prefix" \
        --disable-shared --with-openssl="$openssl" --with-zlib="$zlib" \
        --enable-threaded-resolver --enable-http --disable-ftp --disable-file --disable-ldap \
        --disable-ldaps --disable-rtsp --disable-dict --disable-telnet --disable-tftp \
        --disable-pop3 --disable-imap --disable-smb --disable-smtp --disable-gopher \
        --disable-mqtt --disable-websockets --disable-ipfs --disable-manual --disable-docs \
        --disable-ntlm --disable-kerberos-auth --disable-negotiate-auth --disable-unix-sockets \
        --disable-alt-svc --disable-hsts --disable-netrc --disable-cookies --disable-doh \
        --without-libpsl --without-libidn2 --without-brotli --without-zstd --without-nghttp2 \
        --without-librtmp --without-libssh2 --without-libgsasl --enable-ipv6 \
        --with-ca-bundle=/etc/pki/tls/certs/ca-bundle.crt --without-ca-path \
        CFLAGS="$static_cflags" CPPFLAGS="-I$openssl/include -I$zlib/include" \
        LDFLAGS="-L$openssl/lib -L$zlib/lib" \
        LIBS="-lssl -lcrypto -lz" PKG_CONFIG=false
    make -j"$jobs" -C lib
    cp lib/.libs/libcurl.a "$prefix/lib/"
    mkdir -p "$prefix/include/curl"
    cp include/curl/*.h "$prefix/include/curl/"
    license curl COPYING
}

build_library() {
    prefix=$1
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of this moment
    trap "rm -rf '$work'" EXIT
    SOURCE_ROOT=$work
    export SOURCE_ROOT
    mkdir -p "$prefix/lib" "$prefix/include"
    "build_$library"
}

# The folders that they need are in variables of their names: `zlib`, `openssl`.
build_one() {
    local library=$1 openssl='' zlib=''
    case $library in
        curl) openssl=$(build_one openssl) zlib=$(build_one zlib) ;;
        libzip) zlib=$(build_one zlib) ;;
    esac
    local key versions
    key=$(printf '%s' "$library" | tr '[:lower:]' '[:upper:]')
    versions=$(grep -E "^(ZIGLANG|$key)_" "$toolchain/versions.env")
    cached "$library-$arch" "$(hash_of "$versions" "${openssl##*/}" "${zlib##*/}" "$0" \
        "$toolchain/static-env.sh" "$toolchain/source.sh" "$toolchain"/bin/*)" build_library
}

if [ -n "${2:-}" ]; then
    build_one "$2"
    exit 0
fi

# OpenSSL takes about as long as all that do not wait for it.
libraries=(zlib cjson libdeflate libmicrohttpd libzip openssl curl)
together 'build_one openssl' \
    'for one in zlib libmicrohttpd libzip libdeflate cjson; do build_one "$one"; done'
folders=()
for one in "${libraries[@]}"; do folders+=("$(build_one "$one")"); done

join_folders() {
    local folder
    for folder in "${folders[@]}"; do cp -R "$folder/." "$1/"; done
}
cached "libs-$arch" "$(hash_of "${folders[@]##*/}")" join_folders ''
