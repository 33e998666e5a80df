// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/alloc.h"
#include "common/cleanup.h"
#include "layer-packer/recipe.h"

#define SUM "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"
#define HEAD "{\"name\": \"n\", \"version\": \"1.2\", "

static struct error err;

static bool parse(const char *text, enum arch arch, struct recipe *recipe) {
    return recipe_parse(slice_text(text), "recipe", "folder", arch, recipe, &err);
}

START_TEST(replaces_placeholders) {
    cleanup_recipe struct recipe recipe = {0};
    ck_assert_msg(parse(HEAD
                        "\"files\": ["
                        "{\"path\": \"b/{arch}\", \"mode\": \"0755\", \"source\": {\"url\": "
                        "\"https://h/{version}/{goarch}.zip\", \"member\": \"{version}{version}\", "
                        "\"sha256\": {\"x86_64\": \"" SUM "\"}}},"
                        "{\"path\": \"c\", \"source\": {\"path\": \"p/{goarch}\"}},"
                        "{\"path\": \"d\", \"source\": {\"link\": \"{version}\"}}]}",
                        ARCH_X86_64, &recipe),
                  "%s", err.message);
    ck_assert_uint_eq(recipe.count, 3);
    ck_assert_str_eq(recipe.files[0].path, "b/x86_64");
    ck_assert_uint_eq(recipe.files[0].mode, 0755);
    ck_assert_str_eq(recipe.files[0].url, "https://h/1.2/amd64.zip");
    ck_assert_str_eq(recipe.files[0].member, "1.21.2");
    ck_assert_str_eq(recipe.files[0].sha256,
                     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    ck_assert_str_eq(recipe.files[1].source, "folder/p/amd64");
    ck_assert(!recipe.files[1].has_mode);
    // A link's target is taken as it stands.
    ck_assert_str_eq(recipe.files[2].link, "{version}");
}
END_TEST

START_TEST(asks_for_the_architecture_only_where_it_matters) {
    cleanup_recipe struct recipe recipe = {0};
    const char *plain = HEAD "\"files\": [{\"path\": \"a\", \"source\": {\"path\": \"b\"}}]}";
    ck_assert(parse(plain, ARCH_NONE, &recipe));
    ck_assert_int_eq(recipe.arch, ARCH_NONE);
    recipe_clean_up(&recipe);
    const char *needs = HEAD "\"files\": [{\"path\": \"{arch}\", \"source\": {\"path\": \"b\"}}]}";
    ck_assert(!parse(needs, ARCH_NONE, &recipe));
    ck_assert(error_is(&err, "usage"));
    const char *one = HEAD "\"architectures\": [\"arm64\"], "
                           "\"files\": [{\"path\": \"{arch}\", \"source\": {\"path\": \"b\"}}]}";
    ck_assert(parse(one, ARCH_NONE, &recipe));
    ck_assert_int_eq(recipe.arch, ARCH_ARM64);
    ck_assert_str_eq(recipe.files[0].path, "arm64");
    recipe_clean_up(&recipe);
    ck_assert(!parse(one, ARCH_X86_64, &recipe));
    ck_assert_ptr_nonnull(strstr(err.message, "not for x86_64"));
}
END_TEST

static const struct {
    const char *file;
    const char *message;
} flaws[] = {
    {"{\"path\": \"a\", \"source\": {\"path\": \"{nope}\"}}",
     "recipe.files[0].source.path: unknown placeholder {nope}: must be {version}, {arch} or "
     "{goarch}"},
    {"{\"path\": \"a{\", \"source\": {\"path\": \"b\"}}",
     "recipe.files[0].path: a \"{\" without its \"}\""},
    {"{\"path\": \"a\", \"source\": {\"path\": \"b\", \"url\": \"c\"}}",
     "recipe.files[0].source: must have exactly one of \"path\", \"link\" and \"url\""},
    {"{\"path\": \"a\", \"mode\": \"rwx\", \"source\": {\"path\": \"b\"}}",
     "recipe.files[0].mode: must be \"0755\", \"0711\" or \"0644\", not \"rwx\""},
    {"{\"path\": \"a\", \"source\": {\"url\": \"b\", \"sha256\": {\"x86_64\": \"12\"}}}",
     "recipe.files[0].source.sha256.x86_64: must be a SHA-256 of 64 hexadecimal digits"},
    {"{\"path\": \"a\", \"sources\": {\"path\": \"b\"}}",
     "recipe.files[0]: unknown member \"sources\"; did you mean \"source\"?"},
};

START_TEST(names_the_place_of_a_flaw) {
    cleanup_recipe struct recipe recipe = {0};
    cleanup_free char *text = xasprintf(HEAD "\"files\": [%s]}", flaws[_i].file);
    ck_assert(!parse(text, ARCH_X86_64, &recipe));
    ck_assert_str_eq(err.message, flaws[_i].message);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("recipe");
    TCase *tcase = tcase_create("recipe");
    tcase_add_test(tcase, replaces_placeholders);
    tcase_add_test(tcase, asks_for_the_architecture_only_where_it_matters);
    tcase_add_loop_test(tcase, names_the_place_of_a_flaw, 0, sizeof(flaws) / sizeof(*flaws));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
