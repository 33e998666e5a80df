// SPDX-License-Identifier: Apache-2.0
#include <check.h>
#include <stdlib.h>

#include "common/xml.h"

static struct error err;

/// The text of element `a`, or the error's message.
static const char *text_of_a(const char *document) {
    static struct buffer text = BUFFER_INIT(1000);
    buffer_reset(&text);
    return xml_element_text(slice_text(document), "a", &text, &err) ? buffer_text(&text)
                                                                    : err.message;
}

START_TEST(finds_the_first_element_of_that_name) {
    static const char *const cases[][2] = {
        {"<a>x</a>", "x"},
        {"<?xml version=\"1.0\"?>\n<r><b>1</b><a>x</a><a>y</a></r>", "x"},
        {"<r><aa>1</aa><a >x</a\n></r>", "x"},
        {"<r><a b=\"<>\" c='</a>'>x</a></r>", "x"},
        {"<r><!-- <a>no</a> --><a>yes</a></r>", "yes"},
        {"<r><![CDATA[<a>no</a>]]><a>yes</a></r>", "yes"},
        {"<a>x<![CDATA[&<b>]]>&lt;<![CDATA[]]>y</a>", "x&<b><y"},
        {"<a/>", ""},
        {"<a></a>", ""},
        {"<a> x\n y </a>", " x\n y "},
        {"<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x20AC;&#x1F600;&#xe9;</a>",
         "<>&\"'A\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9"},
        {"<a>&amp;lt;</a>", "&lt;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(text_of_a(cases[i][0]), cases[i][1]);
    }
}
END_TEST

START_TEST(refuses_what_it_does_not_understand) {
    static const char *const cases[][2] = {
        {"", "a: no such element"},
        {"<b>a</b>", "a: no such element"},
        {"a", "a: no such element"},
        {"<a>x", "a: expected text and the end of the element"},
        {"<a>x<b/></a>", "a: expected text and the end of the element"},
        {"<a>x</b>", "a: expected text and the end of the element"},
        {"<a>x</aa>", "a: expected text and the end of the element"},
        {"<a><![CDATA[x</a>", "a: expected text and the end of the element"},
        {"<!-- <a>x</a>", "a: the XML is broken"},
        {"<b c=\"><a>x</a>", "a: the XML is broken"},
        {"<", "a: the XML is broken"},
        {"<a>&nbsp;</a>", "a: a broken or unknown entity"},
        {"<a>&amp</a>", "a: a broken or unknown entity"},
        {"<a>&#0;</a>", "a: a broken or unknown entity"},
        {"<a>&#xD800;</a>", "a: a broken or unknown entity"},
        {"<a>&#x110000;</a>", "a: a broken or unknown entity"},
        {"<a>&#99999999999999999999;</a>", "a: a broken or unknown entity"},
        {"<a>&#;</a>", "a: a broken or unknown entity"},
        {"<a>&#xg;</a>", "a: a broken or unknown entity"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_str_eq(text_of_a(cases[i][0]), cases[i][1]);
        ck_assert_str_eq(err.code, "xml");
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("xml");
    TCase *tcase = tcase_create("xml");
    tcase_add_test(tcase, finds_the_first_element_of_that_name);
    tcase_add_test(tcase, refuses_what_it_does_not_understand);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
