// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zip.h>
#include <zlib.h>

#include "bootstrap/settings/mirror_source.h"
#include "bootstrap/workspace/mirror_config.h"
#include "bootstrap/workspace/mirror_manifest.h"
#include "bootstrap/workspace/mirror_unpack.h"
#include "common/alloc.h"
#include "common/cleanup.h"
#include "common/system/files.h"

#define PLATFORM "registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64"
#define PROVIDER PLATFORM "/terraform-provider-aws"

static struct error err;
/// Everything of a test lies in `base`: the zip, and `folder`, into which it is unpacked.
static char *base;
static char *folder;
static char *zip_path;

static void make_base(void) {
    const char *tmp = getenv("TMPDIR");
    char name[FILES_RANDOM_NAME_SIZE];
    files_random_name(name);
    base = xasprintf("%s/test-mirror-%s", tmp ? tmp : "/tmp", name);
    folder = xasprintf("%s/a/providers", base);
    zip_path = xasprintf("%s/mirror.zip", base);
    ck_assert_msg(files_make_directories(folder, 0700, &err), "%s", err.message);
}

static void remove_base(void) {
    files_remove_tree(base, 0, &err);
    free(base);
    free(folder);
    free(zip_path);
}

// --- Zips ----------------------------------------------------------------------------------------

struct entry {
    const char *name;
    const char *content;
    unsigned mode;
};

static void write_zip(const struct entry *entries, size_t count) {
    int code = 0;
    zip_t *zip = zip_open(zip_path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    ck_assert_ptr_nonnull(zip);
    for (size_t i = 0; i < count; i++) {
        const struct entry *entry = &entries[i];
        zip_source_t *source = zip_source_buffer(zip, entry->content, strlen(entry->content), 0);
        const zip_int64_t index = zip_file_add(zip, entry->name, source, ZIP_FL_ENC_UTF_8);
        ck_assert_msg(index >= 0, "%s: %s", entry->name, zip_strerror(zip));
        zip_file_set_external_attributes(zip, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX,
                                         (zip_uint32_t)entry->mode << 16);
    }
    ck_assert_msg(zip_close(zip) == 0, "%s", zip_strerror(zip));
}

static bool unpack(struct mirror_manifest *manifest, int64_t *size) {
    cleanup_close int zip = open(zip_path, O_RDONLY | O_CLOEXEC);
    cleanup_close int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(zip, 0);
    ck_assert_int_ge(root, 0);
    return mirror_unpack(zip, root, 0, manifest, size, &err);
}

static bool verify(struct mirror_manifest *manifest) {
    cleanup_close int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(root, 0);
    return mirror_manifest_verify(manifest, root, 0, &err);
}

static char *in_folder(const char *path) {
    return xasprintf("%s/%s", folder, path);
}

static void assert_contains(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" does not contain \"%s\"", text, part);
}

/// Unpacks a good mirror.
static void good_mirror(struct mirror_manifest *manifest) {
    static const struct entry entries[] = {
        {PROVIDER, "a provider", 0100755},
        {PLATFORM "/LICENSE.txt", "MPL", 0100644},
    };
    int64_t size = 0;
    write_zip(entries, 2);
    ck_assert_msg(unpack(manifest, &size), "%s", err.message);
    ck_assert_int_eq(size, 13);
}

START_TEST(unpacks_files_with_their_modes) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    const mode_t old = umask(0077);
    good_mirror(&manifest);
    umask(old);

    struct stat status;
    cleanup_free char *provider = in_folder(PROVIDER);
    ck_assert_int_eq(stat(provider, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0755);
    cleanup_free char *license = in_folder(PLATFORM "/LICENSE.txt");
    ck_assert_int_eq(stat(license, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0644);
    cleanup_free char *host = in_folder("registry.terraform.io");
    ck_assert_int_eq(stat(host, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFDIR | 0755);
    cleanup_buffer struct buffer text = BUFFER_INIT(100);
    ck_assert(files_read(provider, &text, &err));
    ck_assert_str_eq(buffer_text(&text), "a provider");
    ck_assert_uint_eq(manifest.count, 7);
    ck_assert_msg(verify(&manifest), "%s", err.message);
}
END_TEST

START_TEST(drops_setuid_and_write_bits) {
    static const struct entry entries[] = {{"a/b", "x", 0106777}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 1);
    ck_assert_msg(unpack(&manifest, &size), "%s", err.message);
    struct stat status;
    cleanup_free char *path = in_folder("a/b");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0755);
}
END_TEST

static const struct {
    struct entry entry;
    const char *flaw;
} attacks[] = {
    {{"../outside", "x", 0100644}, "../outside: the path leads out"},
    {{"a/../../outside", "x", 0100644}, "a/../../outside: the path leads out"},
    {{"/outside", "x", 0100644}, "/outside: the path is absolute"},
    {{"a//b", "x", 0100644}, "a//b: the path has an empty component"},
    {{"./a", "x", 0100644}, "./a: the path has an empty component or \".\""},
    {{"..", "x", 0100644}, "..: the path leads out"},
    {{"a\\..\\b", "x", 0100644}, "backslash"},
    {{"a\nb", "x", 0100644}, "control character"},
    {{"a/link", "/etc/passwd", 0120777}, "neither a file nor a folder"},
    {{"a/device", "", 0020666}, "neither a file nor a folder"},
    {{"a/fifo", "", 0010666}, "neither a file nor a folder"},
    {{"a/folder-that-is-a-file", "x", 0040755}, "a folder's name ends in a slash"},
    {{"a/folder/", "x", 0040755}, "a folder with content"},
    {{"1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", "x", 0100644}, "too deep"},
};

START_TEST(tells_the_flaw_of_a_long_name) {
    char name[3001] = "../";
    memset(name + 3, 'a', sizeof(name) - 4);
    const struct entry entries[] = {{name, "x", 0100644}, {name, "x", 0040755}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(&entries[0], 1);
    ck_assert(!unpack(&manifest, &size));
    assert_contains(err.message, "aaa: the path leads out");
    write_zip(&entries[1], 1);
    ck_assert(!unpack(&manifest, &size));
    assert_contains(err.message, "aaa: a folder's name ends in a slash");
}
END_TEST

START_TEST(refuses_an_attack) {
    static const struct entry good = {"a/good", "x", 0100644};
    const struct entry entries[] = {good, attacks[_i].entry};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 2);

    ck_assert(!unpack(&manifest, &size));

    ck_assert_str_eq(err.code, "zip");
    assert_contains(err.message, attacks[_i].flaw);
    // Nothing was written, not even what is good.
    cleanup_free char *path = in_folder("a");
    ck_assert_int_eq(access(path, F_OK), -1);
    cleanup_free char *outside = xasprintf("%s/outside", base);
    ck_assert_int_eq(access(outside, F_OK), -1);
}
END_TEST

START_TEST(refuses_a_file_that_is_a_folder_as_well) {
    static const struct entry entries[] = {{"a", "x", 0100644}, {"a/b", "x", 0100644}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 2);
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
    assert_contains(err.message, "a: a file, and a folder as well");
}
END_TEST

START_TEST(refuses_a_bomb) {
    cleanup_free char *zeros = xcalloc(1, (8 << 20) + 1);
    memset(zeros, '0', 8 << 20);
    const struct entry entries[] = {{"a/bomb", zeros, 0100644}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 1);
    ck_assert(!unpack(&manifest, &size));
    assert_contains(err.message, "far too large");
}
END_TEST

START_TEST(refuses_too_many_entries) {
    struct entry *entries = xcalloc(MIRROR_MAX_ENTRIES + 1, sizeof(*entries));
    for (size_t i = 0; i <= MIRROR_MAX_ENTRIES; i++) {
        entries[i] = (struct entry){xasprintf("f%zu", i), "", 0100644};
    }
    write_zip(entries, MIRROR_MAX_ENTRIES + 1);
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    ck_assert(!unpack(&manifest, &size));
    assert_contains(err.message, "4097 entries");
    for (size_t i = 0; i <= MIRROR_MAX_ENTRIES; i++) {
        free((char *)(uintptr_t)entries[i].name);
    }
    free(entries);
}
END_TEST

START_TEST(refuses_what_is_no_zip) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    ck_assert(files_write_atomically(zip_path, SLICE("PK but no zip"), 0600, &err));
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
}
END_TEST

/// Writes other bytes in place of these, in the entry itself and in the zip's directory.
static void patch_zip(const void *from, const void *to, size_t length) {
    cleanup_buffer struct buffer bytes = BUFFER_INIT(1 << 20);
    ck_assert(files_read(zip_path, &bytes, &err));
    size_t found = 0;
    for (size_t i = 0; i + length <= bytes.len; i++) {
        if (memcmp(bytes.data + i, from, length) == 0) {
            memcpy(bytes.data + i, to, length);
            found++;
        }
    }
    ck_assert_uint_eq(found, 2);
    ck_assert(files_write_atomically(zip_path, buffer_slice(&bytes), 0600, &err));
}

/// Changes a byte of one entry, at `local` behind the entry itself and at `central` behind its
/// record in the directory.
static void patch_headers(size_t local, size_t central, char byte) {
    cleanup_buffer struct buffer bytes = BUFFER_INIT(1 << 20);
    ck_assert(files_read(zip_path, &bytes, &err));
    const char *record = memmem(bytes.data, bytes.len, "PK\1\2", 4);
    ck_assert_ptr_nonnull(record);
    bytes.data[local] = byte;
    bytes.data[(size_t)(record - bytes.data) + central] = byte;
    ck_assert(files_write_atomically(zip_path, buffer_slice(&bytes), 0600, &err));
}

static void assert_refused(const char *flaw) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
    assert_contains(err.message, flaw);
    // Nothing was written.
    ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(refuses_a_name_with_a_nul) {
    static const struct entry entries[] = {{"a/goodXevil", "x", 0100644}};
    write_zip(entries, 1);
    patch_zip("a/goodXevil", "a/good\0evil", 11);
    assert_refused("a/good: the name has a NUL in it");
}
END_TEST

START_TEST(refuses_a_name_that_is_not_utf8) {
    static const struct entry entries[] = {{"a/goodXevil", "x", 0100644}};
    write_zip(entries, 1);
    patch_zip("a/goodXevil",
              "a/good\x81"
              "evil",
              11);
    assert_refused("the name is not UTF-8");
}
END_TEST

START_TEST(refuses_an_encrypted_file) {
    static const struct entry entries[] = {{"a/file", "x", 0100644}};
    write_zip(entries, 1);
    patch_headers(6, 8, 1);
    assert_refused("a/file: is encrypted");
}
END_TEST

START_TEST(refuses_another_compression) {
    static const struct entry entries[] = {{"a/file", "x", 0100644}};
    write_zip(entries, 1);
    patch_headers(8, 10, ZIP_CM_BZIP2);
    assert_refused("a/file: compressed in another way than deflate");
}
END_TEST

/// A number as a zip has it: the lowest byte first.
static void append_number(struct buffer *out, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; i++) {
        buffer_append_byte(out, (char)value);
        value >>= 8;
    }
}

/// What an entry's two headers have alike.
static void append_header(struct buffer *out, struct slice name, struct slice content) {
    const uint64_t crc = crc32(0, (const unsigned char *)content.data, (unsigned)content.len);
    append_number(out, 10, 2);                 // Version.
    append_number(out, 0, 2);                  // Flags.
    append_number(out, ZIP_CM_STORE, 2);       // Method.
    append_number(out, UINT64_C(33) << 16, 4); // 1980-01-01.
    append_number(out, crc, 4);
    append_number(out, content.len, 4);
    append_number(out, content.len, 4);
    append_number(out, name.len, 2);
    append_number(out, 0, 2); // Extra fields.
}

static void append_entry(struct buffer *out, struct slice name, struct slice content) {
    buffer_append_text(out, "PK\3\4");
    append_header(out, name, content);
    buffer_append(out, name);
    buffer_append(out, content);
}

static void append_record(struct buffer *out, struct slice name, struct slice content,
                          size_t offset) {
    buffer_append_text(out, "PK\1\2");
    append_number(out, 10, 2);
    append_header(out, name, content);
    append_number(out, 0, 2 + 2 + 2 + 4); // Comment, disk, attributes of both kinds.
    append_number(out, offset, 4);
    buffer_append(out, name);
}

static void append_end(struct buffer *out, unsigned count, size_t offset) {
    const size_t size = out->len - offset;
    buffer_append_text(out, "PK\5\6");
    append_number(out, 0, 2 + 2);
    append_number(out, count, 2);
    append_number(out, count, 2);
    append_number(out, size, 4);
    append_number(out, offset, 4);
    append_number(out, 0, 2); // Comment.
}

/// The first file's content is the second one with its header: each by itself is good, and of many
/// such files a small zip is made that unpacks to terabytes.
START_TEST(refuses_entries_that_share_their_bytes) {
    const struct slice outer = SLICE("a/outer");
    const struct slice inner = SLICE("a/inner");
    const struct slice text = SLICE("a text that is there once");
    cleanup_buffer struct buffer content = BUFFER_INIT(1 << 10);
    cleanup_buffer struct buffer zip = BUFFER_INIT(1 << 10);
    append_entry(&content, inner, text);
    append_entry(&zip, outer, buffer_slice(&content));
    const size_t offset = zip.len;
    append_record(&zip, outer, buffer_slice(&content), 0);
    append_record(&zip, inner, text, offset - content.len);
    append_end(&zip, 2, offset);
    ck_assert(files_write_atomically(zip_path, buffer_slice(&zip), 0600, &err));
    assert_refused("a/inner: shares its bytes with another entry");
}
END_TEST

START_TEST(refuses_a_file_that_is_there_twice) {
    static const struct entry entries[] = {{"a/one", "x", 0100644}, {"a/two", "y", 0100644}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 2);
    patch_zip("a/two", "a/one", 5);
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
}
END_TEST

START_TEST(writes_no_more_than_was_announced) {
    enum { LENGTH = 0x1234 };
    cleanup_free char *text = xcalloc(1, LENGTH + 1);
    memset(text, '0', LENGTH);
    const struct entry entries[] = {{"a/file", text, 0100644}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 1);
    patch_zip("\x34\x12\0\0", "\x04\0\0\0", 4);
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
    assert_contains(err.message, "a/file: does not have the 4 bytes that the zip states");
}
END_TEST

/// Changes a byte of the content: the checksum is wrong then.
START_TEST(refuses_a_damaged_file) {
    static const struct entry entries[] = {{"a/file", "a text that is stored as it is", 0100644}};
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 1);
    cleanup_buffer struct buffer bytes = BUFFER_INIT(1 << 20);
    ck_assert(files_read(zip_path, &bytes, &err));
    bytes.data[45] ^= 1;
    ck_assert(files_write_atomically(zip_path, buffer_slice(&bytes), 0600, &err));
    ck_assert(!unpack(&manifest, &size));
    ck_assert_str_eq(err.code, "zip");
}
END_TEST

// --- Tampering -----------------------------------------------------------------------------------

static void write_over(const char *path, const char *text) {
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(files_write_fd(fd, path, slice_text(text), &err), "%s", err.message);
}

static void change_a_byte(const char *provider) {
    write_over(provider, "A provider");
}

static void append(const char *provider) {
    cleanup_close int fd = open(provider, O_WRONLY | O_APPEND | O_CLOEXEC);
    ck_assert(files_write_fd(fd, provider, SLICE("x"), &err));
}

static void change_the_mode(const char *provider) {
    ck_assert_int_eq(chmod(provider, 04755), 0);
}

static void allocate_beyond_its_end(const char *provider) {
    cleanup_close int fd = open(provider, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 << 20), 0);
}

static void remove_it(const char *provider) {
    ck_assert_int_eq(unlink(provider), 0);
}

/// The same content, but elsewhere, where it can be changed after the check.
static void replace_by_a_link(const char *provider) {
    cleanup_free char *elsewhere = xasprintf("%s/elsewhere", base);
    ck_assert_int_eq(rename(provider, elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, provider), 0);
}

static void link_hard(const char *provider) {
    cleanup_free char *elsewhere = xasprintf("%s/elsewhere", base);
    ck_assert_int_eq(link(provider, elsewhere), 0);
}

static void replace_by_a_fifo(const char *provider) {
    ck_assert_int_eq(unlink(provider), 0);
    ck_assert_int_eq(mkfifo(provider, 0755), 0);
}

static void replace_by_a_folder(const char *provider) {
    ck_assert_int_eq(unlink(provider), 0);
    ck_assert_int_eq(mkdir(provider, 0755), 0);
}

static void add_a_file(const char *provider) {
    cleanup_free char *path = xasprintf("%s-2", provider);
    ck_assert(files_write_atomically(path, SLICE("x"), 0644, &err));
}

static void add_a_folder(const char *provider) {
    (void)provider;
    cleanup_free char *path = in_folder("registry.opentofu.org");
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void open_a_folder_to_others(const char *provider) {
    (void)provider;
    cleanup_free char *path = in_folder("registry.terraform.io");
    ck_assert_int_eq(chmod(path, 0777), 0);
}

static void replace_a_folder_by_a_link(const char *provider) {
    (void)provider;
    cleanup_free char *path = in_folder("registry.terraform.io");
    cleanup_free char *elsewhere = xasprintf("%s/elsewhere", base);
    ck_assert_int_eq(rename(path, elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, path), 0);
}

static const struct {
    void (*tamper)(const char *provider);
    const char *said;
} tamperings[] = {
    {change_a_byte, "another content"},
    {append, "another size"},
    {change_the_mode, "the mode 4755 instead of 0755"},
    {allocate_beyond_its_end, "takes more room"},
    {remove_it, "1 of its files and folders are missing"},
    {replace_by_a_link, "cannot be read"},
    {link_hard, "another name"},
    {replace_by_a_fifo, "another kind"},
    {replace_by_a_folder, "another kind"},
    {add_a_file, "something more"},
    {add_a_folder, "something more"},
    {open_a_folder_to_others, "the mode 0777 instead of 0755"},
    {replace_a_folder_by_a_link, "not a folder"},
};

START_TEST(sees_a_change) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    good_mirror(&manifest);
    ck_assert_msg(verify(&manifest), "%s", err.message);
    cleanup_free char *provider = in_folder(PROVIDER);

    tamperings[_i].tamper(provider);

    ck_assert(!verify(&manifest));
    ck_assert_str_eq(err.code, "changed");
    assert_contains(err.message, tamperings[_i].said);
    // Without a look at the content all but the first are seen as well.
    cleanup_close int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(mirror_manifest_fits(&manifest, root, &err), _i == 0);
}
END_TEST

START_TEST(takes_away_what_hangs_on_its_files) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    good_mirror(&manifest);
    cleanup_free char *provider = in_folder(PROVIDER);
    const char *const paths[] = {provider, folder};
    const struct timespec times[] = {{.tv_sec = 12345}, {.tv_sec = 67890}};
    for (size_t i = 0; i < 2; i++) {
        ck_assert(setxattr(paths[i], "user.a", "secret", 6, 0) == 0 || errno == EOPNOTSUPP);
        ck_assert_int_eq(utimensat(AT_FDCWD, paths[i], times, 0), 0);
    }
    ck_assert_int_eq(chmod(folder, 0777), 0);

    ck_assert_msg(verify(&manifest), "%s", err.message);

    struct stat status;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_lt(getxattr(paths[i], "user.a", NULL, 0), 0);
        ck_assert_int_eq(stat(paths[i], &status), 0);
        ck_assert_int_gt(status.st_mtime, 67890);
    }
    ck_assert_int_eq(status.st_mode & 07777, 0700);
}
END_TEST

START_TEST(gives_up_in_time) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    good_mirror(&manifest);
    cleanup_close int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert(!mirror_manifest_verify(&manifest, root, 1, &err));
    ck_assert_str_eq(err.code, "timeout");
}
END_TEST

// --- Configuration
// ---------------------------------------------------------------------------------

START_TEST(serves_both_hosts_from_one_mirror) {
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    good_mirror(&manifest);
    cleanup_free char *links = xasprintf("%s/links", base);
    cleanup_buffer struct buffer text = BUFFER_INIT(1 << 16);

    ck_assert_msg(mirror_config_make(folder, links, &text, &err), "%s", err.message);

    assert_contains(buffer_text(&text), "exclude = [\"registry.terraform.io/hashicorp/aws\", "
                                        "\"registry.opentofu.org/hashicorp/aws\"]");
    cleanup_free char *link =
        xasprintf("%s/registry.opentofu.org/hashicorp/aws/5.100.0/linux_amd64", links);
    struct stat status;
    ck_assert_int_eq(lstat(link, &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
    ck_assert_int_eq(stat(link, &status), 0);
    ck_assert(S_ISDIR(status.st_mode));
}
END_TEST

START_TEST(makes_no_links_where_both_hosts_are_there) {
    static const struct entry entries[] = {
        {"registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/p", "x", 0100755},
        {"registry.opentofu.org/hashicorp/aws/5.100.0/linux_amd64/p", "x", 0100755},
    };
    cleanup_mirror_manifest struct mirror_manifest manifest = {0};
    int64_t size = 0;
    write_zip(entries, 2);
    ck_assert(unpack(&manifest, &size));
    cleanup_free char *links = xasprintf("%s/links", base);
    cleanup_buffer struct buffer text = BUFFER_INIT(1 << 16);
    ck_assert_msg(mirror_config_make(folder, links, &text, &err), "%s", err.message);
    ck_assert_int_eq(access(links, F_OK), -1);
}
END_TEST

START_TEST(says_that_a_mirror_is_empty) {
    cleanup_free char *links = xasprintf("%s/links", base);
    cleanup_buffer struct buffer text = BUFFER_INIT(1 << 16);
    ck_assert(!mirror_config_make(folder, links, &text, &err));
    ck_assert_str_eq(err.code, "mirror");
    assert_contains(err.message, "no provider");
}
END_TEST

// --- The setting
// -----------------------------------------------------------------------------------

static const struct {
    const char *text;
    const char *flaw;
} bad_sources[] = {
    {"providers", "neither"},
    {"http://bucket/key", "neither"},
    {"/mnt/../tmp", "plain path"},
    {"/mnt/a b", "plain path"},
    {"/mnt/\"", "plain path"},
    {"/mnt//x", "plain path"},
    {"/tmp", "/tmp"},
    {"/tmp/x", "/tmp"},
    {"s3://", "bucket"},
    {"s3://B_UCKET/key", "bucket"},
    {"s3://ab/key", "bucket"},
    {"s3://bucket", "key"},
    {"s3://bucket/", "key"},
    {"s3://bucket/a/../b", "key"},
    {"s3://bucket//b", "key"},
};

START_TEST(refuses_a_bad_place) {
    struct mirror_source source = {0};
    ck_assert(!mirror_source_read(slice_text(bad_sources[_i].text), &source, &err));
    assert_contains(err.message, bad_sources[_i].flaw);
    mirror_source_clean_up(&source);
}
END_TEST

START_TEST(reads_good_places) {
    struct mirror_source source = {0};
    ck_assert(mirror_source_read(SLICE("s3://my.bucket-1/a b/p+q.zip"), &source, &err));
    ck_assert_str_eq(source.bucket, "my.bucket-1");
    ck_assert_str_eq(source.key, "a b/p+q.zip");
    mirror_source_clean_up(&source);
    ck_assert(mirror_source_read(SLICE("/mnt/providers"), &source, &err));
    ck_assert_str_eq(source.folder, "/mnt/providers");
    mirror_source_clean_up(&source);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mirror");
    TCase *tcase = tcase_create("mirror");
    tcase_add_checked_fixture(tcase, make_base, remove_base);
    tcase_add_test(tcase, unpacks_files_with_their_modes);
    tcase_add_test(tcase, drops_setuid_and_write_bits);
    tcase_add_test(tcase, tells_the_flaw_of_a_long_name);
    tcase_add_loop_test(tcase, refuses_an_attack, 0, (int)(sizeof(attacks) / sizeof(attacks[0])));
    tcase_add_test(tcase, refuses_a_file_that_is_a_folder_as_well);
    tcase_add_test(tcase, refuses_a_bomb);
    tcase_add_test(tcase, refuses_too_many_entries);
    tcase_add_test(tcase, refuses_what_is_no_zip);
    tcase_add_test(tcase, refuses_a_name_with_a_nul);
    tcase_add_test(tcase, refuses_a_name_that_is_not_utf8);
    tcase_add_test(tcase, refuses_an_encrypted_file);
    tcase_add_test(tcase, refuses_another_compression);
    tcase_add_test(tcase, refuses_entries_that_share_their_bytes);
    tcase_add_test(tcase, refuses_a_file_that_is_there_twice);
    tcase_add_test(tcase, writes_no_more_than_was_announced);
    tcase_add_test(tcase, refuses_a_damaged_file);
    tcase_add_loop_test(tcase, sees_a_change, 0, (int)(sizeof(tamperings) / sizeof(tamperings[0])));
    tcase_add_test(tcase, takes_away_what_hangs_on_its_files);
    tcase_add_test(tcase, gives_up_in_time);
    tcase_add_test(tcase, serves_both_hosts_from_one_mirror);
    tcase_add_test(tcase, makes_no_links_where_both_hosts_are_there);
    tcase_add_test(tcase, says_that_a_mirror_is_empty);
    tcase_add_loop_test(tcase, refuses_a_bad_place, 0,
                        (int)(sizeof(bad_sources) / sizeof(bad_sources[0])));
    tcase_add_test(tcase, reads_good_places);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
